//===- CompileTest.cpp - What tq-compile refuses, and what it leaves ------===//
// Every damaged or odd checkpoint ends in one sentence and exit code 1, with nothing left behind.

#include "tests/codegen/Tools.h"

#include <functional>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

using namespace tq;
using namespace tq::test;
using nlohmann::json;

namespace {

/// A writable copy of a small model, and an empty folder for its package.
struct Model {
  explicit Model(const std::string &source = "hf/llama-bf16") : files(source) {
    for (const auto &entry : fs::directory_iterator(files.path))
      fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
  }
  TempDir files, output;
  fs::path weights() const { return files / "model.safetensors"; }
  fs::path package() const { return output / "m.tqpkg"; }

  Outcome compile(const std::string &flags = "") const { return test::compile(files.path, package(), flags); }

  void config(const std::function<void(json &)> &edit) const {
    json config = readJson(files / "config.json");
    edit(config);
    writeFile(files / "config.json", config.dump());
  }
  /// Edits the header of the weights; data stays where it is.
  void header(const std::function<void(json &)> &edit) const {
    std::string file = readFile(weights());
    uint64_t length;
    std::memcpy(&length, file.data(), 8);
    json header = json::parse(file.substr(8, length));
    edit(header);
    writeFile(weights(), safetensors(header.dump(), file.substr(8 + length)));
  }
  void expectRefused(const std::string &message, const std::string &flags = "") const {
    expectError(compile(flags), message);
    EXPECT_EQ(list(output.path), std::vector<std::string>());
  }
};

constexpr const char *kQ = "model.layers.0.self_attn.q_proj.weight";

//===-- Weights -------------------------------------------------------------------------------------------------===//

TEST(CompileWeights, NoFile) {
  Model model;
  fs::remove(model.weights());
  model.expectRefused("cannot find model.safetensors, model.safetensors.index.json or any model*.safetensors here");
}

TEST(CompileWeights, MissingShard) {
  Model model("hf/llama-plain-sharded");
  fs::remove(model.files / "model-00002-of-00004.safetensors");
  model.expectRefused("model-00002-of-00004.safetensors: missing shard; model.safetensors.index.json places ");
}

TEST(CompileWeights, MissingTensor) {
  Model model;
  model.header([](json &header) { header.erase(kQ); });
  model.expectRefused(kQ);
}

TEST(CompileWeights, WrongShape) {
  Model model;
  model.header([](json &header) { header[kQ]["shape"] = {40, 160}; });
  model.expectRefused("model.layers.0.self_attn.q_proj.weight: expected 80x80 from config.json, but got 40x160");
}

TEST(CompileWeights, ShapeAndBytesDiffer) {
  Model model;
  model.header([](json &header) { header[kQ]["shape"] = {3, 5}; });
  model.expectRefused(kQ);
}

TEST(CompileWeights, HugeDimensions) {
  Model model;
  model.header([](json &header) { header[kQ]["shape"] = {int64_t(9223372036854775807), int64_t(1) << 62}; });
  model.expectRefused(kQ);
}

TEST(CompileWeights, DimensionOf2To63) {
  Model model;
  model.header([](json &header) { header[kQ]["shape"] = {uint64_t(1) << 63, 2}; });
  model.expectRefused(kQ);
}

TEST(CompileWeights, NegativeDimensions) {
  Model model;
  model.header([](json &header) { header[kQ]["shape"] = {-80, 80}; });
  model.expectRefused(kQ);
}

TEST(CompileWeights, UnknownType) {
  Model model;
  model.header([](json &header) { header[kQ]["dtype"] = "F13"; });
  model.expectRefused("F13");
}

TEST(CompileWeights, HeaderBeyondTheFile) {
  Model model;
  std::string file = readFile(model.weights());
  uint64_t length = uint64_t(1) << 40;
  std::memcpy(file.data(), &length, 8);
  writeFile(model.weights(), file);
  model.expectRefused("model.safetensors");
}

TEST(CompileWeights, CutOff) {
  Model model;
  for (uint64_t size : {270155, 7, 0}) {
    fs::resize_file(model.weights(), size);
    model.expectRefused("model.safetensors");
  }
}

TEST(CompileWeights, Overlap) {
  Model model;
  model.header([](json &header) {
    json &offsets = header[kQ]["data_offsets"];
    offsets = {0, offsets[1].get<int64_t>() - offsets[0].get<int64_t>()};
  });
  model.expectRefused("model.layers.0.self_attn.q_proj.weight: begins at byte 2153, inside lm_head.weight");
}

TEST(CompileWeights, OffsetsReversed) {
  Model model;
  model.header([](json &header) { std::swap(header[kQ]["data_offsets"][0], header[kQ]["data_offsets"][1]); });
  model.expectRefused(kQ);
}

TEST(CompileWeights, ScalesThatAreNoNumbers) {
  Model model("turboquant/qwen2-bias-tq3-g64");
  std::vector<Tensor> tensors = readTensors(model.weights());
  tensorNamed(tensors, "model.layers.0.self_attn.q_proj.scales").bytes.replace(4, 2, "\x00\x7e", 2); // an f16 NaN
  writeFile(model.weights(), safetensors(tensors));
  model.expectRefused("model.layers.0.self_attn.q_proj.scales");
}

/// Values of a float matrix are only read when the package is written.
TEST(CompileWeights, FloatsThatAreNoNumbers) {
  Model model("hf/llama-llama3rope-bias-tied");
  std::vector<Tensor> tensors = readTensors(model.weights());
  Tensor &tensor = tensorNamed(tensors, "model.layers.0.self_attn.o_proj.weight");
  float nan = NAN;
  ASSERT_EQ(tensor.dtype, "F32");
  std::memcpy(tensor.bytes.data(), &nan, 4);
  writeFile(model.weights(), safetensors(tensors));
  model.expectRefused("model.layers.0.self_attn.o_proj.weight", "--weights=tq4 --group-size=16");
  model.expectRefused("model.layers.0.self_attn.o_proj.weight: rows 0 to 15 hold values that are not finite, or too "
                      "large for f32");
  float large = 1e6f; // a number, but not an f16
  std::memcpy(tensor.bytes.data(), &large, 4);
  writeFile(model.weights(), safetensors(tensors));
  model.expectRefused("model.layers.0.self_attn.o_proj.weight: rows 0 to 15 hold values that are not finite, or too "
                      "large for f16",
                      "--weights=f16");
}

/// Not an error: the weight stays as it is, and a warning says so without any IR.
TEST(CompileWeights, GroupThatDoesNotDivide) {
  Model model;
  Outcome outcome = model.compile("--weights=q4 --group-size=64 --plan");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_CONTAINS(outcome.err,
                  "warning: model.layers.0.self_attn.q_proj.weight stays float: group size 64 does not divide its "
                  "width 80\n");
}

//===-- Configuration -------------------------------------------------------------------------------------------===//

TEST(CompileConfig, Refused) {
  struct Case {
    std::function<void(json &)> edit;
    const char *message;
  };
  for (const Case &c : std::initializer_list<Case>{
           {[](json &j) { j["model_type"] = "frobnicate"; }, "frobnicate"},
           {[](json &j) { j.erase("model_type"), j.erase("architectures"); }, "model_type"},
           {[](json &j) { j["num_attention_heads"] = 0; }, "num_attention_heads"},
           {[](json &j) { j["num_key_value_heads"] = 3; }, "num_key_value_heads"},
           {[](json &j) { j["num_hidden_layers"] = 1000000000; }, "num_hidden_layers"},
           {[](json &j) { j["num_hidden_layers"] = "two"; }, "num_hidden_layers"},
           {[](json &j) { j["num_hidden_layers"] = -2; }, "num_hidden_layers"},
           {[](json &j) { j["rms_norm_eps"] = -1; }, "rms_norm_eps"},
           {[](json &j) { j["vocab_size"] = 5000; },
            "model.embed_tokens.weight: expected 5000x80 from config.json, but got 211x80"},
           {[](json &j) { j["hidden_act"] = "tangent"; }, "tangent"},
           {[](json &j) { j["rope_parameters"] = j["rope_scaling"] = {{"rope_type", "spiral"}, {"factor", 2}}; },
            "spiral"},
       }) {
    SCOPED_TRACE(c.message);
    Model model;
    model.config(c.edit);
    model.expectRefused(c.message);
  }
}

TEST(CompileConfig, NoJson) {
  Model model;
  for (std::string text : {std::string("{\"a\": "), std::string(200000, '['), std::string()}) {
    writeFile(model.files / "config.json", text);
    model.expectRefused("config.json");
  }
  fs::remove(model.files / "config.json");
  model.expectRefused("config.json");
}

TEST(CompileConfig, NoSuchModel) {
  TempDir directory;
  expectError(compile(directory / "absent", directory / "m.tqpkg"), "absent");
}

TEST(CompileConfig, ContextLongerThanTheModels) {
  Model model;
  model.expectRefused("--context 129 is longer than the 128 positions the model was made for; give at most that",
                      "--context 129");
}

TEST(CompileConfig, ProtectedLayerThatDoesNotExist) {
  Model model;
  model.expectRefused("--protect-layers names layer 9, but the model has layers 0 to ",
                      "--weights=q4 --protect-layers=0,9");
}

TEST(CompileConfig, UnknownCpu) {
  Model model;
  model.expectRefused("x86-64-v9", "--cpu=x86-64-v9");
}

//===-- Usage ---------------------------------------------------------------------------------------------------===//

TEST(CompileUsage, ExitCode2) {
  Model model;
  for (auto [flags, message] : std::initializer_list<std::pair<const char *, const char *>>{
           {"--weights=q9", "--weights must be one of keep, f16, bf16, tq2, tq3, tq4, q2 .. q8, but is q9"},
           {"--group-size=48", "--group-size must be 16, 32, 64 or 128, but is 48"},
           {"--rotation=givens", "--rotation must be hadamard or none, but is givens"},
           {"--weights=tq4 --attn-bits=5", "--attn-bits must be 2 to 4 for weights tq4, but is 5"},
           {"--weights=f16 --mlp-bits=4", "--mlp-bits needs weights tq2..tq4 or q2..q8, but weights is f16"},
           {"--embed-bits=9", "--embed-bits must be 2 to 8, but is 9"},
           {"--protect-layers=3-1", "--protect-layers must be a list like 0-1,30-31, but is '3-1'"},
           {"--target=tpu", "--target tpu is not supported; there are host and metal"},
           {"--activations=int4", "--activations"},
           {"--scale=best", "--scale"},
           {"--context=0", "--context"},
           {"--threads=0", "--threads"},
           {"--threads=100000", "--threads"},
           {"--until-after=lunch", "--until-after"},
           {"--frobnicate", "--frobnicate"},
           {"--group-size=many", "--group-size"}}) {
    SCOPED_TRACE(flags);
    Outcome outcome = model.compile(flags);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_CONTAINS(outcome.err, message);
    EXPECT_EQ(list(model.output.path), std::vector<std::string>());
  }
  EXPECT_EQ(shell(TQ_TOOLS "/tq-compile").code, 2);
  Outcome help = shell(TQ_TOOLS "/tq-compile --help");
  EXPECT_EQ(help.code, 0);
  EXPECT_CONTAINS(help.out, "--weights");
  EXPECT_EQ(shell(TQ_TOOLS "/tq-compile --version").code, 0);
}

TEST(CompileUsage, HeadBitsOfATiedHead) {
  Model model("hf/llama-llama3rope-bias-tied");
  model.expectRefused("head-bits has no effect here: the head is tied to the embedding; use embed-bits",
                      "--head-bits=4");
}

//===-- Output --------------------------------------------------------------------------------------------------===//

/// The package is whole or absent, and nothing but a package is ever replaced. One compilation serves many looks.
TEST(CompileOutput, Package) {
  Model model;
  Outcome made = model.compile();
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.out, "");
  EXPECT_CONTAINS(made.err, "no tokenizer.json; tq-run will take --token-ids only");
  EXPECT_EQ(list(model.output.path), std::vector<std::string>{"m.tqpkg"});
  std::string manifest = readFile(model.package() / "manifest.json");

