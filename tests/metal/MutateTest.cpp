//===- MutateTest.cpp - Which faults, and where ---------------------------===//

#include "tests/metal/Mutate.h"
#include "tests/metal/Executor.h"
#include "tests/metal/MachineCode.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace tq;
using namespace tq::metal;

namespace {

constexpr char kText[] = R"(// Generated.
#include <metal_stdlib>
using namespace metal;

// first: adds
[[max_total_threads_per_threadgroup(32)]]
kernel void first(device const float* x [[buffer(0)]],
                  device float* y [[buffer(1)]],
                  device const float* z [[buffer(2)]],
                  constant int* params [[buffer(3)]],
                  uint lane [[thread_index_in_simdgroup]]) {
  alignas(16) threadgroup float part[32];
  float own[2];
  part[lane] = x[lane];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint row = lane / 8u;
  uint at = row * 32u + lane % 8u * 4u;
  uint keys = uint(params[0]) + 1u;
  for (uint i = 1u; i < 2u; i += 1u) {
    own[i] = simd_shuffle_xor(part[i], 2u);
  }
  float2 pair = float2(own[1], z[lane]);
  if (lane < 8u && own[1] > 0.5f) {
    *(device float4*)(y + at) = float4(pair.y);
  }
  if (lane == 9u || lane < keys) {
    *(device float4*)y = float4(0.0f);
  }
}

// second: nothing
kernel void second(device float* y [[buffer(0)]]) {
  y[0] = 1.0f;
}
)";

class Mutate : public testing::Test {
protected:
  Mutate() : kernels(splitKernels(kText)) {
    for (const Mutant &m : mutantsOf(kernels.at(0)))
      changes.push_back(std::string(nameOf(m.kind)) + ": " + m.is);
  }
  void expect(const std::string &change) {
    EXPECT_EQ(std::ranges::count(changes, change), 1) << change << "\nis not once among\n" << all();
  }
  std::string all() const {
    std::string text;
    for (const std::string &change : changes)
      text += change + "\n";
    return text;
  }
  std::vector<KernelSource> kernels;
  std::vector<std::string> changes;
};

TEST_F(Mutate, kernelsStandAlone) {
  ASSERT_EQ(kernels.size(), 2u);
  EXPECT_EQ(kernels[0].name, "first");
  EXPECT_EQ(kernels[1].text, "#include <metal_stdlib>\nusing namespace metal;\n"
                             "kernel void second(device float* y [[buffer(0)]]) {\n  y[0] = 1.0f;\n}\n");
  for (const KernelSource &kernel : kernels) {
    auto library = Library::compile(kernel.text, {.cached = false});
    EXPECT_TRUE(library.ok()) << library.message();
  }
}

