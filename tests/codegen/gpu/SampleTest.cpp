//===- SampleTest.cpp - argmax and top_k kernels against the reference ----===//
// Kernels of all sizes in one module: built, verified, printed, compiled once for the checking executor, and run in three
// schedules. Each row of the input has its own kind of difficulty; padding behind rows is NaN of the largest bits.

#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/metal/EmitMetal.h"
#include "codegen/metal/KernelCost.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "tests/metal/Executor.h"
#include "tests/reference/Ops.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace mlir;
using namespace tq;

namespace {
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Case {
  int64_t n, k; ///< k = 0: argmax
  std::string name() const { return llvm::formatv(k ? "top_{1}_of_{0}" : "argmax_of_{0}", n, k).str(); }
};
// One and several simdgroups; rows that end within a vector, a block, or nowhere; one register of the list and two, full or not.
const Case kCases[] = {{1, 0},     {31, 0},   {32, 0},    {33, 0},    {1000, 0},  {1024, 0}, {4097, 0},
                       {32000, 0}, {1, 1},    {31, 5},    {32, 32},   {33, 33},   {64, 64},  {1000, 64},
                       {1000, 40}, {1024, 1}, {2048, 32}, {4097, 50}, {32000, 40}};

/// The rows: what is hard about them.
const char *kRows[] = {"random",   "ties",      "all equal",           "minus infinities", "only minus infinities",
                       "NaNs",     "only NaNs", "zeros of both signs", "infinities",       "descending",
                       "ascending"};
constexpr int64_t kRowCount = std::size(kRows);

float element(int64_t row, int64_t i, std::mt19937 &random) {
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
    return float(i) - 100; // everything is inserted, so only the first 3000 are
  default:
    return uniform;
  }
}

reference::Tensor<float> input(int64_t n) {
  std::mt19937 random(7);
  auto x = reference::Tensor<float>::zeros({kRowCount, n});
  for (int64_t row = 0; row < kRowCount; ++row)
    for (int64_t i = 0; i < n; ++i)
      x.row(row)[i] = row == 10 && i >= 3000 ? -1e6f : element(row, i, random);
  return x;
}

