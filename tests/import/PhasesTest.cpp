//===- PhasesTest.cpp - Passes do not change what a model computes --------===//
// Logits of a checkpoint's module before and after the rotate and fuse phases, by the interpreter. It takes tq.quantize for
// the identity, so only rounding may differ; f64 leaves little of that. How good a quantisation is, is another question.

#include "passes/Pipelines.h"
#include "tests/import/Import.h"
#include "tests/reference/Interpreter.h"

using namespace tq;
using namespace tq::test;
using namespace tq::reference;

static const Ids prompt = {3, 17, 5, 60, 11, 2, 42, 23, 8, 31, 19, 7}, continuation = {9, 27, 14};

/// Logits of a prompt and of steps of one token.
static std::vector<double> logitsOf(Imported &imported, llvm::StringRef prefill, llvm::StringRef decode) {
  CheckpointWeights weights(*imported.checkpoint, /*f16Product=*/false);
  Interpreter<double> interpreter(*imported.module, weights);
  std::vector<double> logits = interpreter.forward(prompt, 4, prefill).values;
  for (int32_t id : continuation) {
    std::vector<double> step = interpreter.forward({id}, 1, decode).values;
    logits.insert(logits.end(), step.begin(), step.end());
  }
  return logits;
}

static double difference(const std::vector<double> &a, const std::vector<double> &b) {
  double error = 0, largest = 0;
  EXPECT_EQ(a.size(), b.size());
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    error = std::max(error, std::abs(a[i] - b[i]));
    largest = std::max(largest, std::abs(a[i]));
  }
  return error / largest;
}

static void run(Imported &imported, llvm::function_ref<void(mlir::OpPassManager &)> build) {
  mlir::PassManager passes(&imported.context);
  build(passes);
  ASSERT_TRUE(mlir::succeeded(passes.run(*imported.module)));
}

struct Case {
  const char *fixture;
  const char *weights; // of --weights
  double loss;         // largest relative change of a logit that the quantisation itself may make; 0: none is made
};

class Phases : public testing::TestWithParam<Case> {};

TEST_P(Phases, KeepTheMeaning) {
  Imported imported(data(GetParam().fixture));
  ASSERT_TRUE(imported.ok()) << imported.problem;
  PipelineOptions options;
  options.weights.weights = GetParam().weights;
  options.weights.group = 16;
  options.entryPoints.context = 256;

  std::vector<double> before = logitsOf(imported, "forward", "forward");
  run(imported, [&](mlir::OpPassManager &pm) { buildRotatePhase(pm, options); });
  std::vector<double> rotated = logitsOf(imported, "forward", "forward");
  EXPECT_LE(difference(before, rotated), GetParam().loss + 1e-9);
  if (GetParam().loss > 0)
    EXPECT_GT(difference(before, rotated), 1e-4); // something was quantised

  run(imported, [&](mlir::OpPassManager &pm) { buildFusePhase(pm, options); });
  EXPECT_LE(difference(rotated, logitsOf(imported, "prefill", "decode")), 1e-9);
}

INSTANTIATE_TEST_SUITE_P(
    Fixtures, Phases,
    testing::Values(Case{"hf/llama-llama3rope-bias-tied", "keep", 0}, Case{"hf/mistral-window8", "keep", 0},
                    Case{"hf/qwen2-window-from-layer2-tied", "keep", 0}, Case{"hf/qwen2-yarn", "keep", 0},
                    Case{"hf/qwen3-bf16", "keep", 0}, Case{"mlx/tiny-affine8-g128-bias", "keep", 0},
                    Case{"turboquant/m12-m20-blocks-tq2-g32-qjl", "keep", 0},
                    Case{"turboquant/m28-blocks-attn4-mlp3-mlpg16", "keep", 0},
                    Case{"turboquant/no-rotation-tq3-g32", "keep", 0},
                    Case{"turboquant/trained-tq3-g64-extras4", "keep", 0}, Case{"hf/llama-plain-sharded", "tq4", 0.5},
                    Case{"hf/qwen3-bf16", "q8", 0.05}),
    [](const auto &info) {
      std::string name = std::string(info.param.fixture) + "_" + info.param.weights;
      std::ranges::replace_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
      return name;
    });
