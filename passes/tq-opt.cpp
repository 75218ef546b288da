//===- tq-opt.cpp - The research driver: any pass, any order --------------===//
// MLIR's own driver. Linked last: it offers codegen's passes, too.

#include "codegen/host/KernelBuilder.h"
#include "dialect/TQ.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Pipelines.h"

using namespace mlir;

int main(int argc, char **argv) {
  DialectRegistry registry;
  registry.insert<tq::TQDialect, func::FuncDialect, arith::ArithDialect, scf::SCFDialect, vector::VectorDialect,
                  math::MathDialect, LLVM::LLVMDialect>();
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
  PassPipelineRegistration<>("tq-fuse-phase", "all passes of the fuse phase",
                             [](OpPassManager &pm) { tq::buildFusePhase(pm, {}); });
  PassPipelineRegistration<>("tq-schedule-phase", "all passes of the schedule phase",
                             [](OpPassManager &pm) { tq::buildSchedulePhase(pm, {}, tq::hostSkeletons()); });
  return asMainReturnCode(MlirOptMain(argc, argv, "tq: quantised language models as dataflow graphs\n", registry));
}
