//===- Floats.h - Elements of mapped tensors ------------------------------===//
// What HalfFloat.h has for f16 and bf16, for the 8-bit types; and unaligned
// loads: a tensor may begin at any byte of its file.
//===----------------------------------------------------------------------===//

#ifndef TQ_MODELS_FORMATS_FLOATS_H
#define TQ_MODELS_FORMATS_FLOATS_H

#include "dialect/encodings/HalfFloat.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tq {

static_assert(std::endian::native == std::endian::little,
              "stored tensors are little-endian and are mapped, not converted");

/// Element `index` of an array of any alignment.
template <class T> inline T loadElement(const std::byte *data, int64_t index) {
  T value;
  std::memcpy(&value, data + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

/// OCP E4M3: bias 7, no infinities, S.1111.111 is NaN.
inline float f8e4m3ToF32(uint8_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x80u) << 24;
  uint32_t rest = static_cast<uint32_t>(bits & 0x7fu) << 20;
  if ((bits & 0x7fu) == 0x7fu)
    return std::bit_cast<float>(sign | 0x7fc00000u);
  // 2^120 moves the exponent bias from 7 to 127; as a product it also
  // normalises what is subnormal in f8. Exact.
  float magnitude = std::bit_cast<float>(rest) * 0x1p120f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

/// E5M2 is the upper byte of an f16.
inline float f8e5m2ToF32(uint8_t bits) { return f16ToF32(static_cast<uint16_t>(bits << 8)); }

} // namespace tq

#endif // TQ_MODELS_FORMATS_FLOATS_H
