//===- ReflectTest.cpp - Tokens, kernels, parameters ----------------------===//

#include "tests/metal/Reflect.h"
#include "tests/metal/Diagnostics.h"
#include "tests/metal/GoodCases.h"

#include <gtest/gtest.h>

using namespace tq;
using namespace tq::metal;

namespace {

TEST(Lexer, followsLineMarkers) {
  Tokens t = lex("# 1 \"kernel.metal\"\nint a;\n# 40 \"kernel.metal\" 2\nint b = 0x1p-3f + 1.5e+2;\n# 3 \"o.h\" 1\nc\n",
                 "kernel.metal");
  EXPECT_EQ(t[1], "a");
  EXPECT_EQ(t.line(1), 2 - 1);
  EXPECT_EQ(t[4], "b");
  EXPECT_EQ(t.line(4), 40);
  EXPECT_EQ(t[6], "0x1p-3f");
  EXPECT_EQ(t[8], "1.5e+2");
  EXPECT_EQ(t.all.back().line, 3);
  EXPECT_EQ(t.files[static_cast<size_t>(t.all.back().file)], "o.h");
}

TEST(Lexer, bracketsAndAngles) {
  Tokens t = lex("a[b[1]] vec<T, (1 > 0)> x; a < b && c > d", "f");
  EXPECT_EQ(t[t.closing(1)], "]]");
  size_t angle = 0;
  while (t[angle] != "<")
    ++angle;
  EXPECT_EQ(t[t.closingAngle(angle) + 1], "x");
  while (t[angle] != "&&")
    ++angle;
  EXPECT_EQ(t.closingAngle(angle - 2), t.size());
}

TEST(Reflection, parameters) {
  auto library = Library::compile(caseText("matvec.metal"), {.name = "matvec.metal"});
  ASSERT_TRUE(library.ok()) << library.message();
  const Kernel *k = library->find("matvec");
  ASSERT_NE(k, nullptr);
  EXPECT_EQ(k->maxTotalThreads, 1024u);
  EXPECT_EQ(k->threadgroupBytes, 0u);
  ASSERT_EQ(k->parameters.size(), 9u);
  const Parameter &w = k->parameters[0], &y = k->parameters[2], &p = k->parameters[3], &table = k->parameters[4],
                  &tg = k->parameters[5];
  EXPECT_EQ(w.kind, Parameter::Buffer);
  EXPECT_EQ(w.index, 0);
  EXPECT_EQ(w.type, "const uint*");
  EXPECT_TRUE(w.isConst);
  EXPECT_FALSE(w.isConstant);
  EXPECT_FALSE(y.isConst);
  EXPECT_EQ(p.type, "Params");
  EXPECT_TRUE(p.isConstant && p.isConst && p.isReference);
  EXPECT_EQ(table.kind, Parameter::ThreadgroupMemory);
  EXPECT_EQ(table.type, "float*");
  EXPECT_EQ(tg.kind, Parameter::Builtin);
  EXPECT_EQ(tg.builtin, "threadgroup_position_in_grid");
  EXPECT_EQ(tg.type, "uint");
}

TEST(Reflection, kernelsAndLimits) {
  auto library = Library::compile(caseText("gemm.metal"), {.name = "gemm.metal"});
  ASSERT_TRUE(library.ok()) << library.message();
  ASSERT_EQ(library->kernels().size(), 1u);
  EXPECT_EQ(library->kernels()[0].maxTotalThreads, 32u);
  EXPECT_EQ(library->kernels()[0].threadgroupBytes, 1024u);
  EXPECT_EQ(library->find("nothing"), nullptr);
}

/// A second compilation comes from the cache and says the same.
TEST(Reflection, survivesTheCache) {
  for (int i = 0; i < 2; ++i) {
    auto library = Library::compile(caseText("reduce.metal"), {.name = "again.metal"});
    ASSERT_TRUE(library.ok()) << library.message();
    ASSERT_EQ(library->kernels().size(), 2u);
    EXPECT_EQ(library->kernels()[0].name, "tree_sum");
    EXPECT_EQ(library->kernels()[0].threadgroupBytes, 1024u);
    EXPECT_EQ(library->kernels()[1].parameters[2].type, "uint");
  }
}

std::string onTop(const std::string &text) { return "#include <metal_stdlib>\nusing namespace metal;\n" + text; }

TEST(Reflection, placesAndLimitsAreConstantExpressions) {
  auto library = Library::compile(onTop(R"(
enum { kIn = 1, kOut, kLast = kOut + 2 };
enum class Slot : uint { a = 7 };
constant constexpr int kBase = 3, kWidth = 1 << 5;
constexpr constant uint kLimit{64};
[[kernel, max_total_threads_per_threadgroup(2 * kWidth + kLimit)]] void f(
    device float *y [[buffer(kOut)]], device const float *x [[buffer(kIn)]], constant uint &n [[buffer(kBase * 2 - 1)]],
    constant uint &m [[buffer((kLast - kIn) + uint(3))]], constant uint &k [[buffer(Slot::a)]]) {
  y[0] = x[0] + n + m + k;
})"));
  ASSERT_TRUE(library.ok()) << library.message();
  const Kernel &k = library->kernels()[0];
  EXPECT_EQ(k.maxTotalThreads, 128u);
  std::vector<int> indices;
  for (const Parameter &p : k.parameters)
    indices.push_back(p.index);
  EXPECT_EQ(indices, (std::vector<int>{2, 1, 5, 6, 7}));
}

/// MSL 5.2.1: what has no index takes the first that is free.
TEST(Reflection, parametersWithoutIndexTakeTheFirstFree) {
  auto library = Library::compile(onTop(R"(
kernel void f(device float *y, device const float *x [[buffer(0)]], constant uint &n, threadgroup float *s,
              device const float *z [[buffer(2)]], device const float *w, threadgroup float *t [[threadgroup(0)]]) {
  s[0] = t[0] = 1;
  y[0] = x[0] + n + z[0] + w[0] + s[0];
})"));
  ASSERT_TRUE(library.ok()) << library.message();
  std::vector<int> indices;
  for (const Parameter &p : library->kernels()[0].parameters)
    indices.push_back(p.index);
  EXPECT_EQ(indices, (std::vector<int>{1, 0, 3, 1, 2, 4, 0}));
}

TEST(Reflection, indexTypesInAllSpellings) {
  auto library = Library::compile(onTop(R"(
kernel void f(device float *y, metal::uint3 const i [[thread_position_in_grid]], vec<uint, 3> n [[threads_per_grid]],
              ushort3 t [[thread_position_in_threadgroup]], uint const j [[thread_index_in_threadgroup]],
              const ushort lane [[thread_index_in_simdgroup]], unsigned int q [[thread_index_in_quadgroup]]) {
  y[i.x] = n.x + t.x + j + lane + q;
})"));
  EXPECT_TRUE(library.ok()) << library.message();
}

/// What is right beside the bugs of Lints below.
TEST(Lints, rightForms) {
  auto library = Library::compile(onTop(R"(
template <typename T> static float g(T x) { return x; }
template <> float g<half>(half x) { return 7.0f * x; }
static float add(float a, float b) { return a + b; }
kernel void add(device float *y) { y[0] = add(1.0f, 2.0f) + g<half>(1.0h); }
kernel void norm(device float *y) {
  float norm(1.0f);
  y[0] = norm;
}
kernel void exp(device float *y, uint i [[thread_position_in_grid]]) { y[i] = exp(y[i]) + metal::exp(1.0f); }

struct C {
  float v;
  float get() const { return v; }
  void set(float x) { v = x; }
  static float one() { return 1; }
};
kernel void methods(device C *in, device float *y) {
  C c = in[0], some[2] = {c, c};
  thread C *p = &c;
  c.set(in->one());
  y[0] = p->get() + some[1].get() + ((thread C *)p)->get();
}

enum E { one, two };
static float first(thread float (&a)[2], float dims[2]) { return a[0] * dims[1]; }
template <typename S1> static S1 twice(S1 x) { return x + x; }
kernel void pointers(device float *y, device const float *x) {
  E e = two;
  thread E *p = &e;
  thread float f = 1, *q = &f;
  float a[2] = {1, f * *q}, b = f * *q;
  thread float(*r)[2] = &a;
  float4 v = float4(1);
  thread float4 *w = &v;
  const float S0 = 1, S1 = S0 + b, m = S0 * b + S1*b;
  y[0] = *p + *q + first(a, a) + (*r)[0] + float4(*w)[2] + add(f, *q) + m + twice(x[0]);
}

static float4 exp(float4 v, int k) { return exp(v) * k; }
static float most(float2 v) { return max(v.x, v.y); }
static float most(float3 v) { return max(most(v.xy), v.z); }
static float most(float4 v) { return most(float2(most(v.xyz), v.w)); }
struct Own { float v; float most() const { return ::most(float2(v)); } };
struct Base { float v; };
struct Derived : Base { float k; };
struct Far { device float *next; uint n; };
kernel void arguments(device float *y [[buffer(0)]] [[maybe_unused]], constant Far &far [[buffer(1)]],
                      uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  Own own = {1};
  Derived d;
  d.k = 1;
  int a[2] = {0, 1}, b = a[a[a[1]]];
  y[i] = exp(float4(1), 2).x + most(float4(1)) + own.most() + d.k + far.n + lane + b;
}

static constexpr float half_of(float x) { return x / 2; }
constant float kHalf = half_of(3);
static bfloat round(bfloat x) { return x > 0.5f ? bfloat(0.5) : 1.0bf; }
kernel void literals(device float *y) {
  bfloat b = 0.5bf, c = 0, d[2] = {b, 2.0BF};
  c = round(b);
  float f = 1.0f;
  f = 2.0f;
  y[0] = kHalf + b + c + d[0] + f + 0x1L + 3l;
})"));
  EXPECT_TRUE(library.ok()) << library.message();
}

TEST(Lints, wrongForms) {
  struct {
    const char *before, *body, *rule; ///< found on line 3 if there is a text before, else on line 5
  } wrong[] = {
      {"kernel void g(device float *y) [[max_total_threads_per_threadgroup(64)]] {}", "", "stands before a kernel"},
      {"[[kernel, max_total_threads_per_threadgroup(32 * 64)]] void g(device float *y) {}", "", "must be 1 to 1024"},
      {"[[kernel, max_total_threads_per_threadgroup(kWhat)]] void g(device float *y) {}", "", "no constant"},
      {"kernel void g(device float *y [[buffer(kWhat)]]) {}", "", "no constant"},
      {"kernel void g(device float *y [[buffer(1 + 0)]], device float *z [[buffer(1)]]) {}", "", "both have"},
      {"kernel void g(uint2 p [[thread_position_in_grid]], uint2 n [[threads_per_grid]], uint3 t "
       "[[threads_per_threadgroup]]) {}",
       "", "'t' is uint3"},
      {"kernel void g(uint3 p [[grid_origin]]) {}", "", "not known to this executor"},
      {"kernel void add(device float *y) {} static void g(device float *y) { add(y); }", "", "cannot be called"},
      {"", "E e = E(); E *p = &e; out[i] = *p;", "E* needs an address space"},
      {"", "struct Z { int q; }; Z z = {1}; Z *p = &z; out[i] = p->q;", "Z* needs an address space"},
      {"", "const float x = 1, *p = &x; out[i] = *p;", "float *p needs an address space"},
      {"", "float a[2][2] = {}; float (*p)[2] = a; out[i] = p[1][0];", "float* needs an address space"},
      {"static float g(float (&a)[2]) { return a[0]; }", "", "float& needs an address space"},
      {"static float g(float (*a)[2]) { return a[0][0]; }", "", "float* needs an address space"},
      {"template <typename T> float g(T t) { typename T::type *p = &t.x; return *p; }", "", "type* needs an address"},
      {"static float g() { return 1; } constant float k = g();", "", "not constexpr"},
      {"", "out[i] = ((device const C *)out)->get();", "object in device memory"},
      {"", "device C *p = (device C *)out; out[i] = p[i].get();", "object in device memory"},
      {"", "device C &c = *(device C *)out; out[i] = c.get();", "object in device memory"},
      {"", "threadgroup C c; c.v = 1; out[i] = c.get();", "object in threadgroup memory"},
      {"static float g(constant C *c) { return (*c).get() + c->get(); }", "", "object in constant memory"},
      {"", "bfloat b = 0.0; out[i] = b;", "0.0 does not become a bfloat"},
      {"", "bfloat b = i > 3 ? bfloat(1) : 0.0f; out[i] = b;", "0.0f does not become a bfloat"},
      {"", "bfloat b = i > 3 ? i > 4.0f ? 1.0bf : bfloat(2.0f) : -(3.0f); out[i] = b;",
       "3.0f does not become a bfloat"},
      {"", "bfloat a, b[2] = {1.0bf, -2.0f}; a = b[0]; out[i] = a;", "2.0f does not become a bfloat"},
      {"", "bfloat b = 0; b = 1.0f; out[i] = b;", "1.0f does not become a bfloat"},
      {"static bfloat g() { return 0.5f; }", "", "0.5f does not become a bfloat"},
      {"constant bfloat k = 0.5;", "", "0.5 does not become a bfloat"},
      {"", "out[i] = 1.0L;", "MSL has no double"},
      {"", "__int128 x = 1; out[i] = x;", "no __int128"},
      {"", "out[i] = noexcept(i);", "no operator noexcept"},
      {"__attribute__((reqd_work_group_size(32, 1, 1)))", "", "this is OpenCL"},
      {"", "_Float16 h = 1; out[i] = h;", "no _Float16; write half"},
      {"", "__fp16 h = 1; out[i] = h;", "no __fp16"},
      {"static float g(__bf16 x) { return 1; }", "", "no __bf16; write bfloat"},
      {"", "__float128 q = i; out[i] = q;", "no __float128"},
      {"", "_Complex float z = i; out[i] = 1;", "no complex numbers"},
      {"", "float q[0]; out[i] = 1;", "an array needs elements"},
      {"static float g(device device float *x) { return x[0]; }", "", "one address space is enough"},
      {"static float g(threadgroup const constant float *x) { return x[0]; }", "", "one address space is enough"},
      {"static int g(int n) { return n > 1 ? n * g(n - 1) : 1; }", "", "function g: calls itself"},
      {"static int h(int n); static int g(int n) { return n ? h(n - 1) : 1; } static int h(int n) { return g(n); }", "",
       "calls itself through"},
      {"struct R { int f(int n) { return n ? f(n - 1) : 0; } };", "", "function f: calls itself"},
      {"struct P { float k; thread float *p; }; kernel void g(constant P &p, device float *y) { y[0] = p.k; }", "",
       "P has a pointer to thread memory"},
      {"struct P { struct { threadgroup float *p; } q; float k; }; struct Q { P p; }; "
       "kernel void g(device Q *p, device float *y) { y[0] = p->p.k; }",
       "", "P has a pointer to threadgroup memory"},
      {"struct P { float k; }; struct Q : P { float n; }; kernel void g(const device Q *q, device float *y) { y[0] = "
       "q[1].n; }",
       "", "Q is derived from P"},
      {"kernel void g(device float *y, uint t [[thread_index_in_simdgroup, thread_index_in_threadgroup]]) { y[t] = 1; "
       "}",
       "", "a parameter has one place"},
      {"kernel void g(device float *y [[buffer(0)]] [[buffer(1)]]) {}", "", "a parameter has one place"},
      {"kernel void g(device float *y [[buffer(0)], uint t [[thread_position_in_grid]]) { y[t] = 1; }", "",
       "[[ is not closed before the )"},
      {"", "out[i] = (1 + i;", "( is not closed before the }"},
      {"", "out[i] = 1 + i);", ") has no opening bracket"},
      {"static float g(float x) { if (x > 1) {\n    x = 2;\n  }\n  return x;", "", "{ is not closed"},
      {"static int g(int a, ...) { return a; }", "", "variadic arguments are not allowed in MSL"},
      {"#pragma OPENCL EXTENSION cl_khr_fp64 : enable", "", "#pragma OPENCL"},
  };
  for (const auto &[before, body, rule] : wrong) {
    auto library = Library::compile(
        onTop(std::string(before) + "\nkernel void f(device float *out, uint i [[thread_position_in_grid]]) {\n" +
              body + "\n}\nstruct C { float v; float get() const { return v; } }; enum E { one, two };\n"),
        {.name = "k.metal"});
    ASSERT_FALSE(library.ok()) << before << body;
    EXPECT_TRUE(library.message().starts_with(*before ? "k.metal:3: error: " : "k.metal:5: error: "))
        << library.message();
    EXPECT_NE(library.message().find(rule), std::string::npos) << library.message();
  }
}

TEST(Diagnostics, speakMsl) {
  auto findings = readDiagnostics("kernel.metal:7:3: error: cannot cast '__global float *' to '__local float *' "
                                  "[-Wwhatever]\nkernel.metal:8:1: warning: unused [-Wunused-variable]\n"
                                  "kernel.metal:9:1: warning: variable 'x' is uninitialized [-Wuninitialized]\n",
                                  nullptr);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(format(findings[0], "a.metal"), "a.metal:7: error: cannot cast 'device float *' to 'threadgroup float *'");
  EXPECT_EQ(findings[1].line, 9);
}

} // namespace
