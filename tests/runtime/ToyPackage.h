//===- ToyPackage.h - Writes the test package -------------------*- C++ -*-===//
//   ToyPackage toy;                     // a directory of its own, removed at the end
//   toy.manifest.states.clear();        // break it, if you like
//   toy.write();
//   Package::open(toy.path())
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_RUNTIME_TOYPACKAGE_H
#define TQ_TESTS_RUNTIME_TOYPACKAGE_H

#include "runtime/Manifest.h"
#include "tests/TemporaryDirectory.h"
#include "tests/runtime/ToyModel.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace tq {

class ToyPackage {
public:
  explicit ToyPackage(int32_t vocab = 64, int64_t context = 100) : vocab(vocab) {
    std::filesystem::create_directory(path());
    std::filesystem::copy_file(TQ_TOY_KERNELS, file("kernels.toy.so"));
    std::mt19937 random(5);
    for (int32_t v = 0; v < vocab; ++v)
      table.push_back(static_cast<float>(random() % 1024) / 64.0f);
    std::string weights(reinterpret_cast<const char *>(table.data()), table.size() * sizeof(float));
    std::string bias = "a second section that no kernel reads";
    weights.resize(kSectionAlignment);
    weights += bias;
    writeWhole(file("weights-0.bin"), weights);

    manifest.producer = "tests";
    manifest.model.type = "toy";
    manifest.model.source = "nothing";
    manifest.model.vocab = vocab;
    manifest.model.hidden = 1;
    manifest.model.layers = 1;
    manifest.model.context = context;
    manifest.model.parameters = vocab;
    manifest.model.bos = {1};
    manifest.model.eos = {2, 3};
    manifest.sections = {
        {"table", "weights-0.bin", 0, table.size() * sizeof(float), "", "head"},
        {"unused", "weights-0.bin", kSectionAlignment, bias.size(), "", "constant"},
    };
    for (Section &section : manifest.sections)
      section.hash = hashText(weights.substr(section.offset, section.bytes));
    manifest.states = {{"tokens", kToyPageTokens, kToyPageTokens * sizeof(int32_t)}};
    Target target;
    target.name = "toy";
    target.device = "host";
    target.library = "kernels.toy.so";
    target.activations = "f32";
    target.entries = {entry("decode", 1, 1), entry("verify", 8, 8), entry("prefill", 32, 4)};
    manifest.targets = {target};
    addFile("kernels.toy.so");
  }

  /// Lists a file that is in the directory, with its size and hash.
  void addFile(const std::string &name) {
    std::string bytes = readWhole(file(name));
    std::erase_if(manifest.files, [&](const File &listed) { return listed.name == name; });
    manifest.files.push_back({name, bytes.size(), hashText(bytes)});
  }
  void write() { writeWhole(file("manifest.json"), printManifest(manifest)); }

  std::string path() const { return directory.path("toy.tqpkg"); }
  std::string file(const std::string &name) const { return path() + "/" + name; }
  std::string outside(const std::string &name) const { return directory.path(name); }

  /// The logits after each token, by the definition.
  std::vector<std::vector<float>> reference(const std::vector<int32_t> &tokens) const {
    std::vector<std::vector<float>> rows;
    uint32_t score = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      score += toyMix(tokens[i], static_cast<int32_t>(i));
      std::vector<float> row;
      for (int32_t v = 0; v < vocab; ++v)
        row.push_back(toyLogit(score + toyMark(tokens[i]), table[v], v));
      rows.push_back(std::move(row));
    }
    return rows;
  }

  Manifest manifest;

private:
  static std::string hashText(const std::string &bytes) { return hashBytes(std::as_bytes(std::span(bytes))); }

  Entry entry(const char *name, int32_t maxTokens, int32_t maxOut) const {
    constexpr uint64_t kPort = 256; // 32 tokens fit
    Expr one{Expr::Op::Constant, 1, {}}, tokens{Expr::Op::Param, int64_t(Param::NTokens), {}},
        rows{Expr::Op::Param, int64_t(Param::NOut), {}};
    Expr perRow{Expr::Op::Mul, 0, {rows, {Expr::Op::Constant, vocab / 16, {}}}};
    auto arena = [&](uint64_t offset, uint64_t bytes) { return Binding{Binding::Kind::Arena, offset, bytes}; };
    Binding state{Binding::Kind::State, 0, 0}, pages{Binding::Kind::PageTable, 0, 0},
        table{Binding::Kind::Section, 0, 0};
    uint64_t used = maxTokens * sizeof(int32_t), stride = (vocab + kToyRowPadding) * sizeof(float);
    Entry result;
    result.name = name;
    result.max_tokens = maxTokens;
    result.max_out = maxOut;
    result.arena_bytes = 3 * kPort + maxOut * stride;
    result.scratch_bytes = 16 * sizeof(float);
    result.inputs = {{"ids", 0, used, sizeof(int32_t)}};
    result.outputs = {{"logits", 3 * kPort, maxOut * stride, stride}};
    result.steps = {
        {"toy_append", "append", one, 1, true, {arena(0, used), state, pages}, 0, 0},
        {"toy_score", "score", tokens, 1, true, {state, pages, arena(kPort, used)}, 0, 0},
        {"toy_mark", "mark", tokens, 2, false, {arena(0, used), arena(2 * kPort, used)}, 0, 10},
        {vocab == 64 ? "toy_logits_64" : "toy_logits_2048",
         "head",
         perRow,
         1,
         true,
         {arena(kPort, used), arena(2 * kPort, used), table, arena(3 * kPort, maxOut * stride)},
         table_bytes(),
         static_cast<uint64_t>(2 * vocab)},
    };
    return result;
  }
  uint64_t table_bytes() const { return vocab * sizeof(float); }

  TemporaryDirectory directory;
  int32_t vocab;
  std::vector<float> table;
};

} // namespace tq

#endif
