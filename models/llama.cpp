//===- llama.cpp - LlamaForCausalLM ---------------------------------------===//

#include "models/PreNormDecoder.h"

/// attention_bias adds biases to q, k, v and o, mlp_bias to all three of the MLP.
void tq::buildLlama(GraphBuilder &g) {
  const ModelConfig &c = g.config();
  buildPreNormDecoder(g, {.qkvBias = c.qkvBias, .oBias = c.oBias, .mlpBias = c.mlpBias});
}
