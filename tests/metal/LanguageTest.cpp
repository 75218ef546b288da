//===- LanguageTest.cpp - Legal MSL must be accepted ----------------------===//

#include "tests/metal/CaseRun.h"
#include "tests/metal/GoodCases.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

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

/// Of numbers x and y, one of the functions of MSL 6.2 to 6.5, and what it must give.
struct Formula {
  const char *msl;
  float (*want)(float x, float y);
};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
constexpr float kOdd[] = {0.0f,    -0.0f, 1.0f,  -1.0f, 0.5f,  -2.5f, 3.75f, 1000.0f, -0.999999f, 1e-40f,
                          -1e-30f, 3e9f,  2e38f, kInf,  -kInf, kNan,  1.5f,  4.0f,    -7.25f,     0.0625f};
float half(float x) { return static_cast<float>(static_cast<_Float16>(x)); }
float whole(float x) { return std::isfinite(x) ? std::fmod(std::abs(x), 2.0f) : 0; }

const Formula kFormulas[] = {
    {"sign(x)", [](float x, float) { return x > 0    ? 1.0f
                                            : x < 0  ? -1.0f
                                            : x == 0 ? x
                                                     : 0.0f; }},
    {"saturate(x)", [](float x, float) { return std::fmin(std::fmax(x, 0.0f), 1.0f); }},
    {"saturate(float3(x)).y", [](float x, float) { return std::fmin(std::fmax(x, 0.0f), 1.0f); }},
    {"fract(x)", [](float x, float) { return std::min(x - std::floor(x), 0x1.fffffep-1f); }},
    {"fdim(x, y)", [](float x, float y) { return x <= y ? 0.0f : x - y; }},
    {"precise::fdim(float2(x), float2(y)).y", [](float x, float y) { return x <= y ? 0.0f : x - y; }},
    {"fmod(x, y)", [](float x, float y) { return std::fmod(x, y); }},
    {"asinh(x)", [](float x, float) { return std::asinh(x); }},
    {"acosh(float4(x)).z", [](float x, float) { return std::acosh(x); }},
    {"atanh(x)", [](float x, float) { return std::atanh(x); }},
    {"float(asinh(half(x)))", [](float x, float) { return half(std::asinh(half(x))); }},
    {"nextafter(x, y)", [](float x, float y) { return std::nextafter(x, y); }},
    {"nextafter(float2(y, x), float2(x, y)).y", [](float x, float y) { return std::nextafter(x, y); }},
    {"ldexp(x, 5)", [](float x, float) { return std::ldexp(x, 5); }},
    {"fast::ldexp(float2(x), int2(-3)).x", [](float x, float) { return std::ldexp(x, -3); }},
    {"float(ldexp(half3(half(x)), int3(2)).z)", [](float x, float) { return half(std::ldexp(half(x), 2)); }},
    {"ilogb(x)", [](float x, float) { return x == 0       ? -0x1p31f
                                             : x - x == 0 ? float(std::ilogb(x))
                                                          : 0x1p31f; }},
    {"ilogb(float2(x)).y",
     [](float x, float) { return x == 0       ? -0x1p31f
                                 : x - x == 0 ? float(std::ilogb(x))
                                              : 0x1p31f; }},
    {"frexpOf(x)",
     [](float x, float) {
       int e = 0;
       float m = std::frexp(x, &e);
       return x - x == 0 ? m + float(e) : m;
     }},
    {"frexpOf(half2(half(y), half(x)))",
     [](float x, float) {
       int e = 0;
       float m = std::frexp(half(x), &e);
       return half(x) - half(x) == 0 ? m + float(e) : m;
     }},
    {"modfOf(x)",
     [](float x, float) {
       float w, f = std::modf(x, &w);
       return 3 * f + w;
     }},
    {"modfOf(float3(x))",
     [](float x, float) {
       float w, f = std::modf(x, &w);
       return 3 * f + w;
     }},
    {"modfOf(half(x))",
     [](float x, float) {
       float w, f = std::modf(half(x), &w);
       return 3 * f + w;
     }},
    {"sincosOf(half(y))", [](float, float y) { return half(std::sin(half(y))) + half(std::cos(half(y))); }},
    {"sincosOf(float2(x))", [](float x, float) { return std::sin(x) + std::cos(x); }},
    {"precise::tanpi(x)",
     [](float x, float) {
       return whole(x) == 0.5f || whole(x) == 1.5f ? std::copysign(kInf, x - std::rint(x))
                                                   : std::tan((x - std::rint(x)) * 3.14159265f);
     }},
    {"sinpi(x)", [](float x, float) { return float(std::sin(std::remainder(double(x), 2.0) * M_PI)); }},
    {"float(cospi(half2(half(x))).y)",
     [](float x, float) { return half(float(std::cos(std::remainder(double(half(x)), 2.0) * M_PI))); }},
    {"median3(x, y, 1.5f)",
     [](float x, float y) { return std::fmax(std::fmin(x, y), std::fmin(std::fmax(x, y), 1.5f)); }},
    {"float(fmedian3(half(x), half(y), 1.5h))",
     [](float x, float y) {
       return std::fmax(std::fmin(half(x), half(y)), std::fmin(std::fmax(half(x), half(y)), 1.5f));
     }},
    {"fast::max3(x, y, -1.0f)", [](float x, float y) { return std::fmax(std::fmax(x, y), -1.0f); }},
    {"precise::min3(float2(x), float2(y), float2(2)).x",
     [](float x, float y) { return std::fmin(std::fmin(x, y), 2.0f); }},
    {"fast::abs(x)", [](float x, float) { return std::abs(x); }},
    {"isordered(x, y)", [](float x, float y) { return float(x == x && y == y); }},
    {"isunordered(half2(half(x)), half2(half(y)))[1]", [](float x, float y) { return float(x != x || y != y); }},
    {"isnormal(x)", [](float x, float) { return float(std::isnormal(x)); }},
    {"isnormal(bfloat3(bfloat(x)))[2]", [](float x, float) { return float(x - x == 0 && std::abs(x) >= 0x1p-126f); }},
    {"isnormal(half4(half(x))).w",
     [](float x, float) { return float(std::isfinite(half(x)) && std::abs(half(x)) >= 0x1p-14f); }},
    {"isinf(half2(half(x))).x", [](float x, float) { return float(std::isinf(half(x))); }},
    {"isfinite(bfloat(x)) && all(isfinite(float4(x)))", [](float x, float) { return float(std::isfinite(x)); }},
    {"signbit(float2(x)).y && signbit(half(x))", [](float x, float) { return float(std::signbit(x)); }},
};

