//===- Rowwise.h - Norm, rotation, quantisation, rope -----------*- C++ -*-===//
//
// One row of floats in, one row out. See Microkernels.h for what each function promises.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_ROWWISE_H
#define TQ_CODEGEN_HOST_MICROKERNELS_ROWWISE_H

#include "codegen/host/microkernels/Microkernels.h"
#include "codegen/host/microkernels/Vector.h"

namespace tq::uk {

//===-- Rotation ------------------------------------------------------------------------------------------------===//

/// Sloane's Hadamard matrices of order 12, 20 and 28 as MLX uses them: a word per row, bit c set where entry (row, c)
/// is -1. Those of order 20 and 28 are not symmetric.
inline constexpr uint32_t kHadamard12[] = {0x002, 0xAAB, 0x3C8, 0x96E, 0xF20, 0x5BA,
                                           0xC8C, 0x6E6, 0x23C, 0xB96, 0x8F0, 0xE5A};
inline constexpr uint32_t kHadamard20[] = {0x933DE, 0x2E3BD, 0x5477B, 0xA0EF7, 0x499EF, 0x637C1, 0xC6BA2,
                                           0x8D764, 0x1AEE8, 0x359F0, 0x0FA53, 0x174A7, 0x26D4E, 0x45E9C,
                                           0x83D39, 0xF7A6D, 0xEF4FA, 0xDEDD5, 0xBDF8B, 0x7BF36};
inline constexpr uint32_t kHadamard28[] = {0xCD69E7E, 0x9AD7C7D, 0x37AB8FB, 0x6D571F7, 0xD8AE3EF, 0xB3587DF, 0x66B4F3F,
                                           0xB467F43, 0x6ACBE87, 0xD593D8E, 0xAB27B9C, 0x564F7B8, 0xAC9AFF0, 0x5B31FE1,
                                           0x87FB325, 0x0FF66CA, 0x1DECD95, 0x39DDB2A, 0x71BF654, 0xE17ECA9, 0xC2FD9D2,
                                           0xFCF1299, 0xFBE2532, 0xF7C4AE4, 0xEF8D549, 0xDF1EA13, 0xBE3D4A6, 0x7E7A94C};

/// The same as +-1.0f, row by row: fma with a broadcast costs no more than an addition and needs no branch on the sign.
template <int M> struct SignTable {
  float sign[M * M];
};
template <int M> constexpr SignTable<M> makeSignTable(const uint32_t (&words)[M]) {
  SignTable<M> table{};
  for (int r = 0; r < M; ++r)
    for (int c = 0; c < M; ++c)
      table.sign[r * M + c] = words[r] >> c & 1 ? -1.0f : 1.0f;
  return table;
}
static constexpr SignTable<12> kSigns12 = makeSignTable(kHadamard12);
static constexpr SignTable<20> kSigns20 = makeSignTable(kHadamard20);
static constexpr SignTable<28> kSigns28 = makeSignTable(kHadamard28);

/// What happens to the input before the first butterfly and to the result of the last step.
struct RotateEnds {
  const float *signsIn, *signsOut; ///< of this block, or null
  float scale;
};

template <typename V> TQ_UK_FN V enter(const RotateEnds &ends, V v, int64_t i) {
  return ends.signsIn ? v * load<V>(ends.signsIn + i) : v;
}
template <typename V> TQ_UK_FN V leave(const RotateEnds &ends, V v, int64_t i) {
  v *= ends.scale;
  return ends.signsOut ? v * load<V>(ends.signsOut + i) : v;
}

/// Butterflies between vectors at distance 1, 2, .. Radix / 2, in this order (that of the plain transform, so that the
/// radix does not change a bit).
template <int Radix, typename V> TQ_UK_FN void butterflies(V (&v)[Radix]) {
  TQ_UNROLL for (int h = 1; h < Radix; h *= 2) TQ_UNROLL for (int i = 0; i < Radix; ++i) if (!(i & h)) {
    V sum = v[i] + v[i + h], difference = v[i] - v[i + h];
    v[i] = sum;
    v[i + h] = difference;
  }
}

/// Butterflies at distance 1, 2, .. Points / 2 within 16 lanes: a shuffle and a fma (with +-1, so it rounds like an
/// addition).
template <int Points> TQ_UK_FN f32x16 laneButterflies(f32x16 x) {
  constexpr f32x16 s1 = {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
  constexpr f32x16 s2 = {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1};
  constexpr f32x16 s4 = {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1};
  constexpr f32x16 s8 = {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1};
  x = fma(x, s1, __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  x = fma(x, s2, __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  if (Points >= 8)
    x = fma(x, s4, __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  if (Points >= 16)
    x = fma(x, s8, __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return x;
}

/// First pass: the transform of every 16 * Radix consecutive points.
template <int Radix>
TQ_UK_FN void firstPass(const float *x, float *y, int64_t n, const RotateEnds &ends, int64_t at, bool last) {
  for (int64_t i = 0; i < n; i += 16 * Radix) {
    f32x16 v[Radix];
    TQ_UNROLL for (int r = 0; r < Radix; ++r) v[r] =
        laneButterflies<16>(enter(ends, load<f32x16>(x + i + r * 16), at + i + r * 16));
    butterflies<Radix>(v);
    TQ_UNROLL for (int r = 0; r < Radix; ++r) store(y + i + r * 16, last ? leave(ends, v[r], at + i + r * 16) : v[r]);
  }
}

/// Later passes, in place: points at distance stride, 2 * stride, .. Registers of native width, or eight would spill.
template <int Radix>
TQ_UK_FN void nextPass(float *y, int64_t n, int64_t stride, const RotateEnds &ends, int64_t at, bool last) {
  using Vector = float __attribute__((ext_vector_type(kNativeLanes)));
  for (int64_t base = 0; base < n; base += Radix * stride)
    for (int64_t i = base; i < base + stride; i += kNativeLanes) {
      Vector v[Radix];
      TQ_UNROLL for (int r = 0; r < Radix; ++r) v[r] = load<Vector>(y + i + r * stride);
      butterflies<Radix>(v);
      TQ_UNROLL for (int r = 0; r < Radix; ++r)
          store(y + i + r * stride, last ? leave(ends, v[r], at + i + r * stride) : v[r]);
    }
}

/// Walsh-Hadamard transform of n >= 16 points, natural order; x may be y. `at` is where x starts within the block;
/// `last` if nothing follows.
TQ_UK_FN void walshHadamard(const float *x, float *y, int64_t n, const RotateEnds &ends, int64_t at, bool last) {
  constexpr int First = kNativeLanes == 16 ? 8 : 4;
  int64_t stride;
  if (n >= 16 * First) {
    firstPass<First>(x, y, n, ends, at, last && n == 16 * First);
    stride = 16 * First;
  } else {
    firstPass<1>(x, y, n, ends, at, last && n == 16);
    stride = 16;
  }
  while (stride < n) {
    int64_t rest = n / stride; // 8, but 4 * 4 rather than 8 * 2
    if (rest == 2) {
      nextPass<2>(y, n, stride, ends, at, last);
      stride *= 2;
    } else if (rest == 4 || rest == 16) {
      nextPass<4>(y, n, stride, ends, at, last && rest == 4);
      stride *= 4;
    } else {
      nextPass<8>(y, n, stride, ends, at, last && rest == 8);
      stride *= 8;
    }
  }
}

/// y[r][i] = sum over c of H[r][c] * x[c][i], ascending c; i < n, a multiple of Lanes.
/// H[r][c] = sign[r * rowStep + c * columnStep].
template <int M, int Lanes>
TQ_UK_FN void mixRows(const float *sign, int64_t rowStep, int64_t columnStep, const float *x, float *y, int64_t n,
                      const RotateEnds &ends) {
  using Vector = float __attribute__((ext_vector_type(Lanes)));
  constexpr int R = 4;
  for (int64_t i = 0; i < n; i += Lanes)
    for (int64_t r0 = 0; r0 < M; r0 += R) {
      Vector acc[R], first = load<Vector>(x + i);
      TQ_UNROLL for (int r = 0; r < R; ++r) acc[r] = first * sign[(r0 + r) * rowStep];
      for (int64_t c = 1; c < M; ++c) {
        Vector v = load<Vector>(x + c * n + i);
        TQ_UNROLL for (int r = 0; r < R; ++r) acc[r] =
            fma<Vector>(v, sign[(r0 + r) * rowStep + c * columnStep], acc[r]);
      }
      TQ_UNROLL for (int r = 0; r < R; ++r) store(y + (r0 + r) * n + i, leave(ends, acc[r], (r0 + r) * n + i));
    }
}

/// Blocks m * 4 and m * 8: neighbours share a register, and 4 m is a multiple of 16.
template <int M, int Points>
TQ_UK_FN void rotateNarrow(const float *sign, int64_t rowStep, int64_t columnStep, const float *x, float *y,
                           const RotateEnds &ends, float *scratch) {
  for (int64_t i = 0; i < M * Points; i += 16)
    store(scratch + i, laneButterflies<Points>(enter(ends, load<f32x16>(x + i), i)));
  mixRows<M, Points>(sign, rowStep, columnStep, scratch, y, Points, ends);
}

/// The few remaining small blocks (2, 4, 8, m, 2 m): plain loops.
TQ_UK_FN void rotateSmall(const float *sign, int64_t m, int64_t rowStep, int64_t columnStep, const float *x, float *y,
                          int64_t n, const RotateEnds &ends, float *scratch) {
  for (int64_t i = 0; i < m * n; ++i)
    scratch[i] = ends.signsIn ? x[i] * ends.signsIn[i] : x[i];
  for (int64_t h = 1; h < n; h *= 2)
    for (int64_t i = 0; i < m * n; ++i)
      if (!(i & h)) {
        float a = scratch[i], b = scratch[i + h];
        scratch[i] = a + b;
        scratch[i + h] = a - b;
      }
  for (int64_t r = 0; r < m; ++r)
    for (int64_t i = 0; i < n; ++i) {
      float sum = scratch[i] * (sign ? sign[r * rowStep] : 1.0f);
      for (int64_t c = 1; c < m; ++c)
        sum += scratch[c * n + i] * sign[r * rowStep + c * columnStep];
      sum *= ends.scale;
      y[r * n + i] = ends.signsOut ? sum * ends.signsOut[r * n + i] : sum;
    }
}

template <int M>
TQ_UK_FN void rotateMixed(const SignTable<M> &table, bool inverse, const float *x, float *y, int64_t n,
                          const RotateEnds &ends, float *scratch) {
  int64_t rowStep = inverse ? 1 : M, columnStep = inverse ? M : 1;
  if (n == 8)
    return rotateNarrow<M, 8>(table.sign, rowStep, columnStep, x, y, ends, scratch);
  if (n == 4)
    return rotateNarrow<M, 4>(table.sign, rowStep, columnStep, x, y, ends, scratch);
  if (n < 4)
    return rotateSmall(table.sign, M, rowStep, columnStep, x, y, n, ends, scratch);
  for (int64_t c = 0; c < M; ++c)
    walshHadamard(x + c * n, scratch + c * n, n, ends, c * n, false);
  mixRows<M, 16>(table.sign, rowStep, columnStep, scratch, y, n, ends);
}

TQ_UK_FN bool isPowerOfTwo(int64_t n) { return (n & (n - 1)) == 0; }

//===-- Quantisation --------------------------------------------------------------------------------------------===//

/// Groups of 64 to integers of type T, |q| <= limit. NaN and infinity survive in the scale.
template <typename T> TQ_UK_FN void quantizeRow(const float *x, int64_t n, int32_t sumGroup, float limit, void *out) {
  using Lanes = T __attribute__((ext_vector_type(16)));
  int64_t padded = PackedActivation::padded(n), size = sizeof(T);
  T *q = static_cast<T *>(out);
  float *scales = reinterpret_cast<float *>(static_cast<char *>(out) + PackedActivation::scaleOffset(n, size));
  uint32_t *sums = reinterpret_cast<uint32_t *>(static_cast<char *>(out) + PackedActivation::sumOffset(n, size));
  for (int64_t g = 0; g < padded / kGroupCols; ++g) {
    f32x16 v[4];
    i32x16 magnitude = 0; // the bits of |x| order like |x|, with NaN above infinity
    TQ_UNROLL for (int j = 0; j < 4; ++j) {
      int64_t at = g * kGroupCols + j * 16;
      v[j] = loadFirst(x + at, n - at);
      magnitude = max(magnitude, __builtin_bit_cast(i32x16, v[j]) & 0x7fffffff);
    }
    float top = __builtin_bit_cast(float, __builtin_reduce_max(magnitude));
    bool tiny = top < 1e-34f; // limit / top would overflow, or the scale be a denormal
    float inverse = tiny ? 0.0f : limit / top;
    scales[g] = tiny ? 0.0f : top / limit;
    u32x16 codes[4]; // unsigned, because those of a group with NaN may be anything and their sum wrap
    TQ_UNROLL for (int j = 0; j < 4; ++j) {
      codes[j] = __builtin_bit_cast(u32x16, fma<f32x16>(v[j], inverse, kRoundMagic)) -
                 __builtin_bit_cast(uint32_t, kRoundMagic);
      store(q + g * kGroupCols + j * 16, __builtin_convertvector(codes[j], Lanes));
    }
    if (sumGroup == 16) {
      for (int j = 0; j < 4; ++j)
        sums[g * 4 + j] = sumLanes(codes[j]);
    } else if (sumGroup == 32) {
      sums[g * 2] = sumLanes(codes[0] + codes[1]);
      sums[g * 2 + 1] = sumLanes(codes[2] + codes[3]);
    } else {
      sums[g] = sumLanes((codes[0] + codes[1]) + (codes[2] + codes[3]));
    }
  }
  char *end = reinterpret_cast<char *>(sums + padded / sumGroup);
  char *rowEnd = static_cast<char *>(out) + PackedActivation::rowBytes(n, size, sumGroup);
  for (; end < rowEnd; end += 4)
    store(end, int32_t(0));
}

} // namespace tq::uk

extern "C" TQ_UK_INLINE void TQ_UK(rms_norm)(const float *x, const float *w, float *y, int64_t n, float eps) {
  using namespace tq::uk;
  f32x16 sum[4] = {};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64)
    TQ_UNROLL for (int j = 0; j < 4; ++j) {
      f32x16 v = load<f32x16>(x + i + j * 16);
      sum[j] = fma(v, v, sum[j]);
    }
  for (; i < n; i += 16) {
    f32x16 v = loadFirst(x + i, n - i);
    sum[0] = fma(v, v, sum[0]);
  }
  float total = sumLanes((sum[0] + sum[1]) + (sum[2] + sum[3]));
  float scale = 1.0f / __builtin_elementwise_sqrt(total / float(n) + eps);
  for (i = 0; i < n; i += 16) {
    f32x16 v = loadFirst(x + i, n - i) * scale;
    storeFirst(y + i, w ? v * loadFirst(w + i, n - i) : v, n - i);
  }
}

extern "C" TQ_UK_INLINE void TQ_UK(rotate)(const float *x, const float *signs, float *y, int64_t n, int64_t block,
                                           int32_t inverse, float *scratch) {
  using namespace tq::uk;
  float scale = 1.0f / __builtin_elementwise_sqrt(float(block));
  for (int64_t at = 0; at < n; at += block) {
    const float *s = signs ? signs + at : nullptr;
    RotateEnds ends = {inverse ? nullptr : s, inverse ? s : nullptr, scale};
    if (isPowerOfTwo(block) && block >= 16)
      walshHadamard(x + at, y + at, block, ends, 0, true);
    else if (isPowerOfTwo(block))
      rotateSmall(nullptr, 1, 0, 0, x + at, y + at, block, ends, scratch);
    else if (block % 12 == 0 && isPowerOfTwo(block / 12))
      rotateMixed(kSigns12, inverse, x + at, y + at, block / 12, ends, scratch);
    else if (block % 20 == 0 && isPowerOfTwo(block / 20))
      rotateMixed(kSigns20, inverse, x + at, y + at, block / 20, ends, scratch);
    else
      rotateMixed(kSigns28, inverse, x + at, y + at, block / 28, ends, scratch);
  }
}

extern "C" TQ_UK_INLINE void TQ_UK(quantize_i8)(const float *x, int64_t n, int32_t sumGroup, void *out) {
  tq::uk::quantizeRow<int8_t>(x, n, sumGroup, 127.0f, out);
}
extern "C" TQ_UK_INLINE void TQ_UK(quantize_i16)(const float *x, int64_t n, int32_t sumGroup, void *out) {
  tq::uk::quantizeRow<int16_t>(x, n, sumGroup, 8191.0f, out);
}

extern "C" TQ_UK_INLINE void TQ_UK(rope_table)(int32_t pos, const float *invFreq, int64_t n, float factor, float *cos,
                                               float *sin) {
  using namespace tq::uk;
  for (int64_t i = 0; i < n; i += 16) {
    f32x16 angle = loadFirst(invFreq + i, n - i) * float(pos), c, s;
    f64x8 sinLo, cosLo, sinHi, cosHi;
    sinCos(__builtin_convertvector(angle.lo, f64x8), sinLo, cosLo);
    sinCos(__builtin_convertvector(angle.hi, f64x8), sinHi, cosHi);
    using f32x8 = float __attribute__((ext_vector_type(8)));
    c.lo = __builtin_convertvector(cosLo, f32x8);
    c.hi = __builtin_convertvector(cosHi, f32x8);
    s.lo = __builtin_convertvector(sinLo, f32x8);
    s.hi = __builtin_convertvector(sinHi, f32x8);
    storeFirst(cos + i, c * factor, n - i);
    storeFirst(sin + i, s * factor, n - i);
  }
}

extern "C" TQ_UK_INLINE void TQ_UK(rope)(const float *x, const float *cos, const float *sin, float *y, int64_t heads,
                                         int64_t d, int64_t n) {
  using namespace tq::uk;
  for (int64_t h = 0; h < heads; ++h, x += d, y += d) {
    for (int64_t i = 0; i < n; i += 16) {
      f32x16 c = loadFirst(cos + i, n - i), s = loadFirst(sin + i, n - i);
      f32x16 a = loadFirst(x + i, n - i), b = loadFirst(x + n + i, n - i);
      storeFirst(y + i, fma(a, c, -(b * s)), n - i);
      storeFirst(y + n + i, fma(b, c, a * s), n - i);
    }
    for (int64_t i = 2 * n; i < d; i += 16)
      storeFirst(y + i, loadFirst(x + i, d - i), d - i);
  }
}
#endif
