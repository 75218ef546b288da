//===- VectorMath.h - Lane types and elementary functions -------*- C++ -*-===//
//
// Sixteen lanes everywhere: AVX-512 holds them in one register, AVX2 in two, NEON in four. The order of every
// operation is written out, so all instruction sets give the same bits.
//
// Everything here has internal linkage: the file is compiled once per instruction set, and an inline function with
// external linkage would let the linker keep the AVX-512 copy for the AVX2 kernels.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_VECTORMATH_H
#define TQ_CODEGEN_HOST_MICROKERNELS_VECTORMATH_H

#include <cstdint>

#define TQ_UK_FN static inline __attribute__((always_inline, unused))

namespace tq::uk {

using f32x16 = float __attribute__((ext_vector_type(16)));
using i32x16 = int32_t __attribute__((ext_vector_type(16)));
using u32x16 = uint32_t __attribute__((ext_vector_type(16)));
using f16x16 = _Float16 __attribute__((ext_vector_type(16)));
using f64x8 = double __attribute__((ext_vector_type(8)));

/// Lanes of one register: what a loop over many independent accumulators should count in.
#if defined(__AVX512F__)
inline constexpr int kNativeLanes = 16, kVectorRegisters = 32;
#elif defined(__AVX__)
inline constexpr int kNativeLanes = 8, kVectorRegisters = 16;
#else
inline constexpr int kNativeLanes = 4, kVectorRegisters = 32;
#endif

template <typename V> TQ_UK_FN V load(const void *p) {
  V v;
  __builtin_memcpy(&v, p, sizeof(V));
  return v;
}
template <typename V> TQ_UK_FN void store(void *p, V v) { __builtin_memcpy(p, &v, sizeof(V)); }

/// The first n <= 16 lanes; the others read as 0 and are not touched in memory.
TQ_UK_FN f32x16 loadFirst(const float *p, int64_t n) {
  if (n >= 16)
    return load<f32x16>(p);
  f32x16 v = 0.0f;
  for (int64_t i = 0; i < n; ++i)
    v[i] = p[i];
  return v;
}
TQ_UK_FN void storeFirst(float *p, f32x16 v, int64_t n) {
  if (n >= 16)
    return store(p, v);
  for (int64_t i = 0; i < n; ++i)
    p[i] = v[i];
}

/// 16 stored elements as f32. The vector type makes the compiler use F16C, AVX-512 or NEON; a scalar _Float16 would
/// become a library call.
template <typename T> TQ_UK_FN f32x16 loadWiden(const T *p) {
  if constexpr (sizeof(T) == 4)
    return load<f32x16>(p);
  else
    return __builtin_convertvector(load<f16x16>(p), f32x16);
}

template <typename V> TQ_UK_FN V fma(V a, V b, V c) { return __builtin_elementwise_fma(a, b, c); }
/// NaN in a is lost, NaN in b is kept; one instruction on x86.
template <typename V> TQ_UK_FN V max(V a, V b) { return a > b ? a : b; }

/// (((0+8)+(4+12)) + ((2+10)+(6+14))) + odd lanes alike.
TQ_UK_FN float sumLanes(f32x16 v) {
  auto a = v.lo + v.hi;
  auto b = a.lo + a.hi;
  auto c = b.lo + b.hi;
  return c.x + c.y;
}
TQ_UK_FN uint32_t sumLanes(u32x16 v) {
  auto a = v.lo + v.hi;
  auto b = a.lo + a.hi;
  auto c = b.lo + b.hi;
  return c.x + c.y;
}
TQ_UK_FN float maxLanes(f32x16 v) {
  auto a = max(v.lo, v.hi);
  auto b = max(a.lo, a.hi);
  auto c = max(b.lo, b.hi);
  return c.x > c.y ? c.x : c.y;
}

TQ_UK_FN f32x16 lanesFrom(float first) { return f32x16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} + first; }

