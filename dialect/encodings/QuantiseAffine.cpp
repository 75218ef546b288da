//===- QuantiseAffine.cpp - Codes, scales and biases of affine groups -----===//
// value ~ scale * code + bias, code 0 .. n.
//
// MinMax is MLX's rule on a CPU, to the bit: the value of larger magnitude
// becomes code 0, and the scale (often negative) is adjusted so that it divides
// that value. Search: ranges from the whole of the group to a width-dependent
// part of it, in the middle and to either side; the one of least squared error;
// then three times {nearest codes, least squares for scale and bias}; f16, the
// bias fitted once more to the rounded scale. The better of this and MinMax
// stays.

#include "dialect/encodings/QuantiseGroup.h"

#include "dialect/encodings/HalfFloat.h"

#include <algorithm>
#include <cmath>

using namespace tq;
using lanes::Vec;

namespace {

// Sizes and positions of the ranges, and rounds of least squares. On Gaussian
// groups, 48 x 5 x 6 lowers the error by another 0.4 to 1.5 % only.
constexpr int kRanges = 12, kShifts = 3, kRounds = 3;
/// Distance of the positions, as a part of what the range leaves free.
constexpr float kShift = 0.25f;

/// The smallest range tried, relative to max - min. Below these the error of
/// clipped values dominates on Gaussian groups of any size.
constexpr float smallestRange(int bits) {
  constexpr float parts[9] = {0, 0, 0.45f, 0.6f, 0.7f, 0.8f, 0.85f, 0.9f, 0.94f};
  return parts[bits];
}

template <int N> struct Fit {
  Vec<float, N> scale, bias;
};

/// Nearest whole number in 0 .. n; NaN gives 0.
template <int N> TQ_INLINE Vec<float, N> nearestCode(Vec<float, N> t, float n) {
  const Vec<float, N> zero = {}, top = zero + n;
  t = t > zero ? t : zero;
  t = t < top ? t : top;
  // 1.5 * 2^23: the sum has steps of 1, so adding rounds (ties to even).
  return (t + 12582912.0f) - 12582912.0f;
}

template <int N> TQ_INLINE Vec<float, N> inverse(Vec<float, N> scale) {
  const Vec<float, N> zero = {};
  return scale != zero ? 1 / scale : zero;
}

/// Sum of weighted squared differences from the nearest codes.
template <int N, bool weighted>
TQ_INLINE Vec<float, N> errorOf(const GroupOfRows &group, int row, float n, Fit<N> fit) {
  Vec<float, N> sum = {}, factor = inverse<N>(fit.scale);
  for (int64_t j = 0; j < group.cols; ++j) {
    Vec<float, N> x = rowsAt<N>(group, row, j) - fit.bias;
    Vec<float, N> difference = x - nearestCode<N>(x * factor, n) * fit.scale;
    sum += weighted ? difference * difference * group.weights[j] : difference * difference;
  }
  return sum;
}

/// Least squares for the codes that `fit` chooses; `center` is near the mean.
template <int N, bool weighted>
TQ_INLINE Fit<N> refineFit(const GroupOfRows &group, int row, float n, Fit<N> fit, Vec<float, N> center,
                           bool keepScale) {
  // Values and codes relative to their middles, or the sums would cancel.
  float weight = 0, half = n / 2;
  Vec<float, N> q = {}, qq = {}, y = {}, qy = {}, factor = inverse<N>(fit.scale);
  for (int64_t j = 0; j < group.cols; ++j) {
    Vec<float, N> x = rowsAt<N>(group, row, j);
    Vec<float, N> code = nearestCode<N>((x - fit.bias) * factor, n) - half;
    Vec<float, N> value = x - center;
    float w = weighted ? group.weights[j] : 1;
    Vec<float, N> heavyCode = code * w;
    weight += w;
    q += heavyCode;
    y += value * w;
    qq += heavyCode * code;
    qy += heavyCode * value;
  }
  Vec<float, N> spread = qq * weight - q * q;
  Vec<float, N> scale = fit.scale;
  if (!keepScale)
    scale = spread > 0 ? (qy * weight - q * y) / spread : fit.scale;
  Vec<float, N> bias = (y - scale * q) / weight + center - scale * half;
  return {scale, weight > 0 ? bias : fit.bias};
}

/// MLX's fit in f32, one row at a time: once per group.
template <int N> TQ_INLINE Fit<N> fitMinMax(Vec<float, N> low, Vec<float, N> high, float n) {
  Fit<N> fit;
  for (int i = 0; i < N; ++i) {
    float lo = low[i], hi = high[i];
    float scale = std::max((hi - lo) / n, 1e-7f);
    bool lowSide = std::abs(lo) > std::abs(hi);
    float edge = lowSide ? lo : hi;
    if (!lowSide)
      scale = -scale;
    float steps = std::nearbyint(edge / scale);
    fit.scale[i] = steps != 0 ? edge / steps : scale;
    fit.bias[i] = steps != 0 ? edge : 0;
  }
  return fit;
}

template <int N> TQ_INLINE Vec<float, N> roundLanes(Vec<float, N> x) {
  for (int i = 0; i < N; ++i)
    x[i] = roundToF16(x[i]);
  return x;
}

template <int N, bool weighted>
TQ_INLINE Fit<N> searchFit(const GroupOfRows &group, int row, int bits, Vec<float, N> low, Vec<float, N> high,
                           Fit<N> plain) {
  float n = static_cast<float>((1 << bits) - 1);
  Vec<float, N> center = (low + high) * 0.5f, extent = high - low;
  Fit<N> best = {extent / n, low};
  Vec<float, N> bestError = broadcast<N>(INFINITY);
  for (int i = 0; i < kRanges * kShifts; ++i) {
    float part = 1 - (1 - smallestRange(bits)) / (kRanges - 1) * static_cast<float>(i / kShifts);
    float shift = kShift * static_cast<float>(i % kShifts - kShifts / 2);
    Vec<float, N> range = extent * part;
    Fit<N> fit = {range / n, center - range * 0.5f + (extent - range) * shift};
    Vec<float, N> error = errorOf<N, weighted>(group, row, n, fit);
    auto isBetter = error < bestError;
    bestError = isBetter ? error : bestError;
    best.scale = isBetter ? fit.scale : best.scale;
    best.bias = isBetter ? fit.bias : best.bias;
  }
  for (int round = 0; round < kRounds; ++round)
    best = refineFit<N, weighted>(group, row, n, best, center, false);
  best.scale = roundLanes<N>(best.scale);
  best = refineFit<N, weighted>(group, row, n, best, center, true);
  best.bias = roundLanes<N>(best.bias);

  plain = {roundLanes<N>(plain.scale), roundLanes<N>(plain.bias)};
  auto plainWins = errorOf<N, weighted>(group, row, n, plain) < errorOf<N, weighted>(group, row, n, best);
  return {plainWins ? plain.scale : best.scale, plainWins ? plain.bias : best.bias};
}

/// Codes for `chosen`, stored beside its f16 numbers, and the error they leave.
template <int N> TQ_INLINE void emitCodes(GroupOfRows &group, int row, float n, Fit<N> chosen, bool divide) {
  Fit<N> stored;
  for (int i = 0; i < N; ++i) {
    group.scales[row + i] = f32ToF16(chosen.scale[i]);
    group.biases[row + i] = f32ToF16(chosen.bias[i]);
    stored.scale[i] = f16ToF32(group.scales[row + i]);
    stored.bias[i] = f16ToF32(group.biases[row + i]);
  }
  Vec<float, N> errors = {}, factor = inverse<N>(chosen.scale);
  for (int64_t j = 0; j < group.cols; ++j) {
    Vec<float, N> x = rowsAt<N>(group, row, j), centered = x - chosen.bias;
    // MLX divides: the last bit decides ties.
    Vec<float, N> code = nearestCode<N>(divide ? centered / chosen.scale : centered * factor, n);
    Vec<float, N> error = x - (code * stored.scale + stored.bias);
    errors += error * error;
    auto whole = __builtin_convertvector(code, Vec<int32_t, N>);
    lanes::store<uint8_t, N>(group.codes + j * 16 + row, __builtin_convertvector(whole, Vec<uint8_t, N>));
  }
  lanes::store<float, N>(group.errors + row, errors);
}

template <int N> TQ_INLINE void quantiseLanes(int bits, ScaleRule rule, GroupOfRows &group) {
  float n = static_cast<float>((1 << bits) - 1);
  for (int row = 0; row < 16; row += N) {
    Vec<float, N> low = rowsAt<N>(group, row, 0), high = low;
    for (int64_t j = 1; j < group.cols; ++j) {
      Vec<float, N> x = rowsAt<N>(group, row, j);
      low = x < low ? x : low;
      high = x > high ? x : high;
    }
    Fit<N> fit = fitMinMax<N>(low, high, n);
    if (rule == ScaleRule::Search)
      fit = group.weights ? searchFit<N, true>(group, row, bits, low, high, fit)
                          : searchFit<N, false>(group, row, bits, low, high, fit);
    emitCodes<N>(group, row, n, fit, rule == ScaleRule::MinMax);
  }
}

} // namespace

#define TQ_BODY(N) quantiseLanes<N>(bits, rule, group)
TQ_DEFINE_LEVELS(affineGroup, TQ_BODY, int bits, ScaleRule rule, GroupOfRows &group)
#undef TQ_BODY

void tq::quantiseGroup(int bits, ScaleRule rule, GroupOfRows &group, SimdLevel level) {
  TQ_CALL_LEVEL(affineGroup, level, bits, rule, group);
}
