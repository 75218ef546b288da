//===- Pack.h - Write and read the packed layouts -------------------------===//
// The only code, apart from the kernels, that knows where Layout.h puts a bit.
//===----------------------------------------------------------------------===//

#ifndef TQ_DIALECT_ENCODINGS_PACK_H
#define TQ_DIALECT_ENCODINGS_PACK_H

#include "dialect/encodings/Layout.h"

#include <cstddef>
#include <cstdint>

namespace tq {

/// Scale groups of a row; the last may be short (one scale per row).
constexpr int64_t groupsPerRow(const Layout &layout, int64_t cols) { return (cols + layout.group - 1) / layout.group; }

/// Whether the layouts can express one scale per `group` columns: 16, 32, a
/// multiple of 64, or one per row.
constexpr bool isLayoutGroup(int64_t group, int64_t cols) {
  return group == 16 || group == 32 || (group > 0 && group % kGroupCols == 0) || (group > 0 && group == cols);
}

/// The layout for codes of 1 to 8 bits with one scale per `group` columns:
/// the next wider width, and at most 64 columns per scale. Scales of wider
/// groups must be repeated, see repeatScales.
Layout codebookLayout(int bits, int64_t group);
Layout affineLayout(int bits, int64_t group);

/// One row's scales per `group` columns to the scales of the layout.
void repeatScales(const Layout &layout, int64_t cols, int64_t group, const uint16_t *scales, uint16_t *out);

/// One block of 16 rows of codes to layout.rowBlockBytes(cols) bytes.
///   codes    [16][cols], below 2^bits
///   scaleF16 [16][groupsPerRow], biasF16 the same (affine; null: codebook)
/// Rows that do not exist are zero in all three.
void packRowBlock(const Layout &layout, int64_t cols, const uint8_t *codes, const uint16_t *scaleF16,
                  const uint16_t *biasF16, std::byte *out);

/// One block of 16 rows of a dense layout: raw elements of that layout's type,
/// `rowBytes` apart; `rows` of 1 to 16 exist. Rows may be unaligned.
void packDenseRowBlock(const Layout &layout, int64_t cols, int64_t rows, const std::byte *in, int64_t rowBytes,
                       std::byte *out);

/// The same from f32 rows `stride` values apart, rounded to the layout's type.
void packDenseRowBlock(const Layout &layout, int64_t cols, int64_t rows, const float *in, int64_t stride,
                       std::byte *out);

/// Reference decode of row `row` of the packed weight at `packed`: `values`
/// [cols] in f32, and the codes if `codes` is not null (quantised layouts).
/// `levels` is needed for codebook layouts. Obvious rather than fast: this
/// judges the kernels.
void unpackRow(const Layout &layout, int64_t cols, const std::byte *packed, const LevelTable *levels, int64_t row,
               float *values, uint8_t *codes = nullptr);

} // namespace tq

#endif // TQ_DIALECT_ENCODINGS_PACK_H
