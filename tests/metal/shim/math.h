//===- math.h - <metal_math>, <metal_common>, <metal_geometric> -----------===//
// One overload per type, as in MSL: then the same calls are ambiguous
// (max(half, float)) and the same scalars convert (pow(x, 2), max(v, 0.0f)).
// half is computed in half; bfloat through float, rounded at the end.
//===----------------------------------------------------------------------===//
#pragma clang system_header

#define __MSL_EACH_HALF(M, ...) M(half, __VA_ARGS__) M(half2, __VA_ARGS__) M(half3, __VA_ARGS__) M(half4, __VA_ARGS__)
#define __MSL_EACH_FLOAT(M, ...)                                                                                       \
  M(float, __VA_ARGS__) M(float2, __VA_ARGS__) M(float3, __VA_ARGS__) M(float4, __VA_ARGS__)
#define __MSL_EACH_BFLOAT(M, ...)                                                                                      \
  M(bfloat, float, __VA_ARGS__)                                                                                        \
  M(bfloat2, float2, __VA_ARGS__) M(bfloat3, float3, __VA_ARGS__) M(bfloat4, float4, __VA_ARGS__)
#define __MSL_EACH_FP(M, ...) __MSL_EACH_HALF(M, __VA_ARGS__) __MSL_EACH_FLOAT(M, __VA_ARGS__)

#define __MSL_F1(T, name, expression)                                                                                  \
  inline T name(T x) { return expression; }
#define __MSL_F2(T, name, expression)                                                                                  \
  inline T name(T x, T y) { return expression; }
#define __MSL_F3(T, name, expression)                                                                                  \
  inline T name(T x, T y, T z) { return expression; }
#define __MSL_B1(T, F, name, expression)                                                                               \
  inline T name(T b) {                                                                                                 \
    F x = ::__msl::make<F>(b);                                                                                         \
    return ::__msl::make<T>(expression);                                                                               \
  }
#define __MSL_B2(T, F, name, expression)                                                                               \
  inline T name(T b, T c) {                                                                                            \
    F x = ::__msl::make<F>(b), y = ::__msl::make<F>(c);                                                                \
    return ::__msl::make<T>(expression);                                                                               \
  }
#define __MSL_B3(T, F, name, expression)                                                                               \
  inline T name(T b, T c, T d) {                                                                                       \
    F x = ::__msl::make<F>(b), y = ::__msl::make<F>(c), z = ::__msl::make<F>(d);                                       \
    return ::__msl::make<T>(expression);                                                                               \
  }
#define __MSL_MATH1(name, expression)                                                                                  \
  __MSL_EACH_FP(__MSL_F1, name, expression) __MSL_EACH_BFLOAT(__MSL_B1, name, expression)
#define __MSL_MATH2(name, expression)                                                                                  \
  __MSL_EACH_FP(__MSL_F2, name, expression) __MSL_EACH_BFLOAT(__MSL_B2, name, expression)
#define __MSL_MATH3(name, expression)                                                                                  \
  __MSL_EACH_FP(__MSL_F3, name, expression) __MSL_EACH_BFLOAT(__MSL_B3, name, expression)

