//===- CompileNvvm.cpp - Kernel IR to PTX ---------------------------------===//
// kernel IR -> reductions as shuffles, matrices expanded, marked loops unrolled -> NVVM dialect -> LLVM IR + our math -> O3 -> PTX.
// Unrolled here and not by LLVM: private arrays become registers only if their indices are constants, and a hint on a loop
// does not survive the conversion.
// Examples: tests/codegen/metal/kernel-*.mlir

#include "codegen/nvvm/CompileNvvm.h"
#include "codegen/metal/VerifyKernels.h"
#include "dialect/TQ.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/GPU/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/Internalize.h"

using namespace mlir;

namespace tq {

void registerNvvmExtensions(DialectRegistry &registry) {
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  registerConvertFuncToLLVMInterface(registry);
  index::registerConvertIndexToLLVMInterface(registry);
  registerConvertMathToLLVMInterface(registry);
  registerConvertMemRefToLLVMInterface(registry);
  registerConvertNVVMToLLVMInterface(registry);
  ub::registerConvertUBToLLVMInterface(registry);
  vector::registerConvertVectorToLLVMInterface(registry);
  NVVM::registerConvertGpuToNVVMInterface(registry);
  registerAllToLLVMIRTranslations(registry);
}

namespace {
/// What NVVM's conversion does not know, in what it knows.
struct PreparePass : PassWrapper<PreparePass, OperationPass<gpu::GPUModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PreparePass)
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect, NVVM::NVVMDialect>();
  }
  void runOnOperation() override {
    gpu::GPUModuleOp module = getOperation();
    RewritePatternSet patterns(&getContext());
    populateGpuLowerSubgroupReduceToShufflePatterns(patterns, /*subgroupSize=*/32);
    populateGpuLowerClusteredSubgroupReduceToShufflePatterns(patterns, /*subgroupSize=*/32);
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return signalPassFailure();
    SmallVector<scf::ForOp> marked; // post-order: inner loops first
    module.walk([&](scf::ForOp loop) {
      if (loop->hasAttr("tq.unroll"))
        marked.push_back(loop);
    });
    for (scf::ForOp loop : marked)
      if (failed(loopUnrollFull(loop))) {
        loop.emitError() << "tq.unroll needs a constant trip count";
        return signalPassFailure();
      }
    module.walk([](SubgroupBarrierOp barrier) {
      OpBuilder b(barrier);
      Value lanes = arith::ConstantIntOp::create(b, barrier.getLoc(), -1, 32);
      NVVM::SyncWarpOp::create(b, barrier.getLoc(), lanes);
      barrier.erase();
    });
    // Two math ops that convert-gpu-to-nvvm leaves.
    module.walk([](math::TruncOp trunc) {
      OpBuilder b(trunc);
      trunc.replaceAllUsesWith(
          LLVM::FTruncOp::create(b, trunc.getLoc(), trunc.getType(), trunc.getOperand()).getResult());
      trunc.erase();
    });
    module.walk([](math::CtPopOp count) {
      OpBuilder b(count);
      Value value = count.getOperand();
      Type i32 = b.getI32Type();
      bool isIndex = value.getType().isIndex();
      if (isIndex)
        value = arith::IndexCastUIOp::create(b, count.getLoc(), i32, value);
      Value bits = LLVM::CtPopOp::create(b, count.getLoc(), value.getType(), value);
      if (isIndex)
        bits = arith::IndexCastUIOp::create(b, count.getLoc(), b.getIndexType(), bits);
      count.replaceAllUsesWith(bits);
      count.erase();
    });
    // Our names for arguments mean nothing further down.
    module.walk([](gpu::GPUFuncOp func) {
      for (unsigned i = 0, e = func.getFunctionType().getNumInputs(); i < e; ++i)
        for (NamedAttribute attr :
             llvm::to_vector(func.getArgAttrDict(i) ? func.getArgAttrDict(i).getValue() : ArrayRef<NamedAttribute>()))
          if (attr.getName().strref().starts_with("tq."))
            func.removeArgAttr(i, attr.getName());
    });
  }
};

