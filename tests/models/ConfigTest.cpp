//===- ConfigTest.cpp - Keys, defaults, frequencies, complaints -----------===//

#include "models/Config.h"

#include "TestFiles.h"

#include <cmath>

using namespace tq;
using namespace tq::test;
using nlohmann::json;

namespace {

json minimal(const std::string &type = "llama") {
  return {{"model_type", type},     {"hidden_size", 64},        {"intermediate_size", 128},
          {"num_hidden_layers", 4}, {"num_attention_heads", 4}, {"vocab_size", 100}};
}

json minimalWith(const json &changes, const std::string &type = "llama") {
  json config = minimal(type);
  config.update(changes);
  return config;
}

ModelConfig parsed(const json &config, const json *generation = nullptr) {
  auto result = ModelConfig::parse(config, generation);
  EXPECT_TRUE(result.ok()) << result.message();
  return result.ok() ? *result : ModelConfig();
}

/// The message after changing some keys of a sound configuration.
std::string complaint(const json &changes, const std::string &type = "llama") {
  return messageOf(ModelConfig::parse(minimalWith(changes, type), nullptr));
}

std::vector<float> floats(const fs::path &file, const std::string &name) {
  auto tensors = readTensors(file);
  const Tensor &tensor = tensorNamed(tensors, name);
  std::vector<float> values(tensor.bytes.size() / 4);
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

void expectFrequencies(const ModelConfig &config, const fs::path &directory) {
  auto expected = floats(directory / "expected.safetensors", "rope_inv_freq");
  std::vector<float> actual = config.invFreq();
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], 1e-6 * expected[i]) << i;
  float factor = floats(directory / "expected.safetensors", "rope_attention_factor")[0];
  EXPECT_NEAR(config.attentionScaling(), factor, 1e-6 * factor);
}

TEST(Config, ReadsFixtures) {
  for (const char *name : {"llama-plain-sharded", "llama-llama3rope-bias-tied", "qwen2-yarn"}) {
    fs::path directory = data(std::string("hf/") + name);
    auto checkpoint = Checkpoint::open(directory);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
    auto config = ModelConfig::of(*checkpoint);
    ASSERT_TRUE(config.ok()) << config.message();
    expectFrequencies(*config, directory);
    EXPECT_EQ(config->tieEmbeddings(true), checkpoint->find("lm_head.weight") == nullptr);
    fs::path legacy = directory / "config.legacy.json";
    if (fs::exists(legacy)) {
      auto old = ModelConfig::parse(readJson(legacy), nullptr);
      ASSERT_TRUE(old.ok()) << old.message();
      EXPECT_EQ(old->rope.type, config->rope.type);
      expectFrequencies(*old, directory);
    }
  }
}

TEST(Config, ReadsLlama) {
  ModelConfig config = parsed(readJson(data("hf/llama-llama3rope-bias-tied/config.json")));
  EXPECT_EQ(config.modelType, "llama");
  EXPECT_EQ(config.hidden, 72);
  EXPECT_EQ(config.intermediate, 104);
  EXPECT_EQ(config.layers, 2);
  EXPECT_EQ(config.heads, 6);
  EXPECT_EQ(config.kvHeads, 2);
  EXPECT_EQ(config.headDim, 16);
  EXPECT_EQ(config.vocab, 211);
  EXPECT_EQ(config.eps, 1e-5);
  EXPECT_EQ(config.maxPosition, 256);
  EXPECT_EQ(config.rope.type, RopeType::Llama3);
  EXPECT_EQ(config.rope.theta, 500.0);
  EXPECT_EQ(config.rope.originalMax, 32);
  EXPECT_TRUE(config.qkvBias && config.oBias && config.mlpBias);
  EXPECT_FALSE(config.qkNorm);
  EXPECT_EQ(config.tieWordEmbeddings, true);
  EXPECT_EQ(config.bos, 1);
  EXPECT_EQ(config.eos, (std::vector<int64_t>{2, 5}));
}

