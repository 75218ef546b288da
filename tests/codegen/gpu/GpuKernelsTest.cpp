//===- GpuKernelsTest.cpp - GPU kernels against the reference -------------===//
// Small models run as launch tables on the executor of MSL, checked for races, bounds and uninitialised memory, in several
// schedules whose results must agree to the bit, and are compared with the interpreter of tq IR. Everything nobody has written
// is NaN, so a result that depends on it shows.

#include "tests/codegen/gpu/GpuFixture.h"
#include "tests/codegen/gpu/ModuleText.h"
#include "tests/codegen/gpu/TableRunner.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <gtest/gtest.h>

using namespace mlir;
using namespace tq;
using namespace tq::test;

namespace {

class GpuKernels : public GpuFixture {
protected:
  /// Runs the calls one after the other, in three schedules, against the interpreter.
  void check(const std::string &source, std::vector<Call> calls, int64_t maxOut = 64) {
    OwningOpRef<ModuleOp> module = parse(source);
    ASSERT_TRUE(module) << source;
    TestWeights weights = randomWeights(*module, 5);
    check(*module, weights, calls, maxOut);
  }
  void check(ModuleOp module, TestWeights &weights, std::vector<Call> calls, int64_t maxOut) {
    OwningOpRef<ModuleOp> scheduled = schedule(module, kTestChunk, kTestContext, maxOut);
    TableRunner forward(*scheduled, weights, kTestContext);
    ASSERT_EQ(forward.compile(), "");
    auto [reverse, random] = inOtherOrders(forward);
    reference::Interpreter<double> judge = interpreter(module, weights.numbers);
    std::mt19937 ids(11);
    for (const Call &call : calls) {
      SCOPED_TRACE(call.entry + " of " + std::to_string(call.tokens) + " tokens");
      reference::Ids input = tokens(module, call.tokens, ids);
      reference::Tensor<double> want = judge.forward(input, call.rows);
      std::vector<float> got;
      try {
        got = forward.run(call.entry, input, call.rows);
        std::vector<float> other = reverse.run(call.entry, input, call.rows);
        ASSERT_TRUE(sameLogits(got, other, want.rows(), want.rowSize())) << "reverse order gives other results";
        other = random.run(call.entry, input, call.rows);
        ASSERT_TRUE(sameLogits(got, other, want.rows(), want.rowSize()))
            << "random order, or what nobody has written, gives other results";
      } catch (const std::runtime_error &error) {
        FAIL() << error.what();
      }
      compare(got, want);
    }
    RecordProperty("kernel_seconds", std::to_string(forward.seconds));
    if (std::getenv("TQ_GPU_TIMES"))
      for (auto &[kernel, seconds] : forward.byKernel)
        llvm::outs() << llvm::format("%8.3f s  ", seconds) << kernel << "\n";
  }
};

//===-- Linear layers, by layout --------------------------------------------------------------------------------===//

struct LinearCase {
  const char *name, *encoding;
  std::vector<int64_t> widths;
};
void PrintTo(const LinearCase &c, std::ostream *os) { *os << c.encoding; }
class GpuLinear : public GpuKernels, public testing::WithParamInterface<LinearCase> {};

// Rows that end within a block, columns that end within a superblock, or are no multiple of 4 where the encoding permits it;
// long ones are split among simdgroups. The embedding's table has the encoding, too.
TEST_P(GpuLinear, MatchesReference) {
  const LinearCase &c = GetParam();
  check(linearChain(c.encoding, c.widths, c.encoding), everyEntry());
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, GpuLinear,
    testing::Values(LinearCase{"f32", "#tq.dense<f32>", {70, 96, 37}},
                    LinearCase{"f16", "#tq.dense<f16>", {96, 70, 130, 48}},
                    LinearCase{"bf16", "#tq.dense<bf16>", {160, 33, 20}},
                    LinearCase{"f16_long", "#tq.dense<f16>", {48, 2112, 20}},
                    LinearCase{"codebook2_g64", "#tq.codebook<bits = 2, group = 64>", {192, 320, 37}},
                    LinearCase{"codebook2_g32", "#tq.codebook<bits = 2, group = 32>", {96, 160, 50}},
                    LinearCase{"codebook3_g64", "#tq.codebook<bits = 3, group = 64>", {192, 320, 37}},
                    LinearCase{"codebook3_g16", "#tq.codebook<bits = 3, group = 16>", {96, 144, 50}},
                    LinearCase{"codebook4_g64", "#tq.codebook<bits = 4, group = 64>", {192, 320, 128, 37}},
                    LinearCase{"codebook4_g32", "#tq.codebook<bits = 4, group = 32>", {96, 160, 50}},
                    LinearCase{"codebook3_long", "#tq.codebook<bits = 3, group = 128>", {128, 2176, 20}},
                    LinearCase{"codebook4_long", "#tq.codebook<bits = 4, group = 64>", {64, 1088, 20}},
                    LinearCase{"affine2_g32", "#tq.affine<bits = 2, group = 32>", {96, 160, 37}},
                    LinearCase{"affine3_g64", "#tq.affine<bits = 3, group = 64>", {192, 64, 37}},
                    LinearCase{"affine4_g64", "#tq.affine<bits = 4, group = 64>", {192, 320, 128, 37}},
                    LinearCase{"affine4_g32", "#tq.affine<bits = 4, group = 32>", {96, 160, 50}},
                    LinearCase{"affine5_g64", "#tq.affine<bits = 5, group = 64>", {192, 64, 20}},
                    LinearCase{"affine6_g16", "#tq.affine<bits = 6, group = 16>", {96, 144, 50}},
                    LinearCase{"affine6_g64", "#tq.affine<bits = 6, group = 64>", {192, 320, 37}},
                    LinearCase{"affine8_g32", "#tq.affine<bits = 8, group = 32>", {96, 160, 50}},
                    LinearCase{"affine8_long", "#tq.affine<bits = 8, group = 64>", {64, 2176, 20}}),
    [](const auto &info) { return info.param.name; });

//===-- Transformers --------------------------------------------------------------------------------------------===//

struct ModelCase {
  const char *name;
  Transformer model;
  double tolerance = kTestTolerance;
};
void PrintTo(const ModelCase &c, std::ostream *os) { *os << c.name; }
class GpuTransformer : public GpuKernels, public testing::WithParamInterface<ModelCase> {};

// Tokens come as prompts and one by one, over several splits of the keys.
TEST_P(GpuTransformer, MatchesReference) {
  tolerance = GetParam().tolerance;
  check(transformer(GetParam().model), conversation(), 8);
}

constexpr const char *kTq4 = "#tq.codebook<bits = 4, group = 32>", *kQ4 = "#tq.affine<bits = 4, group = 32>";
INSTANTIATE_TEST_SUITE_P(
    Shapes, GpuTransformer,
    testing::Values(
        ModelCase{"gqa2_d64", {}},
        ModelCase{"gqa1_d128", {.heads = 2, .kvHeads = 2, .headDim = 128, .stateType = "f32"}},
        ModelCase{"gqa4_d96_norm", {.heads = 8, .kvHeads = 2, .headDim = 96, .headNorm = true}},
        ModelCase{"gqa7_d80_partial", {.heads = 7, .kvHeads = 1, .headDim = 80, .rotaryDims = 32, .bias = true}},
        ModelCase{"gqa8_d32_window", {.heads = 16, .kvHeads = 2, .headDim = 32, .window = 10, .encoding = kQ4}},
        ModelCase{"gqa17_d16", {.heads = 17, .kvHeads = 1, .headDim = 16, .stateType = "f32"}},
        ModelCase{"rotated",
                  {.hidden = 256, .inner = 192, .block = 256, .innerBlock = 192, .headBack = true, .encoding = kTq4},
                  kCodebookTolerance},
        ModelCase{"blocks",
                  {.hidden = 256, .inner = 640, .block = 64, .innerBlock = 640, .headBack = true, .encoding = kTq4},
                  kCodebookTolerance},
        ModelCase{"small_blocks",
                  {.hidden = 160,
                   .inner = 224,
                   .block = 160,
                   .innerBlock = 112,
                   .headBack = true,
                   .encoding = kQ4,
                   .activation = "gelu_tanh"}}),
    [](const auto &info) { return info.param.name; });

// More than one split of 256 keys, with and without a window that leaves the first ones.
TEST_F(GpuKernels, LongContext) {
  for (int64_t window : {0, 100}) {
    SCOPED_TRACE("window " + std::to_string(window));
    std::vector<Call> calls(7, Call{"prefill", 40, 1});
    calls.insert(calls.end(), {{"decode", 1, 1}, {"verify", 8, 8}, {"decode", 1, 1}});
    check(transformer({.hidden = 32, .heads = 4, .kvHeads = 2, .headDim = 32, .inner = 32, .window = window}), calls,
          8);
  }
}

// Rows that do not fit threadgroup memory: one block of 28 x 512 in registers, and a norm over as many.
TEST_F(GpuKernels, WideRows) {
  check(transformer({.hidden = 64, .inner = 14336, .innerBlock = 14336}), {{"decode", 1, 1}, {"verify", 2, 2}}, 8);
  check(transformer({.hidden = 4096, .heads = 1, .kvHeads = 1, .headDim = 16, .inner = 32, .block = 4096}),
        {{"decode", 1, 1}}, 8);
}

//===-- A real model --------------------------------------------------------------------------------------------===//

/// The bundled model's module after the rotate phase.
class GpuModel : public GpuKernels {
protected:
  GpuModel() : checkpoint(std::move(*Checkpoint::open(TQ_TEST_DATA "/tinystories-3.7m"))) {}
  Checkpoint checkpoint;
};

TEST_F(GpuModel, AsItIs) {
  OwningOpRef<ModuleOp> module = import(checkpoint, "keep");
  TestWeights weights = checkpointWeights(*module, checkpoint);
  check(*module, weights, {{"prefill", 9, 1}, {"decode", 1, 1}, {"decode", 1, 1}}, 8);
}

// The kernels of other encodings, with random weights: what quantisation loses is not the question here.
TEST_F(GpuModel, Quantised) {
  tolerance = 3e-3;
  for (const char *encoding : {"tq4", "tq3", "q4"}) {
    SCOPED_TRACE(encoding);
    OwningOpRef<ModuleOp> module = import(checkpoint, encoding);
    TestWeights weights = randomWeights(*module, 9);
    check(*module, weights, {{"verify", 2, 1}, {"decode", 1, 1}}, 8);
  }
}

} // namespace
