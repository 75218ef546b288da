//===- QuantiseGroup.h - Kernels of the quantisers ------------------------===//
// Private to this folder. A kernel quantises one scale group of 16 rows at
// once, one row per lane; Quantise.cpp brings rows into that form.
//===----------------------------------------------------------------------===//

#ifndef TQ_DIALECT_ENCODINGS_QUANTISEGROUP_H
#define TQ_DIALECT_ENCODINGS_QUANTISEGROUP_H

#include "dialect/encodings/Lanes.h"

#include "dialect/encodings/Quantise.h"

namespace tq {

/// The same group of 16 rows.
struct GroupOfRows {
  const float *values;  // [cols][16]
  const float *weights; // [cols], null: all 1
  int64_t cols;
  uint8_t *codes; // [cols][16]
  uint16_t scales[16], biases[16];
  float errors[16]; // sum of squares of value - decoded
};

/// Column `col` of N rows from `row` on.
template <int N> TQ_INLINE lanes::Vec<float, N> rowsAt(const GroupOfRows &group, int row, int64_t col) {
  return lanes::load<float, N>(group.values + col * 16 + row);
}

template <int N> TQ_INLINE lanes::Vec<float, N> broadcast(float x) { return x - lanes::Vec<float, N>{}; }

/// A codebook in the forms the kernels want. All levels are rounded to f16, as
/// a reader will see them.
struct CodebookPlan {
  explicit CodebookPlan(CodebookKind kind);

  int count;              // levels
  float levels[16];       // ascending
  float boundaries[15];   // of the format's writer, for z = value / rms
  float middles[15];      // half way between levels
  int magnitudes;         // levels that are not negative
  float magnitude[8];     // those
  float magnitudeEdge[7]; // half way between them
};

/// Instruction sets the kernels exist for; `Best` is what this machine has.
enum class SimdLevel { Base, V3, V4, Best };

void quantiseGroup(const CodebookPlan &plan, ScaleRule rule, GroupOfRows &group, SimdLevel level = SimdLevel::Best);
/// Affine codes 0 .. 2^bits - 1.
void quantiseGroup(int bits, ScaleRule rule, GroupOfRows &group, SimdLevel level = SimdLevel::Best);

/// Resolves Best, and levels that this machine lacks, to one it has.
SimdLevel availableLevel(SimdLevel level);

// Calls body<lanes>(args) compiled for the level: as many lanes as fit a vector
// register, since the search keeps its sums in registers.
#if defined(__x86_64__)
#define TQ_DEFINE_LEVELS(name, body, ...)                                                                              \
  static void name##Base(__VA_ARGS__) { body(4); }                                                                     \
  __attribute__((target("arch=x86-64-v3"))) static void name##V3(__VA_ARGS__) { body(8); }                             \
  __attribute__((target("arch=x86-64-v4"))) static void name##V4(__VA_ARGS__) { body(16); }
#define TQ_CALL_LEVEL(name, level, ...)                                                                                \
  switch (availableLevel(level)) {                                                                                     \
  case SimdLevel::Base:                                                                                                \
    return name##Base(__VA_ARGS__);                                                                                    \
  case SimdLevel::V3:                                                                                                  \
    return name##V3(__VA_ARGS__);                                                                                      \
  default:                                                                                                             \
    return name##V4(__VA_ARGS__);                                                                                      \
  }
#else
#define TQ_DEFINE_LEVELS(name, body, ...)                                                                              \
  static void name##Base(__VA_ARGS__) { body(4); }
#define TQ_CALL_LEVEL(name, level, ...) return name##Base(__VA_ARGS__)
#endif

} // namespace tq

#endif // TQ_DIALECT_ENCODINGS_QUANTISEGROUP_H