/// 1.5 * 2^23 (1.5 * 2^52): adding it rounds to an integer, ties to even, and leaves the integer in the low bits.
inline constexpr float kRoundMagic = 12582912.0f;
inline constexpr double kRoundMagic64 = 6755399441055744.0;

/// 2^x for x <= 0 or barely above (softmax asks for no more), within 1 ulp; 2^0 = 1, NaN stays NaN. Below -126 it stays
/// at the smallest normal number, so no denormal is ever made: beside a sum of at least 1 that is nothing. x = n + r,
/// 2^r = 1 + r P(r); P is a minimax polynomial on |r| <= 1/2, error 2e-8 with the coefficients rounded to f32.
TQ_UK_FN f32x16 exp2NonPositive(f32x16 x) {
  x = max<f32x16>(-126.0f, x);
  f32x16 t = x + kRoundMagic;
  f32x16 r = x - (t - kRoundMagic);
  f32x16 p = fma<f32x16>(r, 0x1.470c28p-13f, 0x1.5f72e0p-10f);
  p = fma<f32x16>(p, r, 0x1.3b270cp-7f);
  p = fma<f32x16>(p, r, 0x1.c6ae72p-5f);
  p = fma<f32x16>(p, r, 0x1.ebfbe2p-3f);
  p = fma<f32x16>(p, r, 0x1.62e432p-1f);
  p = fma<f32x16>(p, r, 1.0f);
  // A product, not an addition to the exponent: that could turn NaN into a number.
  return p * __builtin_bit_cast(f32x16, (__builtin_bit_cast(u32x16, t) << 23) + 0x3f800000u);
}
inline constexpr float kLog2E = 0x1.715476p+0f;

/// sin and cos in double for |x| <= 2^31, absolute error about 1e-11, relative the same near the zeros: enough for f32
/// within 0.51 ulp. fma makes x - n * pi/2 a single rounding, whatever cancels. The series are Taylor's; the first
/// omitted terms are (pi/4)^13/13! = 7e-12 and (pi/4)^14/14! = 4e-13.
TQ_UK_FN void sinCos(f64x8 x, f64x8 &sin, f64x8 &cos) {
  f64x8 t = fma<f64x8>(x, 0x1.45f306dc9c883p-1, kRoundMagic64); // 2 / pi
  f64x8 n = t - kRoundMagic64;
  f64x8 r = fma<f64x8>(n, -0x1.921fb54442d18p+0, x); // pi / 2 in two parts
  r = fma<f64x8>(n, -0x1.1a62633145c07p-54, r);
  f64x8 z = r * r;
  f64x8 s = fma<f64x8>(z, -1.0 / 39916800, 1.0 / 362880);
  s = fma<f64x8>(s, z, -1.0 / 5040);
  s = fma<f64x8>(s, z, 1.0 / 120);
  s = fma<f64x8>(s, z, -1.0 / 6);
  s = fma<f64x8>(s * z, r, r);
  f64x8 c = fma<f64x8>(z, 1.0 / 479001600, -1.0 / 3628800);
  c = fma<f64x8>(c, z, 1.0 / 40320);
  c = fma<f64x8>(c, z, -1.0 / 720);
  c = fma<f64x8>(c, z, 1.0 / 24);
  c = fma<f64x8>(c, z, -0.5);
  c = fma<f64x8>(c, z, 1.0);
  auto quadrant = __builtin_bit_cast(uint64_t __attribute__((ext_vector_type(8))), t);
  auto swap = (quadrant & 1) != 0;
  f64x8 sinR = swap ? c : s, cosR = swap ? s : c;
  using i64x8 = int64_t __attribute__((ext_vector_type(8)));
  auto sinSign = (quadrant & 2) << 62, cosSign = ((quadrant + 1) & 2) << 62;
  sin = __builtin_bit_cast(f64x8, __builtin_bit_cast(i64x8, sinR) ^ __builtin_bit_cast(i64x8, sinSign));
  cos = __builtin_bit_cast(f64x8, __builtin_bit_cast(i64x8, cosR) ^ __builtin_bit_cast(i64x8, cosSign));
}

} // namespace tq::uk
#endif
