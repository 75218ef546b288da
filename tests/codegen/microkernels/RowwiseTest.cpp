//===- RowwiseTest.cpp - Row kernels against the reference ----------------===//

#include "tests/reference/Rowwise.h"
#include "tests/codegen/microkernels/RowKernels.h"
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <random>

using namespace tq;
using reference::Row;

namespace {

class RowwiseTest : public testing::TestWithParam<const RowKernels *> {
protected:
  const RowKernels &uk = *GetParam();
  std::mt19937 random{42};

  std::vector<float> normal(int64_t n, float deviation = 1) {
    std::normal_distribution<float> d(0, deviation);
    std::vector<float> x(n);
    for (float &v : x)
      v = d(random);
    return x;
  }
  std::vector<float> signs(int64_t n) {
    std::vector<float> x(n);
    for (float &v : x)
      v = random() & 1 ? 1.0f : -1.0f;
    return x;
  }
};

Row widen(const std::vector<float> &x) { return Row(x.begin(), x.end()); }

double largest(const Row &x) {
  double top = 0;
  for (double v : x)
    top = std::max(top, std::fabs(v));
  return top;
}

void expectNear(const std::vector<float> &actual, const Row &expected, double relative) {
  double tolerance = relative * largest(expected);
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(actual[i], expected[i], tolerance) << "at " << i << " of " << expected.size();
}

/// Distance in units in the last place of the f32 nearest to `exact`.
double ulps(float actual, double exact) {
  double unit = std::ldexp(1.0, std::max(-149, std::ilogb(exact == 0 ? 1e-45 : exact) - 23));
  return std::fabs(actual - exact) / unit;
}

TEST_P(RowwiseTest, RmsNorm) {
  for (int64_t n : {1, 2, 7, 8, 15, 16, 17, 48, 63, 64, 100, 128, 576, 4096})
    for (bool weighted : {true, false}) {
      auto x = normal(n, 3), w = normal(n);
      std::vector<float> y(n + 1, 77.0f);
      uk.rms_norm(x.data(), weighted ? w.data() : nullptr, y.data(), n, 1e-5f);
      EXPECT_EQ(y[n], 77.0f);
      expectNear(y, reference::rmsNorm(widen(x), weighted ? widen(w) : Row(n, 1.0), 1e-5f), 4e-7);
      auto inPlace = x;
      uk.rms_norm(inPlace.data(), weighted ? w.data() : nullptr, inPlace.data(), n, 1e-5f);
      EXPECT_EQ(0, memcmp(inPlace.data(), y.data(), n * 4));
    }
}

TEST_P(RowwiseTest, RmsNormOfZerosIsZero) {
  std::vector<float> x(100, 0.0f), y(100, 1.0f);
  uk.rms_norm(x.data(), nullptr, y.data(), 100, 1e-6f);
  EXPECT_EQ(y, x);
}

TEST_P(RowwiseTest, Rotate) {
  for (int64_t block : {1,   2,   4,   8,   12,  16,  20,  24,  28,  32,  40,  56,  64,   80,   96,  112,
                        128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 2048})
    for (int64_t count : {1, block <= 512 ? 3 : 1})
      for (bool inverse : {false, true})
        for (bool withSigns : {false, true}) {
          int64_t n = block * count;
          auto x = normal(n), s = withSigns ? signs(n) : std::vector<float>(n, 1.0f);
          std::vector<float> y(n + 1, 77.0f), scratch(block);
          uk.rotate(x.data(), withSigns ? s.data() : nullptr, y.data(), n, block, inverse, scratch.data());
          EXPECT_EQ(y[n], 77.0f);
          SCOPED_TRACE(testing::Message() << "block " << block << " count " << count << " inverse " << inverse);
          expectNear(y, reference::rotate(widen(x), widen(s), block, inverse), 1e-6);
          auto inPlace = x;
          uk.rotate(inPlace.data(), withSigns ? s.data() : nullptr, inPlace.data(), n, block, inverse, scratch.data());
          EXPECT_EQ(0, memcmp(inPlace.data(), y.data(), n * 4));
        }
}

// Large blocks: the matrix has up to 8e8 elements, so rotate a few unit vectors and undo a random one.
TEST_P(RowwiseTest, RotateLarge) {
  for (int64_t block : {4096, 5120, 8192, 12288, 14336, 20480, 28672}) {
    std::vector<float> y(block), scratch(block);
    for (int64_t column : {int64_t(0), block / 3, block - 1}) {
      std::vector<float> unit(block);
      unit[column] = 1;
      uk.rotate(unit.data(), nullptr, y.data(), block, block, 0, scratch.data());
      for (int64_t r = 0; r < block; ++r)
        ASSERT_NEAR(y[r], reference::hadamard(block, r, column), 1e-9) << block << " row " << r;
    }
    auto x = normal(block), s = signs(block);
    uk.rotate(x.data(), s.data(), y.data(), block, block, 0, scratch.data());
    uk.rotate(y.data(), s.data(), y.data(), block, block, 1, scratch.data());
    expectNear(y, widen(x), 1e-6);
  }
}

// The order of the additions is that of the plain in-place transform, so f32 results agree with it to the bit.
TEST_P(RowwiseTest, RotateMatchesPlainButterflies) {
  for (int64_t n : {16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192}) {
    auto x = normal(n), plain = x;
    for (int64_t h = 1; h < n; h *= 2)
      for (int64_t i = 0; i < n; ++i)
        if (!(i & h)) {
          float a = plain[i], b = plain[i + h];
          plain[i] = a + b;
          plain[i + h] = a - b;
        }
    for (float &v : plain)
      v *= 1.0f / std::sqrt(float(n));
    std::vector<float> y(n);
    uk.rotate(x.data(), nullptr, y.data(), n, n, 0, nullptr);
    EXPECT_EQ(0, memcmp(y.data(), plain.data(), n * 4)) << n;
  }
}

// H e_1 at scale 1 of the published matrices: tells H from its transpose.
TEST_P(RowwiseTest, RotateUnitVector) {
  for (std::string column : {"--+-+-+-+-+-", "-+---+-+++---+++-+--", "-+--------+++++-+-++-+-++--+"}) {
    int64_t n = int64_t(column.size());
    std::vector<float> x(n), y(n), scratch(n);
    x[1] = 1;
    uk.rotate(x.data(), nullptr, y.data(), n, n, 0, scratch.data());
    for (int64_t i = 0; i < n; ++i)
      EXPECT_EQ(column[i], y[i] < 0 ? '-' : '+') << n << " row " << i;
  }
}

/// The F32 tensor `name` of a safetensors file. Enough of a parser for a file of known shape.
std::vector<float> readTensor(const std::string &file, const std::string &name) {
  size_t at = file.find("\"" + name + "\"");
  if (at == std::string::npos)
    return {};
  uint64_t header, begin, end;
  memcpy(&header, file.data(), 8);
  at = file.find("data_offsets", at);
  at = file.find('[', at);
  char *next;
  begin = strtoull(file.c_str() + at + 1, &next, 10);
  end = strtoull(next + 1, nullptr, 10);
  std::vector<float> values((end - begin) / 4);
  memcpy(values.data(), file.data() + 8 + header + begin, end - begin);
  return values;
}

TEST_P(RowwiseTest, RotateMatchesFixtures) {
  std::ifstream in(TQ_TEST_DATA "/turboquant/tables.safetensors", std::ios::binary);
  std::string file((std::istreambuf_iterator<char>(in)), {});
  ASSERT_FALSE(file.empty());
  for (auto [n, block] : {std::pair{8, 8},
                          {12, 12},
                          {20, 20},
                          {24, 24},
                          {28, 28},
                          {40, 40},
                          {56, 56},
                          {72, 24},
                          {80, 80},
                          {96, 96},
                          {112, 112}}) {
    auto table = readTensor(file, "hadamard." + std::to_string(n)); // row i is H e_i, blocks included
    ASSERT_EQ(table.size(), size_t(n * n)) << n;
    for (int i = 0; i < n; ++i) {
      std::vector<float> x(n), y(n), scratch(n);
      x[i] = 1;
      uk.rotate(x.data(), nullptr, y.data(), n, block, 0, scratch.data());
      for (int j = 0; j < n; ++j)
        ASSERT_NEAR(y[j], table[i * n + j], 1e-7) << "hadamard." << n << " " << i << ", " << j;
    }
  }
}

template <typename T, typename Kernel>
void checkQuantize(Kernel kernel, const std::vector<float> &x, int32_t sumGroup, double limit) {
  int64_t n = int64_t(x.size()), padded = PackedActivation::padded(n), size = sizeof(T);
  int64_t bytes = PackedActivation::rowBytes(n, size, sumGroup);
  std::vector<uint8_t> out(bytes + 1, 0xcc);
  kernel(x.data(), n, sumGroup, out.data());
  ASSERT_EQ(out[bytes], 0xcc);
  auto at = [&](int64_t offset, auto sample) {
    memcpy(&sample, out.data() + offset, sizeof(sample));
    return sample;
  };
  auto expected = reference::quantize(widen(x), kGroupCols, limit);
  std::vector<int32_t> q(padded);
  for (int64_t i = 0; i < padded; ++i) {
    q[i] = at(i * size, T());
    if (i >= n) {
      ASSERT_EQ(q[i], 0) << "padding at " << i;
      continue;
    }
    // A product within an ulp of a tie may go either way.
    double exact = expected.scale[i / kGroupCols] == 0 ? 0 : x[i] / expected.scale[i / kGroupCols];
    ASSERT_LE(std::fabs(q[i] - exact), 0.5 + limit * 1.2e-7) << "at " << i;
  }
  for (int64_t g = 0; g < padded / kGroupCols; ++g) {
    float scale = at(PackedActivation::scaleOffset(n, size) + g * 4, 0.0f);
    double exact = g < int64_t(expected.scale.size()) ? expected.scale[g] : 0;
    ASSERT_NEAR(scale, exact, exact * 1e-7) << "group " << g;
  }
  for (int64_t g = 0; g < padded / sumGroup; ++g) {
    int32_t sum = 0;
    for (int64_t i = 0; i < sumGroup; ++i)
      sum += q[g * sumGroup + i];
    ASSERT_EQ(sum, at(PackedActivation::sumOffset(n, size) + g * 4, int32_t())) << "sum " << g;
  }
}

TEST_P(RowwiseTest, Quantize) {
  for (int64_t n : {1, 16, 63, 64, 65, 100, 128, 130, 192, 576, 4096})
    for (int32_t sumGroup : {16, 32, 64}) {
      auto x = normal(n);
      if (n > 70)
        std::fill(x.begin() + 64, x.begin() + std::min<int64_t>(n, 128), 0.0f); // a group of zeros
      checkQuantize<int8_t>(uk.quantize_i8, x, sumGroup, 127);
      checkQuantize<int16_t>(uk.quantize_i16, x, sumGroup, 8191);
    }
}

TEST_P(RowwiseTest, QuantizeRoundsTiesToEven) {
  std::vector<float> x(64);
  for (int i = 0; i < 64; ++i)
    x[i] = float(i) - 31.5f;
  x[0] = 127; // scale 1
  std::vector<uint8_t> out(PackedActivation::rowBytes(64, 1, 64));
  uk.quantize_i8(x.data(), 64, 64, out.data());
  for (int i = 1; i < 64; ++i)
    EXPECT_EQ(int8_t(out[i]), std::nearbyint(x[i])) << x[i];
}

TEST_P(RowwiseTest, QuantizeKeepsNaNAndTakesAnyScale) {
  std::vector<float> x(192, 1.0f);
  x[3] = NAN;
  x[70] = INFINITY;
  for (int i = 128; i < 192; ++i)
    x[i] = 1e-40f;
  std::vector<uint8_t> out(PackedActivation::rowBytes(192, 1, 64));
  uk.quantize_i8(x.data(), 192, 64, out.data());
  float scale[4];
  memcpy(scale, out.data() + PackedActivation::scaleOffset(192, 1), 16);
  EXPECT_TRUE(std::isnan(scale[0]));
  EXPECT_TRUE(std::isinf(scale[1]));
  EXPECT_EQ(scale[2], 0.0f);
  EXPECT_EQ(scale[3], 0.0f);
  for (float top : {1e-34f, 1e-30f, 1e30f, 3e38f})
    checkQuantize<int16_t>(uk.quantize_i16, {top, -top, top / 3, 0}, 64, 8191);
}

TEST_P(RowwiseTest, RopeTable) {
  std::vector<float> invFreq;
  for (int i = 0; i < 64; ++i)
    invFreq.push_back(std::pow(500000.0f, -float(i) / 64));
  invFreq.push_back(0.5f * float(M_PI)); // angles near multiples of pi / 2
  for (int64_t n : {int64_t(4), int64_t(5), int64_t(16), int64_t(invFreq.size())})
    for (int32_t pos : {0, 1, 2, 3, 17, 100, 4095, 65536, 131071, 1048576}) {
      std::vector<float> cos(n + 1, 77.0f), sin(n + 1, 77.0f), some(invFreq.end() - n, invFreq.end());
      uk.rope_table(pos, some.data(), n, 1.0f, cos.data(), sin.data());
      Row exactCos, exactSin;
      reference::ropeTable(pos, some, 1, exactCos, exactSin);
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_LE(ulps(cos[i], exactCos[i]), 0.51) << "cos, pos " << pos << " at " << i;
        EXPECT_LE(ulps(sin[i], exactSin[i]), 0.51) << "sin, pos " << pos << " at " << i;
      }
      EXPECT_EQ(cos[n], 77.0f);
      EXPECT_EQ(sin[n], 77.0f);
      std::vector<float> scaledCos(n), scaledSin(n);
      uk.rope_table(pos, some.data(), n, 1.25f, scaledCos.data(), scaledSin.data());
      for (int64_t i = 0; i < n; ++i)
        EXPECT_EQ(scaledCos[i], cos[i] * 1.25f);
    }
}

