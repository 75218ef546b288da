//===- Attention.h - Attention over a paged KV cache ------------*- C++ -*-===//
//
// Scores and outputs are the same small product, c[row][lane] += a[row][i] * b[i][lane]: 16 keys or 16 value dims in
// the lanes, one row for each (token, head) that shares the KV head, so that one load of K or V serves a whole tile.
// Per split of 256 keys: scores of its 4 pages, one softmax, values. Probabilities stay in L1 (one token) or L2, o lives in
// the partial result.
//
// The result of a row never depends on its neighbours: a score is one chain of fma over ascending dims, an output one
// chain over ascending visible keys, and a key that a row does not see is skipped rather than multiplied by 0, since
// the slot may hold an infinity.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_ATTENTION_H
#define TQ_CODEGEN_HOST_MICROKERNELS_ATTENTION_H

#include "codegen/host/microkernels/Microkernels.h"
#include "codegen/host/microkernels/Vector.h"

namespace tq::uk {

/// Rows of the largest tile. AVX2: four rows of 16 lanes are 8 accumulators, just latency (4) times throughput (2) of
/// fma.
inline constexpr int kTileRows = kNativeLanes == 16 ? 8 : 4;

/// Registers of one row of a tile with R rows; 16 / kNativeLanes of them make a lane group.
template <int R>
inline constexpr int kTileWidth = [] {
  int accumulators = kVectorRegisters / 2, width = 1;
  while (2 * width * R <= accumulators && width * kNativeLanes < 64)
    width *= 2;
  return width;
}();

/// Lane groups that are widened to f32 together.
inline constexpr int kWideGroups = kNativeLanes == 16 ? 2 : 1;

/// Everything about one split that its stages share.
template <typename T> struct Split {
  int64_t m, r, dk, dvp, partialStride;
  int32_t pos, end, window;
  float scale;
  const float *q; ///< [m * r][dk]
  float *partial; ///< [m * r][partialStride]: o | max of q . k
  float *p;       ///< [m * r][256] q . k, then probabilities
  float *wide;    ///< [kWideGroups][max(dk, 64)][16] widened b
};

TQ_UK_FN int32_t clampToPage(int32_t key) { return key < 0 ? 0 : key > kPageTokens ? kPageTokens : key; }

/// Token t sees the keys [firstKey, lastKey) of the page that starts with key `base`, both relative to it.
template <typename T> TQ_UK_FN int32_t firstKey(const Split<T> &s, int64_t t, int32_t base) {
  return s.window ? clampToPage(int32_t(s.pos + t) - s.window + 1 - base) : 0;
}
template <typename T> TQ_UK_FN int32_t lastKey(const Split<T> &s, int64_t t, int32_t base) {
  int32_t last = int32_t(s.pos + t) + 1;
  return clampToPage((last < s.end ? last : s.end) - base);
}

/// What a tile fetches to L2 for the next page, whose address is random (hardware prefetch stops at 4 KB): `step` bytes
/// in each step of its loop. In a burst they would block the line fill buffers for the loads.
struct Ahead {
  const char *line;
  int64_t step, mask; ///< bytes; if less than a line, one line when (i & mask) == 0
};

/// The tile at `row`, which reads `bytes` of T in steps of `width` elements, fetches as much; of several tiles the
/// first two share the work.
template <typename T> TQ_UK_FN Ahead aheadOf(const T *next, int64_t bytes, int64_t width, int64_t row, int64_t rows) {
  const char *line = reinterpret_cast<const char *>(next);
  int64_t step = width * int64_t(sizeof(T));
  if (rows > kTileRows) {
    line += row == kTileRows ? bytes / 2 : 0;
    step = row <= kTileRows ? step / 2 : 0;
  }
  return {line, step, step > 0 && step < 64 ? 64 / step - 1 : 0};
}

/// A product c[row][lane] (+)= sum over i in [0, n) of a[row][i] * b[i][lane], ascending i, lanes in groups of 16.
template <typename T> struct Product {
  const float *a; ///< [rows][aStride]
  const T *b;     ///< [groups][bStride / 16][16]
  const T *next;  ///< where the next page has what is at b
  float *c;       ///< [rows][cStride]
  int64_t aStride, bStride, cStride, rows, groups, n;
};

/// R rows over W registers of lanes from register `at` on. Widen: leaves b as f32 in wide[group][i][16] on the way.
template <int R, int W, bool Accumulate, bool Widen, typename T, typename U>
TQ_UK_FN void multiplyTile(const Product<T> &x, int64_t row, const U *b, int64_t bStride, int64_t at,
                           const Ahead &ahead, float *wide) {
  using Vector = float __attribute__((ext_vector_type(kNativeLanes)));
  using Stored = U __attribute__((ext_vector_type(kNativeLanes)));
  constexpr int PerGroup = 16 / kNativeLanes;
  const float *a = x.a + row * x.aStride;
  float *c = x.c + row * x.cStride + at * kNativeLanes;
  b += at / PerGroup * bStride + at % PerGroup * kNativeLanes;
  wide += at / PerGroup * x.n * 16 + at % PerGroup * kNativeLanes;
  Vector acc[R][W];
  TQ_UNROLL for (int r = 0; r < R; ++r) TQ_UNROLL for (int w = 0; w < W; ++w) acc[r][w] =
      Accumulate ? load<Vector>(c + r * x.cStride + w * kNativeLanes) : Vector(0.0f);
#pragma clang loop unroll_count(4)
  for (int64_t i = 0; i < x.n; ++i) {
    if ((i & ahead.mask) == 0)
      for (int64_t k = 0; k < ahead.step; k += 64)
        __builtin_prefetch(ahead.line + i * ahead.step + k, 0, 2);
    Vector v[W];
    TQ_UNROLL for (int w = 0; w < W; ++w) {
      int64_t group = w / PerGroup, lane = i * 16 + w % PerGroup * kNativeLanes;
      v[w] = __builtin_convertvector(load<Stored>(b + group * bStride + lane), Vector);
      if (Widen)
        store(wide + group * x.n * 16 + lane, v[w]);
    }
    TQ_UNROLL for (int r = 0; r < R; ++r) {
      Vector s = a[r * x.aStride + i];
      TQ_UNROLL for (int w = 0; w < W; ++w) acc[r][w] = fma(s, v[w], acc[r][w]);
    }
  }
  TQ_UNROLL for (int r = 0; r < R; ++r) TQ_UNROLL for (int w = 0; w < W; ++w)
      store(c + r * x.cStride + w * kNativeLanes, acc[r][w]);
}

/// R rows over all lane groups.
template <int R, bool Accumulate, bool Widen = false, typename T, typename U>
TQ_UK_FN void multiplyTiles(const Product<T> &x, int64_t row, const U *b, int64_t bStride, float *wide) {
  constexpr int W = kTileWidth<R>, PerGroup = 16 / kNativeLanes;
  int64_t registers = x.groups * PerGroup, at = 0;
  Ahead ahead = aheadOf(x.next, x.groups * x.n * 16 * int64_t(sizeof(T)), W * kNativeLanes, row, x.rows);
  for (; at + W <= registers; at += W) {
    multiplyTile<R, W, Accumulate, Widen>(x, row, b, bStride, at, ahead, wide);
    ahead.line += x.n * ahead.step;
  }
  if constexpr (W > PerGroup)
    for (; at < registers; at += PerGroup)
      multiplyTile<R, PerGroup, Accumulate, Widen>(x, row, b, bStride, at, Ahead{ahead.line, 0, 0}, wide);
}

/// All rows. With several full tiles the first one widens f16 for the others: on x86 that takes an issue slot of fma.
template <bool Accumulate, typename T> TQ_UK_FN void multiply(const Product<T> &x, float *wide) {
  int64_t row = 0, full = x.rows / kTileRows * kTileRows;
  if (sizeof(T) == 2 && full > kTileRows) {
    for (int64_t g = 0; g < x.groups; g += kWideGroups) {
      Product<T> some = x;
      some.b += g * x.bStride;
      some.next += g * x.bStride;
      some.c += g * 16;
      some.groups = x.groups - g < kWideGroups ? x.groups - g : kWideGroups;
      multiplyTiles<kTileRows, Accumulate, true>(some, 0, some.b, x.bStride, wide);
      for (row = kTileRows; row < full; row += kTileRows)
        multiplyTiles<kTileRows, Accumulate>(some, row, wide, x.n * 16, wide);
    }
  } else {
    for (; row < full; row += kTileRows)
      multiplyTiles<kTileRows, Accumulate>(x, row, x.b, x.bStride, wide);
  }
  if (kTileRows > 4 && x.rows - full >= 4) {
    multiplyTiles<4, Accumulate>(x, full, x.b, x.bStride, wide);
    full += 4;
  }
  if (x.rows - full == 3)
    multiplyTiles<3, Accumulate>(x, full, x.b, x.bStride, wide);
  else if (x.rows - full == 2)
    multiplyTiles<2, Accumulate>(x, full, x.b, x.bStride, wide);
  else if (x.rows - full == 1)
    multiplyTiles<1, Accumulate>(x, full, x.b, x.bStride, wide);
}

/// The 64 scores of a page; keys outside [first, last) count as -inf. Their slots may hold anything, NaN too: select before
/// any arithmetic.
TQ_UK_FN void loadScores(const float *p, int32_t first, int32_t last, f32x16 (&v)[4]) {
  TQ_UNROLL for (int g = 0; g < 4; ++g) {
    v[g] = load<f32x16>(p + g * 16);
    if (first > 0 || last < kPageTokens) {
      f32x16 key = lanesFrom(float(g * 16)), hidden = -__builtin_inff();
      v[g] = key >= float(first) ? v[g] : hidden;
      v[g] = key < float(last) ? v[g] : hidden;
    }
  }
}

/// Turns a row's q . k into 2^((q . k - max) * scale * log2(e)), in the pages from key `from` to `to`; p is that of key `begin`.
template <typename T>
TQ_UK_FN void softmaxRow(const Split<T> &s, int64_t row, int32_t begin, int32_t from, int32_t to) {
  float *p = s.p + row * kSplitKeys - begin;
  const int64_t t = row / s.r;
  f32x16 tops = -__builtin_inff(), sum = 0.0f, v[4];
  for (int32_t base = from; base < to; base += kPageTokens)
    if (int32_t first = firstKey(s, t, base), last = lastKey(s, t, base); first < last) {
      loadScores(p + base, first, last, v);
      tops = max(tops, max(max(v[0], v[1]), max(v[2], v[3])));
    }
  const float top = maxLanes(tops), scale = s.scale * kLog2E;
  const f32x16 shift = top == -__builtin_inff() ? 0.0f : -top * scale; // all -inf: p is as good as 0
  for (int32_t base = from; base < to; base += kPageTokens)
    if (int32_t first = firstKey(s, t, base), last = lastKey(s, t, base); first < last) {
      loadScores(p + base, first, last, v);
      TQ_UNROLL for (int g = 0; g < 4; ++g) {
        v[g] = exp2NonPositive(fma<f32x16>(v[g], scale, shift));
        store(p + base + g * 16, v[g]);
      }
      sum += (v[0] + v[1]) + (v[2] + v[3]);
    }
  float *o = s.partial + row * s.partialStride;
  o[s.dvp] = top * s.scale;
  o[s.dvp + 1] = sumLanes(sum);
}

/// o[row] += sum of p[row][key] * V[key] over those keys of [from, to) of a page that the row's token sees, row by row.
template <typename T>
TQ_UK_FN void valuesAlone(const Split<T> &s, const float *p, const T *v, int32_t base, int32_t from, int32_t to) {
  for (int64_t row = 0; row < s.m * s.r; ++row) {
    int32_t first = firstKey(s, row / s.r, base), last = lastKey(s, row / s.r, base);
    first = first > from ? first : from;
    last = last < to ? last : to;
    if (first >= last)
      continue;
    Product<T> x = {p + row * kSplitKeys + first,
                    v + first * 16,
                    v,
                    s.partial + row * s.partialStride,
                    0,
                    kPageTokens * 16,
                    0,
                    1,
                    s.dvp / 16,
                    last - first};
    multiplyTiles<1, true>(x, 0, x.b, x.bStride, s.wide);
  }
}

/// Scores of the page that starts with key `base`: p = q . K for keys that some token sees, in whole lane groups.
template <typename T> TQ_UK_FN void scorePage(const Split<T> &s, float *p, const T *keys, const T *next, int32_t base) {
  int64_t firstGroup = firstKey(s, 0, base) / 16, lastGroup = (lastKey(s, s.m - 1, base) + 15) / 16,
          skip = firstGroup * s.dk * 16;
  multiply<false>(Product<T>{s.q, keys + skip, next + skip, p + firstGroup * 16, s.dk, s.dk * 16, kSplitKeys, s.m * s.r,
                             lastGroup - firstGroup, s.dk},
                  s.wide);
}

/// Values of that page. Keys that all tokens see go through the tiles, the few before and after (less than m each) row by row.
template <typename T>
TQ_UK_FN void addValues(const Split<T> &s, const float *p, const T *v, const T *next, int32_t base) {
  int32_t from = firstKey(s, s.m - 1, base), to = lastKey(s, 0, base); // both bounds ascend with the token
  to = to > from ? to : from;
  if (s.m > 1)
    valuesAlone(s, p, v, base, 0, from);
  multiply<true>(Product<T>{p + from, v + from * 16, next + from * 16, s.partial, kSplitKeys, kPageTokens * 16,
                            s.partialStride, s.m * s.r, s.dvp / 16, to - from},
                 s.wide);
  if (s.m > 1)
    valuesAlone(s, p, v, base, to, kPageTokens);
}

template <typename T>
TQ_UK_FN void sdpaSplit(Split<T> s, const void *pool, const int32_t *pageTable, int64_t kvHead, int64_t heads,
                        int32_t begin) {
  int64_t rows = s.m * s.r;
  auto page = [&](int32_t key) __attribute__((always_inline)) {
    return static_cast<const T *>(pool) +
           (pageTable[key / kPageTokens] * heads + kvHead) * kvPageElements(1, s.dk, s.dvp);
  };
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < s.dvp; i += 16)
      store(s.partial + row * s.partialStride + i, f32x16(0.0f));
  // The pages of keys that some token sees.
  const int32_t keys = int32_t(s.pos + s.m), to = keys < s.end ? keys : s.end;
  int32_t from = s.window && s.pos - s.window + 1 > begin ? s.pos - s.window + 1 : begin;
  from -= from % kPageTokens;
  // While one page is read the next is fetched: keys, then values, then the next split's keys, which are likely ours too.
  const int64_t values = kvKeyElements(s.dk);
  for (int32_t base = from; base < to; base += kPageTokens) {
    int32_t next = base + kPageTokens;
    scorePage(s, s.p + (base - begin), page(base), next < to ? page(next) : page(from) + values, base);
  }
  for (int64_t row = 0; row < rows; ++row)
    softmaxRow(s, row, begin, from, to);
  for (int32_t base = from; base < to; base += kPageTokens) {
    int32_t next = base + kPageTokens;
    const T *v = page(base) + values;
    addValues(s, s.p + (base - begin), v, next < to ? page(next) + values : next < keys ? page(next) : v, base);
  }
}

