//===- RandomLinear.h - Random weights and activations, packed --*- C++ -*-===//
#ifndef TQ_TESTS_CODEGEN_MICROKERNELS_RANDOMLINEAR_H
#define TQ_TESTS_CODEGEN_MICROKERNELS_RANDOMLINEAR_H

#include "dialect/encodings/Layout.h"
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace tq::test {

struct Random {
  uint64_t state = 88172645463325252ull;
  uint32_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return uint32_t(state >> 24);
  }
  float uniform() { return float(next() >> 8) / float(1 << 24) * 2 - 1; } ///< [-1, 1)
};

/// 64-byte aligned bytes.
class Buffer {
public:
  explicit Buffer(int64_t bytes = 0)
      : bytes(bytes), memory(std::aligned_alloc(64, size_t(std::max<int64_t>(bytes + 63, 64) / 64 * 64)), std::free) {
    std::memset(memory.get(), 0, size_t(bytes));
  }
  template <typename T = uint8_t> T *as() const { return static_cast<T *>(memory.get()); }
  int64_t size() const { return bytes; }

private:
  int64_t bytes;
  std::unique_ptr<void, void (*)(void *)> memory;
};

inline LevelTable randomLevels(Random &random, int bits) {
  LevelTable t = {};
  const int n = 1 << std::min(bits, 4);
  for (int i = 0; i < 16; ++i)
    t.f32[i] = i < n ? 2.7f * random.uniform() : t.f32[n - 1];
  t.s16Step = 2.7f / 2047, t.s8Step = 2.7f / 127, t.u6Step = 2.7f / 31.5f;
  for (int i = 0; i < 16; ++i) {
    t.s16[i] = int16_t(std::lrint(t.f32[i] / t.s16Step));
    t.s8[i] = int8_t(std::lrint(t.f32[i] / t.s8Step));
    t.u6[i] = uint8_t(std::clamp<long>(std::lrint(t.f32[i] / t.u6Step + 31.5f), 0, 63));
  }
  return t;
}

inline uint16_t randomHalf(Random &random) {
  // Magnitude 2^-6 .. 2^-3, either sign.
  return uint16_t((random.next() & 0x83ff) | (9 + random.next() % 3) << 10);
}

/// Any bytes are valid codes; scales must be finite, and zero in the columns of the padding.
inline Buffer randomWeights(Random &random, const Layout &l, int64_t rows, int64_t cols) {
  Buffer w(l.bytes(rows, cols));
  auto *p = w.as();
  if (l.isDense()) {
    for (int64_t i = 0; i < l.bytes(rows, cols) / l.denseBytes(); ++i) {
      float v = random.uniform();
      if (l.kind == Layout::Kind::DenseF32)
        std::memcpy(p + 4 * i, &v, 4);
      uint32_t bits;
      std::memcpy(&bits, &v, 4);
      uint16_t h = l.kind == Layout::Kind::DenseF16 ? randomHalf(random) : uint16_t(bits >> 16);
      if (l.kind != Layout::Kind::DenseF32)
        std::memcpy(p + 2 * i, &h, 2);
    }
    return w;
  }
  for (int64_t i = 0; i < w.size(); i += 4) {
    uint32_t v = random.next();
    std::memcpy(p + i, &v, 4);
  }
  const int64_t supers = (cols + 127) / 128, halves = l.headerBytes() / 2;
  for (int64_t s = 0; s < w.size() / l.superBytes(); ++s)
    for (int64_t i = 0; i < halves; ++i) {
      int64_t group = i % (128 / l.group * 16) / 16;
      bool padding = s % supers * 128 + group * l.group >= cols;
      uint16_t h = padding ? 0 : randomHalf(random);
      std::memcpy(p + s * l.superBytes() + 2 * i, &h, 2);
    }
  return w;
}

/// PackedActivation rows of T with |q| <= max; `extreme` makes every |q| the maximum.
template <typename T>
Buffer randomActivations(Random &random, int64_t m, int64_t cols, int64_t sumGroup, int max, bool extreme = false) {
  const int64_t rowBytes = PackedActivation::rowBytes(cols, sizeof(T), sumGroup);
  Buffer x(m * rowBytes);
  for (int64_t t = 0; t < m; ++t) {
    uint8_t *row = x.as() + t * rowBytes;
    T *q = (T *)row;
    float *scale = (float *)(row + PackedActivation::scaleOffset(cols, sizeof(T)));
    int32_t *sum = (int32_t *)(row + PackedActivation::sumOffset(cols, sizeof(T)));
    for (int64_t c = 0; c < cols; ++c) {
      q[c] = T(extreme ? (t % 3 == 0 || (t % 3 == 1 && random.next() & 1) ? max : -max)
                       : int(random.next() % (2 * max + 1)) - max);
      sum[c / sumGroup] += q[c];
      scale[c / 64] = 0.01f * (1.5f + random.uniform());
    }
  }
  return x;
}

} // namespace tq::test
#endif
