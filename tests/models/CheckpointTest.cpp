//===- CheckpointTest.cpp - Directories: shards, lookups, bad JSON --------===//

#include "models/Checkpoint.h"

#include "TestFiles.h"

#include "models/formats/Floats.h"

#include <algorithm>
#include <cmath>

using namespace tq;
using namespace tq::test;

namespace {

std::string complaint(const TempDir &directory) { return messageOf(Checkpoint::open(directory.path)); }

const char *const sharded = "hf/llama-plain-sharded";

TEST(Checkpoint, OpensShards) {
  auto checkpoint = Checkpoint::open(data(sharded));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  EXPECT_EQ(checkpoint->weights().size(), 21u);
  EXPECT_EQ(checkpoint->totalBytes(), 347904u); // total_size of the index
  EXPECT_EQ(checkpoint->config()["model_type"], "llama");
  ASSERT_TRUE(checkpoint->generationConfig());
  EXPECT_TRUE(checkpoint->textFiles().empty());

  const WeightSource *head = checkpoint->find("lm_head.weight");
  ASSERT_TRUE(head && head->dense());
  EXPECT_EQ(head->shape, (std::vector<int64_t>{157, 64}));
  std::vector<float> row(64);
  ASSERT_TRUE(decodeRows(*head, 156, 1, row.data(), false).ok());
  std::vector<float> stored(64);
  std::memcpy(stored.data(), head->weight.bytes.data() + 156 * 64 * 4, 64 * 4);
  EXPECT_EQ(row, stored);
  EXPECT_EQ(checkpoint->find("lm_head"), nullptr);

  EXPECT_TRUE(std::ranges::is_sorted(checkpoint->weights(), {}, [](const WeightSource &weight) {
    return std::pair(weight.weight.file, weight.weight.fileOffset);
  }));
}

TEST(Checkpoint, NamesMissingAndMisshapenWeights) {
  auto checkpoint = Checkpoint::open(data(sharded));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  EXPECT_TRUE(checkpoint->get("lm_head.weight", std::array<int64_t, 2>{157, 64}).ok());
  EXPECT_EQ(messageOf(checkpoint->get("model.layers.0.mlp.up_proj.weight", std::array<int64_t, 2>{96, 64})),
            "model.layers.0.mlp.up_proj.weight: expected 96x64 from config.json, but "
            "got 88x64");
  EXPECT_CONTAINS(messageOf(checkpoint->get("model.layers.9.mlp.up_proj.weight", std::array<int64_t, 1>{1})),
                  "model.layers.9.mlp.up_proj.weight: missing from the 21 "
                  "weights of");
}

TEST(Checkpoint, NamesTheMissingShard) {
  TempDir copy(sharded);
  fs::remove(copy / "model-00003-of-00004.safetensors");
  std::string message = complaint(copy);
  EXPECT_CONTAINS(message, "model-00003-of-00004.safetensors: missing shard");
  EXPECT_CONTAINS(message, "model.layers.1.");
  fs::remove(copy / "model.safetensors.index.json");
  EXPECT_CONTAINS(complaint(copy), "found 3 of the 4 shards");
}

TEST(Checkpoint, RefusesBadIndices) {
  TempDir copy(sharded);
  fs::path index = copy / "model.safetensors.index.json";
  auto sound = readJson(index);

  auto edited = sound;
  edited["weight_map"]["model.extra"] = "model-00001-of-00004.safetensors";
  writeFile(index, edited.dump());
  EXPECT_CONTAINS(complaint(copy), "model.extra: not in this file");

  edited = sound;
  edited["weight_map"]["lm_head.weight"] = "../model.safetensors";
  writeFile(index, edited.dump());
  EXPECT_CONTAINS(complaint(copy), "weight_map['lm_head.weight'] is");

  writeFile(index, "{}");
  EXPECT_CONTAINS(complaint(copy), "weight_map is missing");
  writeFile(index, "{");
  EXPECT_CONTAINS(complaint(copy), "index.json: not valid JSON");
}

TEST(Checkpoint, RefusesTheSameTensorTwice) {
  TempDir copy(sharded);
  fs::remove(copy / "model.safetensors.index.json");
  writeFile(copy / "model-extra.safetensors", safetensors({{"lm_head.weight", "F32", {1}, std::string(4, 0)}}));
  EXPECT_CONTAINS(complaint(copy), "lm_head.weight: also in");
}

TEST(Checkpoint, NamesMissingFiles) {
  TempDir empty;
  EXPECT_CONTAINS(complaint(empty), "config.json: cannot open");
  writeFile(empty / "config.json", "{}");
  EXPECT_CONTAINS(complaint(empty), "cannot find model.safetensors");
  EXPECT_CONTAINS(messageOf(Checkpoint::open(empty / "nowhere")), "nowhere: cannot open: not a directory");
  fs::create_directory(empty / "model.safetensors");
  EXPECT_CONTAINS(complaint(empty), "not a regular file");
}

TEST(Checkpoint, RefusesBadConfigs) {
  TempDir copy(sharded);
  auto config = [&](std::string_view text) {
    writeFile(copy / "config.json", text);
    return complaint(copy);
  };
  EXPECT_CONTAINS(config(R"({"a": )"), "config.json: not valid JSON at line 1");
  EXPECT_CONTAINS(config(std::string(200000, '[')), "nested deeper than");
  EXPECT_CONTAINS(config("[1, 2]"), "config.json: expected a JSON object, but got a list of 2");
  EXPECT_CONTAINS(config(""), "not valid JSON");
  std::string nan = config("{\"a\": 1,\n \"rms_norm_eps\": NaN}");
  EXPECT_CONTAINS(nan, "config.json: not valid JSON at line 2");
  EXPECT_CONTAINS(nan, "NaN is not a JSON number (key 'rms_norm_eps')");
  EXPECT_CONTAINS(config(R"({"limit": [0, -Infinity]})"), "Infinity is not a JSON number (key 'limit')");
  EXPECT_CONTAINS(config(R"({"rope_theta": 1e999})"), "1e999");

  writeFile(copy / "config.json", "{}");
  writeFile(copy / "generation_config.json", "nonsense");
  EXPECT_CONTAINS(complaint(copy), "generation_config.json: not valid JSON");
}

TEST(Checkpoint, RefusesATruncatedFile) {
  TempDir copy("hf/qwen2-yarn");
  fs::path file = copy / "model.safetensors";
  fs::resize_file(file, fs::file_size(file) - 5);
  EXPECT_CONTAINS(complaint(copy), "the file is truncated, copy it again");
}

TEST(Checkpoint, FindsTextFiles) {
  TempDir copy(sharded);
  writeFile(copy / "tokenizer.json", "{}");
  writeFile(copy / "chat_template.jinja", "");
  auto checkpoint = Checkpoint::open(copy.path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  ASSERT_EQ(checkpoint->textFiles().size(), 2u);
  EXPECT_EQ(checkpoint->textFiles()[0], copy / "tokenizer.json");
}

TEST(Checkpoint, DecodesEveryFloatType) {
  TempDir directory;
  writeFile(directory / "config.json", "{}");
  std::vector<Tensor> tensors = {{"f32", "F32", {2}, bytesOf<float>({1.5f, -0.0f})},
                                 {"f64", "F64", {2}, bytesOf<double>({0.1, -2.0})},
                                 {"f16", "F16", {2}, bytesOf<uint16_t>({0x3c00, 0x8001})},
                                 {"bf16", "BF16", {2}, bytesOf<uint16_t>({0x3f80, 0xc000})},
                                 {"e4m3", "F8_E4M3", {2}, bytesOf<uint8_t>({0x38, 0x81})},
                                 {"e5m2", "F8_E5M2", {2}, bytesOf<uint8_t>({0x3c, 0xc0})},
                                 {"odd", "U8", {1}, "x"}, // what follows is unaligned
                                 {"matrix", "F16", {2, 2}, bytesOf<uint16_t>({0, 0, 0x4000, 0x4200})},
                                 {"ints", "I64", {1}, std::string(8, '\0')},
                                 {"scalar", "F32", {}, bytesOf<float>({7.0f})}};
  writeFile(directory / "model.safetensors", safetensors(tensors));
  auto checkpoint = Checkpoint::open(directory.path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  auto row = [&](const char *name, int64_t index = 0) {
    const WeightSource *weight = checkpoint->find(name);
    std::vector<float> values(weight->cols());
    EXPECT_TRUE(decodeRows(*weight, index, 1, values.data(), true).ok());
    return values;
  };
  using Floats = std::vector<float>;
  EXPECT_EQ(row("f32"), (Floats{1.5f, -0.0f}));
  EXPECT_EQ(row("f64"), (Floats{0.1f, -2.0f}));
  EXPECT_EQ(row("f16"), (Floats{1.0f, -0x1p-24f}));
  EXPECT_EQ(row("bf16"), (Floats{1.0f, -2.0f}));
  EXPECT_EQ(row("e4m3"), (Floats{1.0f, -0x1p-9f}));
  EXPECT_EQ(row("e5m2"), (Floats{1.0f, -2.0f}));
  EXPECT_EQ(row("matrix", 1), (Floats{2.0f, 3.0f}));
  EXPECT_EQ(row("scalar"), (Floats{7.0f}));
  float unused;
  EXPECT_CONTAINS(messageOf(decodeRows(*checkpoint->find("ints"), 0, 1, &unused, false)),
                  "ints: expected a float type, but got I64");
}

TEST(Floats, E4M3IsExact) {
  for (int bits = 0; bits < 128; ++bits) {
    int exponent = bits >> 3, mantissa = bits & 7;
    float expected = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
    if (bits == 127)
      EXPECT_TRUE(std::isnan(f8e4m3ToF32(bits)));
    else
      EXPECT_EQ(f8e4m3ToF32(bits), expected) << bits;
  }
}

} // namespace
