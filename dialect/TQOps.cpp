//===- TQOps.cpp - Verifiers of the tensor-level ops ----------------------===//
// Labels (op_c1, ...) are those of the op descriptions.

#include "dialect/TQ.h"
#include "dialect/encodings/Hadamard.h"
#include <cmath>

using namespace mlir;
using namespace tq;

static RankedTensorType tensorOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

/// Fails unless `value` is a tensor of that shape; -1 matches anything.
static LogicalResult expectShape(Operation *op, Value value, StringRef what, ArrayRef<int64_t> shape) {
  auto type = tensorOf(value);
  auto print = [&](InFlightDiagnostic diag) {
    llvm::interleave(
        shape, [&](int64_t d) { d == -1                    ? diag << "*"
                                : ShapedType::isDynamic(d) ? diag << "?"
                                                           : diag << d; },
        [&] { diag << "x"; });
    diag << ", but got " << value.getType();
    return diag;
  };
  if (!type || type.getRank() != int64_t(shape.size()))
    return print(op->emitOpError() << what << " must have shape ");
  for (auto [have, want] : llvm::zip(type.getShape(), shape))
    if (want != -1 && have != want && !ShapedType::isDynamic(have) && !ShapedType::isDynamic(want))
      return print(op->emitOpError() << what << " must have shape ");
  return success();
}

/// Fails if the value is in a rotated basis: nonlinear ops are only meaningful in the plain one.
static LogicalResult refuseBasis(Operation *op, Value value) {
  if (FlatSymbolRefAttr basis = getBasis(value.getType()))
    return op->emitOpError() << "takes no rotated value, but got basis " << basis << "; apply tq.rotate inverse first";
  return success();
}

static constexpr int64_t kAny = -1;

//===-- Weights -------------------------------------------------------------------------------------------------===//

LogicalResult GetWeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  Operation *symbol = symbols.lookupNearestSymbolFrom(*this, getSymbolAttr());
  auto vector = dyn_cast<RankedTensorType>(getType());
  ArrayRef<int64_t> shape;
  if (auto weight = dyn_cast_or_null<WeightOp>(symbol)) {
    auto have = dyn_cast<PackedType>(weight.getType());
    auto want = dyn_cast<PackedType>(getType());
    if (!have)
      return success(); // weight_c1 says what is wrong
    // get_weight_c1
    if (want && (want.getShape() != have.getShape() || want.getEncoding() != have.getEncoding()))
      return emitOpError() << "reads " << getSymbolAttr() << " as " << want << ", but it is " << have;
    shape = have.getShape();
  } else if (auto rotation = dyn_cast_or_null<RotationOp>(symbol)) {
    if (!vector || vector.getShape() != ArrayRef<int64_t>{int64_t(rotation.getDim())})
      return emitOpError() << "reads the signs of " << getSymbolAttr() << " as " << getType() << ", but there are "
                           << int64_t(rotation.getDim());
    return success();
  } else {
    return emitOpError() << getSymbolAttr() << " is no tq.weight of this module";
  }
  // get_weight_c2
  if (vector && (shape.size() != 1 || vector.getShape() != shape))
    return emitOpError() << "reads " << getSymbolAttr() << " as " << vector
                         << "; only a vector of that size can be, but it is " << cast<WeightOp>(symbol).getType();
  return success();
}

LogicalResult GetStateOp::verifySymbolUses(SymbolTableCollection &symbols) {
  // get_state_c1
  auto state = symbols.lookupNearestSymbolFrom<StateOp>(*this, getSymbolAttr());
  if (!state)
    return emitOpError() << getSymbolAttr() << " is no tq.state of this module";
  if (state.getType() != getType())
    return emitOpError() << "reads " << getSymbolAttr() << " as " << getType() << ", but it is " << state.getType();
  return success();
}

static LogicalResult verifyDequant(Operation *op, PackedType packed, RankedTensorType values) {
  // dequant_c2
  if (!values || packed.getShape() != values.getShape())
    return op->emitOpError() << "result must have the weight's shape, but " << values << " differs from " << packed;
  if (packed.getRotation() != getBasis(values))
    return op->emitOpError() << "result must keep the weight's basis, but " << values << " differs from " << packed;
  return success();
}

LogicalResult CodebookDequantOp::verify() {
  auto packed = cast<PackedType>(getPacked().getType());
  // codebook_dequant_c1
  if (!isa<CodebookAttr>(packed.getEncoding()))
    return emitOpError() << "needs a #tq.codebook weight, but got " << packed.getEncoding() << "; use tq.dequant";
  return verifyDequant(*this, packed, tensorOf(getValues()));
}