TEST(Language, functionsOfOddNumbers) {
  constexpr size_t count = std::size(kOdd);
  std::string before = "constant float kOdd[] = {";
  for (float x : kOdd)
    before += "as_type<float>(" + std::to_string(std::bit_cast<uint32_t>(x)) + "u), ";
  before += R"(};
static float frexpOf(float x) { int e; float m = frexp(x, e); return m + e; }
static float frexpOf(half2 x) { int2 e; half2 m = frexp(x, e); return float(m.y) + e.y; }
static float modfOf(float x) { float w; float f = modf(x, w); return 3 * f + w; }
static float modfOf(float3 x) { float3 w; float3 f = modf(x, w); return 3 * f.z + w.z; }
static float modfOf(half x) { half w; half f = modf(x, w); return 3 * float(f) + float(w); }
static float sincosOf(half x) { half c; half s = sincos(x, c); return float(s) + float(c); }
static float sincosOf(float2 x) { float2 c; float2 s = sincos(x, c); return s.y + c.x; }
)";
  std::string body = "for (uint j = 0; j < " + std::to_string(count) +
                     "; ++j) {\n  float x = kOdd[j], y = kOdd[(j + 7) % " + std::to_string(count) + "];\n";
  for (const Formula &f : kFormulas)
    body += "  *out++ = " + std::string(f.msl) + ";\n";
  auto r = evaluate(body + "}", count * std::size(kFormulas), before);
  size_t at = 0;
  for (size_t j = 0; j < count; ++j)
    for (const Formula &f : kFormulas) {
      float x = kOdd[j], y = kOdd[(j + 7) % count], want = f.want(x, y), got = r[at++];
      EXPECT_TRUE(std::isnan(want) ? std::isnan(got)
                                   : got == want || std::abs(got - want) <= 1e-6f * (1 + std::abs(want)))
          << f.msl << " of " << x << " and " << y << " is " << got << ", not " << want;
      if (want == 0 && got == 0 && std::string_view(f.msl).starts_with("nextafter"))
        EXPECT_EQ(std::signbit(want), std::signbit(got)) << f.msl << " of " << x << " and " << y;
    }
}

