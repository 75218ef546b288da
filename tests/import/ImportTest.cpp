//===- ImportTest.cpp - What importModel builds, refuses and warns of -----===//

#include "tests/import/Import.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

using namespace tq;
using namespace tq::test;

static const fs::path bundled = data("tinystories-3.7m");
static const std::string tiny = "hf/llama-llama3rope-bias-tied";

template <class OpType> static std::vector<OpType> opsOf(Imported &imported) {
  std::vector<OpType> ops;
  imported.module->walk([&](OpType op) { ops.push_back(op); });
  return ops;
}

static std::string labelOf(mlir::Operation *op) {
  auto name = llvm::dyn_cast<mlir::NameLoc>(op->getLoc());
  return name ? name.getName().str() : "";
}

/// A copy of a fixture whose tensors or configuration `edit` changes.
struct Edited {
  explicit Edited(const std::string &source) : directory(source) {}
  void tensors(const std::function<void(std::vector<Tensor> &)> &edit) {
    std::vector<Tensor> all = readTensors(directory / "model.safetensors");
    edit(all);
    writeFile(directory / "model.safetensors", safetensors(all));
  }
  void config(const std::function<void(nlohmann::json &)> &edit) {
    nlohmann::json json = readJson(directory / "config.json");
    edit(json);
    writeFile(directory / "config.json", json.dump());
  }
  TempDir directory;
};

TEST(Import, BundledModel) {
  Imported imported(bundled);
  ASSERT_TRUE(imported.ok()) << imported.problem;
  EXPECT_EQ(imported.diagnostics, "");
  auto model = imported.module->getOperation()->getAttrOfType<mlir::DictionaryAttr>("tq.model");
  ASSERT_TRUE(model);
  auto number = [&](const char *name) { return model.getAs<mlir::IntegerAttr>(name).getInt(); };
  EXPECT_EQ(model.getAs<mlir::StringAttr>("type").str(), "llama");
  EXPECT_EQ(number("vocab"), 2048);
  EXPECT_EQ(number("layers"), 4);
  EXPECT_EQ(number("context"), 256);
  EXPECT_EQ(number("bos"), 2045);
  EXPECT_EQ(number("parameters"), 3'672'320);
  EXPECT_TRUE(model.getAs<mlir::BoolAttr>("tied").getValue());

  // Seven linears a layer, and the tied head.
  EXPECT_EQ(opsOf<LinearOp>(imported).size(), 4u * 7 + 1);
  EXPECT_EQ(opsOf<RopeTableOp>(imported).size(), 1u);
  EXPECT_EQ(opsOf<RotateOp>(imported).size(), 0u);
  auto takes = opsOf<TakeRowsOp>(imported);
  ASSERT_EQ(takes.size(), 1u);
  EXPECT_TRUE(llvm::isa<RmsNormOp>(*takes[0]->getUsers().begin())); // the last norm sees only the rows that are wanted
  auto states = opsOf<StateOp>(imported);
  ASSERT_EQ(states.size(), 4u);
  EXPECT_EQ(states[3].getSymName(), "kv.3");
  for (WeightOp weight : opsOf<WeightOp>(imported))
    EXPECT_EQ(labelOf(weight), weight.getSymName());
}

TEST(Import, SurvivesPrintAndParse) {
  for (const char *fixture : {"tinystories-3.7m", "turboquant/m12-m20-blocks-tq2-g32-qjl", "hf/qwen2-yarn"}) {
    Imported imported(data(fixture));
    ASSERT_TRUE(imported.ok()) << imported.problem;
    std::string text = imported.text();
    auto again = mlir::parseSourceString<mlir::ModuleOp>(text, &imported.context);
    ASSERT_TRUE(again) << fixture;
    std::string second;
    llvm::raw_string_ostream stream(second);
    again->print(stream);
    EXPECT_EQ(text, second);
  }
}

