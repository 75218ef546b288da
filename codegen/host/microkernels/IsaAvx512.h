//===- IsaAvx512.h - Primitives for AVX-512 + VNNI + VBMI -------*- C++ -*-===//
//
// vpdpbusd multiplies unsigned by signed bytes, so levels are s8 + 128 and every dot product starts from
// -128 * sum(x). vpermb looks up 64 entries; tables repeat 16 of them four times, so no index needs masking.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_ISAAVX512_H
#define TQ_CODEGEN_HOST_MICROKERNELS_ISAAVX512_H

#include "codegen/host/microkernels/Vector.h"
// SIMDe has the same functions in plain vector code under names of its own (its aliases clash with clang's headers).
#ifdef TQ_UK_PORTABLE
#include <simde/x86/avx512.h>
#define TQ_MM512(name) simde_mm512_##name
#else
#include <immintrin.h>
#define TQ_MM512(name) _mm512_##name
#endif

namespace tq::uk {
namespace {

#ifdef TQ_UK_PORTABLE
using Int512 = simde__m512i;
using Float512 = simde__m512;
#else
using Int512 = __m512i;
using Float512 = __m512;
#endif

struct Avx512 {
  // int8 on Emerald Rapids, % of a plain read, one process per core at once (4 bit, 3 bit). To the L1 alone its 16 fill
  // buffers are the limit: 2 KB 78, 4 KB 80 (3 bit). To the L2 alone: 4 KB 89 (3 bit). Both, 8 KB and 1 / 2 / 4 / 6 KB:
  // 91 / 93 / 96 / 92 (3 bit), 96 / 98 (4 bit, 2 and 4 KB); 16 and 8 KB 94, 98.
  static constexpr int64_t prefetchFar = 8192, prefetchNear = 4096;
  // 6 x 4 accumulators + 4 weight vectors + 1 broadcast = 29 of 32 registers.
  static constexpr int panelBlocks = 4, tokensFused = 4, fusedLimit = 8, tokensI8 = 6, tokensI16 = 6, tokensF32 = 6;
  static constexpr bool hasTiles = false;
  // 32 KB of the 48 KB L1 (Ice Lake and later).
  static constexpr int64_t columnsI8 = 512, columnsI16 = 256, columnsF32 = 128;

  using ByteTable = u8x64;
  TQ_UK_FN ByteTable byteTable(u8x16 v) {
    auto w = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7,
                                     8, 9, 10, 11, 12, 13, 14, 15);
    return __builtin_shufflevector(w, w, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                   22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                                   14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
  }
  TQ_UK_FN u8x64 lookup(ByteTable t, u8x64 index) {
    return (u8x64)TQ_MM512(permutexvar_epi8)((Int512)index, (Int512)t);
  }

  // The intrinsic: clang splits the expression into two instructions.
  TQ_UK_FN u8x64 select(uint8_t bits, u8x64 a, u8x64 b) {
    return (u8x64)TQ_MM512(ternarylogic_epi32)((Int512)u8x64(bits), (Int512)a, (Int512)b, 0xca);
  }

  // Six bits of an index count, so two 3-bit codes or three 2-bit ones are found without shifting, in tables of their own.
  static constexpr int byteIndexBits = 6;
  TQ_UK_FN ByteTable shiftedTable(ByteTable t, int shift) {
    const u8x64 index = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                         22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
                         44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    return lookup(t, index >> (uint8_t)shift);
  }

  using FloatTable = f32x16;
  TQ_UK_FN FloatTable floatTable(const float *p) { return load<f32x16>(p); }
  TQ_UK_FN f32x16 lookup(FloatTable t, i32x16 index, bool) {
    return (f32x16)TQ_MM512(permutexvar_ps)((Int512)index, (Float512)t);
  }

  static constexpr int twiceOffset = 256, byteMax = 255;
  static constexpr bool flipWideCodes = false;
  TQ_UK_FN u8x16 byteLevels(const LevelTable &t) { return load<u8x16>(t.s8) ^ (uint8_t)0x80; }
  TQ_UK_FN float byteStep(const LevelTable &t) { return t.s8Step; }

