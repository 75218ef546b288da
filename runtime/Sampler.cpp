//===- Sampler.cpp - From logits to a token -------------------------------===//

#include "runtime/Sampler.h"

#include "runtime/Exponential.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace tq;

namespace {
constexpr float kNever = -std::numeric_limits<float>::infinity();
/// Up to here a heap of the best beats selecting among all.
constexpr int64_t kHeapTopK = 512;
} // namespace

SamplerOptions tq::samplerDefaults(const Model &model) {
  auto setting = [&](const char *name, double otherwise, double low, double high) {
    auto it = model.generation.find(name);
    return std::clamp(it == model.generation.end() ? otherwise : it->second, low, high);
  };
  SamplerOptions result;
  result.temperature = setting("temperature", 0.8, 0, kMostTemperature);
  result.topK = static_cast<int64_t>(setting("top_k", 0, 0, double(model.vocab)));
  result.topP = setting("top_p", 1, 0, 1);
  result.minP = setting("min_p", 0, 0, 1);
  result.repetitionPenalty = setting("repetition_penalty", 1, kLeastPenalty, kMostPenalty);
  result.repetitionContext = std::min(result.repetitionContext, model.context);
  for (int64_t id : model.eos)
    result.endTokens.push_back(static_cast<int32_t>(id));
  return result;
}

Sampler::Sampler(const SamplerOptions &options, int64_t vocab)
    : options(options), random(options.seed), work(vocab),
      recent(options.repetitionPenalty == 1 ? 0 : std::max<int64_t>(options.repetitionContext, 0)) {
  candidates.reserve(vocab);
}

void Sampler::restart() {
  sampled = 0;
  recentNext = recentCount = 0;
}

void Sampler::accept(int32_t token) {
  if (recent.empty())
    return;
  recent[recentNext] = token;
  recentNext = (recentNext + 1) % recent.size();
  recentCount = std::min(recentCount + 1, recent.size());
}

int32_t Sampler::sample(std::span<const float> logits) {
  adjust(logits);
  ++sampled;
  int32_t winner = best();
  float largest = work[winner];
  // Below this, 1 / temperature times a difference may not be a number.
  if (!(options.temperature > 1e-6) || !std::isfinite(largest))
    return winner;
  // Relative to the largest: exponents are never positive.
  auto inverse = static_cast<float>(1 / options.temperature);
  for (float &value : work)
    value = (value - largest) * inverse;
  bool someTopK = options.topK > 0 && options.topK < static_cast<int64_t>(work.size());
  if (!someTopK && options.topP >= 1 && options.minP <= 0)
    return drawAny();
  trim(someTopK ? keepTopK() : keepLikely());
  return drawCandidate();
}

/// Penalty, minimum length, and NaN to minus infinity, into `work`.
void Sampler::adjust(std::span<const float> logits) {
  size_t count = std::min(work.size(), logits.size());
  for (size_t i = 0; i < count; ++i)
    work[i] = logits[i] == logits[i] ? logits[i] : kNever;
  auto penalty = static_cast<float>(options.repetitionPenalty);
  for (size_t i = 0; i < recentCount; ++i) {
    int32_t token = recent[i];
    // Once per token, however often it was seen: from the original logit.
    float logit = logits[token];
    if (logit == logit)
      work[token] = logit > 0 ? logit / penalty : logit * penalty;
  }
  if (sampled < options.minTokens)
    for (int32_t token : options.endTokens)
      work[token] = kNever;
}

int32_t Sampler::best() const {
  size_t winner = 0;
  for (size_t i = 1; i < work.size(); ++i)
    if (work[i] > work[winner])
      winner = i;
  return static_cast<int32_t>(winner);
}

// Better first: higher value, then lower token, so that every order is total.
static constexpr auto better = [](const auto &a, const auto &b) {
  return a.value != b.value ? a.value > b.value : a.token < b.token;
};

/// The K best become the candidates, best first, as exponentials; their sum.
double Sampler::keepTopK() {
  candidates.clear();
  auto all = static_cast<int32_t>(work.size());
  if (options.topK <= kHeapTopK) {
    // A heap whose front is the worst kept; most tokens fail one comparison.
    auto keep = static_cast<size_t>(options.topK);
    for (int32_t token = 0; token < all; ++token) {
      if (candidates.size() == keep) {
        if (!(work[token] > candidates.front().value))
          continue;
        std::pop_heap(candidates.begin(), candidates.end(), better);
        candidates.pop_back();
      }
      candidates.push_back({work[token], token});
      std::push_heap(candidates.begin(), candidates.end(), better);
    }
    std::sort_heap(candidates.begin(), candidates.end(), better);
  } else {
    for (int32_t token = 0; token < all; ++token)
      candidates.push_back({work[token], token});
    auto end = candidates.begin() + options.topK;
    std::nth_element(candidates.begin(), end, candidates.end(), better);
    candidates.erase(end, candidates.end());
    std::sort(candidates.begin(), candidates.end(), better);
  }
  double sum = 0;
  for (Candidate &candidate : candidates)
    sum += candidate.value = expNonPositive(candidate.value);
  return sum;
}

/// Those that top-p and min-p may keep become the candidates, best first, as
/// exponentials; the sum over all tokens.
double Sampler::keepLikely() {
  double sum = 0;
  for (float &value : work)
    value = expNonPositive(value);
  for (float value : work)
    sum += value;
  // Tokens below this together weigh less than what top-p drops, so the fewest
  // that make up P are above it. The best, 1, always stays.
  double atLeast = std::max(sum * (1 - options.topP) / double(work.size()), options.minP);
  atLeast = std::min(atLeast, 1.0);
  candidates.clear();
  for (size_t token = 0; token < work.size(); ++token)
    if (work[token] > 0 && work[token] >= atLeast)
      candidates.push_back({work[token], static_cast<int32_t>(token)});
  std::sort(candidates.begin(), candidates.end(), better);
  return sum;
}

/// Drops the candidates that top-p and min-p exclude.
void Sampler::trim(double sum) {
  if (options.topP < 1) {
    double wanted = options.topP * sum, reached = 0;
    size_t keep = 0;
    while (keep < candidates.size() && (keep == 0 || reached < wanted))
      reached += candidates[keep++].value;
    candidates.resize(keep);
  }
  // The best has exponential 1, so min-p needs no division.
  while (candidates.size() > 1 && candidates.back().value < options.minP)
    candidates.pop_back();
}

int32_t Sampler::drawCandidate() {
  double sum = 0;
  for (const Candidate &candidate : candidates)
    sum += candidate.value;
  double left = random.uniform() * sum;
  for (const Candidate &candidate : candidates)
    if ((left -= candidate.value) < 0)
      return candidate.token;
  return candidates.back().token; // rounding
}

/// A draw among all tokens, in the order of their ids.
int32_t Sampler::drawAny() {
  double sum = 0;
  for (float &value : work)
    value = expNonPositive(value);
  for (float value : work)
    sum += value;
  double left = random.uniform() * sum;
  size_t last = 0;
  for (size_t token = 0; token < work.size(); ++token) {
    if (work[token] > 0)
      last = token;
    if ((left -= work[token]) < 0)
      return static_cast<int32_t>(token);
  }
  return static_cast<int32_t>(last); // rounding
}