std::string kernelText(const Case &c) {
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

int64_t strideOf(int64_t n) { return int64_t(llvm::alignTo(n, 16)); }

class GpuSample : public testing::Test {
protected:
  /// All cases as one library: compiling takes longer than running.
  void SetUp() override {
    DialectRegistry registry;
    registry.insert<TQDialect, func::FuncDialect, arith::ArithDialect>();
    createBuildGpuKernels(gpuSkeletons())->getDependentDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    std::string source;
    for (const Case &c : kCases)
      source += kernelText(c);
    module = parseSourceString<ModuleOp>(source, &context);
    ASSERT_TRUE(module);
    PassManager pm(&context);
    pm.addPass(createBuildGpuKernels(gpuSkeletons()));
    ASSERT_TRUE(succeeded(pm.run(*module)));
  }
  gpu::GPUFuncOp kernel(const Case &c) {
    return (*module->getOps<gpu::GPUModuleOp>().begin()).lookupSymbol<gpu::GPUFuncOp>(c.name());
  }

  struct Output {
    std::vector<float> values;
    std::vector<int32_t> indices;
  };
  Output run(const metal::Library &library, const Case &c, const reference::Tensor<float> &x,
             metal::Schedule schedule) {
    int64_t stride = strideOf(c.n), outStride = c.k ? strideOf(c.k) : 1;
    std::vector<float> padded(kRowCount * stride);
    std::memset(padded.data(), 0x7f, padded.size() * 4); // 3.4e38: would be chosen
    for (int64_t row = 0; row < kRowCount; ++row)
      std::copy(x.row(row), x.row(row + 1), padded.begin() + row * stride);
    Output out{std::vector<float>(c.k ? kRowCount * outStride : 0), std::vector<int32_t>(kRowCount * outStride, -1)};
    int32_t params[3] = {int32_t(kRowCount), 0, int32_t(kRowCount)};
    metal::Launch launch;
    launch.threadgroups = {uint32_t(kRowCount), 1, 1};
    launch.threadsPerThreadgroup = {32, uint32_t((*kernel(c).getKnownBlockSize())[1]), 1};
    int index = 0;
    auto bind = [&](void *data, size_t bytes) { launch.buffers.push_back({index++, data, bytes}); };
    bind(padded.data(), padded.size() * 4);
    if (c.k)
      bind(out.values.data(), out.values.size() * 4);
    bind(out.indices.data(), out.indices.size() * 4);
    bind(params, sizeof(params));
    launch.schedule = schedule;
    launch.hostThreads = 2;
    Status status = library.run(c.name(), launch);
    EXPECT_TRUE(status.ok()) << status.message();
    return out;
  }

  void compare(const Case &c, const reference::Tensor<float> &x, const Output &got) {
    reference::Tensor<float> values;
    reference::Ids indices;
    reference::topK(x, std::max<int64_t>(c.k, 1), values, indices);
    if (!c.k) {
      EXPECT_EQ(got.indices, reference::argmax(x));
      return;
    }
    for (int64_t row = 0; row < kRowCount; ++row)
      for (int64_t i = 0; i < c.k; ++i) {
        size_t at = size_t(row * strideOf(c.k) + i);
        ASSERT_EQ(got.indices[at], indices[size_t(row * c.k + i)]) << kRows[row] << ", rank " << i;
        ASSERT_EQ(got.values[at], values.row(row)[i]) << kRows[row] << ", rank " << i;
      }
  }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
};

TEST_F(GpuSample, MatchesReference) {
  std::string text;
  llvm::raw_string_ostream os(text);
  ASSERT_TRUE(succeeded(emitMetal(*module, os)));
  auto library = metal::Library::compile(text);
  ASSERT_TRUE(library.ok()) << library.message();
  for (const Case &c : kCases) {
    SCOPED_TRACE(c.name());
    reference::Tensor<float> x = input(c.n);
    for (metal::Schedule schedule :
         {metal::Schedule{metal::Schedule::Forward, 0, 0xff}, metal::Schedule{metal::Schedule::Reverse, 0, 0x7f},
          metal::Schedule{metal::Schedule::Random, 3, 0x00}})
      compare(c, x, run(*library, c, x, schedule));
    if (HasFailure())
      return;
  }
}

// The judge: by its definition, on rows where everything that the order says matters.
TEST(SampleReference, Order) {
  reference::Tensor<float> x{{2, 6},
                             {-0.0f, kNaN, 0.0f, -kInfinity, 2.0f, 2.0f, kNaN, -kInfinity, kNaN, kNaN, kNaN, kNaN}};
  EXPECT_EQ(reference::argmax(x), (reference::Ids{4, 0}));
  reference::Tensor<float> values;
  reference::Ids indices;
  reference::topK(x, 6, values, indices);
  EXPECT_EQ(indices, (reference::Ids{4, 5, 0, 2, 1, 3, 0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values.row(0)[4], -kInfinity);
}

// A row is read once, and there is one barrier.
TEST_F(GpuSample, Cost) {
  for (Case c : {Case{32000, 0}, Case{32000, 40}}) {
    KernelCost cost = costOf(kernel(c));
    EXPECT_EQ(cost.threads, 1024) << c.name();
    EXPECT_EQ(cost.barriers, 1) << c.name();
    EXPECT_EQ(cost.threadgroupBytes, c.k ? 32 * 40 * 8 : 32 * 8) << c.name();
    EXPECT_EQ(cost.dynamicLoops, true) << c.name();
  }
  KernelCost one = costOf(kernel({1000, 0}));
  EXPECT_EQ(one.threads, 32);
  EXPECT_EQ(one.barriers, 0);
  EXPECT_EQ(one.readBytes, 8 * 128 * 4);
}

} // namespace
