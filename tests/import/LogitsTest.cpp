//===- LogitsTest.cpp - Imported models against the formats' own tools ----===//
// The interpreter runs what importModel built; transformers and turboquant-mlx say what the logits are.

#include "tests/import/Import.h"
#include "tests/reference/Interpreter.h"

using namespace tq;
using namespace tq::test;
using namespace tq::reference;

template <class T> static std::vector<T> readAs(std::vector<test::Tensor> &tensors, const std::string &name) {
  const test::Tensor &tensor = tensorNamed(tensors, name);
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

static Ids readIds(std::vector<test::Tensor> &tensors, const std::string &name) {
  if (tensorNamed(tensors, name).dtype == "I32")
    return readAs<int32_t>(tensors, name);
  std::vector<int64_t> wide = readAs<int64_t>(tensors, name);
  return Ids(wide.begin(), wide.end());
}

/// A fixture's name as GoogleTest wants it.
static std::string identifier(std::string name) {
  std::ranges::replace_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

/// Largest difference over largest value.
template <class T> static double relativeError(const std::vector<T> &got, const std::vector<float> &want) {
  double error = 0, largest = 0;
  EXPECT_EQ(got.size(), want.size());
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    error = std::max(error, std::abs(double(got[i]) - double(want[i])));
    largest = std::max(largest, std::abs(double(want[i])));
  }
  return error / largest;
}

//===-- transformers --------------------------------------------------------------------------------------------===//

class Transformers : public testing::TestWithParam<const char *> {};

TEST_P(Transformers, Logits) {
  Imported imported(data("hf") / GetParam());
  ASSERT_TRUE(imported.ok()) << imported.problem;
  EXPECT_EQ(imported.diagnostics, "");
  std::vector<test::Tensor> expected = readTensors(data("hf") / GetParam() / "expected.safetensors");
  Ids prompt = readIds(expected, "input_ids"), decode = readIds(expected, "decode_ids");
  std::vector<float> prefillLogits = readAs<float>(expected, "prefill_logits"),
                     decodeLogits = readAs<float>(expected, "decode_logits");

  CheckpointWeights weights(*imported.checkpoint);
  Interpreter<double> interpreter(*imported.module, weights);
  double prefillError = relativeError(interpreter.forward(prompt).values, prefillLogits);
  std::vector<double> steps;
  for (int32_t id : decode) {
    std::vector<double> logits = interpreter.forward({id}, 1).values;
    steps.insert(steps.end(), logits.begin(), logits.end());
  }
  double decodeError = relativeError(steps, decodeLogits);
  std::printf("%s: prefill %.1e, decode %.1e\n", GetParam(), prefillError, decodeError);
  EXPECT_LT(prefillError, 2e-5);
  EXPECT_LT(decodeError, 2e-5);

  // In f32, in chunks of 5.
  Interpreter<float> chunked(*imported.module, weights);
  std::vector<float> logits;
  for (size_t first = 0; first < prompt.size(); first += 5) {
    Ids chunk(prompt.begin() + first, prompt.begin() + std::min(first + 5, prompt.size()));
    std::vector<float> rows = chunked.forward(chunk).values;
    logits.insert(logits.end(), rows.begin(), rows.end());
  }
  EXPECT_LT(relativeError(logits, prefillLogits), 2e-5);
}

INSTANTIATE_TEST_SUITE_P(Dense, Transformers,
                         testing::Values("llama-plain-sharded", "llama-llama3rope-bias-tied", "llama-bf16",
                                         "mistral-window8", "qwen2-window-from-layer2-tied", "qwen2-yarn",
                                         "qwen3-bf16"),
                         [](const auto &info) { return identifier(info.param); });

//===-- turboquant-mlx and mlx-lm ------------------------------------------------------------------------===//

struct QuantisedCase {
  const char *name;
  double tolerance; // with QJL turboquant-mlx itself computes in f16
};

class Quantised : public testing::TestWithParam<QuantisedCase> {};

TEST_P(Quantised, Logits) {
  fs::path directory = data(GetParam().name);
  Imported imported(directory);
  ASSERT_TRUE(imported.ok()) << imported.problem;
  EXPECT_EQ(imported.diagnostics, "");
  std::vector<test::Tensor> expected = readTensors(directory / "expected.safetensors");
  CheckpointWeights weights(*imported.checkpoint, /*f16Product=*/true);
  Interpreter<float> interpreter(*imported.module, weights);
  double error = relativeError(interpreter.forward(readIds(expected, "input_ids"), 8).values,
                               readAs<float>(expected, "logits_f32"));
  std::printf("%s: %.1e\n", GetParam().name, error);
  EXPECT_LT(error, GetParam().tolerance);
}

INSTANTIATE_TEST_SUITE_P(
    Mlx, Quantised,
    testing::Values(QuantisedCase{"turboquant/trained-tq3-g64-extras4", 1e-4},
                    QuantisedCase{"turboquant/trained-attn4-mlp2-g128-extras4", 1e-4},
                    QuantisedCase{"turboquant/m20-m28-bias-tq3-g32", 1e-4},
                    QuantisedCase{"turboquant/m12-m20-blocks-tq2-g32-qjl", 5e-2},
                    QuantisedCase{"turboquant/m28-blocks-attn4-mlp3-mlpg16", 1e-4},
                    QuantisedCase{"turboquant/no-rotation-tq3-g32", 5e-2},
                    QuantisedCase{"turboquant/qwen2-bias-tq3-g64", 1e-4},
                    QuantisedCase{"mlx/tiny-affine2-g128-f32", 1e-4}, QuantisedCase{"mlx/tiny-affine3-g64", 1e-4},
                    QuantisedCase{"mlx/tiny-affine4-g128", 1e-4}, QuantisedCase{"mlx/tiny-affine5-g32", 1e-4},
                    QuantisedCase{"mlx/tiny-affine6-g32", 1e-4}, QuantisedCase{"mlx/tiny-affine8-g128-bias", 1e-4}),
    [](const auto &info) { return identifier(info.param.name); });
