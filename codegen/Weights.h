//===- Weights.h - The bytes of a module's weights --------------*- C++ -*-===//
//
// Which planes a tq.weight or tq.rotation has in a package, and how to make them from the checkpoint.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_WEIGHTS_H
#define TQ_CODEGEN_WEIGHTS_H

#include "dialect/TQ.h"
#include "dialect/encodings/Encoding.h"
#include "models/Checkpoint.h"

namespace tq {

class Weights {
public:
  Weights(mlir::ModuleOp module, const Checkpoint &checkpoint, ScaleRule rule)
      : module(module), checkpoint(checkpoint), rule(rule) {}

  /// Bytes of a plane ("stream", "levels", "values") of a symbol, without reading the checkpoint.
  Result<uint64_t> planeBytes(mlir::FlatSymbolRefAttr symbol, llvm::StringRef plane) const;
  /// The role that sections and summaries group by.
  std::string role(mlir::FlatSymbolRefAttr symbol) const;
  /// The encoding whose repackRowBlocks gives the stream plane; quantises on the way where quantize-weights asked for it.
  Result<EncodingPtr> stream(WeightOp weight) const;
  /// The small planes, whole: levels of a codebook; values of a vector as f32, padded to 64 bytes.
  Result<std::vector<std::byte>> smallPlane(mlir::FlatSymbolRefAttr symbol, llvm::StringRef plane) const;
  /// The checkpoint's weight behind a symbol, null for constants.
  const WeightSource *source(WeightOp weight) const;
  WeightOp weight(mlir::FlatSymbolRefAttr symbol) const;

private:
  Result<std::vector<float>> signs(RotationOp rotation) const;

  mlir::ModuleOp module;
  const Checkpoint &checkpoint;
  ScaleRule rule;
};

} // namespace tq
#endif
