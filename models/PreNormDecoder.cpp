//===- PreNormDecoder.cpp - The decoder that most dense families share ----===//

#include "models/PreNormDecoder.h"

using namespace mlir;
using namespace tq;

/// softmax(q k^T / sqrt(d)) v over grouped heads, with rotary positions.
static Value attention(GraphBuilder &g, Value x, int64_t layer, const PreNormDecoder &family) {
  const ModelConfig &c = g.config();
  auto project = [&](StringRef name, int64_t heads) {
    return g.splitHeads(g.linear(x, name, heads * c.headDim, family.qkvBias, "qkv"), heads, "qkv");
  };
  Value q = project("self_attn.q_proj", c.heads);
  Value k = project("self_attn.k_proj", c.kvHeads);
  Value v = project("self_attn.v_proj", c.kvHeads);
  if (family.qkNorm) {
    q = g.norm(q, "self_attn.q_norm", "qk_norm");
    k = g.norm(k, "self_attn.k_norm", "qk_norm");
  }
  q = g.rope(q);
  k = g.rope(k);
  Value y = g.joinHeads(g.attend(q, k, v, layer, c.slidingWindow[layer]), "sdpa");
  return g.linear(y, "self_attn.o_proj", c.hidden, family.oBias, "o");
}

/// down(silu(gate(x)) * up(x))
static Value mlp(GraphBuilder &g, Value x, const PreNormDecoder &family) {
  const ModelConfig &c = g.config();
  Value gate = g.linear(x, "mlp.gate_proj", c.intermediate, family.mlpBias, "gate_up");
  Value up = g.linear(x, "mlp.up_proj", c.intermediate, family.mlpBias, "gate_up");
  Value y = g.glu(gate, up, Activation::Silu, "gate_up");
  return g.linear(y, "mlp.down_proj", c.hidden, family.mlpBias, "down");
}

void tq::buildPreNormDecoder(GraphBuilder &g, const PreNormDecoder &family) {
  const ModelConfig &c = g.config();
  g.enter("model.", "", "embedding");
  Value x = g.embed("embed_tokens.weight");
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    std::string path = "model.layers." + std::to_string(layer) + ".", label = "layers." + std::to_string(layer);
    g.enter(path, label + ".attention.", "attention");
    x = g.add(x, attention(g, g.norm(x, "input_layernorm"), layer, family), "o");
    g.enter(path, label + ".mlp.", "mlp");
    x = g.add(x, mlp(g, g.norm(x, "post_attention_layernorm"), family), "down");
  }
  bool tied = c.tieEmbeddings(g.weights().exists("lm_head.weight"));
  g.enter("", "", tied ? "embedding" : "head");
  x = g.norm(g.takeRows(x, "norm"), "model.norm");
  g.finish(g.head(x, tied ? "model.embed_tokens.weight" : "lm_head.weight"));
}
