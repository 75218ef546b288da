//===- Unpack.cpp - Reference decode of the packed layouts ----------------===//
// Written from the text of Layout.h, one weight at a time, independently of the
// packer: this is the judge of packer and kernels.

#include "dialect/encodings/HalfFloat.h"
#include "dialect/encodings/Pack.h"

#include <cassert>
#include <cstring>

using namespace tq;

static uint16_t readU16(const std::byte *from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

static float decodeDense(const Layout &layout, const std::byte *element) {
  if (layout.kind == Layout::Kind::DenseF32) {
    float value;
    std::memcpy(&value, element, sizeof(value));
    return value;
  }
  uint16_t half = readU16(element);
  return layout.kind == Layout::Kind::DenseF16 ? f16ToF32(half) : bf16ToF32(half);
}

/// Code of row `row` (0..15) and column `col` (0..63) of one 16 x 64 group.
static unsigned readCode(int bits, const std::byte *group, int64_t row, int64_t col) {
  int64_t kb = col / 4;
  auto byteOf = [&](int64_t vector) { return std::to_integer<unsigned>(group[vector * 64 + row * 4 + col % 4]); };
  auto low4 = [&] { return byteOf(kb / 2) >> (kb % 2 * 4) & 15; };
  switch (bits) {
  case 2:
    return byteOf(kb / 4) >> (kb % 4 * 2) & 3;
  case 3: {
    unsigned a = byteOf(kb / 8 * 3), b = byteOf(kb / 8 * 3 + 1), c = byteOf(kb / 8 * 3 + 2);
    switch (kb % 8) {
    case 0:
      return a & 7;
    case 1:
      return a >> 3 & 7;
    case 2:
      return b & 7;
    case 3:
      return b >> 3 & 7;
    case 4:
      return c & 7;
    case 5:
      return c >> 4 & 7;
    case 6:
      return (a >> 6 & 3) | (c >> 3 & 1) << 2;
    default:
      return (b >> 6 & 3) | (c >> 7 & 1) << 2;
    }
  }
  case 4:
    return low4();
  case 6:
    return low4() | (byteOf(8 + kb / 4) >> (kb % 4 * 2) & 3) << 4;
  default:
    assert(bits == 8);
    return byteOf(kb);
  }
}

void tq::unpackRow(const Layout &layout, int64_t cols, const std::byte *packed, const LevelTable *levels, int64_t row,
                   float *values, uint8_t *codes) {
  const std::byte *block = packed + row / kBlockRows * layout.rowBlockBytes(cols);
  int64_t r = row % kBlockRows;
  if (layout.isDense()) {
    for (int64_t c = 0; c < cols; ++c)
      values[c] = decodeDense(layout, block + (c * kBlockRows + r) * layout.denseBytes());
    return;
  }
  bool affine = layout.kind == Layout::Kind::Affine;
  int64_t scalesBytes = kSuperCols / layout.group * kBlockRows * 2;
  for (int64_t c = 0; c < cols; ++c) {
    const std::byte *super = block + c / kSuperCols * layout.superBytes();
    int64_t inSuper = c % kSuperCols;
    const std::byte *group = super + layout.headerBytes() + inSuper / kGroupCols * layout.groupBytes();
    unsigned code = readCode(layout.bits, group, r, inSuper % kGroupCols);
    const std::byte *scale = super + (inSuper / layout.group * kBlockRows + r) * 2;
    // Products of a code or an f16 level with an f16 scale are exact in f32.
    float factor = f16ToF32(readU16(scale));
    values[c] = affine ? static_cast<float>(code) * factor + f16ToF32(readU16(scale + scalesBytes))
                       : roundToF16(levels->f32[code] * factor);
    if (codes)
      codes[c] = static_cast<uint8_t>(code);
  }
}
