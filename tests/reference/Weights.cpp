//===- Weights.cpp - Where the interpreter gets weights from --------------===//

#include "tests/reference/Weights.h"
#include "dialect/encodings/Encoding.h"
#include "dialect/encodings/Signs.h"

#include <cmath>
#include <numbers>
#include <stdexcept>

using namespace tq;
using namespace tq::reference;

static std::string text(llvm::StringRef string) { return string.str(); }

template <class T> static T unwrap(Result<T> result) {
  if (!result.ok())
    throw std::runtime_error(result.message());
  return std::move(*result);
}
static void unwrap(const Status &status) {
  if (!status.ok())
    throw std::runtime_error(status.message());
}

/// The residual: +-1 per weight, times norm * sqrt(pi / 2) / sqrt(columns) of its row.
static std::vector<float> residual(const WeightSource &source) {
  int64_t rows = source.rows(), cols = source.cols(), words = source.qjlPacked->shape.back();
  std::vector<float> norms = unwrap(readFloats(*source.qjlNorms)), values(rows * cols);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) {
      int64_t byte = (r * words + c / 32) * 4 + c % 32 / 8; // little-endian words, lowest bit first
      bool positive = int(source.qjlPacked->bytes[byte]) >> c % 8 & 1;
      double scale = norms[r] * std::sqrt(std::numbers::pi / 2) / std::sqrt(double(cols));
      values[r * cols + c] = float(positive ? scale : -scale);
    }
  return values;
}

std::vector<float> CheckpointWeights::values(WeightOp weight) {
  if (auto constant = weight.getValues())
    return {constant->begin(), constant->end()};
  llvm::StringRef path = *weight.getSource();
  bool isResidual = path.consume_back("/qjl");
  const WeightSource *source = checkpoint.find(path);
  if (!source)
    throw std::runtime_error(text(path) + " is not in the checkpoint");
  if (isResidual)
    return residual(*source);
  int64_t rows = source->rows();
  std::vector<float> values(rows * source->cols());
  auto codebook = llvm::dyn_cast<CodebookAttr>(weight.getPacked().getEncoding());
  auto affine = llvm::dyn_cast<AffineAttr>(weight.getPacked().getEncoding());
  if (!weight.getStored() || (!codebook && !affine)) {
    unwrap(decodeRows(*source, 0, rows, values.data(), f16Product));
    return values;
  }
  QuantTarget target;
  target.kind = codebook ? QuantTarget::Kind::Codebook : QuantTarget::Kind::Affine;
  target.bits = int(codebook ? codebook.getBits() : affine.getBits());
  target.group = codebook ? codebook.getGroup() : affine.getGroup();
  target.ternary = codebook && codebook.getTernary();
  std::vector<float> columnSigns;
  if (auto basis = weight.getPacked().getRotation()) {
    target.rotate = true;
    columnSigns = signs(mlir::SymbolTable::lookupNearestSymbolFrom<RotationOp>(weight, basis));
  }
  EncodingPtr encoding = unwrap(makeQuantising(unwrap(makeEncoding(*source)), target, columnSigns));
  unwrap(encoding->decodeRows(0, rows, values.data()));
  return values;
}

std::vector<float> CheckpointWeights::signs(RotationOp rotation) {
  if (auto seed = rotation.getSeed())
    return rotationSigns(uint64_t(*seed), int64_t(rotation.getDim()));
  for (const WeightSource &source : checkpoint.weights())
    for (const auto *plane : {&source.signs, &source.qjlSigns})
      if (*plane && (*plane)->name == *rotation.getSource())
        return unwrap(readFloats(**plane));
  throw std::runtime_error(text(*rotation.getSource()) + " is not in the checkpoint");
}

std::vector<float> MapWeights::values(WeightOp weight) {
  if (auto constant = weight.getValues())
    return {constant->begin(), constant->end()};
  return byName.at(text(weight.getSymName()));
}

std::vector<float> MapWeights::signs(RotationOp rotation) {
  if (auto seed = rotation.getSeed())
    return rotationSigns(uint64_t(*seed), int64_t(rotation.getDim()));
  return byName.at(text(rotation.getSymName()));
}