template <typename T>
TQ_UK_FN void kvAppend(const float *k, const float *v, T *page, int64_t slot, int64_t heads, int64_t dk, int64_t dv) {
  using Vector = T __attribute__((ext_vector_type(16)));
  int64_t groups = (dv + 15) / 16;
  for (int64_t h = 0; h < heads; ++h) {
    T *keys = page + h * kvPageElements(1, dk, dv) + slot / 16 * dk * 16 + slot % 16;
    for (int64_t i = 0; i < dk; i += 16) {
      Vector x = __builtin_convertvector(loadFirst(k + h * dk + i, dk - i), Vector);
      for (int64_t j = 0; j < 16 && i + j < dk; ++j)
        keys[(i + j) * 16] = x[j];
    }
    T *values = page + (h + 1) * kvPageElements(1, dk, dv) - (groups * kPageTokens - slot) * 16;
    for (int64_t g = 0; g < groups; ++g)
      store(values + g * kPageTokens * 16,
            __builtin_convertvector(loadFirst(v + h * dv + g * 16, dv - g * 16), Vector));
  }
}

} // namespace tq::uk

extern "C" TQ_UK_INLINE void TQ_UK(kv_append)(const float *k, const float *v, void *pool, const int32_t *pageTable,
                                              int32_t pos, int64_t heads, int64_t dk, int64_t dv, int32_t kind) {
  using namespace tq::uk;
  int64_t page = pageTable[pos / tq::kPageTokens], slot = pos % tq::kPageTokens;
  int64_t elements = page * tq::kvPageElements(heads, dk, dv);
  if (kind == 1)
    kvAppend(k, v, static_cast<_Float16 *>(pool) + elements, slot, heads, dk, dv);
  else
    kvAppend(k, v, static_cast<float *>(pool) + elements, slot, heads, dk, dv);
}

