//===- Layout.h - How weights, activations and states lie -------*- C++ -*-===//
//
// Encodings are open (what files hold), layouts are closed (what kernels eat). Every encoding repacks to one of
// the layouts below, so a new format touches no kernel. One layout serves all targets: CPUs put the 16 rows of a
// block in vector lanes, a GPU lane takes a 32nd of a group.
//
// This header has no dependency: the compiler, the micro-kernels and their tests include it.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_DIALECT_ENCODINGS_LAYOUT_H
#define TQ_DIALECT_ENCODINGS_LAYOUT_H

#include <cstdint>

namespace tq {

/// Rows in one row block, and columns in one superblock and one code group.
inline constexpr int64_t kBlockRows = 16, kSuperCols = 128, kGroupCols = 64;

/// A weight of logical shape [rows, cols] as it is stored.
///
/// Dense:    row blocks of 16 in order; block b holds [cols][16] elements, so that element (r, c) is at
///           ((r / 16) * cols + c) * 16 + r % 16. Columns are not padded.
/// Codebook: value = levels[code] * scale(row, group), rounded to f16. Affine: value = code * scale + bias.
///           One stream: row block major, then superblocks of 128 columns. A superblock is
///             f16 scale[128 / group][16], (affine: f16 bias[128 / group][16],) codes of columns 0..63, codes of 64..127.
///           Columns are padded to 128 with code 0; groups that lie in the padding have scale (and bias) 0.
/// In both, rows are padded to 16 with zeros. Stacked weights [experts, rows, cols] are packed matrix by matrix.
///
/// Codes of one 16 x 64 group ("k-block" kb = 4 columns, 16 per group; a *byte vector* is 64 bytes, byte
/// row * 4 + c belongs to column 4 * kb + c):
///   2 bit  4 byte vectors; vector j holds k-blocks 4j..4j+3 at bit 0, 2, 4, 6
///   3 bit  6 byte vectors: triples A, B, C for k-blocks 0..7, then for 8..15; with c0..c7 the codes of the 8 k-blocks
///            A = c0 | c1 << 3 | (c6 & 3) << 6      B = c2 | c3 << 3 | (c7 & 3) << 6
///            C = c4 | (c6 >> 2) << 3 | c5 << 4 | (c7 >> 2) << 7
///   4 bit  8 byte vectors; vector j: low nibble k-block 2j, high nibble k-block 2j+1
///   6 bit  the 8 vectors of the low 4 bits (as 4 bit), then the 4 vectors of the high 2 bits (as 2 bit)
///   8 bit  16 byte vectors, one per k-block
/// Encodings of other widths use the next wider one (1 -> 2, 5 -> 6, 7 -> 8).
struct Layout {
  enum class Kind : int32_t { DenseF32 = 0, DenseF16 = 1, DenseBF16 = 2, Codebook = 3, Affine = 4 };
  Kind kind = Kind::DenseF32;
  int32_t bits = 0;  ///< 2, 3 (codebook and affine), 4, 6, 8; codebooks have at most 16 levels (bits <= 4)
  int32_t group = 0; ///< columns that share one scale: 16, 32 or 64. Larger groups repeat their scale.

  constexpr bool isDense() const { return kind <= Kind::DenseBF16; }
  constexpr int64_t denseBytes() const { return kind == Kind::DenseF32 ? 4 : 2; }
  constexpr int64_t headerBytes() const {
    return isDense() ? 0 : (kSuperCols / group) * kBlockRows * 2 * (kind == Kind::Affine ? 2 : 1);
  }
  constexpr int64_t groupBytes() const { return isDense() ? 0 : kBlockRows * kGroupCols * bits / 8; }
  constexpr int64_t superBytes() const { return headerBytes() + 2 * groupBytes(); }
  /// Bytes of one block of 16 rows. All quantised ones are multiples of 64.
  constexpr int64_t rowBlockBytes(int64_t cols) const {
    return isDense() ? cols * kBlockRows * denseBytes() : (cols + kSuperCols - 1) / kSuperCols * superBytes();
  }
  static constexpr int64_t rowBlocks(int64_t rows) { return (rows + kBlockRows - 1) / kBlockRows; }
  constexpr int64_t bytes(int64_t rows, int64_t cols) const { return rowBlocks(rows) * rowBlockBytes(cols); }
  constexpr bool operator==(const Layout &) const = default;
};

/// The levels of a codebook tensor, for every arithmetic: a plane of its own beside the stream (one per tensor).
/// Unused entries repeat the last level.
struct alignas(64) LevelTable {
  float f32[16];   ///< the levels themselves
  int16_t s16[16]; ///< level ~ s16 * s16Step, |s16| <= 2047
  int8_t s8[16];   ///< level ~ s8 * s8Step, |s8| <= 127; the multiplier is searched for the least squared error
  uint8_t u6[16];  ///< level ~ (u6 - 31.5) * u6Step, 0..63: two vpmaddubsw results fit 16 bits with s8 activations
  float s16Step, s8Step, u6Step;
  float reserved[13];
};
static_assert(sizeof(LevelTable) == 192, "part of the package format");

/// Activations of one token as the integer kernels read them, `cols` padded to 128 with zeros:
///   int8:  int8 q[cp]   | f32 scale[cp / 64] | i32 sum[cp / sumGroup]     x[c] ~ q[c] * scale[c / 64]
///   int16: int16 q[cp]  | f32 scale[cp / 64] | i32 sum[cp / sumGroup]     |q| <= 8191, so that 64 products with s16 levels fit
/// sum = sum of q over sumGroup columns (16, 32 or 64), for codes with an offset. Rows are 64-byte aligned.
struct PackedActivation {
  static constexpr int64_t padded(int64_t cols) { return (cols + kSuperCols - 1) / kSuperCols * kSuperCols; }
  static constexpr int64_t scaleOffset(int64_t cols, int64_t elemBytes) { return padded(cols) * elemBytes; }
  static constexpr int64_t sumOffset(int64_t cols, int64_t elemBytes) {
    return scaleOffset(cols, elemBytes) + padded(cols) / kGroupCols * 4;
  }
  static constexpr int64_t rowBytes(int64_t cols, int64_t elemBytes, int64_t sumGroup) {
    return (sumOffset(cols, elemBytes) + padded(cols) / sumGroup * 4 + 63) / 64 * 64;
  }
};

/// Tokens in one page of a state, and keys in one split of an attention (whole pages).
inline constexpr int32_t kPageTokens = 64, kSplitKeys = 256;

/// A state is a pool of pages; token p lives in page pageTable[p / 64], slot p % 64. A page holds, per KV head,
///   K [64 / 16][dk][16]  then  V [dvp / 16][64][16]      dvp = dv rounded up to 16
/// so that 16 keys are in lanes for the scores and 16 value dims are in lanes for the output.
constexpr int64_t kvPaddedWidth(int64_t dv) { return (dv + 15) / 16 * 16; }
/// Elements of one head's keys in a page; its values follow them.
constexpr int64_t kvKeyElements(int64_t dk) { return kPageTokens * dk; }
constexpr int64_t kvValueElements(int64_t dv) { return kPageTokens * kvPaddedWidth(dv); }
constexpr int64_t kvPageElements(int64_t heads, int64_t dk, int64_t dv) {
  return heads * (kvKeyElements(dk) + kvValueElements(dv));
}

/// Floats of a partial attention result per (token, head): o[dvp] | max | sum | padding.
constexpr int64_t sdpaPartialFloats(int64_t dv) { return kvPaddedWidth(dv) + 16; }

} // namespace tq
#endif