TEST(Language, integerFunctions) {
  auto r = evaluate(R"(
    out[0] = madsat(100000, 100000, 1) == INT_MAX && madsat(-100000, 100000, 1) == INT_MIN && madsat(7, -8, 9) == -47;
    out[1] = madsat(uchar(20), uchar(20), uchar(1)) + madsat(char(-20), char(20), char(1)) + madsat(300u, 3u, 1u);
    out[2] = madsat(LONG_MAX, 2l, 0l) == LONG_MAX && madsat(LONG_MIN, 2l, 5l) == LONG_MIN && madsat(ULONG_MAX, ULONG_MAX, ULONG_MAX) == ULONG_MAX;
    uint4 d = absdiff(int4(INT_MIN, 3, -3, 0), int4(INT_MAX, -4, 4, 0));
    out[3] = d.x == UINT_MAX && d.y == 7 && d.z == 7 && d.w == 0;
    uint2 b = insert_bits(uint2(0x12345678u), uint2(0xff, 1), 4, 8);
    out[4] = b.x == 0x12345ff8u && b.y == 0x12345018u && insert_bits(3u, 5u, 0, 32) == 5 && extract_bits(-1, 31, 1) == -1;
    out[5] = mul24(int2(-5, 6), int2(7, 8)).x + int(mad24(uint3(2), uint3(3), uint3(4)).z);
    out[6] = max3(int2(1, 2), int2(5, 0), int2(3, 9)).y + min3(uint2(4, 5), uint2(6, 7), uint2(8, 3)).y + median3(short2(9), short2(1), short2(5)).x;
    out[7] = madhi(long2(LONG_MIN), long2(4), long2(1)).y + mulhi(uchar2(200), uchar2(200)).x + madhi(short(-32768), short(4), short(1));)");
  EXPECT_EQ(r, (std::vector<float>{1, 255 - 128 + 901, 1, 1, 1, -35 + 10, 9 + 3 + 5, -1 + 156 - 1}));
}

TEST(Language, geometricFunctions) {
  auto r = evaluate(R"(
    out[0] = faceforward(float2(1, 2), float2(1, 0), float2(-1, 0)).y;
    out[1] = float(faceforward(half3(1, 2, 3), half3(1, 0, 0), half3(1, 0, 0)).z);
    float2 bent = refract(normalize(float2(1, -1)), float2(0, 1), 0.5f);
    out[2] = bent.x;
    out[3] = bent.y;
    out[4] = length(refract(normalize(float3(1, -0.1, 0)), float3(0, 1, 0), 1.5f));
    out[5] = reflect(float3(1, -1, 0), float3(0, 2, 0)).y;)");
  float sine = 0.5f * std::sqrt(0.5f);
  const float want[] = {2, -3, sine, -std::sqrt(1 - sine * sine), 0, 1};
  for (size_t i = 0; i < 6; ++i)
    EXPECT_NEAR(r[i], want[i], 1e-6) << i;
}

