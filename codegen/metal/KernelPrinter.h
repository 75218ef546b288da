//===- KernelPrinter.h - One gpu.func as one kernel function ----*- C++ -*-===//
// A value is either named (a parameter or a variable that was declared) or an expression that is printed where it is
// used. Which of the two is decided when its op is reached: see isInlined. EmitMetal.cpp has the signature,
// EmitStatements.cpp ops that are statements, EmitExpressions.cpp ops that are expressions.
#ifndef TQ_CODEGEN_METAL_KERNELPRINTER_H
#define TQ_CODEGEN_METAL_KERNELPRINTER_H

#include "codegen/metal/EmitMetal.h"
#include "codegen/metal/Names.h"
#include "codegen/metal/Spellings.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/raw_ostream.h"
#include <unordered_map>

namespace tq::msl {

class KernelPrinter {
public:
  KernelPrinter(mlir::gpu::GPUFuncOp func, const MslOptions &options, llvm::raw_ostream &os)
      : func(func), options(options), os(os) {}
  void print();

private:
  //===-- EmitMetal.cpp
  void nameBuiltins();
  void printSignature();
  void printAttributions();
  /// Whether some device argument is both loaded and stored: then barriers order device memory, too.
  bool sharesDeviceMemory();

  //===-- EmitStatements.cpp
  void printBlock(mlir::Block &block);
  void printStatement(mlir::Operation *op);
  void printFor(mlir::scf::ForOp loop);
  void printIf(mlir::scf::IfOp branch);
  void printWhile(mlir::scf::WhileOp loop);
  void printReduce(mlir::gpu::SubgroupReduceOp reduce);
  void printInsert(mlir::vector::InsertOp insert);
  void printAtomic(mlir::memref::AtomicRMWOp atomic);
  void printMatrixLoad(mlir::gpu::SubgroupMmaLoadMatrixOp load);
  void printMatrixStore(mlir::gpu::SubgroupMmaStoreMatrixOp store);
  void printMatrixCompute(mlir::gpu::SubgroupMmaComputeOp compute);
  /// The variables become the values, all at once: an assignment waits until no other still reads its variable.
  void assign(mlir::ArrayRef<mlir::Value> variables, mlir::ValueRange values);
  /// Starts a declaration `T name` of the value; the rest of the line is the caller's.
  llvm::raw_ostream &declare(mlir::Value value, llvm::StringRef wish = {});
  /// The name of a variable that may be overwritten with the result, as `value` has no other reader; else a fresh copy of it.
  void takeOver(mlir::Value result, mlir::Value value);
  llvm::raw_ostream &line();
  void openBlock() { indent += 2, names.openScope(); }
  void closeBlock() { indent -= 2, names.closeScope(); }

  //===-- EmitExpressions.cpp
  /// The value, wherever it is needed: its name, or the expression that it is.
  Expr expression(mlir::Value value);
  Expr signedExpression(mlir::Value value);
  std::string operand(mlir::Value value, Precedence atLeast) { return parenthesize(expression(value), atLeast); }
  Expr compute(mlir::Operation *op, unsigned result);
  Expr computeOperator(mlir::Operation *op, const OperatorSpelling &spelling);
  Expr computeFunction(mlir::Operation *op, const FunctionSpelling &spelling);
  Expr computeComparison(mlir::Operation *op);
  Expr computeConversion(mlir::Operation *op);
  Expr computeShuffle(mlir::vector::ShuffleOp shuffle);
  Expr computeIndexOp(mlir::Operation *op);
  /// memref and indices as one element offset; empty text for zero.
  Expr offset(mlir::MemRefType type, mlir::ValueRange indices);
  Expr element(mlir::Value memref, mlir::ValueRange indices);
  /// base + offset, as an argument.
  Expr pointer(mlir::Value memref, mlir::ValueRange indices);
  /// *(space T*)(base + offset)
  Expr vectorElement(mlir::Value memref, mlir::ValueRange indices, mlir::Type type, bool isConst);
  llvm::StringRef addressSpace(mlir::Value memref);
  bool isNonNegative(mlir::Value value, unsigned depth = 0);

  //===-- Inlining.cpp
  bool isNamed(mlir::Value value) const { return variables.contains(value); }
  /// Ops whose results are expressions, not statements.
  static bool isExpression(mlir::Operation *op);
  /// Whether the op's result is printed where it is used. Constants and what costs no instruction always; a pure value with
  /// one use that is not in a loop further in; a load only if nothing is stored on the way to that use.
  bool isInlined(mlir::Operation *op);
  /// The use in a statement at which the text evaluates an op with one use, if it is inlined.
  mlir::OpOperand &evaluatingUse(mlir::Operation *op);
  /// Whether evaluating `value` now would read `variable`.
  bool reads(mlir::Value value, mlir::Value variable);

  mlir::gpu::GPUFuncOp func;
  const MslOptions &options;
  llvm::raw_ostream &os;
  unsigned indent = 0;
  Names names;
  struct ValueHash {
    size_t operator()(mlir::Value value) const { return llvm::DenseMapInfo<mlir::Value>::getHashValue(value); }
  };
  /// Not a DenseMap: one variable is often named after another, and references must survive the map's growth.
  std::unordered_map<mlir::Value, std::string, ValueHash> variables;
  llvm::DenseMap<mlir::Operation *, bool> inlined;
  llvm::DenseMap<mlir::Operation *, unsigned> weights;
  /// Names of the kernel's inputs; empty if not used.
  std::string lane, simdgroup, group, groups;
  bool groupIsVector = false;
};

} // namespace tq::msl
#endif