TEST(Import, LabelsOps) {
  Imported imported(data("hf/qwen3-bf16"));
  ASSERT_TRUE(imported.ok()) << imported.problem;
  std::vector<std::string> labels;
  for (mlir::Operation &op : opsOf<mlir::func::FuncOp>(imported)[0].getBody().front())
    if (labels.empty() || labels.back() != labelOf(&op))
      labels.push_back(labelOf(&op));
  std::vector<std::string> layer;
  for (const std::string &label : labels)
    if (label.starts_with("layers.1."))
      layer.push_back(label.substr(9));
  EXPECT_EQ(layer, (std::vector<std::string>{"attention.norm", "attention.qkv", "attention.qk_norm", "attention.rope",
                                             "attention.sdpa", "attention.kv", "attention.sdpa", "attention.o",
                                             "mlp.norm", "mlp.gate_up", "mlp.down"}));
  EXPECT_EQ(labels.front(), "embed");
  EXPECT_EQ(labels[labels.size() - 2], "norm");
  EXPECT_EQ(labels.back(), "head");
}

TEST(Import, RolesSayWhatWeightsAreFor) {
  Imported imported(data("hf/llama-plain-sharded"));
  ASSERT_TRUE(imported.ok()) << imported.problem;
  for (WeightOp weight : opsOf<WeightOp>(imported)) {
    std::string name = weight.getSymName().str();
    const char *role = name.ends_with("norm.weight")         ? "norm"
                       : name.find("self_attn") != name.npos ? "attention"
                       : name.find("mlp") != name.npos       ? "mlp"
                       : name == "lm_head.weight"            ? "head"
                       : name == "model.embed_tokens.weight" ? "embedding"
                                                             : "constant";
    EXPECT_EQ(weight.getRole(), role) << name;
  }
}

TEST(Import, WindowsAreThoseOfTheLayers) {
  Imported mistral(data("hf/mistral-window8")), qwen(data("hf/qwen2-window-from-layer2-tied"));
  ASSERT_TRUE(mistral.ok() && qwen.ok());
  std::vector<int64_t> windows;
  for (SdpaOp sdpa : opsOf<SdpaOp>(mistral))
    EXPECT_EQ(sdpa.getWindow(), 8u);
  for (SdpaOp sdpa : opsOf<SdpaOp>(qwen))
    windows.push_back(int64_t(sdpa.getWindow()));
  EXPECT_EQ(windows, (std::vector<int64_t>{0, 0, 8, 8}));
}

TEST(Import, BothSpellingsOfTheConfigurationMeanTheSame) {
  for (const char *fixture : {"hf/llama-llama3rope-bias-tied", "hf/qwen2-yarn", "hf/mistral-window8"}) {
    Edited legacy(fixture);
    fs::copy_file(data(fixture) / "config.legacy.json", legacy.directory / "config.json",
                  fs::copy_options::overwrite_existing);
    Imported a(data(fixture)), b(legacy.directory.path);
    ASSERT_TRUE(a.ok() && b.ok()) << a.problem << b.problem;
    EXPECT_EQ(a.text(), b.text());
  }
}

//===-- Encodings -----------------------------------------------------------------------------------------------===//

TEST(Import, RotatedWeightsNameTheirRotation) {
  Imported imported(data("turboquant/qwen2-bias-tq3-g64"));
  ASSERT_TRUE(imported.ok()) << imported.problem;
  size_t rotated = 0;
  for (WeightOp weight : opsOf<WeightOp>(imported)) {
    if (!llvm::isa<CodebookAttr>(weight.getPacked().getEncoding()))
      continue;
    ++rotated;
    auto rotation = imported.module->lookupSymbol<RotationOp>(weight.getPacked().getRotation());
    ASSERT_TRUE(rotation);
    // Upstream gives every module signs of its own.
    std::string module = weight.getSymName().drop_back(strlen(".weight")).str();
    EXPECT_EQ(*rotation.getSource(), module + ".signs");
    EXPECT_EQ(int64_t(rotation.getDim()), weight.getPacked().getCols());
  }
  EXPECT_GT(rotated, 0u);
  EXPECT_EQ(opsOf<CodebookDequantOp>(imported).size(), rotated);
  EXPECT_EQ(opsOf<RotateOp>(imported).size(), rotated);
  EXPECT_EQ(opsOf<RotationOp>(imported).size(), rotated);
}

