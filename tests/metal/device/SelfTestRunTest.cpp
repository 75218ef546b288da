//===- SelfTestRunTest.cpp - tq-run --metal-selftest from outside ---------===//
// Recorded on the executor, compared on the executor and on the Metal backend
// with its stand-in (tq-run-standin: tq-run as a Mac has it).

#include "runtime/Manifest.h"
#include "tests/codegen/Tools.h"
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace tq::test;
using nlohmann::json;

namespace {

const fs::path kBundled = TQ_TEST_DATA "/tinystories-3.7m";

Outcome runOnStandin(const fs::path &package, const std::string &flags) {
  return shell(TQ_TOOLS "/tq-run-standin " + package.string() + " " + flags);
}

class SelfTestRun : public testing::Test {
protected:
  static void SetUpTestSuite() {
    directory = new TempDir;
    Outcome outcome = compile(kBundled, package(),
                              "--target=metal,host --activations=f32 --context=96 --weights=tq3 --mlp-bits=4 --kv=f16");
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    outcome = run(package(), "--metal-selftest-record --device=metal-emulated");
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    record = outcome.err;
  }
  static void TearDownTestSuite() { delete directory; }
  static fs::path package() { return *directory / "m.tqpkg"; }

  /// A copy of the stored outputs with another second digit in the kernel's first word: part of a float's exponent.
  static fs::path damaged(const std::string &entry, const std::string &kernel) {
    json stored = readJson(package() / "selftest.json");
    for (json &one : stored["kernels"])
      if (one["entry"] == entry && one["kernel"] == kernel) {
        std::string words = one["outputs"][0]["words"];
        words[1] = words[1] == '0' ? '1' : '0';
        one["outputs"][0]["words"] = words;
      }
    fs::path file = *directory / "damaged.json";
    writeFile(file, stored.dump());
    return file;
  }

