//===- qwen2.cpp - Qwen2ForCausalLM (Qwen2, Qwen2.5) ----------------------===//

#include "models/PreNormDecoder.h"

/// Biases on q, k and v, never on o. With use_sliding_window, layers from max_window_layers on have the window.
void tq::buildQwen2(GraphBuilder &g) { buildPreNormDecoder(g, {.qkvBias = true}); }
