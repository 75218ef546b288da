//===- Hadamard.cpp - The block Hadamard transform of TurboQuant ----------===//
// A row at a time, in place. Stages are fused in pairs to halve the passes over
// memory; every sum is still formed from the same two operands in the same
// order as by the plain butterfly, so fusing changes no bit.

#include "dialect/encodings/Lanes.h"

#include "dialect/encodings/Hadamard.h"

#include <cassert>
#include <cmath>

using namespace tq;
using Floats = lanes::Vec<float, 16>;

// Sloane's tables of Hadamard matrices. One word per row; bit c set means that
// entry (row, c) is -1.
static constexpr uint32_t kRows12[12] = {0x002, 0xAAB, 0x3C8, 0x96E, 0xF20, 0x5BA,
                                         0xC8C, 0x6E6, 0x23C, 0xB96, 0x8F0, 0xE5A};
static constexpr uint32_t kRows20[20] = {0x933DE, 0x2E3BD, 0x5477B, 0xA0EF7, 0x499EF, 0x637C1, 0xC6BA2,
                                         0x8D764, 0x1AEE8, 0x359F0, 0x0FA53, 0x174A7, 0x26D4E, 0x45E9C,
                                         0x83D39, 0xF7A6D, 0xEF4FA, 0xDEDD5, 0xBDF8B, 0x7BF36};
static constexpr uint32_t kRows28[28] = {0xCD69E7E, 0x9AD7C7D, 0x37AB8FB, 0x6D571F7, 0xD8AE3EF, 0xB3587DF, 0x66B4F3F,
                                         0xB467F43, 0x6ACBE87, 0xD593D8E, 0xAB27B9C, 0x564F7B8, 0xAC9AFF0, 0x5B31FE1,
                                         0x87FB325, 0x0FF66CA, 0x1DECD95, 0x39DDB2A, 0x71BF654, 0xE17ECA9, 0xC2FD9D2,
                                         0xFCF1299, 0xFBE2532, 0xF7C4AE4, 0xEF8D549, 0xDF1EA13, 0xBE3D4A6, 0x7E7A94C};

int64_t tq::hadamardBlock(int64_t dim) {
  assert(dim > 0);
  int64_t best = 1;
  for (int64_t base : {1, 12, 20, 28})
    for (int64_t block = base; block <= dim && dim % block == 0; block *= 2)
      best = block > best ? block : best;
  return best;
}

int tq::hadamardBase(int64_t block) {
  if (block <= 0)
    return 0;
  while (block % 2 == 0)
    block /= 2;
  // The odd part tells the bases apart: 12 = 4 * 3, 20 = 4 * 5, 28 = 4 * 7.
  return block == 1 ? 1 : block <= 7 ? static_cast<int>(4 * block) : 0;
}

int tq::hadamardEntry(int m, int row, int col) {
  assert(m == 12 || m == 20 || m == 28);
  const uint32_t *rows = m == 12 ? kRows12 : m == 20 ? kRows20 : kRows28;
  return rows[row] >> col & 1 ? -1 : 1;
}

