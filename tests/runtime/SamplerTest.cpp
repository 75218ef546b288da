//===- SamplerTest.cpp - Against the obvious definitions ------------------===//

#include "runtime/Sampler.h"
#include "runtime/Exponential.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

using namespace tq;

namespace {

std::vector<float> someLogits(size_t vocab, uint32_t seed = 1, float spread = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(vocab);
  for (float &logit : logits)
    logit = normal(random);
  return logits;
}

/// Probabilities by the definition, in double.
std::vector<double> naive(const SamplerOptions &options, const std::vector<float> &logits) {
  size_t vocab = logits.size();
  std::vector<size_t> order(vocab);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [&](size_t a, size_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  size_t keep = options.topK > 0 ? std::min<size_t>(options.topK, vocab) : vocab;
  std::vector<double> weight(vocab, 0);
  double sum = 0;
  for (size_t i = 0; i < keep; ++i)
    sum += weight[order[i]] = std::exp((double(logits[order[i]]) - logits[order[0]]) / options.temperature);
  double reached = 0;
  for (size_t i = 0; i < keep; ++i) {
    double &w = weight[order[i]];
    bool inside = i == 0 || options.topP >= 1 || reached < options.topP * sum;
    reached += w;
    if (!inside || (i > 0 && w < options.minP))
      w = 0;
  }
  double total = std::accumulate(weight.begin(), weight.end(), 0.0);
  for (double &w : weight)
    w /= total;
  return weight;
}

/// Total variation between 10,000 draws and the definition.
double distance(const SamplerOptions &options, const std::vector<float> &logits) {
  constexpr int kDraws = 10000;
  Sampler sampler(options, static_cast<int64_t>(logits.size()));
  std::vector<double> seen(logits.size(), 0), expected = naive(options, logits);
  for (int i = 0; i < kDraws; ++i)
    seen[sampler.sample(logits)] += 1.0 / kDraws;
  double total = 0;
  for (size_t i = 0; i < seen.size(); ++i) {
    total += std::abs(seen[i] - expected[i]);
    EXPECT_FALSE(expected[i] == 0 && seen[i] > 0) << "token " << i << " should never be drawn";
  }
  return total / 2;
}

TEST(Sampler, Distributions) {
  std::vector<float> logits = someLogits(200);
  for (double temperature : {0.3, 2.0})
    for (int64_t topK : {0, 1, 20, 1000})
      for (double topP : {1.0, 0.8, 0.0})
        for (double minP : {0.0, 0.05, 1.0}) {
          SamplerOptions options{temperature, topK, topP, minP};
          options.seed = 17;
          EXPECT_LT(distance(options, logits), 0.06) << temperature << " " << topK << " " << topP << " " << minP;
        }
}

TEST(Sampler, TopKBeyondTheHeap) {
  std::vector<float> logits = someLogits(3000, 4, 1);
  SamplerOptions heap{1, 512}, all{1, 513};
  EXPECT_LT(distance(heap, logits), 0.12); // 512 outcomes: more noise
  EXPECT_LT(distance(all, logits), 0.12);
}

TEST(Sampler, GreedyTakesTheLowestOfEquals) {
  std::vector<float> logits(100, 1.0f);
  logits[70] = logits[41] = 2;
  for (int64_t topK : {0, 5}) {
    Sampler sampler({.temperature = 0, .topK = topK}, 100);
    EXPECT_EQ(sampler.sample(logits), 41);
  }
}

TEST(Sampler, NotANumber) {
  float nan = std::nanf(""), inf = INFINITY;
  std::vector<float> logits = {nan, -inf, 1, nan, 0.5f};
  for (double temperature : {0.0, 1.0}) {
    Sampler sampler({.temperature = temperature}, 5);
    for (int i = 0; i < 50; ++i) {
      int32_t token = sampler.sample(logits);
      EXPECT_TRUE(token == 2 || (temperature > 0 && token == 4)) << token;
    }
    Sampler other({.temperature = temperature}, 2);
    EXPECT_EQ(other.sample(std::vector<float>{nan, nan}), 0);
    EXPECT_EQ(other.sample(std::vector<float>{0, inf}), 1);
  }
}

TEST(Sampler, RepetitionPenalty) {
  std::vector<float> logits = {2.0f, 1.5f, -1.0f, -1.2f};
  Sampler sampler({.temperature = 0, .repetitionPenalty = 2, .repetitionContext = 2}, 4);
  EXPECT_EQ(sampler.sample(logits), 0);
  sampler.accept(0);
  sampler.accept(0); // twice, but penalised once: 1.0
  EXPECT_EQ(sampler.sample(logits), 1);
  sampler.accept(1); // 0.75 against 1.0
  EXPECT_EQ(sampler.sample(logits), 0);
  sampler.accept(2); // 0 has left the window; 1 and 2 are in it
  EXPECT_EQ(sampler.sample(logits), 0);
  std::vector<float> negative = {-5, -5, -1.0f, -1.2f};
  EXPECT_EQ(sampler.sample(negative), 3); // -2.0 against -1.2
  sampler.restart();
  EXPECT_EQ(sampler.sample(negative), 2);
}

TEST(Sampler, MinTokens) {
  std::vector<float> logits = {0, 5, 1};
  Sampler sampler({.temperature = 0, .minTokens = 2, .endTokens = {1}}, 3);
  EXPECT_EQ(sampler.sample(logits), 2);
  EXPECT_EQ(sampler.sample(logits), 2);
  EXPECT_EQ(sampler.sample(logits), 1);
}

TEST(Sampler, SeedDecides) {
  std::vector<float> logits = someLogits(500);
  auto draw = [&](uint64_t seed) {
    Sampler sampler({.temperature = 1, .topP = 0.95, .seed = seed}, 500);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 50; ++i)
      tokens.push_back(sampler.sample(logits));
    return tokens;
  };
  EXPECT_EQ(draw(3), draw(3));
  EXPECT_NE(draw(3), draw(4));
  // The same on every platform.
  Random random(42);
  EXPECT_EQ(random.next(), 1546998764402558742u);
}

TEST(Exponential, Accuracy) {
  double worst = 0;
  for (float x = 0; x > -87; x -= 0.0007f)
    worst = std::max(worst, std::abs(expNonPositive(x) / std::exp(double(x)) - 1));
  EXPECT_LT(worst, 3e-7);
  EXPECT_EQ(expNonPositive(0), 1.0f);
  EXPECT_EQ(expNonPositive(-INFINITY), 0.0f);
  EXPECT_EQ(expNonPositive(std::nanf("")), 0.0f);
}

} // namespace
