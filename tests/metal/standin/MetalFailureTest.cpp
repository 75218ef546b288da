//===- MetalFailureTest.cpp - What the Metal backend says when all fails --===//
// One test for each sentence, and none may leak or break a rule on its way out.
//===----------------------------------------------------------------------===//

#include "runtime/Trace.h"
#include "tests/metal/standin/MetalToy.h"

using namespace tq;

namespace {

using MetalFailureTest = StandinTest;

TEST_F(MetalFailureTest, NoDevice) {
  standin::settings().hasDevice = false;
  MetalToy toy;
  toy.open();
  EXPECT_EQ(toy.refusal(), "toy.tqpkg: there is no GPU that Metal can use (a virtual machine may have none); use "
                           "--device=host");
}

TEST_F(MetalFailureTest, NoQueue) {
  standin::settings().refuseQueue = true;
  MetalToy toy;
  toy.open();
  EXPECT_EQ(toy.refusal(), "toy.tqpkg: Apple M1 gives no command queue; close other programs or use --device=host");
}

TEST_F(MetalFailureTest, NoTarget) {
  standin::settings().family = 6;
  standin::settings().deviceName = "Apple A13";
  MetalToy toy;
  for (const char *name : {"metal-apple", "metal-apple7x", "metal-apple0", "metal"}) {
    toy.manifest.targets.push_back(toy.metal());
    toy.manifest.targets.back().name = name;
  }
  toy.open();
  EXPECT_EQ(
      toy.refusal(),
      "toy.tqpkg: no target for Apple A13; there are: toy, metal-apple7, metal-apple, metal-apple7x, metal-apple0, "
      "metal; recompile with tq-compile --target=metal, or use --device=host");
}

TEST_F(MetalFailureTest, LibraryDoesNotCompile) {
  MetalToy toy;
  toy.addText("kernels.metal", "#include <metal_stdlib>\nusing namespace metal;\nkernel void f(device int *a "
                               "[[buffer(0)]]) { a[0] = b; }\n");
  toy.open();
  std::string message = toy.refusal();
  EXPECT_TRUE(message.starts_with("toy.tqpkg: kernels.metal does not compile on this system: program_source:3:"))
      << message;
  EXPECT_TRUE(message.ends_with("; recompile with tq-compile, and report this if it stays")) << message;
}

TEST_F(MetalFailureTest, LibraryIsGone) {
  MetalToy toy;
  toy.open();
  std::filesystem::remove(toy.file("kernels.metal"));
  EXPECT_EQ(toy.refusal(), toy.file("kernels.metal") + ": cannot read: No such file or directory");
  writeWhole(toy.file("kernels.metal"), "");
  EXPECT_EQ(toy.refusal(), "toy.tqpkg: kernels.metal is empty; recompile with tq-compile");
}

TEST_F(MetalFailureTest, KernelIsMissing) {
  MetalToy toy;
  toy.step("decode", "toy_mark").kernel = "toy_spot";
  toy.open();
  EXPECT_EQ(toy.refusal({.eagerPipelines = true}),
            "toy.tqpkg: the library has no kernel 'toy_spot'; recompile with tq-compile");
}

TEST_F(MetalFailureTest, KernelIsRefused) {
  standin::settings().refusePipeline = "toy_score";
  MetalToy toy;
  toy.open();
  std::string sentence =
      "toy.tqpkg: Apple M1 refuses kernel 'toy_score': Compiler encountered an internal error; update "
      "macOS, or report this";
  EXPECT_EQ(toy.refusal({.eagerPipelines = true}), sentence);
  // Lazily: at the first step, and at every later one.
  auto device = toy.device();
  auto session = Session::create(*toy.package, *device);
  ASSERT_TRUE(session.ok());
  for (int i = 0; i < 2; ++i) {
    Status status = (*session)->feed(std::vector<int32_t>{1});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.message(), sentence);
    EXPECT_EQ((*session)->position(), 0);
  }
}

TEST_F(MetalFailureTest, TooFewThreads) {
  standin::settings().maxThreads = 32;
  MetalToy toy;
  toy.open();
  EXPECT_EQ(
      toy.refusal({.eagerPipelines = true}),
      "toy.tqpkg: kernel 'toy_logits' needs 64 threads in simdgroups of 32, but Apple M1 runs it with at most 32 in "
      "simdgroups of 32; report this");
}