namespace metal {
__MSL_MATH1(exp, __builtin_elementwise_exp(x))
__MSL_MATH1(exp2, __builtin_elementwise_exp2(x))
__MSL_MATH1(exp10, __builtin_elementwise_exp10(x))
__MSL_MATH1(log, __builtin_elementwise_log(x))
__MSL_MATH1(log2, __builtin_elementwise_log2(x))
__MSL_MATH1(log10, __builtin_elementwise_log10(x))
__MSL_MATH1(sqrt, __builtin_elementwise_sqrt(x))
__MSL_MATH1(rsqrt, 1 / __builtin_elementwise_sqrt(x))
__MSL_MATH1(sin, __builtin_elementwise_sin(x))
__MSL_MATH1(cos, __builtin_elementwise_cos(x))
__MSL_MATH1(tan, __builtin_elementwise_tan(x))
__MSL_MATH1(asin, __builtin_elementwise_asin(x))
__MSL_MATH1(acos, __builtin_elementwise_acos(x))
__MSL_MATH1(atan, __builtin_elementwise_atan(x))
__MSL_MATH1(sinh, __builtin_elementwise_sinh(x))
__MSL_MATH1(cosh, __builtin_elementwise_cosh(x))
__MSL_MATH1(tanh, __builtin_elementwise_tanh(x))
__MSL_MATH1(asinh, __builtin_elementwise_log(x + __builtin_elementwise_sqrt(x * x + 1)))
__MSL_MATH1(acosh, __builtin_elementwise_log(x + __builtin_elementwise_sqrt(x * x - 1)))
__MSL_MATH1(atanh, __builtin_elementwise_log((1 + x) / (1 - x)) / 2)
__MSL_MATH1(sinpi, __builtin_elementwise_sin(x * ::__msl::make<decltype(x)>(M_PI_F)))
__MSL_MATH1(cospi, __builtin_elementwise_cos(x * ::__msl::make<decltype(x)>(M_PI_F)))
__MSL_MATH1(floor, __builtin_elementwise_floor(x))
__MSL_MATH1(ceil, __builtin_elementwise_ceil(x))
__MSL_MATH1(trunc, __builtin_elementwise_trunc(x))
__MSL_MATH1(rint, __builtin_elementwise_roundeven(x))
__MSL_MATH1(round, __builtin_elementwise_round(x))
__MSL_MATH1(fract, __builtin_elementwise_min(x - __builtin_elementwise_floor(x), x * 0 + (half)0.99951171875h))
__MSL_MATH1(fabs, __builtin_elementwise_abs(x))
__MSL_MATH1(abs, __builtin_elementwise_abs(x))
__MSL_MATH2(pow, __builtin_elementwise_pow(x, y))
__MSL_MATH2(powr, __builtin_elementwise_pow(x, y))
__MSL_MATH2(atan2, __builtin_elementwise_atan2(x, y))
__MSL_MATH2(fmod, x - y * __builtin_elementwise_trunc(x / y))
__MSL_MATH2(fmin, __builtin_elementwise_min(x, y))
__MSL_MATH2(fmax, __builtin_elementwise_max(x, y))
__MSL_MATH2(min, __builtin_elementwise_min(x, y))
__MSL_MATH2(max, __builtin_elementwise_max(x, y))
__MSL_MATH2(copysign, __builtin_elementwise_copysign(x, y))
__MSL_MATH2(fdim, __builtin_elementwise_max(x - y, x * 0))
__MSL_MATH2(divide, x / y)
__MSL_MATH3(fma, __builtin_elementwise_fma(x, y, z))
__MSL_MATH3(mix, x + (y - x) * z)
__MSL_MATH3(clamp, __builtin_elementwise_min(__builtin_elementwise_max(x, y), z))
__MSL_MATH3(fmin3, __builtin_elementwise_min(__builtin_elementwise_min(x, y), z))
__MSL_MATH3(fmax3, __builtin_elementwise_max(__builtin_elementwise_max(x, y), z))
__MSL_MATH3(min3, __builtin_elementwise_min(__builtin_elementwise_min(x, y), z))
__MSL_MATH3(max3, __builtin_elementwise_max(__builtin_elementwise_max(x, y), z))
__MSL_MATH3(median3, __builtin_elementwise_max(__builtin_elementwise_min(x, y),
                                               __builtin_elementwise_min(__builtin_elementwise_max(x, y), z)))
__MSL_MATH1(saturate, __builtin_elementwise_min(__builtin_elementwise_max(x, x * 0), x * 0 + 1))
#define __MSL_SIGN(T, name)                                                                                            \
  inline T name(T x) { return x > 0 ? (T)1 : x < 0 ? (T) - 1 : (T)0; }
__MSL_SIGN(half, sign)
__MSL_SIGN(float, sign)
__MSL_SIGN(bfloat, sign)
#define __MSL_STEP(T, name)                                                                                            \
  inline T name(T edge, T x) { return x < edge ? (T)0 : (T)1; }
__MSL_STEP(half, step)
__MSL_STEP(float, step)
__MSL_MATH3(__smooth, x * x * (3 - 2 * x) + 0 * (y + z))
#define __MSL_SMOOTHSTEP(T, name)                                                                                      \
  inline T name(T low, T high, T x) {                                                                                  \
    T t = clamp((x - low) / (high - low), (T)0, (T)1);                                                                 \
    return t * t * (3 - 2 * t);                                                                                        \
  }
__MSL_EACH_FP(__MSL_SMOOTHSTEP, smoothstep)
// Element by element for vectors.
#define __MSL_LIFT1(T, N, name)                                                                                        \
  inline T##N name(T##N x) {                                                                                           \
    T##N r;                                                                                                            \
    for (int i = 0; i < N; ++i)                                                                                        \
      r[i] = name(x[i]);                                                                                               \
    return r;                                                                                                          \
  }
#define __MSL_LIFT2(T, N, name)                                                                                        \
  inline T##N name(T##N x, T##N y) {                                                                                   \
    T##N r;                                                                                                            \
    for (int i = 0; i < N; ++i)                                                                                        \
      r[i] = name(x[i], y[i]);                                                                                         \
    return r;                                                                                                          \
  }
#define __MSL_LIFT3(T, N, name)                                                                                        \
  inline T##N name(T##N x, T##N y, T##N z) {                                                                           \
    T##N r;                                                                                                            \
    for (int i = 0; i < N; ++i)                                                                                        \
      r[i] = name(x[i], y[i], z[i]);                                                                                   \
    return r;                                                                                                          \
  }
#define __MSL_LIFTS(L, T, name) L(T, 2, name) L(T, 3, name) L(T, 4, name)
__MSL_LIFTS(__MSL_LIFT1, half, sign)
__MSL_LIFTS(__MSL_LIFT1, float, sign)
__MSL_LIFTS(__MSL_LIFT2, half, step)
__MSL_LIFTS(__MSL_LIFT2, float, step)

