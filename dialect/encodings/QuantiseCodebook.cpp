//===- QuantiseCodebook.cpp - Codes and scales of codebook groups ---------===//
// Search, for each group: the candidate scale m * rms (m = 0.600, 0.625 ..
// 1.300) of least squared error, then twice {nearest codes, least-squares
// scale}, f16, codes for the rounded scale.
//
// The error of a candidate needs no codes. Levels are symmetric, so let
// a = |x|, l_k the levels >= 0 and t_k = s * (l_k + l_(k+1)) / 2. Then
//   x^2 - error(x) = 2 s (l_0 a + sum_k (l_(k+1) - l_k) max(0, a - t_k))
//                    - (s l_0)^2
// (an upper envelope of lines, one per level). Summed over a group, all it
// takes per weight and threshold is max(a, t_k) and an addition.

#include "dialect/encodings/QuantiseGroup.h"

#include "dialect/encodings/HalfFloat.h"

#include <cmath>

using namespace tq;
using lanes::Vec;

CodebookPlan::CodebookPlan(CodebookKind kind) {
  const CodebookTable &table = lloydMaxTable(kind);
  count = static_cast<int>(table.levels.size());
  magnitudes = (count + 1) / 2;
  for (int k = 0; k < count; ++k)
    levels[k] = roundToF16(table.levels[k]);
  for (int k = 0; k + 1 < count; ++k) {
    boundaries[k] = table.boundaries[k];
    middles[k] = (levels[k] + levels[k + 1]) / 2;
  }
  for (int k = 0; k < magnitudes; ++k)
    magnitude[k] = levels[count - magnitudes + k];
  for (int k = 0; k + 1 < magnitudes; ++k)
    magnitudeEdge[k] = (magnitude[k] + magnitude[k + 1]) / 2;
}

SimdLevel tq::availableLevel(SimdLevel level) {
#if defined(__x86_64__)
  static const SimdLevel best = __builtin_cpu_supports("x86-64-v4")   ? SimdLevel::V4
                                : __builtin_cpu_supports("x86-64-v3") ? SimdLevel::V3
                                                                      : SimdLevel::Base;
  return level < best ? level : best;
#else
  (void)level;
  return SimdLevel::Base;
#endif
}

