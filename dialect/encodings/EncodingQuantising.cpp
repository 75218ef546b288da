//===- EncodingQuantising.cpp - Quantise while repacking ------------------===//
// A weight that is stored in one encoding and packed in another: nothing is
// kept but the block at hand.

#include "dialect/encodings/Encoding.h"
#include "dialect/encodings/HalfFloat.h"
#include "dialect/encodings/Pack.h"

#include <algorithm>

using namespace tq;

namespace {

/// Codes and scales of some rows.
struct Quantised {
  std::vector<uint8_t> codes;
  std::vector<uint16_t> scales, biases;
};

class QuantisingWeight final : public WeightEncoding {
public:
  QuantisingWeight(EncodingPtr source, const QuantTarget &target, std::vector<float> signs)
      : WeightEncoding(source->shape()), source(std::move(source)), target(target), signs(std::move(signs)) {
    if (target.kind == QuantTarget::Kind::Codebook)
      for (uint16_t half : lloydMaxTable(target.codebookKind()).levelsF16())
        levelValues.push_back(f16ToF32(half));
  }

  std::string name() const override { return target.name() + " from " + source->name(); }
  Layout layout() const override { return target.layout(); }
  uint64_t storedBytes() const override { return source->storedBytes(); }
  std::optional<LevelTable> levels() const override {
    if (levelValues.empty())
      return std::nullopt;
    return makeLevelTable(levelValues, gaussianWeights(levelValues));
  }

  Status decodeRows(int64_t firstRow, int64_t count, float *out) const override {
    TQ_TRY_ASSIGN(Quantised result, quantise(firstRow, count));
    int64_t cols = shape().cols;
    for (int64_t i = 0; i < count * cols; ++i) {
      // Groups divide rows, so they can be counted through.
      float scale = f16ToF32(result.scales[i / target.group]);
      out[i] = levelValues.empty()
                   ? static_cast<float>(result.codes[i]) * scale + f16ToF32(result.biases[i / target.group])
                   : roundToF16(levelValues[result.codes[i]] * scale);
    }
    return Status();
  }

protected:
  Status repackBlock(int64_t firstRow, int64_t count, std::byte *out) const override {
    TQ_TRY_ASSIGN(Quantised result, quantise(firstRow, count));
    int64_t cols = shape().cols;
    result.codes.resize(kBlockRows * cols);
    std::vector<uint16_t> scales = repeat(result.scales, count);
    std::vector<uint16_t> biases = repeat(result.biases, count);
    packRowBlock(layout(), cols, result.codes.data(), scales.data(), biases.empty() ? nullptr : biases.data(), out);
    return Status();
  }

private:
  Result<Quantised> quantise(int64_t firstRow, int64_t count) const {
    int64_t cols = shape().cols;
    std::vector<float> values(count * cols);
    TQ_TRY(source->decodeRows(firstRow, count, values.data()));
    Quantised result;
    result.codes.resize(count * cols);
    result.scales.resize(count * (cols / target.group));
    if (target.kind == QuantTarget::Kind::Affine)
      result.biases.resize(result.scales.size());
    QuantRows rows;
    rows.values = values.data();
    rows.rows = count;
    rows.cols = cols;
    rows.signs = signs.empty() ? nullptr : signs.data();
    TQ_TRY(quantiseRows(target, rows, {result.codes.data(), result.scales.data(), result.biases.data(), nullptr}));
    return result;
  }

  /// Scales of `count` rows as the layout has them, padded to 16 rows.
  std::vector<uint16_t> repeat(const std::vector<uint16_t> &from, int64_t count) const {
    if (from.empty())
      return {};
    int64_t cols = shape().cols, perRow = groupsPerRow(layout(), cols);
    std::vector<uint16_t> out(kBlockRows * perRow);
    for (int64_t r = 0; r < count; ++r)
      repeatScales(layout(), cols, target.group, from.data() + r * (cols / target.group), out.data() + r * perRow);
    return out;
  }

  EncodingPtr source;
  QuantTarget target;
  std::vector<float> signs, levelValues;
};

} // namespace

Result<EncodingPtr> tq::makeQuantising(EncodingPtr source, const QuantTarget &target, std::vector<float> signs) {
  TQ_TRY(checkTarget(target, source->shape().cols));
  if (!signs.empty() && static_cast<int64_t>(signs.size()) != source->shape().cols)
    return Error{std::to_string(signs.size()) + " signs, but the weight has " + std::to_string(source->shape().cols) +
                 " columns"};
  return EncodingPtr(std::make_unique<QuantisingWeight>(std::move(source), target, std::move(signs)));
}
