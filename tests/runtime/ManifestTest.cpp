//===- ManifestTest.cpp - Round trip, and every rule's sentence -----------===//

#include "runtime/Manifest.h"
#include "tests/runtime/ToyPackage.h"

#include <functional>
#include <gtest/gtest.h>

using namespace tq;

namespace {

std::string replaced(std::string text, const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

/// The message that reading `text` gives, its hash aside.
std::string fault(const std::string &text) {
  auto manifest = parseManifest(text, "toy.tqpkg", ManifestHash::Ignore);
  return manifest ? "no fault" : manifest.message();
}

TEST(Manifest, RoundTrip) {
  ToyPackage toy;
  toy.manifest.model.generation = {{"temperature", 0.7}, {"top_k", 40}};
  toy.manifest.targets[0].features = {"avx2"};
  toy.manifest.model.source = "quote \" backslash \\ and ümlaut";
  std::string text = printManifest(toy.manifest);
  auto read = parseManifest(text, "toy.tqpkg");
  ASSERT_TRUE(read.ok()) << read.message();
  EXPECT_EQ(printManifest(*read), text);
  EXPECT_EQ(read->model.generation.at("temperature"), 0.7);
  EXPECT_EQ(read->targets[0].entries[2].steps[3].tasks.op, Expr::Op::Mul);
}

TEST(Manifest, AnyChangedByteIsNoticed) {
  ToyPackage toy;
  std::string text = printManifest(toy.manifest);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] ^= 1;
    EXPECT_FALSE(parseManifest(damaged, "toy.tqpkg").ok()) << "byte " << i;
  }
  for (size_t size = 0; size < text.size(); size += 7)
    EXPECT_FALSE(parseManifest(text.substr(0, size), "toy.tqpkg").ok()) << "first " << size;
}

TEST(Manifest, UnknownFieldsAreIgnored) {
  ToyPackage toy;
  std::string text = replaced(printManifest(toy.manifest), "\"version\"", "\"later\": {\"a\": [1]}, \"version\"");
  EXPECT_TRUE(parseManifest(text, "toy.tqpkg", ManifestHash::Ignore).ok());
}

TEST(Manifest, Version) {
  ToyPackage toy;
  std::string text = printManifest(toy.manifest);
  EXPECT_EQ(fault(replaced(text, "\"version\": 1", "\"version\": 3")),
            "toy.tqpkg: format version 3, but this runtime reads versions 1 to 1; recompile with tq-compile");
  EXPECT_EQ(fault("{}"), "toy.tqpkg: manifest.json has no format version; this is not a tq package");
  EXPECT_EQ(fault("[1]"), "toy.tqpkg: manifest.json has no format version; this is not a tq package");
}

TEST(Manifest, Shape) {
  ToyPackage toy;
  std::string text = printManifest(toy.manifest), damaged = "toy.tqpkg: manifest.json is damaged: ";
  EXPECT_EQ(fault(""), damaged + "not valid JSON");
  EXPECT_EQ(fault(std::string(200000, '[')), damaged + "nested more than 64 levels deep");
  EXPECT_EQ(fault(replaced(text, "\"vocab\": 64", "\"vocab\": 64.5")),
            damaged + "model: 'vocab' is not an integer in range");
  EXPECT_EQ(fault(replaced(text, "\"vocab\": 64, ", "")), damaged + "model: 'vocab' is missing");
  EXPECT_EQ(fault(replaced(text, "\"offset\": 0", "\"offset\": -1")),
            damaged + "sections[0]: 'offset' is not an integer in range");
  EXPECT_EQ(fault(replaced(text, "\"max_tokens\": 1,", "\"max_tokens\": 4294967297,")),
            damaged + "targets[0].entries[0]: 'max_tokens' is not an integer in range");
  EXPECT_EQ(fault(replaced(text, "\"barrier\": true", "\"barrier\": 1")),
            damaged + "targets[0].entries[0].steps[0]: 'barrier' is not true or false");
  EXPECT_EQ(fault(replaced(text, "\"n_tokens\"", "\"n_frogs\"")),
            damaged + "targets[0].entries[0].steps[1]: 'tasks' is not an expression over n_tokens, pos and n_out");
  EXPECT_EQ(fault(replaced(text, "{\"state\":0}", "{\"estate\":0}")),
            damaged + "targets[0].entries[0].steps[0].bindings[1]: neither arena, section, state nor page_table");
}

