//===- ToyEncodingTest.cpp - A format added from outside ------------------===//
// 4-bit sign-magnitude codes, two per byte, one f16 scale per row. All it takes
// is this file: the codes go to the 4-bit codebook layout, levels say what they
// mean, and no kernel knows.

#include "dialect/encodings/Encoding.h"
#include "dialect/encodings/HalfFloat.h"
#include "dialect/encodings/Pack.h"

#include "Fixture.h"

using namespace tq;
using namespace tq::test;

namespace {

class SignMagnitude final : public WeightEncoding {
public:
  explicit SignMagnitude(const WeightSource &source) : WeightEncoding(WeightShape::of(source)), source(source) {}

  std::string name() const override { return "toy-sm4"; }
  Layout layout() const override { return codebookLayout(4, shape().cols); }
  uint64_t storedBytes() const override { return source.weight.bytes.size() + source.scales->bytes.size(); }
  std::optional<LevelTable> levels() const override {
    float values[16];
    for (int code = 0; code < 16; ++code)
      values[code] = levelOf(code);
    return makeLevelTable(values);
  }
  Status decodeRows(int64_t firstRow, int64_t count, float *out) const override {
    for (int64_t row = firstRow; row < firstRow + count; ++row)
      for (int64_t col = 0; col < shape().cols; ++col)
        *out++ = roundToF16(levelOf(codeAt(row, col)) * f16ToF32(scaleOf(row)));
    return Status();
  }

protected:
  Status repackBlock(int64_t firstRow, int64_t count, std::byte *out) const override {
    int64_t cols = shape().cols, perRow = groupsPerRow(layout(), cols);
    std::vector<uint8_t> codes(kBlockRows * cols);
    std::vector<uint16_t> scales(kBlockRows * perRow);
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t c = 0; c < cols; ++c)
        codes[r * cols + c] = codeAt(firstRow + r, c);
      std::fill_n(scales.begin() + r * perRow, perRow, scaleOf(firstRow + r));
    }
    packRowBlock(layout(), cols, codes.data(), scales.data(), nullptr, out);
    return Status();
  }

private:
  static float levelOf(int code) { return static_cast<float>(code & 8 ? -(code & 7) : code & 7); }
  uint8_t codeAt(int64_t row, int64_t col) const {
    int64_t at = row * shape().cols + col;
    return std::to_integer<uint8_t>(source.weight.bytes[at / 2]) >> at % 2 * 4 & 15;
  }
  uint16_t scaleOf(int64_t row) const {
    uint16_t half;
    std::memcpy(&half, source.scales->bytes.data() + row * 2, 2);
    return half;
  }

  const WeightSource &source;
};

/// U8 numbers with a scale plane are nobody else's.
Result<EncodingPtr> makeSignMagnitude(const WeightSource &source) {
  if (!source.dense() || source.dense()->dtype != DType::U8 || !source.scales)
    return EncodingPtr();
  return EncodingPtr(std::make_unique<SignMagnitude>(source));
}

TEST(ToyEncoding, RegistersAndRepacks) {
  registerEncoding(makeSignMagnitude);
  int64_t rows = 21, cols = 208;
  std::mt19937 random(1);
  std::vector<uint8_t> packedCodes(rows * cols / 2);
  for (uint8_t &byte : packedCodes)
    byte = static_cast<uint8_t>(random());
  std::vector<uint16_t> scales(rows);
  for (uint16_t &scale : scales)
    scale = f32ToF16(0.01f + static_cast<float>(random() % 100) / 100);
  WeightSource source;
  source.path = "toy.weight";
  source.shape = {rows, cols};
  source.encoding = DenseEncoding{DType::U8};
  source.weight.bytes = std::as_bytes(std::span(packedCodes));
  source.scales.emplace();
  source.scales->bytes = std::as_bytes(std::span(scales));

  EncodingPtr encoding = Fixture::unwrap(makeEncoding(source));
  EXPECT_EQ(encoding->name(), "toy-sm4");
  EXPECT_EQ(encoding->layout(), (Layout{Layout::Kind::Codebook, 4, 64}));
  std::vector<std::byte> packed(encoding->packedBytes());
  ASSERT_TRUE(encoding->repackRowBlocks(0, encoding->shape().blocks(), packed.data()).ok());
  LevelTable levels = *encoding->levels();
  std::vector<float> expected(cols), values(cols);
  for (int64_t row = 0; row < rows; ++row) {
    ASSERT_TRUE(encoding->decodeRows(row, 1, expected.data()).ok());
    unpackRow(encoding->layout(), cols, packed.data(), &levels, row, values.data());
    EXPECT_EQ(values, expected);
  }
  // Levels -7 .. 7 fit 8 bits exactly.
  for (int code = 0; code < 16; ++code)
    EXPECT_FLOAT_EQ(levels.s8[code] * levels.s8Step, levels.f32[code]);
}

} // namespace
