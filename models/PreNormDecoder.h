//===- PreNormDecoder.h - The decoder that most dense families share ------===//
#ifndef TQ_MODELS_PRENORMDECODER_H
#define TQ_MODELS_PRENORMDECODER_H

#include "models/GraphBuilder.h"

namespace tq {

/// How a family departs from the plainest decoder: no biases, no norms of heads.
struct PreNormDecoder {
  bool qkvBias = false;
  bool oBias = false;
  bool mlpBias = false;
  /// RMS norm of every q and k head before rope.
  bool qkNorm = false;
};

/// h = x + attention(norm(x)), h + mlp(norm(h)) in every layer, then a norm and the head; in the tensor names of
/// LlamaForCausalLM, which the other families took over. Windows per layer are those of the configuration.
void buildPreNormDecoder(GraphBuilder &g, const PreNormDecoder &family);

} // namespace tq
#endif
