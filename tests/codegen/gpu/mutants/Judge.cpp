//===- Judge.cpp - Would the tests notice another kernel? -----------------===//

#include "tests/codegen/gpu/mutants/Judge.h"

#include "mlir/Parser/Parser.h"
#include "tests/codegen/gpu/ModuleText.h"
#include "tests/codegen/gpu/SampleRunner.h"
#include "tests/codegen/gpu/TableRunner.h"

#include <list>
#include <regex>
#include <stdexcept>

using namespace mlir;
using namespace tq;
using namespace tq::test;

/// Processor seconds for a threadgroup: the slowest takes a few milliseconds.
constexpr double kTimeLimit = 0.5;

constexpr char kOrderMatters[] = "the results depend on the order of threads, or on what nobody has written";

const char *tq::test::nameOf(Verdict::Kind kind) {
  static constexpr const char *kNames[] = {"pending", "survived", "equivalent", "compile",
                                           "checker", "order",    "result",     "crash"};
  return kNames[kind];
}

Verdict Judge::finding(Verdict::Kind kind, const std::string &kernel, const std::string &message) {
  return {message.find("error: kernel " + kernel + ":") != std::string::npos ? kind : Verdict::Crash, message};
}

Verdict Judge::judge(const metal::KernelSource &kernel, const std::string &text) const {
  auto library = metal::Library::compile(text, {.name = kernel.name + ".metal", .checked = true, .cached = false});
  return library.ok() ? run(kernel.name, *library) : finding(Verdict::Compile, kernel.name, library.message());
}

//===-- Models --------------------------------------------------------------------------------------------------===//

namespace {
struct JudgedModel {
  const char *name;
  std::string source; ///< tq IR
  std::vector<Call> calls;
  int64_t maxOut = 0, context = kTestContext;
  std::string kernels = ".*"; ///< only these are judged (regular expression): the calls are too few for others
  double tolerance = kTestTolerance;
  float sharpness = 1; ///< the calls are made again with scores so much larger: is an infinity kept away?
};

/// A small model as GpuKernelsTest runs it: the other kernels are the model's.
class ModelJudge : public Judge {
public:
  ModelJudge(MLIRContext &context, const JudgedModel &model) : Judge(model.name), context(context), model(model) {}
  std::string prepare() override;

private:
  Verdict run(const std::string &kernel, const metal::Library &library) const override;

  MLIRContext &context;
  JudgedModel model;
  OwningOpRef<ModuleOp> scheduled;
  std::map<std::string, size_t> firstCall; ///< by kernel
  /// All calls with the same weights.
  struct Round {
    TestWeights weights;
    double tolerance;
    std::vector<TableRunner> before;                 ///< each call
    std::vector<reference::Ids> ids;                 ///< likewise
    std::vector<reference::Tensor<double>> expected; ///< likewise
  };
  std::list<Round> rounds;
  std::string text; ///< MSL
  std::string prepare(Round &round, ModuleOp module);
  Verdict run(const Round &round, const std::string &kernel, const metal::Library &library) const;
};
} // namespace

