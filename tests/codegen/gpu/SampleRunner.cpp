//===- SampleRunner.cpp - argmax and top_k on the executor of MSL ---------===//

#include "tests/codegen/gpu/SampleRunner.h"
#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/metal/EmitMetal.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <array>
#include <limits>
#include <random>

using namespace mlir;
using namespace tq;
using namespace tq::test;

static constexpr float kInfinity = std::numeric_limits<float>::infinity();
static constexpr float kLargest = std::numeric_limits<float>::max();
static constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

//===-- Rows ----------------------------------------------------------------------------------------------------===//

/// What is hard about them.
static const char *const kRows[] = {
    "random",    "ties",           "all equal",           "minus infinities", "only minus infinities",
    "NaNs",      "only NaNs",      "zeros of both signs", "infinities",       "descending",
    "ascending", "last simdgroup", "infinity 0",          "infinity 1",       "infinity 2",
    "infinity 3"};
static constexpr int64_t kRowCount = std::size(kRows);

static float element(int64_t n, int64_t row, int64_t i, std::mt19937 &random) {
  uint32_t r = uint32_t(random());
  float uniform = float(r) / 4294967296.0f - 0.5f;
  switch (row) {
  case 1:
    return float(r % 5) - 3;
  case 2:
    return -2.5f;
  case 3:
    return r % 4 ? -kInfinity : uniform;
  case 4:
    return -kInfinity;
  case 5:
    return r % 3 == 0 ? kNaN : r % 3 == 1 ? -kNaN : uniform;
  case 6:
    return kNaN;
  case 7:
    return r % 3 == 0 ? -0.0f : r % 3 == 1 ? 0.0f : -1.0f;
  case 8:
    return r % 7 == 0 ? kInfinity : r % 7 == 1 ? -kInfinity : r % 7 == 2 ? 1e-42f : uniform;
  case 9:
    return -float(i);
  case 10:
    return i < n - 3000 ? -1e6f : float(i) - 100; // everything is inserted, so only the last 3000 are
  case 11: // the best k are in one block of the last simdgroup, and the very best is its last element
    return float(llvm::reverseBits(uint8_t(i / 128)) * 128 + i % 128);
  case 12: // a few are larger by one bit: in one element of a vector, and not only in a simdgroup's first block
  case 13:
  case 14:
  case 15:
    return i % 1000 == std::array{268, 181, 286, 295}[size_t(row - 12)] ? kInfinity : kLargest;
  default:
    return uniform;
  }
}

static reference::Tensor<float> input(int64_t n) {
  std::mt19937 random(7);
  auto x = reference::Tensor<float>::zeros({kRowCount, n});
  for (int64_t row = 0; row < kRowCount; ++row)
    for (int64_t i = 0; i < n; ++i)
      x.row(row)[i] = element(n, row, i, random);
  return x;
}

//===-- Kernels -------------------------------------------------------------------------------------------------===//

std::string SampleCase::name() const { return llvm::formatv(k ? "top_{1}_of_{0}" : "argmax_of_{0}", n, k).str(); }

static std::string kernelText(const SampleCase &c) {
  const char *argmax = R"(tq.kernel @{0} skeleton "sample" {{max_rows = {1} : i64, rows = "n_tokens"} {{
^bb0(%x: tensor<?x{2}xf32>):
  %i = tq.argmax %x : (tensor<?x{2}xf32>) -> tensor<?xi32>
  tq.yield %i : tensor<?xi32>
}
)";
  const char *topK = R"(tq.kernel @{0} skeleton "sample" {{max_rows = {1} : i64, rows = "n_tokens"} {{
^bb0(%x: tensor<?x{2}xf32>):
  %v, %i = tq.top_k %x {{k = {3} : i64} : (tensor<?x{2}xf32>) -> (tensor<?x{3}xf32>, tensor<?x{3}xi32>)
  tq.yield %v, %i : tensor<?x{3}xf32>, tensor<?x{3}xi32>
}
)";
  return llvm::formatv(c.k ? topK : argmax, c.name(), kRowCount, c.n, c.k).str();
}

gpu::GPUFuncOp Samples::kernel(const SampleCase &c) const {
  ModuleOp all = *module;
  return (*all.getOps<gpu::GPUModuleOp>().begin()).lookupSymbol<gpu::GPUFuncOp>(c.name());
}

