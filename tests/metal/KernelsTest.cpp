//===- KernelsTest.cpp - Kernels that are more than functions of the text --===//
// Instances of templates, host names, namespaces, function constants, threadgroup
// variables in blocks: what must run, and next to it what must be found.
//===----------------------------------------------------------------------===//

#include "tests/metal/CaseRun.h"
#include "tests/metal/GoodCases.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

using namespace tq;
using namespace tq::metal;

namespace {

/// The text begins on line 3 of k.metal.
Result<Library> compile(const std::string &text, const FunctionConstants &constants = {}, bool checked = true) {
  return Library::compile("#include <metal_stdlib>\nusing namespace metal;\n" + text,
                          {.name = "k.metal", .checked = checked, .version = 400, .functionConstants = constants});
}

/// One simdgroup of a kernel with 32 floats, 1 to 32, at buffer(0): the Error's message, or nothing.
std::string run(const std::string &text, const std::string &kernel, const std::vector<float> &expected = {},
                const FunctionConstants &constants = {}) {
  auto library = compile(text, constants);
  if (!library)
    return library.message();
  Case launch;
  launch.kernel = kernel;
  launch.threadsPerThreadgroup = {32, 1, 1};
  std::vector<float> x(32);
  for (size_t i = 0; i < 32; ++i)
    x[i] = static_cast<float>(i + 1);
  launch.buffers = {{0, bytesOf(x)}};
  if (!expected.empty())
    launch.expected[0] = {Element::F32, bytesOf(expected), 0};
  Status status = runCase(*library, launch);
  return status.ok() ? "" : status.error().message;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return at == text.npos ? text : text.replace(at, from.size(), to);
}

bool has(const std::string &message, std::string_view what) { return message.find(what) != message.npos; }

constexpr char kTemplate[] = R"(
template <typename T, short N, int M = 2 * N>
kernel void k(device T *x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup T s[M];
  if (i < M)
    s[i] = x[i] * T(N);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if constexpr (N == 4)
    x[i] = s[i % M];
  else
    x[i] = s[i % M + 1] + x[i].x;
}
)";

TEST(KernelTemplates, instancesHaveHostNames) {
  std::string text = std::string(kTemplate) + R"(
template [[host_name("k_float_4")]] kernel void k<float, 4>(device float *x [[buffer(0)]],
                                                            uint i [[thread_index_in_threadgroup]]);
typedef decltype(k<float, 4>) k_t;
template [[host_name("k_float_4_32")]] [[kernel]] k_t k<float, 4, 32>;
template [[host_name("k-half")]] [[kernel]] decltype(k<half, 4>) k<half, 4>;
)";
  auto library = compile(text);
  ASSERT_TRUE(library.ok()) << library.message();
  ASSERT_EQ(library->kernels().size(), 3u);
  EXPECT_EQ(library->kernels()[0].name, "k_float_4");
  EXPECT_EQ(library->kernels()[0].line, 16);
  EXPECT_EQ(library->kernels()[0].threadgroupBytes, 32u);
  EXPECT_EQ(library->kernels()[1].name, "k_float_4_32");
  EXPECT_EQ(library->kernels()[1].threadgroupBytes, 128u);
  EXPECT_EQ(library->kernels()[2].name, "k-half");
  EXPECT_EQ(library->kernels()[2].parameters[0].type, "half*");
  EXPECT_EQ(library->kernels()[2].threadgroupBytes, 16u);
  std::vector<float> eight, all;
  for (int i = 0; i < 32; ++i) {
    eight.push_back(4.0f * static_cast<float>(i % 8 + 1));
    all.push_back(4.0f * static_cast<float>(i + 1));
  }
  EXPECT_EQ(run(text, "k_float_4", eight), "");
  EXPECT_EQ(run(text, "k_float_4_32", all), "");
}

/// The fast build runs the same instances.
TEST(KernelTemplates, instancesRunFast) {
  auto library =
      compile(std::string(kTemplate) + "template kernel void k<float, 4>(device float *, uint);\n", {}, false);
  ASSERT_TRUE(library.ok()) << library.message();
  float x[32] = {3, 5};
  Launch launch;
  launch.threadsPerThreadgroup = {32, 1, 1};
  launch.buffers = {{0, x, sizeof(x)}};
  Status status = library->run("k", launch);
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(x[8], 12);
  EXPECT_EQ(x[31 - 6], 20);
}

