//===- Sampler.h - From logits to a token -----------------------*- C++ -*-===//
// The order is that of Hugging Face's generate: repetition penalty, minimum
// length, temperature, top-k, top-p, min-p, then one draw.
//
// The same seed and logits give the same tokens on every platform: our own
// random numbers and exponential, and a fixed order of every sum.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_SAMPLER_H
#define TQ_RUNTIME_SAMPLER_H

#include "runtime/PackageFormat.h"
#include "runtime/Random.h"

#include <cstdint>
#include <span>
#include <vector>

namespace tq {

/// The penalty divides and multiplies logits: the limits keep them finite.
inline constexpr double kLeastPenalty = 1e-3, kMostPenalty = 1e3;
inline constexpr double kMostTemperature = 1e6;

struct SamplerOptions {
  double temperature = 1;         ///< 0: the best token, the lowest id among equals
  int64_t topK = 0;               ///< keep the K best; 0: all
  double topP = 1;                ///< keep the fewest best that sum to at least P
  double minP = 0;                ///< drop those below minP times the best
  double repetitionPenalty = 1;   ///< divides positive, multiplies negative
                                  ///< logits of the tokens seen
  int64_t repetitionContext = 64; ///< that many last tokens; 0: none
  int64_t minTokens = 0;          ///< before that, no end token is drawn
  std::vector<int32_t> endTokens = {};
  uint64_t seed = 0;
};

/// The package's settings over ours, all brought into their ranges; seed 0.
SamplerOptions samplerDefaults(const Model &model);

class Sampler {
public:
  Sampler(const SamplerOptions &options, int64_t vocab);

  /// Tells the sampler of a token that is now in the text: of the prompt too,
  /// for the penalty.
  void accept(int32_t token);
  /// The next token. Counts towards minTokens; not accepted yet. A logit that
  /// is not a number never wins. Does not allocate.
  int32_t sample(std::span<const float> logits);

  /// Forgets the tokens seen and the count; the random numbers go on.
  void restart();

private:
  struct Candidate {
    float value; // a logit, then its exponential
    int32_t token;
  };
  void adjust(std::span<const float> logits);
  int32_t best() const;
  double keepTopK();
  double keepLikely();
  void trim(double sum);
  int32_t drawCandidate();
  int32_t drawAny();

  SamplerOptions options;
  Random random;
  int64_t sampled = 0;
  std::vector<float> work;           // adjusted logits, then exponentials: [vocab]
  std::vector<Candidate> candidates; // capacity vocab
  std::vector<int32_t> recent;       // ring of the last repetitionContext tokens
  size_t recentNext = 0, recentCount = 0;
};

} // namespace tq

#endif // TQ_RUNTIME_SAMPLER_H
