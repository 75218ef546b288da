//===- Codebook.h - Levels of codebook weights ----------------------------===//
// The Lloyd-Max tables of TurboQuant (optimal for N(0, 1); literal constants,
// because a writer must reproduce them and not the optimum), and the integer
// images of arbitrary levels that the kernels use (LevelTable of Layout.h).
//===----------------------------------------------------------------------===//

#ifndef TQ_DIALECT_ENCODINGS_CODEBOOK_H
#define TQ_DIALECT_ENCODINGS_CODEBOOK_H

#include "dialect/encodings/Layout.h"

#include <cstdint>
#include <span>
#include <vector>

namespace tq {

/// A scalar quantiser: code k stands for the values between boundaries[k - 1]
/// and boundaries[k]. A value on a boundary takes the upper code.
struct CodebookTable {
  std::vector<float> levels;     // ascending
  std::vector<float> boundaries; // levels.size() - 1

  /// The levels as a file stores them, rounded to f16.
  std::vector<uint16_t> levelsF16() const;
};

/// Which of the tables below; the values 1 to 4 are bits per weight.
enum class CodebookKind { Ternary = 0, Bits1, Bits2, Bits3, Bits4 };

/// The table a TurboQuant writer uses.
const CodebookTable &lloydMaxTable(CodebookKind kind);

/// 5 to 8 bits, for KV caches: `bits` may be 1 to 8. Lloyd's iteration as
/// upstream runs it (500 rounds from a uniform start over [-3, 3], in f64),
/// which is not converged at 8 bits; hence not called an optimum.
CodebookTable iteratedLloydMax(int bits);

/// Index of the level nearest to `value`; of two equally near ones the upper.
/// `levels` ascend.
int nearestLevel(std::span<const float> levels, float value);

/// Root-mean-square distance of the integer images from the levels, relative to
/// the root-mean-square level.
struct LevelTableError {
  float s16 = 0, s8 = 0, u6 = 0;
};

/// Images of 2 to 16 levels. Each multiplier is searched for the least squared
/// error; `weights`, if given, says how much each level counts (for instance
/// how often it occurs).
LevelTable makeLevelTable(std::span<const float> levels, std::span<const float> weights = {},
                          LevelTableError *error = nullptr);

/// How often each level is the nearest one for N(0, 1), where the boundaries
/// lie half way between levels.
std::vector<float> gaussianWeights(std::span<const float> levels);

} // namespace tq

#endif // TQ_DIALECT_ENCODINGS_CODEBOOK_H