  // A second time it is in the way, and stays as it is.
  expectError(model.compile(), "m.tqpkg exists; --force replaces it");
  model.config([](json &j) { j["model_type"] = "frobnicate"; });
  expectError(model.compile("--force"), "frobnicate");
  model.config([](json &j) { j["model_type"] = "llama"; });
  EXPECT_EQ(readFile(model.package() / "manifest.json"), manifest);

  // A limit on file sizes, as a full disk: the old package stays, and no half of the new one.
  Outcome full = shell("ulimit -f 100; " TQ_TOOLS "/tq-compile " + model.files.path.string() + " -o " +
                       model.package().string() + " --force");
  expectError(full, "cannot write: File too large");
  EXPECT_EQ(list(model.output.path), std::vector<std::string>{"m.tqpkg"});
  EXPECT_EQ(readFile(model.package() / "manifest.json"), manifest);

  // Killed without a chance to clean up, or interrupted: the old package stays, and the next run sweeps up.
  std::string command = TQ_TOOLS "/tq-compile " + model.files.path.string() + " -o " + model.package().string() +
                        " --force & pid=$!; until ls " + model.output.path.string() +
                        "/.m.tqpkg.tmp-* >/dev/null 2>&1; do "
                        "kill -0 $pid || exit 9; done; ";
  Outcome interrupted = shell(command + "kill -INT $pid; kill -TERM $pid; wait $pid");
  EXPECT_EQ(interrupted.code, 1) << interrupted.err;
  EXPECT_CONTAINS(interrupted.err, "error: interrupted; nothing was written");
  EXPECT_EQ(list(model.output.path), std::vector<std::string>{"m.tqpkg"});
  EXPECT_EQ(shell(command + "kill -KILL $pid; wait $pid; true").code, 0);
  EXPECT_EQ(list(model.output.path).size(), 2u);
  EXPECT_EQ(readFile(model.package() / "manifest.json"), manifest);
  Outcome again = model.compile("--force --weights=f16");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(list(model.output.path), std::vector<std::string>{"m.tqpkg"});
  EXPECT_NE(readFile(model.package() / "manifest.json"), manifest);
}

