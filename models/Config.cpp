//===- Config.cpp - config.json as a checked struct -----------------------===//

#include "models/Config.h"

#include "models/Checkpoint.h"
#include "models/formats/JsonKeys.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

using nlohmann::json;

namespace tq {
namespace {

// Far above any published model, far below what would overflow a product.
constexpr int64_t maxLayers = 10'000;
constexpr int64_t maxWidth = 1 << 22;
constexpr int64_t maxVocab = 1 << 26;
constexpr int64_t maxTokens = INT32_MAX;

/// What the transformers config classes assume where the file is silent, and
/// what their modelling code fixes.
struct Family {
  const char *modelType;
  int64_t headDim; // 0: hidden_size / num_attention_heads
  int64_t maxPosition;
  int64_t window;     // of an absent sliding_window key; 0: none
  bool fixedQkvBias;  // q, k, v always have a bias and o never
  bool attentionBias; // honours attention_bias, for q, k, v and o
  bool mlpBias;       // honours mlp_bias
  bool qkNorm;
  bool windowIsOptIn; // use_sliding_window, max_window_layers
};

constexpr Family families[] = {
    {"llama", 0, 2048, 0, false, true, true, false, false},
    {"mistral", 0, 131072, 4096, false, false, false, false, false},
    {"qwen2", 0, 32768, 4096, true, false, false, false, true},
    {"qwen3", 128, 32768, 4096, false, true, false, true, true},
};

void readDimensions(JsonKeys &keys, const Family &family, ModelConfig &config) {
  config.hidden = keys.requiredInteger("hidden_size", 1, maxWidth);
  config.intermediate = keys.requiredInteger("intermediate_size", 1, maxWidth);
  config.layers = keys.requiredInteger("num_hidden_layers", 1, maxLayers);
  config.heads = keys.requiredInteger("num_attention_heads", 1, maxWidth);
  config.kvHeads = keys.integer("num_key_value_heads", 1, maxWidth).value_or(config.heads);
  config.vocab = keys.requiredInteger("vocab_size", 1, maxVocab);
  config.maxPosition = keys.integer("max_position_embeddings", 1, maxTokens).value_or(family.maxPosition);
  config.eps = keys.number("rms_norm_eps", 1e-30, 1.0).value_or(1e-6);
  if (!keys.status().ok())
    return;
  if (config.heads % config.kvHeads != 0)
    keys.fail("num_attention_heads",
              fmt::format("{} is not a multiple of num_key_value_heads {}", config.heads, config.kvHeads));
  if (std::optional<int64_t> stated = keys.integer("head_dim", 2, 65536)) {
    config.headDim = *stated;
  } else if (family.headDim != 0) {
    config.headDim = family.headDim;
  } else {
    config.headDim = config.hidden / config.heads;
    if (config.hidden % config.heads != 0)
      keys.fail("hidden_size", fmt::format("{} is not a multiple of num_attention_heads {}, "
                                           "and there is no head_dim",
                                           config.hidden, config.heads));
  }
  if (config.headDim % 2 != 0 || config.headDim == 0)
    keys.fail("head_dim", fmt::format("{} is not even, but rotary embeddings "
                                      "turn pairs",
                                      config.headDim));
  if (config.heads * config.headDim > maxWidth)
    keys.fail("num_attention_heads",
              fmt::format("{} heads of {} exceed the limit of {} together", config.heads, config.headDim, maxWidth));
}

void readLlama3(JsonKeys &keys, RopeConfig &rope) {
  rope.factor = keys.requiredNumber("factor", 1e-3, 1e6);
  rope.lowFreq = keys.requiredNumber("low_freq_factor", 1e-6, 1e6);
  rope.highFreq = keys.requiredNumber("high_freq_factor", 1e-6, 1e6);
  rope.originalMax = keys.requiredInteger("original_max_position_embeddings", 1, maxTokens);
  if (rope.highFreq <= rope.lowFreq)
    keys.fail("high_freq_factor", fmt::format("{} is not above low_freq_factor {}", rope.highFreq, rope.lowFreq));
}

void readYarn(JsonKeys &keys, int64_t maxPosition, RopeConfig &rope) {
  rope.originalMax = keys.integer("original_max_position_embeddings", 1, maxTokens).value_or(maxPosition);
  rope.factor = keys.number("factor", 1e-3, 1e6)
                    .value_or(static_cast<double>(maxPosition) / static_cast<double>(rope.originalMax));
  rope.betaFast = keys.number("beta_fast", 1e-6, 1e6).value_or(32.0);
  rope.betaSlow = keys.number("beta_slow", 1e-6, 1e6).value_or(1.0);
  rope.truncate = keys.boolean("truncate").value_or(true);
  rope.attentionFactor = keys.number("attention_factor", 1e-6, 1e6);
  rope.mscale = keys.number("mscale", 0.0, 1e3);
  rope.mscaleAllDim = keys.number("mscale_all_dim", 0.0, 1e3);
}

/// rope_parameters (newer files, with rope_theta inside) wins over
/// rope_scaling beside a top-level rope_theta.
Status readRope(JsonKeys &top, const std::string &file, ModelConfig &config) {
  RopeConfig &rope = config.rope;
  // ln(theta) divides in YaRN, so theta must exceed 1.
  constexpr double minTheta = 1.0001, maxTheta = 1e15;
  rope.theta = top.number("rope_theta", minTheta, maxTheta).value_or(rope.theta);
  top.number("partial_rotary_factor", 1.0, 1.0);

  const char *name = top.find("rope_parameters") ? "rope_parameters" : "rope_scaling";
  const json *object = top.find(name);
  if (!object)
    return top.status();
  if (!object->is_object()) {
    top.failValue(name, "an object");
    return top.status();
  }
  JsonKeys keys(*object, file, fmt::format("{}.", name));
  rope.theta = keys.number("rope_theta", minTheta, maxTheta).value_or(rope.theta);
  keys.number("partial_rotary_factor", 1.0, 1.0);
  keys.number("llama_4_scaling_beta", 0.0, 0.0);

  const char *typeKey = keys.find("rope_type") ? "rope_type" : "type";
  std::string type = keys.string(typeKey, "default");
  TQ_TRY(keys.status());
  if (type == "default") {
    rope.type = RopeType::Default;
  } else if (type == "linear") {
    rope.type = RopeType::Linear;
    rope.factor = keys.requiredNumber("factor", 1e-3, 1e6);
  } else if (type == "llama3") {
    rope.type = RopeType::Llama3;
    readLlama3(keys, rope);
  } else if (type == "yarn") {
    rope.type = RopeType::Yarn;
    readYarn(keys, config.maxPosition, rope);
  } else {
    keys.fail(typeKey, fmt::format("unknown type '{}'; known are default, "
                                   "linear, llama3, yarn",
                                   printable(type)));
  }
  TQ_TRY(keys.status());
  return top.status();
}

void readWindows(JsonKeys &keys, const Family &family, ModelConfig &config) {
  // A key that is null says "none"; one that is absent asks for the default.
  // Some writers say 0 for none.
  int64_t window =
      keys.integer("sliding_window", 0, maxTokens).value_or(keys.isNull("sliding_window") ? 0 : family.window);
  int64_t firstLayer = 0;
  if (family.windowIsOptIn) {
    if (!keys.boolean("use_sliding_window").value_or(false))
      window = 0;
    firstLayer = keys.integer("max_window_layers", 0, maxTokens).value_or(28);
  }
  config.slidingWindow.assign(config.layers, 0);
  const json *types = keys.find("layer_types");
  if (!types) {
    // llama itself has no window; only layer_types may give it one.
    if (family.window != 0)
      for (int64_t layer = firstLayer; layer < config.layers; ++layer)
        config.slidingWindow[layer] = window;
    return;
  }
  if (!types->is_array() || types->size() != static_cast<size_t>(config.layers))
    return keys.failValue("layer_types", fmt::format("a list of num_hidden_layers = {}", config.layers));
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const json &type = (*types)[layer];
    if (type == "sliding_attention") {
      if (window == 0)
        return keys.fail("layer_types", fmt::format("layer {} slides, but sliding_window or "
                                                    "use_sliding_window turn windows off",
                                                    layer));
      config.slidingWindow[layer] = window;
    } else if (type != "full_attention") {
      return keys.fail("layer_types", fmt::format("layer {} is {}; known are full_attention, "
                                                  "sliding_attention",
                                                  layer, jsonPreview(type)));
    }
  }
}

Status readGeneration(const json &object, std::string_view file, ModelConfig &config) {
  JsonKeys keys(object, std::string(file));
  GenerationDefaults &generation = config.generation;
  keys.tokenIds("eos_token_id", maxTokens, config.eos);
  generation.doSample = keys.boolean("do_sample").value_or(false);
  generation.temperature = keys.number("temperature", 0.0, 1e6);
  generation.topK = keys.integer("top_k", 0, maxTokens);
  generation.topP = keys.number("top_p", 0.0, 1.0);
  generation.repetitionPenalty = keys.number("repetition_penalty", 1e-6, 1e6);
  return keys.status();
}

} // namespace

