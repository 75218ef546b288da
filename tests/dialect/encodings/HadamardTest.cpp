//===- HadamardTest.cpp - Signs and rotations -----------------------------===//

#include "dialect/encodings/Hadamard.h"
#include "dialect/encodings/Signs.h"

#include "Fixture.h"

#include <cmath>

using namespace tq;
using namespace tq::test;

namespace {

const Fixture &tables() {
  static const Fixture fixture("turboquant/tables.safetensors");
  return fixture;
}

/// "words.42.64" -> 42 and 64.
std::pair<uint64_t, int64_t> seedAndCount(const std::string &name) {
  size_t first = name.find('.'), second = name.find('.', first + 1);
  return {std::stoull(name.substr(first + 1)), std::stoll(name.substr(second + 1))};
}

// Known answers of the Random123 distribution.
TEST(Signs, ThreefryKnownAnswers) {
  using Pair = std::pair<uint32_t, uint32_t>;
  EXPECT_EQ(threefry2x32(0, 0, 0, 0), Pair(0x6B200159, 0x99BA4EFE));
  EXPECT_EQ(threefry2x32(~0u, ~0u, ~0u, ~0u), Pair(0x1CB996FC, 0xBB002BE7));
  EXPECT_EQ(threefry2x32(0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3), Pair(0xC4923A9C, 0x483DF7A0));
  EXPECT_EQ(randomWords(1, 1), std::vector<uint32_t>{507451445});
  EXPECT_EQ(randomWords(0, 3), (std::vector<uint32_t>{4146024105, 1351547692, 2718843009}));
}

TEST(Signs, Crc32OfZlib) {
  EXPECT_EQ(crc32("123456789"), 0xCBF43926u);
  EXPECT_EQ(crc32(""), 0u);
}

TEST(Signs, Tables) {
  int checked = 0;
  for (const RawTensor &tensor : tables().all()) {
    const std::string &name = tensor.name;
    std::vector<float> ours;
    if (name.starts_with("words.")) {
      auto [seed, count] = seedAndCount(name);
      EXPECT_EQ(randomWords(seed, count), tables().values<uint32_t>(name)) << name;
      ++checked;
      continue;
    }
    if (name.starts_with("signs.")) {
      auto [seed, count] = seedAndCount(name);
      ours = rotationSigns(seed, count);
    } else if (name.starts_with("qjl_signs.")) {
      ours = qjlSigns(std::stoll(name.substr(10)));
    } else {
      continue;
    }
    std::vector<int8_t> theirs = tables().values<int8_t>(name);
    EXPECT_EQ(ours, std::vector<float>(theirs.begin(), theirs.end())) << name;
    ++checked;
  }
  EXPECT_EQ(checked, 30);
}

// Every layer of every checkpoint of the current converter.
TEST(Signs, LayerSeeds) {
  int checked = 0;
  for (const std::string &name : turboQuantCases()) {
    if (name.find("legacy") != std::string::npos || name.find("no-rotation") != std::string::npos)
      continue; // unseeded hash; all +1
    Checkpoint checkpoint = openCheckpoint(name);
    for (const WeightSource &weight : checkpoint.weights()) {
      if (!weight.signs)
        continue;
      std::string module = weight.path.substr(0, weight.path.size() - strlen(".weight"));
      EXPECT_EQ(rotationSigns(layerSeed(42, module), weight.cols()), Fixture::unwrap(readFloats(*weight.signs)))
          << name << " " << module;
      ++checked;
    }
  }
  EXPECT_GT(checked, 100);
}

TEST(Hadamard, BlockSizes) {
  const int64_t pairs[][2] = {{1, 1},       {5, 1},       {64, 64},       {96, 96},     {160, 160},     {176, 16},
                              {200, 40},    {288, 96},    {576, 192},     {704, 64},    {768, 768},     {1408, 128},
                              {1856, 64},   {2816, 256},  {2880, 320},    {3584, 3584}, {5632, 512},    {8640, 320},
                              {8960, 1792}, {11008, 256}, {14336, 14336}, {18944, 512}, {28672, 28672}, {53248, 4096}};
  for (auto [dim, block] : pairs) {
    EXPECT_EQ(hadamardBlock(dim), block) << dim;
    EXPECT_NE(hadamardBase(block), 0) << dim;
  }
  EXPECT_EQ(hadamardBase(192), 12);
  EXPECT_EQ(hadamardBase(320), 20);
  EXPECT_EQ(hadamardBase(28), 28);
  EXPECT_EQ(hadamardBase(18), 0);
  EXPECT_EQ(hadamardBase(0), 0);
}

TEST(Hadamard, Tables) {
  int checked = 0;
  for (const RawTensor &tensor : tables().all()) {
    if (!tensor.name.starts_with("hadamard."))
      continue;
    int64_t n = std::stoll(tensor.name.substr(9));
    std::vector<float> theirs = tables().values<float>(tensor.name);
    std::vector<float> ours(n * n);
    for (int64_t i = 0; i < n; ++i)
      ours[i * n + i] = 1;
    rotateRows(ours.data(), n, n, hadamardBlock(n), nullptr);
    for (int64_t i = 0; i < n * n; ++i)
      ASSERT_NEAR(ours[i], theirs[i], 1e-6) << tensor.name << " " << i;
    ++checked;
  }
  EXPECT_EQ(checked, 11);
}

/// The transform as its definition says it, in f32 and in that order.
std::vector<float> plainRotate(std::vector<float> x, int64_t block, const std::vector<float> &signs) {
  int m = hadamardBase(block);
  int64_t n = block / m;
  for (size_t i = 0; i < x.size(); ++i)
    x[i] *= signs[i];
  for (float *p = x.data(); p < x.data() + x.size(); p += block) {
    for (int64_t h = 1; h < n; h *= 2)
      for (int64_t i = 0; i < block; ++i)
        if ((i % n & h) == 0) {
          float a = p[i], b = p[i + h];
          p[i] = a + b;
          p[i + h] = a - b;
        }
    std::vector<float> in(p, p + block);
    for (int64_t r = 0; m > 1 && r < m; ++r)
      for (int64_t i = 0; i < n; ++i) {
        float sum = 0;
        for (int c = 0; c < m; ++c)
          sum += static_cast<float>(hadamardEntry(m, r, c)) * in[c * n + i];
        p[r * n + i] = sum;
      }
    for (int64_t i = 0; i < block; ++i)
      p[i] *= static_cast<float>(1 / std::sqrt(static_cast<double>(block)));
  }
  return x;
}

// Fused passes and vectors change no bit.
TEST(Hadamard, EqualsThePlainButterflyBitForBit) {
  for (int64_t dim : {8, 16, 32, 64, 96, 112, 128, 160, 176, 256, 512, 768, 1792, 2048, 2880, 3072, 5632, 7168, 8192}) {
    std::vector<float> x = normalValues(dim, dim);
    std::vector<float> signs = rotationSigns(42, dim);
    std::vector<float> plain = plainRotate(x, hadamardBlock(dim), signs);
    rotateRows(x.data(), 1, dim, hadamardBlock(dim), signs.data());
    EXPECT_EQ(x, plain) << dim;
  }
}

TEST(Hadamard, UnrotateInverts) {
  for (int64_t dim : {1, 7, 12, 80, 96, 112, 160, 192, 320, 576, 2880, 3584, 4096}) {
    std::vector<float> original = normalValues(3 * dim, dim);
    std::vector<float> x = original, signs = rotationSigns(7, dim);
    rotateRows(x.data(), 3, dim, hadamardBlock(dim), signs.data());
    unrotateRows(x.data(), 3, dim, hadamardBlock(dim), signs.data());
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_NEAR(x[i], original[i], 1e-5) << dim;
  }
}

/// x_j = (((37 j + 11) mod 101) - 50) / 64.
std::vector<float> sequence(int64_t dim) {
  std::vector<float> x(dim);
  for (int64_t j = 0; j < dim; ++j)
    x[j] = static_cast<float>((37 * j + 11) % 101 - 50) / 64;
  return x;
}

// Computed in f64 by an independent implementation of the format.
TEST(Hadamard, LongRows) {
  struct Case {
    int64_t dim;
    double first[3], moment, norm;
  };
  const Case cases[] = {{320, {-0.185174379, -0.314447059, 0.083852549}, 477.330636, 8.160050599},
                        {576, {0.628093945, -0.510819672, 0.129678283}, -2150.250867, 10.933358591},
                        {2880, {-1.619402356, -0.382577256, 0.113550327}, -23842.131711, 24.447078925},
                        {3072, {-0.162661673, -0.018324105, -0.591727644}, -14824.117680, 25.251339112},
                        {3584, {-0.302495878, -0.039932588, -0.621956582}, -95651.762843, 27.270343431}};
  for (const Case &test : cases) {
    std::vector<float> x = sequence(test.dim);
    std::vector<float> signs = rotationSigns(42, test.dim);
    rotateRows(x.data(), 1, test.dim, hadamardBlock(test.dim), signs.data());
    double moment = 0, square = 0;
    for (int64_t j = 0; j < test.dim; ++j) {
      moment += static_cast<double>(j + 1) * x[j];
      square += static_cast<double>(x[j]) * x[j];
    }
    for (int j = 0; j < 3; ++j)
      EXPECT_NEAR(x[j], test.first[j], 2e-6) << test.dim;
    EXPECT_NEAR(moment, test.moment, 1e-6 * std::abs(test.moment) + 1e-2);
    EXPECT_NEAR(std::sqrt(square), test.norm, 1e-5) << test.dim;
  }
}

} // namespace