// All weights of a width have the same levels, which lie in the package once, although every section takes 16 KiB.
TEST(CompileOutput, EqualLevelsAreStoredOnce) {
  Model model;
  auto levels = [&](const std::string &flags) {
    Outcome made = model.compile("--force --target=metal --group-size=16 " + flags);
    EXPECT_EQ(made.code, 0) << made.err;
    json manifest = readJson(model.package() / "manifest.json");
    std::set<size_t> streams, tables;
    for (const json &entry : manifest["targets"][0]["entries"])
      for (const json &step : entry["steps"])
        for (const json &binding : step["bindings"])
          if (binding.contains("section")) {
            auto index = binding["section"].get<size_t>();
            std::string name = manifest["sections"][index]["name"];
            (name.ends_with("/levels") ? tables : streams).insert(index);
          }
    // Nothing is in the files but what is bound.
    EXPECT_EQ(streams.size() + tables.size(), manifest["sections"].size());
    const json &last = manifest["sections"].back();
    EXPECT_EQ(fs::file_size(model.package() / "weights-0.bin"),
              last["offset"].get<uint64_t>() + last["bytes"].get<uint64_t>());
    return tables.size();
  };
  EXPECT_EQ(levels("--weights=tq4"), 1u);
  EXPECT_EQ(levels("--weights=tq3 --attn-bits=4"), 2u);
  EXPECT_EQ(levels("--weights=q4"), 0u);
}

