//===- RunTest.cpp - Checkpoint to logits through both tools --------------===//
// Every test compiles once and looks at the package in several ways: a test case is a process of its own under ctest.

#include "tests/codegen/Tools.h"

using namespace tq;
using namespace tq::test;

namespace {

/// A package made from tests/data/<source>, and a place for logits.
struct Compiled {
  explicit Compiled(const std::string &source, const std::string &flags = "--weights=keep --activations=f32") {
    made = compile(test::data(source), package(), flags);
    EXPECT_EQ(made.code, 0) << made.err;
  }
  fs::path package() const { return directory / "m.tqpkg"; }
  /// Runs greedily; the bytes of the logits file.
  std::string logits(const std::vector<int32_t> &ids, int count, const std::string &flags = "") const {
    fs::path file = directory / "logits.safetensors";
    fs::remove(file);
    Outcome outcome = run(package(), "--token-ids " + join(ids) + " --temp 0 --ignore-eos -n " + std::to_string(count) +
                                         " --logits " + file.string() + " " + flags);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? readFile(file) : "";
  }
  Values values(const std::vector<int32_t> &ids, int count, const std::string &flags = "") const {
    logits(ids, count, flags);
    return Values(directory / "logits.safetensors");
  }

  TempDir directory;
  Outcome made;
};

constexpr const char *kBundled = "tinystories-3.7m";

/// Ids of text that the bundled model knows, longer than a vector of tokens, shorter than its context of 256.
std::vector<int32_t> longPrompt() {
  nlohmann::json greedy = readJson(data("greedy.json"));
  auto ids = greedy["prompt_ids"].get<std::vector<int32_t>>(),
       more = greedy["generated_ids"].get<std::vector<int32_t>>();
  ids.insert(ids.end(), more.begin(), more.begin() + 61);
  return ids;
}

//===-- The bundled model ---------------------------------------------------------------------------------------===//

TEST(RunBundled, Floats) {
  Compiled model(kBundled);
  // Text and tokens of transformers.
  nlohmann::json greedy = readJson(data("greedy.json"));
  std::vector<int32_t> prompt = greedy["prompt_ids"], want = greedy["generated_ids"];
  std::string flags = " --temp 0 --json -n " + std::to_string(want.size());
  Outcome outcome = run(model.package(), "--token-ids " + join(prompt) + flags);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["token_ids"], greedy["generated_ids"]);
  if (TQ_TEXT) {
    outcome = run(model.package(), "-p '" + greedy["prompt"].get<std::string>() + "'" + flags);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    nlohmann::json result = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(result["prompt_tokens"], prompt.size());
    EXPECT_EQ(result["token_ids"], greedy["generated_ids"]);
    EXPECT_EQ(result["text"], greedy["text"]);
  }

  // Neither chunks nor threads nor the order of pages change a bit.
  std::string once = model.logits(longPrompt(), 3);
  for (const char *other : {"--chunk 1", "--chunk 5", "--chunk 8", "--chunk 33", "--threads 1", "--threads 3"})
    EXPECT_EQ(model.logits(longPrompt(), 3, other), once) << other;

  // Contexts: the package's is the most that there is.
  expectError(run(model.package(), "--token-ids " + join(std::vector<int32_t>(9, 5)) + " --context 8 -n 1"),
              "cannot take a prompt of 9 tokens: the context has 8");
  expectError(run(model.package(), "--token-ids " + join(std::vector<int32_t>(257, 5)) + " -n 1"),
              "cannot take a prompt of 257 tokens: the context has 256");
  expectError(run(model.package(), "--token-ids 5 --context 300 -n 1"), "256");
  expectError(run(model.package(), "--token-ids 5,2048 -n 1"), "2048");
  // A prompt may fill it; then there is room for the one token that follows.
  outcome =
      run(model.package(), "--token-ids " + join(std::vector<int32_t>(256, 5)) + " -n 5 --temp 0 --ignore-eos --json");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["ending"], "context");
  expectError(run(model.package(), "--token-ids 5 --cpu x86-64-v9 -n 1"), "x86-64-v9");
}

/// Integer codes of rotated weights, float activations: still the same bits whatever the chunks.
TEST(RunBundled, QuantisedWeights) {
  Compiled model(kBundled, "--weights=tq4 --activations=f32 --embed-bits=6");
  std::string once = model.logits(longPrompt(), 2);
  for (const char *other : {"--chunk 1", "--chunk 5", "--threads 1"})
    EXPECT_EQ(model.logits(longPrompt(), 2, other), once) << other;
}

/// Rounded activations: the bits are those of the package, run after run.
TEST(RunBundled, QuantisedActivations) {
  Compiled model(kBundled, "--weights=tq4 --attn-bits=3 --protect-layers=0");
  std::string once = model.logits(longPrompt(), 2);
  EXPECT_EQ(model.logits(longPrompt(), 2), once);
  EXPECT_EQ(model.logits(longPrompt(), 2, "--threads 1"), once);
  Values got(model.directory / "logits.safetensors");
  Compiled plain(kBundled);
  std::vector<float> want = plain.values(longPrompt(), 2).floats("logits");
  EXPECT_LT(largestDifference(got.floats("logits"), want), 0.5 * largestValue(want));
}

