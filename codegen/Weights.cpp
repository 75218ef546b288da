//===- Weights.cpp - The bytes of a module's weights ----------------------===//

#include "codegen/Weights.h"
#include "dialect/encodings/Pack.h"
#include "dialect/encodings/Signs.h"
#include <cstring>

using namespace mlir;

namespace tq {

namespace {
/// A dense weight in another float type: --weights=f16 from a bf16 file.
class ConvertedDense : public WeightEncoding {
public:
  ConvertedDense(EncodingPtr source, Layout to) : WeightEncoding(source->shape()), source(std::move(source)), to(to) {}
  std::string name() const override {
    return to.kind == Layout::Kind::DenseF16 ? "f16" : to.kind == Layout::Kind::DenseBF16 ? "bf16" : "f32";
  }
  Layout layout() const override { return to; }
  uint64_t storedBytes() const override { return source->storedBytes(); }
  Status decodeRows(int64_t first, int64_t count, float *out) const override {
    return source->decodeRows(first, count, out);
  }

protected:
  Status repackBlock(int64_t first, int64_t count, std::byte *out) const override {
    std::vector<float> rows(count * shape().cols);
    TQ_TRY(source->decodeRows(first, count, rows.data()));
    packDenseRowBlock(to, shape().cols, count, rows.data(), shape().cols, out);
    return {};
  }

private:
  EncodingPtr source;
  Layout to;
};

template <class Op> Op lookup(ModuleOp module, FlatSymbolRefAttr symbol) {
  return module.lookupSymbol<Op>(symbol.getAttr());
}

/// "a/b.weight" of "a/b.signs": who holds the sign vector.
std::string ownerOf(llvm::StringRef path, llvm::StringRef suffix) {
  path.consume_back(suffix);
  return path.str() + ".weight";
}

uint64_t vectorBytes(int64_t n) { return (uint64_t(n) * 4 + 63) / 64 * 64; }

std::vector<std::byte> vectorPlane(std::span<const float> values) {
  std::vector<std::byte> bytes(vectorBytes(values.size()));
  std::memcpy(bytes.data(), values.data(), values.size() * 4);
  return bytes;
}
} // namespace

WeightOp Weights::weight(FlatSymbolRefAttr symbol) const { return lookup<WeightOp>(module, symbol); }

std::string Weights::role(FlatSymbolRefAttr symbol) const {
  WeightOp op = weight(symbol);
  return op ? op.getRole().str() : "constant";
}

const WeightSource *Weights::source(WeightOp op) const {
  if (!op.getSource())
    return nullptr;
  llvm::StringRef path = *op.getSource();
  path.consume_back("/qjl");
  return checkpoint.find(std::string_view(path));
}

Result<uint64_t> Weights::planeBytes(FlatSymbolRefAttr symbol, llvm::StringRef plane) const {
  if (plane == "levels")
    return uint64_t(sizeof(LevelTable));
  if (auto rotation = lookup<RotationOp>(module, symbol))
    return vectorBytes(rotation.getDim());
  WeightOp op = weight(symbol);
  if (!op)
    return Error{"no weight @" + symbol.getValue().str() + " in the module"};
  PackedType type = op.getPacked();
  if (plane == "values")
    return vectorBytes(type.getCols());
  return uint64_t(type.getEncoding().getLayout().bytes(type.getRows(), type.getCols()));
}

Result<std::vector<float>> Weights::signs(RotationOp rotation) const {
  if (rotation.getSeed())
    return rotationSigns(*rotation.getSeed(), rotation.getDim());
  llvm::StringRef path = *rotation.getSource();
  bool qjl = path.ends_with(".qjl_signs");
  const WeightSource *owner = checkpoint.find(ownerOf(path, qjl ? ".qjl_signs" : ".signs"));
  const std::optional<RawTensor> *tensor = !owner ? nullptr : qjl ? &owner->qjlSigns : &owner->signs;
  if (!tensor || !*tensor)
    return Error{path.str() + ": the checkpoint has no such sign vector"};
  return readFloats(**tensor);
}

Result<EncodingPtr> Weights::stream(WeightOp op) const {
  const WeightSource *from = source(op);
  if (!from)
    return Error{op.getSymName().str() + ": the checkpoint has no such weight"};
  if (op.getSource()->ends_with("/qjl"))
    return makeQjlEncoding(*from);
  TQ_TRY_ASSIGN(EncodingPtr encoding, makeEncoding(*from));
  if (!op.getStored())
    return encoding;
  PackedType type = op.getPacked();
  EncodingAttrInterface to = type.getEncoding();
  if (to.getLayout().isDense())
    return EncodingPtr(std::make_unique<ConvertedDense>(std::move(encoding), to.getLayout()));
  QuantTarget target;
  target.group = to.getGroupSize();
  target.rule = rule;
  std::vector<float> vector;
  if (auto codebook = dyn_cast<CodebookAttr>(to)) {
    target.kind = QuantTarget::Kind::Codebook;
    target.bits = int(codebook.getBits());
    target.rotate = bool(type.getRotation());
    if (target.rotate) {
      auto rotation = lookup<RotationOp>(module, type.getRotation());
      TQ_TRY_ASSIGN(vector, signs(rotation));
    }
  } else if (auto affine = dyn_cast<AffineAttr>(to)) {
    target.kind = QuantTarget::Kind::Affine;
    target.bits = int(affine.getBits());
  } else {
    return Error{op.getSymName().str() + ": tq has no quantiser for this encoding"};
  }
  return makeQuantising(std::move(encoding), target, std::move(vector));
}

Result<std::vector<std::byte>> Weights::smallPlane(FlatSymbolRefAttr symbol, llvm::StringRef plane) const {
  if (auto rotation = lookup<RotationOp>(module, symbol)) {
    TQ_TRY_ASSIGN(std::vector<float> values, signs(rotation));
    return vectorPlane(values);
  }
  WeightOp op = weight(symbol);
  if (plane == "levels") {
    TQ_TRY_ASSIGN(EncodingPtr encoding, stream(op));
    std::optional<LevelTable> levels = encoding->levels();
    if (!levels)
      return Error{op.getSymName().str() + ": has no levels"};
    std::vector<std::byte> bytes(sizeof(LevelTable));
    std::memcpy(bytes.data(), &*levels, sizeof(LevelTable));
    return bytes;
  }
  if (op.getValues()) {
    llvm::ArrayRef<float> values = *op.getValues();
    return vectorPlane(std::span(values.data(), values.size()));
  }
  const WeightSource *from = source(op);
  if (!from)
    return Error{op.getSymName().str() + ": the checkpoint has no such weight"};
  std::vector<float> values(from->rows() * from->cols());
  TQ_TRY(decodeRows(*from, 0, from->rows(), values.data(), false));
  for (float v : values)
    if (!std::isfinite(v))
      return Error{from->path + ": holds values that are not finite; the file is damaged"};
  return vectorPlane(values);
}

} // namespace tq
