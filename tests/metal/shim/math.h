//===- math.h - <metal_math>, <metal_common>, <metal_geometric> -----------===//
// One overload per type, as in MSL: then the same calls are ambiguous
// (max(half, float)) and the same scalars convert (pow(x, 2), max(v, 0.0f)).
// There is none for bfloat (MSL 6.2, 6.5), whose scalars become float.
//===----------------------------------------------------------------------===//
#pragma clang system_header

#define __MSL_EACH_HALF(M, ...) M(half, __VA_ARGS__) M(half2, __VA_ARGS__) M(half3, __VA_ARGS__) M(half4, __VA_ARGS__)
#define __MSL_EACH_FLOAT(M, ...)                                                                                       \
  M(float, __VA_ARGS__) M(float2, __VA_ARGS__) M(float3, __VA_ARGS__) M(float4, __VA_ARGS__)
#define __MSL_EACH_FP(M, ...) __MSL_EACH_HALF(M, __VA_ARGS__) __MSL_EACH_FLOAT(M, __VA_ARGS__)

#define __MSL_F1(T, name, expression)                                                                                  \
  inline T name(T x) { return expression; }
#define __MSL_F2(T, name, expression)                                                                                  \
  inline T name(T x, T y) { return expression; }
#define __MSL_F3(T, name, expression)                                                                                  \
  inline T name(T x, T y, T z) { return expression; }
#define __MSL_MATH1(name, expression) __MSL_EACH_FP(__MSL_F1, name, expression)
#define __MSL_MATH2(name, expression) __MSL_EACH_FP(__MSL_F2, name, expression)
#define __MSL_MATH3(name, expression) __MSL_EACH_FP(__MSL_F3, name, expression)
// Element by element for vectors; R is the element of the result.
#define __MSL_LIFT1(R, T, N, name)                                                                                     \
  inline R##N name(T##N x) {                                                                                           \
    R##N r;                                                                                                            \
    for (uint i = 0; i < N; ++i)                                                                                       \
      r[i] = name(x[i]);                                                                                               \
    return r;                                                                                                          \
  }
#define __MSL_LIFT2(R, T, N, name)                                                                                     \
  inline R##N name(T##N x, T##N y) {                                                                                   \
    R##N r;                                                                                                            \
    for (uint i = 0; i < N; ++i)                                                                                       \
      r[i] = name(x[i], y[i]);                                                                                         \
    return r;                                                                                                          \
  }
#define __MSL_LIFT3(R, T, N, name)                                                                                     \
  inline R##N name(T##N x, T##N y, T##N z) {                                                                           \
    R##N r;                                                                                                            \
    for (uint i = 0; i < N; ++i)                                                                                       \
      r[i] = name(x[i], y[i], z[i]);                                                                                   \
    return r;                                                                                                          \
  }
#define __MSL_LIFTS(L, T, name) L(T, T, 2, name) L(T, T, 3, name) L(T, T, 4, name)
#define __MSL_LIFTS_FP(L, name) __MSL_LIFTS(L, half, name) __MSL_LIFTS(L, float, name)

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
__MSL_MATH1(floor, __builtin_elementwise_floor(x))
__MSL_MATH1(ceil, __builtin_elementwise_ceil(x))
__MSL_MATH1(trunc, __builtin_elementwise_trunc(x))
__MSL_MATH1(rint, __builtin_elementwise_roundeven(x))
__MSL_MATH1(round, __builtin_elementwise_round(x))
__MSL_MATH1(fabs, __builtin_elementwise_abs(x))
__MSL_MATH1(abs, __builtin_elementwise_abs(x))
__MSL_MATH2(pow, __builtin_elementwise_pow(x, y))
__MSL_MATH2(powr, __builtin_elementwise_pow(x, y))
__MSL_MATH2(atan2, __builtin_elementwise_atan2(x, y))
__MSL_MATH2(fmin, __builtin_elementwise_min(x, y))
__MSL_MATH2(fmax, __builtin_elementwise_max(x, y))
__MSL_MATH2(min, __builtin_elementwise_min(x, y))
__MSL_MATH2(max, __builtin_elementwise_max(x, y))
__MSL_MATH2(copysign, __builtin_elementwise_copysign(x, y))
__MSL_MATH2(divide, x / y)
__MSL_MATH3(fma, __builtin_elementwise_fma(x, y, z))
__MSL_MATH3(mix, x + (y - x) * z)
__MSL_MATH3(clamp, __builtin_elementwise_min(__builtin_elementwise_max(x, y), z))
__MSL_MATH3(fmin3, __builtin_elementwise_min(__builtin_elementwise_min(x, y), z))
__MSL_MATH3(fmax3, __builtin_elementwise_max(__builtin_elementwise_max(x, y), z))
__MSL_MATH3(min3, __builtin_elementwise_min(__builtin_elementwise_min(x, y), z))
__MSL_MATH3(max3, __builtin_elementwise_max(__builtin_elementwise_max(x, y), z))
#define __MSL_MEDIAN                                                                                                   \
  __builtin_elementwise_max(__builtin_elementwise_min(x, y),                                                           \
                            __builtin_elementwise_min(__builtin_elementwise_max(x, y), z))
