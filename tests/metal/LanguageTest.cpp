//===- LanguageTest.cpp - Legal MSL must be accepted ----------------------===//

#include "tests/metal/CaseRun.h"
#include "tests/metal/GoodCases.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace tq;
using namespace tq::metal;

namespace {

std::string withHeader(const std::string &text) { return "#include <metal_stdlib>\nusing namespace metal;\n" + text; }

/// A kernel of this body over `out`, with thread index i; and what it leaves there.
std::vector<float> evaluate(const std::string &body, size_t count = 8, const std::string &before = "") {
  auto library = Library::compile(
      withHeader(before + "kernel void f(device float *out [[buffer(0)]], uint i [[thread_position_in_grid]]) {\n" +
                 body + "\n}\n"));
  EXPECT_TRUE(library.ok()) << library.message();
  std::vector<float> out(count, -1.0f);
  if (!library)
    return out;
  Launch launch;
  launch.buffers = {{0, out.data(), out.size() * 4}};
  Status status = library->run("f", launch);
  EXPECT_TRUE(status.ok()) << status.error().message;
  return out;
}

TEST(Language, everythingCompilesAndRuns) {
  for (bool checked : {true, false}) {
    auto library = Library::compile(caseText("dialect.metal"), {.name = "dialect.metal", .checked = checked});
    ASSERT_TRUE(library.ok()) << library.message();
    std::vector<char> in(64 * 2), out(64 * 4), args(24), blocks(18), brain(64 * 2), flag(1, 1), packed(64 * 12);
    Launch launch;
    launch.threadgroups = {2, 1, 1};
    launch.threadsPerThreadgroup = {16, 2, 1};
    launch.threadgroupMemory = {{0, 128}};
    int index = 0;
    for (auto *bytes : {&in, &out, &args, &blocks, &brain, &flag, &packed})
      launch.buffers.push_back({index++, bytes->data(), bytes->size()});
    launch.threadgroups = {1, 1, 1};
    launch.threadsPerThreadgroup = {32, 1, 1};
    Status status = library->run("everything", launch);
    EXPECT_TRUE(status.ok()) << status.error().message;
  }
}

TEST(Language, vectors) {
  auto r = evaluate(R"(
    float4 v = float4(1, 2, 3, 4);
    out[0] = dot(v, v.wzyx);
    out[1] = length(float3(2, 3, 6));
    v.xz = v.zx;
    out[2] = v.x * 10 + v.z;
    half4 h = half4(v) * 0.5h;
    out[3] = float4(h).w;
    int4 k = int4(-7, 7, 9, -9) / 2;
    out[4] = k.x * 10 + k.y;
    out[5] = select(v, float4(9), v > 2.5f).y;
    out[6] = any(v < 1.5f) && !all(v < 1.5f) ? 1 : 0;
    out[7] = cross(float3(1, 0, 0), float3(0, 1, 0)).z + max(v, 3.5f).y;)");
  EXPECT_EQ(r, (std::vector<float>{20, 7, 31, 2, -27, 2, 1, 4.5f}));
}

TEST(Language, integers) {
  auto r = evaluate(R"(
    uint x = 0x12345678u;
    out[0] = popcount(x) + clz(x) * 100 + ctz(x) * 10000;
    out[1] = extract_bits(x, 8, 12) == 0x456u;
    out[2] = insert_bits(x, 0xffu, 4, 8) == 0x12345ff8u;
    out[3] = rotate(x, 8u) == 0x34567812u;
    out[4] = reverse_bits(1u) == 0x80000000u;
    out[5] = extract_bits(int(0xf0u), 4, 4);
    out[6] = mulhi(0x80000000u, 6u) + absdiff(3, -4) + hadd(3, 5) + abs(-3);
    out[7] = as_type<uint>(1.0f) == 0x3f800000u ? addsat((uchar)250, (uchar)10) : (uchar)0;)");
  EXPECT_EQ(r, (std::vector<float>{13 + 300 + 30000, 1, 1, 1, 1, -1, 17, 255}));
}

TEST(Language, mathematics) {
  auto r = evaluate(R"(
    out[0] = exp(1.0f) - exp2(2.0f) + log(2.0f) + log2(8.0f);
    out[1] = sin(0.5f) + cos(0.5f) + tanh(0.5f);
    out[2] = pow(2.0f, 3) + sqrt(2.0f) + rsqrt(4.0f);
    out[3] = rint(2.5f) + round(2.5f) + trunc(-2.5f) + floor(-2.5f) + ceil(2.1f);
    out[4] = fma(2.0f, 3.0f, 4.0f) + mix(1.0f, 3.0f, 0.25f) + clamp(5.0f, 0.0f, 1.0f);
    out[5] = precise::exp(0.5f) + fast::exp(0.5f) + metal::precise::sqrt(4.0f);
    out[6] = sign(-2.0f) + step(1.0f, 2.0f) + smoothstep(0.0f, 1.0f, 0.5f) + fract(1.25f) + saturate(2.0f);
    out[7] = isnan(0.0f / 0.0f * 0.0f) + isinf(INFINITY) + fmod(5.5f, 2.0f) + copysign(1.0f, -0.0f);)");
  const float want[] = {std::exp(1.0f) - 4 + std::log(2.0f) + 3,
                        std::sin(0.5f) + std::cos(0.5f) + std::tanh(0.5f),
                        8 + std::sqrt(2.0f) + 0.5f,
                        2 + 3 - 2 - 3 + 3,
                        10 + 1.5f + 1,
                        2 * std::exp(0.5f) + 2,
                        -1 + 1 + 0.5f + 0.25f + 1,
                        1 + 1 + 1.5f - 1};
  for (size_t i = 0; i < 8; ++i)
    EXPECT_NEAR(r[i], want[i], 1e-5) << i;
}

TEST(Language, halfAndBfloatRoundEachOperation) {
  auto r = evaluate(R"(
    half a = 2048.0h;
    out[0] = a + 1.0h;
    bfloat b = 256.0bf;
    out[1] = b + 1.0bf;
    out[2] = bfloat(1.00390625f);
    out[3] = half(65519.0f);)");
  EXPECT_EQ(r[0], 2048);
  EXPECT_EQ(r[1], 256);
  EXPECT_EQ(r[2], 1);
  EXPECT_EQ(r[3], 65504);
}

TEST(Language, templatesAndCasts) {
  auto r = evaluate(R"(
    half4 h = half4(1, 2, 3, 4);
    out[0] = sum<float>(h);
    out[1] = dot((float4)h, (float4) h);
    out[2] = -((float4)h.wzyx).x;
    out[3] = first<float, 4>(float4(7, 0, 0, 0));
    out[4] = Holder<int>(3).value;
    out[5] = (vec<float, 2>(1, 2) + 1.0f).y;
    out[6] = apply(Twice(), 4.0f);
    out[7] = max3(1, 5, 3) + Count<3>::value;)",
                    8, R"(
template <typename T, typename V> T sum(V v) { T s = T(0); for (int i = 0; i < 4; ++i) s += T(v[i]); return s; }
template <typename T, int N> T first(vec<T, N> v) { return v[0]; }
template <typename T> struct Holder { T value; Holder(T v) : value(v) {} };
struct Twice { float operator()(float x) const { return 2 * x; } };
template <typename F> float apply(F f, float x) { return f(x); }
template <int N> struct Count { enum { value = N * 2 }; };
)");
  EXPECT_EQ(r, (std::vector<float>{10, 30, -4, 7, 3, 3, 8, 11}));
}

