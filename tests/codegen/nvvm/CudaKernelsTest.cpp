//===- CudaKernelsTest.cpp - GPU kernels as PTX on an NVIDIA GPU ----------===//
// The small models of GpuKernelsTest as launch tables through the driver API, against the interpreter of tq IR, and how
// fast their kernels move bytes. Without an NVIDIA GPU these are skipped; what surrounds the kernels is tested with a
// driver that runs MSL.

#include "codegen/nvvm/CompileNvvm.h"
#include "tests/codegen/gpu/GpuFixture.h"
#include "tests/codegen/gpu/ModuleText.h"
#include "tests/codegen/nvvm/CudaRunner.h"
#include "tests/codegen/nvvm/FakeCuda.h"

using namespace mlir;
using namespace tq;
using namespace tq::test;

namespace {
constexpr int64_t kContext = 700;
constexpr const char *kTq4 = "#tq.codebook<bits = 4, group = 64>", *kTq3 = "#tq.codebook<bits = 3, group = 64>",
                     *kQ4 = "#tq.affine<bits = 4, group = 64>";

/// What the way to PTX needs beyond that to MSL.
class CudaFixture : public GpuFixture {
protected:
  CudaFixture() {
    DialectRegistry registry;
    registerNvvmExtensions(registry);
    context.appendDialectRegistry(registry);
  }
  /// Few and many tokens, over several splits of the keys.
  static std::vector<Call> conversation() {
    return {{"prefill", 17, 5}, {"decode", 1, 1}, {"verify", 3, 3},
            {"prefill", 40, 1}, {"verify", 8, 2}, {"decode", 1, 1}};
  }
};

//===-- On a GPU ------------------------------------------------------------------------------------------------===//

class CudaKernels : public CudaFixture {
protected:
  void SetUp() override {
    static Result<CudaGpu> opened = openCuda();
    ASSERT_TRUE(opened.ok()) << opened.message();
    if (!opened->why.empty())
      GTEST_SKIP() << opened->why;
    gpu = &*opened;
  }

  void check(const std::string &source, const std::vector<Call> &calls, int64_t maxOut) {
    OwningOpRef<ModuleOp> module = parse(source);
    ASSERT_TRUE(module) << source;
    check(*module, randomWeights(*module, 5), calls, maxOut);
  }
  void check(ModuleOp module, TestWeights weights, const std::vector<Call> &calls, int64_t maxOut) {
    OwningOpRef<ModuleOp> scheduled = schedule(module, 40, kContext, maxOut);
    CudaRunner runner(*scheduled, weights, kContext, gpu->driver);
    Status loaded = runner.load();
    ASSERT_TRUE(loaded.ok()) << loaded.message();
    reference::Interpreter<double> judge = interpreter(module, weights.numbers);
    std::mt19937 random(11);
    for (const Call &call : calls) {
      SCOPED_TRACE(call.entry + " of " + std::to_string(call.tokens) + " tokens");
      reference::Ids input = tokens(module, call.tokens, random);
      reference::Tensor<double> want = judge.forward(input, call.rows);
      try {
        compare(runner.run(call.entry, input, call.rows), want);
      } catch (const std::runtime_error &error) {
        FAIL() << error.what();
      }
    }
  }

  /// Prints what one token takes at a position, the best of several.
  void measure(const std::string &source, int64_t position) {
    OwningOpRef<ModuleOp> module = parse(source);
    ASSERT_TRUE(module) << source;
    TestWeights weights = randomWeights(*module, 5);
    OwningOpRef<ModuleOp> scheduled = schedule(*module, 40, position + 64, 8);
    CudaRunner runner(*scheduled, weights, position + 64, gpu->driver);
    Status loaded = runner.load();
    ASSERT_TRUE(loaded.ok()) << loaded.message();
    for (int i = 0; i < 20; ++i) {
      runner.rewind(position); // what is not there yet is NaN, and takes as long
      runner.run("decode", {1}, 1);
    }
    runner.printRates();
  }

