//===- Linear.h - The parts of a linear launch ------------------*- C++ -*-===//
#ifndef TQ_CODEGEN_GPU_LINEAR_H
#define TQ_CODEGEN_GPU_LINEAR_H

#include "codegen/gpu/GpuBuilder.h"

namespace tq::kernels {

using Component = LinearComponent;

/// Up to this many rows, weights stay in registers and each is read once for all of them; above, tiles of them go through the
/// matrix units.
inline constexpr int64_t kMatvecRows = 8;

/// How a matvec kernel divides its work: `simdgroups` in a threadgroup, `split` of them share a row block, each with a part of
/// the columns.
struct MatvecShape {
  explicit MatvecShape(KernelOp kernel);
  int64_t simdgroups, split;
  int64_t blocksPerGroup() const { return simdgroups / split; }
  int64_t groups(Component &component) const { return (component.blocks() + blocksPerGroup() - 1) / blocksPerGroup(); }
};

/// Tile of a matmul kernel: tokens x rows of the weight, columns at once. A simdgroup owns the 16 rows that it decodes.
inline constexpr int64_t kTileTokens = 32, kTileRows = 64, kTileCols = 64;
inline constexpr int64_t kMatmulSimdgroups = kTileRows / kBlockRows;

mlir::LogicalResult buildMatvec(KernelOp kernel, mlir::gpu::GPUModuleOp module);
mlir::LogicalResult buildMatmul(KernelOp kernel, mlir::gpu::GPUModuleOp module);

/// Runs the threadgroups of each component: body(component, number of the threadgroup among its own).
void forComponents(GpuBuilder &k, llvm::ArrayRef<Component> components, Index group,
                   llvm::function_ref<int64_t(Component &)> groups, llvm::function_ref<void(Component &, Index)> body);

/// Copies the level tables of the component's linears to threadgroup memory; a barrier must follow. Null for other layouts.
llvm::SmallVector<mlir::Value> stageLevels(GpuBuilder &k, Component &component, llvm::ArrayRef<mlir::Value> tables);
/// Threadgroup memory for them: as many tables as any component needs.
llvm::SmallVector<mlir::Value> levelTables(GpuBuilder &k, llvm::ArrayRef<Component> components);

/// Computes and stores the outputs at `column` on, `width` of them, of a token, from the linears' results.
void finishRow(GpuBuilder &k, Component &component, Index token, Index column, int64_t width,
               llvm::ArrayRef<mlir::Value> results);

} // namespace tq::kernels
#endif
