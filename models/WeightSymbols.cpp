//===- WeightSymbols.cpp - Tensors of a checkpoint as symbols -------------===//

#include "models/WeightSymbols.h"
#include "models/formats/Json.h"

#include <fmt/format.h>

using namespace mlir;
using namespace tq;

WeightSymbols::WeightSymbols(ModuleOp module, const Checkpoint &checkpoint)
    : checkpoint(checkpoint), symbolBuilder(module.getBody(), module.getBody()->begin()) {}

void WeightSymbols::fail(Error error) {
  if (problem.ok())
    problem = std::move(error);
}

Result<const WeightSource *> WeightSymbols::find(StringRef path, ArrayRef<int64_t> shape) const {
  return checkpoint.get(std::string_view(path), std::span(shape.data(), shape.size()));
}

Result<EncodingAttrInterface> WeightSymbols::encodingOf(const WeightSource &source) const {
  MLIRContext *context = symbolBuilder.getContext();
  auto checkGroup = [&](int64_t group) -> Status {
    if (group >= 16 && group % 16 == 0)
      return Status();
    return Error{fmt::format("{}: cannot compile a group size of {}; it must be a multiple of 16",
                             printable(source.path), group)};
  };
  if (const CodebookEncoding *codebook = source.codebookEncoding()) {
    TQ_TRY(checkGroup(codebook->group));
    return EncodingAttrInterface(CodebookAttr::get(context, codebook->bits, codebook->group, codebook->ternary));
  }
  if (const AffineEncoding *affine = source.affine()) {
    TQ_TRY(checkGroup(affine->group));
    return EncodingAttrInterface(AffineAttr::get(context, affine->bits, affine->group));
  }
  Type type;
  switch (source.dense()->dtype) {
  case DType::F32:
    type = Float32Type::get(context);
    break;
  case DType::F16:
    type = Float16Type::get(context);
    break;
  case DType::BF16:
    type = BFloat16Type::get(context);
    break;
  default:
    return Error{fmt::format("{}: cannot compile a weight of type {}; dense weights are F32, F16 or BF16",
                             printable(source.path), dtypeName(source.dense()->dtype))};
  }
  return EncodingAttrInterface(DenseAttr::get(context, type));
}

FlatSymbolRefAttr WeightSymbols::rotation(const RawTensor &signs, int64_t block, FlatSymbolRefAttr after) {
  std::string bytes(reinterpret_cast<const char *>(signs.bytes.data()), signs.bytes.size());
  FlatSymbolRefAttr &symbol = rotations[{block, after ? after.getValue().str() : "", std::move(bytes)}];
  if (!symbol) {
    OpBuilder &b = symbolBuilder;
    symbol = FlatSymbolRefAttr::get(b.getContext(), fmt::format("r{}", rotations.size() - 1));
    RotationOp::create(b, NameLoc::get(b.getStringAttr(signs.name)), b.getStringAttr(symbol.getValue()),
                       b.getI64IntegerAttr(signs.numElements()), b.getI64IntegerAttr(block),
                       b.getStringAttr(signs.name), mlir::IntegerAttr(), after);
  }
  return symbol;
}

WeightSymbol WeightSymbols::create(StringRef path, PackedType type, StringRef role) {
  OpBuilder &b = symbolBuilder;
  StringAttr name = b.getStringAttr(path);
  WeightOp::create(b, NameLoc::get(name), name, TypeAttr::get(type), name, EncodingAttrInterface(), DenseF32ArrayAttr(),
                   b.getStringAttr(role));
  return {FlatSymbolRefAttr::get(name), type, {}, {}};
}

WeightSymbol WeightSymbols::declare(StringRef path, ArrayRef<int64_t> shape, StringRef role) {
  auto known = declared.find(path);
  if (known != declared.end())
    return known->second;

  MLIRContext *context = symbolBuilder.getContext();
  Type f32 = Float32Type::get(context);
  auto packed = [&](EncodingAttrInterface encoding, FlatSymbolRefAttr rotation) {
    return PackedType::get(context, shape, f32, encoding, rotation);
  };
  auto giveUp = [&](const Error &error) {
    fail(error);
    return declared[path] = create(path, packed(DenseAttr::get(context, f32), {}), role);
  };
  Result<const WeightSource *> found = find(path, shape);
  if (!found.ok())
    return giveUp(found.error());
  const WeightSource &source = **found;
  Result<EncodingAttrInterface> encoding = encodingOf(source);
  if (!encoding.ok())
    return giveUp(encoding.error());

  parameterCount += source.rows() * source.cols();
  const CodebookEncoding *codebook = source.codebookEncoding();
  FlatSymbolRefAttr basis;
  if (codebook && codebook->rotated)
    basis = rotation(*source.signs, codebook->hadamardBlock, {});
  WeightSymbol weight = create(path, packed(*encoding, basis), role);
  if (codebook && codebook->hasQjl) {
    // Signs of the residual: one bit per weight, one scale per row.
    if (source.cols() % 16 != 0)
      fail({fmt::format("{}: cannot compile the residual of {} columns; their number must be a multiple of 16",
                        printable(source.path), source.cols())});
    else {
      FlatSymbolRefAttr again = rotation(*source.qjlSigns, codebook->hadamardBlock, basis);
      WeightSymbol residual =
          create((path + "/qjl").str(), packed(CodebookAttr::get(context, 1, source.cols(), false), again), role);
      weight.qjlSymbol = residual.symbol;
      weight.qjlType = residual.type;
    }
  }
  return declared[path] = weight;
}

WeightSymbol WeightSymbols::declareConstant(StringRef name, ArrayRef<float> values) {
  OpBuilder &b = symbolBuilder;
  auto type = PackedType::get(b.getContext(), {int64_t(values.size())}, b.getF32Type(),
                              DenseAttr::get(b.getContext(), b.getF32Type()), FlatSymbolRefAttr());
  WeightOp::create(b, NameLoc::get(b.getStringAttr(name)), b.getStringAttr(name), TypeAttr::get(type), StringAttr(),
                   EncodingAttrInterface(), b.getDenseF32ArrayAttr(values), b.getStringAttr("constant"));
  return {FlatSymbolRefAttr::get(b.getContext(), name), type, {}, {}};
}

std::vector<const WeightSource *> WeightSymbols::unused() const {
  std::vector<const WeightSource *> result;
  for (const WeightSource &source : checkpoint.weights())
    if (!declared.contains(source.path))
      result.push_back(&source);
  return result;
}
