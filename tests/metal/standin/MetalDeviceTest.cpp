//===- MetalDeviceTest.cpp - The Metal backend where all goes well --------===//
// runtime/Metal*.mm, unmodified, with a session on top of it: every test
// also fails on a broken rule of Metal or a leaked object.
//===----------------------------------------------------------------------===//

#include "runtime/Trace.h"
#include "tests/metal/standin/MetalToy.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <thread>

using namespace tq;

namespace {

class MetalDeviceTest : public StandinTest {
protected:
  static std::vector<int32_t> someTokens(size_t count) {
    std::mt19937 random(7); // NOLINT(bugprone-random-generator-seed): the same every time
    std::vector<int32_t> tokens(count);
    for (int32_t &token : tokens)
      token = static_cast<int32_t>(random() % 64);
    return tokens;
  }

  /// Feeds tokens through a session and compares the last `rows` logits with the definition.
  static void expectLogits(MetalToy &toy, Device &device, size_t count, size_t rows = 4,
                           const SessionOptions &options = {}) {
    auto session = Session::create(*toy.package, device, options);
    ASSERT_TRUE(session.ok()) << session.message();
    std::vector<int32_t> tokens = someTokens(count);
    auto expected = toy.reference(tokens);
    size_t seen = 0;
    Status status = (*session)->feed(tokens, rows, [&](size_t token, std::span<const float> row) {
      EXPECT_EQ(std::vector(row.begin(), row.end()), expected[token]) << "token " << token;
      ++seen;
    });
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(seen, std::min(rows, count));
  }
};

TEST_F(MetalDeviceTest, LogitsAreTheDefinition) {
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  ASSERT_TRUE(device);
  EXPECT_EQ(device->target().name, "metal-apple7");
  EXPECT_EQ(device->threads(), 1);
  EXPECT_EQ(device->notes(), std::vector<std::string>());
  for (int64_t chunk : {0, 1, 5, 9})
    for (size_t rows : {0, 1, 9})
      expectLogits(toy, *device, 41, rows, {.chunk = chunk, .shufflePages = 3});
}

TEST_F(MetalDeviceTest, NothingIsReadBeforeItIsThere) {
  standin::settings().late = true;
  MetalToy toy;
  toy.open();
  auto device = toy.device({.dispatchesPerCommandBuffer = 2});
  expectLogits(toy, *device, 41);
}

TEST_F(MetalDeviceTest, TheOrderOfThreadsDoesNotMatter) {
  for (auto kind : {metal::Schedule::Reverse, metal::Schedule::Random}) {
    standin::settings().schedule = {kind, 11};
    MetalToy toy;
    toy.open();
    auto device = toy.device();
    expectLogits(toy, *device, 20);
  }
}

TEST_F(MetalDeviceTest, TheFastBuildAgrees) {
  standin::settings().checked = false;
  MetalToy toy(2048);
  toy.open();
  auto device = toy.device();
  expectLogits(toy, *device, 41);
}

TEST_F(MetalDeviceTest, OneCommandBufferAStepAndTheTablesBarriers) {
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  expectLogits(toy, *device, 3, 1, {.chunk = 1});
  standin::Counts counts = standin::counts();
  EXPECT_EQ(counts.commandBuffers, 3u);
  EXPECT_EQ(counts.encoders, 3u);
  EXPECT_EQ(counts.dispatches, 2 * 3u + 4u); // the first two steps want no logits
  EXPECT_EQ(counts.barriers, 2 * 1u + 2u);   // none before the first dispatch of an encoder
}

TEST_F(MetalDeviceTest, CommandBuffersEndWhenTheyAreFull) {
  for (bool late : {false, true}) {
    standin::reset();
    standin::settings().late = late;
    MetalToy toy;
    // Twenty marks more: beyond what a queue has in flight, if one at a time.
    Entry &decode = toy.metal().entries[0];
    for (int i = 0; i < 80; ++i)
      decode.steps.insert(decode.steps.end() - 1, toy.step("decode", "toy_mark")).base()->barrier = true;
    toy.open();
    auto device = toy.device({.dispatchesPerCommandBuffer = 1});
    expectLogits(toy, *device, 2, 2, {.chunk = 1});
    EXPECT_EQ(standin::counts().commandBuffers, 2 * 84u);
    EXPECT_EQ(standin::counts().barriers, 0u);

    auto wide = toy.device({.dispatchesPerCommandBuffer = 40});
    uint64_t before = standin::counts().commandBuffers;
    expectLogits(toy, *wide, 1, 1, {.chunk = 1});
    EXPECT_EQ(standin::counts().commandBuffers - before, 3u); // 32, so that the GPU begins; 40; 12
  }
}

TEST_F(MetalDeviceTest, LongWorkIsCutByItsArithmetic) {
  MetalToy toy;
  for (Step &step : toy.metal().entries[2].steps)
    step.flops_per_token = 100'000'000'000; // 3.2 TFLOP for 32 tokens
  toy.open();
  auto device = toy.device();
  expectLogits(toy, *device, 32);
  EXPECT_EQ(standin::counts().commandBuffers, 4u);
}

TEST_F(MetalDeviceTest, AMissingBarrierIsNoticed) {
  for (const char *kernel : {"toy_score", "toy_logits"}) {
    MetalToy toy;
    toy.step("decode", kernel).barrier = false;
    toy.open();
    auto device = toy.device();
    auto session = Session::create(*toy.package, *device);
    ASSERT_TRUE(session.ok());
    EXPECT_TRUE((*session)->feed(std::vector<int32_t>{5}).ok());
    std::vector<std::string> violations = standin::takeViolations();
    ASSERT_FALSE(violations.empty()) << kernel;
    EXPECT_NE(violations[0].find("missing barrier"), std::string::npos) << violations[0];
    EXPECT_NE(violations[0].find(kernel), std::string::npos) << violations[0];
  }
}

TEST_F(MetalDeviceTest, ABarrierOfALaunchWithoutThreadgroupsCounts) {
  MetalToy toy;
  // The barrier before toy_score moves to a launch that has nothing to do.
  Entry &decode = toy.metal().entries[0];
  Step idle = toy.step("decode", "toy_mark");
  idle.tasks = {Expr::Op::Constant, 0, {}};
  idle.barrier = true;
  toy.step("decode", "toy_score").barrier = false;
  decode.steps.insert(decode.steps.begin() + 1, idle);
  toy.open();
  auto device = toy.device();
  expectLogits(toy, *device, 3, 3, {.chunk = 1});
}

//===-- Weights -----------------------------------------------------------===//

/// Sections of 1 to 4 pages, each filled with its number, and a kernel that adds up the first words of all.
struct Heavy : MetalToy {
  explicit Heavy(int unbound = -1) {
    std::string bytes = readWhole(file("weights-0.bin")), parameters, sum;
    bytes.resize(2 * kSectionAlignment);
    Step step = metal().entries[0].steps[2];
    step.kernel = "weigh";
    step.tasks = {Expr::Op::Constant, 1, {}};
    step.bindings.clear();
    for (int i = 0; i < 6; ++i) {
      std::string part((i % 4 + 1) * kSectionAlignment - 100 * i, char(i + 1));
      std::string hash = hashBytes(std::as_bytes(std::span(part)));
      manifest.sections.push_back(
          {"part" + std::to_string(i), "weights-0.bin", bytes.size(), part.size(), hash, "mlp"});
      bytes += part;
      bytes.resize((bytes.size() + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment);
      if (i == unbound)
        continue;
      auto index = std::to_string(step.bindings.size());
      parameters += fmt::format("device const uint *part{0} [[buffer({0})]], ", index);
      sum += fmt::format(" + part{}[0]", index);
      expected += (i + 1) * 0x01010101u;
      step.bindings.push_back({Binding::Kind::Section, manifest.sections.size() - 1, 0});
    }
    writeWhole(file("weights-0.bin"), bytes);
    uint64_t output = 512; // the marks'
    auto index = std::to_string(step.bindings.size());
    step.bindings.push_back({Binding::Kind::Arena, output, 4});
    addText("kernels.metal",
            readWhole(file("kernels.metal")) + "kernel void weigh(" + parameters + "device uint *out [[buffer(" +
                index + ")]], uint lane [[thread_index_in_threadgroup]]) { if (lane == 0) out[0] = 0u" + sum + "; }\n");
    Entry &entry = metal().entries.emplace_back(metal().entries[0]);
    entry.name = "weigh";
    entry.inputs.clear();
    entry.outputs.clear();
    entry.steps = {step};
  }
  /// The sum, through the device alone.
  uint32_t weigh(Device &device) {
    Memory memory;
    auto arena = device.allocate(1 << 14);
    EXPECT_TRUE(arena.ok());
    memory.arena = *arena;
    auto loaded = device.load(3, memory);
    EXPECT_TRUE(loaded.ok()) << loaded.message();
    const int32_t params[kParamCount] = {1, 0, 1};
    Status status = device.run(*loaded, params, nullptr);
    EXPECT_TRUE(status.ok()) << status.message();
    uint32_t sum;
    memcpy(&sum, memory.arena.data + 512, sizeof sum);
    return sum;
  }
  uint32_t expected = 0;
};

TEST_F(MetalDeviceTest, WeightsAreOneBufferIfTheyFit) {
  Heavy heavy;
  heavy.open();
  auto device = heavy.device();
  EXPECT_EQ(heavy.weigh(*device), heavy.expected);
  EXPECT_EQ(standin::counts().buffers, 2 + 1u); // the table, apart from the parts by a section nobody binds; the arena
}

TEST_F(MetalDeviceTest, WeightsAreSplitBelowTheLargestBuffer) {
  for (uint64_t pages : {4, 5, 7, 100}) {
    standin::reset();
    standin::settings().maxBufferLength = pages * kSectionAlignment;
    Heavy heavy;
    heavy.open();
    auto device = heavy.device();
    EXPECT_EQ(heavy.weigh(*device), heavy.expected);
    // Parts of 1 2 3 4 1 2 pages: 1+2, 3, 4, 1+2; 1+2, 3, 4+1, 2; 1+2+3, 4+1+2; all.
    EXPECT_EQ(standin::counts().buffers, (pages == 100 ? 1u : pages == 7 ? 2u : 4u) + 2u) << pages;
  }
}

TEST_F(MetalDeviceTest, SectionsOfOtherTargetsAreNotWrapped) {
  Heavy heavy(/*unbound=*/2);
  heavy.open();
  auto device = heavy.device();
  EXPECT_EQ(heavy.weigh(*device), heavy.expected);
  EXPECT_EQ(standin::counts().buffers, 3 + 1u);
}

//===-- Residency ---------------------------------------------------------===//

/// Waits until it holds, for longer than a busy machine needs.
bool eventually(const std::function<bool()> &holds) {
  for (int i = 0; i < 200; ++i) {
    if (holds())
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return false;
}
uint64_t residencyRequests() { return standin::counts().residencyRequests; }

TEST_F(MetalDeviceTest, MemoryStaysWiredWhileIdle) {
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  EXPECT_EQ(standin::counts().residencySets, 1u); // the weights'
  expectLogits(toy, *device, 1);
  EXPECT_EQ(standin::counts().residencySets, 2u); // arena, states, page table
  uint64_t before = residencyRequests();
  EXPECT_TRUE(eventually([&] { return residencyRequests() >= before + 4; })); // both sets, twice
}

TEST_F(MetalDeviceTest, KeepingAliveEnds) {
  MetalToy toy;
  toy.open();
  auto device = toy.device({.keepAliveSeconds = 1});
  for (int pause = 0; pause < 2; ++pause) { // the second step wakes it
    uint64_t before = residencyRequests();
    expectLogits(toy, *device, 1);
    EXPECT_TRUE(eventually([&] { return residencyRequests() > before + 3; })) << pause; // three of them for new memory
    EXPECT_TRUE(eventually([&] {
      uint64_t now = residencyRequests();
      std::this_thread::sleep_for(std::chrono::milliseconds(1200));
      return residencyRequests() == now;
    })) << pause;
  }
}

TEST_F(MetalDeviceTest, WithoutKeepAlive) {
  MetalToy toy;
  toy.open();
  auto device = toy.device({.keepAliveSeconds = 0});
  expectLogits(toy, *device, 1);
  uint64_t before = standin::counts().residencyRequests;
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  EXPECT_EQ(standin::counts().residencyRequests, before);
}

TEST_F(MetalDeviceTest, OldestSystem) {
  standin::settings().macos = 14;
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  expectLogits(toy, *device, 20);
  EXPECT_EQ(standin::counts().residencySets, 0u);
  EXPECT_EQ(standin::counts().fastMathLibraries, 0u);
}

TEST_F(MetalDeviceTest, MathIsAsWritten) {
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  EXPECT_EQ(standin::counts().librariesFromSource, 1u);
  EXPECT_EQ(standin::counts().fastMathLibraries, 0u);
  EXPECT_EQ(standin::counts().olderLibraries, 0u);
}

TEST_F(MetalDeviceTest, NoResidencySetIsNoFailure) {
  standin::settings().refuseResidency = true;
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  expectLogits(toy, *device, 3);
}

//===-- Targets, libraries, pipelines -------------------------------------===//

TEST_F(MetalDeviceTest, TheFirstTargetThatTheGpuCanRun) {
  for (int family : {7, 8, 9}) {
    standin::reset();
    standin::settings().family = family;
    MetalToy toy;
    toy.manifest.targets.insert(toy.manifest.targets.begin() + 1, toy.metal());
    toy.manifest.targets[1].name = "metal-apple9";
    toy.open();
    auto device = toy.device();
    EXPECT_EQ(device->target().name, family == 9 ? "metal-apple9" : "metal-apple7");
  }
}

TEST_F(MetalDeviceTest, ABinaryLibraryIsPreferred) {
  MetalToy toy;
  toy.addText("kernels.metallib", "stand-in metallib\n" + readWhole(toy.file("kernels.metal")));
  toy.open();
  auto device = toy.device();
  expectLogits(toy, *device, 3);
  EXPECT_EQ(standin::counts().librariesFromFile, 1u);
  EXPECT_EQ(standin::counts().librariesFromSource, 0u);
}

TEST_F(MetalDeviceTest, ABinaryLibraryOfALaterSystemIsNot) {
  MetalToy toy;
  toy.addText("kernels.metallib", "of a later system");
  toy.open();
  auto device = toy.device();
  EXPECT_EQ(device->notes(), std::vector<std::string>{"toy.tqpkg: kernels.metallib does not load, so kernels.metal is "
                                                      "compiled: Invalid library file"});
  expectLogits(toy, *device, 3);
}

TEST_F(MetalDeviceTest, ATestMayBringItsOwnSource) {
  MetalToy toy;
  std::string source = readWhole(toy.file("kernels.metal"));
  toy.addText("kernels.metal", "nothing that compiles");
  toy.open();
  auto device = toy.device({.source = source});
  expectLogits(toy, *device, 3);
}

TEST_F(MetalDeviceTest, PipelinesAreMadeWhenWanted) {
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  EXPECT_EQ(standin::counts().pipelines, 0u);
  expectLogits(toy, *device, 1);
  EXPECT_EQ(standin::counts().pipelines, 4u); // entry points share them
  expectLogits(toy, *device, 41);
  EXPECT_EQ(standin::counts().pipelines, 4u);
}

TEST_F(MetalDeviceTest, PipelinesAreMadeAtOnceIfAsked) {
  MetalToy toy;
  toy.open();
  auto device = toy.device({.eagerPipelines = true});
  EXPECT_EQ(standin::counts().pipelines, 4u);
  expectLogits(toy, *device, 1);
  EXPECT_EQ(standin::counts().pipelines, 4u);
}

TEST_F(MetalDeviceTest, PipelinesAreKeptForTheNextStart) {
  MetalToy toy;
  toy.open();
  MetalOptions options{.archiveDirectory = toy.outside("cache/pipelines")};
  for (int start = 0; start < 3; ++start) {
    auto device = toy.device(options);
    expectLogits(toy, *device, 1);
    EXPECT_EQ(device->notes(), std::vector<std::string>());
    EXPECT_EQ(standin::counts().pipelines, 4u) << start;
    EXPECT_EQ(standin::counts().pipelinesFromArchive, 4u * start);
  }
  auto files = std::filesystem::directory_iterator(options.archiveDirectory);
  std::string name = files->path().filename();
  EXPECT_TRUE(name.starts_with("metal-apple7-") && name.ends_with(".metalarchive")) << name;
  EXPECT_EQ(std::distance(files, {}), 1);

  // Other kernels have an archive of their own.
  toy.addText("kernels.metal", readWhole(toy.file("kernels.metal")) + "// changed\n");
  toy.open();
  auto device = toy.device(options);
  expectLogits(toy, *device, 1);
  EXPECT_EQ(standin::counts().pipelines, 8u);
}

TEST_F(MetalDeviceTest, AnArchiveOfAnotherSystemIsMadeAnew) {
  MetalToy toy;
  toy.open();
  MetalOptions options{.eagerPipelines = true, .archiveDirectory = toy.outside("cache")};
  toy.device(options);
  standin::settings().macos = 16;
  {
    auto device = toy.device(options);
    ASSERT_EQ(device->notes().size(), 1u);
    EXPECT_TRUE(device->notes()[0].ends_with(".metalarchive is made anew: Invalid binary archive"));
  }
  EXPECT_EQ(toy.device(options)->notes(), std::vector<std::string>());
  EXPECT_EQ(standin::counts().pipelines, 8u);
  EXPECT_EQ(standin::counts().pipelinesFromArchive, 4u);
}

TEST_F(MetalDeviceTest, AnArchiveThatCannotBeWrittenIsANote) {
  standin::settings().refuseArchiveWrites = true;
  MetalToy toy;
  toy.open();
  auto device = toy.device({.eagerPipelines = true, .archiveDirectory = toy.outside("cache")});
  ASSERT_EQ(device->notes().size(), 1u);
  EXPECT_TRUE(device->notes()[0].ends_with(
      ".metalarchive: cannot write: the archive cannot be written; kernels will be compiled again"))
      << device->notes()[0];
  EXPECT_TRUE(std::filesystem::is_empty(toy.outside("cache")));
  expectLogits(toy, *device, 1);
}

//===-- Captures, traces --------------------------------------------------===//

TEST_F(MetalDeviceTest, CapturesTheStepAskedFor) {
  MetalToy toy;
  toy.open();
  std::string path = toy.outside("step.gputrace");
  auto device = toy.device({.captureFile = path, .captureStep = 1});
  expectLogits(toy, *device, 1);
  EXPECT_EQ(standin::counts().captures, 0u);
  expectLogits(toy, *device, 2, 2, {.chunk = 1});
  EXPECT_EQ(standin::counts().captures, 1u);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(MetalDeviceTest, ATraceHasEveryLaunch) {
  MetalToy toy;
  toy.open();
  auto device = toy.device();
  Trace trace;
  expectLogits(toy, *device, 3, 3, {.chunk = 1, .trace = &trace});
  EXPECT_EQ(standin::counts().commandBuffers, 3 * 4u);
  ASSERT_TRUE(trace.write(toy.outside("trace.json")).ok());
  auto json = nlohmann::json::parse(readWhole(toy.outside("trace.json")));
  const auto &events = json.is_array() ? json : json["traceEvents"];
  size_t launches = 0;
  for (const auto &event : events)
    if (event.value("ph", "") == "X") {
      ++launches;
      EXPECT_GE(event["dur"].get<double>(), 0);
    }
  EXPECT_EQ(launches, 3 * 4u);
}

} // namespace
