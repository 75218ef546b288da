//===- LinearF32.h - Products of packed or dense weights and f32 activations *- C++ -*-===//
//
// See Linear.h. The path that is exact, and the only one of dense weights.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_LINEARF32_H
#define TQ_CODEGEN_HOST_MICROKERNELS_LINEARF32_H

#include "codegen/host/microkernels/Panel.h"

namespace tq::uk {
namespace {

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
#endif