TEST(Import, ByteEqualSignsAreOneRotation) {
  Edited edited("turboquant/qwen2-bias-tq3-g64");
  edited.tensors([](std::vector<Tensor> &tensors) {
    for (const char *name : {"k_proj", "v_proj"})
      tensorNamed(tensors, std::string("model.layers.0.self_attn.") + name + ".signs").bytes =
          tensorNamed(tensors, "model.layers.0.self_attn.q_proj.signs").bytes;
  });
  Imported before(data("turboquant/qwen2-bias-tq3-g64")), after(edited.directory.path);
  ASSERT_TRUE(after.ok()) << after.problem;
  EXPECT_EQ(opsOf<RotationOp>(after).size() + 2, opsOf<RotationOp>(before).size());
  auto basis = [&](const char *name) {
    return after.module->lookupSymbol<WeightOp>(std::string("model.layers.0.self_attn.") + name + "_proj.weight")
        .getPacked()
        .getRotation();
  };
  EXPECT_EQ(basis("q"), basis("k"));
  EXPECT_EQ(basis("q"), basis("v"));
  EXPECT_NE(basis("q"), basis("o"));
  // Import stays naive: sharing one tq.rotate is a pass' affair.
  EXPECT_EQ(opsOf<RotateOp>(after).size(), opsOf<RotateOp>(before).size());
}

TEST(Import, ResidualsAreWeightsOfTheirOwn) {
  Imported imported(data("turboquant/m12-m20-blocks-tq2-g32-qjl"));
  ASSERT_TRUE(imported.ok()) << imported.problem;
  auto weight = imported.module->lookupSymbol<WeightOp>("model.layers.0.self_attn.o_proj.weight");
  auto residual = imported.module->lookupSymbol<WeightOp>("model.layers.0.self_attn.o_proj.weight/qjl");
  ASSERT_TRUE(weight && residual);
  auto codebook = llvm::cast<CodebookAttr>(residual.getPacked().getEncoding());
  EXPECT_EQ(int64_t(codebook.getBits()), 1);
  EXPECT_EQ(int64_t(codebook.getGroup()), residual.getPacked().getCols()); // one scale per row
  auto first = imported.module->lookupSymbol<RotationOp>(weight.getPacked().getRotation());
  auto second = imported.module->lookupSymbol<RotationOp>(residual.getPacked().getRotation());
  EXPECT_EQ(second.getAfterAttr(), weight.getPacked().getRotation());
  EXPECT_EQ(second.getSource()->str(), "model.layers.0.self_attn.o_proj.qjl_signs");
  EXPECT_EQ(int64_t(first.getBlock()), 96);
  EXPECT_EQ(int64_t(second.getBlock()), 96);
}

TEST(Import, UnrotatedFilesHaveOnlyTheResidualsRotations) {
  Imported imported(data("turboquant/no-rotation-tq3-g32"));
  ASSERT_TRUE(imported.ok()) << imported.problem;
  for (WeightOp weight : opsOf<WeightOp>(imported))
    EXPECT_EQ(bool(weight.getPacked().getRotation()), weight.getSymName().ends_with("/qjl"))
        << weight.getSymName().str();
  for (RotationOp rotation : opsOf<RotationOp>(imported))
    EXPECT_FALSE(rotation.getAfter());
}

