//===- EmulatedTest.cpp - A whole model through its Metal kernels ---------===//
// The emitted text of all kernels of a package, compiled and executed for every
// launch of the table, against the host's kernels of the same package.

#include "tests/codegen/Tools.h"
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace tq::test;
using nlohmann::json;

namespace {

const fs::path kBundled = TQ_TEST_DATA "/tinystories-3.7m";

/// 40 tokens: the prompt takes prefill's kernels, what remains those of verify and decode.
std::string prompt(int count) {
  std::vector<int32_t> ids;
  for (int i = 0; i < count; ++i)
    ids.push_back(1 + (i * 37) % 2000);
  return join(ids);
}

struct Both {
  explicit Both(const std::string &flags) {
    Outcome compiled = compile(kBundled, package(), "--target=metal,host --activations=f32 --context=96 " + flags);
    EXPECT_EQ(compiled.code, 0) << compiled.err;
  }
  fs::path package() const { return directory / "m.tqpkg"; }

  /// Greedy tokens and their logits.
  std::pair<std::vector<int32_t>, std::vector<float>> generate(const std::string &device, const std::string &flags) {
    fs::path logits = directory / "logits.safetensors";
    Outcome outcome =
        run(package(), "--device=" + device + " --temp 0 --ignore-eos --logits " + logits.string() + " " + flags);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    if (outcome.code != 0)
      return {};
    Values values(logits);
    return {values.ids("token_ids"), values.floats("logits")};
  }
  TempDir directory;
};

void expectTheHostsTokens(Both &both, const std::string &device, const std::string &flags) {
  auto [hostIds, host] = both.generate("host", flags);
  auto [ids, logits] = both.generate(device, flags);
  ASSERT_FALSE(ids.empty());
  EXPECT_EQ(ids, hostIds);
  ASSERT_EQ(logits.size(), host.size());
  float largest = 0, difference = 0;
  for (size_t i = 0; i < host.size(); ++i) {
    largest = std::max(largest, std::fabs(host[i]));
    difference = std::max(difference, std::fabs(logits[i] - host[i]));
  }
  EXPECT_LT(difference, 1e-3 * largest);
}

TEST(EmulatedMetal, CodebookWeights) {
  Both both("--weights=tq3 --mlp-bits=4");
  expectTheHostsTokens(both, "metal-emulated", "-n 8 --token-ids " + prompt(40));
  expectTheHostsTokens(both, "metal-emulated", "-n 1 --chunk 5 --token-ids " + prompt(12)); // verify's kernels
  expectTheHostsTokens(both, "metal-checked", "-n 2 --token-ids " + prompt(1));
  // The head of a chunk whose logits nobody wants launches nothing, and is in the trace as on other devices.
  fs::path trace = both.directory / "trace.json";
  std::string flags = "--device=metal-emulated -n 1 --chunk 5 --token-ids 1,2,3,4,5,6,7 --trace " + trace.string();
  EXPECT_EQ(run(both.package(), flags).code, 0);
  const json launches = readJson(trace)["traceEvents"];
  size_t empty = 0;
  for (const json &launch : launches)
    empty += launch["args"]["tasks"] == 0;
  EXPECT_EQ(empty, 1u);
}

TEST(EmulatedMetal, AffineWeightsAndEmbedding) {
  Both both("--weights=q4 --group-size=32 --embed-bits=6 --kv=f16");
  expectTheHostsTokens(both, "metal-emulated", "-n 4 --token-ids " + prompt(19));
}

TEST(EmulatedMetal, TargetsShareTheWeights) {
  TempDir directory;
  std::map<std::string, json> manifests;
  for (std::string target : {"host", "metal", "metal,host"}) {
    fs::path package = directory / (target + ".tqpkg");
    Outcome outcome = compile(kBundled, package, "--weights=q4 --target=" + target);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    manifests[target] = readJson(package / "manifest.json");
  }
  EXPECT_EQ(manifests["host"]["sections"], manifests["metal,host"]["sections"]);
  EXPECT_EQ(manifests["metal,host"]["targets"].size(), 2u);
}

TEST(EmulatedMetal, Refusals) {
  TempDir directory;
  fs::path package = directory / "m.tqpkg";
  ASSERT_EQ(compile(kBundled, package).code, 0);
  expectError(run(package, "--device=metal-emulated --token-ids 1 -n 1"), "no target for Metal; there are: x86-64");
  expectError(run(package, "--device=metal --token-ids 1 -n 1"), "this build is not for a Mac");
  EXPECT_EQ(run(package, "--device=vulkan --token-ids 1").code, 2);
}

TEST(Explain, SaysWhatKernelsCost) {
  Outcome outcome = shell(TQ_TOOLS "/tq-compile " + kBundled.string() + " --target=metal --weights=tq3 --explain");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_CONTAINS(outcome.out, "Entry decode: kernels");
  EXPECT_CONTAINS(outcome.out, "linear_cb3g64_n768k256_glu");
  EXPECT_CONTAINS(outcome.out, "M4 Max");
  EXPECT_CONTAINS(outcome.out, "codebook 3 bit         3.250");
  expectError(shell(TQ_TOOLS "/tq-compile " + kBundled.string() + " --explain"), "give --target=metal");
}

} // namespace