/// One package for several machines.
TEST(RunBundled, TwoTargets) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "the targets are those of x86-64";
#endif
  Compiled model(kBundled, "--weights=tq4 --activations=int8 --cpu=x86-64-v3,x86-64-avx512");
  std::vector<std::string> files = list(model.package());
  EXPECT_TRUE(std::ranges::count(files, "kernels.avx2.so") && std::ranges::count(files, "kernels.avx512.so"));
  std::vector<std::vector<float>> results;
  for (std::string cpu : {"x86-64-v3", "x86-64-avx512"}) {
    Outcome outcome = run(model.package(), "--token-ids 5 -n 1 --json --cpu " + cpu);
    if (outcome.code != 0 && outcome.err.find("lacks") != std::string::npos)
      GTEST_SKIP() << "this machine does not run " << cpu << ": " << outcome.err;
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(nlohmann::json::parse(outcome.out)["target"], cpu);
    std::string once = model.logits(longPrompt(), 2, "--cpu " + cpu);
    EXPECT_EQ(model.logits(longPrompt(), 2, "--cpu " + cpu), once);
    results.push_back(Values(model.directory / "logits.safetensors").floats("logits"));
  }
  // The best stands first, whatever the order on the command line.
  Outcome outcome = run(model.package(), "--token-ids 5 -n 1 --json");
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["target"], "x86-64-avx512");
  // Codes are the same, sums are in another order: the rounding of activations may fall the other way once in a while.
  EXPECT_LT(largestDifference(results[0], results[1]), 0.02 * largestValue(results[1]));
}

//===-- Logits of the formats' own tools ------------------------------------------------------------------------===//

std::string identifier(const testing::TestParamInfo<const char *> &info) {
  std::string name = info.param;
  std::ranges::replace_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

class RunDense : public testing::TestWithParam<const char *> {};

TEST_P(RunDense, Logits) {
  std::string source = std::string("hf/") + GetParam();
  Compiled model(source);
  Values expected(test::data(source) / "expected.safetensors");
  std::vector<int32_t> prompt = expected.ids("input_ids"), next = expected.ids("decode_ids");
  std::vector<float> want = expected.floats("prefill_logits"), decode = expected.floats("decode_logits");
  want.insert(want.end(), decode.begin(), decode.end());
  // The last token is not fed: one more than there are logits for.
  Values got = model.values(prompt, int(next.size()) + 1);
  std::vector<int32_t> ids = got.ids("token_ids");
  ASSERT_EQ(ids.size(), prompt.size() + next.size() + 1);
  EXPECT_EQ(std::vector<int32_t>(ids.begin() + prompt.size(), ids.end() - 1), next);
  double error = largestDifference(got.floats("logits"), want) / largestValue(want);
  std::printf("%s: %.1e of the largest\n", GetParam(), error);
  EXPECT_LT(error, 1e-3);

  std::string once = readFile(model.directory / "logits.safetensors");
  for (const char *flags : {"--chunk 5", "--chunk 1"})
    EXPECT_EQ(model.logits(prompt, int(next.size()) + 1, flags), once) << flags;
}

INSTANTIATE_TEST_SUITE_P(Dense, RunDense,
                         testing::Values("llama-plain-sharded", "llama-llama3rope-bias-tied", "llama-bf16",
                                         "mistral-window8", "qwen2-window-from-layer2-tied", "qwen2-yarn",
                                         "qwen3-bf16"),
                         identifier);

/// Prompts only: logits of the last 8 positions. TurboQuant in absolute terms, twice as much where residuals of one bit are added;
/// affine in terms of the largest logit, where scales in f32 are rounded to the layout's f16.
class RunQuantised : public testing::TestWithParam<const char *> {};

TEST_P(RunQuantised, Logits) {
  std::string source = GetParam();
  Compiled model(source);
  Values expected(test::data(source) / "expected.safetensors");
  std::vector<float> want = expected.floats("logits_f32");
  std::vector<float> got = model.values(expected.ids("input_ids"), 0).floats("logits");
  ASSERT_GE(got.size(), want.size());
  nlohmann::json config = readJson(test::data(source) / "config.json");
  bool qjl = config["quantization"].value("use_qjl", false) || config["quantization"].value("qjl", false);
  double error = largestDifference(std::span(got).last(want.size()), want);
  std::printf("%s: %.1e\n", GetParam(), error);
  EXPECT_LT(error, source.starts_with("mlx") ? 3e-3 * largestValue(want) : qjl ? 0.1 : 0.05);
}

INSTANTIATE_TEST_SUITE_P(TurboQuant, RunQuantised,
                         testing::Values("turboquant/m12-m20-blocks-tq2-g32-qjl", "turboquant/m20-m28-bias-tq3-g32",
                                         "turboquant/m28-blocks-attn4-mlp3-mlpg16", "turboquant/no-rotation-tq3-g32",
                                         "turboquant/qwen2-bias-tq3-g64", "turboquant/trained-attn4-mlp2-g128-extras4",
                                         "turboquant/trained-tq3-g64-extras4"),
                         identifier);
INSTANTIATE_TEST_SUITE_P(Mlx, RunQuantised,
                         testing::Values("mlx/tiny-affine2-g128-f32", "mlx/tiny-affine3-g64", "mlx/tiny-affine4-g128",
                                         "mlx/tiny-affine5-g32", "mlx/tiny-affine6-g32", "mlx/tiny-affine8-g128-bias"),
                         identifier);

} // namespace