  const CudaGpu *gpu = nullptr;
};

TEST_F(CudaKernels, Linear) {
  std::vector<Call> calls = {
      {"decode", 1, 1}, {"verify", 3, 3}, {"verify", 8, 8}, {"prefill", 40, 40}, {"prefill", 17, 17}};
  for (const char *encoding : {kTq4, kTq3, kQ4, "#tq.dense<f16>"}) {
    SCOPED_TRACE(encoding);
    check(linearChain(encoding, {192, 320, 128, 37}, encoding), calls, 64);
    check(linearChain(encoding, {128, 2176, 20}, encoding), calls, 64);
  }
}

TEST_F(CudaKernels, Transformers) {
  for (const Transformer &model :
       {Transformer{},
        Transformer{.hidden = 256, .inner = 192, .block = 256, .innerBlock = 192, .headBack = true, .encoding = kTq4},
        Transformer{.heads = 8, .kvHeads = 2, .headDim = 96, .headNorm = true},
        Transformer{
            .hidden = 160, .inner = 224, .block = 160, .innerBlock = 112, .headBack = true, .activation = "gelu_tanh"},
        Transformer{.heads = 16, .kvHeads = 2, .headDim = 32, .window = 10}}) {
    SCOPED_TRACE(model.encoding + ", head of " + std::to_string(model.headDim));
    check(transformer(model), conversation(), 8);
  }
  std::vector<Call> calls(7, Call{"prefill", 40, 1}); // more than one split of 256 keys
  calls.insert(calls.end(), {{"decode", 1, 1}, {"verify", 8, 8}, {"decode", 1, 1}});
  check(transformer({.hidden = 32, .heads = 4, .kvHeads = 2, .headDim = 32, .inner = 32}), calls, 8);
}

TEST_F(CudaKernels, BundledModel) {
  tolerance = 3e-3; // as in GpuKernelsTest
  auto checkpoint = Checkpoint::open(TQ_TEST_DATA "/tinystories-3.7m");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  for (const char *encoding : {"tq4", "tq3", "q4"}) {
    SCOPED_TRACE(encoding);
    OwningOpRef<ModuleOp> module = import(*checkpoint, encoding);
    check(*module, randomWeights(*module, 9), {{"prefill", 9, 1}, {"verify", 2, 1}, {"decode", 1, 1}}, 8);
  }
}

TEST_F(CudaKernels, Rates) {
  std::printf("%s\n", gpu->name.c_str());
  for (const char *encoding : {kTq4, kTq3, kQ4}) { // two matrices that a cache does not hold, in turn
    std::printf("%s\n", encoding);
    measure(linearChain(encoding, {4096, 28672, 4096}), 0);
  }
  std::printf("a layer of 32 heads at position 32000\n");
  measure(transformer({.hidden = 4096,
                       .heads = 32,
                       .kvHeads = 8,
                       .headDim = 128,
                       .inner = 4096,
                       .block = 4096,
                       .innerBlock = 4096,
                       .encoding = kTq4}),
          32000);
}

//===-- Around the kernels --------------------------------------------------------------------------------------===//

class CudaRunnerTest : public CudaFixture {
protected:
  void prepare(const std::string &source) {
    module = parse(source);
    ASSERT_TRUE(module) << source;
    weights = randomWeights(*module, 5);
    scheduled = schedule(*module, 40, kContext, 8);
    plain.emplace(*scheduled, weights, kContext);
    ASSERT_EQ(plain->compile(), "");
    auto library = metal::Library::compile(plain->text);
    ASSERT_TRUE(library.ok()) << library.message();
    fake.emplace(*library);
  }
  OwningOpRef<ModuleOp> module, scheduled;
  TestWeights weights;
  std::optional<TableRunner> plain;
  std::optional<FakeCuda> fake;
};

// Arguments, sizes of launches, offsets into the arena, copies: the same kernels on the same executor, the same bits.
TEST_F(CudaRunnerTest, LaunchesAsTableRunner) {
  ASSERT_NO_FATAL_FAILURE(
      prepare(transformer({.inner = 128, .block = 64, .innerBlock = 128, .headBack = true, .encoding = kTq4})));
  {
    CudaRunner runner(*scheduled, weights, kContext, fake->driver);
    Status loaded = runner.load();
    ASSERT_TRUE(loaded.ok()) << loaded.message();
    std::mt19937 random(11);
    for (const Call &call : {Call{"prefill", 17, 5}, {"decode", 1, 1}, {"verify", 3, 3}}) {
      SCOPED_TRACE(call.entry + " of " + std::to_string(call.tokens) + " tokens");
      reference::Ids input = tokens(*module, call.tokens, random);
      try {
        std::vector<float> want = plain->run(call.entry, input, call.rows);
        std::vector<float> got = runner.run(call.entry, input, call.rows);
        EXPECT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * 4));
      } catch (const std::runtime_error &error) {
        FAIL() << error.what();
      }
    }
    EXPECT_GT(fake->launches, 0);
    for (auto &[key, rate] : runner.rates) {
      EXPECT_FLOAT_EQ(float(rate.seconds), 0.5e-3f) << key.first;
      EXPECT_GT(rate.bytes, 0u) << key.first;
    }
  }
  EXPECT_TRUE(fake->memory.empty()); // all of it was given back
  EXPECT_EQ(fake->events, 0);
  EXPECT_EQ(fake->modules, 0);
}

// What a matrix-vector product reads and writes, once.
TEST_F(CudaRunnerTest, CountsBytes) {
  ASSERT_NO_FATAL_FAILURE(prepare(linearChain(kQ4, {192, 320})));
  CudaRunner runner(*scheduled, weights, kContext, fake->driver);
  Status loaded = runner.load();
  ASSERT_TRUE(loaded.ok()) << loaded.message();
  runner.run("decode", {3}, 1);
  uint64_t largest = 0;
  for (auto &[key, rate] : runner.rates)
    largest = std::max(largest, rate.bytes);
  EXPECT_EQ(largest, weights.planes.at("w1/stream").size() + (192 + 320) * 4);
}

TEST_F(CudaRunnerTest, DriverErrorsAreNamed) {
  ASSERT_NO_FATAL_FAILURE(prepare(linearChain(kQ4, {192, 320})));
  fake->driver.getErrorName = [](int error, const char **name) {
    *name = error == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_INVALID_PTX";
    return 0;
  };
  fake->driver.memAlloc = [](CudaDriver::Address *, size_t) { return 2; };
  {
    CudaRunner runner(*scheduled, weights, kContext, fake->driver);
    ASSERT_TRUE(runner.load().ok());
    try {
      runner.run("decode", {3}, 1);
      FAIL() << "no error";
    } catch (const std::runtime_error &error) {
      EXPECT_TRUE(StringRef(error.what()).contains("bytes: CUDA_ERROR_OUT_OF_MEMORY")) << error.what();
    }
  }
  fake->driver.moduleLoadData = [](CudaDriver::Handle *, const void *, unsigned, int *, void **values) {
    std::strcpy(static_cast<char *>(values[0]), "line 7: syntax error");
    return 218;
  };
  CudaRunner runner(*scheduled, weights, kContext, fake->driver);
  EXPECT_EQ(runner.load().message(), "cuModuleLoadDataEx: CUDA_ERROR_INVALID_PTX: line 7: syntax error");
}
} // namespace
