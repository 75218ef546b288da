//===- MlxCheckpointTest.cpp - Affine layers against mlx ------------------===//

#include "models/formats/MlxCheckpoint.h"

#include "TestFiles.h"

#include <algorithm>

using namespace tq;
using namespace tq::test;

namespace {

struct AffineCase {
  const char *directory;
  int bits;
  int64_t group;
};

class Affine : public testing::TestWithParam<AffineCase> {};

TEST_P(Affine, DecodesBitForBit) {
  fs::path directory = data(std::string("mlx/") + GetParam().directory);
  auto checkpoint = Checkpoint::open(directory);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  int layers = 0;
  for (const Tensor &expected : readTensors(directory / "expected.safetensors")) {
    if (!expected.name.starts_with("deq."))
      continue;
    ++layers;
    const WeightSource *weight = checkpoint->find(expected.name.substr(4) + ".weight");
    ASSERT_TRUE(weight && weight->affine()) << expected.name;
    EXPECT_EQ(weight->affine()->bits, GetParam().bits);
    EXPECT_EQ(weight->affine()->group, GetParam().group);
    ASSERT_EQ(weight->cols(), expected.shape[1]);
    std::vector<float> rows(expected.shape[0] * expected.shape[1]);
    ASSERT_TRUE(decodeRows(*weight, 0, expected.shape[0], rows.data(), true).ok());
    EXPECT_EQ(bytesOf(rows), expected.bytes) << expected.name;
  }
  EXPECT_GT(layers, 0);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Affine,
                         testing::Values(AffineCase{"tiny-affine2-g128-f32", 2, 128},
                                         AffineCase{"tiny-affine3-g64", 3, 64}, AffineCase{"tiny-affine4-g128", 4, 128},
                                         AffineCase{"tiny-affine5-g32", 5, 32}, AffineCase{"tiny-affine6-g32", 6, 32},
                                         AffineCase{"tiny-affine8-g128-bias", 8, 128}),
                         [](const auto &info) { return "bits" + std::to_string(info.param.bits); });

TEST(MlxCheckpoint, LinearBiasIsAWeightOfItsOwn) {
  auto checkpoint = Checkpoint::open(data("mlx/tiny-affine8-g128-bias"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  const WeightSource *bias = checkpoint->find("model.layers.0.self_attn.q_proj.bias");
  ASSERT_TRUE(bias && bias->dense());
  EXPECT_EQ(bias->shape, (std::vector<int64_t>{128}));
}

/// Extras of a TurboQuant model: widths come from affine_extras or hidden_size.
TEST(MlxCheckpoint, EmbeddingOfATurboQuantModel) {
  for (std::string name : {"trained-tq3-g64-extras4", "trained-attn4-mlp2-g128-extras4"}) {
    auto checkpoint = Checkpoint::open(data("turboquant/" + name));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
    const WeightSource *embedding = checkpoint->find("model.embed_tokens.weight");
    ASSERT_TRUE(embedding && embedding->affine());
    EXPECT_EQ(embedding->affine()->bits, 4);
    EXPECT_EQ(embedding->shape, (std::vector<int64_t>{2048, 256}));
  }
}

/// A layer [4, 64] of 8 bits in groups of 32, under a name of its own.
std::vector<Tensor> layer() {
  return {{"a.proj.weight", "U32", {4, 16}, std::string(4 * 64, '\7')},
          {"a.proj.scales", "F16", {4, 2}, std::string(16, '\1')},
          {"a.proj.biases", "F16", {4, 2}, std::string(16, '\1')}};
}

Result<Checkpoint> open(const std::vector<Tensor> &tensors, const std::string &config, TempDir &directory) {
  writeFile(directory / "config.json", config);
  writeFile(directory / "model.safetensors", safetensors(tensors));
  return Checkpoint::open(directory.path);
}

std::string complaint(const std::vector<Tensor> &tensors, const std::string &config) {
  TempDir directory;
  return messageOf(open(tensors, config, directory));
}

TEST(MlxCheckpoint, WidthsFromTheNearestStatement) {
  struct {
    const char *config;
    int bits;
    int64_t group;
  } cases[] = {
      {R"({"quantization": {"bits": 8, "group_size": 32}})", 8, 32},
      {R"({"quantization": {"bits": 4, "group_size": 64}})", 4, 64},
      {R"({"quantization": {"bits": 4, "group_size": 64,
           "a.proj": {"bits": 2, "group_size": 128}}})",
       2, 128},
      {R"({"quantization": {"bits": 4, "group_size": 64, "a.proj": true}})", 4, 64},
      {R"({"quantization": {"mode": "turboquant", "bits": 4, "group_size": 64,
           "affine_extras": {"bits": 8, "group_size": 32}}})",
       8, 32},
      {R"({"quantization_config": {"bits": 8, "group_size": 32}})", 8, 32},
  };
  for (const auto &c : cases) {
    TempDir directory;
    auto checkpoint = open(layer(), c.config, directory);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
    EXPECT_EQ(checkpoint->find("a.proj.weight")->affine()->bits, c.bits);
    EXPECT_EQ(checkpoint->find("a.proj.weight")->affine()->group, c.group);
  }
  // 6 bits of 32 or 3 of 64 are 192 bits: the embedding's width decides.
  std::vector<Tensor> embedding = {{"model.embed_tokens.weight", "U32", {2, 6}, std::string(48, '\0')},
                                   {"model.embed_tokens.scales", "BF16", {2, 1}, std::string(4, '\0')},
                                   {"model.embed_tokens.biases", "BF16", {2, 1}, std::string(4, '\0')}};
  TempDir directory;
  auto checkpoint = open(embedding,
                         R"({"hidden_size": 32,
                             "quantization": {"bits": 3, "group_size": 64}})",
                         directory);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  EXPECT_EQ(checkpoint->find("model.embed_tokens.weight")->cols(), 32);
}

