//===- LinearI16.h - Products of packed weights and int16 activations *- C++ -*-===//
//
// See Linear.h.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_LINEARI16_H
#define TQ_CODEGEN_HOST_MICROKERNELS_LINEARI16_H

#include "codegen/host/microkernels/Panel.h"

namespace tq::uk {
namespace {

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
  const Panel<int16_t> panel = panelIn<int16_t>(scratch, Isa::columnsI16);
  const int64_t kp = PackedActivation::padded(k);
  clearTile(tile, m, nb);
  for (int64_t c0 = 0; c0 < kp; c0 += Isa::columnsI16) {
    const int64_t cols = kp - c0 < Isa::columnsI16 ? kp - c0 : Isa::columnsI16;
    fillPanel<N>(panel, w, d.layout, d.step, k, c0, cols, nb,
                 [&](const uint8_t *codes, int h, int16_t *out) __attribute__((always_inline)) {
                   s16x32 v[kHalfBlocks][2];
                   halfWords(d, codes, h, v);
                   TQ_UNROLL for (int i = 0; i < kHalfBlocks; ++i) {
                     int16_t *at = out + i * 2 * N * 32;
                     Isa::storePairs(v[i], at, at + N * 32);
                   }
                 });
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

} // namespace
} // namespace tq::uk
#endif