TEST(Language, packedFractions) {
  auto r = evaluate(R"(
    out[0] = pack_float_to_unorm2x16(float2(0.5f, 2.0f)) == 0xffff8000u && pack_half_to_unorm2x16(half2(-1.0h, 1.0h)) == 0xffff0000u;
    out[1] = pack_float_to_snorm2x16(float2(-1.0f, 0.5f)) == 0x40008001u && pack_half_to_snorm2x16(half2(0.0h, -2.0h)) == 0x80010000u;
    out[2] = pack_float_to_unorm10a2(float4(1.0f, 0.0f, 0.5f, 0.4f)) == (1023u | 512u << 20 | 1u << 30);
    out[3] = pack_float_to_unorm4x8(float4(NAN, INFINITY, -INFINITY, 0.1f)) == (255u << 8 | 26u << 24);
    out[4] = pack_float_to_snorm4x8(float4(NAN, INFINITY, -INFINITY, -0.1f)) == (127u << 8 | 129u << 16 | 243u << 24);
    out[5] = unpack_snorm2x16_to_float(0x80008001u).x + unpack_snorm2x16_to_half(0x80007fffu).y + unpack_unorm2x16_to_half(0xffff0000u).y;
    out[6] = unpack_unorm10a2_to_float(1023u | 2u << 30).w * 3 + float(unpack_unorm10a2_to_half(512u << 10).y);
    float4 c = unpack_unorm4x8_srgb_to_float(0x80ff0a80u);
    out[7] = c.x;
    out[8] = c.y;
    out[9] = c.z + c.w;
    out[10] = pack_float_to_srgb_unorm4x8(c) == 0x80ff0a80u && pack_half_to_srgb_unorm4x8(half4(c)) == 0x80ff0a80u;
    float3 rgb = unpack_unorm565_to_float(0xf81f);
    out[11] = rgb.x + rgb.y * 10 + rgb.z + pack_half_to_unorm565(half3(0.0h, 1.0h, 0.0h));
    out[12] = pack_half_to_unorm4x8(unpack_unorm4x8_to_half(0x12345678u)) == 0x12345678u && pack_half_to_snorm4x8(unpack_snorm4x8_to_half(0x12345678u)) == 0x12345678u;)",
                    13);
  const float want[] = {1,
                        1,
                        1,
                        1,
                        1,
                        -1 - 1 + 1,
                        2 + 512.0f / 1023,
                        std::pow((128 / 255.0f + 0.055f) / 1.055f, 2.4f),
                        10 / 255.0f / 12.92f,
                        1 + 128 / 255.0f,
                        1,
                        2 + 0x7e0,
                        1};
  for (size_t i = 0; i < 13; ++i)
    EXPECT_NEAR(r[i], want[i], i == 6 ? 1e-3 : 1e-6) << i;
}

TEST(Language, typeTraits) {
  auto r = evaluate(R"(
    static_assert(is_integral<uint>::value && is_integral_v<uchar> && !is_integral_v<half>, "");
    static_assert(is_floating_point_v<half> && is_floating_point_v<bfloat> && !is_floating_point_v<int>, "");
    static_assert(is_signed_v<int> && !is_signed_v<ulong> && is_unsigned_v<ushort> && is_arithmetic_v<half>, "");
    static_assert(is_same_v<remove_cv_t<const volatile float>, float> && is_same<remove_const<const int>::type, int>::value, "");
    static_assert(is_same_v<remove_reference_t<thread float &>, thread float> && is_same_v<remove_pointer_t<device int *>, device int>, "");
    static_assert(is_same_v<make_unsigned_t<int>, uint> && is_same_v<make_signed_t<uchar>, char> == is_same_v<char, int8_t>, "");
    static_assert(is_convertible_v<bfloat, float> && !is_convertible_v<float, bfloat> && !is_convertible_v<bfloat, half> && is_pointer_v<device int *>, "");
    static_assert(conjunction_v<is_integral<int>, is_signed<int>> && disjunction_v<is_integral<half>, true_type>, "");
    static_assert(is_vector_v<float4> && vec_elements<half3>::value == 3 && is_same_v<make_scalar_t<half3>, half>, "");
    static_assert(numeric_limits<float>::digits == 24 && numeric_limits<int>::is_signed && !numeric_limits<half>::is_integer, "");
    static_assert(numeric_limits<uchar>::digits10 == 2 && numeric_limits<bfloat>::max_exponent == 128 && numeric_limits<bool>::max(), "");
    float local = 1;
    static_assert(is_same_v<decltype(local), float>, "");
    out[0] = kind(1.0h) + kind(2u) * 10 + kind(true) * 100;
    out[1] = float(HUGE_VALH);
    out[2] = float(MAXBFLOAT) / 0x1p127f;
    out[3] = float(M_E_H) + float(M_PI_BF);)",
                    4, R"(
template <typename T, enable_if_t<is_floating_point_v<T>, bool> = true> static int kind(T) { return 1; }
template <typename T, enable_if_t<is_integral_v<T>, bool> = true> static int kind(T) { return 2; }
)");
  EXPECT_EQ(r, (std::vector<float>{221, kInf, 0x1.fep0f, 2.71875f + 3.140625f}));
}

