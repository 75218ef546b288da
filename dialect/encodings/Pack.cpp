//===- Pack.cpp - Write the packed layouts --------------------------------===//
// Codes are handled four columns at a time: the four bytes of one row and one
// k-block are a 32-bit word, and a byte vector is the words of 16 rows. So a
// 16 x 16 transpose of words, then shifts and ors of whole vectors; no code
// exceeds its field, hence nothing crosses a byte.

#include "dialect/encodings/Lanes.h"

#include "dialect/encodings/HalfFloat.h"
#include "dialect/encodings/Pack.h"

#include <algorithm>
#include <cassert>

using namespace tq;
using Words = lanes::Vec<uint32_t, 16>;

static int32_t layoutGroup(int64_t group) {
  assert(group > 0);
  return group == 16 || group == 32 ? static_cast<int32_t>(group) : kGroupCols;
}

Layout tq::codebookLayout(int bits, int64_t group) {
  assert(bits >= 1 && bits <= 4);
  return {Layout::Kind::Codebook, std::max(bits, 2), layoutGroup(group)};
}

Layout tq::affineLayout(int bits, int64_t group) {
  assert(bits >= 2 && bits <= 8);
  return {Layout::Kind::Affine, bits > 4 ? (bits + 1) / 2 * 2 : bits, layoutGroup(group)};
}

namespace {

/// Words of a 16 x 64 group, tile[kb] lane r = columns 4kb..4kb+3 of row r.
/// `codes` points to the group's first column in row 0.
TQ_INLINE void loadGroup(const uint8_t *codes, int64_t cols, int64_t present, Words (&tile)[16]) {
  for (int r = 0; r < kBlockRows; ++r) {
    if (present >= kGroupCols) {
      tile[r] = lanes::load<uint32_t, 16>(reinterpret_cast<const uint32_t *>(codes + r * cols));
      continue;
    }
    alignas(64) uint8_t padded[kGroupCols] = {};
    if (present > 0)
      std::memcpy(padded, codes + r * cols, present);
    tile[r] = lanes::load<uint32_t, 16>(reinterpret_cast<const uint32_t *>(padded));
  }
  lanes::transpose16(tile);
}

TQ_INLINE void put(std::byte *&out, Words v) {
  std::memcpy(out, &v, sizeof(v));
  out += sizeof(v);
}

TQ_INLINE void pack2(const Words *c, int shift, std::byte *&out) {
  for (int j = 0; j < 16; j += 4)
    put(out, (c[j] >> shift & 0x03030303) | (c[j + 1] >> shift & 0x03030303) << 2 |
                 (c[j + 2] >> shift & 0x03030303) << 4 | (c[j + 3] >> shift & 0x03030303) << 6);
}

TQ_INLINE void pack4(const Words *c, std::byte *&out) {
  for (int j = 0; j < 16; j += 2)
    put(out, (c[j] & 0x0f0f0f0f) | (c[j + 1] & 0x0f0f0f0f) << 4);
}

TQ_INLINE void pack3(const Words *group, std::byte *&out) {
  for (const Words *c = group; c < group + 16; c += 8) {
    put(out, c[0] | c[1] << 3 | (c[6] & 0x03030303) << 6);
    put(out, c[2] | c[3] << 3 | (c[7] & 0x03030303) << 6);
    put(out, c[4] | (c[6] & 0x04040404) << 1 | c[5] << 4 | (c[7] & 0x04040404) << 5);
  }
}

TQ_CLONES void packCodes(int bits, int64_t cols, const uint8_t *codes, int64_t firstCol, std::byte *out) {
  for (int64_t col = firstCol; col < firstCol + kSuperCols; col += kGroupCols) {
    Words c[16];
    // A group wholly in the padding starts past the row; do not form its
    // address.
    int64_t present = cols - col;
    loadGroup(present > 0 ? codes + col : codes, cols, present, c);
    switch (bits) {
    case 2:
      pack2(c, 0, out);
      break;
    case 3:
      pack3(c, out);
      break;
    case 4:
      pack4(c, out);
      break;
    case 6:
      pack4(c, out);
      pack2(c, 4, out);
      break;
    default:
      for (Words v : c)
        put(out, v);
    }
  }
}

} // namespace

