//===- Quantise.h - Choose codes and scales for rows of floats ------------===//
// Round-to-nearest quantisers, without calibration. Rows are independent and
// every group is computed alone, in a fixed order and without fused
// multiply-adds: the result does not depend on how rows are split between
// calls or threads, nor on the instruction set.
//===----------------------------------------------------------------------===//

#ifndef TQ_DIALECT_ENCODINGS_QUANTISE_H
#define TQ_DIALECT_ENCODINGS_QUANTISE_H

#include "dialect/encodings/Codebook.h"
#include "dialect/encodings/Layout.h"
#include "runtime/Status.h"

#include <cstdint>
#include <string>

namespace tq {

enum class ScaleRule {
  /// The formats' own tools: TurboQuant's root mean square (codebook), MLX's
  /// minimum and maximum (affine). One rule, two names.
  Rms,
  MinMax = Rms,
  /// Least squared error over a grid of scales, refined by least squares. The
  /// same storage; the files QuantiseCodebook.cpp and
  /// QuantiseAffine.cpp say how.
  Search
};

/// What to encode to.
struct QuantTarget {
  enum class Kind { Codebook, Affine };
  Kind kind = Kind::Codebook;
  int bits = 4;         // codebook 1 to 4, affine 2 to 8
  bool ternary = false; // codebook of three levels; `bits` is ignored
  /// Columns that share a scale; divides the columns of a row. 16, 32, a
  /// multiple of 64 or the whole row.
  int64_t group = 64;
  ScaleRule rule = ScaleRule::Search;
  /// Multiply by signs and apply the block Hadamard transform first.
  bool rotate = false;

  CodebookKind codebookKind() const { return ternary ? CodebookKind::Ternary : static_cast<CodebookKind>(bits); }
  /// The packed layout these codes go to.
  Layout layout() const;
  /// "tq3-g64", "tqT-g32", "q4-g64".
  std::string name() const;
};

/// Rows to quantise, contiguous f32.
struct QuantRows {
  const float *values = nullptr; // [rows][cols]
  int64_t rows = 0, cols = 0;
  /// [cols], +-1, used if target.rotate; null means all +1.
  const float *signs = nullptr;
  /// [cols], how much a squared error in that (rotated) column counts; null
  /// means 1. Only ScaleRule::Search looks at it.
  const float *columnWeights = nullptr;
};

/// Where the result goes. codes [rows][cols]; scales and, for affine, biases
/// [rows][cols / group] as f16 bits. squaredError [rows], optional: sum of
/// (value - decoded)^2 over the row, unweighted, in the rotated basis.
struct QuantResult {
  uint8_t *codes = nullptr;
  uint16_t *scales = nullptr;
  uint16_t *biases = nullptr;
  double *squaredError = nullptr;
};

/// Whether rows of `cols` values can be quantised like this.
Status checkTarget(const QuantTarget &target, int64_t cols);

/// Fails for a target that makes no sense for these columns, and for values
/// that no f16 scale can express (not finite, or too large). Thread-safe; best
/// with multiples of 16 rows.
Status quantiseRows(const QuantTarget &target, const QuantRows &rows, const QuantResult &result);

} // namespace tq

#endif // TQ_DIALECT_ENCODINGS_QUANTISE_H