TEST(CompileOutput, NeverReplacesWhatIsNoPackage) {
  Model model;
  fs::create_directories(model.package());
  writeFile(model.package() / "thesis.txt", "years of work");
  expectError(model.compile("--force"), "m.tqpkg: refusing to replace what is not a tq package");
  EXPECT_EQ(readFile(model.package() / "thesis.txt"), "years of work");
  EXPECT_EQ(list(model.output.path), std::vector<std::string>{"m.tqpkg"});

  // Without the manifest it is none, whatever else lies there: one half written by other means.
  writeFile(model.package() / "weights-0.bin", "");
  expectError(model.compile("--force"), "refusing to replace");

  fs::remove_all(model.package());
  writeFile(model.package(), "a file");
  expectError(model.compile("--force"), "refusing to replace");
  EXPECT_EQ(readFile(model.package()), "a file");

  // Over the model itself: not a package either.
  expectError(compile(model.files.path, model.files.path, "--force"), "refusing to replace");
  EXPECT_TRUE(fs::exists(model.weights()));
}

/// Without -o the package is named after the model's folder and lies in the current one.
TEST(CompileOutput, DefaultName) {
  Model model;
  std::string name = model.files.path.filename().string() + ".tqpkg";
  // Something is in its way: compilation stops before it begins.
  fs::create_directories(model.files / name);
  fs::create_directories(model.output / name);
  auto compileIn = [](const fs::path &directory, const std::string &path) {
    return shell("cd " + directory.string() + " && " TQ_TOOLS "/tq-compile " + path);
  };
  expectError(compileIn(model.files.path, "."), name + " exists; --force replaces it");
  expectError(compileIn(model.output.path, model.files.path.string() + "/"), name + " exists; --force replaces it");
}

