//===- GraphBuilder.h - The verbs a model is written in ---------*- C++ -*-===//
// A model file reads like its forward pass: x = g.add(x, g.linear(…)). Verbs take names as the checkpoint spells them,
// relative to the current scope, and never fail: WeightSymbols keeps the first problem, and importModel reports it.
//
//   import spells the checkpoint naively:   q = linear(rotate(n), codebook_dequant(get_weight))
//
// Nothing is shared or fused here; that is what passes are for. Every op carries a label (a NameLoc such as
// "layers.3.attention.qkv"), which traces show.
//===----------------------------------------------------------------------===//
#ifndef TQ_MODELS_GRAPHBUILDER_H
#define TQ_MODELS_GRAPHBUILDER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "models/Config.h"
#include "models/WeightSymbols.h"

namespace tq {

class GraphBuilder {
public:
  /// Starts `func.func @forward(%ids, %pos) -> [?, vocab]` at the end of `module`.
  GraphBuilder(mlir::ModuleOp module, const Checkpoint &checkpoint, const ModelConfig &config);

  const ModelConfig &config() const { return modelConfig; }
  WeightSymbols &weights() { return symbols; }

  /// Where the next ops belong. `path` is the prefix of tensor names ("model.layers.3."), `label` that of locations
  /// ("layers.3.attention."), `role` what weights are for: embedding, attention, mlp, head.
  void enter(llvm::Twine path, llvm::Twine label, llvm::StringRef role);

  // Shapes: T tokens, H hidden. `step` completes the label of the ops ("qkv").

  /// [T, H] rows of the embedding.
  mlir::Value embed(llvm::StringRef table);
  /// RMS norm of the last axis with the gain `name`.weight.
  mlir::Value norm(mlir::Value x, llvm::StringRef name, llvm::StringRef step = "norm");
  /// [T, in] -> [T, out] by `name`.weight, rotated as that weight wants, plus `name`.bias if there is one.
  mlir::Value linear(mlir::Value x, llvm::StringRef name, int64_t out, bool bias, llvm::StringRef step);
  /// [T, heads * dim] -> [T, heads, dim] and back.
  mlir::Value splitHeads(mlir::Value x, int64_t heads, llvm::StringRef step);
  mlir::Value joinHeads(mlir::Value x, llvm::StringRef step);
  /// Rotates heads by position; the table of angles is made once.
  mlir::Value rope(mlir::Value x);
  /// Appends k, v [T, kvHeads, dim] to the state of `layer` and attends with q [T, heads, dim]; window 0: none.
  mlir::Value attend(mlir::Value q, mlir::Value k, mlir::Value v, int64_t layer, int64_t window);
  mlir::Value glu(mlir::Value gate, mlir::Value up, Activation kind, llvm::StringRef step);
  mlir::Value add(mlir::Value a, mlir::Value b, llvm::StringRef step);
  /// The rows whose logits are wanted.
  mlir::Value takeRows(mlir::Value x, llvm::StringRef step);
  /// Logits by `table`, the embedding itself where they are tied.
  mlir::Value head(mlir::Value x, llvm::StringRef table);

  /// Ends the function.
  void finish(mlir::Value logits);

private:
  mlir::Location at(llvm::StringRef step);
  mlir::RankedTensorType activation(llvm::ArrayRef<int64_t> row);
  mlir::Value matrix(mlir::FlatSymbolRefAttr symbol, PackedType type, mlir::Location loc);
  mlir::Value vector(llvm::StringRef path, int64_t size, llvm::StringRef role, mlir::Location loc);
  mlir::Value product(mlir::Value x, const WeightSymbol &weight, mlir::Location loc);

  const ModelConfig &modelConfig;
  WeightSymbols symbols;
  mlir::OpBuilder b;
  mlir::func::FuncOp forward;
  mlir::Value cos, sin;
  std::string path, label, role;
};

// One model family each, in the file of its model_type.
void buildLlama(GraphBuilder &g);
void buildMistral(GraphBuilder &g);
void buildQwen2(GraphBuilder &g);
void buildQwen3(GraphBuilder &g);

} // namespace tq
#endif
