//===- SampleTest.cpp - argmax and top_k kernels against the reference ----===//
// Kernels of all sizes in one module, compiled once for the checking executor, and run in three schedules.

#include "codegen/metal/KernelCost.h"
#include "tests/codegen/gpu/SampleRunner.h"
#include "tests/codegen/gpu/TableRunner.h"

#include <gtest/gtest.h>
#include <limits>

using namespace mlir;
using namespace tq;
using namespace tq::test;

namespace {
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// One and several simdgroups; rows that end within a vector, a block, or nowhere; one register of the list and two, full or not.
const SampleCase kCases[] = {{1, 0},     {31, 0},   {32, 0},    {33, 0},    {1000, 0},  {1024, 0}, {4097, 0},
                             {32000, 0}, {1, 1},    {31, 5},    {32, 32},   {33, 33},   {64, 64},  {1000, 64},
                             {1000, 40}, {1024, 1}, {2048, 32}, {4097, 50}, {32000, 40}};

class GpuSample : public testing::Test {
protected:
  void SetUp() override {
    loadGpuDialects(context);
    auto built = buildSamples(context, kCases);
    ASSERT_TRUE(built.ok()) << built.message();
    samples = std::move(*built);
  }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  Samples samples;
};

TEST_F(GpuSample, MatchesReference) {
  auto library = metal::Library::compile(samples.text);
  ASSERT_TRUE(library.ok()) << library.message();
  for (const SampleCase &c : kCases) {
    SampleRunner runner(samples, c);
    for (const SampleOrder &order : kSampleOrders) {
      auto got = runner.run(*library, order);
      ASSERT_TRUE(got.ok()) << got.message();
      ASSERT_EQ(runner.difference(*got), "");
    }
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
  for (SampleCase c : {SampleCase{32000, 0}, SampleCase{32000, 40}}) {
    KernelCost cost = costOf(samples.kernel(c));
    EXPECT_EQ(cost.threads, 1024) << c.name();
    EXPECT_EQ(cost.barriers, 1) << c.name();
    EXPECT_EQ(cost.threadgroupBytes, c.k ? 32 * 40 * 8 : 32 * 8) << c.name();
    EXPECT_EQ(cost.dynamicLoops, true) << c.name();
  }
  KernelCost one = costOf(samples.kernel({1000, 0}));
  EXPECT_EQ(one.threads, 32);
  EXPECT_EQ(one.barriers, 0);
  EXPECT_EQ(one.readBytes, 8 * 128 * 4);
}

} // namespace
