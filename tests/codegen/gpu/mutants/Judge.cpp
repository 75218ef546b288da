//===- Judge.cpp - Would the tests notice another kernel? -----------------===//

#include "tests/codegen/gpu/mutants/Judge.h"

#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/metal/VerifyKernels.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipelines.h"
#include "tests/codegen/gpu/ModuleText.h"

#include <cmath>
#include <stdexcept>

using namespace mlir;
using namespace tq;
using namespace tq::test;

namespace {
// As in GpuKernelsTest.
constexpr int64_t kContext = 700, kChunk = 40;
constexpr double kTolerance = 1e-3;

/// Processor seconds for a threadgroup: the slowest takes a few milliseconds.
constexpr double kTimeLimit = 0.5;

/// Repeated: 6e16 in f32, 235 in f16. The schedules at first find NaN where nobody has written, the last one this.
constexpr uint8_t kLarge = 0x5b;
} // namespace

std::vector<JudgedModel> tq::test::judgedModels() {
  std::vector<Call> every = {{"decode", 1, 1},    {"verify", 3, 3},    {"verify", 8, 8}, {"prefill", 9, 9},
                             {"prefill", 40, 40}, {"prefill", 17, 17}, {"verify", 5, 5}};
  std::vector<Call> conversation = {{"prefill", 17, 8}, {"decode", 1, 1}, {"verify", 3, 3}, {"prefill", 40, 8},
                                    {"verify", 8, 8},   {"decode", 1, 1}, {"verify", 5, 5}};
  std::vector<Call> splits = conversation; // more than one of 256 keys
  splits.insert(splits.end(), 6, {"prefill", 40, 1});
  splits.insert(splits.end(), {{"decode", 1, 1}, {"verify", 8, 8}, {"decode", 1, 1}});
  const char *tq4 = "#tq.codebook<bits = 4, group = 32>", *tq3 = "#tq.codebook<bits = 3, group = 16>",
             *q4 = "#tq.affine<bits = 4, group = 32>", *f16 = "#tq.dense<f16>";
  // Widths end within a block of columns, yet after whole ones: no part of a kernel works on nothing but padding.
  return {
      {"codebook4", linearChain(tq4, {96, 160, 50}, tq4), every, 64},
      {"codebook3", linearChain(tq3, {128, 272, 50}, tq3), every, 64},
      {"affine4", linearChain(q4, {96, 160, 50}, q4), every, 64},
      {"dense", linearChain(f16, {96, 70, 130, 48}, f16), every, 64},
      {"rotated",
       transformer({.hidden = 256, .inner = 192, .block = 256, .innerBlock = 192, .headBack = true, .encoding = tq4}),
       conversation, 8},
      {"norms", transformer({.heads = 3, .kvHeads = 1, .headDim = 48, .headNorm = true}), conversation, 8},
      {"splits", transformer({.hidden = 32, .heads = 4, .kvHeads = 2, .headDim = 32, .inner = 32}), splits, 8}};
}

const char *tq::test::nameOf(Verdict::Kind kind) {
  static constexpr const char *kNames[] = {"pending", "survived", "equivalent", "compile",
                                           "checker", "order",    "result",     "crash"};
  return kNames[kind];
}

Judge::Judge(MLIRContext &context, const JudgedModel &model) : name(model.name), context(context), model(model) {}

std::string Judge::prepare() {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(model.source, &context);
  if (!module)
    return "the module cannot be parsed";
  weights = randomWeights(*module, 5);
  scheduled = cast<ModuleOp>(module.get()->clone());
  PipelineOptions options;
  options.activations.activations = "f32";
  options.entryPoints.chunk = kChunk;
  options.entryPoints.context = kContext;
  options.entryPoints.maxOut = model.maxOut;
  PassManager pm(&context);
  buildFusePhase(pm, options);
  buildSchedulePhase(pm, options, gpuSkeletons());
  pm.addPass(createBuildGpuKernels(gpuSkeletons()));
  if (failed(pm.run(*scheduled)))
    return "the module cannot be scheduled";

  // The other kernels are not in question: the fast build will do, which gives the same bits.
  TableRunner runner(*scheduled, weights, kContext, /*checked=*/false);
  runner.hostThreads = 1;
  runner.timeLimit = kTimeLimit;
  if (std::string message = runner.compile(); !message.empty())
    return message;
  reference::Interpreter<double> interpreter(*module, weights.numbers);
  interpreter.roundStates = true;
  std::mt19937 random(11);
  int64_t vocab = (*module->getOps<WeightOp>().begin()).getPacked().getRows();
  for (const Call &call : model.calls) {
    reference::Ids tokens(call.tokens);
    for (int32_t &id : tokens)
      id = int32_t(random() % uint64_t(vocab));
    for (auto step : scheduled->lookupSymbol<TableOp>(call.entry).getBody().getOps<StepOp>())
      firstCall.try_emplace(step.getKernel().str(), before.size());
    before.push_back(runner);
    ids.push_back(tokens);
    expected.push_back(interpreter.forward(tokens, call.rows));
    try {
      if (std::string message = difference(runner.run(call.entry, tokens, call.rows), expected.back());
          !message.empty())
        return message;
    } catch (const std::runtime_error &error) {
      return error.what();
    }
  }
  sources = metal::splitKernels(runner.text);
  std::erase_if(sources, [&](const metal::KernelSource &source) { return !firstCall.contains(source.name); });
  return "";
}

std::string Judge::difference(const std::vector<float> &got, const reference::Tensor<double> &want) const {
  size_t stride = got.size() / size_t(want.rows());
  double largest = 0, error = 0;
  for (int64_t r = 0; r < want.rows(); ++r)
    for (int64_t c = 0; c < want.rowSize(); ++c) {
      double difference = std::abs(double(got[size_t(r) * stride + size_t(c)]) - want.row(r)[c]);
      largest = std::max(largest, std::abs(want.row(r)[c]));
      error = difference <= error ? error : difference; // NaN stays
    }
  if (error <= kTolerance * largest)
    return "";
  return "the results are off by " + std::to_string(error) + ", the largest is " + std::to_string(largest);
}

Verdict Judge::judge(const metal::KernelSource &kernel, const std::string &text) const {
  auto library = metal::Library::compile(text, {.name = kernel.name + ".metal", .checked = true, .cached = false});
  if (!library.ok())
    return {Verdict::Compile, library.message()};
  size_t call = firstCall.at(kernel.name);
  TableRunner forward = before[call];
  forward.replaced.emplace(kernel.name, *library);
  TableRunner reverse = forward, random = forward;
  reverse.schedule = {metal::Schedule::Reverse, 0, 0x7f};
  random.schedule = {metal::Schedule::Random, 3, 0xff};
  random.fillUnwritten(kLarge);
  for (; call < model.calls.size(); ++call) {
    const auto &[entry, tokens, rows] = model.calls[call];
    try {
      std::vector<float> got = forward.run(entry, ids[call], rows);
      if (std::string message = difference(got, expected[call]); !message.empty())
        return {Verdict::Result, message};
      for (TableRunner *other : {&reverse, &random}) {
        std::vector<float> again = other->run(entry, ids[call], rows);
        if (!sameLogits(got, again, expected[call].rows(), expected[call].rowSize()))
          return {Verdict::Order, "the results depend on the order of threads, or on what nobody has written"};
      }
    } catch (const std::runtime_error &error) {
      return {Verdict::Checker, error.what()};
    }
  }
  return {Verdict::Survived, ""};
}
