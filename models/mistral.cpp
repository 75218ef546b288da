//===- mistral.cpp - MistralForCausalLM -----------------------------------===//

#include "models/PreNormDecoder.h"

/// No biases. Where config.json has a sliding window, every layer does.
void tq::buildMistral(GraphBuilder &g) { buildPreNormDecoder(g, {}); }
