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

void buildRotatePhase(mlir::OpPassManager &pm, const PipelineOptions &options);
/// Asks no target yet: one graph of launches, which the skeletons of a target accept or refuse in the schedule phase.
void buildFusePhase(mlir::OpPassManager &pm, const PipelineOptions &options);
void buildSchedulePhase(mlir::OpPassManager &pm, const PipelineOptions &options, SkeletonList skeletons);

} // namespace tq
#endif
