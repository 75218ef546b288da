//===- TurboQuantTest.cpp - Codebook layers against the package's decode --===//

#include "dialect/encodings/Hadamard.h"
#include "models/formats/Floats.h"
#include "models/formats/TurboQuantMlx.h"

#include "TestFiles.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

using namespace tq;
using namespace tq::test;

namespace {

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto &entry : fs::directory_iterator(data("turboquant")))
    if (entry.is_directory())
      names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

class TurboQuantCase : public testing::TestWithParam<std::string> {};

/// rot.<path> holds rows of the first experts as the package decodes them.
TEST_P(TurboQuantCase, DecodesBitForBit) {
  fs::path directory = data("turboquant/" + GetParam());
  auto checkpoint = Checkpoint::open(directory);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  int layers = 0;
  for (const Tensor &expected : readTensors(directory / "expected.safetensors")) {
    if (!expected.name.starts_with("rot."))
      continue;
    ++layers;
    const WeightSource *weight = checkpoint->find(expected.name.substr(4) + ".weight");
    ASSERT_TRUE(weight && weight->codebookEncoding()) << expected.name;
    int64_t cols = weight->cols();
    ASSERT_EQ(cols, expected.shape.back());
    bool experts = weight->shape.size() == 3;
    int64_t count = expected.shape[experts ? 1 : 0];
    const char *bytes = expected.bytes.data();
    for (int64_t e = 0; e < (experts ? expected.shape[0] : 1); ++e) {
      std::vector<float> rows(count * cols);
      int64_t row0 = experts ? e * weight->shape[1] : 0;
      ASSERT_TRUE(decodeRows(*weight, row0, count, rows.data(), true).ok());
      for (float value : rows) {
        uint16_t bits;
        std::memcpy(&bits, bytes, 2);
        bytes += 2;
        ASSERT_EQ(f32ToF16(value), bits) << expected.name;
        ASSERT_EQ(f16ToF32(bits), value) << expected.name;
      }
    }
  }
  EXPECT_GT(layers, 0);
}

/// deq.<path> holds the same rows rotated back, in f64 until the last step: so
/// the signs, the block size and the rotation flag are right too.
TEST_P(TurboQuantCase, UnrotatesToTheDecodedSource) {
  fs::path directory = data("turboquant/" + GetParam());
  auto checkpoint = Checkpoint::open(directory);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  for (const Tensor &expected : readTensors(directory / "expected.safetensors")) {
    if (!expected.name.starts_with("deq."))
      continue;
    const WeightSource &weight = *checkpoint->find(expected.name.substr(4) + ".weight");
    const CodebookEncoding &encoding = *weight.codebookEncoding();
    int64_t cols = weight.cols(), count = expected.shape[expected.shape.size() - 2];
    int64_t experts = expected.shape.size() == 3 ? expected.shape[0] : 1;
    std::vector<float> want(experts * count * cols), got(want.size());
    std::memcpy(want.data(), expected.bytes.data(), expected.bytes.size());
    for (int64_t e = 0; e < experts; ++e)
      ASSERT_TRUE(
          decodeRows(weight, experts > 1 ? e * weight.shape[1] : 0, count, got.data() + e * count * cols, true).ok());
    if (encoding.rotated) {
      auto signs = readFloats(*weight.signs);
      ASSERT_TRUE(signs.ok()) << signs.message();
      unrotateRows(got.data(), experts * count, cols, encoding.hadamardBlock, signs->data());
    }
    float largest = 0;
    for (float value : want)
      largest = std::max(largest, std::abs(value));
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got[i], want[i], 1e-6f * largest) << expected.name << " " << i;
  }
}