extern "C" TQ_UK_INLINE void TQ_UK(sdpa_split)(const float *q, int64_t qTokenStride, int64_t m, int64_t r,
                                               const void *pool, const int32_t *pageTable, int64_t kvHead,
                                               int64_t heads, int64_t dk, int64_t dv, int32_t kind, int32_t pos,
                                               int32_t begin, int32_t end, int32_t window, float scale, float *partial,
                                               void *scratch) {
  using namespace tq::uk;
  int64_t rows = m * r, dvp = tq::kvPaddedWidth(dv);
  float *p = static_cast<float *>(scratch), *wide = p + rows * tq::kSplitKeys;
  float *packed = wide + kWideGroups * 16 * (dk > tq::kPageTokens ? dk : tq::kPageTokens);
  if (m > 1 && qTokenStride != r * dk) { // rows of one tile must be dk apart
    for (int64_t t = 0; t < m; ++t)
      for (int64_t i = 0; i < r * dk; i += 16)
        storeFirst(packed + t * r * dk + i, loadFirst(q + t * qTokenStride + i, r * dk - i), r * dk - i);
    q = packed;
  }
  auto run = [&]<typename T>(T) __attribute__((always_inline)) {
    Split<T> s{m, r, dk, dvp, tq::sdpaPartialFloats(dv), pos, end, window, scale, q, partial, p, wide};
    sdpaSplit(s, pool, pageTable, kvHead, heads, begin);
  };
  if (kind == 1)
    run(_Float16());
  else
    run(float());
}

