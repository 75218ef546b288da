//===- IsaAvx2.h - Primitives for x86-64-v3 (AVX2, FMA, F16C) ---*- C++ -*-===//
//
// vpmaddubsw adds two u8 x s8 products in 16 bits and saturates. Levels of 0..63 (zero point 31.5) times +-127 leave room
// for two results (2 * 2 * 63 * 127 = 32004), affine codes of 4 bits for eight, before vpmaddwd widens them. 8-bit codes
// leave room for none: they are multiplied as |w| x sign(x, w), 2 * 128 * 127 = 32512.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_ISAAVX2_H
#define TQ_CODEGEN_HOST_MICROKERNELS_ISAAVX2_H

#include "codegen/host/microkernels/Vector.h"
#ifdef TQ_UK_PORTABLE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx2.h>
#else
#include <immintrin.h>
#endif

namespace tq::uk {
namespace {

struct Isa {
  // Zen 4 loses 5-20 % with any software prefetch.
  static constexpr int64_t prefetchFar = 0, prefetchNear = 0;
  // 4 tokens x 2 registers of accumulators (6 x 2 where no 16-bit partial sums are needed) of 16 registers.
  static constexpr int panelBlocks = 1, tokensFused = 2, fusedLimit = 2, tokensI8 = 4, tokensI16 = 4, tokensF32 = 6;
  // 16 KB of a 32 KB L1.
  static constexpr bool hasTiles = false;
  static constexpr int64_t columnsI8 = 256, columnsI16 = 128, columnsF32 = 64;

  /// A 64-byte vector is two registers.
  template <typename V> TQ_UK_FN __m256i half(V v, int i) {
    using u64x8 = uint64_t __attribute__((ext_vector_type(8)));
    u64x8 w = (u64x8)v;
    return (__m256i)(i ? __builtin_shufflevector(w, w, 4, 5, 6, 7) : __builtin_shufflevector(w, w, 0, 1, 2, 3));
  }
  template <typename V> TQ_UK_FN V join(__m256i a, __m256i b) {
    using u64x4 = uint64_t __attribute__((ext_vector_type(4)));
    return (V)__builtin_shufflevector((u64x4)a, (u64x4)b, 0, 1, 2, 3, 4, 5, 6, 7);
  }