LogicalResult DequantOp::verify() {
  auto packed = cast<PackedType>(getPacked().getType());
  // dequant_c1
  if (isa<CodebookAttr>(packed.getEncoding()))
    return emitOpError() << "takes any encoding but a codebook; use tq.codebook_dequant";
  return verifyDequant(*this, packed, tensorOf(getValues()));
}

/// [rows, columns] of a weight operand, packed or not.
static std::optional<std::pair<int64_t, int64_t>> matrixShape(Type type) {
  ArrayRef<int64_t> shape;
  if (auto packed = dyn_cast<PackedType>(type))
    shape = packed.getShape();
  else if (auto tensor = dyn_cast<RankedTensorType>(type))
    shape = tensor.getShape();
  if (shape.size() != 2)
    return std::nullopt;
  return std::make_pair(shape[0], shape[1]);
}

LogicalResult LinearOp::verify() {
  auto x = tensorOf(getX());
  auto shape = matrixShape(getW().getType());
  // linear_c1
  if (!shape)
    return emitOpError() << "weight must be a matrix [out, in], but got " << getW().getType();
  if (failed(expectShape(*this, getX(), "activation", {kAny, shape->second})) ||
      failed(expectShape(*this, getY(), "result", {x.getDimSize(0), shape->first})))
    return failure();
  // linear_c2
  FlatSymbolRefAttr have = getBasis(x), want = getBasis(getW().getType());
  if (have != want) {
    auto diag = emitOpError() << "activation and weight must be in the same basis";
    diag.attachNote() << "activation: " << (have ? have.getValue() : "none");
    diag.attachNote() << "weight: " << (want ? want.getValue() : "none");
    return diag;
  }
  // linear_c3
  if (auto integer = getIntegerEncoding(x)) {
    auto packed = dyn_cast<PackedType>(getW().getType());
    if (!packed || packed.getEncoding().getLayout().isDense())
      return emitOpError() << "integer activations need a quantised weight, but got " << getW().getType();
    if (packed.getEncoding().getLayout().group % integer.getSums() != 0)
      return emitOpError() << "activation sums over " << integer.getSums()
                           << " columns do not divide the weight's group " << packed.getEncoding().getLayout().group;
  }
  return success();
}

LogicalResult EmbedOp::verify() {
  // embed_c1
  auto shape = matrixShape(getTable().getType());
  if (!shape)
    return emitOpError() << "table must be a matrix [vocabulary, width], but got " << getTable().getType();
  if (failed(expectShape(*this, getIds(), "ids", {kAny})))
    return failure();
  if (failed(expectShape(*this, getY(), "result", {kAny, shape->second})))
    return failure();
  // embed_c2
  if (getBasis(getY().getType()) != getBasis(getTable().getType()))
    return emitOpError() << "result must have the table's basis, but " << getY().getType() << " differs from "
                         << getTable().getType();
  return success();
}

//===-- Bases ---------------------------------------------------------------------------------------------------===//

LogicalResult RotateOp::verify() {
  auto x = tensorOf(getX()), y = tensorOf(getY());
  if (!x || !y || x.getRank() == 0 || ShapedType::isDynamic(x.getShape().back()) || x.getShape() != y.getShape())
    return emitOpError() << "operand and result must have one shape with a static last axis";
  // rotate_c1
  if (getRotation().has_value() == getBlock().has_value())
    return emitOpError() << "needs a rotation ('by @r') or an explicit block, and only one of them";
  if (getSigns() && !getBlock())
    return emitOpError() << "takes signs only with an explicit block";
  if (auto symbol = getRotationAttr()) {
    // rotate_c2
    auto rotation = SymbolTable::lookupNearestSymbolFrom<RotationOp>(*this, symbol);
    if (!rotation)
      return emitOpError() << symbol << " is no tq.rotation of this module";
    FlatSymbolRefAttr plain = rotation.getAfterAttr(), from = getBasis(x), to = getBasis(y);
    if (getInverse())
      std::swap(from, to);
    if (from != plain || to != symbol)
      return emitOpError() << "by " << symbol << " connects the bases " << (plain ? plain.getValue() : "none")
                           << " and " << symbol.getValue() << ", but the types are " << getX().getType() << " and "
                           << getY().getType();
    if (int64_t(rotation.getDim()) != x.getShape().back())
      return emitOpError() << "rotates " << x.getShape().back() << " columns, but " << symbol << " has dimension "
                           << rotation.getDim();
    return success();
  }
  // rotate_c3
  int64_t block = *getBlock(), n = x.getShape().back();
  if (block <= 0 || n % block != 0 || !hadamardBase(block))
    return emitOpError() << "block " << block << " must be m * 2^k with m one of 1, 12, 20, 28 and divide " << n;
  if (getSigns())
    return expectShape(*this, getSigns(), "signs", {n});
  return success();
}

