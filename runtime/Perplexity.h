//===- Perplexity.h - How surprised a model is by a text --------*- C++ -*-===//
// The rule: windows of `window` tokens without overlap, the incomplete last one
// dropped; each starts from nothing, no BOS is added; the logits at window/2 ..
// window-2 are scored against the tokens that follow them. llama.cpp's rule.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_PERPLEXITY_H
#define TQ_RUNTIME_PERPLEXITY_H

#include "runtime/Session.h"

#include <functional>

namespace tq {

struct PerplexityResult {
  double perplexity = 0;
  int64_t tokens = 0; ///< predictions scored
  int64_t windows = 0;
};

/// Called after each window with the result so far.
using PerplexityProgress = std::function<void(const PerplexityResult &soFar, int64_t windows)>;

Result<PerplexityResult> measurePerplexity(Session &session, std::span<const int32_t> tokens, int64_t window,
                                           const PerplexityProgress &progress = {});

/// -log softmax(logits)[token].
double surprise(std::span<const float> logits, int32_t token);

} // namespace tq

#endif // TQ_RUNTIME_PERPLEXITY_H
