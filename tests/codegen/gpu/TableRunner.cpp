//===- TableRunner.cpp - A launch table on the executor of MSL ------------===//

#include "tests/codegen/gpu/TableRunner.h"
#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/host/microkernels/Microkernels.h"
#include "codegen/metal/EmitMetal.h"
#include "dialect/encodings/Encoding.h"
#include "dialect/encodings/HalfFloat.h"
#include "dialect/encodings/Pack.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipelines.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>

using namespace mlir;
using namespace tq;
using namespace tq::test;

template <class T> static std::vector<uint8_t> bytesOf(const std::vector<T> &values) {
  auto *begin = reinterpret_cast<const uint8_t *>(values.data());
  return {begin, begin + values.size() * sizeof(T)};
}

//===-- How the tests judge kernels -----------------------------------------------------------------------------===//

std::vector<Call> tq::test::everyEntry() {
  return {{"decode", 1, 1},    {"verify", 2, 2}, {"verify", 3, 3},    {"verify", 8, 8},    {"prefill", 9, 9},
          {"prefill", 43, 43}, {"verify", 7, 7}, {"prefill", 17, 17}, {"prefill", 32, 32}, {"prefill", 33, 33},
          {"verify", 6, 6},    {"verify", 5, 5}, {"verify", 4, 4},    {"decode", 1, 1},    {"decode", 1, 1}};
}

std::vector<Call> tq::test::conversation() {
  return {{"prefill", 33, 8}, {"decode", 1, 1}, {"verify", 3, 3}, {"prefill", 43, 8},
          {"verify", 8, 8},   {"decode", 1, 1}, {"verify", 5, 5}, {"verify", 4, 4}};
}

void tq::test::loadGpuDialects(MLIRContext &context) {
  DialectRegistry registry;
  registry.insert<TQDialect, func::FuncDialect, arith::ArithDialect>();
  createBuildGpuKernels(gpuSkeletons())->getDependentDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
}

OwningOpRef<ModuleOp> tq::test::buildKernels(ModuleOp source, int64_t chunk, int64_t positions, int64_t maxOut) {
  OwningOpRef<ModuleOp> module = cast<ModuleOp>(source->clone());
  PipelineOptions options;
  options.activations.activations = "f32";
  options.entryPoints.chunk = chunk;
  options.entryPoints.context = positions;
  options.entryPoints.maxOut = maxOut;
  PassManager pm(module->getContext());
  buildFusePhase(pm, options);
  buildSchedulePhase(pm, options, gpuSkeletons());
  pm.addPass(createBuildGpuKernels(gpuSkeletons()));
  if (failed(pm.run(*module)))
    return nullptr;
  return module;
}

reference::Interpreter<double> tq::test::interpreter(ModuleOp module, reference::Weights &weights) {
  reference::Interpreter<double> result(module, weights);
  for (auto state : module.getOps<StateOp>())
    result.roundStates = cast<KVType>(state.getType()).getKEncoding().getLayout().kind == Layout::Kind::DenseF16;
  return result;
}

reference::Ids tq::test::tokens(ModuleOp module, int64_t count, std::mt19937 &random) {
  int64_t vocab = (*module.getOps<WeightOp>().begin()).getPacked().getRows();
  reference::Ids ids(count);
  for (int32_t &id : ids)
    id = int32_t(random() % uint64_t(vocab));
  return ids;
}

std::string tq::test::difference(const std::vector<float> &got, const reference::Tensor<double> &want,
                                 double tolerance) {
  size_t stride = got.size() / size_t(want.rows());
  double largest = 0, error = 0;
  for (int64_t r = 0; r < want.rows(); ++r)
    for (int64_t c = 0; c < want.rowSize(); ++c) {
      double difference = std::abs(double(got[size_t(r) * stride + size_t(c)]) - want.row(r)[c]);
      largest = std::max(largest, std::abs(want.row(r)[c]));
      error = difference <= error ? error : difference; // NaN stays
    }
  if (error <= tolerance * largest)
    return "";
  return "the results are off by " + std::to_string(error) + ", the largest is " + std::to_string(largest);
}

bool tq::test::sameLogits(const std::vector<float> &a, const std::vector<float> &b, int64_t rows, int64_t vocab) {
  if (a.size() != b.size())
    return false;
  size_t stride = a.size() / size_t(rows);
  for (size_t row = 0; row < size_t(rows); ++row)
    if (std::memcmp(&a[row * stride], &b[row * stride], size_t(vocab) * sizeof(float)) != 0)
      return false;
  return true;
}