TEST_F(MetalFailureTest, OtherSimdgroups) {
  standin::settings().simdWidth = 16;
  MetalToy toy;
  toy.open();
  EXPECT_EQ(
      toy.refusal({.eagerPipelines = true}),
      "toy.tqpkg: kernel 'toy_append' needs 32 threads in simdgroups of 32, but Apple M1 runs it with at most 32 in "
      "simdgroups of 16; report this");
}

TEST_F(MetalFailureTest, TooManyBindings) {
  MetalToy toy;
  Step &step = toy.step("decode", "toy_mark");
  step.bindings.resize(31, step.bindings[0]);
  toy.open();
  EXPECT_EQ(toy.refusal(), "toy.tqpkg: kernel toy_mark has 31 bindings, but a GPU takes 30; recompile with tq-compile");
}

//===-- Memory ------------------------------------------------------------===//

TEST_F(MetalFailureTest, AWeightIsLargerThanABuffer) {
  standin::settings().maxBufferLength = kSectionAlignment / 2;
  MetalToy toy;
  toy.open();
  EXPECT_EQ(toy.refusal(), "toy.tqpkg: weight table has 1 MB, but a buffer of Apple M1 holds 1 MB; use --device=host");
}

TEST_F(MetalFailureTest, WeightsExceedTheGpusMemory) {
  standin::settings().workingSet = kSectionAlignment / 2;
  MetalToy toy;
  toy.open();
  EXPECT_EQ(toy.refusal(), "toy.tqpkg: the weights need 1 MB of the GPU's memory, which has 1 MB, 0 MB of them in use; "
                           "use a smaller --context or fewer bits per weight, or raise the limit with 'sudo sysctl "
                           "iogpu.wired_limit_mb=513'");
}

TEST_F(MetalFailureTest, WeightsAreRefused) {
  standin::settings().refuseBuffer = 0;
  MetalToy toy;
  toy.open();
  EXPECT_EQ(toy.refusal(),
            "toy.tqpkg: Apple M1 refuses 1 MB of weights as a buffer; close other programs or use --device=host");
}

TEST_F(MetalFailureTest, TheContextIsTooLong) {
  standin::settings().maxBufferLength = 8 << 20;
  standin::settings().workingSet = 20 << 20;
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  auto one = device->allocate(9 << 20);
  ASSERT_FALSE(one.ok());
  EXPECT_EQ(one.message(),
            "toy.tqpkg: 9 MB are needed in one piece, but a buffer of Apple M1 holds 8 MB; use a smaller "
            "--context");
  EXPECT_TRUE(device->allocate(8 << 20).ok());
  EXPECT_TRUE(device->allocate(8 << 20).ok());
  auto more = device->allocate(8 << 20);
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.message(),
            "toy.tqpkg: the context and intermediate values need 8 MB of the GPU's memory, which has 20 "
            "MB, 17 MB of them in use; use a smaller --context or fewer bits per weight, or raise the "
            "limit with 'sudo sysctl iogpu.wired_limit_mb=537'");
}

TEST_F(MetalFailureTest, ABufferIsRefused) {
  standin::settings().refuseBuffer = 1;
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  auto buffer = device->allocate(100);
  ASSERT_FALSE(buffer.ok());
  EXPECT_EQ(buffer.message(),
            "toy.tqpkg: Apple M1 refuses a buffer of 1 MB; use a smaller --context or close other programs");
  EXPECT_TRUE(device->allocate(100).ok());
}

TEST_F(MetalFailureTest, MemoryIsZeroAndTheHosts) {
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  for (uint64_t bytes : {0, 1, 16384, 70000}) {
    auto buffer = device->allocate(bytes);
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ(buffer->bytes, std::max<uint64_t>(bytes, 1));
    EXPECT_TRUE(std::all_of(buffer->data, buffer->data + buffer->bytes, [](std::byte b) { return b == std::byte(0); }));
    std::fill_n(buffer->data, buffer->bytes, std::byte(1));
  }
}

TEST_F(MetalFailureTest, TheArenaIsTooSmall) {
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  Memory memory;
  memory.arena = *device->allocate(100);
  auto loaded = device->load(0, memory);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.message(), "toy.tqpkg: decode needs an arena of 1088 bytes, but got 100");
}

TEST_F(MetalFailureTest, MemoryOfSomebodyElse) {
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  std::vector<std::byte> foreign(4096);
  Memory memory;
  memory.arena = {foreign.data(), foreign.size()};
  memory.states = {*device->allocate(4096)};
  memory.pageTable = *device->allocate(4096);
  auto loaded = device->load(0, memory);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.message(), "toy.tqpkg: a binding lies outside the memory of this GPU");
}

