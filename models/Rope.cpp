//===- Rope.cpp - Rotary frequencies of every scaling type ----------------===//
// Computed in f64 and rounded once; the reference works in f32 and agrees to
// about 1e-7 relative.
//===----------------------------------------------------------------------===//

#include "models/Config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tq {
namespace {

double yarnMscale(double factor, double mscale) { return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

double llama3Frequency(const RopeConfig &rope, double inv) {
  double wavelength = 2.0 * std::numbers::pi / inv;
  double original = static_cast<double>(rope.originalMax);
  if (wavelength > original / rope.lowFreq)
    return inv / rope.factor;
  if (wavelength < original / rope.highFreq)
    return inv;
  double smooth = (original / wavelength - rope.lowFreq) / (rope.highFreq - rope.lowFreq);
  return (1.0 - smooth) * inv / rope.factor + smooth * inv;
}

/// The range of frequency indices over which YaRN blends.
struct YarnRange {
  double low, high;
};

YarnRange yarnRange(const RopeConfig &rope, int64_t dims) {
  // Index of the pair that turns `rotations` times over the trained context.
  auto index = [&](double rotations) {
    return static_cast<double>(dims) *
           std::log(static_cast<double>(rope.originalMax) / (2.0 * std::numbers::pi * rotations)) /
           (2.0 * std::log(rope.theta));
  };
  double low = index(rope.betaFast), high = index(rope.betaSlow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dims - 1));
  if (low == high)
    high += 0.001; // as the reference does, against a division by zero
  return {low, high};
}

} // namespace

std::vector<float> ModelConfig::invFreq() const {
  int64_t pairs = headDim / 2;
  YarnRange range{};
  if (rope.type == RopeType::Yarn)
    range = yarnRange(rope, headDim);
  std::vector<float> result(pairs);
  for (int64_t i = 0; i < pairs; ++i) {
    double inv = std::pow(rope.theta, -2.0 * static_cast<double>(i) / static_cast<double>(headDim));
    if (rope.type == RopeType::Linear) {
      inv /= rope.factor;
    } else if (rope.type == RopeType::Llama3) {
      inv = llama3Frequency(rope, inv);
    } else if (rope.type == RopeType::Yarn) {
      double ramp = std::clamp((static_cast<double>(i) - range.low) / (range.high - range.low), 0.0, 1.0);
      inv = ramp * inv / rope.factor + (1.0 - ramp) * inv;
    }
    result[i] = static_cast<float>(inv);
  }
  return result;
}

float ModelConfig::attentionScaling() const {
  if (rope.type != RopeType::Yarn)
    return 1.0f;
  double scaling = yarnMscale(rope.factor, 1.0);
  if (rope.attentionFactor)
    scaling = *rope.attentionFactor;
  else if (rope.mscale.value_or(0.0) != 0.0 && rope.mscaleAllDim.value_or(0.0) != 0.0)
    scaling = yarnMscale(rope.factor, *rope.mscale) / yarnMscale(rope.factor, *rope.mscaleAllDim);
  return static_cast<float>(scaling);
}

} // namespace tq