LogicalResult QuantizeOp::verify() {
  auto x = tensorOf(getX()), y = tensorOf(getY());
  auto integer = getIntegerEncoding(y);
  // quantize_c1
  if (!integer)
    return emitOpError() << "result must have an #tq.int encoding, but is " << getY().getType();
  if (x.getShape() != y.getShape() || getIntegerEncoding(x) || getBasis(x) != getBasis(y))
    return emitOpError() << "result must be the operand's shape and basis, but " << y << " differs from " << x;
  return success();
}

//===-- Rows ----------------------------------------------------------------------------------------------------===//

LogicalResult RmsNormOp::verify() {
  auto x = tensorOf(getX());
  // rms_norm_c1
  if (getX().getType() != getY().getType() || !x || x.getRank() < 2)
    return emitOpError() << "operand and result must be one type of two axes or more, but are " << getX().getType()
                         << " and " << getY().getType();
  if (getW() && failed(expectShape(*this, getW(), "gain", {x.getShape().back()})))
    return failure();
  // rms_norm_c2
  if (getW() && failed(refuseBasis(*this, getX())))
    return failure();
  // rms_norm_c3
  float eps = getEps().convertToFloat();
  if (!std::isfinite(eps) || eps < 0)
    return emitOpError() << "eps must be finite and not negative, but is " << eps;
  return success();
}

LogicalResult ReshapeOp::verify() {
  auto x = tensorOf(getX()), y = tensorOf(getY());
  // reshape_c1
  if (!x || !y || x.getRank() < 2 || y.getRank() < 2 || x.getDimSize(0) != y.getDimSize(0) ||
      elementsPerRow(x) != elementsPerRow(y))
    return emitOpError() << "must keep the rows and the elements in each, but goes from " << getX().getType() << " to "
                         << getY().getType();
  // reshape_c2
  return refuseBasis(*this, getX());
}

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getX().getType() == getY().getType())
    return getX();
  if (auto inner = getX().getDefiningOp<ReshapeOp>(); inner && inner.getX().getType() == getY().getType())
    return inner.getX();
  return {};
}

LogicalResult TakeRowsOp::verify() {
  // take_rows_c1
  auto x = tensorOf(getX()), y = tensorOf(getY());
  if (!x || !y || x.getShape().drop_front() != y.getShape().drop_front() || x.getEncoding() != y.getEncoding())
    return emitOpError() << "must keep all axes but the first, but goes from " << getX().getType() << " to "
                         << getY().getType();
  return success();
}

LogicalResult RopeTableOp::verify() {
  // rope_table_c1
  auto frequencies = tensorOf(getFrequencies());
  if (!frequencies || frequencies.getRank() != 1)
    return emitOpError() << "frequencies must be a vector, but got " << getFrequencies().getType();
  int64_t n = frequencies.getDimSize(0);
  if (failed(expectShape(*this, getPos(), "positions", {kAny})) ||
      failed(expectShape(*this, getCos(), "cos", {kAny, n})))
    return failure();
  return expectShape(*this, getSin(), "sin", {kAny, n});
}

LogicalResult RopeOp::verify() {
  // rope_c1
  auto x = tensorOf(getX()), cos = tensorOf(getCos());
  if (failed(expectShape(*this, getX(), "operand", {kAny, kAny, kAny})) || failed(refuseBasis(*this, getX())))
    return failure();
  if (getX().getType() != getY().getType())
    return emitOpError() << "result must have the operand's type, but is " << getY().getType();
  if (failed(expectShape(*this, getCos(), "cos", {kAny, kAny})) ||
      failed(expectShape(*this, getSin(), "sin", {kAny, cos.getDimSize(1)})))
    return failure();
  if (2 * cos.getDimSize(1) > x.getDimSize(2))
    return emitOpError() << "rotates " << 2 * cos.getDimSize(1) << " dims, but a head has " << x.getDimSize(2);
  return success();
}

//===-- Pointwise -----------------------------------------------------------------------------------------------===//

