//===- CodebookTest.cpp - Level tables ------------------------------------===//

#include "dialect/encodings/Codebook.h"
#include "dialect/encodings/HalfFloat.h"

#include "Fixture.h"

#include <cmath>

using namespace tq;
using namespace tq::test;

namespace {

constexpr CodebookKind kinds[] = {CodebookKind::Ternary, CodebookKind::Bits1, CodebookKind::Bits2, CodebookKind::Bits3,
                                  CodebookKind::Bits4};

TEST(HalfFloat, EveryF16SurvivesTheWayThroughF32) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    float value = f16ToF32(static_cast<uint16_t>(half));
    bool nan = (half & 0x7c00) == 0x7c00 && (half & 0x3ff);
    ASSERT_EQ(std::isnan(value), nan) << half;
    if (nan)
      ASSERT_TRUE(std::isnan(f16ToF32(f32ToF16(value))));
    else
      ASSERT_EQ(f32ToF16(value), half);
  }
}

TEST(HalfFloat, RoundsToNearestEven) {
  // Between each two neighbours: below, on and above the half-way point.
  for (uint32_t half = 0; half < 0x7c00; ++half) {
    float low = f16ToF32(half);
    float high = half == 0x7bff ? 65536.0f : f16ToF32(half + 1);
    float middle = (low + high) / 2; // exact
    ASSERT_EQ(f32ToF16(std::nextafter(middle, 0.0f)), half);
    ASSERT_EQ(f32ToF16(middle), half + (half & 1));
    ASSERT_EQ(f32ToF16(std::nextafter(middle, 1e9f)), half + 1);
    ASSERT_EQ(f32ToF16(-middle), 0x8000 | (half + (half & 1)));
  }
  EXPECT_EQ(f32ToBf16(1.00390625f), 0x3f80); // tie, to even
  EXPECT_EQ(f32ToBf16(1.01171875f), 0x3f82);
  EXPECT_EQ(bf16ToF32(0x3f81), 1.0078125f);
}

TEST(Codebook, Tables) {
  Fixture tables("turboquant/tables.safetensors");
  for (CodebookKind kind : kinds) {
    std::string suffix = kind == CodebookKind::Ternary ? "ternary" : std::to_string(static_cast<int>(kind));
    EXPECT_EQ(lloydMaxTable(kind).levels, tables.values<float>("centroids." + suffix));
    EXPECT_EQ(lloydMaxTable(kind).boundaries, tables.values<float>("boundaries." + suffix));
  }
  for (int bits : {1, 5, 6, 7, 8}) {
    CodebookTable table = iteratedLloydMax(bits);
    EXPECT_EQ(table.levels, tables.values<float>("centroids." + std::to_string(bits)));
    EXPECT_EQ(table.boundaries, tables.values<float>("boundaries." + std::to_string(bits)));
  }
  EXPECT_EQ(lloydMaxTable(CodebookKind::Bits2).levelsF16(), (std::vector<uint16_t>{0xBE0B, 0xB73F, 0x373F, 0x3E0B}));
  EXPECT_EQ(lloydMaxTable(CodebookKind::Ternary).levelsF16(), (std::vector<uint16_t>{0xBCE5, 0, 0x3CE5}));
}

TEST(Codebook, NearestLevelTakesTheUpperOfTwo) {
  const float levels[] = {-1, 0, 2};
  EXPECT_EQ(nearestLevel(levels, -9), 0);
  EXPECT_EQ(nearestLevel(levels, -0.5f), 1);
  EXPECT_EQ(nearestLevel(levels, 0.9f), 1);
  EXPECT_EQ(nearestLevel(levels, 1), 2);
  EXPECT_EQ(nearestLevel(levels, 7), 2);
}

/// Errors of the images recomputed from the table itself.
LevelTableError measure(const LevelTable &table, const std::vector<float> &levels, const std::vector<float> &weights) {
  double energy = 0, s16 = 0, s8 = 0, u6 = 0;
  for (size_t k = 0; k < levels.size(); ++k) {
    double w = weights.empty() ? 1 : weights[k], level = levels[k];
    energy += w * level * level;
    s16 += w * std::pow(level - table.s16[k] * double(table.s16Step), 2);
    s8 += w * std::pow(level - table.s8[k] * double(table.s8Step), 2);
    u6 += w * std::pow(level - (table.u6[k] - 31.5) * table.u6Step, 2);
  }
  return {float(std::sqrt(s16 / energy)), float(std::sqrt(s8 / energy)), float(std::sqrt(u6 / energy))};
}

TEST(Codebook, LevelTableErrors) {
  for (CodebookKind kind : kinds) {
    const std::vector<float> &levels = lloydMaxTable(kind).levels;
    for (bool gaussian : {false, true}) {
      std::vector<float> weights;
      if (gaussian)
        weights = gaussianWeights(levels);
      LevelTableError error;
      LevelTable table = makeLevelTable(levels, weights, &error);
      LevelTableError measured = measure(table, levels, weights);
      EXPECT_NEAR(error.s16, measured.s16, 1e-5);
      EXPECT_NEAR(error.s8, measured.s8, 1e-5);
      EXPECT_NEAR(error.u6, measured.u6, 1e-5);
      std::printf("%zu levels, %s weights: relative error s16 %.1e s8 %.1e u6 "
                  "%.1e\n",
                  levels.size(), gaussian ? "Gaussian" : "equal", error.s16, error.s8, error.u6);
      EXPECT_LT(error.s16, 3e-4);
      EXPECT_LT(error.s8, 5e-3);
      EXPECT_LT(error.u6, levels.size() == 3 ? 3e-2 : 1.6e-2);
    }
  }
}

TEST(Codebook, LevelTableOfArbitraryLevels) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    size_t count = 2 + seed % 15;
    std::vector<float> levels = normalValues(count, seed, 0.1f);
    std::sort(levels.begin(), levels.end());
    LevelTable table = makeLevelTable(levels);
    for (size_t k = 0; k < 16; ++k) {
      size_t source = std::min(k, count - 1);
      EXPECT_EQ(table.f32[k], levels[source]);
      EXPECT_EQ(table.s16[k], table.s16[source]);
      EXPECT_LE(std::abs(table.s16[k]), 2047);
      EXPECT_LE(std::abs(table.s8[k]), 127);
      EXPECT_LE(table.u6[k], 63);
    }
    LevelTableError error = measure(table, levels, {});
    EXPECT_LT(error.s16, 5e-4);
    EXPECT_LT(error.s8, 8e-3);
    EXPECT_LT(error.u6, 3e-2);
  }
}

TEST(Codebook, LevelTableOfZerosDecodesToZero) {
  const float zeros[2] = {0, 0};
  LevelTable table = makeLevelTable(zeros);
  EXPECT_EQ(table.s16[0] * table.s16Step, 0);
  EXPECT_EQ((table.u6[0] - 31.5f) * table.u6Step, 0);
}

} // namespace