__MSL_MATH3(median3, __MSL_MEDIAN)
__MSL_MATH3(fmedian3, __MSL_MEDIAN)
#define __MSL_SATURATE(T, name)                                                                                        \
  inline T name(T x) { return __builtin_elementwise_min(__builtin_elementwise_max(x, (T)0), (T)1); }
__MSL_EACH_FP(__MSL_SATURATE, saturate)
// Scalars, of which the vectors are made below.
#define __MSL_SCALARS(T, BELOW_ONE)                                                                                    \
  inline T sign(T x) { return x > 0 ? (T)1 : x < 0 ? (T) - 1 : x == 0 ? x : (T)0; }                                    \
  inline T step(T edge, T x) { return x < edge ? (T)0 : (T)1; }                                                        \
  inline T fract(T x) {                                                                                                \
    T part = x - floor(x);                                                                                             \
    return part > BELOW_ONE ? BELOW_ONE : part;                                                                        \
  }                                                                                                                    \
  inline T asinh(T x) { return (T)__builtin_asinhf((float)x); }                                                        \
  inline T acosh(T x) { return (T)__builtin_acoshf((float)x); }                                                        \
  inline T atanh(T x) { return (T)__builtin_atanhf((float)x); }                                                        \
  inline T fmod(T x, T y) { return (T)__builtin_fmodf((float)x, (float)y); }                                           \
  inline T fdim(T x, T y) { return x <= y ? (T)0 : x - y; }
__MSL_SCALARS(half, (half)0x1.ffcp-1f)
__MSL_SCALARS(float, 0x1.fffffep-1f)
// Of x * pi, without the error of the product: the whole multiples of pi are taken away first.
inline float sinpi(float x) {
  float whole = rint(x), s = sin((x - whole) * M_PI_F);
  return whole - 2 * floor(whole / 2) == 1 ? -s : s;
}
inline float cospi(float x) {
  float whole = rint(x), c = fabs(x - whole) == 0.5f ? 0.0f : cos((x - whole) * M_PI_F);
  return whole - 2 * floor(whole / 2) == 1 ? -c : c;
}
inline float tanpi(float x) {
  float part = x - rint(x);
  return fabs(part) == 0.5f ? copysign(__builtin_inff(), part) : tan(part * M_PI_F);
}
inline half sinpi(half x) { return (half)sinpi((float)x); }
inline half cospi(half x) { return (half)cospi((float)x); }
inline half tanpi(half x) { return (half)tanpi((float)x); }
__MSL_LIFTS_FP(__MSL_LIFT1, sign)
__MSL_LIFTS_FP(__MSL_LIFT2, step)
__MSL_LIFTS_FP(__MSL_LIFT1, fract)
__MSL_LIFTS_FP(__MSL_LIFT1, asinh)
__MSL_LIFTS_FP(__MSL_LIFT1, acosh)
__MSL_LIFTS_FP(__MSL_LIFT1, atanh)
__MSL_LIFTS_FP(__MSL_LIFT2, fmod)
__MSL_LIFTS_FP(__MSL_LIFT2, fdim)
__MSL_LIFTS_FP(__MSL_LIFT1, sinpi)
__MSL_LIFTS_FP(__MSL_LIFT1, cospi)
__MSL_LIFTS_FP(__MSL_LIFT1, tanpi)
#define __MSL_SMOOTHSTEP(T, name)                                                                                      \
  inline T name(T low, T high, T x) {                                                                                  \
    T t = clamp((x - low) / (high - low), (T)0, (T)1);                                                                 \
    return t * t * (3 - 2 * t);                                                                                        \
  }
__MSL_EACH_FP(__MSL_SMOOTHSTEP, smoothstep)

