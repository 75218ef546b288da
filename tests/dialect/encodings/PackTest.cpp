//===- PackTest.cpp - Packer against the reference decode -----------------===//

#include "dialect/encodings/Pack.h"
#include "dialect/encodings/HalfFloat.h"

#include "dialect/encodings/Codebook.h"

#include "Fixture.h"

using namespace tq;
using namespace tq::test;

namespace {

struct PackCase {
  Layout layout;
  int64_t rows, cols;
};

std::string caseName(const testing::TestParamInfo<PackCase> &info) {
  const char *kinds[] = {"f32", "f16", "bf16", "codebook", "affine"};
  const auto &[layout, rows, cols] = info.param;
  return std::string(kinds[static_cast<int>(layout.kind)]) + std::to_string(layout.bits) + "g" +
         std::to_string(layout.group) + "_" + std::to_string(rows) + "x" + std::to_string(cols);
}

std::vector<PackCase> quantisedCases() {
  std::vector<PackCase> cases;
  for (auto kind : {Layout::Kind::Codebook, Layout::Kind::Affine})
    for (int bits : {2, 3, 4, 6, 8})
      for (int group : {16, 32, 64})
        for (auto [rows, cols] : {std::pair<int64_t, int64_t>{5, 176}, {16, 128}, {33, 320}, {1, 64}, {17, 40}})
          if (kind == Layout::Kind::Affine || bits <= 4)
            cases.push_back({{kind, bits, group}, rows, cols});
  return cases;
}

class PackQuantised : public testing::TestWithParam<PackCase> {};

TEST_P(PackQuantised, RoundTrip) {
  const auto &[layout, rows, cols] = GetParam();
  bool affine = layout.kind == Layout::Kind::Affine;
  int64_t perRow = groupsPerRow(layout, cols);
  std::mt19937 random(1);
  int64_t padded = Layout::rowBlocks(rows) * kBlockRows;
  std::vector<uint8_t> codes(padded * cols);
  std::vector<uint16_t> scales(padded * perRow), biases(padded * perRow);
  for (int64_t i = 0; i < rows * cols; ++i)
    codes[i] = random() & ((1u << layout.bits) - 1);
  for (int64_t i = 0; i < rows * perRow; ++i) {
    scales[i] = f32ToF16(0.5f + static_cast<float>(random() % 1000) / 1000);
    biases[i] = f32ToF16(static_cast<float>(random() % 1000) / 1000 - 0.5f);
  }
  std::vector<float> levelValues = normalValues(1 << std::min(layout.bits, 4), 3);
  LevelTable levels = makeLevelTable(levelValues);

  // One byte more than needed, to see that it stays.
  std::vector<std::byte> packed(layout.bytes(rows, cols) + 1, std::byte{0xa5});
  for (int64_t b = 0; b < Layout::rowBlocks(rows); ++b)
    packRowBlock(layout, cols, codes.data() + b * 16 * cols, scales.data() + b * 16 * perRow,
                 affine ? biases.data() + b * 16 * perRow : nullptr, packed.data() + b * layout.rowBlockBytes(cols));
  EXPECT_EQ(packed.back(), std::byte{0xa5});

  std::vector<float> values(cols);
  std::vector<uint8_t> back(cols);
  for (int64_t r = 0; r < padded; ++r) {
    unpackRow(layout, cols, packed.data(), &levels, r, values.data(), back.data());
    for (int64_t c = 0; c < cols; ++c) {
      ASSERT_EQ(back[c], codes[r * cols + c]) << r << "," << c;
      int64_t g = r * perRow + c / layout.group;
      float expected = affine ? back[c] * f16ToF32(scales[g]) + f16ToF32(biases[g])
                              : roundToF16(levels.f32[back[c]] * f16ToF32(scales[g]));
      ASSERT_EQ(values[c], expected) << r << "," << c;
    }
  }
}

// What Layout.h promises about padding: code 0, scale and bias 0.
TEST_P(PackQuantised, PaddingIsZero) {
  const auto &[layout, rows, cols] = GetParam();
  bool affine = layout.kind == Layout::Kind::Affine;
  int64_t perRow = groupsPerRow(layout, cols);
  std::vector<uint8_t> codes(16 * cols);
  std::vector<uint16_t> scales(16 * perRow), biases(16 * perRow);
  uint8_t ones = static_cast<uint8_t>((1u << layout.bits) - 1);
  for (int64_t i = 0; i < std::min<int64_t>(rows, 16) * cols; ++i)
    codes[i] = ones;
  for (int64_t i = 0; i < std::min<int64_t>(rows, 16) * perRow; ++i)
    scales[i] = biases[i] = 0x3c00;
  std::vector<std::byte> packed(layout.rowBlockBytes(cols), std::byte{0xff});
  packRowBlock(layout, cols, codes.data(), scales.data(), affine ? biases.data() : nullptr, packed.data());
  int64_t wide = (cols + 127) / 128 * 128;
  LevelTable levels = makeLevelTable(normalValues(4, 1));
  std::vector<float> values(wide);
  std::vector<uint8_t> back(wide);
  for (int64_t r = 0; r < 16; ++r) {
    unpackRow(layout, wide, packed.data(), &levels, r, values.data(), back.data());
    for (int64_t c = 0; c < wide; ++c) {
      bool exists = r < rows && c < cols;
      ASSERT_EQ(back[c], exists ? ones : 0) << r << "," << c;
      if (r >= rows || c >= perRow * layout.group)
        ASSERT_EQ(values[c], 0) << r << "," << c;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, PackQuantised, testing::ValuesIn(quantisedCases()), caseName);

class PackDense : public testing::TestWithParam<PackCase> {};

TEST_P(PackDense, RawAndConverted) {
  const auto &[layout, rows, cols] = GetParam();
  std::vector<float> values = normalValues(rows * cols, 5);
  int64_t bytes = layout.denseBytes();
  std::vector<std::byte> raw(rows * cols * bytes + 1);
  std::vector<float> rounded(values);
  for (int64_t i = 0; i < rows * cols; ++i) {
    uint16_t half = layout.kind == Layout::Kind::DenseF16 ? f32ToF16(values[i]) : f32ToBf16(values[i]);
    if (bytes == 4)
      std::memcpy(raw.data() + 1 + i * 4, &values[i], 4);
    else {
      std::memcpy(raw.data() + 1 + i * 2, &half, 2);
      rounded[i] = layout.kind == Layout::Kind::DenseF16 ? f16ToF32(half) : bf16ToF32(half);
    }
  }
  std::vector<std::byte> fromRaw(layout.bytes(rows, cols));
  std::vector<std::byte> fromFloat(layout.bytes(rows, cols), std::byte{0xff});
  for (int64_t b = 0; b < Layout::rowBlocks(rows); ++b) {
    int64_t first = b * 16, count = std::min<int64_t>(16, rows - first);
    int64_t at = b * layout.rowBlockBytes(cols);
    packDenseRowBlock(layout, cols, count, raw.data() + 1 + first * cols * bytes, cols * bytes, fromRaw.data() + at);
    packDenseRowBlock(layout, cols, count, values.data() + first * cols, cols, fromFloat.data() + at);
  }
  EXPECT_EQ(fromRaw, fromFloat);
  std::vector<float> row(cols);
  for (int64_t r = 0; r < Layout::rowBlocks(rows) * 16; ++r) {
    unpackRow(layout, cols, fromRaw.data(), nullptr, r, row.data());
    for (int64_t c = 0; c < cols; ++c)
      ASSERT_EQ(row[c], r < rows ? rounded[r * cols + c] : 0);
  }
}

std::vector<PackCase> denseCases() {
  std::vector<PackCase> cases;
  for (auto kind : {Layout::Kind::DenseF32, Layout::Kind::DenseF16, Layout::Kind::DenseBF16})
    for (auto [rows, cols] : {std::pair<int64_t, int64_t>{5, 176}, {32, 64}, {17, 43}, {1, 3}})
      cases.push_back({{kind}, rows, cols});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, PackDense, testing::ValuesIn(denseCases()), caseName);

// The bytes of Layout.h by hand: one row, one group, codes c mod 8.
TEST(Pack, ThreeBitTripleByHand) {
  Layout layout{Layout::Kind::Codebook, 3, 64};
  std::vector<uint8_t> codes(16 * 64);
  // Column 0 of k-blocks 0..7 of row 2 holds 7 6 5 4 3 2 1 7.
  const uint8_t column[8] = {7, 6, 5, 4, 3, 2, 1, 7};
  for (int kb = 0; kb < 8; ++kb)
    codes[2 * 64 + kb * 4] = column[kb];
  std::vector<uint16_t> scales(16, 0x3c00);
  std::vector<std::byte> packed(layout.rowBlockBytes(64));
  packRowBlock(layout, 64, codes.data(), scales.data(), nullptr, packed.data());
  const std::byte *group = packed.data() + layout.headerBytes();
  EXPECT_EQ(group[0 * 64 + 8], std::byte(7 | 6 << 3 | 1 << 6));
  EXPECT_EQ(group[1 * 64 + 8], std::byte(5 | 4 << 3 | 3 << 6));
  EXPECT_EQ(group[2 * 64 + 8], std::byte(3 | 0 << 3 | 2 << 4 | 1 << 7));
}

TEST(Pack, LayoutsOfEncodings) {
  EXPECT_EQ(codebookLayout(1, 128), (Layout{Layout::Kind::Codebook, 2, 64}));
  EXPECT_EQ(codebookLayout(3, 16), (Layout{Layout::Kind::Codebook, 3, 16}));
  EXPECT_EQ(codebookLayout(4, 176), (Layout{Layout::Kind::Codebook, 4, 64}));
  EXPECT_EQ(affineLayout(5, 32), (Layout{Layout::Kind::Affine, 6, 32}));
  EXPECT_EQ(affineLayout(7, 64), (Layout{Layout::Kind::Affine, 8, 64}));
  EXPECT_TRUE(isLayoutGroup(48, 48));
  EXPECT_FALSE(isLayoutGroup(48, 96));
  EXPECT_FALSE(isLayoutGroup(0, 96));
}

} // namespace
