//===- SelfTestTest.cpp - Kernels against stored outputs ------------------===//
// The self-test on the Metal backend: that it finds what is wrong, names it, and
// blames nobody else.
//===----------------------------------------------------------------------===//

#include "runtime/HostDevice.h"
#include "runtime/SelfTestFile.h"
#include "tests/metal/standin/MetalToy.h"

using namespace tq;

namespace {

class SelfTestTest : public StandinTest {
protected:
  SelfTestTest() {
    toy.open();
    launches = planSelfTest(*toy.package);
  }

  /// What the host's kernels give, which are the same arithmetic.
  std::vector<std::vector<KernelOutput>> recordOnHost() {
    std::vector<std::vector<KernelOutput>> outputs;
    auto host = createHostDevice(*toy.package, {});
    EXPECT_TRUE(host.ok()) << host.message();
    auto test = KernelTest::create(*toy.package, **host);
    for (size_t i = 0; i < launches.size(); ++i) {
      EXPECT_TRUE((*test)->run(i).ok());
      outputs.push_back((*test)->sample());
    }
    return outputs;
  }

  /// "decode toy_mark: why" of each launch that fails on the GPU.
  std::vector<std::string> failures(MetalDevice &device, const std::vector<std::vector<KernelOutput>> &expected) {
    std::vector<std::string> result;
    auto test = KernelTest::create(*toy.package, device);
    EXPECT_TRUE(test.ok()) << test.message();
    for (size_t i = 0; i < launches.size(); ++i) {
      std::string name = launches[i].entry + " " + launches[i].kernel + ": ";
      Status status = (*test)->run(i);
      if (!status) {
        result.push_back(name + status.message());
        break;
      }
      KernelVerdict verdict = (*test)->compare(expected[i]);
      if (!verdict.ok)
        result.push_back(name + verdict.reason);
    }
    return result;
  }

  /// The device with one change in its kernels.
  std::unique_ptr<MetalDevice> changed(const std::string &from, const std::string &to) {
    std::string text = readWhole(toy.file("kernels.metal"));
    size_t at = text.find(from);
    EXPECT_NE(at, text.npos);
    return toy.device({.source = text.replace(at, from.size(), to)});
  }

  MetalToy toy;
  std::vector<KernelLaunch> launches;
};

TEST_F(SelfTestTest, EveryKernelOfEveryEntryPoint) {
  ASSERT_EQ(launches.size(), 3 * 4u);
  EXPECT_EQ(launches[0].entry + " " + launches[0].kernel, "decode toy_append");
  EXPECT_EQ(launches[11].entry + " " + launches[11].kernel, "prefill toy_logits");
  auto device = toy.device();
  uint64_t before = standin::counts().dispatches;
  EXPECT_EQ(failures(*device, recordOnHost()), std::vector<std::string>());
  EXPECT_EQ(standin::counts().dispatches, before + launches.size());
}

TEST_F(SelfTestTest, OneWrongKernelIsTheOnlyOneNamed) {
  auto device = changed("* 77u", "* 78u");
  auto found = failures(*device, recordOnHost());
  ASSERT_EQ(found.size(), 3u) << testing::PrintToString(found);
  EXPECT_TRUE(found[0].starts_with("decode toy_mark: binding 1: differs by ")) << found[0];
  EXPECT_TRUE(found[2].starts_with("prefill toy_mark: binding 1: differs by ")) << found[2];
}

TEST_F(SelfTestTest, AKernelThatLeavesOutPart) {
  auto device = changed("t < params.n_tokens", "t < params.n_tokens - 1");
  auto found = failures(*device, recordOnHost());
  ASSERT_EQ(found.size(), 3u) << testing::PrintToString(found);
  EXPECT_EQ(found[2], "prefill toy_append: binding 1: 30 words were written, but 31 should be");
}

TEST_F(SelfTestTest, AKernelThatWritesElsewhere) {
  auto device = changed("device const int *ids [[buffer(0)]], device uint *marks",
                        "device int *ids [[buffer(0)]], device uint *marks");
  EXPECT_EQ(failures(*device, recordOnHost()), std::vector<std::string>());
  device = changed("device const int *ids [[buffer(0)]], device uint *marks [[buffer(1)]],\n"
                   "                     constant Params &params [[buffer(2)]], uint token "
                   "[[threadgroup_position_in_grid]],\n"
                   "                     uint lane [[thread_index_in_threadgroup]]) {\n"
                   "  if (lane == 0)\n"
                   "    marks[token] = uint(ids[token]) * 77u;",
                   "device int *ids [[buffer(0)]], device uint *marks [[buffer(1)]],\n"
                   "                     constant Params &params [[buffer(2)]], uint token "
                   "[[threadgroup_position_in_grid]],\n"
                   "                     uint lane [[thread_index_in_threadgroup]]) {\n"
                   "  if (lane == 0) {\n"
                   "    marks[token] = uint(ids[token]) * 77u;\n"
                   "    ids[token] = -1; }");
  auto found = failures(*device, recordOnHost());
  ASSERT_EQ(found.size(), 3u) << testing::PrintToString(found);
  EXPECT_EQ(found[0], "decode toy_mark: binding 0 was written, but should not be");
}

TEST_F(SelfTestTest, ADeviceThatFails) {
  auto expected = recordOnHost();
  auto device = toy.device();
  standin::settings().failCommandBuffer = 2;
  standin::settings().errorCode = 8;
  auto found = failures(*device, expected);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with("decode toy_mark: toy.tqpkg: the GPU is out of memory")) << found[0];
}