/// Findings are in the template's lines and name the instance that ran.
TEST(KernelTemplates, faultsOfOneInstance) {
  std::string text = R"(
template <typename T, int N> [[kernel]] void k(device T *x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup T s[32];
  s[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = s[i + N];
}
template [[host_name("right")]] kernel void k<float, 0>(device float *, uint);
template [[host_name("wrong")]] kernel void k<float, 1>(device float *, uint);
)";
  EXPECT_EQ(run(text, "right"), "");
  std::string message = run(text, "wrong");
  EXPECT_TRUE(message.starts_with("k.metal:8: error: kernel wrong: thread 31: out of bounds: index 32")) << message;
  text = replaced(text, "  threadgroup_barrier(mem_flags::mem_threadgroup);\n", "");
  text = replaced(text, "s[i + N]", "s[i ^ N]");
  EXPECT_EQ(run(text, "right"), "");
  message = run(text, "wrong");
  EXPECT_TRUE(has(message, "threadgroup variable 's'") && message.starts_with("k.metal:7: error: kernel wrong"))
      << message;
}

TEST(KernelTemplates, functionsAsArguments) {
  std::string text = R"(
static float twice(float x) { return 2 * x; }
template <int N, typename T> T times(T x) { return N * x; }
template <typename T, T (*f)(T)> kernel void apply(device T *x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  x[i] = f(x[i]);
}
typedef decltype(apply<float, twice>) apply_t;
template [[host_name("twice")]] kernel apply_t apply<float, twice>;
template [[host_name("thrice")]] kernel apply_t apply<float, times<3>>;
)";
  std::vector<float> two, three;
  for (int i = 1; i <= 32; ++i) {
    two.push_back(static_cast<float>(2 * i));
    three.push_back(static_cast<float>(3 * i));
  }
  EXPECT_EQ(run(text, "twice", two), "");
  EXPECT_EQ(run(text, "thrice", three), "");
}

TEST(KernelTemplates, limitsDependOnArguments) {
  auto library = compile(R"(
constant int kSimd = 32;
template <int WM, int WN = WM> [[kernel, max_total_threads_per_threadgroup(WM * WN * kSimd)]] void k(
    device float *x [[buffer(WM)]]) { x[0] = WN; }
template [[host_name("a")]] kernel void k<2>(device float *);
template [[host_name("b")]] kernel void k<4, 1>(device float *);
)");
  ASSERT_TRUE(library.ok()) << library.message();
  EXPECT_EQ(library->kernels()[0].maxTotalThreads, 128u);
  EXPECT_EQ(library->kernels()[0].parameters[0].index, 2);
  EXPECT_EQ(library->kernels()[1].maxTotalThreads, 128u);
  EXPECT_EQ(library->kernels()[1].parameters[0].index, 4);
}

/// A template that nobody instantiates is no kernel, and read as far as C++ reads it.
TEST(KernelTemplates, withoutInstances) {
  auto library = compile(kTemplate);
  ASSERT_TRUE(library.ok()) << library.message();
  EXPECT_TRUE(library->kernels().empty());
  library = compile("template <typename T> kernel void k(device T *x [[buffer(0)]]) { x[0] = y; }\n");
  ASSERT_FALSE(library.ok());
  EXPECT_TRUE(has(library.message(), "k.metal:3: error: kernel k: use of undeclared identifier 'y'"));
}