/// The skeletons of models, in small: linear layers of each family of encodings, long ones too; transformers with and without
/// rotations, head norms, biases and windows; rows that take several simdgroups. The last call of transformers fills the context.
static std::vector<JudgedModel> judgedModels() {
  const Call prompt = {"prefill", 43, 1}, token = {"decode", 1, 1};
  auto join = [](std::initializer_list<std::vector<Call>> parts) {
    std::vector<Call> calls;
    for (const std::vector<Call> &part : parts)
      calls.insert(calls.end(), part.begin(), part.end());
    return calls;
  };
  // Positions are odd and even, and the last call fills the last page. 98 tokens come first. Tiles of 32 tokens are full, have
  // one token more, and end anywhere; every row of one is among those whose logits are asked for.
  const Call tile = {"prefill", 32, 8}, seven = {"prefill", 7, 7}, pair = {"verify", 2, 2}, four = {"verify", 4, 4};
  std::vector<Call> oneSplit = join({conversation(), {tile, token, token, prompt, seven, pair, four, four}});
  // Tokens of all positions modulo 4 in either half of a split of 256 keys, a prompt across its end, and more tokens.
  std::vector<Call> tokens(4, token);
  std::vector<Call> splits = join({conversation(),
                                   {{"prefill", 4, 1}},
                                   tokens,
                                   {prompt, prompt},
                                   tokens,
                                   {tile, tile},
                                   {prompt, {"prefill", 25, 8}, prompt, seven},
                                   tokens,
                                   {pair}});
  std::vector<Call> few(6, token); // of all three row blocks of the embedding
  for (int64_t count : {2, 3, 4, 5, 6, 7, 8})
    few.push_back({"verify", count, count});
  for (int64_t count : {17, 32, 33, 43})
    few.push_back({"prefill", count, count});
  auto chain = [](const char *name, const std::string &encoding, std::vector<int64_t> widths, std::vector<Call> calls) {
    return JudgedModel{
        .name = name, .source = linearChain(encoding, widths, encoding), .calls = std::move(calls), .maxOut = 64};
  };
  auto attending = [&](const char *name, const Transformer &shape, float sharpness) {
    return JudgedModel{.name = name,
                       .source = transformer(shape),
                       .calls = splits,
                       .maxOut = 8,
                       .context = 384,
                       .sharpness = sharpness};
  };
  const char *tq4 = "#tq.codebook<bits = 4, group = 32>", *q4 = "#tq.affine<bits = 4, group = 32>";
  // Widths end within a block of columns, yet after whole ones: no part of a kernel works on nothing but padding.
  return {chain("codebook4", tq4, {96, 160, 50}, everyEntry()),
          chain("codebook3", "#tq.codebook<bits = 3, group = 16>", {256, 368, 50}, everyEntry()),
          chain("affine4", q4, {96, 160, 50}, everyEntry()),
          chain("dense", "#tq.dense<f16>", {96, 70, 130, 48}, everyEntry()),
          {.name = "rotated",
           .source = transformer(
               {.hidden = 256, .inner = 192, .block = 256, .innerBlock = 192, .headBack = true, .encoding = tq4}),
           .calls = oneSplit,
           .maxOut = 8,
           .context = 192,
           .kernels = "(?!sdpa).*", // large scores ask for queries that are more exact
           .tolerance = kCodebookTolerance},
          attending("norms", {.heads = 4, .kvHeads = 2, .headDim = 80, .headNorm = true, .stateType = "f32"}, 150),
          attending("window",
                    {.hidden = 32,
                     .heads = 14,
                     .kvHeads = 2,
                     .headDim = 16,
                     .inner = 32,
                     .window = 10,
                     .rotaryDims = 8,
                     .bias = true},
                    1000),
          attending("splits", {.hidden = 32, .heads = 4, .kvHeads = 2, .headDim = 32, .inner = 32}, 1000),
          {.name = "wide",
           .source = transformer({.hidden = 64, .inner = 14336, .innerBlock = 14336}),
           .calls = {token, {"verify", 2, 2}},
           .maxOut = 8,
           .context = 64,
           .kernels = ".*rotate.*"},
          chain("long", tq4, {64, 1088, 20}, few),
          chain("codebook2", "#tq.codebook<bits = 2, group = 32>", {96, 160, 50}, few),
          chain("affine6", "#tq.affine<bits = 6, group = 16>", {96, 144, 50}, few)};
}

std::string ModelJudge::prepare() {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(model.source, &context);
  if (!module)
    return "the module cannot be parsed";
  scheduled = buildKernels(*module, kTestChunk, model.context, model.maxOut);
  if (!scheduled)
    return "the module cannot be scheduled";
  for (float sharpness : {1.0f, model.sharpness})
    if (rounds.empty() || sharpness != 1) {
      // Sharp ones magnify what precedes them a hundred times.
      rounds.push_back({randomWeights(*module, 5, sharpness), sharpness == 1 ? model.tolerance : 0.25, {}, {}, {}});
      if (std::string message = prepare(rounds.back(), *module); !message.empty())
        return message;
    }
  sources = metal::splitKernels(text);
  std::regex judged(model.kernels);
  std::erase_if(sources, [&](const metal::KernelSource &source) {
    return !firstCall.contains(source.name) || !std::regex_match(source.name, judged);
  });
  return "";
}

std::string ModelJudge::prepare(Round &round, ModuleOp module) {
  // The other kernels are not in question: the fast build will do, which gives the same bits.
  TableRunner runner(*scheduled, round.weights, model.context, /*checked=*/false);
  runner.hostThreads = 1;
  runner.timeLimit = kTimeLimit;
  if (std::string message = runner.compile(); !message.empty())
    return message;
  text = runner.text;
  reference::Interpreter<double> judge = interpreter(module, round.weights.numbers);
  std::mt19937 random(11);
  for (const Call &call : model.calls) {
    for (auto step : scheduled->lookupSymbol<TableOp>(call.entry).getBody().getOps<StepOp>())
      firstCall.try_emplace(step.getKernel().str(), round.before.size());
    round.before.push_back(runner);
    round.ids.push_back(tokens(module, call.tokens, random));
    round.expected.push_back(judge.forward(round.ids.back(), call.rows));
    try {
      std::vector<float> got = runner.run(call.entry, round.ids.back(), call.rows);
      if (std::string message = difference(got, round.expected.back(), round.tolerance); !message.empty())
        return message;
    } catch (const std::runtime_error &error) {
      return error.what();
    }
  }
  return "";
}

