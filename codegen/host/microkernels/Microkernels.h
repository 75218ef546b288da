//===- Microkernels.h - Inner blocks of host kernels ------------*- C++ -*-===//
//
// Small always-inline functions with C linkage. Each instruction set has one .cpp that defines all of them; it is built
// to bitcode together with tq, embedded in tq-compile, linked into the generated kernels, and specialised there: every
// size below arrives as a constant, so branches on `kind`, `bits` or `group` fold. Loops over tasks, pointwise prologues
// and epilogues stay in MLIR and fuse through the inlined call.
//
// No libc, no exceptions, no global constructors, no static tables that need relocation beyond PC-relative ones.
// Natively (tests, benchmarks) the same file is compiled with TQ_UK_SUFFIX=_avx2 etc.; bitcode has no suffix.
//
// Exactness (f32): an output must not depend on m (how many tokens are processed together) to the bit. Hence the order
// of every floating-point reduction is fixed in the comments below; integer reductions are free.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_H
#define TQ_CODEGEN_HOST_MICROKERNELS_H

#include "dialect/encodings/Layout.h"
#include <cstdint>

#ifndef TQ_UK_SUFFIX
#define TQ_UK_SUFFIX
#endif
#define TQ_UK_CAT2(a, b) a##b
#define TQ_UK_CAT(a, b) TQ_UK_CAT2(a, b)
#define TQ_UK(name) TQ_UK_CAT(tq_##name, TQ_UK_SUFFIX)
/// Definitions: extern "C" TQ_UK_INLINE void TQ_UK(linear_f32)(...) {...}
#define TQ_UK_INLINE __attribute__((always_inline, visibility("hidden")))

/// Row blocks in one linear task (64 rows), and the row stride in floats of its output tile.
#define TQ_LINEAR_BLOCKS 4
#define TQ_TILE_STRIDE 64
/// Tokens in one prefill attention task.
#define TQ_SDPA_TOKENS 8

