//===- VerifyKernels.h - The form in which kernels can be printed -*- C++ -*-===//
// Kernel IR for a GPU is upstream's gpu, scf, arith, math, vector and memref. --tq-verify-kernels holds a gpu.module to the form in
// which every op has one spelling in MSL and survives the way to NVVM; each rule has a label that its message ends with.
//
//   K1   a module holds kernels and nothing else: no calls, no data; a kernel's name is a free identifier of MSL
//   K2   arguments are static memrefs in #gpu.address_space<global>, row-major, of 8- to 64-bit numbers, with fewer than
//        2^31 elements, llvm.noalias, and llvm.readonly exactly if nothing is stored; at most 31
//   K3   the step's parameters are one argument with tq.params: a readonly memref<Nxi32>, read by memref.load
//   K4   known_block_size is (32, n, 1) with at most 1024 threads: lane = gpu.lane_id, simdgroup = gpu.thread_id y
//   K5   arrays are workgroup and private attributions, static and in their address spaces; threadgroup memory <= 32 KiB
//   K6   ops are those with one spelling
//   K7   values are index, i1 to i64, f32, f16, bf16, vectors of 2 or 4 of them (1: to bitcast), 8x8 matrices; i1 is for logic
//   K8   vectors are loaded and stored with their natural alignment, which their array has (llvm.align) and the index keeps
//   K9   collectives are `uniform` and stand where control flow is: barriers in the threadgroup, the rest in the simdgroup
//   K10  what is shuffled is f32 or i32, over 32 lanes
//   K11  shifts by constants are by less than the width
//   K12  bf16 is stored, moved and converted to and from f32; functions with fast versions are f32
//   K13  matrices are 8x8 of f16 or f32, at addresses that the simdgroup agrees on
//   K14  comparisons are of scalars, with a predicate that C++ has
//   K15  atomics are those that MSL has
#ifndef TQ_CODEGEN_METAL_VERIFYKERNELS_H
#define TQ_CODEGEN_METAL_VERIFYKERNELS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace tq {

/// All errors of all kernels, not only the first.
mlir::LogicalResult verifyKernels(mlir::gpu::GPUModuleOp module);

/// --tq-verify-kernels: every gpu.module below the operation.
void registerVerifyKernels();

namespace msl {
/// The rules on ops: K6 to K15.
mlir::LogicalResult verifyOps(mlir::gpu::GPUFuncOp func);
/// The alignment in bytes that an argument or attribution is known to have.
int64_t alignmentOf(mlir::gpu::GPUFuncOp func, mlir::BlockArgument memref);
} // namespace msl

} // namespace tq
#endif
