//===- WeightSymbols.h - Tensors of a checkpoint as symbols -----*- C++ -*-===//
// Turns checkpoint paths into tq.weight and tq.rotation symbols and keeps the first problem: a missing tensor, another
// shape than config.json promises, a type that kernels cannot read. Nothing is loaded but signs, which are compared.
//===----------------------------------------------------------------------===//
#ifndef TQ_MODELS_WEIGHTSYMBOLS_H
#define TQ_MODELS_WEIGHTSYMBOLS_H

#include "dialect/TQ.h"
#include "mlir/IR/BuiltinOps.h"
#include "models/Checkpoint.h"
#include "llvm/ADT/StringMap.h"

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace tq {

/// A declared weight: what a use of it needs to know.
struct WeightSymbol {
  mlir::FlatSymbolRefAttr symbol;
  PackedType type;
  /// The residual of a codebook weight, a weight of its own on an activation rotated once more; null if there is none.
  mlir::FlatSymbolRefAttr qjlSymbol;
  PackedType qjlType;
};

class WeightSymbols {
public:
  /// Symbols go to the front of `module`.
  WeightSymbols(mlir::ModuleOp module, const Checkpoint &checkpoint);

  /// The weight of that path, declared at its first use. `shape` is what config.json says. A weight that cannot be used is
  /// declared as plain f32 of that shape, so that the building of the graph goes on; status() has the reason.
  WeightSymbol declare(llvm::StringRef path, llvm::ArrayRef<int64_t> shape, llvm::StringRef role);
  /// A vector that no file has.
  WeightSymbol declareConstant(llvm::StringRef name, llvm::ArrayRef<float> values);

  bool exists(llvm::StringRef path) const { return checkpoint.find(path) != nullptr; }
  /// Keeps the first problem.
  void fail(Error error);
  const Status &status() const { return problem; }

  /// Weights of the checkpoint that nothing declared.
  std::vector<const WeightSource *> unused() const;
  /// Numbers in all declared weights of the checkpoint.
  int64_t parameters() const { return parameterCount; }

  mlir::OpBuilder &builder() { return symbolBuilder; }

private:
  Result<const WeightSource *> find(llvm::StringRef path, llvm::ArrayRef<int64_t> shape) const;
  Result<EncodingAttrInterface> encodingOf(const WeightSource &source) const;
  /// The symbol of a rotation; byte-equal signs after the same rotation are one.
  mlir::FlatSymbolRefAttr rotation(const RawTensor &signs, int64_t block, mlir::FlatSymbolRefAttr after);
  WeightSymbol create(llvm::StringRef path, PackedType type, llvm::StringRef role);

  const Checkpoint &checkpoint;
  mlir::OpBuilder symbolBuilder;
  llvm::StringMap<WeightSymbol> declared;
  /// By block, name of the rotation it comes after, and the bytes of the signs.
  std::map<std::tuple<int64_t, std::string, std::string>, mlir::FlatSymbolRefAttr> rotations;
  int64_t parameterCount = 0;
  Status problem;
};

} // namespace tq
#endif