TEST(MlxCheckpoint, RefusesBadLayers) {
  const std::string sound = R"({"quantization": {"bits": 8, "group_size": 32}})";
  auto tensors = layer();
  tensors[1].dtype = tensors[2].dtype = "U8";
  tensors[1].shape = tensors[2].shape = {4, 4};
  EXPECT_CONTAINS(complaint(tensors, sound), "a.proj.scales: scales are U8");

  tensors = layer();
  tensors.pop_back();
  EXPECT_CONTAINS(complaint(tensors, sound), "neither a.proj.codebook nor a.proj.biases");

  tensors = layer();
  tensors[2].dtype = "BF16";
  EXPECT_CONTAINS(complaint(tensors, sound), "a.proj.biases: expected 4x2 of F16 like the scales, but got "
                                             "4x2 of BF16");

  tensors = layer();
  tensors[0].dtype = "F32";
  EXPECT_CONTAINS(complaint(tensors, sound), "expected U32 codes");

  tensors = layer();
  tensors[0].shape = {2, 32};
  EXPECT_CONTAINS(complaint(tensors, sound), "codes 2x32 and scales 4x2 do not form");

  tensors = layer();
  tensors[2].bytes[1] = '\x7e';
  EXPECT_CONTAINS(complaint(tensors, sound), "a.proj.biases: element 0 of 8 is nan");

  tensors = layer();
  tensors.erase(tensors.begin());
  EXPECT_CONTAINS(complaint(tensors, sound), "a.proj.weight is missing");

  EXPECT_CONTAINS(complaint({layer()[0]}, sound), "its scales are missing");
  EXPECT_CONTAINS(complaint(layer(), "{}"), "config.json has no quantization; restore that key");
}

TEST(MlxCheckpoint, RefusesUnclearWidths) {
  EXPECT_CONTAINS(complaint(layer(), R"({"quantization": {}})"),
                  "a.proj.weight: holds 256 bits per group, which several "
                  "widths explain");
  EXPECT_CONTAINS(complaint(layer(), R"({"quantization": {"bits": 8, "group_size": 32,
                             "a.proj": {"bits": 3, "group_size": 32}}})"),
                  "gives it 3 bits, group size 32");
  EXPECT_CONTAINS(complaint(layer(), R"({"quantization": {"bits": 8, "group_size": 32,
                             "a.proj": false}})"),
                  "says this module is not quantised");
  EXPECT_CONTAINS(complaint(layer(), R"({"quantization": {"bits": 8, "group_size": 32,
                             "a.proj": {"mode": "nvfp4"}}})"),
                  "quantization mode 'nvfp4'");
}

TEST(MlxCheckpoint, RefusesOtherQuantisers) {
  EXPECT_CONTAINS(complaint({}, R"({"quantization": {"mode": "mxfp4"}})"),
                  R"(quantization.mode "mxfp4" cannot be read)");
  EXPECT_CONTAINS(complaint({}, R"({"quantization_config": {"quant_method": "gptq"}})"),
                  R"(quant_method "gptq" cannot be read)");
  EXPECT_CONTAINS(complaint({}, R"({"quantization": 4})"), "quantization: expected an object, but got 4");
}

} // namespace