  static inline TempDir *directory = nullptr;
  static inline std::string record;
};

TEST_F(SelfTestRun, TheHostAndTheExecutorAgree) {
  json stored = readJson(package() / "selftest.json");
  size_t kernels = stored["kernels"].size();
  EXPECT_GT(kernels, 30u);
  EXPECT_CONTAINS(record, "outputs of " + std::to_string(kernels) + " kernels, " + std::to_string(kernels) +
                              " of them as the host's");
  EXPECT_LT(fs::file_size(package() / "selftest.json"), 200'000u);
  std::set<std::string> types;
  for (const json &kernel : stored["kernels"])
    for (const json &output : kernel["outputs"])
      types.insert(output["type"]);
  EXPECT_EQ(types, (std::set<std::string>{"f16", "f32"})); // the cache's keys and values are f16
  EXPECT_EQ(run(package(), "--verify").code, 0);           // the package is as it was

  Outcome outcome = run(package(), "--metal-selftest --device=metal-emulated");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_CONTAINS(outcome.err, "kernels give the outputs stored by metal-emulated");
  EXPECT_CONTAINS(outcome.out, "entry    kernel");
  EXPECT_CONTAINS(outcome.out, "decode   linear_cb3g64_n256k256_addf");
  EXPECT_CONTAINS(outcome.out, "prefill  sdpa_many");
  EXPECT_EQ(outcome.out.find("FAILED"), outcome.out.npos);
}

TEST_F(SelfTestRun, TheBackendAgreesWithTheExecutor) {
  fs::path archive = *directory / "pipelines";
  Outcome outcome =
      runOnStandin(package(), "--metal-selftest --json --metal-eager --metal-archive " + archive.string());
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  json result = json::parse(outcome.out);
  EXPECT_EQ(result["device"], "metal");
  EXPECT_EQ(result["target"], "metal-apple7");
  for (const json &kernel : result["kernels"]) {
    EXPECT_EQ(kernel["ok"], true) << kernel;
    EXPECT_GT(kernel["us"], 0) << kernel;
  }
  EXPECT_EQ(list(archive).size(), 1u);
  for (const json &kernel : result["kernels"])
    EXPECT_EQ(kernel["difference"], 0) << kernel;

  // The flags on a model's run.
  archive = *directory / "more/pipelines";
  std::string flags = "--device=metal --token-ids 1,2,3 -n 2 --temp 0 --ignore-eos";
  Outcome plain = runOnStandin(package(), flags);
  EXPECT_EQ(plain.code, 0) << plain.err;
  outcome = runOnStandin(package(), flags + " --metal-eager --metal-archive " + archive.string());
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, plain.out);
  EXPECT_EQ(list(archive).size(), 1u);
}

TEST_F(SelfTestRun, AStoredOutputThatIsNotMetIsNamed) {
  for (bool standin : {false, true}) {
    std::string flags = "--metal-selftest --metal-selftest-file " + damaged("verify", "sdpa_many").string();
    Outcome outcome = standin ? runOnStandin(package(), flags) : run(package(), flags + " --device=metal-emulated");
    EXPECT_EQ(outcome.code, 1);
    EXPECT_CONTAINS(outcome.err, "kernels failed the self-test, the first sdpa_many of verify: binding 3: differs by ");
    size_t at = outcome.out.find("FAILED: binding 3");
    ASSERT_NE(at, outcome.out.npos) << outcome.out;
    EXPECT_EQ(outcome.out.find("FAILED", at + 1), outcome.out.npos);  // nobody else
    EXPECT_CONTAINS(outcome.out, "prefill  take_rows_rms_norm_many"); // the rest has run, too
  }
}

TEST_F(SelfTestRun, AMistakeIsNotRecorded) {
  // A package whose Metal kernels are wrong, while the host's are right.
  TempDir other;
  fs::path wrong = other / "w.tqpkg";
  fs::copy(package(), wrong, fs::copy_options::recursive);
  std::string text = readFile(wrong / "kernels.metal"), what = "precise::rsqrt(";
  size_t at = text.find(what, text.find("kernel void rms_norm_rotate("));
  ASSERT_NE(at, text.npos);
  writeFile(wrong / "kernels.metal", text.replace(at, what.size(), "precise::sqrt("));
  auto manifest = tq::parseManifest(readFile(wrong / "manifest.json"), "w");
  ASSERT_TRUE(manifest.ok()) << manifest.message();
  for (tq::File &file : manifest->files)
    if (file.name == "kernels.metal") {
      file.bytes = text.size();
      file.hash = tq::hashBytes(std::as_bytes(std::span(text)));
    }
  writeFile(wrong / "manifest.json", tq::printManifest(*manifest));
  expectError(run(wrong, "--metal-selftest --device=metal-emulated"), "belongs to another package than w.tqpkg");
  fs::remove(wrong / "selftest.json");
  expectError(run(wrong, "--metal-selftest-record --device=metal-emulated"),
              "kernel rms_norm_rotate of decode gives other values than the host's; nothing is recorded");
  EXPECT_FALSE(fs::exists(wrong / "selftest.json"));
}

TEST_F(SelfTestRun, Refusals) {
  fs::path file = *directory / "other.json";
  std::string flags = "--metal-selftest --device=metal-emulated --metal-selftest-file " + file.string();
  expectError(run(package(), flags), "cannot read the stored outputs: No such file or directory; write them with ");
  writeFile(file, "{}");
  expectError(run(package(), flags), "is damaged; record it again");
  json stored = readJson(package() / "selftest.json");
  stored["package"] = "0000000000000000";
  writeFile(file, stored.dump());
  expectError(run(package(), flags), "belongs to another package than m.tqpkg");
  stored = readJson(package() / "selftest.json");
  stored["kernels"].erase(3);
  writeFile(file, stored.dump());
  expectError(run(package(), flags), "belongs to another package than m.tqpkg");

  expectError(run(package(), "--metal-selftest"), "this build is not for a Mac");
  expectError(run(package(), "--metal-selftest-record --metal-selftest-file /nowhere/x"), "/nowhere/x: cannot write");
  fs::path host = *directory / "h.tqpkg";
  ASSERT_EQ(compile(kBundled, host).code, 0);
  expectError(run(host, "--metal-selftest --device=metal-emulated"), "no target for Metal to test");
  ASSERT_EQ(compile(kBundled, host, "--force --target=metal,host").code, 0); // the host's arithmetic is int8
  Outcome recorded = run(host, "--metal-selftest-record --device=metal-emulated");
  EXPECT_EQ(recorded.code, 0);
  EXPECT_CONTAINS(recorded.err, "warning: the outputs are not compared with the host's, which computes otherwise");

  const std::pair<const char *, const char *> usage[] = {
      {"--metal-selftest --device=host", "--metal-selftest runs Metal's kernels: give a --device of metal"},
      {"--metal-selftest --metal-selftest-record", "exclude each other"},
      {"--metal-selftest -p x", "exclude each other"},
      {"--metal-selftest-file x -p x", "belongs to --metal-selftest"},
      {"--token-ids 1 --metal-eager", "--metal-eager belongs to --device=metal"},
      {"--token-ids 1 --metal-archive x --device=metal-emulated", "--metal-archive belongs to --device=metal"},
      {"--token-ids 1 --capture x", "--capture belongs to --device=metal"},
  };
  for (const auto &[arguments, sentence] : usage) {
    Outcome outcome = run(package(), arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_CONTAINS(outcome.err, sentence);
  }
}

} // namespace