#define __MSL_OUT(AS)                                                                                                  \
  inline float modf(float x, AS float &whole) { return x - (whole = trunc(x)); }                                       \
  inline float sincos(float x, AS float &cosine) {                                                                     \
    cosine = cos(x);                                                                                                   \
    return sin(x);                                                                                                     \
  }                                                                                                                    \
  inline float frexp(float x, AS int &exponent) {                                                                      \
    exponent = 0;                                                                                                      \
    if (x == 0 || x - x != 0)                                                                                          \
      return x;                                                                                                        \
    float scaled = __builtin_elementwise_abs(x) < 0x1p-126f ? x * 0x1p25f : x;                                         \
    int shift = __builtin_elementwise_abs(x) < 0x1p-126f ? 25 : 0;                                                     \
    uint bits = as_type<uint>(scaled);                                                                                 \
    exponent = (int)((bits >> 23) & 255u) - 126 - shift;                                                               \
    return as_type<float>((bits & 0x807fffffu) | 0x3f000000u);                                                         \
  }
__MSL_OUT(thread)
inline float ldexp(float x, int exponent) { return __builtin_ldexpf(x, exponent); }
inline half ldexp(half x, int exponent) { return (half)__builtin_ldexpf((float)x, exponent); }
inline int ilogb(float x) { return (int)__builtin_elementwise_floor(__builtin_elementwise_log2(fabs(x))); }

// dot and its kin: products added in order.
#define __MSL_GEOMETRIC(T, N)                                                                                          \
  inline T dot(T##N x, T##N y) {                                                                                       \
    T##N m = x * y;                                                                                                    \
    T sum = m[0];                                                                                                      \
    for (int i = 1; i < N; ++i)                                                                                        \
      sum += m[i];                                                                                                     \
    return sum;                                                                                                        \
  }                                                                                                                    \
  inline T length_squared(T##N x) { return dot(x, x); }                                                                \
  inline T length(T##N x) { return sqrt(dot(x, x)); }                                                                  \
  inline T distance(T##N x, T##N y) { return length(x - y); }                                                          \
  inline T distance_squared(T##N x, T##N y) { return dot(x - y, x - y); }                                              \
  inline T##N normalize(T##N x) { return x * rsqrt(dot(x, x)); }                                                       \
  inline T##N reflect(T##N i, T##N n) { return i - 2 * dot(n, i) * n; }
__MSL_GEOMETRIC(half, 2)
__MSL_GEOMETRIC(half, 3)
__MSL_GEOMETRIC(half, 4)
__MSL_GEOMETRIC(float, 2)
__MSL_GEOMETRIC(float, 3)
__MSL_GEOMETRIC(float, 4)
inline float3 cross(float3 a, float3 b) { return a.yzx * b.zxy - a.zxy * b.yzx; }
inline half3 cross(half3 a, half3 b) { return a.yzx * b.zxy - a.zxy * b.yzx; }

#define __MSL_VARIANTS                                                                                                 \
  using metal::acos;                                                                                                   \
  using metal::acosh;                                                                                                  \
  using metal::asin;                                                                                                   \
  using metal::asinh;                                                                                                  \
  using metal::atan;                                                                                                   \
  using metal::atan2;                                                                                                  \
  using metal::atanh;                                                                                                  \
  using metal::ceil;                                                                                                   \
  using metal::clamp;                                                                                                  \
  using metal::copysign;                                                                                               \
  using metal::cos;                                                                                                    \
  using metal::cosh;                                                                                                   \
  using metal::cospi;                                                                                                  \
  using metal::divide;                                                                                                 \
  using metal::exp;                                                                                                    \
  using metal::exp10;                                                                                                  \
  using metal::exp2;                                                                                                   \
  using metal::fabs;                                                                                                   \
  using metal::floor;                                                                                                  \
  using metal::fma;                                                                                                    \
  using metal::fmax;                                                                                                   \
  using metal::fmin;                                                                                                   \
  using metal::fmod;                                                                                                   \
  using metal::fract;                                                                                                  \
  using metal::log;                                                                                                    \
  using metal::log10;                                                                                                  \
  using metal::log2;                                                                                                   \
  using metal::max;                                                                                                    \
  using metal::min;                                                                                                    \
  using metal::pow;                                                                                                    \
  using metal::powr;                                                                                                   \
  using metal::rint;                                                                                                   \
  using metal::round;                                                                                                  \
  using metal::rsqrt;                                                                                                  \
  using metal::saturate;                                                                                               \
  using metal::sin;                                                                                                    \
  using metal::sincos;                                                                                                 \
  using metal::sinh;                                                                                                   \
  using metal::sinpi;                                                                                                  \
  using metal::sqrt;                                                                                                   \
  using metal::tan;                                                                                                    \
  using metal::tanh;                                                                                                   \
  using metal::trunc;                                                                                                  \
  using metal::dot;                                                                                                    \
  using metal::length;                                                                                                 \
  using metal::distance;                                                                                               \
  using metal::normalize;
namespace precise {
__MSL_VARIANTS
}
namespace fast {
__MSL_VARIANTS
}
} // namespace metal