  using ByteTable = __m256i;
  TQ_UK_FN ByteTable byteTable(u8x16 v) {
    using u8x32 = uint8_t __attribute__((ext_vector_type(32)));
    return (__m256i)(u8x32)__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2,
                                                   3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
  TQ_UK_FN u8x64 lookup(ByteTable t, u8x64 index) {
    index &= (uint8_t)15; // vpshufb gives 0 where bit 7 is set
    return join<u8x64>(_mm256_shuffle_epi8(t, half(index, 0)), _mm256_shuffle_epi8(t, half(index, 1)));
  }

  TQ_UK_FN u8x64 select(uint8_t bits, u8x64 a, u8x64 b) { return (a & bits) | (b & (uint8_t)~bits); }

  static constexpr int byteIndexBits = 4;
  TQ_UK_FN ByteTable shiftedTable(ByteTable t, int shift) {
    const u8x16 index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return _mm256_shuffle_epi8(t, byteTable(index >> (uint8_t)shift));
  }

  struct FloatTable {
    __m256 low, high;
  };
  TQ_UK_FN FloatTable floatTable(const float *p) {
    using f32x8 = float __attribute__((ext_vector_type(8)));
    return {(__m256)load<f32x8>(p), (__m256)load<f32x8>(p + 8)};
  }
  TQ_UK_FN f32x16 lookup(FloatTable t, i32x16 index, bool small) {
    i32x16 sign = index << 28; // bit 3 chooses the table
    __m256i r[2];
    TQ_UNROLL for (int i = 0; i < 2; ++i) {
      __m256i k = half(index, i);
      r[i] = small ? (__m256i)_mm256_permutevar8x32_ps(t.low, k)
                   : (__m256i)_mm256_blendv_ps(_mm256_permutevar8x32_ps(t.low, k), _mm256_permutevar8x32_ps(t.high, k),
                                               (__m256)half(sign, i));
    }
    return join<f32x16>(r[0], r[1]);
  }

  static constexpr int twiceOffset = 63, byteMax = 63;
  static constexpr bool flipWideCodes = true;
  TQ_UK_FN u8x16 byteLevels(const LevelTable &t) { return load<u8x16>(t.u6); }
  TQ_UK_FN float byteStep(const LevelTable &t) { return t.u6Step; }

  using Partial = s16x32;
  TQ_UK_FN int maxRun(int max, bool flipped) {
    return flipped ? 1 : 32767 / (254 * max) >= 8 ? 8 : 32767 / (254 * max) >= 4 ? 4 : 32767 / (254 * max) >= 2 ? 2 : 1;
  }
  TQ_UK_FN Partial begin(i32x16) { return s16x32(0); }
  template <bool Flipped> TQ_UK_FN Partial multiplyAdd(Partial p, u8x64 w, i32x16 x) {
    __m256i r[2];
    TQ_UNROLL for (int i = 0; i < 2; ++i) {
      __m256i u = half(w, i), s = half(x, i);
      if constexpr (Flipped) {
        s = _mm256_sign_epi8(s, u);
        u = _mm256_abs_epi8(u); // |-128| is 128 as an unsigned byte
      }
      r[i] = _mm256_maddubs_epi16(u, s);
    }
    return p + join<s16x32>(r[0], r[1]);
  }
  TQ_UK_FN i32x16 maddWords(s16x32 a, s16x32 b) {
    return join<i32x16>(_mm256_madd_epi16(half(a, 0), half(b, 0)), _mm256_madd_epi16(half(a, 1), half(b, 1)));
  }
  TQ_UK_FN i32x16 end(i32x16 acc, Partial p) { return acc + maddWords(p, s16x32(1)); }

  // A level of 12 bits is two byte tables; interleaving their results gives words: rows 0 and 1 (2 and 3) of each
  // quarter of 4 rows, 4 columns each.
  struct WordTable {
    __m256i low, high;
  };
  TQ_UK_FN WordTable wordTable(s16x16 v) {
    return {byteTable(__builtin_convertvector((u16x16)v & (uint16_t)0xff, u8x16)),
            byteTable(__builtin_convertvector((u16x16)v >> (uint16_t)8, u8x16))};
  }
  TQ_UK_FN void interleave(u8x64 low, u8x64 high, s16x32 (&w)[2]) {
    __m256i l0 = half(low, 0), l1 = half(low, 1), h0 = half(high, 0), h1 = half(high, 1);
    w[0] = join<s16x32>(_mm256_unpacklo_epi8(l0, h0), _mm256_unpacklo_epi8(l1, h1));
    w[1] = join<s16x32>(_mm256_unpackhi_epi8(l0, h0), _mm256_unpackhi_epi8(l1, h1));
  }
  TQ_UK_FN void expand(WordTable t, u8x64 index, s16x32 (&w)[2]) {
    interleave(lookup(t.low, index), lookup(t.high, index), w);
  }
  TQ_UK_FN void expandCodes(u8x64 codes, s16x32 (&w)[2]) { interleave(codes, u8x64(0), w); }
  TQ_UK_FN const int16_t *arrange(const int16_t *q, int16_t *) { return q; }
  struct WordSum {
    i32x16 a, b;
  };
  TQ_UK_FN WordSum zeroWords() { return {i32x16(0), i32x16(0)}; }
  TQ_UK_FN WordSum addWords(WordSum s, const s16x32 (&w)[2], const int16_t *x, int) {
    using u64x8 = uint64_t __attribute__((ext_vector_type(8)));
    uint64_t x4;
    __builtin_memcpy(&x4, x, 8);
    s16x32 v = (s16x32)u64x8(x4);
    return {s.a + maddWords(w[0], v), s.b + maddWords(w[1], v)};
  }
  TQ_UK_FN i32x16 wordSum(WordSum s) {
    return join<i32x16>(_mm256_hadd_epi32(half(s.a, 0), half(s.b, 0)), _mm256_hadd_epi32(half(s.a, 1), half(s.b, 1)));
  }

  TQ_UK_FN void storePairs(const s16x32 (&w)[2], int16_t *even, int16_t *odd) {
    i32x16 a = (i32x16)w[0], b = (i32x16)w[1];
    store(even, __builtin_shufflevector(a, b, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30));
    store(odd, __builtin_shufflevector(a, b, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31));
  }
  TQ_UK_FN i32x16 dotPair(i32x16 acc, s16x32 w, i32x16 x) { return acc + maddWords(w, (s16x32)x); }
};

} // namespace
} // namespace tq::uk
#endif