TEST_F(Mutate, everyOperator) {
  expect("barrier-removed: ");
  expect("barrier-weakened: threadgroup_barrier(mem_flags::mem_none);");
  expect("barrier-weakened: threadgroup_barrier(mem_flags::mem_device);");
  expect("barrier-weakened: simdgroup_barrier(mem_flags::mem_threadgroup);");
  for (const char *space : {"constant", "threadgroup", "thread"}) {
    expect("space: " + std::string(space) + " float* y [[buffer(1)]],");
    expect("space: *(" + std::string(space) + " float4*)(y + at) = float4(pair.y);");
  }
  expect("space: alignas(16) thread float part[32];");
  expect("space: threadgroup float own[2];");
  expect("extent: alignas(16) threadgroup float part[32 - 1];");
  expect("extent: float own[2 - 1];");
  for (const char *step : {"+", "-"}) {
    auto change = [&](const std::string &before, const std::string &after) { expect(before + step + after); };
    change("index: part[(lane) ", " 1] = x[lane];");
    change("index: part[lane] = x[(lane) ", " 1];");
    change("address: uint at = (row * 32u + lane % 8u * 4u) ", " 1;");
    change("address: uint row = (lane / 8u) ", " 1;");
    change("term: uint row = lane / (8u ", " 1);");
    change("term: uint row = (lane ", " 1) / 8u;");
    change("term: uint at = row * 32u + lane % 8u * (4u ", " 1);");
    change("term: uint at = (row ", " 1) * 32u + lane % 8u * 4u;");
    change("address: uint keys = (uint(params[0]) + 1u) ", " 1;");
    change("loop-start: for (uint i = (1u) ", " 1; i < 2u; i += 1u) {");
    change("loop-bound: for (uint i = 1u; i < (2u) ", " 1; i += 1u) {");
    change("lane: own[i] = simd_shuffle_xor(part[i], (2u) ", " 1);");
    change("offset: *(device float4*)(y + at ", " 1) = float4(pair.y);");
    change("offset: *(device float4*)(y + at ", " 4) = float4(pair.y);");
    change("offset: *(device float4*)(y ", " 4) = float4(0.0f);");
    change("compare: if (lane == (9u) ", " 1 || lane < keys) {");
  }
  expect("compare: if (lane <= 8u && own[1] > 0.5f) {");
  expect("loop-step: for (uint i = 1u; i < 2u; i += (1u) + 1) {");
  expect("loop-step: for (uint i = 1u; i < 2u; i += (1u) * 2) {");
  expect("component: *(device float4*)(y + at) = float4(pair.x);");
  expect("binding: kernel void first(device const float* x [[buffer(2)]],");
  // Attributes are no subscripts, comparisons of floats no bounds.
  for (const std::string &change : changes) {
    EXPECT_EQ(change.find("[buffer((0"), change.npos) << change;
    EXPECT_EQ(change.find(">="), change.npos) << change;
  }
}

TEST_F(Mutate, comparisonsThatDependOnTheCall) {
  for (const Mutant &m : mutantsOf(kernels[0]))
    if (m.kind == Operator::Compare && m.replacement == "<=")
      EXPECT_EQ(m.dependsOnCall, m.is.find("lane <= keys") != m.is.npos) << m.is;
}

TEST_F(Mutate, namesAreTheirOwnAndStay) {
  auto mutants = mutantsOf(kernels[0]);
  std::vector<std::string> ids;
  for (const Mutant &m : mutants)
    ids.push_back(m.id);
  std::ranges::sort(ids);
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
  // A line more elsewhere moves lines, not names.
  KernelSource longer = kernels[0];
  longer.text.insert(longer.text.find("  float own"), "  float unused = 0.0f;\n");
  auto moved = mutantsOf(longer);
  ASSERT_EQ(moved.size(), mutants.size());
  for (size_t i = 0; i < mutants.size(); ++i)
    EXPECT_EQ(moved[i].id, mutants[i].id);
  EXPECT_EQ(moved.back().line, mutants.back().line + 1);
}

TEST_F(Mutate, machineCodeTellsFaultsFromSpelling) {
  const KernelSource &second = kernels[1];
  auto code = machineCode(second.text);
  ASSERT_TRUE(code.ok()) << code.message();
  auto changed = [&](const std::string &to) {
    std::string text = second.text;
    return machineCode(text.replace(text.find("y[0] = 1.0f"), 11, to));
  };
  EXPECT_TRUE(*code == *changed("y[1 - 1] = 0.5f + 0.5f"));
  EXPECT_FALSE(*code == *changed("y[1] = 1.0f"));
  EXPECT_FALSE(*code == *changed("y[0] = 2.0f"));
  EXPECT_FALSE(*code == *changed("threadgroup_barrier(mem_flags::mem_none); y[0] = 1.0f"));
}

TEST(MachineCode, addressSpacesLeaveNoTrace) {
  auto code = [](const std::string &space) {
    return machineCode("#include <metal_stdlib>\nusing namespace metal;\nkernel void f(" + space +
                       " const float *x [[buffer(0)]], device float *y [[buffer(1)]]) { y[0] = x[0]; }\n");
  };
  auto device = code("device"), constant = code("constant");
  ASSERT_TRUE(device.ok()) << device.message();
  ASSERT_TRUE(constant.ok()) << constant.message();
  EXPECT_TRUE(*device == *constant);
}

} // namespace
