//===- Pipelines.cpp - The phases, in order -------------------------------===//

#include "passes/Pipelines.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace tq;

void tq::buildRotatePhase(OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createQuantizeWeights(options.weights));
  pm.addPass(createEncodeStates(options.states));
  pm.addPass(createShareRotations());
  pm.addPass(createFoldRotations());
}

void tq::buildFusePhase(OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createSpecializeEntryPoints(options.entryPoints));
  pm.addPass(createJoinDequant());
  pm.addPass(createQuantizeActivations(options.activations));
  pm.addPass(createCSEPass()); // a weight or state read twice is one operand
  pm.addPass(createFormLaunches());
  pm.addPass(createMergeProjections());
}

void tq::buildSchedulePhase(OpPassManager &pm, const PipelineOptions &options, SkeletonList skeletons) {
  pm.addPass(createSelectKernels(skeletons, options.cost));
  pm.addPass(createOutlineKernels());
  pm.addPass(createAllocateBuffers());
  pm.addPass(createScheduleSteps(skeletons));
}