TEST(Import, AffineWeightsAndEmbeddings) {
  Imported mlx(data("mlx/tiny-affine6-g32")), extras(data("turboquant/trained-tq3-g64-extras4"));
  ASSERT_TRUE(mlx.ok() && extras.ok()) << mlx.problem << extras.problem;
  auto encoding = [](Imported &imported, const char *name) {
    return imported.module->lookupSymbol<WeightOp>(name).getPacked().getEncoding();
  };
  EXPECT_EQ(encoding(mlx, "model.layers.0.mlp.up_proj.weight"), AffineAttr::get(&mlx.context, 6, 32));
  EXPECT_EQ(encoding(extras, "model.embed_tokens.weight"), AffineAttr::get(&extras.context, 4, 64));
}

//===-- Refusals and warnings -----------------------------------------------------------------------------------===//

TEST(Import, NamesMisshapenWeights) {
  Edited edited(tiny);
  edited.config([](nlohmann::json &json) { json["vocab_size"] = json["vocab_size"].get<int>() + 1; });
  Imported imported(edited.directory.path);
  EXPECT_CONTAINS(imported.problem, "model.embed_tokens.weight: expected ");
  EXPECT_CONTAINS(imported.problem, " from config.json, but got ");
}

TEST(Import, NamesMissingWeights) {
  Edited edited(tiny);
  edited.tensors([](std::vector<Tensor> &tensors) {
    std::erase_if(tensors, [](const Tensor &t) { return t.name == "model.layers.1.mlp.up_proj.weight"; });
  });
  EXPECT_CONTAINS(Imported(edited.directory.path).problem, "model.layers.1.mlp.up_proj.weight: ");
}

TEST(Import, RefusesBiasesThatTheConfigurationDenies) {
  Edited edited(tiny);
  edited.config([](nlohmann::json &json) { json["mlp_bias"] = false; });
  EXPECT_CONTAINS(
      Imported(edited.directory.path).problem,
      "model.layers.0.mlp.gate_proj.bias: the checkpoint has this bias, but config.json says that there is none");
}

TEST(Import, RefusesUnusualTypes) {
  Edited edited(tiny);
  edited.tensors([](std::vector<Tensor> &tensors) {
    Tensor &norm = tensorNamed(tensors, "model.norm.weight");
    norm.dtype = "F64";
    norm.bytes.resize(norm.bytes.size() * 2);
  });
  EXPECT_CONTAINS(Imported(edited.directory.path).problem,
                  "model.norm.weight: cannot compile a weight of type F64; dense weights are F32, F16 or BF16");
}

TEST(Import, RefusesUnknownModelTypes) {
  Imported imported(bundled);
  ModelConfig config = imported.config;
  config.modelType = "mamba";
  EXPECT_EQ(messageOf(importModel(imported.context, *imported.checkpoint, config)),
            "cannot compile model_type 'mamba'; known are llama, mistral, qwen2, qwen3");
}

TEST(Import, WarnsOfTensorsItLeavesOut) {
  Edited edited(tiny);
  edited.tensors([](std::vector<Tensor> &tensors) {
    std::vector<float> values(2000);
    tensors.push_back({"lm_head.extra", "F32", {2000}, bytesOf(values)});
    tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {8}, bytesOf(std::vector<float>(8))});
  });
  Imported imported(edited.directory.path);
  ASSERT_TRUE(imported.ok()) << imported.problem;
  EXPECT_CONTAINS(imported.diagnostics, "1 tensor (8.0 KB) of the checkpoint is not part of a llama model with ");
  EXPECT_CONTAINS(imported.diagnostics, "left out: lm_head.extra");
  EXPECT_EQ(imported.diagnostics.find("inv_freq"), std::string::npos);
}

TEST(Import, WarnsOfFurtherLayers) {
  Edited edited(tiny);
  edited.config([](nlohmann::json &json) { json["num_hidden_layers"] = 1; });
  Imported imported(edited.directory.path);
  ASSERT_TRUE(imported.ok()) << imported.problem;
  EXPECT_CONTAINS(imported.diagnostics, " tensors (");
  EXPECT_CONTAINS(imported.diagnostics, "with 1 layers and left out: ");
  EXPECT_CONTAINS(imported.diagnostics, ", ...");
}