/// Every rule: how to break it, and what is then said.
TEST(Manifest, Rules) {
  using Break = std::function<void(Manifest &)>;
  auto step = [](auto change) { return [=](Manifest &m) { change(m.targets[0].entries[0].steps[1]); }; };
  auto entry = [](auto change) { return [=](Manifest &m) { change(m.targets[0].entries[0]); }; };
  Expr pos{Expr::Op::Param, int64_t(Param::Pos), {}}, two{Expr::Op::Constant, 2, {}},
      big{Expr::Op::Constant, INT32_MAX, {}};
  const std::pair<Break, const char *> cases[] = {
      {[](Manifest &m) { m.model.vocab = 0; }, "model.vocab is 0"},
      {[](Manifest &m) { m.model.context = 0; }, "model.context is 0"},
      {[](Manifest &m) { m.model.eos = {64}; }, "token 64 of a vocabulary of 64"},
      {[](Manifest &m) { m.files.push_back({"../x", 1, std::string(16, '0')}); }, "'../x' is not the name of a file"},
      {[](Manifest &m) { m.files.push_back(m.files[0]); }, "kernels.toy.so is listed twice"},
      {[](Manifest &m) { m.files[0].hash = "0123"; }, "kernels.toy.so: '0123' is not a hash"},
      {[](Manifest &m) { m.sections[0].file = "a/b"; }, "section table: 'a/b' is not the name of a weight file"},
      {[](Manifest &m) { m.sections[0].file = "kernels.toy.so"; },
       "section table: 'kernels.toy.so' is not the name of a weight file"},
      {[](Manifest &m) { m.sections[1].offset = 100; }, "section unused: offset 100 is not a multiple of 16384"},
      {[](Manifest &m) { m.sections[1].bytes = 0; },
       "section unused: 0 bytes at offset 16384, but a weight file has at most 4294967296"},
      {[](Manifest &m) { m.sections[1].bytes = 1ull << 63; },
       "section unused: 9223372036854775808 bytes at offset 16384, but a weight file has at most 4294967296"},
      {[](Manifest &m) { m.sections[1].offset = 0; }, "sections table and unused overlap"},
      {[](Manifest &m) { m.states[0].page_tokens = 0; }, "state tokens: 64 bytes per page of 0 tokens"},
      {[](Manifest &m) { m.states.push_back({"other", 32, 64}); },
       "state other: pages of 32 tokens, but tokens has pages of 16"},
      {[](Manifest &m) { m.states[0].page_bytes = 60; }, "state tokens: pages of 60 bytes"},
      {[](Manifest &m) { m.states[0].page_bytes = 1ull << 60; }, "state tokens: pages of 1152921504606846976 bytes"},
      {[](Manifest &m) { m.targets.clear(); }, "no target"},
      {[](Manifest &m) { m.targets[0].library = "x.so"; }, "target toy: library 'x.so' is not among the files"},
      {[](Manifest &m) { m.targets[0].entries.clear(); }, "target toy: no entry point"},
      {entry([](Entry &e) { e.max_out = 2; }), "toy.decode: 1 tokens with 2 rows of logits"},
      {entry([](Entry &e) { e.arena_bytes = 1ull << 50; }),
       "toy.decode: an arena of 1125899906842624 bytes, scratch of 64"},
      {entry([](Entry &e) { e.inputs[0].offset = 4; }), "toy.decode.ids: 4 bytes at 4 in an arena of 1088"},
      {entry([](Entry &e) { e.inputs[0].bytes = 3; }), "toy.decode.ids: 3 bytes at 0 in an arena of 1088"},
      {entry([](Entry &e) { e.inputs.push_back({"pos", 64, 3, 4}); }),
       "toy.decode.pos: 3 bytes at 64 in an arena of 1088"},
      {[](Manifest &m) { m.targets[0].entries[2].inputs.push_back({"pos", 128, 124, 4}); }, // of 32 tokens
       "toy.prefill.pos: 124 bytes at 128 in an arena of 2048"},
      {entry([](Entry &e) { e.inputs[0].name = "embedding"; }), "toy.decode: input 'embedding' is neither ids nor pos"},
      {entry([](Entry &e) { e.outputs[0].name = "hidden"; }), "toy.decode: output 'hidden' is not logits"},
      {entry([](Entry &e) { e.outputs[0].row_stride = 252; }), "toy.decode.logits: rows of 252 bytes for 64 logits"},
      {entry([](Entry &e) { e.outputs[0].offset = 1024; }), "toy.decode.logits: 320 bytes at 1024 in an arena of 1088"},
      {step([](Step &s) { s.kernel = ""; }), "toy.decode.steps[1]: '' is not a kernel"},
      {step([](Step &s) { s.grain = 0; }), "toy.decode.steps[1]: a grain of 0"},
      {step([](Step &s) { s.simdgroups = 2; }), "target toy: kernel toy_score has 2 simdgroups"},
      {[](Manifest &m) { m.targets[0].device = "metal"; }, "target toy: kernel toy_append has 0 simdgroups"},
      {step([=](Step &s) { s.tasks = {Expr::Op::CeilDiv, 0, {two, pos}}; }),
       "toy.decode.steps[1]: 'tasks' may divide by zero"},
      {step([=](Step &s) {
         s.tasks = {Expr::Op::Mul, 0, {big, {Expr::Op::Mul, 0, {big, {Expr::Op::Mul, 0, {big, big}}}}}};
       }),
       "toy.decode.steps[1]: up to 9223372036854775807 tasks, at most 1073741824 are allowed"},
      {step([](Step &s) { s.bindings[2].offset = 1088; }),
       "toy.decode.steps[1]: binds 4 bytes at 1088 in an arena of 1088"},
      {step([](Step &s) { s.bindings[2].offset = 1; }), "toy.decode.steps[1]: binds 4 bytes at 1 in an arena of 1088"},
      {step([](Step &s) { s.bindings[0] = {Binding::Kind::Section, 2, 0}; }),
       "toy.decode.steps[1]: binds section 2 of 2"},
      {step([](Step &s) { s.bindings[0].offset = 1; }), "toy.decode.steps[1]: binds state 1 of 1"},
  };
  for (const auto &[change, sentence] : cases) {
    ToyPackage toy;
    change(toy.manifest);
    EXPECT_EQ(fault(printManifest(toy.manifest)), std::string("toy.tqpkg: manifest.json is damaged: ") + sentence);
    auto direct = validateManifest(toy.manifest, "toy.tqpkg");
    EXPECT_FALSE(direct.ok()) << sentence;
  }
}

TEST(Manifest, Expressions) {
  const int32_t params[] = {5, 100, 2};
  Expr tokens{Expr::Op::Param, int64_t(Param::NTokens), {}}, four{Expr::Op::Constant, 4, {}};
  EXPECT_EQ(evaluate({Expr::Op::CeilDiv, 0, {tokens, four}}, params), 2);
  EXPECT_EQ(evaluate({Expr::Op::Add, 0, {tokens, four}}, params), 9);
  EXPECT_EQ(evaluate({Expr::Op::Mul, 0, {tokens, four}}, params), 20);
  EXPECT_EQ(evaluate({Expr::Op::CeilDiv, 0, {tokens, {}}}, params), 0);
  EXPECT_TRUE(dependsOn({Expr::Op::Add, 0, {four, tokens}}, Param::NTokens));
  EXPECT_FALSE(dependsOn({Expr::Op::Add, 0, {four, tokens}}, Param::NOut));
}

} // namespace