TEST_F(SelfTestTest, AnotherTargetThanTheDevices) {
  // The plan is for the first Metal target, the GPU runs the second, which has as many kernels.
  MetalToy two;
  two.manifest.targets.push_back(two.metal());
  two.metal().name = "metal-apple9";
  two.write();
  std::string command = TQ_TOOLS "/tq-run-standin " + two.path() + " --metal-selftest-record --device=metal 2>" +
                        two.outside("err") + " </dev/null";
  EXPECT_NE(std::system(command.c_str()), 0); // NOLINT(bugprone-command-processor): a command of our own
  EXPECT_EQ(readWhole(two.outside("err")),
            "error: toy.tqpkg: the self-test is for target metal-apple9, but metal runs metal-apple7\n");
}

TEST_F(SelfTestTest, TheFileReadsAsWritten) {
  StoredOutputs stored{"metal-apple7", "0123456789abcdef", "metal-checked", {}};
  auto outputs = recordOnHost();
  for (size_t i = 0; i < launches.size(); ++i)
    stored.kernels.push_back({launches[i], outputs[i]});
  std::string text = printStoredOutputs(stored);
  auto read = parseStoredOutputs(text, "x.json");
  ASSERT_TRUE(read.ok()) << read.message();
  EXPECT_EQ(printStoredOutputs(*read), text);
  for (size_t i = 0; i < launches.size(); ++i)
    for (size_t o = 0; o < outputs[i].size(); ++o) {
      EXPECT_EQ(read->kernels[i].outputs[o].at, outputs[i][o].at);
      EXPECT_EQ(read->kernels[i].outputs[o].words, outputs[i][o].words);
    }

  // Damaged in any place, it is refused, or still a file of the same form.
  for (size_t i = 0; i < text.size(); i += 7) {
    std::string damaged = text;
    damaged[i] ^= 1;
    auto other = parseStoredOutputs(damaged, "x.json");
    EXPECT_TRUE(other.ok() || other.message().starts_with("x.json: ")) << other.message();
  }
  for (size_t i = 0; i + 2 < text.size(); i += 31)
    EXPECT_FALSE(parseStoredOutputs(text.substr(0, i), "x.json").ok());
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 9");
  EXPECT_EQ(parseStoredOutputs(text, "x.json").message(),
            "x.json: has version 9, but this tq-run reads 1; record it again with --metal-selftest-record");
}

} // namespace