TEST(Language, atomicsOfEachType) {
  auto r = evaluate(R"(
    device atomic_ulong *wide = (device atomic_ulong *)out;
    out[0] = out[1] = 0.0f;
    atomic_max_explicit(wide, 0x4000000000000000ul, memory_order_relaxed);
    atomic_min_explicit(wide, 0x40400000c0000000ul, memory_order_relaxed);
    atomic_min_explicit(wide, 0x3f80000040000000ul, memory_order_relaxed);
    device atomic_float *number = (device atomic_float *)(out + 2);
    atomic_store_explicit(number, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(number, 2.5f, memory_order_relaxed);
    atomic_fetch_sub_explicit(number, 1, memory_order_relaxed);
    out[3] = atomic_load_explicit(number, memory_order_relaxed) + atomic_exchange_explicit(number, 8.0f, memory_order_relaxed);
    device atomic_bool *flag = (device atomic_bool *)(out + 4);
    atomic_store_explicit(flag, true, memory_order_relaxed);
    bool expected = false;
    bool done = atomic_compare_exchange_weak_explicit(flag, &expected, true, memory_order_relaxed, memory_order_relaxed);
    out[5] = expected + 2 * done + 4 * atomic_exchange_explicit(flag, false, memory_order_relaxed) + 8 * atomic_load_explicit(flag, memory_order_relaxed);
    out[6] = atomic_fetch_or_explicit((device atomic_int *)(out + 7), 0x3f800000, memory_order_relaxed) != 0;)");
  EXPECT_EQ(std::vector<float>(r.begin(), r.begin() + 4), (std::vector<float>{2, 1, 8, 5}));
  EXPECT_EQ(r[5], 5);
}

/// What the specification has no function for, or only for a later version.
TEST(Language, functionsThatAreNotThere) {
  struct Line {
    const char *text, *words;
    int version = 310;
  };
  const Line lines[] = {
      {"atomic_fetch_and_explicit(f, 1, memory_order_relaxed);", "takes atomic_int and atomic_uint"},
      {"atomic_fetch_max_explicit(f, 1.0f, memory_order_relaxed);", "takes atomic_int and atomic_uint"},
      {"atomic_fetch_add_explicit(b, true, memory_order_relaxed);", "takes atomic_int, atomic_uint and atomic_float"},
      {"atomic_fetch_xor_explicit(b, true, memory_order_relaxed);", "takes atomic_int and atomic_uint"},
      {"atomic_fetch_add_explicit(l, 1ul, memory_order_relaxed);", "takes atomic_int, atomic_uint and atomic_float"},
      {"atomic_store_explicit(l, 1ul, memory_order_relaxed);", "atomic_ulong has atomic_min_explicit"},
      {"atomic_max_explicit(u, 1u, memory_order_relaxed);", "no matching function"},
      {"atomic_exchange_explicit(&t, 1.0f, memory_order_relaxed);", "need MSL 4.1"},
      {"atomic_store_explicit(&t, 1.0f, memory_order_relaxed);", "need MSL 4.1"},
      {"float e = 0; atomic_compare_exchange_weak_explicit(&t, &e, 1.0f, memory_order_relaxed, memory_order_relaxed);",
       "need MSL 4.1"},
      {"device atomic<half> *h = (device atomic<half> *)y; atomic_store_explicit(h, 1.0h, memory_order_relaxed);",
       "atomic<T> is for"},
      {"atomic_uint copy = *u;", "deleted"},
      {"atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst);", "it needs MSL 3.2"},
      {"atomic_thread_fence(mem_flags::mem_device, memory_order_relaxed);", "it needs MSL 3.2"},
      {"atomic_thread_fence(mem_flags::mem_device, memory_order_acquire);", "it needs MSL 4.1", 320},
      {"atomic_store_explicit(u, 1u, memory_order_seq_cst);", "it needs MSL 3.2"},
      {"atomic_store_explicit(u, 1u, memory_order_seq_cst);", "no matching function", 320},
      {"bfloat z = exp(bfloat(y[0])); y[0] = z;", "bfloat"},
      {"bfloat z = max(bfloat(y[0]), 1.0bf); y[0] = z;", "bfloat"},
      {"y[0] = float(simd_max(bfloat(y[0])));", "simdgroup functions take no bfloat"},
      {"y[0] = quad_shuffle_xor(bfloat4(1.0bf), 1).w;", "simdgroup functions take no bfloat"},
      {"y[0] = unpack_snorm10a2_to_float(1).x;", "unpack_snorm10a2_to_float"},
  };
  for (const Line &line : lines) {
    std::string text = withHeader("kernel void f(device float *y [[buffer(0)]], device atomic_float *f [[buffer(1)]],\n"
                                  "  device atomic_bool *b [[buffer(2)]], device atomic_ulong *l [[buffer(3)]],\n"
                                  "  device atomic_uint *u [[buffer(4)]]) {\n  threadgroup atomic_float t;\n  " +
                                  std::string(line.text) + "\n}\n");
    auto library = Library::compile(text, {.name = "f.metal", .version = line.version});
    ASSERT_FALSE(library.ok()) << line.text;
    EXPECT_NE(library.message().find(line.words), std::string::npos) << library.message();
    EXPECT_TRUE(library.message().starts_with("f.metal:7: error: kernel f: ")) << library.message();
    EXPECT_EQ(library.message().find("__msl"), std::string::npos) << library.message();
  }
  for (const char *good : {"float z = exp(bfloat(y[0])); y[0] = z;", "y[0] = isnan(bfloat(y[0])) ? 1 : 0;",
                           "y[0] = max(bfloat(y[0]), 1.0bf) + clamp(1.0bf, 2.0bf, 3.0bf) + max(bfloat(y[0]), 0.0f);"}) {
    auto library = Library::compile(
        withHeader("kernel void f(device float *y [[buffer(0)]]) {\n  " + std::string(good) + "\n}\n"));
    EXPECT_TRUE(library.ok()) << library.message();
  }
  auto fence = Library::compile(
      withHeader("kernel void f(device float *y [[buffer(0)]]) {\n  y[0] = 1;\n"
                 "  atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst, thread_scope_device);\n}\n"),
      {.version = 320});
  EXPECT_TRUE(fence.ok()) << fence.message();
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

TEST(Language, matrixConstructorsAndOperators) {
  auto r = evaluate(R"(
    float2x2 m(1, 2, 3, 4), q = {{1, 2}, {3, 4}}, c = {float2(1, 2), float2(3, 4)};
    out[0] = determinant(m) + determinant(kIdentity) + determinant(float4x4(2.0f));
    half2x2 h = half2x2(m);
    m = float2x2(h) + (float2x2)h;
    m *= 2.0f;
    m += q;
    m -= -c;
    out[1] = m[1][0];
    m *= kTable;
    out[2] = m[0].x * 100 + m[1].y;
    out[3] = determinant(float3x3(float3(2, 0, 0), float3(0, 3, 1), float3(0, 2, 4)));)",
                    8, R"(
constant float3x3 kIdentity = float3x3(1.0f);
constant float2x2 kTable = {{0, 1}, {1, 0}};
)");
  EXPECT_EQ(std::vector<float>(r.begin(), r.begin() + 4), (std::vector<float>{-2 + 1 + 16, 18, 1812, 20}));
}

TEST(Language, structsAreCopiedFromAnywhere) {
  auto r = evaluate(R"(
    Pair a = {1, 2};
    Pair b = a, c = kPair;
    Pair d = swapped(b);
    Pair e = a * d;
    const Pair f = i == 0 ? e : a;
    threadgroup Pair shared[1];
    shared[0] = f;
    Pair g = shared[0];
    Of<float> h = Of<float>{5};
    Of<float> k = h;
    out[0] = b.x * 10 + b.y;
    out[1] = c.x * 10 + c.y;
    out[2] = d.x * 10 + d.y;
    out[3] = g.x * 10 + g.y + k.v;)",
                    8, R"(
struct Pair { float x, y; Pair operator*(Pair o) const { return Pair{x * o.x, y * o.y}; } };
constant Pair kPair = {3, 4};
static Pair swapped(Pair p) { Pair q = p; return Pair{q.y, q.x}; }
template <typename T> struct Of { T v; };
)");
  EXPECT_EQ(std::vector<float>(r.begin(), r.begin() + 4), (std::vector<float>{12, 34, 21, 22 + 5}));
}