// A second result goes through a reference.
inline float frexp(float x, thread int &exponent) {
  exponent = 0;
  if (x == 0 || x - x != 0)
    return x;
  float scaled = __builtin_elementwise_abs(x) < 0x1p-126f ? x * 0x1p25f : x;
  int shift = __builtin_elementwise_abs(x) < 0x1p-126f ? 25 : 0;
  uint bits = as_type<uint>(scaled);
  exponent = (int)((bits >> 23) & 255u) - 126 - shift;
  return as_type<float>((bits & 0x807fffffu) | 0x3f000000u);
}
inline half frexp(half x, thread int &exponent) { return (half)frexp((float)x, exponent); }
inline float ldexp(float x, int exponent) { return __builtin_ldexpf(x, exponent); }
inline half ldexp(half x, int exponent) { return (half)__builtin_ldexpf((float)x, exponent); }
inline int ilogb(float x) {
  if (x == 0)
    return -2147483647 - 1;
  if (x - x != 0)
    return 2147483647;
  int exponent;
  frexp(x, exponent);
  return exponent - 1;
}
inline int ilogb(half x) { return ilogb((float)x); }
#define __MSL_OUT(T, name)                                                                                             \
  inline T name(T x, thread T &whole) {                                                                                \
    whole = trunc(x);                                                                                                  \
    return copysign(x == whole ? (T)0 : x - whole, x);                                                                 \
  }
__MSL_OUT(half, modf)
__MSL_OUT(float, modf)
#define __MSL_SINCOS(T, name)                                                                                          \
  inline T name(T x, thread T &cosine) {                                                                               \
    cosine = cos(x);                                                                                                   \
    return sin(x);                                                                                                     \
  }
__MSL_EACH_FP(__MSL_SINCOS, sincos)
#define __MSL_OUTS(T, N)                                                                                               \
  inline T##N modf(T##N x, thread T##N &whole) {                                                                       \
    T##N r;                                                                                                            \
    for (int i = 0; i < N; ++i) {                                                                                      \
      T w;                                                                                                             \
      r[i] = modf(x[i], w);                                                                                            \
      whole[i] = w;                                                                                                    \
    }                                                                                                                  \
    return r;                                                                                                          \
  }                                                                                                                    \
  inline T##N frexp(T##N x, thread int##N &exponent) {                                                                 \
    T##N r;                                                                                                            \
    for (int i = 0; i < N; ++i) {                                                                                      \
      int e;                                                                                                           \
      r[i] = frexp(x[i], e);                                                                                           \
      exponent[i] = e;                                                                                                 \
    }                                                                                                                  \
    return r;                                                                                                          \
  }                                                                                                                    \
  inline T##N ldexp(T##N x, int##N exponent) {                                                                         \
    T##N r;                                                                                                            \
    for (int i = 0; i < N; ++i)                                                                                        \
      r[i] = ldexp(x[i], exponent[i]);                                                                                 \
    return r;                                                                                                          \
  }                                                                                                                    \
  inline int##N ilogb(T##N x) {                                                                                        \
    int##N r;                                                                                                          \
    for (int i = 0; i < N; ++i)                                                                                        \
      r[i] = ilogb(x[i]);                                                                                              \
    return r;                                                                                                          \
  }
__MSL_OUTS(half, 2)
__MSL_OUTS(half, 3)
__MSL_OUTS(half, 4)
__MSL_OUTS(float, 2)
__MSL_OUTS(float, 3)
__MSL_OUTS(float, 4)

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
  inline T##N reflect(T##N i, T##N n) {                                                                                \
    T##N unit = normalize(n);                                                                                          \
    return i - 2 * dot(unit, i) * unit;                                                                                \
  }                                                                                                                    \
  inline T##N refract(T##N i, T##N n, T eta) {                                                                         \
    T cosine = dot(n, i), k = 1 - eta * eta * (1 - cosine * cosine);                                                   \
    return k < 0 ? (T##N)0 : eta * i - (eta * cosine + sqrt(k)) * n;                                                   \
  }                                                                                                                    \
  inline T##N faceforward(T##N n, T##N i, T##N reference) { return dot(reference, i) < 0 ? n : -n; }
__MSL_GEOMETRIC(half, 2)
__MSL_GEOMETRIC(half, 3)
__MSL_GEOMETRIC(half, 4)
__MSL_GEOMETRIC(float, 2)
__MSL_GEOMETRIC(float, 3)
__MSL_GEOMETRIC(float, 4)
inline float3 cross(float3 a, float3 b) { return a.yzx * b.zxy - a.zxy * b.yzx; }
inline half3 cross(half3 a, half3 b) { return a.yzx * b.zxy - a.zxy * b.yzx; }

