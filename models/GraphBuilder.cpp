//===- GraphBuilder.cpp - The verbs a model is written in -----------------===//

#include "models/GraphBuilder.h"

#include <cmath>

using namespace mlir;
using namespace tq;

GraphBuilder::GraphBuilder(ModuleOp module, const Checkpoint &checkpoint, const ModelConfig &config)
    : modelConfig(config), symbols(module, checkpoint), b(module.getContext()) {
  Type ids = RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type());
  b.setInsertionPointToEnd(module.getBody());
  forward =
      func::FuncOp::create(b, module.getLoc(), "forward", b.getFunctionType({ids, ids}, {activation({config.vocab})}));
  b.setInsertionPointToStart(forward.addEntryBlock());
  symbols.builder().setInsertionPoint(forward);
}

void GraphBuilder::enter(Twine pathPrefix, Twine labelPrefix, StringRef newRole) {
  path = pathPrefix.str();
  label = labelPrefix.str();
  role = newRole.str();
}

Location GraphBuilder::at(StringRef step) { return NameLoc::get(b.getStringAttr(label + step)); }

RankedTensorType GraphBuilder::activation(ArrayRef<int64_t> row) {
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  shape.append(row.begin(), row.end());
  return RankedTensorType::get(shape, b.getF32Type());
}

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

//===-- Weights -------------------------------------------------------------------------------------------------===//

/// The dequantised matrix, in its basis.
Value GraphBuilder::matrix(FlatSymbolRefAttr symbol, PackedType type, Location loc) {
  Value packed = GetWeightOp::create(b, loc, type, symbol);
  RankedTensorType values = withBasis(RankedTensorType::get(type.getShape(), b.getF32Type()), type.getRotation());
  if (isa<CodebookAttr>(type.getEncoding()))
    return CodebookDequantOp::create(b, loc, values, packed);
  return DequantOp::create(b, loc, values, packed);
}

Value GraphBuilder::vector(StringRef path, int64_t size, StringRef role, Location loc) {
  WeightSymbol weight = symbols.declare(path, {size}, role);
  return GetWeightOp::create(b, loc, RankedTensorType::get({size}, b.getF32Type()), weight.symbol);
}

/// x by the rows of a matrix: rotated into the matrix' basis if it has one, and once more for its residual.
Value GraphBuilder::product(Value x, const WeightSymbol &weight, Location loc) {
  auto multiply = [&](FlatSymbolRefAttr symbol, PackedType type) -> Value {
    if (FlatSymbolRefAttr basis = type.getRotation(); basis && basis != getBasis(x.getType()))
      x = RotateOp::create(b, loc, withBasis(tensorType(x), basis), x, Value(), basis, mlir::IntegerAttr(), UnitAttr());
    Value w = matrix(symbol, type, loc);
    return LinearOp::create(b, loc, activation({type.getShape()[0]}), x, w);
  };
  Value y = multiply(weight.symbol, weight.type);
  if (weight.qjlSymbol)
    y = arith::AddFOp::create(b, loc, y, multiply(weight.qjlSymbol, weight.qjlType));
  return y;
}

//===-- Verbs ---------------------------------------------------------------------------------------------------===//

Value GraphBuilder::embed(StringRef table) {
  Location loc = at("embed");
  WeightSymbol weight = symbols.declare(path + table.str(), {modelConfig.vocab, modelConfig.hidden}, role);
  Value rows = matrix(weight.symbol, weight.type, loc);
  RankedTensorType plain = activation({modelConfig.hidden});
  FlatSymbolRefAttr basis = weight.type.getRotation();
  Value x = EmbedOp::create(b, loc, withBasis(plain, basis), rows, forward.getArgument(0));
  if (basis)
    x = RotateOp::create(b, loc, plain, x, Value(), basis, mlir::IntegerAttr(), b.getUnitAttr());
  return x;
}

