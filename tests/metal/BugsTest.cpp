//===- BugsTest.cpp - Every seeded bug must be found ----------------------===//
// Each bug is a small change to a kernel of cases/ that GoodCases.cpp knows to be
// right. The finding must name the kernel or function, the line, and the rule.
//===----------------------------------------------------------------------===//

#include "tests/metal/CaseRun.h"
#include "tests/metal/GoodCases.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

using namespace tq;
using namespace tq::metal;

namespace {

/// Lines: the one where the change begins, the kernel's own, or the one that holds a text.
constexpr char kHere[] = "<here>";
constexpr char kKernel[] = "<kernel>";

struct Bug {
  const char *name;
  const char *kernel; ///< whose launch is run
  const char *from, *to;
  const char *rule; ///< must be in the message
  const char *line = kHere;
  void (*change)(Case &) = nullptr; ///< the bug may be in the launch
};

const Bug kBugs[] = {
#include "tests/metal/Bugs.inc"
};

size_t lineAt(const std::string &text, size_t offset) {
  return 1 + static_cast<size_t>(std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(offset), '\n'));
}

class Bugs : public testing::TestWithParam<Bug> {};

TEST_P(Bugs, isFound) {
  const Bug &bug = GetParam();
  const GoodCase &good = goodCase(bug.kernel);
  std::string text = caseText(good.file);
  size_t at = 0;
  if (*bug.from) {
    // Kernels of one file share lines: look from this one's declaration first.
    size_t own = text.find(fmt::format("void {}(", bug.kernel));
    ASSERT_NE(own, std::string::npos);
    at = text.find(bug.from, own);
    if (at == std::string::npos)
      at = text.find(bug.from);
    ASSERT_NE(at, std::string::npos) << "the text to replace is not in " << good.file;
    text.replace(at, strlen(bug.from), bug.to);
  }
  size_t line = lineAt(text, at);
  if (bug.line == std::string_view(kKernel))
    line = lineAt(text, text.find(fmt::format("void {}(", bug.kernel)));
  else if (bug.line != std::string_view(kHere)) {
    size_t found = text.find(bug.line, text.find(fmt::format("void {}(", bug.kernel)));
    found = found == std::string::npos ? text.find(bug.line) : found;
    ASSERT_NE(found, std::string::npos);
    line = lineAt(text, found);
  }

  std::string message;
  auto library = Library::compile(text, {.name = good.file});
  if (!library) {
    message = library.message();
  } else {
    Case launch = good.launch();
    launch.kernel = bug.kernel;
    if (bug.change)
      bug.change(launch);
    Status status = runCase(*library, launch, {.timeLimit = 1});
    ASSERT_FALSE(status.ok()) << "not found";
    message = status.error().message;
  }
  EXPECT_NE(message.find(bug.rule), std::string::npos) << message;
  EXPECT_TRUE(message.starts_with(fmt::format("{}:{}: error: ", good.file, line)))
      << "line " << line << ": " << message;
  EXPECT_TRUE(message.find("kernel ") != std::string::npos || message.find("function ") != std::string::npos ||
              bug.line == std::string_view("#include"))
      << message;
  EXPECT_EQ(message.find("/tmp"), std::string::npos) << message;
  EXPECT_EQ(message.find("__msl"), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(Seeded, Bugs, testing::ValuesIn(kBugs),
                         [](const testing::TestParamInfo<Bug> &info) { return std::string(info.param.name); });

class Good : public testing::TestWithParam<GoodCase> {};

TEST_P(Good, isAccepted) {
  const GoodCase &good = GetParam();
  auto library = Library::compile(caseText(good.file), {.name = good.file});
  ASSERT_TRUE(library.ok()) << library.message();
  Case launch = good.launch();
  launch.kernel = good.kernel;
  Status status = runCase(*library, launch);
  EXPECT_TRUE(status.ok()) << status.error().message;
}

/// The fast build gives the checked build's bits, on one host thread and on several.
TEST_P(Good, isTheSameFast) {
  const GoodCase &good = GetParam();
  Case launch = good.launch();
  std::vector<std::vector<char>> results;
  for (bool checked : {true, false}) {
    auto library = Library::compile(caseText(good.file), {.name = good.file, .checked = checked});
    ASSERT_TRUE(library.ok()) << library.message();
    for (int threads : {1, 3}) {
      auto buffers = launch.buffers;
      Launch l;
      l.threadgroups = launch.threadgroups;
      l.threadsPerThreadgroup = launch.threadsPerThreadgroup;
      l.hostThreads = threads;
      for (auto &[index, bytes] : buffers)
        l.buffers.push_back({index, bytes.data(), bytes.size()});
      for (auto [index, bytes] : launch.threadgroupMemory)
        l.threadgroupMemory.push_back({index, bytes});
      Status status = library->run(good.kernel, l);
      ASSERT_TRUE(status.ok()) << status.error().message;
      results.push_back(buffers.at(launch.expected.begin()->first));
    }
  }
  for (size_t i = 1; i < results.size(); ++i)
    EXPECT_EQ(results[0], results[i]) << (i < 2 ? "checked" : "fast") << ", several host threads: " << i % 2;
  const Expectation &want = launch.expected.begin()->second;
  for (size_t i = 0; i < want.values.size() / bytesOf(want.element); ++i)
    EXPECT_NEAR(elementAt(results[2], want.element, i), elementAt(want.values, want.element, i),
                want.tolerance * (1 + std::abs(elementAt(want.values, want.element, i))));
}

INSTANTIATE_TEST_SUITE_P(Kernels, Good, testing::ValuesIn(goodCases()),
                         [](const testing::TestParamInfo<GoodCase> &info) { return std::string(info.param.kernel); });

/// A body of `kernel void f(device float *out, device const float *in, uint i)` over 32 threads and 64 ones in `in`,
/// and what it becomes with a bug; both start on line 5 behind one line of declarations.
struct Snippet {
  const char *name, *before, *right, *wrong, *rule;
  int line = 5;
};

const Snippet kSnippets[] = {
    {"array_at_the_end_of_a_struct", "struct B { half d; uchar q[16]; };",
     "out[i] = ((device const B *)in)[0].q[in[i] > 2 ? 16 : 15];",
     "out[i] = ((device const B *)in)[0].q[in[i] > 2 ? 15 : 16];", "out of bounds: index 16"},
    {"array_of_a_struct_by_reference",
     "struct S { float v[2]; }; static float g(thread S &s, int j) { return s.v[j]; }",
     "S s = {{1, 2}};\nout[i] = g(s, int(in[i]));", "S s = {{1, 2}};\nout[i] = g(s, int(in[i]) + 1);",
     "out of bounds: index 2", 3},
    {"far_beyond_a_buffer", "", "out[i] = in[i + 32];", "out[i] = in[i + 16384];", "byte 65536 of buffer(1) 'in'"},
    {"far_before_a_buffer", "", "out[i] = in[int(i) + 1];", "out[i] = in[int(i) - 20000];", "before buffer(1) 'in'"},
    {"next_constant",
     "constant float a[4] = {1, 2, 3, 4}, b[4] = {5, 6, 7, 8}; float pick(constant float *p, uint k) { "
     "return p[k]; }",
     "out[i] = pick(a, i % 4) + pick(b, 3);", "out[i] = pick(a, i % 4 + 1) + pick(b, 3);", "constant 'a'", 3},
    {"next_threadgroup_array", "",
     "threadgroup float s[32], t[32]; s[i] = t[i] = 1;\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "threadgroup float *p = s; out[i] = p[i] + t[i];",
     "threadgroup float s[32], t[32]; s[i] = t[i] = 1;\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "threadgroup float *p = s; out[i] = p[i + 96] + t[i];",
     "threadgroup variable", 7},
    {"private_struct",
     "struct A { float lo[4], hi[4]; }; float sum(thread const float *p, int n) { float s = 0; for (int "
     "j = 0; j < n; ++j) s += p[j]; return s; }",
     "A a = {{1, 2, 3, 4}, {1, 2, 3, 4}};\nout[i] = sum(a.hi, 4);",
     "A a = {{1, 2, 3, 4}, {1, 2, 3, 4}};\nout[i] = sum(a.hi, 5);", "private array or variable", 3},
    {"private_vector", "", "float4 v = float4(in[i]);\nout[i] = ((thread float *)&v)[3];",
     "float4 v = float4(in[i]);\nout[i] = ((thread float *)&v)[4];", "private array or variable", 6},
    {"private_scalar", "", "float x = in[i];\nout[i] = (&x)[0];", "float x = in[i];\nout[i] = (&x)[1];",
     "private array or variable", 6},
    {"private_row", "", "float a[2][4] = {};\nthread float *p = a[1];\nout[i] = p[3];",
     "float a[2][4] = {};\nthread float *p = a[1];\nout[i] = p[4];", "private array or variable", 7},
    {"lane_of_a_broadcast", "", "out[i] = simd_broadcast(in[i], 3);", "out[i] = simd_broadcast(in[i], i / 2);",
     "another lane, distance or mask"},
    {"distance_of_a_shuffle", "", "out[i] = simd_shuffle_down(in[i], 1);", "out[i] = simd_shuffle_down(in[i], i & 1);",
     "another lane, distance or mask"},
    {"mask_of_a_shuffle", "", "out[i] = simd_shuffle_xor(in[i], 1);", "out[i] = simd_shuffle_xor(in[i], i & 3);",
     "another lane, distance or mask"},
    {"distance_of_a_rotation", "", "out[i] = simd_shuffle_rotate_up(in[i], 1);",
     "out[i] = simd_shuffle_rotate_up(in[i], i & 1);", "another lane, distance or mask"},
    {"distance_of_a_fill", "", "out[i] = simd_shuffle_and_fill_up(in[i], 0.0f, 2, 8);",
     "out[i] = simd_shuffle_and_fill_up(in[i], 0.0f, 2, i < 9 ? 8 : 16);", "another lane, distance or mask"},
    {"lane_in_a_quadgroup", "", "out[i] = quad_broadcast(in[i], (i / 4) & 3) + simd_shuffle(in[i], i ^ 1);",
     "out[i] = quad_broadcast(in[i], i & 3);", "another lane, distance or mask"},
    {"bfloat_times_half", "", "out[i] = float(bfloat(in[i])) * float(2.0h);", "out[i] = float(bfloat(in[i]) * 2.0h);",
     "do not mix bfloat and half"},
    {"garbage_of_any_value", "", "float a[4];\na[0] = a[2] = in[i];\nout[i] = a[0] + (a[2] > 1e30f ? 1 : 0);",
     "float a[4];\na[0] = in[i];\nout[i] = a[0] + (a[2] > 1e30f ? 1 : 0);", "uninitialised private memory", 4},
    {"half_of_a_vector", "", "half4 a;\na.xy = half2(1);\nout[i] = a.x + a.y;",
     "half4 a;\na.x = 1;\nout[i] = a.x + a.y;", "uninitialised private memory", 4},
    {"elements_in_a_loop", "",
     "float4 s;\nfor (int j = 0; j < 4; ++j) s[j] = in[j];\nfloat4 r = fma(s, s, s);\nout[i] = r.w;",
     "float4 s;\nfor (int j = 0; j < 3; ++j) s[j] = in[j];\nfloat4 r = fma(s, s, s);\nout[i] = r.w;",
     "uninitialised private memory", 4},
    {"first_of_a_loop", "",
     "float m; bool have = false;\nfor (uint j = 0; j <= i; ++j) { if (!have || in[j] > m) { m = in[j]; have = true; } "
     "}\n"
     "out[i] = m;",
     "float m; bool have = false;\nfor (uint j = 0; j < i; ++j) { if (!have || in[j] > m) { m = in[j]; have = true; } "
     "}\n"
     "out[i] = m;",
     "uninitialised private memory", 4},
    {"sum_of_a_loop", "", "float m = 0;\nfor (uint j = 0; j < 3; ++j)\n  m = m + in[j];\nout[i] = m;",
     "float m; if (in[i] > 2) m = 0;\nfor (uint j = 0; j < 3; ++j)\n  m = m + in[j];\nout[i] = m;", "uninitialized", 7},
    {"shift_of_a_cast", "", "ulong x = i; uint y = i >> 3;\nout[i] = float((ulong)1 << 40) + float(x << 33 >> 33) + y;",
     "ulong x = i; uint y = i >> 3;\nout[i] = float(1 << 40) + float(x << 33 >> 33) + y;", "shift by 40", 6},
    {"function_without_a_body", "static float g(float x) { return x; } float h(float x);", "out[i] = g(in[i]);",
     "out[i] = 1;\nout[i] = h(in[i]);", "'h(float)' is declared, but not defined", 6},
    {"last_statement_atomic", "",
     "out[i] = 1;\natomic_fetch_add_explicit((device atomic_uint *)out + 40, 1u, memory_order_relaxed);",
     "out[i] = 1;\natomic_fetch_add_explicit((device atomic_uint *)out + 64, 1u, memory_order_relaxed);",
     "out of bounds", 6},
    {"endless_loop", "", "uint k = i + uint(in[0]);\nout[i] = 0;\nwhile (k == 0) { k |= 1; }\nout[i] = k;",
     "uint k = i + uint(in[0]);\nout[i] = 0;\nwhile (k != 0) { k |= 1; }\nout[i] = k;", "endless loop", 7},
    {"scalar_beside_a_vector", "",
     "half4 h = half4(in[i]); uchar4 u = uchar4(9);\nh = h * 2.0f - 1.0f;\nu = (u & 0x0F) - 8;\n"
     "out[i] = all(half4(h * 1.5f) > 1.0f) && all(u == 1) ? 1 : 0;",
     "half4 h = half4(in[i]); short4 u = short4(9);\nh = h * 2.0f - 1.0f;\nu = u * 2.5f;\nout[i] = h.x;",
     "greater rank", 7},
    {"scalar_in_a_template", "template <class T> T twice(T v) { return v * 2.0f; }",
     "out[i] = twice(half4(1)).x + twice(in[i]);", "out[i + 64] = twice(half4(1)).x + twice(in[i]);", "out of bounds"},
    // Components are memory locations of their own.
    {"indexed_components", "",
     "threadgroup float4 t[8];\nt[i / 4][i & 3] = in[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "out[i] = t[i / 4][i & 3];",
     "threadgroup float4 t[8];\nt[i / 4][i & 2] = in[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "out[i] = t[i / 4][i & 3];",
     "data race on threadgroup variable 't'", 6},
    {"index_of_a_component", "", "device float4 *v = (device float4 *)out;\nv[i / 4][i & 3] = 1;",
     "device float4 *v = (device float4 *)out;\nv[i / 4][i & 7] = 1;", "out of bounds: index 4", 6},
    {"named_components", "",
     "device float4 *v = (device float4 *)out;\nif (i < 8)\n  v[i].x = 1;\nif (i >= 24)\n  v[i - 24].y += 2;",
     "device float4 *v = (device float4 *)out;\nif (i < 8)\n  v[i].x = 1;\nif (i >= 24)\n  v[i - 24].x += 2;",
     "data race", 9},
    {"swizzled_components", "",
     "device half4 *v = (device half4 *)out;\nif (i < 8)\n  v[i].xz = half2(1);\nif (i >= 24)\n  v[i - 24].wy = "
     "half2(2, 3);",
     "device half4 *v = (device half4 *)out;\nif (i < 8)\n  v[i].xz = half2(1);\nif (i >= 24)\n  v[i - 24].wx = "
     "half2(2, 3);",
     "data race", 9},
    {"components_that_are_read", "",
     "device float4 *v = (device float4 *)out;\nif (i & 1)\n  v[i / 2].x = 1;\nelse\n  v[i / 2].w = v[i / 2].y + "
     "dot(v[i / 2].yz, float2(1));",
     "device float4 *v = (device float4 *)out;\nif (i & 1)\n  v[i / 2].x = 1;\nelse\n  v[i / 2].w = v[i / 2].y + "
     "dot(v[i / 2].xz, float2(1));",
     "data race", 7},
    {"components_nobody_wrote", "",
     "threadgroup half3 t[16];\nif (i & 1) t[i / 2].x = 1; else t[i / 2].z = 2;\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = t[i / 2].x + t[i / 2].z;",
     "threadgroup half3 t[16];\nif (i & 1) t[i / 2].x = 1; else t[i / 2].z = 2;\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = t[i / 2].x + t[i / 2].y;",
     "no thread has written", 8},
    {"columns_of_a_matrix", "",
     "threadgroup float2x2 m[8];\nm[i / 4][i >> 1 & 1][i & 1] = in[i];\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = m[i / 4][0].y;",
     "threadgroup float2x2 m[8];\nm[i / 4][i >> 1 & 1][1] = in[i];\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = m[i / 4][0].y;",
     "data race", 6},
    // What real kernels do beside that.
    {"vector_with_fewer_values", "", "float4 v = {in[i]}, w = {float2(2), 3};\nout[i] = v.x + v.w + w.z + w.w;",
     "float4 v = {in[i]}, w = {float3(2), float2(3)};\nout[i] = v.x + v.w + w.z + w.w;", "too many elements"},
    {"vector_of_vectors", "constant float4 kV = {float2(1), 2, 3};", "float4 v = {kV.xy, kV.z};\nout[i] = v.z + kV.w;",
     "float4 v = {half2(kV.xy), kV.z};\nout[i] = v.z + kV.w;", "mixed element types"},
    {"constexpr_table_by_pointer",
     "constexpr constant float kTable[2] = {1, 2}; static float pick(constant float *p, int i) { return p[i]; }",
     "out[i] = pick(kTable, 1);", "out[i] = pick(kTable, 2);", "constant 'kTable'", 3},
    {"fraction_in_a_template", "template <class T> T third(T v) { return v * 0.1 + 0.2; }",
     "out[i] = third(1.0f) == 1.0f * 0.1f + 0.2f ? 1 : in[i + 64];",
     "out[i] = third(1.0f) == 1.0f * 0.1f + 0.3f ? 1 : in[i + 64];", "out of bounds"},
    {"threadgroup_initialiser", "", "threadgroup float s[2];\nif (i < 2) s[i] = 0;\nout[i] = i < 2 ? s[i] : 1;",
     "threadgroup float s[2] = {0};\nout[i] = i < 2 ? s[i] : 1;", "initialisers of threadgroup variables are not run"},
};

class Snippets : public testing::TestWithParam<Snippet> {};

std::string check(const Snippet &snippet, const char *body) {
  std::string text = fmt::format("#include <metal_stdlib>\nusing namespace metal;\n{}\nkernel void f(device float *out "
                                 "[[buffer(0)]], device const float *in [[buffer(1)]], uint i "
                                 "[[thread_position_in_grid]]) {{\n{}\n}}\n",
                                 snippet.before, body);
  auto library = Library::compile(text, {.name = "k.metal"});
  if (!library)
    return library.message();
  Case launch;
  launch.kernel = "f";
  launch.threadsPerThreadgroup = {32, 1, 1};
  launch.buffers = {{0, std::vector<char>(256)}, {1, bytesOf(std::vector<float>(64, 1.0f))}};
  Status status = runCase(*library, launch, {.timeLimit = 0.5});
  return status.ok() ? "" : status.error().message;
}

TEST_P(Snippets, areJudged) {
  const Snippet &snippet = GetParam();
  EXPECT_EQ(check(snippet, snippet.right), "");
  std::string message = check(snippet, snippet.wrong);
  EXPECT_NE(message.find(snippet.rule), std::string::npos) << message;
  EXPECT_TRUE(message.starts_with(fmt::format("k.metal:{}: error: ", snippet.line))) << message;
}

INSTANTIATE_TEST_SUITE_P(Pairs, Snippets, testing::ValuesIn(kSnippets),
                         [](const testing::TestParamInfo<Snippet> &info) { return std::string(info.param.name); });

} // namespace