//===-- Weights -------------------------------------------------------------------------------------------------===//

static void addMatrix(TestWeights &weights, const std::string &name, PackedType type, std::mt19937 &random,
                      float factor) {
  Layout layout = type.getEncoding().getLayout();
  int64_t rows = type.getRows(), cols = type.getCols(), levels = int64_t(1) << layout.bits;
  std::uniform_real_distribution<float> uniform(-1, 1);
  float size = factor / std::sqrt(float(cols));
  std::vector<uint8_t> stream(layout.bytes(rows, cols));
  LevelTable table = {};
  for (int i = 0; i < 16; ++i)
    table.f32[i] = -1.5f + 3.0f * float(std::min<int64_t>(i, levels - 1)) / float(levels - 1) + 0.1f * uniform(random);
  int64_t groups = layout.isDense() ? 0 : groupsPerRow(layout, cols);
  for (int64_t block = 0; block < Layout::rowBlocks(rows); ++block) {
    auto *out = reinterpret_cast<std::byte *>(stream.data() + block * layout.rowBlockBytes(cols));
    int64_t exist = std::min<int64_t>(kBlockRows, rows - block * kBlockRows);
    if (layout.isDense()) {
      std::vector<float> values(exist * cols);
      for (float &value : values)
        value = uniform(random) * size;
      packDenseRowBlock(layout, cols, exist, values.data(), cols, out);
      continue;
    }
    std::vector<uint8_t> codes(kBlockRows * cols);
    std::vector<uint16_t> scales(kBlockRows * groups), biases(kBlockRows * groups);
    bool affine = layout.kind == Layout::Kind::Affine;
    for (int64_t i = 0; i < exist * cols; ++i)
      codes[i] = uint8_t(random() % uint64_t(levels));
    // Some words are nothing but zeros or ones: a carry goes through all of them.
    constexpr int64_t kRun = 128;
    for (int64_t row = 0; row < exist; ++row)
      for (int64_t first = 0; first < cols; first += kRun)
        if (uint32_t kind = random() % 16; kind < 2)
          std::fill_n(codes.begin() + row * cols + first, std::min(kRun, cols - first),
                      kind == 0 ? 0 : uint8_t(levels - 1));
    for (int64_t i = 0; i < exist * groups; ++i) {
      float scale = size * (1 + 0.5f * uniform(random));
      scales[i] = f32ToF16(affine ? 2 * scale / float(levels) : scale);
      biases[i] = f32ToF16(-scale);
    }
    packRowBlock(layout, cols, codes.data(), scales.data(), affine ? biases.data() : nullptr, out);
  }
  std::vector<float> &values = weights.numbers.byName[name];
  values.resize(rows * cols);
  for (int64_t r = 0; r < rows; ++r)
    unpackRow(layout, cols, reinterpret_cast<const std::byte *>(stream.data()), &table, r, values.data() + r * cols);
  weights.planes[name + "/stream"] = std::move(stream);
  if (layout.kind == Layout::Kind::Codebook)
    weights.planes[name + "/levels"] = bytesOf(std::vector<LevelTable>{table});
}

static void addVector(TestWeights &weights, const std::string &name, std::vector<float> values) {
  weights.planes[name + "/values"] = bytesOf(values);
  weights.numbers.byName[name] = std::move(values);
}

TestWeights tq::test::randomWeights(ModuleOp module, uint32_t seed, float sharpness) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  TestWeights weights;
  StringRef sharp = module.lookupSymbol("q_norm") ? "q_norm" : "q";
  for (auto weight : module.getOps<WeightOp>()) {
    std::string name = weight.getSymName().str();
    float factor = name == sharp ? sharpness : 1;
    if (weight.getPacked().getShape().size() == 2) {
      addMatrix(weights, name, weight.getPacked(), random, factor);
      continue;
    }
    std::vector<float> values(weight.getPacked().getShape()[0]);
    for (float &value : values)
      value = (weight.getRole() == "norm" ? 1 + 0.3f * uniform(random) : uniform(random)) * factor;
    if (auto given = weight.getValues())
      values.assign(given->begin(), given->end());
    addVector(weights, name, std::move(values));
  }
  for (auto rotation : module.getOps<RotationOp>())
    addVector(weights, rotation.getSymName().str(), weights.numbers.signs(rotation));
  return weights;
}