/// Codes, levels and scales are what decodeRows is made of.
TEST_P(TurboQuantCase, PlanesAgreeWithDecode) {
  auto checkpoint = Checkpoint::open(data("turboquant/" + GetParam()));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  for (const WeightSource &weight : checkpoint->weights()) {
    const CodebookEncoding *encoding = weight.codebookEncoding();
    if (!encoding)
      continue;
    EXPECT_EQ(encoding->levels.size(), encoding->ternary ? 3u : 1u << encoding->bits);
    EXPECT_EQ(weight.cols() % encoding->hadamardBlock, 0);
    std::vector<uint8_t> codes(weight.cols());
    std::vector<float> scales(weight.cols() / encoding->group);
    std::vector<float> row(weight.cols());
    int64_t last = weight.rows() - 1;
    unpackCodes(weight, last, codes.data());
    readScales(weight, last, scales.data());
    ASSERT_TRUE(decodeRows(weight, last, 1, row.data(), false).ok());
    for (int64_t i = 0; i < weight.cols(); ++i) {
      ASSERT_LT(codes[i], encoding->levels.size());
      ASSERT_EQ(row[i], encoding->levels[codes[i]] * scales[i / encoding->group]);
    }
    EXPECT_FALSE(decodeRows(weight, last, 2, row.data(), false).ok());
    EXPECT_FALSE(decodeRows(weight, -1, 1, row.data(), false).ok());
    EXPECT_TRUE(weight.weight.mapped && weight.scales->mapped && weight.signs->mapped);
    Checkpoint::releasePages(weight); // the bytes stay readable
    std::vector<uint8_t> again(weight.cols());
    unpackCodes(weight, last, again.data());
    EXPECT_EQ(codes, again);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, TurboQuantCase, testing::ValuesIn(cases()), [](const auto &info) {
  std::string name = info.param;
  std::ranges::replace_if(name, [](char c) { return !std::isalnum(c); }, '_');
  return name;
});

TEST(TurboQuant, AllThirteenCasesAreHere) { EXPECT_EQ(cases().size(), 13u); }

TEST(TurboQuant, ReadsWidthsFromTheTensors) {
  auto checkpoint = Checkpoint::open(data("turboquant/moe-tiers-mlp1bit-g32"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  auto encoding = [&](int layer) {
    return checkpoint->find("model.layers." + std::to_string(layer) + ".mlp.switch_mlp.up_proj.weight")
        ->codebookEncoding();
  };
  EXPECT_TRUE(encoding(1)->ternary);
  EXPECT_EQ(encoding(1)->bits, 2);
  EXPECT_EQ(encoding(2)->bits, 4);
  EXPECT_EQ(encoding(3)->bits, 1);
  EXPECT_EQ(encoding(3)->group, 32);
  EXPECT_EQ(checkpoint->find("model.layers.1.mlp.switch_mlp.up_proj.weight")->shape,
            (std::vector<int64_t>{6, 128, 128}));
}

TEST(TurboQuant, RotationFlag) {
  auto none = Checkpoint::open(data("turboquant/no-rotation-tq3-g32"));
  ASSERT_TRUE(none.ok()) << none.message();
  const char *path = "model.layers.0.self_attn.q_proj.weight";
  EXPECT_FALSE(none->find(path)->codebookEncoding()->rotated);
  EXPECT_TRUE(none->find(path)->codebookEncoding()->hasQjl);
  EXPECT_TRUE(none->find(path)->qjlNorms.has_value());

  // Old converters ignored the flag: a negative sign gives them away.
  TempDir copy("turboquant/no-rotation-tq3-g32");
  auto tensors = readTensors(copy / "model.safetensors");
  tensorNamed(tensors, "model.layers.0.self_attn.q_proj.signs").bytes[1] = '\xbc';
  writeFile(copy / "model.safetensors", safetensors(tensors));
  auto old = Checkpoint::open(copy.path);
  ASSERT_TRUE(old.ok()) << old.message();
  EXPECT_TRUE(old->find(path)->codebookEncoding()->rotated);
  EXPECT_FALSE(old->find("model.layers.0.self_attn.k_proj.weight")->codebookEncoding()->rotated);
}

TEST(TurboQuant, HadamardBlocks) {
  std::map<int64_t, int64_t> blocks = {{64, 64},       {192, 192},   {320, 320},   {704, 64},    {1408, 128},
                                       {2880, 320},    {3584, 3584}, {4096, 4096}, {11008, 256}, {10944, 192},
                                       {14336, 14336}, {18944, 512}, {1, 1},       {33, 1},      {288, 96}};
  for (auto [width, block] : blocks)
    EXPECT_EQ(hadamardBlockOf(width), block) << width;
  for (int64_t width = 1; width < 4096; ++width) // the transform has the same rule
    ASSERT_EQ(hadamardBlockOf(width), hadamardBlock(width));
}

/// The message after an edit of the tensors of a sound checkpoint.
std::string complaint(const std::function<void(std::vector<Tensor> &)> &edit,
                      const std::string &source = "m12-m20-blocks-tq2-g32-qjl") {
  TempDir copy("turboquant/" + source);
  fs::remove(copy / "model.safetensors.index.json"); // it names every tensor
  auto tensors = readTensors(copy / "model.safetensors");
  edit(tensors);
  writeFile(copy / "model.safetensors", safetensors(tensors));
  return messageOf(Checkpoint::open(copy.path));
}

const std::string &module() {
  static const std::string name = "model.layers.0.self_attn.q_proj";
  return name;
}

void setHalf(Tensor &tensor, int index, uint16_t bits) { std::memcpy(tensor.bytes.data() + 2 * index, &bits, 2); }

TEST(TurboQuant, RefusesBadNumbers) {
  EXPECT_CONTAINS(complaint([](auto &tensors) { setHalf(tensorNamed(tensors, module() + ".scales"), 5, 0x7e00); }),
                  module() + ".scales: element 5 of 1728 is nan, not finite");
  EXPECT_CONTAINS(complaint([](auto &tensors) { setHalf(tensorNamed(tensors, module() + ".codebook"), 0, 0xfc00); }),
                  module() + ".codebook: element 0 of 4 is -inf, not finite");
  EXPECT_CONTAINS(complaint([](auto &tensors) { setHalf(tensorNamed(tensors, module() + ".signs"), 7, 0x3800); }),
                  module() + ".signs: element 7 is 0.5, not +1 or -1");
  EXPECT_CONTAINS(complaint([](auto &tensors) { setHalf(tensorNamed(tensors, module() + ".qjl_norms"), 1, 0x7c00); }),
                  module() + ".qjl_norms: element 1 of 288 is inf");
}

TEST(TurboQuant, RefusesLostTensors) {
  for (std::string plane : {".weight", ".scales", ".signs", ".codebook", ".qjl_packed", ".qjl_norms", ".qjl_signs"}) {
    std::string message = complaint([&](auto &tensors) {
      std::erase_if(tensors, [&](const Tensor &tensor) { return tensor.name == module() + plane; });
    });
    EXPECT_CONTAINS(message, module());
    EXPECT_CONTAINS(message, "incomplete");
  }
}

TEST(TurboQuant, RefusesBadLayouts) {
  EXPECT_CONTAINS(complaint([](auto &tensors) { tensorNamed(tensors, module() + ".scales").dtype = "BF16"; }),
                  module() + ".scales: expected F16 in a rotated-codebook layer, "
                             "but got BF16");
  EXPECT_CONTAINS(complaint([](auto &tensors) {
                    Tensor &book = tensorNamed(tensors, module() + ".codebook");
                    book.shape = {5};
                    book.bytes.resize(10);
                  }),
                  "expected 2, 3, 4, 8 or 16 levels, but got 5");
  EXPECT_CONTAINS(complaint([](auto &tensors) {
                    Tensor &book = tensorNamed(tensors, module() + ".codebook");
                    book.shape = {8};
                    book.bytes.resize(16);
                  }),
                  module() + ".weight: 12 words per row, but 192 inputs (from "
                             "signs) with 10 codes per word need 20");
  EXPECT_CONTAINS(complaint([](auto &tensors) {
                    Tensor &scales = tensorNamed(tensors, module() + ".scales");
                    scales.shape = {scales.shape[0] * 6 / 5, 5};
                    scales.bytes.resize(scales.shape[0] * 10);
                  }),
                  "5 groups per row do not divide 192 inputs");
  EXPECT_CONTAINS(complaint([](auto &tensors) {
                    Tensor &scales = tensorNamed(tensors, module() + ".scales");
                    scales.shape = {144, 12};
                  }),
                  module() + ".scales: expected 288x12 from the sibling tensors, "
                             "but got 144x12");
  EXPECT_CONTAINS(complaint([](auto &tensors) {
                    Tensor &weight = tensorNamed(tensors, module() + ".weight");
                    weight.shape = {288 * 12};
                  }),
                  "expected packed codes [out, words]");
}

TEST(TurboQuant, RefusesFusedRotations) {
  TempDir copy("turboquant/legacy-0.6.1-shards-qjl");
  auto config = readJson(copy / "config.json");
  config["quantization"]["fuse_rotations"] = true;
  writeFile(copy / "config.json", config.dump());
  std::string message = messageOf(Checkpoint::open(copy.path));
  EXPECT_CONTAINS(message, "config.json");
  EXPECT_CONTAINS(message, "quantization.fuse_rotations true");
}

TEST(TurboQuant, RefusesUnknownRotation) {
  TempDir copy("turboquant/qwen2-bias-tq3-g64");
  auto config = readJson(copy / "config.json");
  config["quantization"]["rotation"] = "givens";
  writeFile(copy / "config.json", config.dump());
  EXPECT_CONTAINS(messageOf(Checkpoint::open(copy.path)), "unknown quantization.rotation 'givens'");
}

TEST(TurboQuant, RefusesCodebooksWithoutTheMode) {
  TempDir copy("turboquant/qwen2-bias-tq3-g64");
  auto config = readJson(copy / "config.json");
  config.erase("quantization");
  config.erase("quantization_config");
  writeFile(copy / "config.json", config.dump());
  EXPECT_CONTAINS(messageOf(Checkpoint::open(copy.path)), "config.json has no quantization");
}

TEST(TurboQuant, ReadsWithoutAnIndex) {
  TempDir copy("turboquant/legacy-0.6.1-shards-qjl");
  fs::remove(copy / "model.safetensors.index.json");
  auto checkpoint = Checkpoint::open(copy.path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  EXPECT_TRUE(checkpoint->find("lm_head.weight"));
}

} // namespace