//===-- Running -----------------------------------------------------------===//

TEST_F(MetalFailureTest, CommandBuffers) {
  const std::pair<int, const char *> cases[] = {
      {8, "the GPU is out of memory: use a smaller --context or --chunk, close other programs, or raise the limit with "
          "'sudo sysctl iogpu.wired_limit_mb=N'"},
      {2, "the system stopped the GPU because a step took too long: use a smaller --chunk"},
      {3, "a kernel reached memory that is not its own: check the package with --verify and report this"},
      {4, "the system denies this process the GPU after earlier failures: start it anew"},
      {7, "the system denies the GPU to a process in the background: run it in a session with a display"},
      {11, "the GPU was removed: start the process anew"},
      {1, "the GPU failed: start the process anew, and report this if it comes back"},
      {99, "the GPU failed: start the process anew, and report this if it comes back"},
  };
  for (auto [code, advice] : cases) {
    standin::reset();
    MetalToy toy;
    toy.open();
    auto device = toy.device({.dispatchesPerCommandBuffer = 1});
    auto session = Session::create(*toy.package, *device);
    ASSERT_TRUE(session.ok());
    EXPECT_TRUE((*session)->feed(std::vector<int32_t>{1}).ok());
    // In the middle of a step: the command buffers after it complete.
    standin::settings().failCommandBuffer = 1;
    standin::settings().errorCode = code;
    std::string sentence = "toy.tqpkg: " + std::string(advice) + " (the command buffer failed on purpose)";
    Status status = (*session)->feed(std::vector<int32_t>{1});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.message(), sentence);
    EXPECT_EQ((*session)->position(), 1);
    uint64_t before = standin::counts().commandBuffers;
    status = (*session)->feed(std::vector<int32_t>{1});
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.message(), sentence);
    EXPECT_EQ(standin::counts().commandBuffers, before);
  }
}

TEST_F(MetalFailureTest, WhileTracing) {
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  Trace trace;
  auto session = Session::create(*toy.package, *device, {.trace = &trace});
  standin::settings().failCommandBuffer = 2;
  standin::settings().errorCode = 8;
  EXPECT_FALSE((*session)->feed(std::vector<int32_t>{1}).ok());
  EXPECT_EQ(standin::counts().commandBuffers, 3u);
}

TEST_F(MetalFailureTest, AKernelReachesTooFar) {
  MetalToy toy;
  std::string source = readWhole(toy.file("kernels.metal"));
  source.replace(source.find("scores[token] = score;"), 13, "scores[99999]");
  toy.addText("kernels.metal", source);
  toy.open();
  auto device = toy.device();
  auto session = Session::create(*toy.package, *device);
  Status status = (*session)->feed(std::vector<int32_t>{1});
  ASSERT_FALSE(status.ok());
  EXPECT_TRUE(status.message().starts_with("toy.tqpkg: a kernel reached memory that is not its own: check the package "
                                           "with --verify and report this (program_source:"))
      << status.message();
}

TEST_F(MetalFailureTest, AKernelWritesToWeights) {
  MetalToy toy;
  toy.step("decode", "toy_mark").bindings[1] = {Binding::Kind::Section, 0, 0};
  toy.open();
  auto device = toy.device();
  auto session = Session::create(*toy.package, *device);
  ASSERT_TRUE((*session)->feed(std::vector<int32_t>{1}).ok());
  EXPECT_EQ(violation(), "kernel toy_mark writes to buffer 1, which is a read-only mapping");
}

TEST_F(MetalFailureTest, CannotCapture) {
  MetalToy toy;
  toy.open();
  standin::settings().canCapture = false;
  EXPECT_EQ(toy.refusal({.captureFile = "a.gputrace"}),
            "a.gputrace: cannot capture: set MTL_CAPTURE_ENABLED=1 in the environment");
  standin::settings().canCapture = true;
  auto device = toy.device({.captureFile = toy.outside("a.trace")});
  auto session = Session::create(*toy.package, *device);
  Status status = (*session)->feed(std::vector<int32_t>{1});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.message(), toy.outside("a.trace") +
                                  ": cannot capture: The output URL is invalid or exists; give a path that ends in "
                                  ".gputrace and does not exist");
}

} // namespace