  using Partial = i32x16;
  TQ_UK_FN int maxRun(int, bool) { return 4; }
  TQ_UK_FN Partial begin(i32x16 acc) { return acc; }
  template <bool Flipped> TQ_UK_FN Partial multiplyAdd(Partial p, u8x64 w, i32x16 x) {
    return (i32x16)TQ_MM512(dpbusd_epi32)((Int512)p, (Int512)w, (Int512)x);
  }
  TQ_UK_FN i32x16 end(i32x16, Partial p) { return p; }

  // Words 0 and 2 of a row's 4 codes are the low bytes of its 16-bit halves: vpermw reads 5 index bits and ignores the
  // rest, so the code bytes themselves are the indices. Activations are put in the order 0, 2, 1, 3 to match.
  using WordTable = s16x32;
  TQ_UK_FN WordTable wordTable(s16x16 v) {
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                   22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
  }
  TQ_UK_FN void expand(WordTable t, u8x64 index, s16x32 (&w)[2]) {
    w[0] = (s16x32)TQ_MM512(permutexvar_epi16)((Int512)index, (Int512)t);
    w[1] = (s16x32)TQ_MM512(permutexvar_epi16)((Int512)((u16x32)index >> (uint16_t)8), (Int512)t);
  }
  TQ_UK_FN void expandCodes(u8x64 codes, s16x32 (&w)[2]) {
    w[0] = (s16x32)((u16x32)codes & (uint16_t)0xff);
    w[1] = (s16x32)((u16x32)codes >> (uint16_t)8);
  }
  TQ_UK_FN const int16_t *arrange(const int16_t *q, int16_t *buffer) {
    TQ_UNROLL for (int i = 0; i < 2; ++i) {
      s16x32 v = load<s16x32>(q + 32 * i);
      store(buffer + 32 * i, __builtin_shufflevector(v, v, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15, 16, 18,
                                                     17, 19, 20, 22, 21, 23, 24, 26, 25, 27, 28, 30, 29, 31));
    }
    // Hides where the pointer comes from: otherwise the buffer becomes registers and each broadcast a shuffle or two.
    const int16_t *p = buffer;
    asm volatile("" : "+r"(p) : : "memory");
    return p;
  }
  struct WordSum {
    i32x16 chain[4]; // of 5 cycles' latency
  };
  TQ_UK_FN WordSum zeroWords() { return {{i32x16(0), i32x16(0), i32x16(0), i32x16(0)}}; }
  TQ_UK_FN WordSum addWords(WordSum s, const s16x32 (&w)[2], const int16_t *x, int step) {
    TQ_UNROLL for (int i = 0; i < 2; ++i) {
      i32x16 &sum = s.chain[step % 2 * 2 + i];
      sum = dotPair(sum, w[i], broadcast32(x + 2 * i));
    }
    return s;
  }
  TQ_UK_FN i32x16 wordSum(WordSum s) { return (s.chain[0] + s.chain[1]) + (s.chain[2] + s.chain[3]); }

  TQ_UK_FN void storePairs(const s16x32 (&w)[2], int16_t *even, int16_t *odd) {
    u32x16 a = (u32x16)w[0], b = (u32x16)w[1];
    store(even, (a & 0xffffu) | (b << 16));
    store(odd, (a >> 16) | (b & 0xffff0000u));
  }
  // The saturating vpdpwssds never saturates here (2047 * 8191 * 64 < 2^30) and is as fast. Of vpdpwssd LLVM's machine combiner
  // makes vpmaddwd + vpaddd to shorten the chain, which costs 30 % where slots, not latency, are the limit.
  TQ_UK_FN i32x16 dotPair(i32x16 acc, s16x32 w, i32x16 x) {
    return (i32x16)TQ_MM512(dpwssds_epi32)((Int512)acc, (Int512)w, (Int512)x);
  }
};

#ifndef TQ_UK_AMX
using Isa = Avx512;
#endif

} // namespace
} // namespace tq::uk
#endif
