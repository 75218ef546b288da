//===- IsaNeon.h - Primitives for aarch64 + dotprod + fp16 ------*- C++ -*-===//
//
// A 64-byte vector is four registers, one for 4 rows. sdot multiplies signed bytes: levels are s8, affine codes below 128 are
// signed as they are, 8-bit codes are flipped to code - 128. Words have no pairwise product with accumulation; smlal
// widens one column at a time, so panels hold columns apart.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_ISANEON_H
#define TQ_CODEGEN_HOST_MICROKERNELS_ISANEON_H

#include "codegen/host/microkernels/Vector.h"
#include <arm_neon.h>

namespace tq::uk {
namespace {

struct Isa {
  static constexpr int64_t prefetchFar = 0, prefetchNear = 0;
  // 4 tokens x 4 registers of accumulators, 4 of weights, 4 of activations, of 32.
  static constexpr int panelBlocks = 1, tokensFused = 2, fusedLimit = 2, tokensI8 = 4, tokensI16 = 4, tokensF32 = 4;
  static constexpr bool hasTiles = false;
  static constexpr int64_t columnsI8 = 256, columnsI16 = 128, columnsF32 = 64;

  template <typename Q> struct Quarters {
    Q q[4];
  };
  template <typename Q, typename V> TQ_UK_FN Quarters<Q> split(V v) { return __builtin_bit_cast(Quarters<Q>, v); }
  template <typename V, typename Q> TQ_UK_FN V join(Quarters<Q> v) { return __builtin_bit_cast(V, v); }

  using ByteTable = uint8x16_t;
  TQ_UK_FN ByteTable byteTable(u8x16 v) { return (uint8x16_t)v; }
  TQ_UK_FN u8x64 select(uint8_t bits, u8x64 a, u8x64 b) { return (a & bits) | (b & (uint8_t)~bits); }

  static constexpr int byteIndexBits = 4;
  TQ_UK_FN ByteTable shiftedTable(ByteTable t, int shift) {
    const u8x16 index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return vqtbl1q_u8(t, (uint8x16_t)(index >> (uint8_t)shift));
  }
  TQ_UK_FN u8x64 lookup(ByteTable t, u8x64 index) {
    auto q = split<uint8x16_t>(index & (uint8_t)15); // tbl gives 0 beyond the table
    TQ_UNROLL for (int i = 0; i < 4; ++i) q.q[i] = vqtbl1q_u8(t, q.q[i]);
    return join<u8x64>(q);
  }

  // Sixteen floats are the 64 bytes of a four-register tbl: byte j of the float is at index * 4 + j.
  using FloatTable = uint8x16x4_t;
  TQ_UK_FN FloatTable floatTable(const float *p) { return vld1q_u8_x4((const uint8_t *)p); }
  TQ_UK_FN f32x16 lookup(const FloatTable &t, i32x16 index, bool) {
    auto q = split<uint8x16_t>((index & 15) * 0x04040404 + 0x03020100);
    TQ_UNROLL for (int i = 0; i < 4; ++i) q.q[i] = vqtbl4q_u8(t, q.q[i]);
    return join<f32x16>(q);
  }

  static constexpr int twiceOffset = 0, byteMax = 127;
  static constexpr bool flipWideCodes = true;
  TQ_UK_FN u8x16 byteLevels(const LevelTable &t) { return load<u8x16>(t.s8); }
  TQ_UK_FN float byteStep(const LevelTable &t) { return t.s8Step; }

  using Partial = i32x16;
  TQ_UK_FN int maxRun(int, bool) { return 4; }
  TQ_UK_FN Partial begin(i32x16 acc) { return acc; }
  template <bool Flipped> TQ_UK_FN Partial multiplyAdd(Partial p, u8x64 w, i32x16 x) {
    auto a = split<int32x4_t>(p);
    auto b = split<int8x16_t>(w), c = split<int8x16_t>(x);
    TQ_UNROLL for (int i = 0; i < 4; ++i) a.q[i] = vdotq_s32(a.q[i], b.q[i], c.q[i]);
    return join<i32x16>(a);
  }
  TQ_UK_FN i32x16 end(i32x16, Partial p) { return p; }