extern "C" TQ_UK_INLINE void TQ_UK(sdpa_merge)(float *acc, const float *part, int64_t dv) {
  using namespace tq::uk;
  int64_t dvp = tq::kvPaddedWidth(dv);
  float accMax = acc[dvp], partMax = part[dvp];
  if (partMax == -__builtin_inff())
    return;
  if (accMax == -__builtin_inff()) { // o of a neutral element need not be initialised
    for (int64_t i = 0; i < dvp + 16; i += 16)
      store(acc + i, load<f32x16>(part + i));
    return;
  }
  float top = accMax > partMax ? accMax : partMax;
  f32x16 a = exp2NonPositive((accMax - top) * kLog2E), b = exp2NonPositive((partMax - top) * kLog2E);
  for (int64_t i = 0; i < dvp; i += 16)
    store(acc + i, fma(load<f32x16>(part + i), b, load<f32x16>(acc + i) * a));
  acc[dvp] = top;
  acc[dvp + 1] = acc[dvp + 1] * a.x + part[dvp + 1] * b.x;
}

extern "C" TQ_UK_INLINE void TQ_UK(sdpa_finish)(const float *acc, float *out, int64_t dv) {
  using namespace tq::uk;
  int64_t dvp = tq::kvPaddedWidth(dv);
  f32x16 sum = acc[dvp + 1];
  for (int64_t i = 0; i < dv; i += 16)
    storeFirst(out + i, load<f32x16>(acc + i) / sum, dv - i);
}
#endif
