//===- GoodCases.cpp - The right kernels of cases/ and their launches -----===//

#include "tests/metal/GoodCases.h"

#include "runtime/ReadFile.h"
#include "tests/metal/Tools.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

using namespace tq::metal;

namespace {

/// Builds of tests are kept apart from the user's.
[[maybe_unused]] const int kCacheIsSet = setenv("XDG_CACHE_HOME", TQ_METAL_TEST_CACHE, 1);

std::vector<float> normal(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> values(count);
  for (float &v : values)
    v = distribution(random);
  return values;
}

std::vector<char> empty(size_t bytes) { return std::vector<char>(bytes, static_cast<char>(0xff)); }

Case matvec() {
  constexpr uint32_t rows = 8, columns = 640;
  const float codebook[8] = {-1.75f, -1.0f, -0.5f, -0.25f, 0.25f, 0.5f, 1.0f, 1.75f};
  std::mt19937 random(1);
  std::vector<uint32_t> w(rows * columns / 8);
  for (uint32_t &word : w)
    word = static_cast<uint32_t>(random());
  std::vector<float> x = normal(columns, 2), y(rows);
  for (uint32_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (uint32_t c = 0; c < columns; ++c)
      sum += double(codebook[(w[(r * columns + c) / 8] >> (3 * (c % 8))) & 7]) * x[c];
    y[r] = static_cast<float>(sum);
  }
  Case c;
  c.threadgroups = {rows / 2, 1, 1};
  c.threadsPerThreadgroup = {32, 2, 1};
  c.threadgroupMemory = {{0, 32}};
  c.buffers = {
      {0, bytesOf(w)}, {1, bytesOf(x)}, {2, empty(rows * 4)}, {3, bytesOf(std::vector<uint32_t>{rows, columns})}};
  c.expected[2] = {Element::F32, bytesOf(y), 1e-4};
  return c;
}

Case treeSum() {
  constexpr uint32_t groups = 3, size = 128;
  std::vector<float> in = normal(groups * size, 3), out(groups);
  for (uint32_t g = 0; g < groups; ++g)
    for (uint32_t i = 0; i < size; ++i)
      out[g] += in[g * size + i];
  Case c;
  c.threadgroups = {groups, 1, 1};
  c.threadsPerThreadgroup = {size, 1, 1};
  c.buffers = {{0, bytesOf(in)}, {1, empty(groups * 4)}};
  c.expected[1] = {Element::F32, bytesOf(out), 1e-4};
  return c;
}

Case softmax() {
  constexpr uint32_t rows = 3, columns = 333;
  std::vector<float> in = normal(rows * columns, 4), out(rows * columns);
  for (uint32_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (uint32_t i = 0; i < columns; ++i)
      sum += std::exp(double(in[r * columns + i]));
    for (uint32_t i = 0; i < columns; ++i)
      out[r * columns + i] = static_cast<float>(std::exp(double(in[r * columns + i])) / sum);
  }
  Case c;
  c.threadgroups = {rows, 1, 1};
  c.threadsPerThreadgroup = {96, 1, 1};
  c.buffers = {{0, bytesOf(in)}, {1, empty(rows * columns * 4)}, {2, bytesOf(std::vector<uint32_t>{columns})}};
  c.expected[1] = {Element::F32, bytesOf(out), 1e-5};
  return c;
}

Case axpy() {
  constexpr uint32_t count = 75;
  std::vector<float> values = normal(count * 4, 5), out(count * 4);
  std::vector<_Float16> in(values.begin(), values.end());
  for (uint32_t i = 0; i < count; ++i)
    for (uint32_t j = 0; j < 4; ++j)
      out[i * 4 + j] = 2.5f * float(in[i * 4 + j]) + float(in[i * 4 + 3 - j]);
  struct {
    float factor = 2.5f;
    uint32_t count = 75;
  } scale;
  Case c;
  c.threadgroups = {3, 1, 1};
  c.threadsPerThreadgroup = {32, 1, 1};
  c.buffers = {{0, bytesOf(in)}, {1, empty(count * 16)}, {2, bytesOf(std::vector{scale})}};
  c.expected[1] = {Element::F32, bytesOf(out), 1e-6};
  return c;
}

Case nibbles() {
  constexpr uint32_t words = 16;
  std::mt19937 random(6);
  std::vector<uint32_t> in(words), divisor = {3, 7, 1, 16};
  for (uint32_t &word : in)
    word = static_cast<uint32_t>(random());
  std::vector<int32_t> out(words * 8);
  for (uint32_t i = 0; i < words * 8; ++i) {
    int nibble = int((in[i / 8] >> (4 * (i % 8))) & 15) - 8;
    out[i] = nibble * 1000 / int(divisor[i % 4]) + (1 << (i % 8));
  }
  Case c;
  c.threadgroups = {4, 1, 1};
  c.threadsPerThreadgroup = {32, 1, 1};
  c.buffers = {{0, bytesOf(in)}, {1, empty(words * 32)}, {2, bytesOf(divisor)}};
  c.expected[1] = {Element::I32, bytesOf(out), 0};
  return c;
}

Case sums() {
  constexpr uint32_t count = 40;
  std::vector<float> in = normal(count * 6, 10), out(count);
  for (uint32_t i = 0; i < count; ++i)
    for (uint32_t j = 0; j < 6; ++j)
      out[i] += in[i * 6 + j] * (j < 2 ? 1 : 2);
  Case c;
  c.threadgroups = {5, 1, 1};
  c.threadsPerThreadgroup = {8, 1, 1};
  c.buffers = {{0, bytesOf(in)}, {1, empty(count * 4)}};
  c.expected[1] = {Element::F32, bytesOf(out), 1e-5};
  return c;
}

Case histogram() {
  constexpr uint32_t count = 300;
  std::mt19937 random(7);
  std::vector<uint8_t> in(count);
  std::vector<uint32_t> bins(16);
  for (uint8_t &v : in) {
    v = static_cast<uint8_t>(random());
    ++bins[v & 15];
  }
  Case c;
  c.threadgroups = {5, 1, 1};
  c.threadsPerThreadgroup = {64, 1, 1};
  c.buffers = {{0, bytesOf(in)}, {1, std::vector<char>(64)}, {2, bytesOf(std::vector<uint32_t>{count})}};
  c.expected[1] = {Element::U32, bytesOf(bins), 0};
  return c;
}

Case lanes() {
  constexpr int count = 128;
  std::vector<int32_t> in(count), out(count * 8);
  for (int i = 0; i < count; ++i)
    in[static_cast<size_t>(i)] = i * 37 % 101 - 50;
  for (int i = 0; i < count; ++i) {
    int lane = i % 32, base = i - lane, quad = i - i % 4, before = 0;
    auto at = [&](int j) { return in[static_cast<size_t>(j)]; };
    for (int j = base; j < i; ++j)
      before += at(j);
    int quadSum = at(quad) + at(quad + 1) + at(quad + 2) + at(quad + 3);
    auto begin = in.begin() + base;
    auto [least, most] = std::minmax_element(begin, begin + 32);
    const int expected[8] = {at(base + (lane ^ 1)),
                             lane + 4 < 32 ? at(i + 4) : at(i),
                             lane >= 4 ? at(i - 4) : at(i),
                             at(base + 7),
                             before,
                             at(base + 31 - lane),
                             quadSum + at(quad + 2),
                             *most - *least};
    std::copy(std::begin(expected), std::end(expected), out.begin() + i * 8);
  }
  Case c;
  c.threadgroups = {2, 1, 1};
  c.threadsPerThreadgroup = {64, 1, 1};
  c.buffers = {{0, bytesOf(in)}, {1, empty(count * 32)}};
  c.expected[1] = {Element::I32, bytesOf(out), 0};
  return c;
}

Case gemm() {
  constexpr uint32_t m = 32, n = 48, k = 64;
  std::vector<float> av = normal(m * k, 8), bv = normal(k * n, 9), out(m * n);
  std::vector<_Float16> a(av.begin(), av.end()), b(bv.begin(), bv.end());
  for (uint32_t i = 0; i < m; ++i)
    for (uint32_t j = 0; j < n; ++j) {
      double sum = 0;
      for (uint32_t q = 0; q < k; ++q)
        sum += double(a[i * k + q]) * double(b[q * n + j]);
      out[i * n + j] = static_cast<float>(sum);
    }
  Case c;
  c.threadgroups = {n / 16, m / 16, 1};
  c.threadsPerThreadgroup = {32, 1, 1};
  c.buffers = {{0, bytesOf(a)}, {1, bytesOf(b)}, {2, empty(m * n * 4)}, {3, bytesOf(std::vector<uint32_t>{m, n, k})}};
  c.expected[2] = {Element::F32, bytesOf(out), 1e-4};
  return c;
}

} // namespace

const std::vector<GoodCase> &tq::metal::goodCases() {
  static const std::vector<GoodCase> all = {
      {"matvec.metal", "matvec", matvec},    {"reduce.metal", "tree_sum", treeSum},
      {"reduce.metal", "softmax", softmax},  {"vectors.metal", "axpy", axpy},
      {"vectors.metal", "nibbles", nibbles}, {"vectors.metal", "histogram", histogram},
      {"vectors.metal", "sums", sums},       {"vectors.metal", "lanes", lanes},
      {"gemm.metal", "gemm", gemm},
  };
  return all;
}

const GoodCase &tq::metal::goodCase(std::string_view kernel) {
  return *std::ranges::find(goodCases(), kernel, &GoodCase::kernel);
}

std::string tq::metal::caseText(const std::string &file) {
  auto text = readFile(TQ_METAL_CASES "/" + file, kAnySize);
  return text ? *text : "";
}