TEST(Language, vectorsAreInitialisedAndCastInEveryWay) {
  auto r = evaluate(R"(
    float x = 1;
    float4 v(x, 2, 3, 4);
    float3 a(x, v.yz), b(2);
    vec<uint, 2> p(i, 3u);
    half4 h(v);
    out[0] = v.w * 100 + a.z * 10 + b.y;
    out[1] = p.y + static_cast<float4>(h).z + static_cast<vec<int, 4>>(v).w + to<metal::float4>(h).x;
    packed_float3 q(1, 2, 3);
    packed_float4 t(q, 4.0f);
    q.yz = q.zy;
    q.xy += float2(1);
    packed_float3 s(7);
    s.xy = q.xy;
    q = packed_float3(s.xy, q.z + s.z - 7.0f);
    out[2] = q.x * 100 + q.y * 10 + q.z;
    out[3] = (q.xy * q.yz + 2.0f * q.zx).y + t.w;
    static_assert(sizeof(bool3) == 4 && sizeof(packed_float3) == 12 && sizeof(packed_half3) == 6, "");)",
                    8, "template <typename T, typename V> T to(V v) { return static_cast<T>(v); }\n");
  EXPECT_EQ(std::vector<float>(r.begin(), r.begin() + 4), (std::vector<float>{432, 11, 242, 4 * 2 + 4 + 4}));
}

