//===- BuildGpuKernels.h - Kernels of a GPU target --------------*- C++ -*-===//
#ifndef TQ_CODEGEN_GPU_BUILDGPUKERNELS_H
#define TQ_CODEGEN_GPU_BUILDGPUKERNELS_H

#include "mlir/Pass/Pass.h"
#include "passes/Skeleton.h"

namespace tq {

/// The skeletons of a GPU, in order of preference. A task is a threadgroup: `tasks` is the grid in x.
SkeletonList gpuSkeletons();
const Skeleton &gpuRowwiseSkeleton();
const Skeleton &gpuLinearSkeleton();
const Skeleton &gpuAttentionSkeleton();
const Skeleton &gpuSampleSkeleton();

/// Every tq.kernel becomes a gpu.func in `gpu.module @kernels`. Its arguments are kernelBindings(kernel), then the parameter
/// block.
std::unique_ptr<mlir::Pass> createBuildGpuKernels(SkeletonList skeletons);

} // namespace tq
#endif