#if defined(__linux__)
TEST(CompileOutput, FullStandardOutput) {
  Model model;
  for (std::string flags : {"--plan --json", "--until-after=import", "--until-after=kernels"})
    expectError(shell(TQ_TOOLS "/tq-compile " + model.files.path.string() + " " + flags + " >/dev/full"),
                "cannot write to the standard output");
}
#endif

TEST(CompileOutput, NoPlaceForIt) {
  Model model;
  expectError(compile(model.files.path, model.output / "absent/m.tqpkg"), "cannot create: No such file or directory");
  writeFile(model.output / "file", "");
  expectError(compile(model.files.path, model.output / "file/m.tqpkg"), "Not a directory");
  // Nothing can be written there, not even by root.
  expectError(compile(model.files.path, "/proc/m.tqpkg"), "/proc/m.tqpkg: cannot create: ");
  expectError(compile(model.files.path, model.package(), "--until-after=import --dump-phases=/proc/dump"),
              "/proc/dump: cannot create: ");
}

TEST(CompileOutput, ReadOnlyFolder) {
  // Root may write anywhere, so it becomes somebody else.
  std::string other = ::geteuid() == 0 ? "setpriv --reuid=65534 --regid=65534 --clear-groups " : "";
  if (!other.empty() && shell(other + TQ_TOOLS "/tq-compile --version").code != 0)
    GTEST_SKIP() << "root may write anywhere, and nobody else may run the tools here";
  Model model;
  fs::permissions(model.output.path,
                  fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read | fs::perms::others_exec);
  expectError(shell(other + TQ_TOOLS "/tq-compile " + model.files.path.string() + " -o " + model.package().string()),
              "m.tqpkg: cannot create: Permission denied");
  fs::permissions(model.output.path, fs::perms::owner_all);
  EXPECT_EQ(list(model.output.path), std::vector<std::string>());
}

/// Planning writes nothing and reads no weights: a header is enough.
TEST(CompileOutput, Plan) {
  Model model;
  Outcome outcome = model.compile("--plan --json");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  json plan = json::parse(outcome.out);
  EXPECT_EQ(plan["model_type"], "llama");
  EXPECT_EQ(plan["context"], 128);
  EXPECT_TRUE(plan["fits"]);
  EXPECT_EQ(plan["memory"]["total"].get<int64_t>(), plan["memory"]["weights"].get<int64_t>() +
                                                        plan["memory"]["state"].get<int64_t>() +
                                                        plan["memory"]["activations"].get<int64_t>());
  EXPECT_EQ(list(model.output.path), std::vector<std::string>());
}

TEST(CompileOutput, ContinueFrom) {
  Model model;
  writeFile(model.output / "none.mlir", "module {}");
  std::string from = "--continue-from=" + model.output.path.string();
  expectError(model.compile(from + "/none.mlir"), "does not say which phase it has been through");
  writeFile(model.output / "bad.mlir", "module {");
  expectError(model.compile(from + "/bad.mlir"), "bad.mlir: cannot be read: ");
  expectError(model.compile(from + "/absent.mlir"), "absent.mlir: cannot be read: ");
  EXPECT_FALSE(fs::exists(model.package()));
}

} // namespace
