//===- qwen3.cpp - Qwen3ForCausalLM ---------------------------------------===//

#include "models/PreNormDecoder.h"

/// Norms of every q and k head before rope; head_dim is its own number, not hidden_size / heads.
void tq::buildQwen3(GraphBuilder &g) {
  const ModelConfig &c = g.config();
  buildPreNormDecoder(g, {.qkvBias = c.qkvBias, .oBias = c.oBias, .qkNorm = true});
}
