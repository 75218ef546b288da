//===- EncodingAffine.cpp - MLX affine weights ----------------------------===//
// value = scale * code + bias of its group. The layouts hold f16 scales; bf16
// ones keep all their bits down to 2^-17, f32 ones are rounded.

#include "dialect/encodings/Encoding.h"
#include "dialect/encodings/HalfFloat.h"
#include "dialect/encodings/Pack.h"

#include "models/Checkpoint.h"

using namespace tq;

namespace {

class AffineWeight final : public WeightEncoding {
public:
  explicit AffineWeight(const WeightSource &source)
      : WeightEncoding(WeightShape::of(source)), source(source), encoding(*source.affine()) {}

  std::string name() const override {
    return "q" + std::to_string(encoding.bits) + "-g" + std::to_string(encoding.group);
  }
  Layout layout() const override { return affineLayout(encoding.bits, encoding.group); }
  uint64_t storedBytes() const override { return source.storedBytes(); }

  Status decodeRows(int64_t firstRow, int64_t count, float *out) const override {
    return tq::decodeRows(source, firstRow, count, out, /*f16Product=*/false);
  }

protected:
  Status repackBlock(int64_t firstRow, int64_t count, std::byte *out) const override {
    int64_t cols = shape().cols, perRow = groupsPerRow(layout(), cols);
    std::vector<uint8_t> codes(kBlockRows * cols);
    std::vector<uint16_t> scales(kBlockRows * perRow), biases(scales.size());
    std::vector<float> row(cols / encoding.group);
    for (int64_t r = 0; r < count; ++r) {
      unpackCodes(source, firstRow + r, codes.data() + r * cols);
      readScales(source, firstRow + r, row.data());
      TQ_TRY(convertRow(row, "scale", firstRow + r, &scales[r * perRow]));
      readBiases(source, firstRow + r, row.data());
      TQ_TRY(convertRow(row, "bias", firstRow + r, &biases[r * perRow]));
    }
    packRowBlock(layout(), cols, codes.data(), scales.data(), biases.data(), out);
    return Status();
  }

private:
  /// To f16, repeated as the layout has them.
  Status convertRow(const std::vector<float> &values, const char *what, int64_t row, uint16_t *out) const {
    std::vector<uint16_t> halves;
    for (float value : values) {
      halves.push_back(f32ToF16(value));
      if (!isFiniteF16(halves.back()))
        return Error{source.path + ": row " + std::to_string(row) + " has " + what + " " + std::to_string(value) +
                     ", which f16 cannot hold"};
    }
    repeatScales(layout(), shape().cols, encoding.group, halves.data(), out);
    return Status();
  }

  const WeightSource &source;
  const AffineEncoding &encoding;
};

} // namespace

Result<EncodingPtr> tq::makeAffineEncoding(const WeightSource &source) {
  const AffineEncoding *encoding = source.affine();
  if (!encoding)
    return EncodingPtr();
  if (!isLayoutGroup(encoding->group, source.cols()))
    return Error{source.path + ": group size " + std::to_string(encoding->group) +
                 " is not 16, 32, a multiple of 64 or the whole row"};
  return EncodingPtr(std::make_unique<AffineWeight>(source));
}