TEST(Language, comparisonsOfVectorsAreTruthValues) {
  auto r = evaluate(R"(
    float4 v(-1, 2, 3, -4);
    float4 positive = float4(v > 0.0f);
    out[0] = positive.x + positive.y + positive.z;
    out[1] = dot(v, (float4)((v > 0.0f) & (v < 3.0f)));
    bool4 b = v < 0.0f;
    out[2] = float4(b).w + int4(!b).y + (v > 0.0f).y;
    auto c = v > 0.0f;
    out[3] = any(c) + all(c) + float(c.z);
    float2 w = v.x < 0.0f ? v.yz : v.xw;
    out[4] = w.x + float4(v.x > 0.0f).x;
    int2 k = int2(9 >> 1, 9);
    out[5] = int2(k >> 1).y;)");
  EXPECT_EQ(std::vector<float>(r.begin(), r.begin() + 6), (std::vector<float>{2, 2, 3, 2, 2, 4}));
}

TEST(Language, constReferencesBindToTemporaries) {
  auto r = evaluate(R"(
    Complex a = {1, 2}, b = {3, 4};
    out[0] = (a * b + a).re;
    float x = 1;
    out[1] = sum(x, 2, float4(3)) + sum(1.5f, x, float4(1)) + a.times(2.0f).re;)",
                    8, R"(
struct Complex {
  float re, im;
  Complex times(thread const float &k) const { return Complex{re * k, im * k}; }
};
static Complex operator*(thread const Complex &a, thread const Complex &b) {
  return Complex{a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
static Complex operator+(const thread Complex &a, const thread Complex &b) { return Complex{a.re + b.re, a.im + b.im}; }
static float sum(thread const float &x, float y, thread const float4 &v) { return x + y + v.w; }
)");
  EXPECT_EQ(std::vector<float>(r.begin(), r.begin() + 2), (std::vector<float>{-5 + 1, 6 + 3.5f + 2}));
}

/// Vector types are known everywhere, functions in namespace metal.
TEST(Language, vectorsWithoutTheNamespace) {
  auto library =
      Library::compile("#include <metal_stdlib>\n"
                       "static metal::uint sum(metal::ushort a, metal::uchar b, metal::ulong c, metal::int8_t d) {\n"
                       "  return a + b + metal::uint(c) + d;\n}\n"
                       "static float4 widen(half4 h) { return float4(h); }\n"
                       "kernel void f(device packed_float3 *x [[buffer(0)]], uint i [[thread_position_in_grid]]) "
                       "{\n  uint2 u(i, 1);\n  bool2 b(true);\n"
                       "  x[u.x] = packed_float3(metal::exp2(widen(half4(1)).xyz));\n  x[u.y].x = b.y;\n}\n");
  EXPECT_TRUE(library.ok()) << library.message();
}

/// Between half and bfloat only explicitly; an unroll count may be any expression; arrays are pointers.
TEST(Language, whatRealKernelsUse) {
  auto r = evaluate(R"(
    out[0] = float(convert<half4>(bfloat4(1.5bf)).y + convert<half>(bfloat(2)));
    half a = 2;
    bfloat b = bfloat(a) + (bfloat)a - static_cast<bfloat>(a);
    out[4] = half(b) + (half)b * static_cast<half>(b);
    half4x4 h = half4x4(matrix<bfloat, 4, 4>(3));
    out[1] = h[1].y;
    float sum = 0;
#pragma unroll(STEPS / 2)
    for (int j = 0; j < STEPS; ++j)
      sum += j;
    out[2] = sum;
    Far far = {2};
    const uniform<int> seven = make_uniform(int(out[2])) + 1;
    out[3] = far.square().v + max(seven, 3);)",
                    8, R"(
#define STEPS 4
template <typename T, typename U> T convert(U x) { return (T)x; }
struct Far {
  float v;
  Far(float x) thread : v(x) {}
  Far(float x) threadgroup : v(x) {}
  Far square() const { return {v * v}; }
};
)");
  EXPECT_EQ(std::vector<float>(r.begin(), r.begin() + 5), (std::vector<float>{3.5f, 3, 6, 4 + 7, 2 + 2 * 2}));
  std::string log = withHeader("constant os_log logger(\"a\", \"b\");\n"
                               "kernel void f(constant const uint shape[2], device float *x) {\n"
                               "  logger.log_debug(\"%u\", shape[0]);\n  x[0] = shape[1];\n}\n");
  EXPECT_FALSE(Library::compile(log, {.version = 310}).ok());
  auto library = Library::compile(log, {.version = 320});
  ASSERT_TRUE(library.ok()) << library.message();
  EXPECT_EQ(library->kernels()[0].parameters[0].type, "const uint*");
}