std::string knownModelTypes() {
  std::string result;
  for (const Family &family : families)
    result += fmt::format("{}{}", result.empty() ? "" : ", ", family.modelType);
  return result;
}

Result<ModelConfig> ModelConfig::parse(const json &object, const json *generation, std::string_view file,
                                       std::string_view generationFile) {
  JsonKeys keys(object, std::string(file));
  ModelConfig config;
  config.modelType = keys.string("model_type", "");
  TQ_TRY(keys.status());
  const Family *family =
      std::ranges::find_if(families, [&](const Family &f) { return config.modelType == f.modelType; });
  if (family == std::end(families))
    return Error{fmt::format("{}: model_type: {}; known are {}", file,
                             config.modelType.empty() ? "missing"
                                                      : fmt::format("cannot compile '{}'", printable(config.modelType)),
                             knownModelTypes())};

  readDimensions(keys, *family, config);
  TQ_TRY(keys.status());
  TQ_TRY(readRope(keys, std::string(file), config));
  readWindows(keys, *family, config);

  bool attentionBias = family->attentionBias && keys.boolean("attention_bias").value_or(false);
  config.qkvBias = family->fixedQkvBias || attentionBias;
  config.oBias = attentionBias;
  config.mlpBias = family->mlpBias && keys.boolean("mlp_bias").value_or(false);
  config.qkNorm = family->qkNorm;
  config.tieWordEmbeddings = keys.boolean("tie_word_embeddings");
  if (std::string act = keys.string("hidden_act", "silu"); act != "silu")
    keys.fail("hidden_act", fmt::format("unknown activation '{}'; known is silu", printable(act)));

  if (generation)
    TQ_TRY(readGeneration(*generation, generationFile, config));
  keys.tokenIds("eos_token_id", maxTokens, config.eos);
  config.bos = keys.integer("bos_token_id", 0, maxTokens);
  TQ_TRY(keys.status());
  return config;
}

Result<ModelConfig> ModelConfig::of(const Checkpoint &checkpoint) {
  return parse(checkpoint.config(), checkpoint.generationConfig(), (checkpoint.directory() / "config.json").string(),
               (checkpoint.directory() / "generation_config.json").string());
}

} // namespace tq
