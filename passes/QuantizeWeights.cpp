//===- QuantizeWeights.cpp - Choose an encoding for float weights ---------===//
// Before:  tq.weight @w : !tq.packed<NxKxf32, #tq.dense<bf16>> from "w"
//          %w = tq.get_weight @w   %d = tq.dequant %w   %y = tq.linear %x, %d
// After:   tq.weight @w : !tq.packed<NxKxf32, #tq.codebook<bits = 4, group = 64>, @rotation.K> from "w" stored #tq.dense<bf16>
//          %r = tq.rotate %x by @rotation.K   %d = tq.codebook_dequant %w   %y = tq.linear %r, %d
// Only dense matrices whose role is attention, mlp, head or embedding. Codes are chosen when the package is written.
// Examples: tests/passes/quantize-weights.mlir

#include "dialect/encodings/Hadamard.h"
#include "passes/Passes.h"

namespace tq {
#define GEN_PASS_DEF_QUANTIZEWEIGHTS
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

namespace {
/// What --weights names: a family and its bits.
struct Choice {
  enum Family { Keep, F16, BF16, Rotated, Affine } family = Keep;
  int64_t bits = 0;
  bool isQuantised() const { return family == Rotated || family == Affine; }
};

/// "tq3" -> {Rotated, 3}; nullopt if there is no such choice.
std::optional<Choice> parseChoice(StringRef text) {
  if (text == "keep")
    return Choice{Choice::Keep, 0};
  if (text == "f16")
    return Choice{Choice::F16, 0};
  if (text == "bf16")
    return Choice{Choice::BF16, 0};
  bool rotated = text.consume_front("tq");
  int64_t bits;
  if ((!rotated && !text.consume_front("q")) || text.getAsInteger(10, bits))
    return std::nullopt;
  if (rotated ? bits < 2 || bits > 4 : bits < 2 || bits > 8)
    return std::nullopt;
  return Choice{rotated ? Choice::Rotated : Choice::Affine, bits};
}

/// The layer of "model.layers.12.mlp.up_proj.weight": 12; -1 if it is in none.
int64_t layerOf(StringRef path) {
  auto [head, rest] = path.split("layers.");
  int64_t layer;
  return rest.empty() || rest.consumeInteger(10, layer) ? -1 : layer;
}

struct QuantizeWeightsPass : tq::impl::QuantizeWeightsBase<QuantizeWeightsPass> {
  using QuantizeWeightsBase::QuantizeWeightsBase;
  void runOnOperation() override;

private:
  QuantizeWeightsOptions options() const;
  Choice choose(WeightOp weight);
  FlatSymbolRefAttr rotationFor(int64_t dim);
  LogicalResult retype(WeightOp weight, EncodingAttrInterface encoding, FlatSymbolRefAttr rotation);
};
} // namespace

std::string tq::faultOf(const QuantizeWeightsOptions &options) {
  std::optional<Choice> choice = parseChoice(options.weights);
  if (!choice)
    return "weights must be one of keep, f16, bf16, tq2, tq3, tq4, q2 .. q8, but is " + options.weights;
  if (options.rotation != "hadamard" && options.rotation != "none")
    return "rotation must be hadamard or none, but is " + options.rotation;
  if (!llvm::is_contained({16, 32, 64, 128}, options.group))
    return "group-size must be 16, 32, 64 or 128, but is " + std::to_string(options.group);
  for (auto [name, bits] : {std::pair("attn-bits", options.attnBits), std::pair("mlp-bits", options.mlpBits)}) {
    int64_t high = choice->family == Choice::Rotated ? 4 : 8;
    if (bits && !choice->isQuantised())
      return std::string(name) + " needs weights tq2..tq4 or q2..q8, but weights is " + options.weights;
    if (bits && (bits < 2 || bits > high))
      return std::string(name) + " must be 2 to " + std::to_string(high) + " for weights " + options.weights +
             ", but is " + std::to_string(bits);
  }
  for (auto [name, bits] : {std::pair("head-bits", options.headBits), std::pair("embed-bits", options.embedBits)})
    if (bits && (bits < 2 || bits > 8))
      return std::string(name) + " must be 2 to 8, but is " + std::to_string(bits);
  return "";
}

QuantizeWeightsOptions QuantizeWeightsPass::options() const {
  QuantizeWeightsOptions options;
  options.weights = weights;
  options.group = group;
  options.attnBits = attnBits;
  options.mlpBits = mlpBits;
  options.headBits = headBits;
  options.embedBits = embedBits;
  options.rotation = rotation;
  return options;
}

/// The family and bits that the options give this weight.
Choice QuantizeWeightsPass::choose(WeightOp weight) {
  Choice choice = *parseChoice(weights);
  StringRef role = weight.getRole();
  if (role == "embedding") {
    if (embedBits)
      return Choice{Choice::Affine, embedBits};
    return choice.isQuantised() ? Choice{Choice::Keep, 0} : choice;
  }
  if (llvm::is_contained(protectLayers, layerOf(weight.getSource().value_or(""))))
    return Choice{Choice::Keep, 0};
  if (role == "head" && headBits)
    return Choice{Choice::Affine, headBits};
  if (int64_t bits = role == "attention" ? attnBits : role == "mlp" ? mlpBits : 0)
    choice.bits = bits;
  return choice;
}

FlatSymbolRefAttr QuantizeWeightsPass::rotationFor(int64_t dim) {
  ModuleOp module = getOperation();
  std::string name = "rotation." + std::to_string(dim);
  auto symbol = FlatSymbolRefAttr::get(&getContext(), name);
  if (!module.lookupSymbol(symbol.getValue())) {
    OpBuilder b(&getContext());
    b.setInsertionPointToStart(module.getBody());
    RotationOp::create(b, module.getLoc(), b.getStringAttr(name), b.getI64IntegerAttr(dim),
                       b.getI64IntegerAttr(hadamardBlock(dim)), StringAttr(), b.getI64IntegerAttr(seed),
                       FlatSymbolRefAttr());
  }
  return symbol;
}

LogicalResult QuantizeWeightsPass::retype(WeightOp weight, EncodingAttrInterface encoding, FlatSymbolRefAttr rotation) {
  PackedType old = weight.getPacked();
  auto type = PackedType::get(&getContext(), old.getShape(), old.getElementType(), encoding, rotation);
  weight.setStoredAttr(old.getEncoding());
  weight.setTypeAttr(TypeAttr::get(type));
  // Users: get_weight -> dequant -> linear or embed.
  auto values = withBasis(RankedTensorType::get(old.getShape(), old.getElementType()), rotation);
  for (auto func : getOperation().getOps<func::FuncOp>()) {
    SmallVector<GetWeightOp> gets;
    func.walk([&](GetWeightOp get) {
      if (get.getSymbolAttr().getAttr() == weight.getSymNameAttr())
        gets.push_back(get);
    });
    for (GetWeightOp get : gets) {
      get.getResult().setType(type);
      for (Operation *user : llvm::make_early_inc_range(get->getUsers())) {
        if (!isa<DequantOp>(user))
          return user->emitError() << "reads @" << weight.getSymName()
                                   << " directly; run --tq-quantize-weights before --tq-join-dequant";
        OpBuilder b(user);
        Value result = isa<CodebookAttr>(encoding)
                           ? CodebookDequantOp::create(b, user->getLoc(), values, get.getResult()).getResult()
                           : DequantOp::create(b, user->getLoc(), values, get.getResult()).getResult();
        if (rotation)
          for (Operation *consumer : user->getUsers())
            if (auto linear = dyn_cast<LinearOp>(consumer)) {
              b.setInsertionPoint(linear);
              auto xType = withBasis(cast<RankedTensorType>(linear.getX().getType()), rotation);
              linear.getXMutable().assign(RotateOp::create(b, linear.getLoc(), xType, linear.getX(), Value(), rotation,
                                                           mlir::IntegerAttr(), UnitAttr()));
            }
        user->getResult(0).replaceAllUsesWith(result);
        user->erase();
      }
    }
  }
  return success();
}

void QuantizeWeightsPass::runOnOperation() {
  ModuleOp module = getOperation();
  MLIRContext *context = &getContext();
  auto fail = [&](const Twine &why) {
    module.emitError() << why;
    signalPassFailure();
  };
  if (std::string fault = faultOf(options()); !fault.empty())
    return fail(fault);
  bool tied = llvm::none_of(module.getOps<WeightOp>(), [](WeightOp w) { return w.getRole() == "head"; });
  if (headBits && tied)
    return fail("head-bits has no effect here: the head is tied to the embedding; use embed-bits");
  for (WeightOp weight : llvm::make_early_inc_range(module.getOps<WeightOp>())) {
    PackedType type = weight.getPacked();
    auto dense = dyn_cast<DenseAttr>(type.getEncoding());
    if (!dense || type.getShape().size() != 2 || !weight.getSource() ||
        !llvm::is_contained({"attention", "mlp", "head", "embedding"}, weight.getRole()))
      continue;
    Choice choice = choose(weight);
    int64_t cols = type.getCols();
    if (choice.isQuantised() && (cols % group != 0 || cols < 32)) {
      weight.emitWarning() << weight.getSymName() << " stays float: "
                           << (cols < 32 ? "its width " + std::to_string(cols) + " is under 32"
                                         : "group size " + std::to_string(group) + " does not divide its width " +
                                               std::to_string(cols));
      choice = Choice{Choice::Keep, 0};
    }
    EncodingAttrInterface encoding;
    FlatSymbolRefAttr basis;
    switch (choice.family) {
    case Choice::Keep:
      ++numKept;
      continue;
    case Choice::F16:
      encoding = DenseAttr::get(context, Float16Type::get(context));
      break;
    case Choice::BF16:
      encoding = DenseAttr::get(context, BFloat16Type::get(context));
      break;
    case Choice::Rotated:
      encoding = CodebookAttr::get(context, choice.bits, group, false);
      if (rotation == "hadamard")
        basis = rotationFor(cols);
      break;
    case Choice::Affine:
      encoding = AffineAttr::get(context, choice.bits, group);
      break;
    }
    if (encoding == type.getEncoding()) {
      ++numKept;
      continue;
    }
    if (failed(retype(weight, encoding, basis)))
      return signalPassFailure();
    ++numQuantized;
  }
}
