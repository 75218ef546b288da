//===- Rowwise.h - What row operations mean ---------------------*- C++ -*-===//
//
// One obvious function per operation, plain loops in double: the judge of every kernel. Speed does not matter here.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_TESTS_REFERENCE_ROWWISE_H
#define TQ_TESTS_REFERENCE_ROWWISE_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace tq::reference {

using Row = std::vector<double>;

/// y = w * x / sqrt(mean(x^2) + eps)
inline Row rmsNorm(const Row &x, const Row &w, double eps) {
  double squares = 0;
  for (double v : x)
    squares += v * v;
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = w[i] * x[i] / std::sqrt(squares / double(x.size()) + eps);
  return y;
}

/// Element (r, c) of Sloane's Hadamard matrix of order 12, 20 or 28, as published: bit c of word r is set for -1.
inline int sloaneSign(int64_t order, int64_t r, int64_t c) {
  static const uint32_t h12[] = {0x002, 0xAAB, 0x3C8, 0x96E, 0xF20, 0x5BA, 0xC8C, 0x6E6, 0x23C, 0xB96, 0x8F0, 0xE5A};
  static const uint32_t h20[] = {0x933DE, 0x2E3BD, 0x5477B, 0xA0EF7, 0x499EF, 0x637C1, 0xC6BA2,
                                 0x8D764, 0x1AEE8, 0x359F0, 0x0FA53, 0x174A7, 0x26D4E, 0x45E9C,
                                 0x83D39, 0xF7A6D, 0xEF4FA, 0xDEDD5, 0xBDF8B, 0x7BF36};
  static const uint32_t h28[] = {0xCD69E7E, 0x9AD7C7D, 0x37AB8FB, 0x6D571F7, 0xD8AE3EF, 0xB3587DF, 0x66B4F3F,
                                 0xB467F43, 0x6ACBE87, 0xD593D8E, 0xAB27B9C, 0x564F7B8, 0xAC9AFF0, 0x5B31FE1,
                                 0x87FB325, 0x0FF66CA, 0x1DECD95, 0x39DDB2A, 0x71BF654, 0xE17ECA9, 0xC2FD9D2,
                                 0xFCF1299, 0xFBE2532, 0xF7C4AE4, 0xEF8D549, 0xDF1EA13, 0xBE3D4A6, 0x7E7A94C};
  const uint32_t *words = order == 12 ? h12 : order == 20 ? h20 : h28;
  return order == 1 ? 1 : words[r] >> c & 1 ? -1 : 1;
}

/// The order of the Sloane factor of a block: the first of 1, 12, 20, 28 that leaves a power of two.
inline int64_t sloaneOrder(int64_t block) {
  for (int64_t m : {1, 12, 20, 28})
    if (block % m == 0 && (block / m & (block / m - 1)) == 0)
      return m;
  return 0;
}

/// Element (r, c) of the orthonormal H = H_m (x) H_n / sqrt(m n), H_n Walsh-Hadamard in natural order.
inline double hadamard(int64_t block, int64_t r, int64_t c) {
  int64_t m = sloaneOrder(block), n = block / m;
  int sign = __builtin_parityll(uint64_t((r % n) & (c % n))) ? -1 : 1;
  return sign * sloaneSign(m, r / n, c / n) / std::sqrt(double(block));
}

/// y = H (signs * x) for each block; inverse: y = signs * (H^T x)
inline Row rotate(const Row &x, const Row &signs, int64_t block, bool inverse) {
  Row y(x.size());
  for (size_t base = 0; base < x.size(); base += size_t(block))
    for (int64_t r = 0; r < block; ++r) {
      double sum = 0;
      for (int64_t c = 0; c < block; ++c)
        sum += inverse ? hadamard(block, c, r) * x[base + c] : hadamard(block, r, c) * signs[base + c] * x[base + c];
      y[base + r] = inverse ? signs[base + r] * sum : sum;
    }
  return y;
}

/// x ~ q * scale per group, scale = max|x| / limit
struct Quantized {
  std::vector<int32_t> q;
  Row scale;
};
inline Quantized quantize(const Row &x, int64_t group, double limit) {
  Quantized out;
  for (size_t base = 0; base < x.size(); base += size_t(group)) {
    size_t end = std::min(x.size(), base + size_t(group));
    double top = 0;
    for (size_t i = base; i < end; ++i)
      top = std::max(top, std::fabs(x[i]));
    out.scale.push_back(top / limit);
    for (size_t i = base; i < end; ++i)
      out.q.push_back(top == 0 ? 0 : int32_t(std::nearbyint(x[i] * limit / top)));
  }
  return out;
}

/// cos and sin of the f32 angle pos * invFreq, times factor
inline void ropeTable(int32_t pos, const std::vector<float> &invFreq, double factor, Row &cos, Row &sin) {
  cos.clear(), sin.clear();
  for (float f : invFreq) {
    float angle = float(pos) * f;
    cos.push_back(factor * std::cos(double(angle)));
    sin.push_back(factor * std::sin(double(angle)));
  }
}

/// Half-split rotary embedding of one vector: pairs (i, i + n), the dims from 2n on pass.
inline Row rope(const Row &x, const Row &cos, const Row &sin) {
  Row y = x;
  for (size_t i = 0, n = cos.size(); i < n; ++i) {
    y[i] = x[i] * cos[i] - x[i + n] * sin[i];
    y[i + n] = x[i + n] * cos[i] + x[i] * sin[i];
  }
  return y;
}

inline Row softmax(const Row &x) {
  double top = -std::numeric_limits<double>::infinity(), sum = 0;
  for (double v : x)
    top = std::max(top, v);
  Row y;
  for (double v : x)
    sum += std::exp(v - top);
  for (double v : x)
    y.push_back(std::exp(v - top) / sum);
  return y;
}

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double silu(double x) { return x * sigmoid(x); }

/// silu(gate) * up
inline Row swiglu(const Row &gate, const Row &up) {
  Row y;
  for (size_t i = 0; i < gate.size(); ++i)
    y.push_back(silu(gate[i]) * up[i]);
  return y;
}

/// y = W x, W [rows][x.size()]
inline Row linear(const Row &weight, const Row &x) {
  Row y(weight.size() / x.size());
  for (size_t r = 0; r < y.size(); ++r)
    for (size_t c = 0; c < x.size(); ++c)
      y[r] += weight[r * x.size() + c] * x[c];
  return y;
}

/// Row `token` of a table [vocabulary][dim]
inline Row embed(const Row &table, int64_t dim, int64_t token) {
  return Row(table.begin() + token * dim, table.begin() + (token + 1) * dim);
}

} // namespace tq::reference
#endif
