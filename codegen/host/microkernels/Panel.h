//===- Panel.h - Packed activations, and weights decoded to the L1 *- C++ -*-===//
//
// What the products of integers and of floats share: the activations of a token, panels of at most 64 rows, output tiles.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_PANEL_H
#define TQ_CODEGEN_HOST_MICROKERNELS_PANEL_H

#include "codegen/host/microkernels/Codes.h"

namespace tq::uk {
namespace {

/// Calls body<tokens>(first token) for tiles of at most M tokens, then smaller ones.
template <int M, typename Body> TQ_UK_FN void forTokens(int64_t t, int64_t m, Body body) {
  for (; t + M <= m; t += M)
    body.template operator()<M>(t);
  if constexpr (M > 1)
    forTokens<(M > 4 ? 4 : M > 2 ? 2 : 1)>(t, m, body);
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

/// Decodes columns [c0, c0 + cols) of nb blocks into the panel: decode(codes, h, out) writes the k-blocks of half h of 64
/// columns, sizeof(T) vectors of 64 bytes for each, N vectors apart.
template <int N, typename T, typename Decode>
TQ_UK_FN void fillPanel(Panel<T> panel, const uint8_t *w, const Layout &l, float step, int64_t k, int64_t c0,
                        int64_t cols, int64_t nb, Decode decode) {
  constexpr int64_t lanes = 64 / sizeof(T), perGroup = kGroupCols / 4 * sizeof(T);
  TQ_NO_UNROLL for (int64_t b = 0; b < nb; ++b) {
    const uint8_t *super = w + b * l.rowBlockBytes(k) + c0 / kSuperCols * l.superBytes();
    TQ_NO_UNROLL for (int64_t c = 0; c < cols; c += kSuperCols, super += l.superBytes()) {
      prefetchAhead(super, l.superBytes());
      TQ_NO_UNROLL for (int g = 0; g < 2; ++g) {
        const Super s = superHalf(super, l, g);
        panelScales(panel, s, l, step, c + g * kGroupCols, nb, b);
        T *out = panel.weights + lanes * panelIndex<N>(c / kGroupCols + g, perGroup, 0, nb, b);
        TQ_UNROLL for (int h = 0; h < 2; ++h) decode(s.codes, h, out + h * perGroup / 2 * N * lanes);
      }
    }
  }
}

/// y += the scaled dot products of a scale group, for one token and 16 rows.
TQ_UK_FN void addScaled(float *y, f32x16 dot, f32x16 scale, float scaleX, bool affine, const float *bias, int32_t sum) {
  f32x16 v = fma(dot, scale * scaleX, load<f32x16>(y));
  if (affine)
    v = fma(load<f32x16>(bias), f32x16(scaleX * (float)sum), v);
  store(y, v);
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

} // namespace
} // namespace tq::uk
#endif
