//===- LayoutReference.h - Layout.h read literally --------------*- C++ -*-===//
//
// One code at a time, straight from the comment in Layout.h: the judge of kernels that decode 64 at once.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_TESTS_REFERENCE_LAYOUTREFERENCE_H
#define TQ_TESTS_REFERENCE_LAYOUTREFERENCE_H

#include "dialect/encodings/Layout.h"
#include <cmath>
#include <cstring>

namespace tq::reference {

inline float halfToFloat(uint16_t h) {
  int exponent = h >> 10 & 31, mantissa = h & 1023;
  float v = exponent ? std::ldexp(float(mantissa + 1024), exponent - 25) : std::ldexp(float(mantissa), -24);
  return h >> 15 ? -v : v;
}

/// The superblock that holds (row, col).
inline const uint8_t *superOf(const Layout &l, const uint8_t *w, int64_t cols, int64_t row, int64_t col) {
  return w + row / 16 * l.rowBlockBytes(cols) + col / 128 * l.superBytes();
}

inline float scaleOf(const Layout &l, const uint8_t *w, int64_t cols, int64_t row, int64_t col, bool bias = false) {
  const uint8_t *p = superOf(l, w, cols, row, col);
  int64_t groups = 128 / l.group;
  int64_t index = (bias ? groups * 16 : 0) + col % 128 / l.group * 16 + row % 16;
  uint16_t h;
  std::memcpy(&h, p + 2 * index, 2);
  return halfToFloat(h);
}

inline int codeOf(const Layout &l, const uint8_t *w, int64_t cols, int64_t row, int64_t col) {
  const uint8_t *codes = superOf(l, w, cols, row, col) + l.headerBytes() + col % 128 / 64 * l.groupBytes();
  int kb = int(col % 64 / 4), byte = int(row % 16 * 4 + col % 4);
  auto vector = [&](int j) { return int(codes[j * 64 + byte]); };
  switch (l.bits) {
  case 2:
    return vector(kb / 4) >> kb % 4 * 2 & 3;
  case 3: {
    int a = vector(kb / 8 * 3), b = vector(kb / 8 * 3 + 1), c = vector(kb / 8 * 3 + 2);
    const int code[8] = {a & 7,
                         a >> 3 & 7,
                         b & 7,
                         b >> 3 & 7,
                         c & 7,
                         c >> 4 & 7,
                         (a >> 6 & 3) | (c >> 3 & 1) << 2,
                         (b >> 6 & 3) | (c >> 7 & 1) << 2};
    return code[kb % 8];
  }
  case 4:
    return vector(kb / 2) >> kb % 2 * 4 & 15;
  case 6:
    return (vector(kb / 2) >> kb % 2 * 4 & 15) | (vector(8 + kb / 4) >> kb % 4 * 2 & 3) << 4;
  default:
    return vector(kb);
  }
}

inline float denseOf(const Layout &l, const uint8_t *w, int64_t cols, int64_t row, int64_t col) {
  int64_t index = (row / 16 * cols + col) * 16 + row % 16;
  if (l.kind == Layout::Kind::DenseF32) {
    float v;
    std::memcpy(&v, w + 4 * index, 4);
    return v;
  }
  uint16_t h;
  std::memcpy(&h, w + 2 * index, 2);
  if (l.kind == Layout::Kind::DenseF16)
    return halfToFloat(h);
  uint32_t bits = uint32_t(h) << 16;
  float v;
  std::memcpy(&v, &bits, 4);
  return v;
}

/// The f32 value of a weight, rounded as linear_f32 promises.
inline float valueOf(const Layout &l, const uint8_t *w, const LevelTable *levels, int64_t cols, int64_t row,
                     int64_t col) {
  if (l.isDense())
    return denseOf(l, w, cols, row, col);
  int code = codeOf(l, w, cols, row, col);
  float scale = scaleOf(l, w, cols, row, col);
  if (l.kind == Layout::Kind::Codebook)
    return float(_Float16(levels->f32[code] * scale));
  return std::fmaf(float(code), scale, scaleOf(l, w, cols, row, col, true));
}

} // namespace tq::reference
#endif