Value GraphBuilder::norm(Value x, StringRef name, StringRef step) {
  Location loc = at(step);
  Value gain = vector(path + name.str() + ".weight", tensorType(x).getShape().back(), "norm", loc);
  return RmsNormOp::create(b, loc, x.getType(), x, gain, b.getF32FloatAttr(float(modelConfig.eps)));
}

Value GraphBuilder::linear(Value x, StringRef name, int64_t out, bool bias, StringRef step) {
  Location loc = at(step);
  std::string module = path + name.str();
  Value y = product(x, symbols.declare(module + ".weight", {out, tensorType(x).getShape().back()}, role), loc);
  if (bias)
    return AddBiasOp::create(b, loc, y.getType(), y, vector(module + ".bias", out, role, loc));
  if (symbols.exists(module + ".bias"))
    symbols.fail({module + ".bias: the checkpoint has this bias, but config.json says that there is none "
                           "(attention_bias, mlp_bias)"});
  return y;
}

Value GraphBuilder::splitHeads(Value x, int64_t heads, StringRef step) {
  return ReshapeOp::create(b, at(step), activation({heads, tensorType(x).getDimSize(1) / heads}), x);
}

Value GraphBuilder::joinHeads(Value x, StringRef step) {
  return ReshapeOp::create(b, at(step), activation({elementsPerRow(tensorType(x))}), x);
}

Value GraphBuilder::rope(Value x) {
  if (!cos) {
    // Every layer has the same angles. The first use is in the function's only block and before all others.
    Location loc = NameLoc::get(b.getStringAttr("rope"));
    std::vector<float> values = modelConfig.invFreq();
    WeightSymbol frequencies = symbols.declareConstant("rope.frequencies", values);
    int64_t n = int64_t(values.size());
    Value vector = GetWeightOp::create(b, loc, RankedTensorType::get({n}, b.getF32Type()), frequencies.symbol);
    auto table = RopeTableOp::create(b, loc, activation({n}), activation({n}), forward.getArgument(1), vector,
                                     b.getF32FloatAttr(modelConfig.attentionScaling()));
    cos = table.getCos();
    sin = table.getSin();
  }
  return RopeOp::create(b, at("rope"), x.getType(), x, cos, sin);
}

Value GraphBuilder::attend(Value q, Value k, Value v, int64_t layer, int64_t window) {
  MLIRContext *context = b.getContext();
  int64_t heads = tensorType(v).getDimSize(1), dk = tensorType(k).getDimSize(2), dv = tensorType(v).getDimSize(2);
  auto f16 = DenseAttr::get(context, b.getF16Type());
  auto type = KVType::get(context, heads, dk, dv, f16, f16);
  std::string name = "kv." + std::to_string(layer);
  StateOp::create(symbols.builder(), NameLoc::get(b.getStringAttr(name)), b.getStringAttr(name), TypeAttr::get(type));

  Location loc = at("sdpa");
  Value pos = forward.getArgument(1);
  Value state = GetStateOp::create(b, loc, type, FlatSymbolRefAttr::get(context, name));
  KVAppendOp::create(b, at("kv"), state, k, v, pos);
  return SdpaOp::create(b, loc, activation({tensorType(q).getDimSize(1), dv}), q, state, pos,
                        b.getF32FloatAttr(float(1.0 / std::sqrt(double(dk)))), b.getI64IntegerAttr(window));
}

Value GraphBuilder::glu(Value gate, Value up, Activation kind, StringRef step) {
  return GluOp::create(b, at(step), gate.getType(), gate, up, kind);
}

Value GraphBuilder::add(Value a, Value c, StringRef step) { return arith::AddFOp::create(b, at(step), a, c); }

Value GraphBuilder::takeRows(Value x, StringRef step) { return TakeRowsOp::create(b, at(step), x.getType(), x); }

Value GraphBuilder::head(Value x, StringRef table) {
  return product(x, symbols.declare(path + table.str(), {modelConfig.vocab, modelConfig.hidden}, role), at("head"));
}

void GraphBuilder::finish(Value logits) { func::ReturnOp::create(b, logits.getLoc(), logits); }
