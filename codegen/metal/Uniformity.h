//===- Uniformity.h - Which values all lanes agree on -----------*- C++ -*-===//
// A barrier must be reached by all threads of the threadgroup, a shuffle by all lanes of the simdgroup: conditions and trip
// counts around them must be equal for all of those threads. The analysis says of every value for which threads it is.
#ifndef TQ_CODEGEN_METAL_UNIFORMITY_H
#define TQ_CODEGEN_METAL_UNIFORMITY_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/DenseMap.h"

namespace tq::msl {

/// Who is sure to hold the same value, from all to nobody.
enum class Agreement { Threadgroup, Simdgroup, None };

class Uniformity {
public:
  explicit Uniformity(mlir::gpu::GPUFuncOp func);
  Agreement of(mlir::Value value) const { return values.lookup_or(value, Agreement::Threadgroup); }
  /// Of the conditions that decide whether the op is reached, and how often.
  Agreement ofControl(mlir::Operation *op) const { return control.lookup_or(op->getBlock(), Agreement::Threadgroup); }
  /// The innermost condition or loop around the op that fewer agree on than `needed`.
  mlir::Operation *divergence(mlir::Operation *op, Agreement needed) const;

private:
  void visit(mlir::Block &block, Agreement around);
  void visit(mlir::Operation *op, Agreement around);
  Agreement ofOperands(mlir::Operation *op) const;
  void raise(mlir::Value value, Agreement level);

  llvm::DenseMap<mlir::Value, Agreement> values;
  llvm::DenseMap<mlir::Block *, Agreement> control;
  bool changed = false;
};

} // namespace tq::msl
#endif