extern "C" {

//===-- Linear ------------------------------------------------------------------------------------------------===//
// tile[t * 64 + r] = sum over c of W[r, c] * x[t, c], r < nb * 16 (nb <= 4 row blocks from `w` on), t < m.
//   w        first row block; blocks are Layout{kind,bits,group}.rowBlockBytes(k) apart (see Layout.h)
//   levels   LevelTable of a codebook, else null
//   x        row t starts at x + t * xRowBytes (multiple of 64 for packed activations, of 4 for f32)
//   tile     [m][64] f32, 64-byte aligned
//   scratch  linearScratchBytes(...) bytes, 64-byte aligned, private to the worker (null if 0)
// kind = Layout::Kind. k = logical columns, the same for all tokens.
//
// f32: one chain of fused multiply-adds per output over ascending c, starting from 0. The weight is the f32 value of a
// dense element, or of level * scale rounded to f16 (codebook), fma(code, scale, bias) (affine), rounded once.
void TQ_UK(linear_f32)(const void *w, const void *levels, const float *x, int64_t xRowBytes, int64_t m, int64_t k,
                       int32_t kind, int32_t bits, int32_t group, int64_t nb, float *tile, void *scratch);
// Integer activations: PackedActivation rows. Quantised layouts only. Per scale group: exact int32 dot product, then
// acc = fma(float(dot - offset * sum), scale_w * scale_x, acc) in ascending order of groups (affine adds bias * scale_x * sum).
void TQ_UK(linear_i8)(const void *w, const void *levels, const void *x, int64_t xRowBytes, int64_t m, int64_t k,
                      int32_t kind, int32_t bits, int32_t group, int32_t sumGroup, int64_t nb, float *tile,
                      void *scratch);
void TQ_UK(linear_i16)(const void *w, const void *levels, const void *x, int64_t xRowBytes, int64_t m, int64_t k,
                       int32_t kind, int32_t bits, int32_t group, int32_t sumGroup, int64_t nb, float *tile,
                       void *scratch);

// out[c] = value of W[row, c] in f32 (as in linear_f32), c < k; `w` is the first row block of the whole weight.
void TQ_UK(decode_row)(const void *w, const void *levels, int64_t row, int64_t k, int32_t kind, int32_t bits,
                       int32_t group, float *out);

//===-- Rows --------------------------------------------------------------------------------------------------===//
// One row of n floats each; x and y may be the same pointer (not otherwise overlapping). n >= 1, any value.
// y = w * x * rsqrt(mean(x^2) + eps); w may be null (all ones). 1/sqrt is exact (division and square root).
void TQ_UK(rms_norm)(const float *x, const float *w, float *y, int64_t n, float eps);
// Forward: y = H (signs * x) per block; inverse: y = signs * (H^T x). H = H_m (x) H_{2^k} / sqrt(block), index
// = m-index * 2^k + 2^k-index, m the first of 1, 12, 20, 28 with block / m a power of two; the tables are Sloane's as
// MLX uses them. `signs` is n floats of +-1, or null. block divides n. scratch: `block` floats.
void TQ_UK(rotate)(const float *x, const float *signs, float *y, int64_t n, int64_t block, int32_t inverse,
                   float *scratch);
// PackedActivation rows; groups of 64, scale = max|x| / 127 (or 8191), round to nearest even; pads with zeros.
void TQ_UK(quantize_i8)(const float *x, int64_t n, int32_t sumGroup, void *out);
void TQ_UK(quantize_i16)(const float *x, int64_t n, int32_t sumGroup, void *out);
// cos/sin of pos * invFreq[i] (the f32 product, as the reference), times `factor`; i < n.
void TQ_UK(rope_table)(int32_t pos, const float *invFreq, int64_t n, float factor, float *cos, float *sin);
// Rotates `heads` vectors of d floats, x[h * d ..]; the first 2n dims of each are rotated, half-split pairs (i, i + n).
void TQ_UK(rope)(const float *x, const float *cos, const float *sin, float *y, int64_t heads, int64_t d, int64_t n);

//===-- Attention over paged KV -------------------------------------------------------------------------------===//
// Pages as Layout.h has them, of kvPageElements(heads, dk, dv) elements: f16 (kind 1) or f32 (kind 0). Those of tokens
// never appended may hold anything, finite or not.
void TQ_UK(kv_append)(const float *k, const float *v, void *pool, const int32_t *pageTable, int32_t pos, int64_t heads,
                      int64_t dk, int64_t dv, int32_t kind);
// One split: keys [begin, end), end - begin <= 256, begin a multiple of 256. m tokens (positions pos .. pos + m - 1) times r
// query heads that share KV head `kvHead`; q of token t, head h: q + t * qTokenStride + h * dk (floats). A key j is visible to
// token position p iff j <= p and (window == 0 or p - j < window).
// partial of (t, h): partial + (t * r + h) * sdpaPartialFloats(dv): unnormalised o, max (-inf if no key visible), sum.
// scale > 0. The result of one (t, h) must not depend on m or r: all scores of the split, one softmax over them, then
// values in ascending order of keys.
void TQ_UK(sdpa_split)(const float *q, int64_t qTokenStride, int64_t m, int64_t r, const void *pool,
                       const int32_t *pageTable, int64_t kvHead, int64_t heads, int64_t dk, int64_t dv, int32_t kind,
                       int32_t pos, int32_t begin, int32_t end, int32_t window, float scale, float *partial,
                       void *scratch);
// acc <- merge(acc, part), one (token, head) each; acc with max = -inf and sum = 0 is the neutral element.
void TQ_UK(sdpa_merge)(float *acc, const float *part, int64_t dv);
// out[i] = o[i] / sum, i < dv.
void TQ_UK(sdpa_finish)(const float *acc, float *out, int64_t dv);
}

namespace tq {
/// Upper bounds for all instruction sets, layouts and activations.
/// m = 1 needs none; otherwise a decoded panel of 64 rows (at most 4 bytes an element) and working tiles.
constexpr int64_t linearScratchBytes(int64_t k, int64_t m) {
  return m <= 1 ? 0 : 64 * ((k + 127) / 128 * 128) * 4 + m * PackedActivation::rowBytes(k, 4, 16) / 4 + 65536;
}
/// Per row 256 probabilities and a packed query; two lane groups of K or V widened to f32.
constexpr int64_t sdpaScratchBytes(int64_t m, int64_t r, int64_t dk) {
  return (m * r * (kSplitKeys + dk) + 32 * (dk > kPageTokens ? dk : kPageTokens)) * 4;
}
} // namespace tq
#endif
