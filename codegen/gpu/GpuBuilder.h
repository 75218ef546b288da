//===- GpuBuilder.h - What GPU skeletons build with -------------*- C++ -*-===//
//
// One gpu.func: its arguments, threadgroup and private arrays, and the ops in it. Integers are `index`, which is 32 bits and
// unsigned on a GPU. Values carry names (NameLoc), so that printed kernels read well.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_GPU_GPUBUILDER_H
#define TQ_CODEGEN_GPU_GPUBUILDER_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/Skeleton.h"
#include "runtime/PackageFormat.h"

namespace tq::kernels {

class GpuBuilder;

/// An `index` value in arithmetic. Constants fold.
class Index {
public:
  Index(GpuBuilder &k, mlir::Value value) : k(&k), value(value) {}
  operator mlir::Value() const { return value; }
  /// Gives the value a name in printed kernels.
  Index named(llvm::StringRef name) const;
  std::optional<int64_t> constant() const;

  friend Index operator+(Index x, Index y);
  friend Index operator-(Index x, Index y);
  friend Index operator*(Index x, Index y);
  friend Index operator/(Index x, Index y);
  friend Index operator%(Index x, Index y);
  friend Index operator^(Index x, Index y);
  friend Index operator+(Index x, int64_t y);
  friend Index operator-(Index x, int64_t y);
  friend Index operator*(Index x, int64_t y);
  friend Index operator/(Index x, int64_t y);
  friend Index operator%(Index x, int64_t y);
  friend Index operator^(Index x, int64_t y);
  friend Index operator&(Index x, int64_t y);
  friend mlir::Value operator<(Index x, Index y);
  friend mlir::Value operator<(Index x, int64_t y);
  friend mlir::Value operator==(Index x, int64_t y);
  friend Index min(Index x, Index y);
  friend Index max(Index x, Index y);

private:
  GpuBuilder *k;
  mlir::Value value;
};

/// Lanes of a simdgroup.
inline constexpr int64_t kSimd = 32;
/// Threadgroup memory that every target has.
inline constexpr int64_t kThreadgroupBytes = 32 * 1024;
/// Below every score that an attention computes, and finite: fast math knows no infinity.
inline constexpr float kMasked = -1e30f;

class GpuBuilder {
public:
  /// Opens the function of `kernel`, of 32 x `simdgroups` threads, at the end of `module`.
  GpuBuilder(KernelOp kernel, mlir::gpu::GPUModuleOp module, int64_t simdgroups);
  void finish();

  mlir::OpBuilder b;
  mlir::Location loc;
  KernelOp kernel;
  const int64_t simdgroups;

  int64_t threads() const { return kSimd * simdgroups; }
  Index lane();
  Index simdgroup();
  Index group();
  /// simdgroup * 32 + lane
  Index thread();

  //===-- Constants, parameters
  Index index(int64_t value);
  mlir::Value i32(int64_t value);
  mlir::Value f32(float value);
  /// The constant `value`, as a scalar or vector.
  mlir::Value constant(float value, mlir::Type type);
  mlir::Value constant(int64_t value, mlir::Type type);
  Index param(Param which);
  /// The rows of this launch: n_tokens or n_out as the configuration says; 1 where only one is possible.
  Index rows();
  int64_t maxRows();

  //===-- Memory
  /// The memory of a binding of the kernel.
  mlir::Value memory(BindingKind kind, mlir::Value value = {});
  /// That of the i-th output.
  mlir::Value output(int64_t index);
  /// Elements from one row of an activation to the next.
  static int64_t stride(mlir::Value activation) {
    return rowStrideBytes(mlir::cast<mlir::RankedTensorType>(activation.getType())) / 4;
  }
  /// An array in threadgroup memory, of f32 if not said, or one of each thread.
  mlir::Value shared(llvm::StringRef name, int64_t elements, mlir::Type element = {});
  mlir::Value registers(llvm::StringRef name, int64_t elements);
  /// `width` neighbouring elements: a scalar if 1, else a vector of 2 or 4, aligned to its size.
  mlir::Value load(mlir::Value memory, Index at, int64_t width = 1);
  void store(mlir::Value value, mlir::Value memory, Index at);
  void barrier();
  /// Orders memory among the lanes of a simdgroup.
  void simdgroupBarrier();

