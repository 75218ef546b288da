//===- HalfFloat.h - f16 and bf16 bits to and from f32 --------------------===//
// Integer code rather than _Float16: the same bits on every machine (baseline
// x86-64 has no F16C and would call into the compiler's support library), and
// branch-free enough to be vectorised.
//===----------------------------------------------------------------------===//

#ifndef TQ_DIALECT_ENCODINGS_HALFFLOAT_H
#define TQ_DIALECT_ENCODINGS_HALFFLOAT_H

#include <bit>
#include <cstdint>

namespace tq {

/// Exact, subnormals and infinities included.
inline float f16ToF32(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t shifted = static_cast<uint32_t>(half & 0x7fff) << 13;
  // 112 is the difference of the exponent biases, 127 - 15; infinities and NaN
  // need it twice, and a subnormal is what is left of 1.m after taking away 1.
  constexpr uint32_t rebias = 112u << 23, smallest = 113u << 23;
  uint32_t normal = shifted + rebias;
  normal = (half & 0x7c00) == 0x7c00 ? normal + rebias : normal;
  uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(shifted + smallest) - std::bit_cast<float>(smallest));
  return std::bit_cast<float>(sign | ((half & 0x7c00) == 0 ? subnormal : normal));
}

/// Round to nearest, ties to even; overflow gives infinity, NaN a quiet NaN.
inline uint16_t f32ToF16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000)
    return sign | 0x7e00;
  if (bits >= 0x477ff000) // 65520, half way between 65504 and 2^16
    return sign | 0x7c00;
  if (bits < 113u << 23) {
    // Below 2^-14 an f16 has a fixed step of 2^-24: adding 0.5, whose f32 step
    // is the same, makes the adder round, and leaves the result in the mantissa.
    float sum = std::bit_cast<float>(bits) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(sum) - std::bit_cast<uint32_t>(0.5f));
  }
  uint32_t odd = bits >> 13 & 1;
  return sign | static_cast<uint16_t>((bits - (112u << 23) + 0xfff + odd) >> 13);
}

inline float bf16ToF32(uint16_t half) { return std::bit_cast<float>(static_cast<uint32_t>(half) << 16); }

/// Round to nearest, ties to even.
inline uint16_t f32ToBf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float roundToF16(float value) { return f16ToF32(f32ToF16(value)); }

/// Neither infinite nor NaN.
inline bool isFiniteF16(uint16_t half) { return (half & 0x7c00) != 0x7c00; }

} // namespace tq

#endif // TQ_DIALECT_ENCODINGS_HALFFLOAT_H
