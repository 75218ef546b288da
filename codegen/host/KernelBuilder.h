//===- KernelBuilder.h - What host skeletons build with ---------*- C++ -*-===//
//
// A host kernel is func + scf + arith + vector on !llvm.ptr, around calls of micro-kernels. Loop counters and sizes are
// i64. The inner function takes every binding as a noalias pointer; a wrapper with the ABI of PackageFormat.h loads them.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_KERNELBUILDER_H
#define TQ_CODEGEN_HOST_KERNELBUILDER_H

#include "dialect/TQ.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"
#include "passes/Skeleton.h"
#include "runtime/PackageFormat.h"

namespace tq {

/// Lanes of every vector in kernel IR: 16 floats. LLVM splits them to the machine's registers.
inline constexpr int64_t kLanes = 16;

class KernelBuilder {
public:
  /// Opens the inner function of `kernel` in `module`; ops are then created through `b`.
  KernelBuilder(KernelOp kernel, mlir::ModuleOp module);
  /// Returns from the inner function and adds the wrapper. `scratchBytes` is what a worker must provide.
  void finish(int64_t scratchBytes);

  mlir::OpBuilder b;
  mlir::Location loc;
  KernelOp kernel;
  mlir::Value begin, end, scratch; ///< i64, i64, ptr

  mlir::Value i64(int64_t value);
  mlir::Value i32(int64_t value);
  mlir::Value f32(float value);
  mlir::Value null();
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, int64_t y);
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value max(mlir::Value x, mlir::Value y);
  mlir::Value udiv(mlir::Value x, int64_t y);
  mlir::Value urem(mlir::Value x, int64_t y);
  mlir::Value less(mlir::Value x, mlir::Value y);
  mlir::Value toI32(mlir::Value x);
  mlir::Value toI64(mlir::Value x);
  /// A parameter of the step as i64.
  mlir::Value param(Param which);
  /// The rows of this launch: n_tokens or n_out as the configuration says; a constant where only one is possible.
  mlir::Value rows();
  int64_t maxRows();

  /// pointer + bytes
  mlir::Value at(mlir::Value pointer, mlir::Value bytes);
  mlir::Value at(mlir::Value pointer, int64_t bytes);
  /// A 64-byte aligned range of the worker's scratch, given out once.
  mlir::Value takeScratch(int64_t bytes);
  int64_t scratchTaken() const { return scratchOffset; }
  /// A stack slot in the entry block (inside a loop it would grow the stack).
  mlir::Value stack(int64_t bytes);
  mlir::Value loadI32(mlir::Value pointer);
  mlir::Value loadVector(mlir::Value pointer);
  void storeVector(mlir::Value vector, mlir::Value pointer);

  /// for (i = from; i < to; i += step) body(i)
  void loop(mlir::Value from, mlir::Value to, int64_t step, llvm::function_ref<void(mlir::Value)> body);
  void ifThen(mlir::Value condition, llvm::function_ref<void()> body);
  /// Calls micro-kernel tq_<name>; f32, i32, i64 and pointer arguments.
  void call(llvm::StringRef name, llvm::ArrayRef<mlir::Value> args);
  /// The same through a function that holds the constants among the arguments and is not inlined: kernels whose calls agree
  /// in all constants share its code. For micro-kernels that work on many rows.
  void callShared(llvm::StringRef name, llvm::ArrayRef<mlir::Value> args);

  /// Makes a partial attention result (sdpaPartialFloats) the neutral element of tq_sdpa_merge.
  void clearPartial(mlir::Value partial, int64_t dv);

  /// The pointer of a binding of the kernel; null for the levels of a weight that has none.
  mlir::Value pointer(BindingKind kind, mlir::Value value = {});
  /// The pointer of the i-th output.
  mlir::Value output(int64_t index);

  /// Clones a pointwise op onto vectors of 16 lanes: elementwise upstream ops as they are, ours expanded.
  mlir::Value pointwise(mlir::Operation *op, llvm::ArrayRef<mlir::Value> vectors);

private:
  mlir::Value activation(Activation kind, mlir::Value x);
  mlir::Value splat(float value);

  mlir::ModuleOp module;
  mlir::func::FuncOp inner;
  llvm::SmallVector<KernelBinding> bindings;
  mlir::Value params;
  int64_t scratchOffset = 0;
};

/// The skeletons of the host, in order of preference.
SkeletonList hostSkeletons();
const Skeleton &rowwiseSkeleton();
const Skeleton &linearSkeleton();
const Skeleton &attentionSkeleton();

/// The attribute of a built kernel function that says how much scratch a worker needs.
inline constexpr const char *kScratchBytesAttr = "tq.scratch_bytes";

std::unique_ptr<mlir::Pass> createBuildKernels(SkeletonList skeletons);

} // namespace tq
#endif