  struct WordTable {
    uint8x16_t low, high;
  };
  TQ_UK_FN WordTable wordTable(s16x16 v) {
    return {byteTable(__builtin_convertvector((u16x16)v & (uint16_t)0xff, u8x16)),
            byteTable(__builtin_convertvector((u16x16)v >> (uint16_t)8, u8x16))};
  }
  /// w[0] holds rows 0 and 1 of each register's 4 rows, w[1] rows 2 and 3, 4 columns each.
  TQ_UK_FN void interleave(u8x64 low, u8x64 high, s16x32 (&w)[2]) {
    auto l = split<uint8x16_t>(low), h = split<uint8x16_t>(high);
    Quarters<uint8x16_t> a, b;
    TQ_UNROLL for (int i = 0; i < 4; ++i) {
      a.q[i] = vzip1q_u8(l.q[i], h.q[i]);
      b.q[i] = vzip2q_u8(l.q[i], h.q[i]);
    }
    w[0] = join<s16x32>(a);
    w[1] = join<s16x32>(b);
  }
  TQ_UK_FN void expand(const WordTable &t, u8x64 index, s16x32 (&w)[2]) {
    interleave(lookup(t.low, index), lookup(t.high, index), w);
  }
  TQ_UK_FN void expandCodes(u8x64 codes, s16x32 (&w)[2]) { interleave(codes, u8x64(0), w); }
  TQ_UK_FN const int16_t *arrange(const int16_t *q, int16_t *) { return q; }

  /// Four partial sums of each row.
  struct WordSum {
    int32x4_t row[16];
  };
  TQ_UK_FN WordSum zeroWords() {
    WordSum s;
    TQ_UNROLL for (int i = 0; i < 16; ++i) s.row[i] = vdupq_n_s32(0);
    return s;
  }
  TQ_UK_FN WordSum addWords(WordSum s, const s16x32 (&w)[2], const int16_t *x, int) {
    const int16x4_t v = vld1_s16(x);
    TQ_UNROLL for (int j = 0; j < 2; ++j) {
      auto q = split<int16x8_t>(w[j]);
      TQ_UNROLL for (int i = 0; i < 4; ++i) {
        int32x4_t *row = s.row + i * 4 + j * 2;
        row[0] = vmlal_s16(row[0], vget_low_s16(q.q[i]), v);
        row[1] = vmlal_s16(row[1], vget_high_s16(q.q[i]), v);
      }
    }
    return s;
  }
  TQ_UK_FN i32x16 wordSum(const WordSum &s) {
    Quarters<int32x4_t> r;
    TQ_UNROLL for (int i = 0; i < 4; ++i) r.q[i] =
        vpaddq_s32(vpaddq_s32(s.row[4 * i], s.row[4 * i + 1]), vpaddq_s32(s.row[4 * i + 2], s.row[4 * i + 3]));
    return join<i32x16>(r);
  }

  /// Two columns of 16 rows, one after the other.
  TQ_UK_FN void storePairs(const s16x32 (&w)[2], int16_t *even, int16_t *odd) {
    auto a = split<int16x8_t>(w[0]), b = split<int16x8_t>(w[1]);
    TQ_UNROLL for (int i = 0; i < 4; ++i) {
      // a = r0c0..3 r1c0..3, b = r2c0..3 r3c0..3: transposed to c0 r0..3, c1 r0..3, ...
      int16x8_t e = vuzp1q_s16(a.q[i], b.q[i]), o = vuzp2q_s16(a.q[i], b.q[i]); // columns 0, 2 and 1, 3 of r0..r3
      int16x8_t c0 = vuzp1q_s16(e, e), c2 = vuzp2q_s16(e, e), c1 = vuzp1q_s16(o, o), c3 = vuzp2q_s16(o, o);
      vst1_s16(even + 4 * i, vget_low_s16(c0));
      vst1_s16(even + 16 + 4 * i, vget_low_s16(c1));
      vst1_s16(odd + 4 * i, vget_low_s16(c2));
      vst1_s16(odd + 16 + 4 * i, vget_low_s16(c3));
    }
  }
  TQ_UK_FN i32x16 dotPair(i32x16 acc, s16x32 w, i32x16 x) {
    auto a = split<int32x4_t>(acc);
    auto b = split<int16x8_t>(w);
    const int16x4_t v = vget_low_s16((int16x8_t)__builtin_shufflevector(x, x, 0, 1, 2, 3));
    TQ_UNROLL for (int i = 0; i < 2; ++i) {
      a.q[2 * i] = vmlal_lane_s16(a.q[2 * i], vget_low_s16(b.q[i]), v, 0);
      a.q[2 * i + 1] = vmlal_lane_s16(a.q[2 * i + 1], vget_high_s16(b.q[i]), v, 0);
      a.q[2 * i] = vmlal_lane_s16(a.q[2 * i], vget_low_s16(b.q[2 + i]), v, 1);
      a.q[2 * i + 1] = vmlal_lane_s16(a.q[2 * i + 1], vget_high_s16(b.q[2 + i]), v, 1);
    }
    return join<i32x16>(a);
  }
};

} // namespace
} // namespace tq::uk
#endif
