//===- Exponential.h - exp, the same everywhere -----------------*- C++ -*-===//
// libm's expf differs between platforms in the last bit and does not vectorise.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_EXPONENTIAL_H
#define TQ_RUNTIME_EXPONENTIAL_H

#include <bit>
#include <cstdint>

namespace tq {

/// e^x for x <= 0, relative error below 3e-7; 0 below -87 and for NaN. Only
/// additions and multiplications, without contraction (the build says
/// -ffp-contract=off): every platform gives the same bits.
inline float expNonPositive(float x) {
  // x = n ln 2 + r with |r| <= ln 2 / 2; the constant rounds to an integer.
  constexpr float kRound = 12582912.0f; // 1.5 * 2^23
  float clamped = x >= -87.0f ? x : -87.0f;
  float n = clamped * 1.44269504f + kRound - kRound;
  // ln 2 in two parts, so that n * high is exact.
  float r = clamped - n * 0.693145752f;
  r = r - n * 1.42860677e-6f;
  // Taylor to degree 6: r^7 / 7! < 1.2e-7 for the largest r.
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  auto exponent = static_cast<int32_t>(n) + 127;
  float scale = std::bit_cast<float>(static_cast<uint32_t>(exponent) << 23);
  return x >= -87.0f ? p * scale : 0.0f;
}

} // namespace tq

#endif // TQ_RUNTIME_EXPONENTIAL_H