TEST(Config, ClassDefaults) {
  ModelConfig llama = parsed(minimal());
  EXPECT_EQ(llama.kvHeads, 4);
  EXPECT_EQ(llama.headDim, 16);
  EXPECT_EQ(llama.eps, 1e-6);
  EXPECT_EQ(llama.rope.type, RopeType::Default);
  EXPECT_EQ(llama.rope.theta, 10000.0);
  EXPECT_EQ(llama.attentionScaling(), 1.0f);
  EXPECT_FALSE(llama.qkvBias || llama.oBias || llama.mlpBias);
  EXPECT_EQ(llama.slidingWindow, (std::vector<int64_t>{0, 0, 0, 0}));
  EXPECT_FALSE(llama.tieWordEmbeddings.has_value());
  EXPECT_TRUE(llama.tieEmbeddings(false));
  EXPECT_FALSE(llama.tieEmbeddings(true));

  ModelConfig qwen2 = parsed(minimal("qwen2"));
  EXPECT_TRUE(qwen2.qkvBias);
  EXPECT_FALSE(qwen2.oBias);
  // qwen2 has these biases whatever the key says.
  EXPECT_FALSE(parsed(minimalWith({{"attention_bias", true}}, "qwen2")).oBias);

  ModelConfig qwen3 = parsed(minimal("qwen3"));
  EXPECT_TRUE(qwen3.qkNorm);
  EXPECT_EQ(qwen3.headDim, 128); // not hidden_size / heads
  EXPECT_FALSE(qwen3.qkvBias);
}

TEST(Config, SlidingWindows) {
  using Windows = std::vector<int64_t>;
  auto windows = [](const char *type, const json &changes) { return parsed(minimalWith(changes, type)).slidingWindow; };
  EXPECT_EQ(windows("mistral", {{"sliding_window", 8}}), (Windows{8, 8, 8, 8}));
  EXPECT_EQ(windows("mistral", {{"sliding_window", nullptr}}), (Windows{0, 0, 0, 0}));
  EXPECT_EQ(windows("mistral", json::object()), (Windows{4096, 4096, 4096, 4096}));
  EXPECT_EQ(windows("llama", {{"sliding_window", 8}}), (Windows{0, 0, 0, 0}));
  EXPECT_EQ(windows("qwen2", {{"sliding_window", 8}, {"max_window_layers", 1}}), (Windows{0, 0, 0, 0}));
  EXPECT_EQ(windows("qwen2", {{"use_sliding_window", true}, {"sliding_window", 8}, {"max_window_layers", 3}}),
            (Windows{0, 0, 0, 8}));
  EXPECT_EQ(
      windows("qwen3", {{"use_sliding_window", true},
                        {"sliding_window", 8},
                        {"max_window_layers", 0},
                        {"layer_types", {"full_attention", "sliding_attention", "full_attention", "full_attention"}}}),
      (Windows{0, 8, 0, 0}));
  EXPECT_CONTAINS(complaint({{"layer_types", json::array({"full_attention"})}}),
                  "layer_types: expected a list of num_hidden_layers = 4");
  json types = {"full_attention", "full_attention", "linear_attention", "x"};
  EXPECT_CONTAINS(complaint({{"layer_types", types}}), R"(layer 2 is "linear_attention")");
  types[2] = "sliding_attention";
  EXPECT_CONTAINS(complaint({{"layer_types", types}}), "layer 2 slides");
}