namespace {

constexpr int kCandidates = 29;

template <int N> TQ_INLINE Vec<float, N> larger(Vec<float, N> a, Vec<float, N> b) { return a > b ? a : b; }

/// What the search needs of a group, for N of its rows.
template <int N> struct Sums {
  Vec<float, N> rms, magnitude; // magnitude: sum of weight * |x|
  float weight;                 // sum of weights
};

template <int N> TQ_INLINE Vec<float, N> absolute(Vec<float, N> x) {
  return (Vec<float, N>)((Vec<int32_t, N>)x & 0x7fffffff);
}

template <int N> TQ_INLINE Sums<N> sumGroup(const GroupOfRows &group, int row) {
  Vec<double, N> squares = {};
  Sums<N> sums = {};
  for (int64_t j = 0; j < group.cols; ++j) {
    Vec<float, N> x = rowsAt<N>(group, row, j);
    float weight = group.weights ? group.weights[j] : 1;
    auto wide = __builtin_convertvector(x, Vec<double, N>);
    squares += wide * wide;
    sums.magnitude += weight * absolute<N>(x);
    sums.weight += weight;
  }
  // The mean in f64, then rounded: an f32 mean depends on the order of its
  // additions, which no two builds of the upstream tool share.
  auto mean = __builtin_convertvector(squares / static_cast<double>(group.cols), Vec<float, N>);
  for (int i = 0; i < N; ++i)
    sums.rms[i] = std::sqrt(mean[i]);
  return sums;
}

/// Sum over the group of weight * max(|x|, edge), for `many` edges at once.
template <int N, int many, bool weighted>
TQ_INLINE void sumOfMaxima(const GroupOfRows &group, int row, const Vec<float, N> (&edges)[many],
                           Vec<float, N> (&out)[many]) {
  Vec<float, N> sums[many] = {};
  for (int64_t j = 0; j < group.cols; ++j) {
    Vec<float, N> a = absolute<N>(rowsAt<N>(group, row, j));
#pragma unroll
    for (int e = 0; e < many; ++e) {
      Vec<float, N> term = larger<N>(a, edges[e]);
      sums[e] += weighted ? term * group.weights[j] : term;
    }
  }
  for (int e = 0; e < many; ++e)
    out[e] = sums[e];
}

/// The candidate scale of least squared error.
template <int N, int M, bool weighted>
TQ_INLINE Vec<float, N> searchScale(const CodebookPlan &plan, const GroupOfRows &group, int row, const Sums<N> &sums) {
  constexpr int edgesEach = M - 1;
  if constexpr (edgesEach == 0) // one level: least squares does it all
    return sums.rms;
  else {
    // Candidates per pass: as many sums as registers hold beside their edges.
    constexpr int together = edgesEach >= 7 ? (N == 16 ? 2 : 1) : edgesEach >= 3 ? (N == 16 ? 4 : 2) : 8;
    Vec<float, N> bestGain = broadcast<N>(-1), best = sums.rms;
    for (int first = 0; first < kCandidates; first += together) {
      Vec<float, N> edges[together * edgesEach], maxima[together * edgesEach];
      Vec<float, N> scales[together];
      for (int c = 0; c < together; ++c) {
        // Surplus candidates of the last pass repeat the last one: no gain.
        int index = first + c < kCandidates ? first + c : kCandidates - 1;
        scales[c] = sums.rms * static_cast<float>(0.6 + 0.025 * index);
        for (int k = 0; k < edgesEach; ++k)
          edges[c * edgesEach + k] = scales[c] * plan.magnitudeEdge[k];
      }
      sumOfMaxima<N, together * edgesEach, weighted>(group, row, edges, maxima);
      for (int c = 0; c < together; ++c) {
        Vec<float, N> lowest = scales[c] * plan.magnitude[0];
        Vec<float, N> inner = sums.magnitude * plan.magnitude[0];
        for (int k = 0; k < edgesEach; ++k) {
          int e = c * edgesEach + k;
          inner += (maxima[e] - sums.weight * edges[e]) * (plan.magnitude[k + 1] - plan.magnitude[k]);
        }
        Vec<float, N> gain = 2 * scales[c] * inner - lowest * lowest * sums.weight;
        auto isBetter = gain > bestGain;
        bestGain = isBetter ? gain : bestGain;
        best = isBetter ? scales[c] : best;
      }
    }
    return best;
  }
}

/// The least-squares scale for the codes that `scale` chooses.
template <int N, int M, bool weighted>
TQ_INLINE Vec<float, N> refineScale(const CodebookPlan &plan, const GroupOfRows &group, int row, Vec<float, N> scale) {
  Vec<float, N> edges[M], cross = {}, square = {};
  for (int k = 0; k + 1 < M; ++k)
    edges[k] = scale * plan.magnitudeEdge[k];
  for (int64_t j = 0; j < group.cols; ++j) {
    Vec<float, N> a = absolute<N>(rowsAt<N>(group, row, j));
    Vec<float, N> level = broadcast<N>(plan.magnitude[0]);
#pragma unroll
    for (int k = 0; k + 1 < M; ++k)
      level = a >= edges[k] ? broadcast<N>(plan.magnitude[k + 1]) : level;
    Vec<float, N> weightedLevel = weighted ? level * group.weights[j] : level;
    cross += a * weightedLevel;
    square += level * weightedLevel;
  }
  return square > 0 ? cross / square : scale;
}

/// Codes, and the error they leave. `divisors` scales the values before the
/// comparison with `edges` (null: the edges are scaled instead).
template <int N, int count>
TQ_INLINE void emitCodes(const CodebookPlan &plan, GroupOfRows &group, int row, Vec<float, N> scale,
                         const float *unitEdges, const Vec<float, N> *divisors) {
  Vec<float, N> edges[count], errors = {};
  for (int k = 0; k + 1 < count; ++k)
    edges[k] = divisors ? broadcast<N>(unitEdges[k]) : scale * unitEdges[k];
  for (int64_t j = 0; j < group.cols; ++j) {
    Vec<float, N> x = rowsAt<N>(group, row, j);
    Vec<float, N> z = divisors ? x / *divisors : x;
    Vec<float, N> level = broadcast<N>(plan.levels[0]);
    Vec<int32_t, N> code = {};
#pragma unroll
    for (int k = 0; k + 1 < count; ++k) {
      auto above = z >= edges[k]; // a tie goes to the upper code
      code -= above;
      level = above ? broadcast<N>(plan.levels[k + 1]) : level;
    }
    Vec<float, N> error = x - level * scale;
    errors += error * error;
    lanes::store<uint8_t, N>(group.codes + j * 16 + row, __builtin_convertvector(code, Vec<uint8_t, N>));
  }
  lanes::store<float, N>(group.errors + row, errors);
}

/// `scale` rounded to f16, also into the group.
template <int N> TQ_INLINE Vec<float, N> storeScale(GroupOfRows &group, int row, Vec<float, N> scale) {
  for (int i = 0; i < N; ++i) {
    group.scales[row + i] = f32ToF16(scale[i]);
    scale[i] = f16ToF32(group.scales[row + i]);
  }
  return scale;
}

template <int N, int count>
TQ_INLINE void quantiseRowsOf(const CodebookPlan &plan, ScaleRule rule, GroupOfRows &group, int row) {
  constexpr int M = (count + 1) / 2;
  Sums<N> sums = sumGroup<N>(group, row);
  if (rule == ScaleRule::Rms) {
    Vec<float, N> rms = larger<N>(sums.rms, broadcast<N>(1e-7f));
    rms = sums.rms == sums.rms ? rms : sums.rms; // keep a NaN for the caller
    Vec<float, N> scale = storeScale<N>(group, row, rms);
    return emitCodes<N, count>(plan, group, row, scale, plan.boundaries, &rms);
  }
  Vec<float, N> scale;
  if (group.weights) {
    scale = searchScale<N, M, true>(plan, group, row, sums);
    scale = refineScale<N, M, true>(plan, group, row, scale);
    scale = refineScale<N, M, true>(plan, group, row, scale);
  } else {
    scale = searchScale<N, M, false>(plan, group, row, sums);
    scale = refineScale<N, M, false>(plan, group, row, scale);
    scale = refineScale<N, M, false>(plan, group, row, scale);
  }
  scale = storeScale<N>(group, row, scale);
  emitCodes<N, count>(plan, group, row, scale, plan.middles, nullptr);
}

template <int N> TQ_INLINE void quantiseLanes(const CodebookPlan &plan, ScaleRule rule, GroupOfRows &group) {
  for (int row = 0; row < 16; row += N)
    switch (plan.count) {
    case 2:
      quantiseRowsOf<N, 2>(plan, rule, group, row);
      break;
    case 3:
      quantiseRowsOf<N, 3>(plan, rule, group, row);
      break;
    case 4:
      quantiseRowsOf<N, 4>(plan, rule, group, row);
      break;
    case 8:
      quantiseRowsOf<N, 8>(plan, rule, group, row);
      break;
    default:
      quantiseRowsOf<N, 16>(plan, rule, group, row);
    }
}

} // namespace

#define TQ_BODY(N) quantiseLanes<N>(plan, rule, group)
TQ_DEFINE_LEVELS(codebookGroup, TQ_BODY, const CodebookPlan &plan, ScaleRule rule, GroupOfRows &group)
#undef TQ_BODY

void tq::quantiseGroup(const CodebookPlan &plan, ScaleRule rule, GroupOfRows &group, SimdLevel level) {
  TQ_CALL_LEVEL(codebookGroup, level, plan, rule, group);
}