Verdict ModelJudge::run(const std::string &kernel, const metal::Library &library) const {
  for (const Round &round : rounds)
    if (Verdict verdict = run(round, kernel, library); verdict.kind != Verdict::Survived)
      return verdict;
  return {Verdict::Survived, ""};
}

Verdict ModelJudge::run(const Round &round, const std::string &kernel, const metal::Library &library) const {
  size_t call = firstCall.at(kernel);
  TableRunner forward = round.before[call];
  forward.replaced.emplace(kernel, library);
  std::array<TableRunner, 2> others = inOtherOrders(forward);
  for (; call < model.calls.size(); ++call) {
    const auto &[entry, tokens, rows] = model.calls[call];
    try {
      std::vector<float> got = forward.run(entry, round.ids[call], rows);
      if (std::string message = difference(got, round.expected[call], round.tolerance); !message.empty())
        return {Verdict::Result, message};
      for (TableRunner &other : others) {
        std::vector<float> again = other.run(entry, round.ids[call], rows);
        if (!sameLogits(got, again, round.expected[call].rows(), round.expected[call].rowSize()))
          return {Verdict::Order, kOrderMatters};
      }
    } catch (const std::runtime_error &error) {
      return finding(Verdict::Checker, kernel, error.what());
    }
  }
  return {Verdict::Survived, ""};
}

//===-- argmax and top_k ----------------------------------------------------------------------------------------===//

// One simdgroup and as many as there may be; one register of the list and two; rows that end within the last vector of a
// block, behind its first element, or with it. Where k is 16 or 48 there is no padding behind the results.
static constexpr SampleCase kSampleCases[] = {{381, 0},  {373, 0},   {16513, 0}, {381, 16},
                                              {373, 48}, {16512, 5}, {4225, 48}};

namespace {
class SampleJudge : public Judge {
public:
  explicit SampleJudge(MLIRContext &context) : Judge("sample"), context(context) {}
  std::string prepare() override;

private:
  Verdict run(const std::string &kernel, const metal::Library &library) const override;

  MLIRContext &context;
  std::map<std::string, SampleRunner> runners; ///< by kernel
};
} // namespace

std::string SampleJudge::prepare() {
  auto samples = buildSamples(context, kSampleCases);
  if (!samples.ok())
    return samples.message();
  auto library = metal::Library::compile(samples->text, {.checked = false});
  if (!library.ok())
    return library.message();
  for (const SampleCase &c : kSampleCases) {
    SampleRunner &runner = runners.try_emplace(c.name(), *samples, c).first->second;
    runner.hostThreads = 1;
    runner.timeLimit = kTimeLimit;
    if (Verdict verdict = run(c.name(), *library); verdict.kind != Verdict::Survived)
      return verdict.message;
  }
  sources = metal::splitKernels(samples->text);
  return "";
}

Verdict SampleJudge::run(const std::string &kernel, const metal::Library &library) const {
  const SampleRunner &runner = runners.at(kernel);
  bool first = true;
  for (const SampleOrder &order : kSampleOrders) {
    auto got = runner.run(library, order);
    if (!got.ok())
      return finding(Verdict::Checker, kernel, got.message());
    if (std::string message = runner.difference(*got); !message.empty())
      return first ? Verdict{Verdict::Result, message} : Verdict{Verdict::Order, kOrderMatters};
    first = false;
  }
  return {Verdict::Survived, ""};
}

//===------------------------------------------------------------------------------------------------------------===//

std::vector<std::unique_ptr<Judge>> tq::test::makeJudges(MLIRContext &context, const std::string &names) {
  std::vector<std::unique_ptr<Judge>> judges;
  for (const JudgedModel &model : judgedModels())
    judges.push_back(std::make_unique<ModelJudge>(context, model));
  judges.push_back(std::make_unique<SampleJudge>(context));
  std::erase_if(judges, [wanted = std::regex(names)](auto &judge) { return !std::regex_match(judge->name, wanted); });
  return judges;
}