TEST(Config, YarnAgainstPublishedValues) {
  // gpt-oss and DeepSeek parameters; values of transformers in float32.
  json rope = {{"rope_type", "yarn"},
               {"factor", 32.0},
               {"rope_theta", 150000.0},
               {"truncate", false},
               {"original_max_position_embeddings", 4096}};
  ModelConfig exact = parsed(minimalWith({{"rope_parameters", rope}, {"head_dim", 64}}));
  auto near = [](const ModelConfig &config, int index, double expected) {
    EXPECT_NEAR(config.invFreq()[index], expected, 2e-6 * expected) << index;
  };
  near(exact, 8, 5.08132748e-2);
  near(exact, 9, 3.17056962e-2);
  near(exact, 12, 6.79495949e-3);
  near(exact, 17, 1.29318701e-4);
  near(exact, 31, 3.02351143e-7);
  EXPECT_NEAR(exact.attentionScaling(), 1.3465736, 1e-6);
  rope.erase("truncate");
  ModelConfig truncated = parsed(minimalWith({{"rope_parameters", rope}, {"head_dim", 64}}));
  near(truncated, 9, 3.16207523e-2);
  near(truncated, 17, 2.27947796e-4);

  json scaling = {{"type", "yarn"},
                  {"factor", 40},
                  {"mscale", 1.0},
                  {"mscale_all_dim", 1.0},
                  {"original_max_position_embeddings", 4096}};
  ModelConfig deepseek = parsed(minimalWith({{"rope_scaling", scaling}, {"rope_theta", 10000}, {"head_dim", 64}}));
  near(deepseek, 12, 2.68793601e-2);
  near(deepseek, 20, 7.90569415e-4);
  EXPECT_EQ(deepseek.attentionScaling(), 1.0f);
  scaling["attention_factor"] = 0.5;
  EXPECT_EQ(parsed(minimalWith({{"rope_scaling", scaling}})).attentionScaling(), 0.5f);
}

TEST(Config, Llama3AgainstPublishedValues) {
  json rope = {{"rope_type", "llama3"},
               {"factor", 8.0},
               {"low_freq_factor", 1.0},
               {"high_freq_factor", 4.0},
               {"original_max_position_embeddings", 8192}};
  ModelConfig config = parsed(minimalWith({{"rope_scaling", rope}, {"rope_theta", 500000.0}, {"head_dim", 128}}));
  for (auto [index, expected] : {std::pair(28, 3.21144599e-3), std::pair(29, 2.16657076e-3),
                                 std::pair(34, 1.78507813e-4), std::pair(63, 3.06892599e-7)})
    EXPECT_NEAR(config.invFreq()[index], expected, 2e-6 * expected) << index;
}

