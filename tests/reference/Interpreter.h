//===- Interpreter.h - Runs tq IR by the book -------------------*- C++ -*-===//
// Executes a module of the import or rotate phase, op by op, with the functions of Ops.h. Launches are run as their region,
// tq.quantize as the identity that it approximates, so the fuse phase can be judged too. Throws std::runtime_error on what
// it does not know.
//===----------------------------------------------------------------------===//
#ifndef TQ_TESTS_REFERENCE_INTERPRETER_H
#define TQ_TESTS_REFERENCE_INTERPRETER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "tests/reference/Ops.h"
#include "tests/reference/Weights.h"
#include "llvm/ADT/DenseMap.h"

#include <variant>

namespace tq::reference {

/// Handles of weights and states are symbols.
struct WeightHandle {
  mlir::Operation *symbol;
};
struct StateHandle {
  std::string name;
  int64_t heads;
};

template <class T> class Interpreter {
public:
  using Value = std::variant<Tensor<T>, Ids, WeightHandle, StateHandle>;

  Interpreter(mlir::ModuleOp module, Weights &weights) : module(module), weights(weights) {}

  /// Logits for tokens at the positions after those seen so far: the last `rows` rows, or all. After the fuse phase the
  /// entry points are decode, verify and prefill.
  Tensor<T> forward(const Ids &ids, int64_t rows = 0, llvm::StringRef entry = "forward");
  /// Any function of the module.
  std::vector<Value> call(llvm::StringRef name, std::vector<Value> arguments);

  /// Keys and values are kept as f16, as the state types say.
  bool roundStates = false;
  /// How many rows tq.take_rows takes; 0: all.
  int64_t takenRows = 0;
  /// By symbol.
  std::map<std::string, History<T>> states;
  int64_t position = 0;

private:
  using Environment = llvm::DenseMap<mlir::Value, Value>;

  std::vector<Value> runBlock(mlir::Block &block, std::vector<Value> arguments);
  /// Runs one op: its results become part of the environment.
  void run(mlir::Operation &op, Environment &env);
  Value result(mlir::Operation &op, Environment &env);
  Value getWeight(GetWeightOp op);
  Tensor<T> rotated(RotateOp op, Environment &env);
  /// The operand's numbers; a packed weight is decoded.
  Tensor<T> tensor(mlir::Value value, Environment &env);
  const Ids &ids(mlir::Value value, Environment &env);
  std::vector<T> vector(mlir::Value value, Environment &env);

  mlir::ModuleOp module;
  Weights &weights;
};

} // namespace tq::reference
#endif
