//===- EncodingCodebook.cpp - TurboQuant codebook weights -----------------===//
// value = levels[code] * scale of its group, in a rotated basis. 1 bit and
// ternary go to the 2-bit layout; a QJL residual is a 1-bit codebook of its
// own with one scale per row.

#include "dialect/encodings/Encoding.h"
#include "dialect/encodings/HalfFloat.h"
#include "dialect/encodings/Pack.h"

#include "models/Checkpoint.h"

#include <cmath>
#include <cstring>

using namespace tq;

namespace {

class CodebookWeight final : public WeightEncoding {
public:
  explicit CodebookWeight(const WeightSource &source)
      : WeightEncoding(WeightShape::of(source)), source(source), encoding(*source.codebookEncoding()) {}

  std::string name() const override {
    return "tq" + (encoding.ternary ? std::string("T") : std::to_string(encoding.bits)) + "-g" +
           std::to_string(encoding.group);
  }
  Layout layout() const override { return codebookLayout(encoding.ternary ? 2 : encoding.bits, encoding.group); }
  uint64_t storedBytes() const override { return source.storedBytes(); }
  std::optional<LevelTable> levels() const override {
    return makeLevelTable(encoding.levels, gaussianWeights(encoding.levels));
  }

  Status decodeRows(int64_t firstRow, int64_t count, float *out) const override {
    return tq::decodeRows(source, firstRow, count, out, /*f16Product=*/true);
  }

protected:
  Status repackBlock(int64_t firstRow, int64_t count, std::byte *out) const override {
    int64_t cols = shape().cols, perRow = groupsPerRow(layout(), cols);
    int64_t stored = cols / encoding.group;
    std::vector<uint8_t> codes(kBlockRows * cols);
    std::vector<uint16_t> scales(kBlockRows * perRow), halves(stored);
    std::vector<float> row(stored);
    for (int64_t r = 0; r < count; ++r) {
      unpackCodes(source, firstRow + r, codes.data() + r * cols);
      readScales(source, firstRow + r, row.data());
      for (int64_t g = 0; g < stored; ++g)
        halves[g] = f32ToF16(row[g]); // f16 in the file: exact
      repeatScales(layout(), cols, encoding.group, halves.data(), scales.data() + r * perRow);
    }
    packRowBlock(layout(), cols, codes.data(), scales.data(), nullptr, out);
    return Status();
  }

private:
  const WeightSource &source;
  const CodebookEncoding &encoding;
};

class QjlWeight final : public WeightEncoding {
public:
  QjlWeight(const WeightSource &source, std::vector<uint16_t> scales)
      : WeightEncoding(WeightShape::of(source)), packed(*source.qjlPacked),
        stored(source.qjlPacked->bytes.size() + source.qjlNorms->bytes.size() + source.qjlSigns->bytes.size()),
        scales(std::move(scales)) {}

  std::string name() const override { return "qjl"; }
  Layout layout() const override { return codebookLayout(1, shape().cols); }
  uint64_t storedBytes() const override { return stored; }
  std::optional<LevelTable> levels() const override {
    const float plusMinusOne[2] = {-1, 1};
    return makeLevelTable(plusMinusOne);
  }

  Status decodeRows(int64_t firstRow, int64_t count, float *out) const override {
    std::vector<uint8_t> codes(shape().cols);
    for (int64_t r = firstRow; r < firstRow + count; ++r) {
      unpackSigns(r, codes.data());
      float scale = f16ToF32(scales[r]);
      for (uint8_t code : codes)
        *out++ = code ? scale : -scale;
    }
    return Status();
  }

protected:
  Status repackBlock(int64_t firstRow, int64_t count, std::byte *out) const override {
    int64_t cols = shape().cols, perRow = groupsPerRow(layout(), cols);
    std::vector<uint8_t> codes(kBlockRows * cols);
    std::vector<uint16_t> repeated(kBlockRows * perRow);
    for (int64_t r = 0; r < count; ++r) {
      unpackSigns(firstRow + r, codes.data() + r * cols);
      repeatScales(layout(), cols, cols, &scales[firstRow + r], repeated.data() + r * perRow);
    }
    packRowBlock(layout(), cols, codes.data(), repeated.data(), nullptr, out);
    return Status();
  }

private:
  void unpackSigns(int64_t row, uint8_t *codes) const {
    int64_t words = (shape().cols + 31) / 32;
    for (int64_t c = 0; c < shape().cols; ++c) {
      uint32_t word;
      std::memcpy(&word, packed.bytes.data() + (row * words + c / 32) * 4, 4);
      codes[c] = word >> c % 32 & 1;
    }
  }

  const RawTensor &packed;
  uint64_t stored;
  std::vector<uint16_t> scales; // per row
};

} // namespace

Result<EncodingPtr> tq::makeCodebookEncoding(const WeightSource &source) {
  const CodebookEncoding *encoding = source.codebookEncoding();
  if (!encoding)
    return EncodingPtr();
  if (!isLayoutGroup(encoding->group, source.cols()))
    return Error{source.path + ": group size " + std::to_string(encoding->group) +
                 " is not 16, 32, a multiple of 64 or the whole row"};
  return EncodingPtr(std::make_unique<CodebookWeight>(source));
}

Result<EncodingPtr> tq::makeQjlEncoding(const WeightSource &source) {
  if (!source.qjlPacked || !source.qjlNorms || !source.qjlSigns)
    return Error{source.path + ": has no QJL residual"};
  TQ_TRY_ASSIGN(std::vector<float> norms, readFloats(*source.qjlNorms));
  // alpha = sqrt(pi / 2) / sqrt(in): what makes the sign sketch unbiased. The
  // whole row counts, also where H is blockwise.
  double alpha = std::sqrt(M_PI / 2 / static_cast<double>(source.cols()));
  std::vector<uint16_t> scales;
  for (float norm : norms)
    scales.push_back(f32ToF16(static_cast<float>(norm * alpha)));
  return EncodingPtr(std::make_unique<QjlWeight>(source, std::move(scales)));
}