TestWeights tq::test::checkpointWeights(ModuleOp module, const Checkpoint &checkpoint) {
  TestWeights weights;
  reference::CheckpointWeights numbers(checkpoint);
  for (auto rotation : module.getOps<RotationOp>())
    addVector(weights, rotation.getSymName().str(), numbers.signs(rotation));
  for (auto weight : module.getOps<WeightOp>()) {
    std::string name = weight.getSymName().str();
    std::vector<float> values = numbers.values(weight);
    if (weight.getPacked().getShape().size() == 1) {
      addVector(weights, name, std::move(values));
      continue;
    }
    const WeightSource *source = checkpoint.find(*weight.getSource());
    auto encoding = source ? makeEncoding(*source) : Result<EncodingPtr>(Error{name + " is not in the checkpoint"});
    if (!encoding.ok() || weight.getStored())
      throw std::runtime_error(encoding.ok() ? name + " is quantised on the way" : encoding.message());
    std::vector<uint8_t> stream((*encoding)->packedBytes());
    Status status =
        (*encoding)->repackRowBlocks(0, (*encoding)->shape().blocks(), reinterpret_cast<std::byte *>(stream.data()));
    if (!status.ok())
      throw std::runtime_error(status.message());
    weights.planes[name + "/stream"] = std::move(stream);
    if (auto levels = (*encoding)->levels())
      weights.planes[name + "/levels"] = bytesOf(std::vector<LevelTable>{*levels});
    weights.numbers.byName[name] = std::move(values);
  }
  return weights;
}

//===-- Steps ---------------------------------------------------------------------------------------------------===//

TableRunner::TableRunner(ModuleOp scheduled, const TestWeights &weights, int64_t context, bool checked)
    : module(scheduled), weights(weights), checked(checked) {
  int64_t count = (context + kPageTokens - 1) / kPageTokens;
  pages.resize(count);
  std::iota(pages.begin(), pages.end(), 0);
  std::shuffle(pages.begin(), pages.end(), std::mt19937(1));
  for (auto state : module.getOps<StateOp>()) {
    auto kv = cast<KVType>(state.getType());
    int64_t element = kv.getKEncoding().getLayout().denseBytes();
    int64_t bytes = kv.getHeads() * kPageTokens * (kv.getK() + int64_t(llvm::alignTo(kv.getV(), 16))) * element;
    pools[state.getSymName().str()].assign(count * bytes, unwritten);
  }
  int64_t most = 0;
  for (auto table : module.getOps<TableOp>())
    most = std::max<int64_t>(most, table.getArenaBytes());
  arena.assign(most, unwritten);
}

void TableRunner::fillUnwritten(uint8_t byte) {
  // Elements of one byte repeated are those nobody has written: 0xffff and 0xffffffff are NaNs that no kernel stores.
  for (auto state : module.getOps<StateOp>()) {
    auto element = size_t(cast<KVType>(state.getType()).getKEncoding().getLayout().denseBytes());
    std::vector<uint8_t> &pool = pools.at(state.getSymName().str());
    for (size_t i = 0; i < pool.size(); i += element)
      if (std::all_of(&pool[i], &pool[i] + element, [&](uint8_t b) { return b == unwritten; }))
        std::fill_n(&pool[i], element, byte);
  }
  unwritten = byte;
}

std::string TableRunner::compile() {
  llvm::raw_string_ostream os(text);
  if (failed(emitMetal(module, os)))
    return "the module cannot be printed";
  metal::CompileOptions options;
  options.checked = checked;
  auto compiled = metal::Library::compile(text, options);
  if (!compiled.ok())
    return compiled.message();
  library.emplace(std::move(*compiled));
  return "";
}

metal::BufferBinding TableRunner::bind(Attribute binding, int index) {
  auto whole = [&](const std::vector<uint8_t> &bytes) {
    return metal::BufferBinding{index, const_cast<uint8_t *>(bytes.data()), bytes.size()};
  };
  if (auto range = dyn_cast<ArenaAttr>(binding))
    return {index, arena.data() + range.getOffset(), uint64_t(range.getBytes())};
  if (auto plane = dyn_cast<PlaneAttr>(binding))
    return whole(weights.planes.at((plane.getSymbol().getValue() + "/" + plane.getPlane().getValue()).str()));
  if (auto pool = dyn_cast<PoolAttr>(binding))
    return whole(pools.at(pool.getSymbol().getValue().str()));
  return {index, pages.data(), pages.size() * 4};
}

Status TableRunner::execute(StepOp step, const metal::Launch &launch, metal::Statistics &statistics) {
  auto other = replaced.find(step.getKernel().str());
  const metal::Library &from = other == replaced.end() ? *library : other->second;
  return from.run(step.getKernel().str(), launch, &statistics);
}

