//===- Perplexity.cpp - How surprised a model is by a text ----------------===//

#include "runtime/Perplexity.h"

#include "runtime/Exponential.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

using namespace tq;

double tq::surprise(std::span<const float> logits, int32_t token) {
  float largest = *std::ranges::max_element(logits);
  // Sums of 64 in float, of those in double: exact enough, and it vectorises.
  double sum = 0;
  for (size_t begin = 0; begin < logits.size(); begin += 64) {
    float lanes[16] = {};
    size_t count = std::min<size_t>(64, logits.size() - begin);
    for (size_t i = 0; i < count; ++i)
      lanes[i % 16] += expNonPositive(logits[begin + i] - largest);
    for (float lane : lanes)
      sum += lane;
  }
  return std::log(sum) + largest - logits[token];
}

Result<PerplexityResult> tq::measurePerplexity(Session &session, std::span<const int32_t> tokens, int64_t window,
                                               const PerplexityProgress &progress) {
  if (window < 4)
    return Error{fmt::format("cannot score windows of {} tokens; the least is "
                             "4",
                             window)};
  if (window > session.context())
    return Error{fmt::format("cannot score windows of {} tokens with a context "
                             "of {}",
                             window, session.context())};
  auto windows = static_cast<int64_t>(tokens.size()) / window;
  if (windows == 0)
    return Error{fmt::format("cannot score {} tokens: one window needs {}", tokens.size(), window)};
  PerplexityResult result;
  double total = 0;
  for (int64_t i = 0; i < windows; ++i) {
    auto text = tokens.subspan(i * window, window);
    session.rewind(0);
    // The last token is only predicted, never fed.
    TQ_TRY(
        session.feed(text.first(window - 1), window - 1 - window / 2, [&](size_t token, std::span<const float> logits) {
          total += surprise(logits, text[token + 1]);
          ++result.tokens;
        }));
    result.windows = i + 1;
    result.perplexity = std::exp(total / double(result.tokens));
    if (progress)
      progress(result, windows);
  }
  return result;
}