TEST(KernelTemplates, wrongForms) {
  const std::pair<const char *, const char *> wrong[] = {
      {"template [[host_name(\"a\")]] kernel void k<half, 5>(device half *, uint);", "member reference base type"},
      {"template [[host_name(\"a\")]] kernel void k<float>(device float *, uint);", "no template argument for 'N'"},
      {"template [[host_name(\"a\")]] kernel void k<float, 4>(device half *, uint);", "explicit instantiation of 'k'"},
      {"template [[host_name(\"a\")]] kernel void other<float>(device float *);", "other is no template of kernels"},
      {"template [[host_name(\"a\")]] kernel void k(device float *, uint);", "needs its arguments written"},
      {"template kernel void k<float, 4>(device float *, uint); template kernel void k<half, 4>(device half *, uint);",
       "a kernel of that name is on line 15 already"},
      {"static void f(device float *x) { k<float, 4>(x, 0); }", "kernel k cannot be called from a function"},
      {"template <typename... T> kernel void p(device float *x) {} template kernel void p<int>(device float *);",
       "packs of template arguments"},
  };
  for (const auto &[text, rule] : wrong) {
    auto library = compile(std::string(kTemplate) + text + "\n");
    ASSERT_FALSE(library.ok()) << text;
    EXPECT_TRUE(has(library.message(), rule)) << text << "\n" << library.message();
  }
}

TEST(Kernels, hostNames) {
  auto library = compile("[[host_name(\"public\")]] kernel void f(device float *x [[buffer(0)]]) { x[0] = 1; }\n");
  ASSERT_TRUE(library.ok()) << library.message();
  EXPECT_NE(library->find("public"), nullptr);
  EXPECT_EQ(library->find("f"), nullptr);
  library = compile("[[host_name(\"g\")]] kernel void f(device float *x) { x[0] = 1; }\n"
                    "kernel void g(device float *x) { x[0] = 2; }\n");
  ASSERT_FALSE(library.ok());
  EXPECT_TRUE(has(library.message(), "k.metal:4: error: kernel g: a kernel of that name is on line 3"))
      << library.message();
}

TEST(Kernels, insideNamespaces) {
  std::string text = R"(
namespace a {
struct Scale { float by; };
namespace b {
static float scaled(float x) { Scale s = {3}; return x * s.by; }
kernel void f(device float *x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float s[32];
  s[i] = scaled(x[i]);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = s[31 - i];
}
}
template <typename T> kernel void g(device T *x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) { x[i].by = 7; }
template [[host_name("g")]] kernel void g<Scale>(device Scale *, uint);
}
kernel void f(device float *x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) { x[i] = 1; }
)";
  std::vector<float> want;
  for (int i = 0; i < 32; ++i)
    want.push_back(static_cast<float>(3 * (32 - i)));
  EXPECT_EQ(run(text, "a::b::f", want), "");
  EXPECT_EQ(run(text, "g", std::vector<float>(32, 7)), "");
  EXPECT_EQ(run(text, "f", std::vector<float>(32, 1)), "");
  std::string message = run(replaced(text, "s[31 - i]", "s[32 - i]"), "a::b::f");
  EXPECT_TRUE(message.starts_with("k.metal:12: error: kernel a::b::f: thread 0: out of bounds: index 32")) << message;
}

/// Threadgroup variables are as wide as the block they are in; only kernels have them.
TEST(Kernels, threadgroupVariablesInBlocks) {
  std::string text = R"(
kernel void f(device float *x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  for (uint round = 0; round < 2; ++round) {
    threadgroup float s[32], last;
    s[i] = x[i];
    if (i == 31) last = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    x[i] = s[31 - i] + last;
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  { alignas(16) threadgroup float s[1]; threadgroup float *p = s; if (i == 0) *p = 1; }
  threadgroup struct { float v; uint n; } pairs[32];
  pairs[i].v = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] += pairs[31 - i].v;
})";
  EXPECT_EQ(run(text, "f"), "");
  std::string message = run(replaced(text, "threadgroup_barrier(mem_flags::mem_threadgroup);", ""), "f");
  EXPECT_TRUE(has(message, "threadgroup variable 's'") || has(message, "threadgroup variable 'last'")) << message;
  auto library = compile("static void g(device float *x) { threadgroup float s[2]; s[0] = 1; x[0] = s[0]; }\n"
                         "kernel void f(device float *x) { g(x); }\n");
  ASSERT_FALSE(library.ok());
  EXPECT_TRUE(has(library.message(), "k.metal:3: error: function g: only kernels have variables in the threadgroup"))
      << library.message();
}