TEST(Config, LinearRope) {
  ModelConfig plain = parsed(minimal());
  ModelConfig linear = parsed(minimalWith({{"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}}}));
  EXPECT_EQ(linear.invFreq()[3], plain.invFreq()[3] / 2);
}

TEST(Config, StopIdsAndGenerationDefaults) {
  json generation = {{"eos_token_id", {7, 8}}, {"temperature", 0.6},        {"top_k", 20},
                     {"top_p", 0.95},          {"repetition_penalty", 1.1}, {"do_sample", true}};
  ModelConfig config = parsed(minimalWith({{"eos_token_id", 9}, {"bos_token_id", nullptr}}), &generation);
  EXPECT_EQ(config.eos, (std::vector<int64_t>{7, 8, 9}));
  EXPECT_FALSE(config.bos.has_value());
  EXPECT_TRUE(config.generation.doSample);
  EXPECT_EQ(config.generation.temperature, 0.6);
  EXPECT_EQ(config.generation.topK, 20);
  EXPECT_EQ(config.generation.topP, 0.95);
  EXPECT_EQ(config.generation.repetitionPenalty, 1.1);

  generation["top_p"] = 2.0;
  EXPECT_CONTAINS(messageOf(ModelConfig::parse(minimal(), &generation)),
                  "generation_config.json: top_p: expected a number from 0 to "
                  "1, but got 2.0");
  EXPECT_CONTAINS(complaint({{"eos_token_id", "</s>"}}), "eos_token_id: expected a token id or a list");
  EXPECT_CONTAINS(complaint({{"eos_token_id", {1, -2}}}), "eos_token_id");
}

TEST(Config, NamesUnknownModelTypes) {
  EXPECT_EQ(complaint({{"model_type", "frobnicate"}}),
            "config.json: model_type: cannot compile 'frobnicate'; known are "
            "llama, mistral, qwen2, qwen3");
  EXPECT_CONTAINS(complaint({{"model_type", nullptr}}), "config.json: model_type: missing; known are");
  EXPECT_CONTAINS(complaint({{"model_type", 4}}), "model_type: expected a string, but got 4");
}

TEST(Config, NamesBadDimensions) {
  struct {
    json changes;
    const char *message;
  } cases[] = {
      {{{"num_attention_heads", 0}}, "config.json: num_attention_heads: expected a whole number from 1"},
      {{{"num_key_value_heads", 3}}, "num_attention_heads: 4 is not a multiple of num_key_value_heads 3"},
      {{{"num_hidden_layers", 1000000000}},
       "num_hidden_layers: expected a whole number from 1 to 10000, but got "
       "1000000000"},
      {{{"num_hidden_layers", "four"}},
       R"(num_hidden_layers: expected a whole number from 1 to 10000, but got "four")"},
      {{{"num_hidden_layers", -4}}, "but got -4"},
      {{{"num_hidden_layers", 4.5}}, "but got 4.5"},
      {{{"num_hidden_layers", nullptr}}, "num_hidden_layers: missing"},
      {{{"vocab_size", 18446744073709551615u}}, "vocab_size: expected a whole number"},
      {{{"hidden_size", 65}}, "hidden_size: 65 is not a multiple of"},
      {{{"head_dim", 15}}, "head_dim: 15 is not even"},
      {{{"hidden_size", 4194304}, {"num_attention_heads", 2097152}, {"head_dim", 64}}, "exceed the limit of 4194304"},
      {{{"rms_norm_eps", 0}}, "rms_norm_eps: expected a number"},
      {{{"rms_norm_eps", NAN}}, "rms_norm_eps: expected a number"},
      {{{"rms_norm_eps", "small"}}, "rms_norm_eps: expected a number"},
      {{{"hidden_act", "gelu"}}, "hidden_act: unknown activation 'gelu'; known is silu"},
      {{{"tie_word_embeddings", "yes"}}, "tie_word_embeddings: expected true or false"},
  };
  for (const auto &c : cases)
    EXPECT_CONTAINS(complaint(c.changes), c.message);
}

TEST(Config, NamesBadRope) {
  auto rope = [](const json &value) { return complaint({{"rope_scaling", value}}); };
  EXPECT_CONTAINS(rope({{"rope_type", "spiral"}, {"factor", 2}}), "config.json: rope_scaling.rope_type: unknown type "
                                                                  "'spiral'; known are default, linear, llama3, yarn");
  EXPECT_CONTAINS(complaint({{"rope_parameters", {{"type", "longrope"}}}}),
                  "rope_parameters.type: unknown type 'longrope'");
  EXPECT_CONTAINS(rope({{"type", "linear"}}), "rope_scaling.factor: missing");
  EXPECT_CONTAINS(rope({{"type", "linear"}, {"factor", 0}}), "rope_scaling.factor: expected a number");
  EXPECT_CONTAINS(rope({{"type", "llama3"},
                        {"factor", 8},
                        {"low_freq_factor", 4},
                        {"high_freq_factor", 4},
                        {"original_max_position_embeddings", 32}}),
                  "high_freq_factor: 4 is not above low_freq_factor 4");
  EXPECT_CONTAINS(rope({{"type", "llama3"}, {"factor", 8}, {"low_freq_factor", 1}, {"high_freq_factor", 4}}),
                  "original_max_position_embeddings: missing");
  EXPECT_CONTAINS(rope("yarn"), "rope_scaling: expected an object");
  EXPECT_CONTAINS(rope({{"partial_rotary_factor", 0.5}}), "rope_scaling.partial_rotary_factor: expected a number from "
                                                          "1 to 1, but got 0.5");
  EXPECT_CONTAINS(complaint({{"rope_theta", -1}}), "rope_theta: expected a number");
}

} // namespace
