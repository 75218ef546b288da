//===- Import.cpp - From a checkpoint to a module of tq ops ---------------===//

#include "models/Import.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "models/GraphBuilder.h"
#include "models/formats/Json.h"

#include <fmt/format.h>

using namespace mlir;
using namespace tq;

namespace {
struct Family {
  StringRef modelType;
  void (*build)(GraphBuilder &);
};
constexpr Family families[] = {
    {"llama", buildLlama},
    {"mistral", buildMistral},
    {"qwen2", buildQwen2},
    {"qwen3", buildQwen3},
};
} // namespace

/// Warns of tensors that were left out, except the frequencies that old files carry: they are computed.
static void warnOfUnused(const WeightSymbols &weights, const ModelConfig &config, Location loc) {
  constexpr size_t shown = 5;
  std::string names;
  size_t count = 0;
  uint64_t bytes = 0;
  for (const WeightSource *source : weights.unused()) {
    if (StringRef(source->path).ends_with("rotary_emb.inv_freq"))
      continue;
    if (++count <= shown)
      names += fmt::format("{}{}", count == 1 ? "" : ", ", printable(source->path));
    bytes += source->storedBytes();
  }
  if (count)
    emitWarning(loc) << count << (count == 1 ? " tensor (" : " tensors (") << fmt::format("{:.1f} KB", bytes / 1e3)
                     << ") of the checkpoint " << (count == 1 ? "is" : "are") << " not part of a " << config.modelType
                     << " model with " << config.layers << " layers and left out: " << names
                     << (count > shown ? ", ..." : "");
}

static DictionaryAttr describe(Builder b, const ModelConfig &c, const WeightSymbols &weights) {
  NamedAttrList list;
  auto number = [&](StringRef name, int64_t value) { list.set(name, b.getI64IntegerAttr(value)); };
  list.set("type", b.getStringAttr(c.modelType));
  number("vocab", c.vocab);
  number("hidden", c.hidden);
  number("intermediate", c.intermediate);
  number("layers", c.layers);
  number("heads", c.heads);
  number("kv_heads", c.kvHeads);
  number("head_dim", c.headDim);
  number("context", c.maxPosition);
  number("parameters", weights.parameters());
  list.set("tied", b.getBoolAttr(c.tieEmbeddings(weights.exists("lm_head.weight"))));
  list.set("eos", b.getDenseI64ArrayAttr(c.eos));
  if (c.bos)
    number("bos", *c.bos);
  return list.getDictionary(b.getContext());
}

static Status verifyModule(ModuleOp module, const Checkpoint &checkpoint) {
  std::string problem;
  ScopedDiagnosticHandler collect(module.getContext(), [&](Diagnostic &diagnostic) {
    problem += (problem.empty() ? "" : "; ") + diagnostic.str();
  });
  if (succeeded(verify(module)))
    return Status();
  return Error{fmt::format("{}: the imported module is invalid, a defect of tq: {}",
                           printable(checkpoint.directory().string()), problem)};
}

Result<OwningOpRef<ModuleOp>> tq::importModel(MLIRContext &context, const Checkpoint &checkpoint,
                                              const ModelConfig &config) {
  const Family *family = llvm::find_if(families, [&](const Family &f) { return f.modelType == config.modelType; });
  if (family == std::end(families))
    return Error{
        fmt::format("cannot compile model_type '{}'; known are {}", printable(config.modelType), knownModelTypes())};
  context.loadDialect<TQDialect, arith::ArithDialect, func::FuncDialect>();
  Location loc = NameLoc::get(StringAttr::get(&context, checkpoint.directory().string()));
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  GraphBuilder builder(*module, checkpoint, config);
  family->build(builder);
  TQ_TRY(builder.weights().status());
  (*module)->setAttr("tq.model", describe(Builder(&context), config, builder.weights()));

  TQ_TRY(verifyModule(*module, checkpoint));
  warnOfUnused(builder.weights(), config, loc);
  return module;
}
