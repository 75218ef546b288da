//===- LinearI8.h - Products of packed weights and int8 activations *- C++ -*-===//
//
// See Linear.h.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_LINEARI8_H
#define TQ_CODEGEN_HOST_MICROKERNELS_LINEARI8_H

#include "codegen/host/microkernels/Panel.h"

namespace tq::uk {
namespace {

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

template <int N>
TQ_UK_FN void matrixI8(const uint8_t *w, const ByteDecoder &d, const char *x, int64_t xRowBytes, int64_t m, int64_t k,
                       int32_t sumGroup, int64_t nb, float *tile, void *scratch) {
  const Panel<uint8_t> panel = panelIn<uint8_t>(scratch, Isa::columnsI8);
  const int64_t kp = PackedActivation::padded(k);
  clearTile(tile, m, nb);
  for (int64_t c0 = 0; c0 < kp; c0 += Isa::columnsI8) {
    const int64_t cols = kp - c0 < Isa::columnsI8 ? kp - c0 : Isa::columnsI8;
    fillPanel<N>(panel, w, d.layout, d.step, k, c0, cols, nb,
                 [&](const uint8_t *codes, int h, uint8_t *out) __attribute__((always_inline)) {
                   u8x64 v[kHalfBlocks];
                   halfBytes(d, codes, h, v);
                   TQ_UNROLL for (int i = 0; i < kHalfBlocks; ++i) store(out + i * N * 64, v[i]);
                 });
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

} // namespace
} // namespace tq::uk
#endif