#define __MSL_VARIANTS                                                                                                 \
  using metal::abs;                                                                                                    \
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
  using metal::distance;                                                                                               \
  using metal::divide;                                                                                                 \
  using metal::dot;                                                                                                    \
  using metal::exp;                                                                                                    \
  using metal::exp10;                                                                                                  \
  using metal::exp2;                                                                                                   \
  using metal::fabs;                                                                                                   \
  using metal::fdim;                                                                                                   \
  using metal::floor;                                                                                                  \
  using metal::fma;                                                                                                    \
  using metal::fmax;                                                                                                   \
  using metal::fmax3;                                                                                                  \
  using metal::fmedian3;                                                                                               \
  using metal::fmin;                                                                                                   \
  using metal::fmin3;                                                                                                  \
  using metal::fmod;                                                                                                   \
  using metal::fract;                                                                                                  \
  using metal::frexp;                                                                                                  \
  using metal::ilogb;                                                                                                  \
  using metal::ldexp;                                                                                                  \
  using metal::length;                                                                                                 \
  using metal::log;                                                                                                    \
  using metal::log10;                                                                                                  \
  using metal::log2;                                                                                                   \
  using metal::max;                                                                                                    \
  using metal::max3;                                                                                                   \
  using metal::median3;                                                                                                \
  using metal::min;                                                                                                    \
  using metal::min3;                                                                                                   \
  using metal::modf;                                                                                                   \
  using metal::normalize;                                                                                              \
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
  using metal::tanpi;                                                                                                  \
  using metal::trunc;
namespace precise {
__MSL_VARIANTS
}
namespace fast {
__MSL_VARIANTS
}

#if __METAL_VERSION__ >= 310
// `I` has the bits of T.
#define __MSL_NEXTAFTER(T, I)                                                                                          \
  inline T nextafter(T x, T y) {                                                                                       \
    if (x != x || y != y)                                                                                              \
      return x + y;                                                                                                    \
    if (x == y)                                                                                                        \
      return y;                                                                                                        \
    if (x == 0)                                                                                                        \
      return copysign(as_type<T>((I)1), y);                                                                            \
    I bits = as_type<I>(x);                                                                                            \
    return as_type<T>((I)((x < y) == (x > 0) ? bits + 1 : bits - 1));                                                  \
  }
__MSL_NEXTAFTER(half, ushort)
__MSL_NEXTAFTER(float, uint)
__MSL_LIFTS_FP(__MSL_LIFT2, nextafter)
namespace precise {
using metal::nextafter;
}
namespace fast {
using metal::nextafter;
}
#endif
} // namespace metal

// The constants of MSL 6.5 that are no floats.
#define HUGE_VALH ((half)__builtin_inff())
#define HUGE_VALBF ((__bf16)__builtin_inff())
#define MAXBFLOAT ((__bf16)0x1.fep127f)
#define M_E_H 2.71828182845904523536h
#define M_LOG2E_H 1.44269504088896340736h
#define M_LOG10E_H 0.434294481903251827651h
#define M_LN2_H 0.693147180559945309417h
#define M_LN10_H 2.30258509299404568402h
#define M_PI_2_H 1.57079632679489661923h
#define M_PI_4_H 0.785398163397448309616h
#define M_1_PI_H 0.318309886183790671538h
#define M_2_PI_H 0.636619772367581343076h
#define M_2_SQRTPI_H 1.12837916709551257390h
#define M_SQRT2_H 1.41421356237309504880h
#define M_SQRT1_2_H 0.707106781186547524401h
#define M_E_BF ((__bf16)2.71828182845904523536f)
#define M_LOG2E_BF ((__bf16)1.44269504088896340736f)
#define M_LOG10E_BF ((__bf16)0.434294481903251827651f)
#define M_LN2_BF ((__bf16)0.693147180559945309417f)
#define M_LN10_BF ((__bf16)2.30258509299404568402f)
#define M_PI_BF ((__bf16)3.14159265358979323846f)
#define M_PI_2_BF ((__bf16)1.57079632679489661923f)
#define M_PI_4_BF ((__bf16)0.785398163397448309616f)
#define M_1_PI_BF ((__bf16)0.318309886183790671538f)
#define M_2_PI_BF ((__bf16)0.636619772367581343076f)
#define M_2_SQRTPI_BF ((__bf16)1.12837916709551257390f)
#define M_SQRT2_BF ((__bf16)1.41421356237309504880f)
#define M_SQRT1_2_BF ((__bf16)0.707106781186547524401f)