LogicalResult ActOp::verify() { return refuseBasis(*this, getX()); }
LogicalResult GluOp::verify() { return refuseBasis(*this, getGate()); }

LogicalResult AddBiasOp::verify() {
  // add_bias_c1, add_bias_c2
  if (getX().getType() != getY().getType())
    return emitOpError() << "result must have the operand's type, but is " << getY().getType();
  if (failed(expectShape(*this, getX(), "operand", {kAny, kAny})) || failed(refuseBasis(*this, getX())))
    return failure();
  return expectShape(*this, getBias(), "bias", {tensorOf(getX()).getDimSize(1)});
}

//===-- Attention -----------------------------------------------------------------------------------------------===//

LogicalResult KVAppendOp::verify() {
  // kv_append_c1
  auto kv = cast<KVType>(getState().getType());
  if (failed(expectShape(*this, getK(), "keys", {kAny, kv.getHeads(), kv.getK()})) ||
      failed(expectShape(*this, getV(), "values", {kAny, kv.getHeads(), kv.getV()})))
    return failure();
  return expectShape(*this, getPos(), "positions", {kAny});
}

template <class SdpaLike> static LogicalResult verifySdpa(SdpaLike op) {
  // sdpa_c1
  auto kv = cast<KVType>(op.getState().getType());
  if (failed(expectShape(op, op.getQ(), "queries", {kAny, kAny, kv.getK()})))
    return failure();
  int64_t heads = tensorOf(op.getQ()).getDimSize(1);
  if (heads % kv.getHeads() != 0)
    return op.emitOpError() << heads << " query heads are no multiple of the state's " << kv.getHeads() << " heads";
  // sdpa_c2
  int64_t window = int64_t(op.getWindow()); // getters of i64 attributes are unsigned
  if (window < 0)
    return op.emitOpError() << "window must be 0 (none) or positive, but is " << window;
  return success();
}

LogicalResult SdpaOp::verify() {
  if (failed(verifySdpa(*this)))
    return failure();
  return expectShape(*this, getY(), "result",
                     {kAny, tensorOf(getQ()).getDimSize(1), int64_t(cast<KVType>(getState().getType()).getV())});
}

LogicalResult SdpaSplitOp::verify() {
  if (failed(verifySdpa(*this)))
    return failure();
  return expectShape(
      *this, getPartial(), "result",
      {kAny, kAny, tensorOf(getQ()).getDimSize(1), sdpaPartialFloats(cast<KVType>(getState().getType()).getV())});
}

LogicalResult SdpaMergeOp::verify() {
  // sdpa_merge_c1
  if (failed(expectShape(*this, getPartial(), "partial", {kAny, kAny, kAny, kAny})))
    return failure();
  auto partial = tensorOf(getPartial());
  if (failed(expectShape(*this, getY(), "result", {kAny, partial.getDimSize(2), kAny})))
    return failure();
  int64_t want = sdpaPartialFloats(tensorOf(getY()).getDimSize(2));
  if (partial.getDimSize(3) != want)
    return emitOpError() << "partial results must be " << want << " wide, but are " << partial.getDimSize(3);
  return success();
}

//===-- Sampling ------------------------------------------------------------------------------------------------===//

/// Indices and order mean nothing among rotated values, and codes have no order across scales.
static LogicalResult verifyLogits(Operation *op, Value x) {
  // argmax_c1, top_k_c1
  if (failed(expectShape(op, x, "operand", {kAny, kAny})))
    return failure();
  // argmax_c2, top_k_c2
  if (getIntegerEncoding(x.getType()))
    return op->emitOpError() << "takes plain f32 rows, but got " << x.getType();
  return refuseBasis(op, x);
}

LogicalResult ArgmaxOp::verify() {
  if (failed(verifyLogits(*this, getX())))
    return failure();
  return expectShape(*this, getIndices(), "result", {tensorOf(getX()).getDimSize(0)});
}

LogicalResult TopKOp::verify() {
  if (failed(verifyLogits(*this, getX())))
    return failure();
  // top_k_c3
  int64_t k = int64_t(getK()), n = tensorOf(getX()).getDimSize(1); // getters of i64 attributes are unsigned
  if (k < 1 || k > kMostTopK || k > n)
    return emitOpError() << "k must be 1 to " << std::min(kMostTopK, n) << " for rows of " << n << ", but is " << k;
  if (failed(expectShape(*this, getValues(), "values", {tensorOf(getX()).getDimSize(0), k})))
    return failure();
  return expectShape(*this, getIndices(), "indices", {tensorOf(getX()).getDimSize(0), k});
}
