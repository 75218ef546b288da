//===- Codebook.cpp - Levels of codebook weights --------------------------===//

#include "dialect/encodings/Codebook.h"

#include "dialect/encodings/HalfFloat.h"

#include <algorithm>
#include <cassert>
#include <cmath>

using namespace tq;

//===-- Lloyd-Max tables -----------------------------------------------------//

/// `levels` and `boundaries` are the positive ones; 0 is a boundary.
static CodebookTable mirrored(std::vector<double> levels, std::vector<double> boundaries) {
  CodebookTable table;
  for (auto it = levels.rbegin(); it != levels.rend(); ++it)
    table.levels.push_back(static_cast<float>(-*it));
  table.levels.insert(table.levels.end(), levels.begin(), levels.end());
  for (auto it = boundaries.rbegin(); it != boundaries.rend(); ++it)
    table.boundaries.push_back(static_cast<float>(-*it));
  table.boundaries.push_back(0);
  table.boundaries.insert(table.boundaries.end(), boundaries.begin(), boundaries.end());
  return table;
}

const CodebookTable &tq::lloydMaxTable(CodebookKind kind) {
  // Decimal literals of the TurboQuant converter. Its 4-bit table is slightly
  // off the optimum; 1 bit is sqrt(2 / pi).
  static const CodebookTable tables[] = {
      {{-1.22401f, 0, 1.22401f}, {-0.612005f, 0.612005f}},
      mirrored({0.7978845608028654}, {}),
      mirrored({0.4527799975, 1.5104174569}, {0.9815987272}),
      mirrored({0.2450941497, 0.7560051861, 1.3439090860, 2.1519452850}, {0.5005496679, 1.0499571360, 1.7479271855}),
      mirrored({0.1285059463, 0.3883729570, 0.6572738605, 0.9430078288, 1.2570025732, 1.6188648437, 2.0698191883,
                2.7332986608},
               {0.2584394517, 0.5228234087, 0.8001408446, 1.1000052010, 1.4379337084, 1.8443420160, 2.4015589245})};
  return tables[static_cast<int>(kind)];
}

static double normalDensity(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI); }

static double normalBelow(double x) { return 0.5 * (1 + std::erf(x / std::sqrt(2.0))); }

CodebookTable tq::iteratedLloydMax(int bits) {
  assert(bits >= 1 && bits <= 8);
  int count = 1 << bits;
  std::vector<double> levels(count), bounds(count - 1);
  for (int i = 0; i < count; ++i)
    levels[i] = 3.0 * (-1 + 2 * (i + 0.5) / count);
  auto middles = [&] {
    for (int i = 0; i + 1 < count; ++i)
      bounds[i] = (levels[i] + levels[i + 1]) / 2;
  };
  for (int round = 0; round < 500; ++round) {
    middles();
    double change = 0;
    for (int i = 0; i < count; ++i) {
      double lowDensity = i ? normalDensity(bounds[i - 1]) : 0;
      double highDensity = i + 1 < count ? normalDensity(bounds[i]) : 0;
      double below = i ? normalBelow(bounds[i - 1]) : 0;
      double mass = (i + 1 < count ? normalBelow(bounds[i]) : 1) - below;
      if (mass <= 1e-30)
        continue;
      double mean = (lowDensity - highDensity) / mass;
      change = std::max(change, std::abs(mean - levels[i]));
      levels[i] = mean;
    }
    if (change < 1e-12)
      break;
  }
  middles();
  return {{levels.begin(), levels.end()}, {bounds.begin(), bounds.end()}};
}

std::vector<uint16_t> CodebookTable::levelsF16() const {
  std::vector<uint16_t> halves;
  for (float level : levels)
    halves.push_back(f32ToF16(level));
  return halves;
}

int tq::nearestLevel(std::span<const float> levels, float value) {
  int best = 0;
  for (int k = 1; k < static_cast<int>(levels.size()); ++k)
    if (std::abs(value - levels[k]) <= std::abs(value - levels[best]))
      best = k;
  return best;
}

//===-- Integer images -------------------------------------------------------//

namespace {

/// Integers v with level ~ v * step, and their weighted squared error.
struct Image {
  double values[16] = {};
  double step = 0, error = 0;
};

} // namespace

/// The best image with |v| <= bound, where v is a whole number or, if `offset`
/// is 0.5, half of an odd one. Every step that puts the largest level between
/// bound / 2 and bound is tried in quarters of a unit; a smaller image never
/// helps, rounding gets coarser. For each, the multiplier follows by least
/// squares.
static Image searchImage(std::span<const float> levels, std::span<const float> weights, double bound, double offset) {
  double largest = 0, energy = 0;
  for (size_t k = 0; k < levels.size(); ++k) {
    double weight = weights.empty() ? 1 : weights[k];
    largest = std::max(largest, std::abs(static_cast<double>(levels[k])));
    energy += weight * levels[k] * levels[k];
  }
  Image best;
  best.error = energy;
  if (largest == 0) // a step of 0 decodes any integer to the right level
    return best;
  for (double top = bound + 0.25; top >= bound / 2; top -= 0.25) {
    Image image;
    double cross = 0, square = 0;
    for (size_t k = 0; k < levels.size(); ++k) {
      double weight = weights.empty() ? 1 : weights[k];
      double v = std::nearbyint(levels[k] / largest * top + offset) - offset;
      image.values[k] = v = std::clamp(v, -bound, bound);
      cross += weight * levels[k] * v;
      square += weight * v * v;
    }
    if (square == 0)
      continue;
    image.step = cross / square;
    image.error = std::max(0.0, energy - cross * image.step);
    if (image.error < best.error)
      best = image;
  }
  return best;
}

LevelTable tq::makeLevelTable(std::span<const float> levels, std::span<const float> weights, LevelTableError *error) {
  assert(levels.size() >= 2 && levels.size() <= 16);
  assert(weights.empty() || weights.size() == levels.size());
  Image s16 = searchImage(levels, weights, 2047, 0);
  Image s8 = searchImage(levels, weights, 127, 0);
  Image u6 = searchImage(levels, weights, 31.5, 0.5);

  LevelTable table = {};
  for (size_t k = 0; k < 16; ++k) {
    size_t source = std::min(k, levels.size() - 1);
    table.f32[k] = levels[source];
    table.s16[k] = static_cast<int16_t>(s16.values[source]);
    table.s8[k] = static_cast<int8_t>(s8.values[source]);
    table.u6[k] = static_cast<uint8_t>(u6.values[source] + 31.5);
  }
  table.s16Step = static_cast<float>(s16.step);
  table.s8Step = static_cast<float>(s8.step);
  table.u6Step = static_cast<float>(u6.step);

  if (error) {
    double energy = 0;
    for (size_t k = 0; k < levels.size(); ++k)
      energy += (weights.empty() ? 1.0 : weights[k]) * levels[k] * levels[k];
    auto relative = [&](const Image &image) {
      return energy > 0 ? static_cast<float>(std::sqrt(image.error / energy)) : 0.0f;
    };
    *error = {relative(s16), relative(s8), relative(u6)};
  }
  return table;
}

std::vector<float> tq::gaussianWeights(std::span<const float> levels) {
  std::vector<float> weights;
  for (size_t k = 0; k < levels.size(); ++k) {
    double below = k ? normalBelow((levels[k - 1] + levels[k]) / 2.0) : 0;
    double above = k + 1 < levels.size() ? normalBelow((levels[k] + levels[k + 1]) / 2.0) : 1;
    weights.push_back(static_cast<float>(above - below));
  }
  return weights;
}
