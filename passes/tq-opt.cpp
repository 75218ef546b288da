//===- tq-opt.cpp - The research driver: any pass, any order --------------===//
// MLIR's own driver. Linked last: it offers codegen's passes, too.

#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/host/KernelBuilder.h"
#include "codegen/metal/EmitMetal.h"
#include "codegen/metal/VerifyKernels.h"
#include "codegen/nvvm/CompileNvvm.h"
#include "dialect/TQ.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Pipelines.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;

namespace {
enum class Emit { IR, MSL, PTX };

llvm::cl::opt<Emit> emitAs("emit", llvm::cl::desc("what to print"), llvm::cl::init(Emit::IR),
                           llvm::cl::values(clEnumValN(Emit::IR, "ir", "the module (default)"),
                                            clEnumValN(Emit::MSL, "msl", "its kernels as Metal Shading Language"),
                                            clEnumValN(Emit::PTX, "ptx", "its kernels as PTX, for tests")));
llvm::cl::opt<std::string> mslVersion("msl-version", llvm::cl::desc("language version for --emit=msl"),
                                      llvm::cl::init("3.1"));
llvm::cl::opt<bool> fastMath("msl-fast-math", llvm::cl::desc("fast functions for --emit=msl"));

/// The end of the pipeline for --emit: prints text instead of the module.
struct EmitPass : PassWrapper<EmitPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(EmitPass)
  explicit EmitPass(llvm::raw_ostream &os) : os(os) {}
  StringRef getArgument() const override { return "tq-emit"; }
  void runOnOperation() override {
    if (emitAs == Emit::PTX) {
      tq::Result<std::string> text = tq::compileToPtx(getOperation());
      if (!text) {
        emitError(getOperation().getLoc()) << text.message();
        return signalPassFailure();
      }
      os << *text;
      return;
    }
    tq::MslOptions options;
    auto [major, minor] = StringRef(mslVersion).split('.');
    options.fastMath = fastMath;
    if (major.getAsInteger(10, options.major) || minor.getAsInteger(10, options.minor)) {
      emitError(getOperation().getLoc()) << "--msl-version: expected a version such as 3.1, but got '" << mslVersion
                                         << "'";
      return signalPassFailure();
    }
    if (failed(tq::emitMetal(getOperation(), os, options)))
      signalPassFailure();
  }
  llvm::raw_ostream &os;
};

/// What MlirOptMain does, except that with --emit the module itself is not printed.
LogicalResult run(int argc, char **argv, DialectRegistry &registry) {
  llvm::InitLLVM init(argc, argv);
  auto [input, output] =
      registerAndParseCLIOptions(argc, argv, "tq: quantised language models as dataflow graphs\n", registry);
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  std::string error;
  auto source = openInputFile(input, &error);
  auto target = source ? openOutputFile(output, &error) : nullptr;
  if (!target) {
    llvm::errs() << error << "\n";
    return failure();
  }
  if (emitAs != Emit::IR)
    config.setPassPipelineSetupFn([given = config, &target](PassManager &pm) {
      if (failed(given.setupPassPipeline(pm)))
        return failure();
      pm.addPass(std::make_unique<EmitPass>(target->os()));
      return success();
    });
  if (failed(MlirOptMain(emitAs == Emit::IR ? target->os() : llvm::nulls(), std::move(source), registry, config)))
    return failure();
  target->keep();
  return success();
}
} // namespace

int main(int argc, char **argv) {
  DialectRegistry registry;
  registry.insert<tq::TQDialect, func::FuncDialect, arith::ArithDialect, scf::SCFDialect, vector::VectorDialect,
                  math::MathDialect, memref::MemRefDialect, gpu::GPUDialect, LLVM::LLVMDialect>();
  tq::registerNvvmExtensions(registry);
  registerCanonicalizerPass();
  registerCSEPass();
  tq::registerQuantizeWeights();
  tq::registerEncodeStates();
  tq::registerShareRotations();
  tq::registerFoldRotations();
  tq::registerSpecializeEntryPoints();
  tq::registerJoinDequant();
  tq::registerQuantizeActivations();
  tq::registerFormLaunches();
  tq::registerMergeProjections();
  // These ask a target's skeletons; tq-opt has the host's.
  registerPass([] { return tq::createSelectKernels(tq::hostSkeletons()); });
  tq::registerOutlineKernels();
  tq::registerAllocateBuffers();
  registerPass([] { return tq::createScheduleSteps(tq::hostSkeletons()); });
  registerPass([] { return tq::createBuildKernels(tq::hostSkeletons()); });
  registerPass([] { return tq::createBuildGpuKernels(tq::gpuSkeletons()); });
  tq::registerVerifyKernels();
  tq::registerExpandSubgroupMma();
  PassPipelineRegistration<>("tq-fuse-phase", "all passes of the fuse phase",
                             [](OpPassManager &pm) { tq::buildFusePhase(pm, {}); });
  PassPipelineRegistration<>("tq-schedule-phase", "all passes of the schedule phase",
                             [](OpPassManager &pm) { tq::buildSchedulePhase(pm, {}, tq::hostSkeletons()); });
  PassPipelineRegistration<>("tq-gpu-schedule-phase", "the same with the skeletons of a GPU",
                             [](OpPassManager &pm) { tq::buildSchedulePhase(pm, {}, tq::gpuSkeletons()); });
  return asMainReturnCode(run(argc, argv, registry));
}
