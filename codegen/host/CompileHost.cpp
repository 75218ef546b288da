//===- CompileHost.cpp - Kernel IR to a shared object ---------------------===//
// kernel IR -> LLVM dialect -> LLVM IR + micro-kernel bitcode -> O3 -> object -> lld, all in this process.

#include "codegen/host/CompileHost.h"
#include "codegen/host/microkernels/Embedded.h"
#include "lld/Common/Driver.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/IPO/Internalize.h"

#include <initializer_list>
#include <map>

LLD_HAS_DRIVER(elf)

using namespace mlir;

namespace tq {

/// All that the micro-kernels' -march lets the compiler use (microkernels/CMakeLists.txt), beyond x86-64-v2.
const std::vector<HostTarget> &hostTargets() {
  static const auto with = [](std::vector<std::string> features, std::initializer_list<const char *> more) {
    features.insert(features.end(), more.begin(), more.end());
    return features;
  };
  static const auto v3 = with({}, {"avx2", "fma", "f16c", "bmi1", "bmi2", "abm", "movbe"});
  static const auto avx512 =
      with(v3, {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512_vnni", "avx512_vbmi"});
  static const std::vector<HostTarget> targets = {
      {"x86-64-amx", "amx", with(avx512, {"amx_tile", "amx_int8"})},
      {"x86-64-avx512", "avx512", avx512},
      {"x86-64-v3", "avx2", v3},
      {"aarch64-dotprod", "neon", {"asimdhp", "asimddp"}},
  };
  return targets;
}

/// LLVM's spelling of a feature that the package spells as /proc/cpuinfo does.
static std::string llvmFeature(const std::string &name) {
  static const std::map<std::string, std::string> spellings = {
      {"bmi1", "bmi"},         {"abm", "lzcnt"},       {"amx_tile", "amx-tile"},      {"amx_int8", "amx-int8"},
      {"asimdhp", "fullfp16"}, {"asimddp", "dotprod"}, {"avx512_vnni", "avx512vnni"}, {"avx512_vbmi", "avx512vbmi"}};
  auto spelling = spellings.find(name);
  return spelling == spellings.end() ? name : spelling->second;
}

Result<HostTarget> findHostTarget(const std::string &name) {
  std::string names;
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  for (const HostTarget &target : hostTargets()) {
    names += (names.empty() ? "" : ", ") + target.name;
    if (name == target.name)
      return target;
    bool runs = llvm::all_of(target.features, [&](const std::string &f) { return features.lookup(llvmFeature(f)); });
    if (name == "host" && runs)
      return target;
  }
  if (name == "host")
    return Error{"this machine runs none of the instruction sets that tq has kernels for (" + names +
                 "); name one with --cpu to compile for another machine"};
  return Error{"unknown CPU '" + name + "' for --cpu; there are host, " + names};
}

namespace {
/// math.exp becomes a polynomial: a call of libm per lane would be slow and an undefined symbol.
struct ExpandMath : PassWrapper<ExpandMath, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandMath)
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns, {/*enableAvx2=*/false});
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

/// Micro-kernels ask for unrolling that applies only where sizes are constants; LLVM's remarks about the rest help nobody.
class QuietDiagnostics : public llvm::DiagnosticHandler {
public:
  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override { return info.getSeverity() != llvm::DS_Error; }
};

class Emitter {
public:
  explicit Emitter(const HostTarget &target) : target(target) {
    context.setDiagnosticHandler(std::make_unique<QuietDiagnostics>());
  }
  Status lower(ModuleOp kernels);
  Status optimise();
  Status emit(llvm::raw_pwrite_stream &os, llvm::CodeGenFileType type);

private:
  const HostTarget &target;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module;
  std::unique_ptr<llvm::TargetMachine> machine;
};
} // namespace

Status Emitter::lower(ModuleOp kernels) {
  // Only functions; tables stay behind.
  OwningOpRef<ModuleOp> work = ModuleOp::create(kernels.getLoc());
  for (Operation &op : *kernels.getBody())
    if (isa<func::FuncOp>(op))
      work->push_back(op.clone());
  DialectRegistry registry;
  registerAllToLLVMIRTranslations(registry);
  work->getContext()->appendDialectRegistry(registry);
  PassManager pm(work->getContext());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(std::make_unique<ExpandMath>());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  if (failed(pm.run(*work)))
    return Error{"lowering kernel IR to LLVM failed; this is a defect of tq, please report the model"};
  module = translateModuleToLLVMIR(*work, context, "kernels");
  if (!module)
    return Error{"translating kernels to LLVM IR failed; this is a defect of tq, please report the model"};
  return {};
}

Status Emitter::optimise() {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  MicrokernelTarget uk = microkernelTarget(target.isa);
  llvm::Triple triple{llvm::StringRef(uk.triple)};
  std::string error;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return Error{"LLVM has no backend for " + triple.str() + ": " + error};
  llvm::TargetOptions options;
  machine.reset(backend->createTargetMachine(triple, llvm::StringRef(uk.cpu), llvm::StringRef(uk.features), options,
                                             llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  module->setTargetTriple(triple);
  module->setDataLayout(machine->createDataLayout());

  std::span<const std::byte> bytes = microkernelBitcode(target.isa);
  auto buffer = llvm::MemoryBuffer::getMemBuffer(
      llvm::StringRef(reinterpret_cast<const char *>(bytes.data()), bytes.size()), "microkernels", false);
  auto microkernels = llvm::parseBitcodeFile(*buffer, context);
  if (!microkernels)
    return Error{"the embedded micro-kernels of " + target.isa +
                 " cannot be read: " + llvm::toString(microkernels.takeError())};
  std::vector<std::string> kernels;
  for (llvm::Function &f : *module)
    if (!f.isDeclaration() && !f.getName().ends_with(".body") && !f.getName().starts_with("shared."))
      kernels.push_back(f.getName().str());
  if (llvm::Linker::linkModules(*module, std::move(*microkernels), llvm::Linker::LinkOnlyNeeded))
    return Error{"linking the micro-kernels failed; this is a defect of tq, please report the model"};

  // Inlining a function into a caller without its features crashes code generation, so every function gets the same ones.
  for (llvm::Function &f : *module) {
    if (f.isDeclaration()) {
      if (f.getName().starts_with("tq_"))
        return Error{"the micro-kernels of " + target.isa + " lack " + f.getName().str()};
      continue;
    }
    f.removeFnAttr("tune-cpu");
    f.addFnAttr("target-cpu", llvm::StringRef(uk.cpu));
    f.addFnAttr("target-features", llvm::StringRef(uk.features));
    f.addFnAttr("prefer-vector-width", "512");
    if (f.getName().starts_with("shared."))
      f.addFnAttr(llvm::Attribute::NoInline);
    f.addFnAttr("no-builtins"); // loops that fill or copy stay loops: a shared object without libc has no memset
    f.addFnAttr(llvm::Attribute::NoUnwind);
  }
  llvm::internalizeModule(*module,
                          [&](const llvm::GlobalValue &value) { return llvm::is_contained(kernels, value.getName()); });

  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cgam;
  llvm::ModuleAnalysisManager mam;
  llvm::PassBuilder builder(machine.get());
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(*module, mam);
  return {};
}

Status Emitter::emit(llvm::raw_pwrite_stream &os, llvm::CodeGenFileType type) {
  llvm::legacy::PassManager pm;
  if (machine->addPassesToEmitFile(pm, os, nullptr, type))
    return Error{"LLVM cannot emit an object for " + target.name};
  pm.run(*module);
  return {};
}

Status compileHost(ModuleOp module, const HostTarget &target, const std::string &output) {
  Emitter emitter(target);
  TQ_TRY(emitter.lower(module));
  TQ_TRY(emitter.optimise());
  llvm::SmallVector<char> object;
  llvm::raw_svector_ostream os(object);
  TQ_TRY(emitter.emit(os, llvm::CodeGenFileType::ObjectFile));

  std::string path = output + ".o"; // lld reads files
  std::error_code ec;
  {
    llvm::raw_fd_ostream file(path, ec);
    if (!ec) {
      file << llvm::StringRef(object.data(), object.size());
      file.close();
      ec = file.error();
      file.clear_error();
    }
  }
  if (ec) {
    llvm::sys::fs::remove(path);
    return Error{path + ": cannot write: " + ec.message()};
  }
  std::string errors;
  llvm::raw_string_ostream errorStream(errors);
  const char *args[] = {"ld.lld",      "-shared", "--no-undefined", "--gc-sections", "-z",
                        "noexecstack", "-o",      output.c_str(),   path.c_str()};
  lld::Result result = lld::lldMain(args, llvm::nulls(), errorStream, {{lld::Gnu, &lld::elf::link}});
  llvm::sys::fs::remove(path);
  if (result.retCode)
    return Error{output + ": linking failed: " + errors};
  return {};
}

Result<std::string> printHost(ModuleOp module, const HostTarget &target) {
  Emitter emitter(target);
  TQ_TRY(emitter.lower(module));
  TQ_TRY(emitter.optimise());
  llvm::SmallVector<char> buffer;
  llvm::raw_svector_ostream os(buffer);
  TQ_TRY(emitter.emit(os, llvm::CodeGenFileType::AssemblyFile));
  return std::string(buffer.begin(), buffer.end());
}

} // namespace tq