Result<Samples> tq::test::buildSamples(MLIRContext &context, ArrayRef<SampleCase> cases) {
  std::string source;
  for (const SampleCase &c : cases)
    source += kernelText(c);
  Samples samples{parseSourceString<ModuleOp>(source, &context), ""};
  if (!samples.module)
    return Error{"the module cannot be parsed"};
  PassManager pm(&context);
  pm.addPass(createBuildGpuKernels(gpuSkeletons()));
  if (failed(pm.run(*samples.module)))
    return Error{"the kernels cannot be built"};
  llvm::raw_string_ostream os(samples.text);
  if (failed(emitMetal(*samples.module, os)))
    return Error{"the kernels cannot be printed"};
  return samples;
}

//===-- Runs ----------------------------------------------------------------------------------------------------===//

// 0x7f and 0x5b: 3.4e38 and 6e16 behind rows would be chosen; 0xff: NaN.
const SampleOrder tq::test::kSampleOrders[3] = {{{metal::Schedule::Forward, 0, 0xff}, 0x7f},
                                                {{metal::Schedule::Reverse, 0, 0x7f}, 0xff},
                                                {{metal::Schedule::Random, 3, 0x00}, 0x5b}};

/// Elements from one row to the next.
static int64_t strideOf(int64_t n) { return int64_t(llvm::alignTo(n, 16)); }

SampleRunner::SampleRunner(const Samples &samples, const SampleCase &c)
    : shape(c), simdgroups(uint32_t((*samples.kernel(c).getKnownBlockSize())[1])), x(input(c.n)) {
  if (c.k)
    reference::topK(x, c.k, values, indices);
  else
    indices = reference::argmax(x);
}

Result<SampleRunner::Output> SampleRunner::run(const metal::Library &library, const SampleOrder &order) const {
  int64_t stride = strideOf(shape.n), outStride = shape.k ? strideOf(shape.k) : 1;
  std::vector<float> padded(kRowCount * stride);
  Output out{std::vector<float>(shape.k ? kRowCount * outStride : 0), std::vector<int32_t>(kRowCount * outStride)};
  metal::Launch launch;
  auto bind = [&](auto &values) {
    std::memset(values.data(), order.unwritten, values.size() * 4);
    launch.buffers.push_back({int(launch.buffers.size()), values.data(), values.size() * 4});
  };
  bind(padded);
  for (int64_t row = 0; row < kRowCount; ++row)
    std::copy(x.row(row), x.row(row) + shape.n, padded.begin() + row * stride);
  if (shape.k)
    bind(out.values);
  bind(out.indices);
  int32_t params[3] = {int32_t(kRowCount), 0, int32_t(kRowCount)};
  launch.buffers.push_back({int(launch.buffers.size()), params, sizeof(params)});
  launch.threadgroups = {uint32_t(kRowCount), 1, 1};
  launch.threadsPerThreadgroup = {32, simdgroups, 1};
  launch.schedule = order.schedule;
  launch.hostThreads = hostThreads;
  launch.timeLimit = timeLimit;
  TQ_TRY(library.run(shape.name(), launch));
  return out;
}

std::string SampleRunner::difference(const Output &got) const {
  int64_t count = std::max<int64_t>(shape.k, 1), outStride = shape.k ? strideOf(shape.k) : 1;
  for (int64_t row = 0; row < kRowCount; ++row)
    for (int64_t i = 0; i < count; ++i) {
      size_t at = size_t(row * outStride + i), want = size_t(row * count + i);
      auto wrong = [&](auto is, auto should) {
        const char *format = "{0}, row '{1}', rank {2}: {3} instead of {4}";
        return llvm::formatv(format, shape.name(), kRows[row], i, is, should).str();
      };
      if (got.indices[at] != indices[want])
        return wrong(got.indices[at], indices[want]);
      if (shape.k &&
          llvm::bit_cast<uint32_t>(got.values[at]) != llvm::bit_cast<uint32_t>(values.row(row)[i] + 0.0f)) // -0 is 0
        return wrong(got.values[at], values.row(row)[i]);
    }
  return "";
}
