//===- Pipelines.h - The phases, in order -----------------------*- C++ -*-===//
#ifndef TQ_PASSES_PIPELINES_H
#define TQ_PASSES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"

namespace tq {

/// Everything that a user of tq-compile can choose about the compilation; defaults are those of the passes.
struct PipelineOptions {
  QuantizeWeightsOptions weights;
  EncodeStatesOptions states;
  SpecializeEntryPointsOptions entryPoints;
  QuantizeActivationsOptions activations;
  CostModel cost;
};

/// The phases of `--until-after` and `--dump-phases` that are passes, in order. Import comes before, emit and package after.
inline constexpr const char *kPassPhases[] = {"rotate", "fuse", "schedule"};

void buildRotatePhase(mlir::OpPassManager &pm, const PipelineOptions &options);
/// Needs nothing of the target yet: the host's skeletons accept every launch that form-launches makes.
void buildFusePhase(mlir::OpPassManager &pm, const PipelineOptions &options);
void buildSchedulePhase(mlir::OpPassManager &pm, const PipelineOptions &options, SkeletonList skeletons);

} // namespace tq
#endif