TEST_P(RowwiseTest, Rope) {
  for (auto [d, n] : {std::pair<int64_t, int64_t>{8, 4},
                      {10, 5},
                      {10, 3},
                      {32, 16},
                      {64, 32},
                      {64, 16},
                      {128, 64},
                      {80, 10},
                      {96, 0}}) {
    int64_t heads = 3;
    auto x = normal(heads * d), angles = normal(n, 10);
    std::vector<float> cos(n), sin(n), y(heads * d + 1, 77.0f);
    for (int64_t i = 0; i < n; ++i)
      cos[i] = std::cos(angles[i]), sin[i] = std::sin(angles[i]);
    uk.rope(x.data(), cos.data(), sin.data(), y.data(), heads, d, n);
    EXPECT_EQ(y[heads * d], 77.0f);
    for (int64_t h = 0; h < heads; ++h) {
      Row expected = reference::rope(Row(x.begin() + h * d, x.begin() + (h + 1) * d), widen(cos), widen(sin));
      expectNear(std::vector<float>(y.begin() + h * d, y.begin() + (h + 1) * d), expected, 1.5e-7);
    }
    uk.rope(x.data(), cos.data(), sin.data(), x.data(), heads, d, n);
    EXPECT_EQ(0, memcmp(x.data(), y.data(), heads * d * 4)) << "in place";
  }
}

// Every operation is spelled out, so instruction sets agree to the bit.
TEST(RowKernels, InstructionSetsAgree) {
  auto all = rowVariants();
  std::mt19937 random(7);
  std::normal_distribution<float> d;
  int64_t n = 1920; // 6 blocks of 320 = 20 * 16
  std::vector<float> x(n), first(n), y(n), scratch(n);
  for (float &v : x)
    v = d(random);
  for (const RowKernels *uk : all) {
    uk->rms_norm(x.data(), nullptr, y.data(), n, 1e-5f);
    uk->rotate(y.data(), x.data(), y.data(), n, 320, 0, scratch.data());
    uk->rotate(y.data(), nullptr, y.data(), n, 64, 0, scratch.data());
    if (uk == all.front())
      first = y;
    EXPECT_EQ(0, memcmp(first.data(), y.data(), n * 4)) << uk->isa;
  }
}

INSTANTIATE_TEST_SUITE_P(Builds, RowwiseTest, testing::ValuesIn(rowVariants()),
                         [](const auto &info) { return std::string(info.param->isa); });

} // namespace