Status link(llvm::Module &module) {
  llvm::SMDiagnostic diagnostic;
  auto math = llvm::parseAssemblyString(kNvvmMath, diagnostic, module.getContext());
  if (!math)
    return Error{"the math of PTX kernels cannot be read: " + diagnostic.getMessage().str()};
  math->setTargetTriple(module.getTargetTriple());
  math->setDataLayout(module.getDataLayout());
  std::vector<std::string> kernels;
  for (llvm::Function &f : module)
    if (!f.isDeclaration())
      kernels.push_back(f.getName().str());
  if (llvm::Linker::linkModules(module, std::move(math), llvm::Linker::LinkOnlyNeeded))
    return Error{"linking the math of PTX kernels failed; this is a defect of tq, please report the kernel"};
  for (llvm::Function &f : module)
    if (f.isDeclaration() && f.getName().starts_with("__nv_"))
      return Error{"PTX kernels have no definition of " + f.getName().str() + "; add it to NvvmMath.cpp"};
  llvm::internalizeModule(module,
                          [&](const llvm::GlobalValue &value) { return llvm::is_contained(kernels, value.getName()); });
  return {};
}

void optimise(llvm::Module &module, llvm::TargetMachine *machine) {
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cgam;
  llvm::ModuleAnalysisManager mam;
  llvm::PassBuilder builder(machine);
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, mam);
}
} // namespace

/// Every kernel as llvm.func in the NVVM dialect, in its gpu.module.
static LogicalResult lower(ModuleOp module) {
  PassManager pm(module.getContext());
  OpPassManager &kernels = pm.nest<gpu::GPUModuleOp>();
  kernels.addPass(createExpandSubgroupMma());
  kernels.addPass(std::make_unique<PreparePass>());
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  kernels.addPass(memref::createExpandStridedMetadataPass());
  kernels.addPass(createLowerAffinePass());
  kernels.addPass(createSCFToControlFlowPass());
  ConvertGpuOpsToNVVMOpsOptions options;
  options.indexBitwidth = 32; // a binding has fewer than 2^31 elements: no 64-bit address arithmetic
  options.useBarePtrCallConv = true;
  kernels.addPass(createConvertGpuOpsToNVVMOps(options));
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  kernels.addPass(createReconcileUnrealizedCastsPass());
  return pm.run(module);
}

Result<std::string> compileToPtx(ModuleOp module, const std::string &chip) {
  for (auto kernels : module.getOps<gpu::GPUModuleOp>())
    if (failed(verifyKernels(kernels)))
      return Error{"these kernels do not pass --tq-verify-kernels"};
  OwningOpRef<ModuleOp> work = ModuleOp::create(module.getLoc());
  for (auto kernels : module.getOps<gpu::GPUModuleOp>())
    work->push_back(kernels->clone());
  if (failed(lower(*work)))
    return Error{"lowering kernel IR to NVVM failed; this is a defect of tq, please report the kernel"};

  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error, text;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return Error{"LLVM has no backend for PTX: " + error};
  std::unique_ptr<llvm::TargetMachine> machine(backend->createTargetMachine(
      triple, chip, "+ptx70", llvm::TargetOptions(), std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  for (auto kernels : work->getOps<gpu::GPUModuleOp>()) {
    llvm::LLVMContext context;
    std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(kernels, context, kernels.getName());
    if (!llvmModule)
      return Error{"translating kernels to LLVM IR failed; this is a defect of tq, please report the kernel"};
    llvmModule->setTargetTriple(triple);
    llvmModule->setDataLayout(machine->createDataLayout());
    TQ_TRY(link(*llvmModule));
    optimise(*llvmModule, machine.get());
    llvm::SmallVector<char> buffer;
    llvm::raw_svector_ostream os(buffer);
    llvm::legacy::PassManager pm;
    if (machine->addPassesToEmitFile(pm, os, nullptr, llvm::CodeGenFileType::AssemblyFile))
      return Error{"LLVM cannot emit PTX for " + chip};
    pm.run(*llvmModule);
    text.append(buffer.begin(), buffer.end());
  }
  return text;
}

} // namespace tq