/// What is wrong with one is said of the text's own names and types.
TEST(Kernels, wrongThreadgroupVariables) {
  const std::pair<const char *, const char *> wrong[] = {
      {"int n = 3; threadgroup float s[n]; s[0] = n;", "size"},
      {"threadgroup Unknown s[2]; s[0] = 1;", "unknown type name 'Unknown'"},
      {"threadgroup float s[-1]; s[0] = 1;", "'s' declared as an array with a negative size"},
      {"threadgroup float s[2]; threadgroup float s[2]; s[0] = 1;", "redefinition of 's'"},
      {"threadgroup float s[2]; s = 1;", "array type 'threadgroup float[2]' is not assignable"},
      {"threadgroup float s[2]; s[5] = 1;", "(that has type 'threadgroup float[2]')"},
      {"threadgroup float s[2]; device float *p = s; *p = 1;", "with an lvalue of type 'threadgroup float[2]'"},
  };
  for (const auto &[body, rule] : wrong) {
    auto library = compile(fmt::format("kernel void f(device float *x) {{ {} }}\n", body));
    ASSERT_FALSE(library.ok()) << body;
    EXPECT_TRUE(has(library.message(), rule)) << library.message();
    EXPECT_FALSE(has(library.message(), "__msl")) << library.message();
    EXPECT_FALSE(has(library.message(), "')") && !has(rule, "')")) << library.message();
  }
}

constexpr char kConstants[] = R"(
constant int add [[function_constant(0)]];
constant bool scale [[function_constant(1)]];
constant float by [[function_constant(2)]];
constant bool both = is_function_constant_defined(add) && scale;
constant float factor = is_function_constant_defined(by) ? by : 1.5f;
constant int more = add + 1;
kernel void f(device float *x [[buffer(0)]], constant float *bias [[buffer(1), function_constant(both)]],
              uint i [[thread_index_in_threadgroup]]) {
  x[i] += add;
  if (scale)
    x[i] *= factor;
}
kernel void g(device float *x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  if (is_function_constant_defined(add))
    x[i] = more;
}
kernel void h(device float *x [[buffer(0)]], device float *y [[buffer(1), function_constant(scale)]],
              uint i [[thread_index_in_threadgroup]]) {
  x[i] = scale ? y[i] : 4;
}
)";

std::vector<float> line(float factor, float offset) {
  std::vector<float> out;
  for (int i = 1; i <= 32; ++i)
    out.push_back(static_cast<float>(i) * factor + offset);
  return out;
}

TEST(FunctionConstants, valuesAreSeen) {
  EXPECT_EQ(run(kConstants, "f", line(1, -3), {{0, "-3"}, {1, "false"}}), "");
  EXPECT_EQ(run(kConstants, "g", std::vector<float>(32, 8), {{0, "7"}}), "");
  EXPECT_EQ(run(kConstants, "g", line(1, 0)), "");
  EXPECT_EQ(
      run("constant float2 v [[function_constant(3)]];\n"
          "kernel void f(device float *x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) { x[i] = v.y; }\n",
          "f", std::vector<float>(32, 2.5f), {{3, "1, 2.5"}}),
      "");
}

/// What nobody gave a value is found where a kernel reads it, and not before.
TEST(FunctionConstants, withoutAValue) {
  auto library = compile(kConstants);
  ASSERT_TRUE(library.ok()) << library.message();
  std::string message = run(kConstants, "f", {}, {{1, "false"}});
  EXPECT_TRUE(message.starts_with("k.metal:12: error: kernel f: thread 0: function constant 'add' has no value"))
      << message;
  message = run(replaced(kConstants, "  if (is_function_constant_defined(add))\n", ""), "g");
  EXPECT_TRUE(has(message, "kernel g: thread 0: 'more' depends on function constant 'add', which has no value"))
      << message;
}