namespace {

/// Sum and difference of lanes `distance` apart.
template <int distance, size_t... I> TQ_INLINE Floats butterflyInside(Floats v, std::index_sequence<I...>) {
  Floats partner = __builtin_shufflevector(v, v, (I ^ distance)...);
  const Floats sign = {(I & distance ? -1.0f : 1.0f)...};
  return partner + v * sign; // lower lane a + b, upper lane a - b
}

/// Unnormalised Walsh-Hadamard transform of n = 2^k values, natural order.
TQ_INLINE void walsh(float *x, int64_t n) {
  if (n < 16) {
    for (int64_t h = 1; h < n; h *= 2)
      for (int64_t start = 0; start < n; start += 2 * h)
        for (int64_t i = start; i < start + h; ++i) {
          float a = x[i], b = x[i + h];
          x[i] = a + b;
          x[i + h] = a - b;
        }
    return;
  }
  constexpr std::make_index_sequence<16> indices;
  for (int64_t i = 0; i < n; i += 16) {
    Floats v = lanes::load<float, 16>(x + i);
    v = butterflyInside<1>(v, indices);
    v = butterflyInside<2>(v, indices);
    v = butterflyInside<4>(v, indices);
    v = butterflyInside<8>(v, indices);
    lanes::store<float, 16>(x + i, v);
  }
  int64_t h = 16;
  for (; 4 * h <= n; h *= 4)
    for (int64_t start = 0; start < n; start += 4 * h)
      for (float *p = x + start; p < x + start + h; p += 16) {
        Floats a = lanes::load<float, 16>(p);
        Floats b = lanes::load<float, 16>(p + h);
        Floats c = lanes::load<float, 16>(p + 2 * h);
        Floats d = lanes::load<float, 16>(p + 3 * h);
        Floats ab = a + b, amb = a - b, cd = c + d, cmd = c - d;
        lanes::store<float, 16>(p, ab + cd);
        lanes::store<float, 16>(p + h, amb + cmd);
        lanes::store<float, 16>(p + 2 * h, ab - cd);
        lanes::store<float, 16>(p + 3 * h, amb - cmd);
      }
  if (h < n)
    for (float *p = x; p < x + h; p += 16) {
      Floats a = lanes::load<float, 16>(p);
      Floats b = lanes::load<float, 16>(p + h);
      lanes::store<float, 16>(p, a + b);
      lanes::store<float, 16>(p + h, a - b);
    }
}

/// y[r] = sum over c of entries[r][c] * x[c] for `width` neighbouring columns
/// of x seen as [m][n].
template <int width> TQ_INLINE void mixRows(float *x, int64_t n, int m, const float *entries) {
  using Part = lanes::Vec<float, width>;
  Part in[28];
  for (int c = 0; c < m; ++c)
    in[c] = lanes::load<float, width>(x + c * n);
  for (int r = 0; r < m; ++r) {
    Part sum = entries[r * m] * in[0];
    for (int c = 1; c < m; ++c)
      sum += entries[r * m + c] * in[c];
    lanes::store<float, width>(x + r * n, sum);
  }
}

TQ_CLONES void transformRow(float *x, int64_t cols, int64_t block, int m, const float *entries, float scale) {
  int64_t n = block / m;
  for (float *p = x; p < x + cols; p += block) {
    for (int c = 0; c < m; ++c)
      walsh(p + c * n, n);
    if (m > 1) {
      int64_t i = 0;
      for (; i + 16 <= n; i += 16)
        mixRows<16>(p + i, n, m, entries);
      for (; i < n; ++i)
        mixRows<1>(p + i, n, m, entries);
    }
    for (int64_t i = 0; i < block; ++i)
      p[i] *= scale;
  }
}

TQ_CLONES void multiply(float *x, const float *signs, int64_t cols) {
  for (int64_t i = 0; i < cols; ++i)
    x[i] *= signs[i];
}

/// The m x m matrix, or its transpose, as floats; and 1/sqrt(block).
struct Plan {
  int m;
  float entries[28 * 28];
  float scale;

  Plan(int64_t block, bool transposed) : m(hadamardBase(block)) {
    assert(m > 0 && "no Hadamard matrix of this size");
    for (int r = 0; m > 1 && r < m; ++r)
      for (int c = 0; c < m; ++c)
        entries[r * m + c] = static_cast<float>(transposed ? hadamardEntry(m, c, r) : hadamardEntry(m, r, c));
    scale = static_cast<float>(1 / std::sqrt(static_cast<double>(block)));
  }
};

} // namespace

void tq::rotateRows(float *x, int64_t rows, int64_t cols, int64_t block, const float *signs) {
  assert(cols % block == 0);
  Plan plan(block, /*transposed=*/false);
  for (float *row = x; row < x + rows * cols; row += cols) {
    if (signs)
      multiply(row, signs, cols);
    transformRow(row, cols, block, plan.m, plan.entries, plan.scale);
  }
}

void tq::unrotateRows(float *x, int64_t rows, int64_t cols, int64_t block, const float *signs) {
  assert(cols % block == 0);
  Plan plan(block, /*transposed=*/true);
  for (float *row = x; row < x + rows * cols; row += cols) {
    transformRow(row, cols, block, plan.m, plan.entries, plan.scale);
    if (signs)
      multiply(row, signs, cols);
  }
}
