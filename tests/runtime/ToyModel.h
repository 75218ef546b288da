//===- ToyModel.h - The arithmetic of the test package ----------*- C++ -*-===//

#ifndef TQ_TESTS_RUNTIME_TOYMODEL_H
#define TQ_TESTS_RUNTIME_TOYMODEL_H

#include <cstdint>

namespace tq {

inline constexpr int32_t kToyPageTokens = 16;
inline constexpr int64_t kToyRowPadding = 16; ///< floats after each row of logits

inline uint32_t toyMix(int32_t token, int32_t position) {
  return (static_cast<uint32_t>(token) * 2654435761u) ^ (static_cast<uint32_t>(position) * 40503u);
}
inline uint32_t toyMark(int32_t token) { return static_cast<uint32_t>(token) * 77u; }
/// In [0, 16) above the table's value; a multiple of 1/64, so exact.
inline float toyLogit(uint32_t score, float table, int32_t v) {
  return table + static_cast<float>((score * static_cast<uint32_t>(2 * v + 1)) >> 22) / 64.0f;
}

} // namespace tq

#endif