TEST(FunctionConstants, inNamespaces) {
  std::string text = "namespace a { constant int n [[function_constant(4)]]; }\n"
                     "static float g(uint i) { static constant float n[2] = {3, 4}; return n[i & 1]; }\n"
                     "kernel void f(device float *x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {\n"
                     "  x[i] = g(0) + (is_function_constant_defined(a::n) ? 0 : 1);\n}\n"
                     "kernel void h(device float *x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {\n"
                     "  x[i] = a::n;\n}\n";
  EXPECT_EQ(run(text, "f", std::vector<float>(32, 4)), "");
  EXPECT_EQ(run(text, "h", std::vector<float>(32, 9), {{4, "9"}}), "");
  EXPECT_TRUE(has(run(text, "h"), "k.metal:9: error: kernel h: thread 0: ") && has(run(text, "h"), "'n' has no value"))
      << run(text, "h");
}

TEST(FunctionConstants, parametersThatAreAbsent) {
  EXPECT_EQ(run(kConstants, "h", {}, {{1, "false"}}), "");
  EXPECT_TRUE(has(run(kConstants, "h", {}, {{1, "true"}}), "buffer(1) 'y' is not bound"));
  std::string message = run(kConstants, "h");
  EXPECT_TRUE(message.starts_with("k.metal:20: error: kernel h: buffer(1) 'y' depends on function constant 'scale'"))
      << message;
  std::string wrong = replaced(kConstants, "scale ? y[i] : 4", "y[i]");
  message = run(wrong, "h", {}, {{1, "false"}});
  EXPECT_TRUE(has(message, "out of bounds") && has(message, "memory that is not bound")) << message;
}

TEST(FunctionConstants, wrongForms) {
  struct {
    const char *text, *value, *rule;
  } wrong[] = {
      {"constant int n [[function_constant(0)]];", "1.5", "narrow"},
      {"constant uchar n [[function_constant(0)]];", "300", "narrow"},
      {"constant bool n [[function_constant(0)]];", "3", "narrow"},
      {"constant int n [[function_constant(65536)]];", "3", "must be 0 to 65535"},
      {"constant int n [[function_constant(0)]] = 3;", "3", "without a value"},
      {"constant int n [[function_constant(0)]], m [[function_constant(0)]];", "3", "without a value"},
      {"constant int n [[function_constant(0)]]; constant int m [[function_constant(0)]];", "3", "both have"},
      {"constant int n [[function_constant(0)]]; static void g() { n = 3; }", "3", "cannot assign to variable 'n'"},
  };
  for (const auto &[text, value, rule] : wrong) {
    auto library = compile(std::string(text) + "\nkernel void f(device float *x) { x[0] = n; }\n", {{0, value}});
    ASSERT_FALSE(library.ok()) << text;
    EXPECT_TRUE(has(library.message(), rule)) << library.message();
    EXPECT_TRUE(library.message().starts_with("k.metal:3: ")) << library.message();
  }
}

/// A reference is to all of its type; a pointer says nothing of how much there is.
TEST(Kernels, referencesToTooLittle) {
  std::string text = R"(
struct Big { float v[32]; };
kernel void whole(device Big &b [[buffer(0)]]) { b.v[0] = 1; }
kernel void pointer(device float4x4 *b [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) { (*b)[0][i & 3] = 1; }
template <typename T> kernel void part(device T &b [[buffer(0)]]) { b.v[0] = 1; }
struct Bigger { float v[33]; };
template [[host_name("part")]] kernel void part<Bigger>(device Bigger &);
)";
  text = replaced(text, "b.v[0] = 1; }\nkernel", "if (&b.v[0] != nullptr) return; }\nkernel");
  EXPECT_EQ(run(text, "whole"), "");
  std::string message = run(replaced(text, "b.v[0] = 1", "if (&b.v[0] == nullptr) b.v[0] = 1"), "part");
  EXPECT_TRUE(message.starts_with("k.metal:7: error: kernel part: buffer(0) 'b' has 128 bytes, but T & needs 132") ||
              message.starts_with("k.metal:7: error: kernel part: buffer(0) 'b' has 128 bytes, but Bigger & needs 132"))
      << message;
  message = run(replaced(text, "float v[32]", "float v[40]"), "whole");
  EXPECT_TRUE(has(message, "but Big & needs 160")) << message;
}

} // namespace