/// f16 numbers of one superblock, [groups of the superblock][16 rows].
static std::byte *packHeader(const uint16_t *values, int64_t perRow, int64_t first, int64_t count, std::byte *out) {
  uint16_t column[kBlockRows];
  for (int64_t g = first; g < first + count; ++g) {
    for (int r = 0; r < kBlockRows; ++r)
      column[r] = g < perRow ? values[r * perRow + g] : 0;
    std::memcpy(out, column, sizeof(column));
    out += sizeof(column);
  }
  return out;
}

void tq::repeatScales(const Layout &layout, int64_t cols, int64_t group, const uint16_t *scales, uint16_t *out) {
  for (int64_t col = 0; col < cols; col += layout.group)
    *out++ = scales[col / group];
}

void tq::packRowBlock(const Layout &layout, int64_t cols, const uint8_t *codes, const uint16_t *scaleF16,
                      const uint16_t *biasF16, std::byte *out) {
  assert(!layout.isDense() && kGroupCols % layout.group == 0);
  assert((layout.kind == Layout::Kind::Affine) == (biasF16 != nullptr));
  int64_t perRow = groupsPerRow(layout, cols);
  int64_t perSuper = kSuperCols / layout.group;
  for (int64_t col = 0, group = 0; col < cols; col += kSuperCols, group += perSuper) {
    out = packHeader(scaleF16, perRow, group, perSuper, out);
    if (biasF16)
      out = packHeader(biasF16, perRow, group, perSuper, out);
    packCodes(layout.bits, cols, codes, col, out);
    out += 2 * layout.groupBytes();
  }
}

//===-- Dense ----------------------------------------------------------------//

/// Elements of T, 16 columns of 16 rows at a time.
template <class T>
TQ_INLINE static void transposeRows(const std::byte *in, int64_t rowBytes, int64_t rows, int64_t cols, std::byte *out) {
  using V = lanes::Vec<T, 16>;
  constexpr int64_t kBytes = sizeof(V);
  for (int64_t col = 0; col < cols; col += 16) {
    int64_t present = std::min<int64_t>(16, cols - col) * sizeof(T);
    V tile[16] = {};
    for (int64_t r = 0; r < rows; ++r) {
      const std::byte *from = in + r * rowBytes + col * sizeof(T);
      if (present == kBytes)
        std::memcpy(&tile[r], from, kBytes);
      else
        std::memcpy(&tile[r], from, present);
    }
    lanes::transpose16(tile);
    for (int64_t c = 0; c < present / static_cast<int64_t>(sizeof(T)); ++c)
      std::memcpy(out + (col + c) * kBytes, &tile[c], kBytes);
  }
}

namespace {

TQ_CLONES void transpose2(const std::byte *in, int64_t rowBytes, int64_t rows, int64_t cols, std::byte *out) {
  transposeRows<uint16_t>(in, rowBytes, rows, cols, out);
}

TQ_CLONES void transpose4(const std::byte *in, int64_t rowBytes, int64_t rows, int64_t cols, std::byte *out) {
  transposeRows<uint32_t>(in, rowBytes, rows, cols, out);
}

} // namespace

void tq::packDenseRowBlock(const Layout &layout, int64_t cols, int64_t rows, const std::byte *in, int64_t rowBytes,
                           std::byte *out) {
  assert(layout.isDense() && rows >= 1 && rows <= kBlockRows);
  if (layout.denseBytes() == 2)
    transpose2(in, rowBytes, rows, cols, out);
  else
    transpose4(in, rowBytes, rows, cols, out);
}

void tq::packDenseRowBlock(const Layout &layout, int64_t cols, int64_t rows, const float *in, int64_t stride,
                           std::byte *out) {
  if (layout.kind == Layout::Kind::DenseF32)
    return packDenseRowBlock(layout, cols, rows, reinterpret_cast<const std::byte *>(in), stride * 4, out);
  for (int64_t c = 0; c < cols; ++c)
    for (int64_t r = 0; r < kBlockRows; ++r) {
      float value = r < rows ? in[r * stride + c] : 0;
      uint16_t half = layout.kind == Layout::Kind::DenseF16 ? f32ToF16(value) : f32ToBf16(value);
      std::memcpy(out + (c * kBlockRows + r) * 2, &half, 2);
    }
}
