//===- Linear.h - Products of packed weights and activations ----*- C++ -*-===//
//
// Everything above the primitives of `Isa` (Vector.h). Two shapes:
//
//   few tokens    the codes are decoded in registers and multiplied at once; one pass over the weights (one token, int8 up
//                 to Isa::fusedLimit)
//   more tokens   a panel of at most 64 rows x Isa::columns* is decoded to the L1 (`scratch`), then tiles of
//                 tokens x rows run over it; scales are applied once per scale group, into the output tile
//
// Both do the same floating-point operations in the same order, so results do not depend on the number of tokens.
// Arguments such as kind, bits and group are constants once inlined; nothing here depends on that but speed.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_LINEAR_H
#define TQ_CODEGEN_HOST_MICROKERNELS_LINEAR_H

#include "codegen/host/microkernels/Vector.h"

namespace tq::uk {
namespace {

//===-- Codes -------------------------------------------------------------------------------------------------===//

/// k-blocks in one decoding step: half a group of 64 columns, the period of the 3-bit triples.
inline constexpr int kHalfBlocks = 8;

/// Where in its byte the code of k-block i of 8 starts; 3-bit ones that halfIndices puts together: 0.
TQ_UK_FN int codeShift(int32_t bits, int i) {
  return bits == 2 ? i % 4 * 2 : bits == 3 ? (i < 4 ? i % 2 * 3 : 0) : bits == 4 ? i % 2 * 4 : 0;
}
/// That code in the low bits, unless a look-up that sees `indexBits` bits of its index reaches it where it is.
TQ_UK_FN u8x64 codeIndex(u8x64 v, int32_t bits, int i, int indexBits) {
  const int shift = codeShift(bits, i);
  return shift + bits <= indexBits ? v : shiftRight(v, shift);
}

/// Look-up indices of 8 k-blocks: the low `bits` bits are the code (see codeIndex), bits above are rubbish; k-blocks 6 and 7 at
/// 3 bits have the code in bits 0, 1 and 3 and rubbish in bit 2. Bits 6 and 8 give exact codes.
TQ_UK_FN void halfIndices(const uint8_t *codes, int32_t bits, int half, int indexBits, u8x64 (&out)[kHalfBlocks]) {
  if (bits == 2) {
    TQ_UNROLL for (int i = 0; i < 8; ++i) out[i] =
        codeIndex(load<u8x64>(codes + (half * 2 + i / 4) * 64), bits, i, indexBits);
  } else if (bits == 3) {
    u8x64 a = load<u8x64>(codes + half * 192), b = load<u8x64>(codes + half * 192 + 64),
          c = load<u8x64>(codes + half * 192 + 128);
    u8x64 c4 = shiftRight(c, 4);
    TQ_UNROLL for (int i = 0; i < 4; ++i) out[i] = codeIndex(i < 2 ? a : b, bits, i, indexBits);
    out[4] = c;
    out[5] = c4;
    out[6] = Isa::select((uint8_t)8, c, shiftRight(a, 6));
    out[7] = Isa::select((uint8_t)8, c4, shiftRight(b, 6));
  } else if (bits == 4) {
    TQ_UNROLL for (int i = 0; i < 8; ++i) out[i] =
        codeIndex(load<u8x64>(codes + (half * 4 + i / 2) * 64), bits, i, indexBits);
  } else if (bits == 6) {
    TQ_UNROLL for (int i = 0; i < 8; ++i) {
      u8x64 low = load<u8x64>(codes + (half * 4 + i / 2) * 64), high = load<u8x64>(codes + (8 + half * 2 + i / 4) * 64);
      u8x64 top = i % 4 == 0   ? (u8x64)((u16x32)high << (uint16_t)4)
                  : i % 4 == 1 ? (u8x64)((u16x32)high << (uint16_t)2)
                  : i % 4 == 2 ? high
                               : shiftRight(high, 2);
      out[i] = (shiftRight(low, i % 2 * 4) & (uint8_t)15) | (top & (uint8_t)0x30);
    }
  } else {
    TQ_UNROLL for (int i = 0; i < 8; ++i) out[i] = load<u8x64>(codes + (half * 8 + i) * 64);
  }
}

/// Exact codes of 8 k-blocks.
TQ_UK_FN void halfCodes(const uint8_t *codes, int32_t bits, int half, u8x64 (&out)[kHalfBlocks]) {
  halfIndices(codes, bits, half, /*indexBits=*/0, out);
  if (bits == 3) {
    TQ_UNROLL for (int i = 0; i < 6; ++i) out[i] &= (uint8_t)7;
    TQ_UNROLL for (int i = 6; i < 8; ++i) out[i] = (out[i] & (uint8_t)3) | (shiftRight(out[i], 1) & (uint8_t)4);
  } else if (bits < 6) {
    TQ_UNROLL for (int i = 0; i < 8; ++i) out[i] &= (uint8_t)(bits == 2 ? 3 : 15);
  }
}

TQ_UK_FN bool isCodebook(int32_t kind) { return kind == int32_t(Layout::Kind::Codebook); }
TQ_UK_FN bool isAffine(int32_t kind) { return kind == int32_t(Layout::Kind::Affine); }

/// 16 stored scales as f32.
TQ_UK_FN f32x16 loadScales(const uint8_t *p) { return loadWiden((const _Float16 *)p); }

/// Where the scales of group of 64 columns `half` (0 or 1) of a superblock start, and its codes.
struct Super {
  const uint8_t *scales, *biases, *codes;
};
TQ_UK_FN Super superHalf(const uint8_t *super, const Layout &l, int half) {
  int64_t perHalf = kGroupCols / l.group * kBlockRows * 2;
  bool affine = l.kind == Layout::Kind::Affine;
  return {super + half * perHalf, super + (affine ? 2 * perHalf : 0) + half * perHalf,
          super + l.headerBytes() + half * l.groupBytes()};
}

/// The line at p is read now: asks for those that follow at the two distances.
TQ_UK_FN void prefetchLine(const uint8_t *p) {
  if constexpr (Isa::prefetchFar > 0)
    __builtin_prefetch(p + Isa::prefetchFar, 0, 2);
  if constexpr (Isa::prefetchNear > 0)
    __builtin_prefetch(p + Isa::prefetchNear, 0, 3);
}
TQ_UK_FN void prefetchAhead(const uint8_t *p, int64_t bytes) {
  TQ_UNROLL for (int64_t i = 0; i < bytes; i += 64) prefetchLine(p + i);
}

/// Calls body<tokens>(first token) for tiles of at most M tokens, then smaller ones.
template <int M, typename Body> TQ_UK_FN void forTokens(int64_t t, int64_t m, Body body) {
  for (; t + M <= m; t += M)
    body.template operator()<M>(t);
  if constexpr (M > 1)
    forTokens<(M > 4 ? 4 : M > 2 ? 2 : 1)>(t, m, body);
}

//===-- int8 --------------------------------------------------------------------------------------------------===//

/// How the codes of one weight become the bytes that are multiplied: weight = (byte - twiceOffset / 2) * step * scale.
struct ByteDecoder {
  Layout layout;
  bool lookup, flip;
  int32_t twiceOffset, run;
  float step;
  Isa::ByteTable table, second; ///< `second`: for k-blocks 6 and 7 at 3 bits
  Isa::ByteTable once, twice;   ///< for codes that start at bit `bits` and at bit 2 * `bits`
};

// Built in one expression here and below: an implicit constructor would not be always_inline.
TQ_UK_FN ByteDecoder byteDecoder(const void *levels, int32_t kind, int32_t bits, int32_t group) {
  const bool codebook = isCodebook(kind), flip = isAffine(kind) && bits == 8 && Isa::flipWideCodes;
  const int32_t run = codebook ? Isa::maxRun(Isa::byteMax, false) : Isa::maxRun((1 << bits) - 1, flip);
  u8x16 entries = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  float step = 1.0f;
  if (codebook) {
    entries = Isa::byteLevels(*(const LevelTable *)levels);
    step = Isa::byteStep(*(const LevelTable *)levels);
  }
  const Isa::ByteTable table = Isa::byteTable(repeatTable(entries, bits, false));
  return {.layout = {Layout::Kind(kind), bits, group},
          // 3-bit codes need masking anyway, and a table of 0..7 is no dearer.
          .lookup = codebook || bits == 3,
          .flip = flip,
          .twiceOffset = codebook ? Isa::twiceOffset
                         : flip   ? -256
                                  : 0,
          .run = run < group / 4 ? run : group / 4,
          .step = step,
          .table = table,
          .second = Isa::byteTable(repeatTable(entries, bits, true)),
          .once = Isa::shiftedTable(table, bits),
          .twice = Isa::shiftedTable(table, 2 * bits)};
}

// Members and no array: an index that is not yet a constant when the compiler splits the struct into registers keeps all of
// it in memory, `layout` too, and no loop unrolls.
TQ_UK_FN Isa::ByteTable tableFor(const ByteDecoder &d, int i) {
  const int bits = d.layout.bits, shift = codeShift(bits, i);
  if (bits == 3 && i >= 6)
    return d.second;
  return shift == 0 || shift + bits > Isa::byteIndexBits ? d.table : shift == bits ? d.once : d.twice;
}

TQ_UK_FN void halfBytes(const ByteDecoder &d, const uint8_t *codes, int half, u8x64 (&out)[kHalfBlocks]) {
  if (d.lookup) {
    halfIndices(codes, d.layout.bits, half, Isa::byteIndexBits, out);
    TQ_UNROLL for (int i = 0; i < 8; ++i) out[i] = Isa::lookup(tableFor(d, i), out[i]);
  } else {
    halfCodes(codes, d.layout.bits, half, out);
    if (d.flip)
      TQ_UNROLL for (int i = 0; i < 8; ++i) out[i] ^= (uint8_t)0x80;
  }
}

/// One token's packed activations.
template <typename T> struct Activation {
  const T *q;
  const float *scale;
  const int32_t *sum;
};
template <typename T> TQ_UK_FN Activation<T> activation(const void *x, int64_t k) {
  const char *p = (const char *)x;
  return {(const T *)p, (const float *)(p + PackedActivation::scaleOffset(k, sizeof(T))),
          (const int32_t *)(p + PackedActivation::sumOffset(k, sizeof(T)))};
}
/// Sum of q over the scale group that starts at column c.
TQ_UK_FN int32_t groupSum(const int32_t *sum, int64_t c, int32_t group, int32_t sumGroup) {
  int32_t s = 0;
  TQ_UNROLL for (int32_t i = 0; i < group / sumGroup; ++i) s += sum[c / sumGroup + i];
  return s;
}

/// What a dot product starts from, and how it ends: an integral offset goes into the accumulator, 31.5 does not fit there.
/// All numbers are exact in f32: |dot| <= 255 * 127 * 64 < 2^21.
TQ_UK_FN i32x16 startDot(int32_t twiceOffset, int32_t sum) {
  return i32x16(twiceOffset % 2 ? 0 : -(twiceOffset / 2) * sum);
}
TQ_UK_FN f32x16 finishDot(i32x16 dot, int32_t twiceOffset, int32_t sum) {
  f32x16 f = __builtin_convertvector(dot, f32x16);
  return twiceOffset % 2 ? f - f32x16(0.5f * (float)twiceOffset * (float)sum) : f;
}

TQ_UK_FN Isa::Partial multiplyBytes(bool flip, Isa::Partial p, u8x64 w, i32x16 x) {
  return flip ? Isa::multiplyAdd<true>(p, w, x) : Isa::multiplyAdd<false>(p, w, x);
}

/// 16 rows x M tokens, decoded once in registers.
template <int M>
TQ_UK_FN void vectorI8(const uint8_t *w, const ByteDecoder &d, const char *x, int64_t xRowBytes, int64_t k,
                       int32_t sumGroup, float *out) {
  // One token needs two chains per scale group: the latency of a dot product is ten times its throughput.
  constexpr int chains = M == 1 ? 2 : 1;
  const Layout l = d.layout;
  const bool affine = l.kind == Layout::Kind::Affine;
  f32x16 y[M];
  TQ_UNROLL for (int t = 0; t < M; ++t) y[t] = f32x16(0.0f);
  TQ_NO_UNROLL for (int64_t c = 0; c < k; c += kSuperCols, w += l.superBytes()) {
    prefetchAhead(w, l.headerBytes());
    TQ_UNROLL for (int g = 0; g < 2; ++g) {
      const Super s = superHalf(w, l, g);
      const int64_t c0 = c + g * kGroupCols;
      i32x16 acc[M][chains];
      TQ_UNROLL for (int h = 0; h < 2; ++h) {
        prefetchAhead(s.codes + h * l.groupBytes() / 2, l.groupBytes() / 2);
        u8x64 v[kHalfBlocks];
        halfBytes(d, s.codes, h, v);
        TQ_UNROLL for (int r = 0; r < kHalfBlocks; r += d.run) {
          const int kb = h * kHalfBlocks + r, chain = r / d.run % chains;
          const int64_t cs = c0 + kb * 4 / l.group * l.group, at = kb * 4 / l.group * kBlockRows * 2;
          TQ_UNROLL for (int t = 0; t < M; ++t) {
            const Activation<int8_t> a = activation<int8_t>(x + t * xRowBytes, k);
            if (kb * 4 % l.group == 0) {
              acc[t][0] = startDot(d.twiceOffset, groupSum(a.sum, cs, l.group, sumGroup));
              if (chains > 1)
                acc[t][chains - 1] = i32x16(0);
            }
            Isa::Partial p = Isa::begin(acc[t][chain]);
            TQ_UNROLL for (int j = 0; j < d.run; ++j) p =
                multiplyBytes(d.flip, p, v[r + j], broadcast32(a.q + c0 + (kb + j) * 4));
            acc[t][chain] = Isa::end(acc[t][chain], p);
            if ((kb + d.run) * 4 % l.group == 0) {
              const int32_t sum = groupSum(a.sum, cs, l.group, sumGroup);
              const float scaleX = a.scale[c0 / kGroupCols];
              const f32x16 scale = loadScales(s.scales + at) * d.step;
              const i32x16 dot = chains > 1 ? acc[t][0] + acc[t][chains - 1] : acc[t][0];
              y[t] = fma(finishDot(dot, d.twiceOffset, sum), scale * scaleX, y[t]);
              if (affine)
                y[t] = fma(loadScales(s.biases + at), f32x16(scaleX * (float)sum), y[t]);
            }
          }
        }
      }
    }
  }
  TQ_UNROLL for (int t = 0; t < M; ++t) store(out + t * TQ_TILE_STRIDE, y[t]);
}

/// A panel's scales: [scale group][nb][16] each.
template <typename T> struct Panel {
  T *weights;
  float *scales, *biases;
};
template <typename T> TQ_UK_FN Panel<T> panelIn(void *scratch, int64_t columns) {
  // Scale groups have at least 16 columns.
  T *weights = (T *)scratch;
  float *scales = (float *)(weights + 64 * columns);
  return {weights, scales, scales + 64 * columns / 16};
}

/// Copies the scales of one group of 64 columns of block b.
template <typename T>
TQ_UK_FN void panelScales(Panel<T> panel, const Super &s, const Layout &l, float step, int64_t c, int64_t nb,
                          int64_t b) {
  const bool affine = l.kind == Layout::Kind::Affine;
  TQ_UNROLL for (int i = 0; i < kGroupCols / l.group; ++i) {
    const int64_t at = ((c / l.group + i) * nb + b) * kBlockRows;
    store(panel.scales + at, loadScales(s.scales + i * kBlockRows * 2) * step);
    if (affine)
      store(panel.biases + at, loadScales(s.biases + i * kBlockRows * 2));
  }
}

/// Where the vector of k-block `kb` (or pair, or column: `perGroup` of them in 64 columns) of block b lies, in vectors:
/// [64-column group][nb / N][perGroup][N].
template <int N> TQ_UK_FN int64_t panelIndex(int64_t g, int64_t perGroup, int64_t kb, int64_t nb, int64_t b) {
  return ((g * (nb / N) + b / N) * perGroup + kb) * N + b % N;
}

/// y += the scaled dot products of a scale group, for one token and 16 rows.
TQ_UK_FN void addScaled(float *y, f32x16 dot, f32x16 scale, float scaleX, bool affine, const float *bias, int32_t sum) {
  f32x16 v = fma(dot, scale * scaleX, load<f32x16>(y));
  if (affine)
    v = fma(load<f32x16>(bias), f32x16(scaleX * (float)sum), v);
  store(y, v);
}

/// M tokens x N row blocks over one panel of `cols` columns that starts at column c0.
template <int M, int N>
TQ_UK_FN void tileI8(Panel<uint8_t> panel, const ByteDecoder &d, const char *x, int64_t xRowBytes, int64_t k,
                     int64_t c0, int64_t cols, int32_t sumGroup, int64_t nb, int64_t b0, float *y) {
  const Layout l = d.layout;
  const int blocks = l.group / 4;
  TQ_NO_UNROLL for (int64_t s = 0; s < cols / l.group; ++s) {
    const int64_t c = c0 + s * l.group;
    const uint8_t *w = panel.weights + 64 * panelIndex<N>(s * l.group / 64, 16, s * l.group % 64 / 4, nb, b0);
    const char *q = x + c;
    i32x16 acc[M][N];
    TQ_UNROLL for (int t = 0; t < M; ++t) {
      const int32_t sum = groupSum(activation<int8_t>(x + t * xRowBytes, k).sum, c, l.group, sumGroup);
      TQ_UNROLL for (int n = 0; n < N; ++n) acc[t][n] = startDot(d.twiceOffset, sum);
    }
    TQ_NO_UNROLL for (int kb = 0; kb < blocks; kb += d.run, w += d.run * N * 64, q += d.run * 4) {
      Isa::Partial p[M][N];
      TQ_UNROLL for (int t = 0; t < M; ++t) TQ_UNROLL for (int n = 0; n < N; ++n) p[t][n] = Isa::begin(acc[t][n]);
      TQ_UNROLL for (int j = 0; j < d.run; ++j) {
        u8x64 v[N];
        TQ_UNROLL for (int n = 0; n < N; ++n) v[n] = load<u8x64>(w + (j * N + n) * 64);
        TQ_UNROLL for (int t = 0; t < M; ++t) {
          const i32x16 xt = broadcast32(q + t * xRowBytes + j * 4);
          TQ_UNROLL for (int n = 0; n < N; ++n) p[t][n] = multiplyBytes(d.flip, p[t][n], v[n], xt);
        }
      }
      TQ_UNROLL for (int t = 0; t < M; ++t) TQ_UNROLL for (int n = 0; n < N; ++n) acc[t][n] =
          Isa::end(acc[t][n], p[t][n]);
    }
    TQ_UNROLL for (int n = 0; n < N; ++n) {
      const int64_t at = (s * nb + b0 + n) * kBlockRows;
      const f32x16 scale = load<f32x16>(panel.scales + at);
      TQ_UNROLL for (int t = 0; t < M; ++t) {
        const Activation<int8_t> a = activation<int8_t>(x + t * xRowBytes, k);
        const int32_t sum = groupSum(a.sum, c, l.group, sumGroup);
        addScaled(y + t * TQ_TILE_STRIDE + n * 16, finishDot(acc[t][n], d.twiceOffset, sum), scale,
                  a.scale[c / kGroupCols], l.kind == Layout::Kind::Affine, panel.biases + at, sum);
      }
    }
  }
}

/// The tokens that fill whole hardware tiles; returns how many these are. I is Isa (a parameter, so that
/// only instruction sets with tiles need to have their functions).
template <int N, typename I = Isa>
TQ_UK_FN int64_t tilesI8(Panel<uint8_t> panel, const ByteDecoder &d, const char *x, int64_t xRowBytes, int64_t m,
                         int64_t k, int64_t c0, int64_t cols, int32_t sumGroup, int64_t nb, float *tile) {
  int64_t t0 = 0;
  if constexpr (I::hasTiles && N % 2 == 0) {
    const Layout l = d.layout;
    // Two buffers, so that the tiles of the next step need not wait for the scaling of this one.
    alignas(64) int32_t sums[2][I::tileTokens * I::tileBlocks * 16];
    if (m >= I::tileTokens)
      I::startTiles(l.group);
    for (; t0 + I::tileTokens <= m; t0 += I::tileTokens) {
      const char *rows = x + t0 * xRowBytes;
      TQ_NO_UNROLL for (int64_t s = 0; s < cols / l.group; ++s) {
        const int64_t c = c0 + s * l.group;
        TQ_UNROLL for (int n = 0; n < N; n += I::tileBlocks) {
          const uint8_t *w = panel.weights + 64 * panelIndex<N>(s * l.group / 64, 16, s * l.group % 64 / 4, nb, n);
          int32_t *out = sums[n / I::tileBlocks % 2];
          I::dotTiles(rows + c, xRowBytes, w, N * 64, out);
          const int64_t at = (s * nb + n) * kBlockRows;
          TQ_NO_UNROLL for (int t = 0; t < I::tileTokens; ++t) {
            const Activation<int8_t> a = activation<int8_t>(rows + t * xRowBytes, k);
            const int32_t sum = groupSum(a.sum, c, l.group, sumGroup);
            TQ_UNROLL for (int i = 0; i < I::tileBlocks; ++i) {
              const i32x16 dot = load<i32x16>(out + (t * I::tileBlocks + i) * 16) + startDot(d.twiceOffset, sum);
              addScaled(tile + (t0 + t) * TQ_TILE_STRIDE + (n + i) * 16, finishDot(dot, d.twiceOffset, sum),
                        load<f32x16>(panel.scales + at + i * 16), a.scale[c / kGroupCols],
                        l.kind == Layout::Kind::Affine, panel.biases + at + i * 16, sum);
            }
          }
        }
      }
    }
    if (m >= I::tileTokens)
      I::stopTiles();
  }
  return t0;
}

/// In a loop that only copies or clears: keeps the compiler from calling memcpy or memset, which kernels do not link.
TQ_UK_FN void keepLoop() { asm volatile("" : : : "memory"); }

TQ_UK_FN void clearTile(float *tile, int64_t m, int64_t nb) {
  TQ_NO_UNROLL for (int64_t t = 0; t < m; ++t) {
    keepLoop();
    TQ_NO_UNROLL for (int64_t b = 0; b < nb; ++b) {
      keepLoop();
      store(tile + t * TQ_TILE_STRIDE + b * 16, f32x16(0.0f));
    }
  }
}

template <int N>
TQ_UK_FN void matrixI8(const uint8_t *w, const ByteDecoder &d, const char *x, int64_t xRowBytes, int64_t m, int64_t k,
                       int32_t sumGroup, int64_t nb, float *tile, void *scratch) {
  const Layout l = d.layout;
  const Panel<uint8_t> panel = panelIn<uint8_t>(scratch, Isa::columnsI8);
  const int64_t kp = PackedActivation::padded(k);
  clearTile(tile, m, nb);
  for (int64_t c0 = 0; c0 < kp; c0 += Isa::columnsI8) {
    const int64_t cols = kp - c0 < Isa::columnsI8 ? kp - c0 : Isa::columnsI8;
    TQ_NO_UNROLL for (int64_t b = 0; b < nb; ++b) {
      const uint8_t *super = w + b * l.rowBlockBytes(k) + c0 / kSuperCols * l.superBytes();
      TQ_NO_UNROLL for (int64_t c = 0; c < cols; c += kSuperCols, super += l.superBytes()) {
        prefetchAhead(super, l.superBytes());
        TQ_NO_UNROLL for (int g = 0; g < 2; ++g) {
          const Super s = superHalf(super, l, g);
          panelScales(panel, s, l, d.step, c + g * kGroupCols, nb, b);
          uint8_t *out = panel.weights + 64 * panelIndex<N>(c / kGroupCols + g, 16, 0, nb, b);
          TQ_UNROLL for (int h = 0; h < 2; ++h) {
            u8x64 v[kHalfBlocks];
            halfBytes(d, s.codes, h, v);
            TQ_UNROLL for (int i = 0; i < kHalfBlocks; ++i) store(out + (h * kHalfBlocks + i) * N * 64, v[i]);
          }
        }
      }
    }
    const int64_t done = tilesI8<N>(panel, d, x, xRowBytes, m, k, c0, cols, sumGroup, nb, tile);
    forTokens<Isa::tokensI8>(done, m, [&]<int M>(int64_t t) __attribute__((always_inline)) {
      TQ_NO_UNROLL for (int64_t b = 0; b < nb; b += N) tileI8<M, N>(
          panel, d, x + t * xRowBytes, xRowBytes, k, c0, cols, sumGroup, nb, b, tile + t * TQ_TILE_STRIDE + b * 16);
    });
  }
}

TQ_UK_FN void linearI8(const void *w, const void *levels, const void *x, int64_t xRowBytes, int64_t m, int64_t k,
                       int32_t kind, int32_t bits, int32_t group, int32_t sumGroup, int64_t nb, float *tile,
                       void *scratch) {
  const ByteDecoder d = byteDecoder(levels, kind, bits, group);
  if (m <= Isa::fusedLimit) {
    TQ_NO_UNROLL for (int64_t b = 0; b < nb; ++b) {
      const uint8_t *block = (const uint8_t *)w + b * d.layout.rowBlockBytes(k);
      forTokens<Isa::tokensFused>(0, m, [&]<int M>(int64_t t) __attribute__((always_inline)) {
        vectorI8<M>(block, d, (const char *)x + t * xRowBytes, xRowBytes, k, sumGroup,
                    tile + t * TQ_TILE_STRIDE + b * 16);
      });
    }
  } else if (nb == Isa::panelBlocks) {
    matrixI8<Isa::panelBlocks>((const uint8_t *)w, d, (const char *)x, xRowBytes, m, k, sumGroup, nb, tile, scratch);
  } else {
    matrixI8<1>((const uint8_t *)w, d, (const char *)x, xRowBytes, m, k, sumGroup, nb, tile, scratch);
  }
}

//===-- int16 -------------------------------------------------------------------------------------------------===//

/// weight = word * step * scale.
struct WordDecoder {
  Layout layout;
  float step;
  Isa::WordTable table, second;
};

TQ_UK_FN WordDecoder wordDecoder(const void *levels, int32_t kind, int32_t bits, int32_t group) {
  s16x16 entries = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  float step = 1.0f;
  if (isCodebook(kind)) {
    entries = load<s16x16>(((const LevelTable *)levels)->s16);
    step = ((const LevelTable *)levels)->s16Step;
  }
  return {.layout = {Layout::Kind(kind), bits, group},
          .step = step,
          .table = Isa::wordTable(repeatTable(entries, bits, false)),
          .second = Isa::wordTable(repeatTable(entries, bits, true))};
}

/// Words of 8 k-blocks, in the order of Isa::expand.
TQ_UK_FN void halfWords(const WordDecoder &d, const uint8_t *codes, int half, s16x32 (&out)[kHalfBlocks][2]) {
  const int32_t bits = d.layout.bits;
  u8x64 v[kHalfBlocks];
  if (d.layout.kind == Layout::Kind::Codebook) {
    halfIndices(codes, bits, half, /*indexBits=*/0, v);
    TQ_UNROLL for (int i = 0; i < 8; ++i) Isa::expand(bits == 3 && i >= 6 ? d.second : d.table, v[i], out[i]);
  } else {
    halfCodes(codes, bits, half, v);
    TQ_UNROLL for (int i = 0; i < 8; ++i) Isa::expandCodes(v[i], out[i]);
  }
}

TQ_UK_FN f32x16 vectorI16(const uint8_t *w, const WordDecoder &d, Activation<int16_t> x, int64_t k, int32_t sumGroup) {
  const Layout l = d.layout;
  const bool affine = l.kind == Layout::Kind::Affine;
  f32x16 y = 0.0f;
  TQ_NO_UNROLL for (int64_t c = 0; c < k; c += kSuperCols, w += l.superBytes()) {
    prefetchAhead(w, l.superBytes());
    TQ_UNROLL for (int g = 0; g < 2; ++g) {
      const Super s = superHalf(w, l, g);
      const int64_t c0 = c + g * kGroupCols;
      const float scaleX = x.scale[c0 / kGroupCols];
      alignas(64) int16_t buffer[kGroupCols];
      const int16_t *q = Isa::arrange(x.q + c0, buffer);
      Isa::WordSum acc = Isa::zeroWords();
      TQ_UNROLL for (int h = 0; h < 2; ++h) {
        s16x32 v[kHalfBlocks][2];
        halfWords(d, s.codes, h, v);
        TQ_UNROLL for (int i = 0; i < kHalfBlocks; ++i) {
          const int kb = h * kHalfBlocks + i;
          acc = Isa::addWords(acc, v[i], q + kb * 4, i);
          if ((kb + 1) * 4 % l.group == 0) {
            const int64_t at = kb * 4 / l.group * kBlockRows * 2;
            f32x16 scale = loadScales(s.scales + at) * d.step;
            y = fma(__builtin_convertvector(Isa::wordSum(acc), f32x16), scale * scaleX, y);
            if (affine) {
              const int32_t sum = groupSum(x.sum, c0 + kb * 4 / l.group * l.group, l.group, sumGroup);
              y = fma(loadScales(s.biases + at), f32x16(scaleX * (float)sum), y);
            }
            acc = Isa::zeroWords();
          }
        }
      }
    }
  }
  return y;
}

template <int M, int N>
TQ_UK_FN void tileI16(Panel<int16_t> panel, const WordDecoder &d, const char *x, int64_t xRowBytes, int64_t k,
                      int64_t c0, int64_t cols, int32_t sumGroup, int64_t nb, int64_t b0, float *y) {
  const Layout l = d.layout;
  TQ_NO_UNROLL for (int64_t s = 0; s < cols / l.group; ++s) {
    const int64_t c = c0 + s * l.group;
    const int16_t *w = panel.weights + 32 * panelIndex<N>(s * l.group / 64, 32, s * l.group % 64 / 2, nb, b0);
    const char *q = x + c * 2;
    i32x16 acc[M][N];
    TQ_UNROLL for (int t = 0; t < M; ++t) TQ_UNROLL for (int n = 0; n < N; ++n) acc[t][n] = i32x16(0);
    TQ_NO_UNROLL for (int kp = 0; kp < l.group / 2; kp += 2, w += 2 * N * 32, q += 8) {
      TQ_UNROLL for (int j = 0; j < 2; ++j) {
        s16x32 v[N];
        TQ_UNROLL for (int n = 0; n < N; ++n) v[n] = load<s16x32>(w + (j * N + n) * 32);
        TQ_UNROLL for (int t = 0; t < M; ++t) {
          const i32x16 xt = broadcast32(q + t * xRowBytes + j * 4);
          TQ_UNROLL for (int n = 0; n < N; ++n) acc[t][n] = Isa::dotPair(acc[t][n], v[n], xt);
        }
      }
    }
    TQ_UNROLL for (int n = 0; n < N; ++n) {
      const int64_t at = (s * nb + b0 + n) * kBlockRows;
      const f32x16 scale = load<f32x16>(panel.scales + at);
      TQ_UNROLL for (int t = 0; t < M; ++t) {
        const Activation<int16_t> a = activation<int16_t>(x + t * xRowBytes, k);
        const bool affine = l.kind == Layout::Kind::Affine;
        addScaled(y + t * TQ_TILE_STRIDE + n * 16, __builtin_convertvector(acc[t][n], f32x16), scale,
                  a.scale[c / kGroupCols], affine, panel.biases + at,
                  affine ? groupSum(a.sum, c, l.group, sumGroup) : 0);
      }
    }
  }
}

template <int N>
TQ_UK_FN void matrixI16(const uint8_t *w, const WordDecoder &d, const char *x, int64_t xRowBytes, int64_t m, int64_t k,
                        int32_t sumGroup, int64_t nb, float *tile, void *scratch) {
  const Layout l = d.layout;
  const Panel<int16_t> panel = panelIn<int16_t>(scratch, Isa::columnsI16);
  const int64_t kp = PackedActivation::padded(k);
  clearTile(tile, m, nb);
  for (int64_t c0 = 0; c0 < kp; c0 += Isa::columnsI16) {
    const int64_t cols = kp - c0 < Isa::columnsI16 ? kp - c0 : Isa::columnsI16;
    TQ_NO_UNROLL for (int64_t b = 0; b < nb; ++b) {
      const uint8_t *super = w + b * l.rowBlockBytes(k) + c0 / kSuperCols * l.superBytes();
      TQ_NO_UNROLL for (int64_t c = 0; c < cols; c += kSuperCols, super += l.superBytes()) {
        prefetchAhead(super, l.superBytes());
        TQ_NO_UNROLL for (int g = 0; g < 2; ++g) {
          const Super s = superHalf(super, l, g);
          panelScales(panel, s, l, d.step, c + g * kGroupCols, nb, b);
          int16_t *out = panel.weights + 32 * panelIndex<N>(c / kGroupCols + g, 32, 0, nb, b);
          TQ_UNROLL for (int h = 0; h < 2; ++h) {
            s16x32 v[kHalfBlocks][2];
            halfWords(d, s.codes, h, v);
            TQ_UNROLL for (int i = 0; i < kHalfBlocks; ++i) {
              int16_t *at = out + (h * kHalfBlocks + i) * 2 * N * 32;
              Isa::storePairs(v[i], at, at + N * 32);
            }
          }
        }
      }
    }
    forTokens<Isa::tokensI16>(0, m, [&]<int M>(int64_t t) __attribute__((always_inline)) {
      TQ_NO_UNROLL for (int64_t b = 0; b < nb; b += N) tileI16<M, N>(
          panel, d, x + t * xRowBytes, xRowBytes, k, c0, cols, sumGroup, nb, b, tile + t * TQ_TILE_STRIDE + b * 16);
    });
  }
}

TQ_UK_FN void linearI16(const void *w, const void *levels, const void *x, int64_t xRowBytes, int64_t m, int64_t k,
                        int32_t kind, int32_t bits, int32_t group, int32_t sumGroup, int64_t nb, float *tile,
                        void *scratch) {
  const WordDecoder d = wordDecoder(levels, kind, bits, group);
  if (m == 1) {
    TQ_NO_UNROLL for (int64_t b = 0; b < nb; ++b)
        store(tile + b * 16,
              vectorI16((const uint8_t *)w + b * d.layout.rowBlockBytes(k), d, activation<int16_t>(x, k), k, sumGroup));
  } else if (nb == Isa::panelBlocks) {
    matrixI16<Isa::panelBlocks>((const uint8_t *)w, d, (const char *)x, xRowBytes, m, k, sumGroup, nb, tile, scratch);
  } else {
    matrixI16<1>((const uint8_t *)w, d, (const char *)x, xRowBytes, m, k, sumGroup, nb, tile, scratch);
  }
}

//===-- f32 ---------------------------------------------------------------------------------------------------===//

struct FloatDecoder {
  Layout layout;
  Isa::FloatTable table;
};
TQ_UK_FN FloatDecoder floatDecoder(const void *levels, int32_t kind, int32_t bits, int32_t group) {
  alignas(64) static constexpr float none[16] = {};
  return {{Layout::Kind(kind), bits, group},
          Isa::floatTable(isCodebook(kind) ? ((const LevelTable *)levels)->f32 : none)};
}

/// TurboQuant defines a value as the f16 nearest to level * scale; leaving the rounding out moves logits by 1e-2.
TQ_UK_FN f32x16 roundToF16(f32x16 v) { return __builtin_convertvector(__builtin_convertvector(v, f16x16), f32x16); }

/// Column `column` (0..3) of a k-block of exact codes.
TQ_UK_FN f32x16 floatWeight(const FloatDecoder &d, u8x64 codes, int column, f32x16 scale, f32x16 bias) {
  i32x16 code = (i32x16)((u32x16)codes >> (uint32_t)(8 * column));
  if (d.layout.kind == Layout::Kind::Codebook)
    return roundToF16(Isa::lookup(d.table, code, d.layout.bits < 4) * scale);
  return fma(__builtin_convertvector(code & 0xff, f32x16), scale, bias);
}

/// A dense element as f32; p points to 16 rows of one column.
TQ_UK_FN f32x16 denseWeight(const uint8_t *p, Layout::Kind kind) {
  if (kind == Layout::Kind::DenseF32)
    return load<f32x16>(p);
  if (kind == Layout::Kind::DenseF16)
    return loadWiden((const _Float16 *)p);
  return (f32x16)(__builtin_convertvector(load<u16x16>(p), u32x16) << 16u);
}

/// Unpacks 64 columns of codes to one byte vector per k-block.
TQ_UK_FN void unpackCodes(const uint8_t *codes, int32_t bits, uint8_t *out) {
  TQ_UNROLL for (int h = 0; h < 2; ++h) {
    u8x64 v[kHalfBlocks];
    halfCodes(codes, bits, h, v);
    TQ_UNROLL for (int i = 0; i < kHalfBlocks; ++i) store(out + (h * kHalfBlocks + i) * 64, v[i]);
  }
}

/// N row blocks x one token: N chains side by side, since one fma waits 4 cycles for the one before.
template <int N> TQ_UK_FN void vectorF32(const uint8_t *w, const FloatDecoder &d, const float *x, int64_t k, float *y) {
  const Layout l = d.layout;
  const int64_t stride = l.rowBlockBytes(k);
  f32x16 acc[N];
  TQ_UNROLL for (int n = 0; n < N; ++n) acc[n] = f32x16(0.0f);
  if (l.isDense()) {
    const int64_t step = kBlockRows * l.denseBytes();
#pragma clang loop unroll_count(4)
    for (int64_t c = 0; c < k; ++c)
      TQ_UNROLL for (int n = 0; n < N; ++n) {
        const uint8_t *p = w + n * stride + c * step;
        if (step == 64 || c % 2 == 0)
          prefetchLine(p);
        acc[n] = fma(denseWeight(p, l.kind), f32x16(x[c]), acc[n]);
      }
  } else {
    alignas(64) uint8_t codes[N][kBlockRows * kGroupCols];
    TQ_NO_UNROLL for (int64_t c0 = 0; c0 < k; c0 += kGroupCols) {
      const int half = int(c0 / kGroupCols % 2);
      Super s[N];
      TQ_UNROLL for (int n = 0; n < N; ++n) {
        const uint8_t *super = w + n * stride + c0 / kSuperCols * l.superBytes();
        s[n] = superHalf(super, l, half);
        prefetchAhead(half ? s[n].codes : super, half ? l.groupBytes() : l.headerBytes() + l.groupBytes());
        unpackCodes(s[n].codes, l.bits, codes[n]);
      }
      const int64_t cols = k - c0 < kGroupCols ? k - c0 : kGroupCols;
      TQ_NO_UNROLL for (int64_t g = 0; g < cols; g += l.group) {
        const int64_t end = cols - g < l.group ? cols - g : l.group;
        f32x16 scale[N], bias[N];
        TQ_UNROLL for (int n = 0; n < N; ++n) {
          scale[n] = loadScales(s[n].scales + g / l.group * kBlockRows * 2);
          bias[n] = l.kind == Layout::Kind::Affine ? loadScales(s[n].biases + g / l.group * kBlockRows * 2) : 0.0f;
        }
        TQ_NO_UNROLL for (int64_t c = 0; c < end; c += 4) {
          u8x64 v[N];
          TQ_UNROLL for (int n = 0; n < N; ++n) v[n] = load<u8x64>(codes[n] + (g + c) * 16);
          TQ_UNROLL for (int j = 0; j < 4; ++j) if (c + j < end) TQ_UNROLL for (int n = 0; n < N; ++n) acc[n] =
              fma(floatWeight(d, v[n], j, scale[n], bias[n]), f32x16(x[c0 + g + c + j]), acc[n]);
        }
      }
    }
  }
  TQ_UNROLL for (int n = 0; n < N; ++n) store(y + n * 16, acc[n]);
}

/// M tokens x N row blocks over a panel [cols][N][16] that starts at x. The chain goes on from y.
template <int M, int N>
TQ_UK_FN void tileF32(const float *panel, const char *x, int64_t xRowBytes, int64_t cols, float *y) {
  f32x16 acc[M][N];
  TQ_UNROLL for (int t = 0; t < M; ++t) TQ_UNROLL for (int n = 0; n < N; ++n) acc[t][n] =
      load<f32x16>(y + t * TQ_TILE_STRIDE + n * 16);
#pragma clang loop unroll_count(2)
  for (int64_t c = 0; c < cols; ++c, x += 4) {
    f32x16 v[N];
    TQ_UNROLL for (int n = 0; n < N; ++n) v[n] = load<f32x16>(panel + (c * N + n) * 16);
    TQ_UNROLL for (int t = 0; t < M; ++t) {
      const f32x16 xt = *(const float *)(x + t * xRowBytes);
      TQ_UNROLL for (int n = 0; n < N; ++n) acc[t][n] = fma(v[n], xt, acc[t][n]);
    }
  }
  TQ_UNROLL for (int t = 0; t < M; ++t) TQ_UNROLL for (int n = 0; n < N; ++n)
      store(y + t * TQ_TILE_STRIDE + n * 16, acc[t][n]);
}

template <int N>
TQ_UK_FN void matrixF32(const uint8_t *w, const FloatDecoder &d, const char *x, int64_t xRowBytes, int64_t m, int64_t k,
                        int64_t nb, float *tile, void *scratch) {
  const Layout l = d.layout;
  float *panel = (float *)scratch;
  alignas(64) uint8_t codes[kBlockRows * kGroupCols];
  clearTile(tile, m, nb);
  for (int64_t c0 = 0; c0 < k; c0 += Isa::columnsF32) {
    const int64_t cols = k - c0 < Isa::columnsF32 ? k - c0 : Isa::columnsF32;
    // [nb / N][columns][N][16]
    TQ_NO_UNROLL for (int64_t b = 0; b < nb; ++b) {
      const uint8_t *block = w + b * l.rowBlockBytes(k);
      float *out = panel + (b / N * Isa::columnsF32 * N + b % N) * 16;
      if (l.isDense()) {
        const int64_t step = kBlockRows * l.denseBytes();
        TQ_NO_UNROLL for (int64_t c = 0; c < cols; ++c) {
          keepLoop();
          if (step == 64 || c % 2 == 0)
            prefetchLine(block + (c0 + c) * step);
          store(out + c * N * 16, denseWeight(block + (c0 + c) * step, l.kind));
        }
        continue;
      }
      TQ_NO_UNROLL for (int64_t c = 0; c < cols; c += kGroupCols) {
        const uint8_t *super = block + (c0 + c) / kSuperCols * l.superBytes();
        const int half = int((c0 + c) / kGroupCols % 2);
        const Super s = superHalf(super, l, half);
        prefetchAhead(half ? s.codes : super, half ? l.groupBytes() : l.headerBytes() + l.groupBytes());
        unpackCodes(s.codes, l.bits, codes);
        // Whole groups: columns of the padding are decoded too and not read.
        TQ_NO_UNROLL for (int64_t g = 0; g < kGroupCols; g += l.group) {
          const f32x16 scale = loadScales(s.scales + g / l.group * kBlockRows * 2);
          const f32x16 bias =
              l.kind == Layout::Kind::Affine ? loadScales(s.biases + g / l.group * kBlockRows * 2) : 0.0f;
          TQ_NO_UNROLL for (int64_t j = 0; j < l.group; j += 4) {
            const u8x64 v = load<u8x64>(codes + (g + j) * 16);
            TQ_UNROLL for (int i = 0; i < 4; ++i)
                store(out + (c + g + j + i) * N * 16, floatWeight(d, v, i, scale, bias));
          }
        }
      }
    }
    forTokens<Isa::tokensF32>(0, m, [&]<int M>(int64_t t) __attribute__((always_inline)) {
      TQ_NO_UNROLL for (int64_t b = 0; b < nb; b += N)
          tileF32<M, N>(panel + b * Isa::columnsF32 * 16, x + t * xRowBytes + c0 * 4, xRowBytes, cols,
                        tile + t * TQ_TILE_STRIDE + b * 16);
    });
  }
}

TQ_UK_FN void linearF32(const void *w, const void *levels, const float *x, int64_t xRowBytes, int64_t m, int64_t k,
                        int32_t kind, int32_t bits, int32_t group, int64_t nb, float *tile, void *scratch) {
  const FloatDecoder d = floatDecoder(levels, kind, bits, group);
  const uint8_t *weights = (const uint8_t *)w;
  if (m == 1) {
    if (nb == 4)
      vectorF32<4>(weights, d, x, k, tile);
    else
      TQ_NO_UNROLL for (int64_t b = 0; b < nb; ++b)
          vectorF32<1>(weights + b * d.layout.rowBlockBytes(k), d, x, k, tile + b * 16);
  } else if (nb == Isa::panelBlocks) {
    matrixF32<Isa::panelBlocks>(weights, d, (const char *)x, xRowBytes, m, k, nb, tile, scratch);
  } else {
    matrixF32<1>(weights, d, (const char *)x, xRowBytes, m, k, nb, tile, scratch);
  }
}

/// One row of a weight; only embeddings need it, so 15 of 16 decoded rows may be thrown away.
TQ_UK_FN void decodeRow(const void *w, const void *levels, int64_t row, int64_t k, int32_t kind, int32_t bits,
                        int32_t group, float *out) {
  const FloatDecoder d = floatDecoder(levels, kind, bits, group);
  const Layout l = d.layout;
  const uint8_t *block = (const uint8_t *)w + row / kBlockRows * l.rowBlockBytes(k);
  const int64_t lane = row % kBlockRows;
  alignas(64) uint8_t codes[kBlockRows * kGroupCols];
  alignas(64) float values[kBlockRows];
  if (l.isDense()) {
    TQ_NO_UNROLL for (int64_t c = 0; c < k; ++c) {
      store(values, denseWeight(block + c * kBlockRows * l.denseBytes(), l.kind));
      out[c] = values[lane];
    }
    return;
  }
  TQ_NO_UNROLL for (int64_t c = 0; c < k; ++c) {
    keepLoop();
    const Super s = superHalf(block + c / kSuperCols * l.superBytes(), l, int(c / kGroupCols % 2));
    const int64_t at = c % kGroupCols / l.group * kBlockRows * 2;
    if (c % kGroupCols == 0)
      unpackCodes(s.codes, l.bits, codes);
    if (c % l.group == 0)
      store(values, loadScales(s.scales + at));
    const float scale = values[lane];
    const int32_t code = codes[c % kGroupCols / 4 * 64 + lane * 4 + c % 4];
    if (isCodebook(kind)) {
      out[c] = (float)(_Float16)(((const LevelTable *)levels)->f32[code] * scale);
    } else {
      alignas(64) float biases[kBlockRows];
      store(biases, loadScales(s.biases + at));
      out[c] = __builtin_fmaf((float)code, scale, biases[lane]);
    }
  }
}

} // namespace
} // namespace tq::uk