/// What is refused although it is legal says so in a sentence of its own.
TEST(Language, whatIsNotRunSaysSo) {
  auto refusal = [](const std::string &text) {
    auto library = Library::compile(withHeader(text));
    return library ? std::string("accepted") : library.message();
  };
  EXPECT_NE(refusal("kernel void f(texture2d<float> t [[texture(0)]]) {}\n").find("kernels of buffers only"),
            std::string::npos);
  EXPECT_NE(refusal("float f(float x) { return x; }\n").find("has no kernel"), std::string::npos);
}

TEST(Language, nextafterSince31) {
  std::string text = withHeader("kernel void f(device float *x [[buffer(0)]]) {\n"
                                "  x[0] = nextafter(x[1], x[2]) + precise::nextafter(float2(x[3]), float2(1)).x;\n}\n");
  auto library = Library::compile(text, {.version = 300});
  ASSERT_FALSE(library.ok());
  EXPECT_NE(library.message().find("use of undeclared identifier 'nextafter'"), std::string::npos) << library.message();
  library = Library::compile(text, {.version = 310});
  EXPECT_TRUE(library.ok()) << library.message();
}

/// A loop may give each element a value. Where no launch follows that would tell, clang's doubts count.
TEST(Language, filledInALoop) {
  std::string text = withHeader("kernel void f(device float *x [[buffer(0)]]) {\n  float4 s;\n"
                                "  for (int j = 0; j < 4; ++j)\n    s[j] = x[j];\n  x[0] = dot(s, s);\n}\n");
  auto library = Library::compile(text);
  EXPECT_TRUE(library.ok()) << library.message();
  library = Library::compile(text, {.run = false});
  ASSERT_FALSE(library.ok());
  EXPECT_NE(library.message().find("variable 's' may be uninitialized"), std::string::npos) << library.message();
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