TEST(Language, matrices) {
  auto r = evaluate(R"(
    float2x2 m = float2x2(float2(1, 2), float2(3, 4));
    float2 v = m * float2(1, 10);
    out[0] = v.x;
    out[1] = v.y;
    out[2] = (float2(1, 10) * m).x;
    out[3] = (m * m)[1][0];
    out[4] = transpose(m)[0][1];
    m[1][1] = 9;
    out[5] = m[1].y;)");
  EXPECT_EQ(std::vector<float>(r.begin(), r.begin() + 6), (std::vector<float>{31, 42, 21, 15, 3, 9}));
}

/// What is refused although it is legal says so in a sentence of its own.
TEST(Language, whatIsNotRunSaysSo) {
  auto refusal = [](const std::string &text) {
    auto library = Library::compile(withHeader(text));
    return library ? std::string("accepted") : library.message();
  };
  EXPECT_NE(refusal("template <typename T> kernel void f(device T *x [[buffer(0)]]) {}\n").find("kernel templates"),
            std::string::npos);
  EXPECT_NE(refusal("kernel void f(texture2d<float> t [[texture(0)]]) {}\n").find("kernels of buffers only"),
            std::string::npos);
  EXPECT_NE(refusal("float f(float x) { return x; }\n").find("has no kernel"), std::string::npos);
}

TEST(Language, lambdasSince32) {
  std::string text = withHeader("kernel void f(device float *out [[buffer(0)]]) {\n  float k = 3;\n"
                                "  auto g = [&](float x) { return x * k; };\n  out[0] = g(2);\n}\n");
  EXPECT_FALSE(Library::compile(text).ok());
  auto library = Library::compile(text, {.version = 320});
  EXPECT_TRUE(library.ok()) << library.message();
}

/// Words of OpenCL are free in MSL.
TEST(Language, namesThatOpenClTakes) {
  auto r = evaluate("float local = 1, global = 2, generic = 3, pipe = 4; out[0] = local + global + generic + pipe;");
  EXPECT_EQ(r[0], 10);
}

/// One lane's value for all: the others have none, and none of theirs is used.
TEST(Language, broadcastOfOneLane) {
  auto r = evaluate("uint v; if (i == 0) v = 7; v = simd_broadcast_first(v); uchar wraps = 300; out[0] = v + wraps;");
  EXPECT_EQ(r[0], 7 + 44);
}

TEST(Language, membersNamedLikeComponents) {
  auto r = evaluate("Split s = {1, 2}; out[0] = s.lo * 10 + s.hi;", 8, "struct Split { uint lo, hi; };\n");
  EXPECT_EQ(r[0], 12);
}

TEST(Language, buffersWithoutIndexTakeThemInOrder) {
  auto library = Library::compile(
      withHeader("kernel void f(device const float *a, device float *b, uint i [[thread_position_in_grid]]) {\n"
                 "  b[i] = a[i];\n}\n"));
  ASSERT_TRUE(library.ok()) << library.message();
  EXPECT_EQ(library->kernels()[0].parameters[1].index, 1);
}

} // namespace