//===-- Entry points ------------------------------------------------------------------------------------------===//

extern "C" {

TQ_UK_INLINE void TQ_UK(linear_f32)(const void *w, const void *levels, const float *x, int64_t xRowBytes, int64_t m,
                                    int64_t k, int32_t kind, int32_t bits, int32_t group, int64_t nb, float *tile,
                                    void *scratch) {
  tq::uk::linearF32(w, levels, x, xRowBytes, m, k, kind, bits, group, nb, tile, scratch);
}

TQ_UK_INLINE void TQ_UK(linear_i8)(const void *w, const void *levels, const void *x, int64_t xRowBytes, int64_t m,
                                   int64_t k, int32_t kind, int32_t bits, int32_t group, int32_t sumGroup, int64_t nb,
                                   float *tile, void *scratch) {
  tq::uk::linearI8(w, levels, x, xRowBytes, m, k, kind, bits, group, sumGroup, nb, tile, scratch);
}

TQ_UK_INLINE void TQ_UK(linear_i16)(const void *w, const void *levels, const void *x, int64_t xRowBytes, int64_t m,
                                    int64_t k, int32_t kind, int32_t bits, int32_t group, int32_t sumGroup, int64_t nb,
                                    float *tile, void *scratch) {
  tq::uk::linearI16(w, levels, x, xRowBytes, m, k, kind, bits, group, sumGroup, nb, tile, scratch);
}

TQ_UK_INLINE void TQ_UK(decode_row)(const void *w, const void *levels, int64_t row, int64_t k, int32_t kind,
                                    int32_t bits, int32_t group, float *out) {
  tq::uk::decodeRow(w, levels, row, k, kind, bits, group, out);
}
}
#endif