  //===-- Arithmetic on scalars and vectors
  /// f32, or a vector of it where the width is not 1.
  mlir::Type f32Type(int64_t width);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, float y) { return mul(x, constant(y, x.getType())); }
  mlir::Value negate(mlir::Value x);
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value z);
  mlir::Value maximum(mlir::Value x, mlir::Value y);
  mlir::Value exp2(mlir::Value x);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  mlir::Value conjunction(mlir::Value x, mlir::Value y);
  mlir::Value extend(mlir::Value x);                    ///< f16 or bf16 to f32
  mlir::Value truncate(mlir::Value x, mlir::Type type); ///< f32 to f16 or bf16
  mlir::Value splat(mlir::Value x, int64_t width);
  mlir::Value at(mlir::Value vector, int64_t component); ///< also of a scalar, component 0
  mlir::Value join(llvm::ArrayRef<mlir::Value> components);
  mlir::Value sumOf(mlir::Value vector); ///< of its components, in a tree
  Index toIndex(mlir::Value i32);
  /// The sum or maximum over lanes that are equal in all but `size` consecutive bits from `stride` on. A fixed butterfly.
  mlir::Value reduceAdd(mlir::Value x, int64_t size = kSimd, int64_t stride = 1);
  mlir::Value reduceMax(mlir::Value x);
  /// The value of lane ^ mask.
  mlir::Value shuffleXor(mlir::Value x, int64_t mask);

  //===-- Control flow
  void loop(llvm::StringRef name, Index from, Index to, int64_t step, llvm::function_ref<void(Index)> body);
  /// A loop that back ends unroll, from 0 to `count`.
  void unrolled(llvm::StringRef name, int64_t count, llvm::function_ref<void(Index)> body);
  using Values = llvm::SmallVector<mlir::Value>;
  /// A loop with values from one iteration to the next.
  Values carry(llvm::StringRef name, Index from, Index to, int64_t step, mlir::ValueRange inits,
               llvm::StringRef valueName, llvm::function_ref<Values(Index, mlir::ValueRange)> body,
               bool unroll = false);
  void ifThen(mlir::Value condition, llvm::function_ref<void()> body);
  Values ifElse(mlir::Value condition, mlir::TypeRange types, llvm::function_ref<Values()> yes,
                llvm::function_ref<Values()> no);
  /// The body's value where the condition holds, else zero.
  mlir::Value orZero(mlir::Value condition, mlir::Type type, llvm::function_ref<mlir::Value()> body);

  /// Clones a pointwise op onto scalars or vectors: elementwise upstream ops as they are, ours expanded.
  mlir::Value pointwise(mlir::Operation *op, llvm::ArrayRef<mlir::Value> operands);
  static bool knowsPointwise(mlir::Operation *op);

  static mlir::Value named(mlir::Value value, const llvm::Twine &name);

private:
  mlir::Value activation(Activation kind, mlir::Value x);
  mlir::Value sigmoid(mlir::Value x);

  mlir::gpu::GPUFuncOp func;
  llvm::SmallVector<KernelBinding> bindings;
  mlir::Value laneId, simdgroupId, groupId, threadId;
};

/// The gpu.module of kernels, made if there is none.
mlir::gpu::GPUModuleOp gpuModuleOf(mlir::ModuleOp module);

/// The layout of a weight that kernels read.
inline Layout layoutOf(mlir::Value weight) {
  return mlir::cast<PackedType>(weight.getType()).getEncoding().getLayout();
}

} // namespace tq::kernels
#endif