void TableRunner::forgetResults(StepOp step, gpu::GPUFuncOp func) {
  auto overlap = [](ArenaAttr a, ArenaAttr b) {
    return a.getOffset() < b.getOffset() + b.getBytes() && b.getOffset() < a.getOffset() + a.getBytes();
  };
  auto isRead = [](BlockArgument memory) {
    return llvm::any_of(memory.getUsers(), [](Operation *user) { return isa<memref::LoadOp, vector::LoadOp>(user); });
  };
  ArrayRef<Attribute> bindings = step.getBindings().getValue();
  for (size_t i = 0; i < bindings.size(); ++i) {
    auto range = dyn_cast<ArenaAttr>(bindings[i]);
    if (!range || func.getArgAttr(unsigned(i), "llvm.readonly") || isRead(func.getArgument(unsigned(i))))
      continue;
    bool isOther = false; // in place
    for (size_t j = 0; j < bindings.size(); ++j)
      if (auto other = dyn_cast<ArenaAttr>(bindings[j]); other && j != i)
        isOther |= overlap(range, other);
    if (!isOther)
      std::fill_n(arena.begin() + range.getOffset(), range.getBytes(), unwritten);
  }
}

void TableRunner::runStep(StepOp step, int32_t (&params)[3]) {
  Builder b(module.getContext());
  SmallVector<Attribute> symbols, tasks;
  for (int32_t param : params)
    symbols.push_back(b.getIndexAttr(param));
  if (failed(step.getTasks().constantFold(symbols, tasks)))
    throw std::runtime_error("the number of tasks is no number");
  auto func = (*module.getOps<gpu::GPUModuleOp>().begin()).lookupSymbol<gpu::GPUFuncOp>(step.getKernel());
  metal::Launch launch;
  launch.threadgroups = {uint32_t(cast<mlir::IntegerAttr>(tasks[0]).getInt()), 1, 1};
  if (launch.threadgroups[0] == 0)
    return;
  launch.threadsPerThreadgroup = {32, uint32_t((*func.getKnownBlockSize())[1]), 1};
  forgetResults(step, func);
  for (auto [i, binding] : llvm::enumerate(step.getBindings()))
    launch.buffers.push_back(bind(binding, int(i)));
  launch.buffers.push_back({int(step.getBindings().size()), params, sizeof(params)});
  launch.schedule = schedule;
  launch.hostThreads = hostThreads;
  launch.timeLimit = timeLimit;
  metal::Statistics statistics;
  auto start = std::chrono::steady_clock::now();
  Status status = execute(step, launch, statistics);
  double time = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  seconds += time;
  byKernel[step.getKernel().str()] += time;
  accesses += statistics.accesses;
  if (!status.ok())
    throw std::runtime_error(status.message());
}

std::vector<float> TableRunner::run(StringRef entry, const reference::Ids &ids, int64_t rows) {
  auto table = module.lookupSymbol<TableOp>(entry);
  std::fill(arena.begin(), arena.end(), unwritten);
  auto port = [&](DictionaryAttr ports, StringRef name) {
    return cast<DenseI64ArrayAttr>(ports.get(name)).asArrayRef();
  };
  std::vector<int32_t> positions(ids.size());
  std::iota(positions.begin(), positions.end(), int32_t(position));
  std::memcpy(arena.data() + port(table.getInputs(), "ids")[0], ids.data(), ids.size() * 4);
  std::memcpy(arena.data() + port(table.getInputs(), "pos")[0], positions.data(), positions.size() * 4);
  int32_t params[3] = {int32_t(ids.size()), int32_t(position), int32_t(rows)};
  begin();
  for (auto step : table.getBody().getOps<StepOp>())
    runStep(step, params);
  end();
  position += int64_t(ids.size());
  auto logits = port(table.getOutputs(), "logits");
  std::vector<float> result(rows * logits[2] / 4);
  std::memcpy(result.data(), arena.data() + logits[0], result.size() * 4);
  return result;
}

std::array<TableRunner, 2> tq::test::inOtherOrders(const TableRunner &forward) {
  std::array<TableRunner, 2> others = {forward, forward};
  others[0].schedule = {metal::Schedule::Reverse, 0, 0x7f};
  others[1].schedule = {metal::Schedule::Random, 3, 0xff};
  others[1].fillUnwritten(0x5b); // 6e16 in f32, 235 in f16; the others find NaN
  return others;
}
