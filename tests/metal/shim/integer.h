//===- integer.h - <metal_integer> and <metal_relational> -----------------===//
// Scalars first, vectors element by element; a shift by the width of the type
// never happens here, so that one in the kernel stays visible.
//===----------------------------------------------------------------------===//
#pragma clang system_header

namespace metal {
#define __MSL_INTEGER(T, U, BITS)                                                                                      \
  inline T abs(T x) { return x < (T)0 ? (T)(U)(0 - (U)x) : x; }                                                        \
  inline U absdiff(T x, T y) { return x > y ? (U)((U)x - (U)y) : (U)((U)y - (U)x); }                                   \
  inline T min(T x, T y) { return x < y ? x : y; }                                                                     \
  inline T max(T x, T y) { return x < y ? y : x; }                                                                     \
  inline T min3(T x, T y, T z) { return min(min(x, y), z); }                                                           \
  inline T max3(T x, T y, T z) { return max(max(x, y), z); }                                                           \
  inline T median3(T x, T y, T z) { return max(min(x, y), min(max(x, y), z)); }                                        \
  inline T clamp(T x, T low, T high) { return min(max(x, low), high); }                                                \
  inline T addsat(T x, T y) { return __builtin_elementwise_add_sat(x, y); }                                            \
  inline T subsat(T x, T y) { return __builtin_elementwise_sub_sat(x, y); }                                            \
  inline T hadd(T x, T y) { return (T)((x & y) + ((x ^ y) >> 1)); }                                                    \
  inline T rhadd(T x, T y) { return (T)((x | y) - ((x ^ y) >> 1)); }                                                   \
  inline T popcount(T x) { return (T)__builtin_popcountl((ulong)(U)x); }                                               \
  inline T clz(T x) { return x == (T)0 ? (T)BITS : (T)(__builtin_clzl((ulong)(U)x) - (64 - BITS)); }                   \
  inline T ctz(T x) { return x == (T)0 ? (T)BITS : (T)__builtin_ctzl((ulong)(U)x); }                                   \
  inline T reverse_bits(T x) { return (T)__builtin_elementwise_bitreverse((U)x); }                                     \
  inline T rotate(T x, T by) {                                                                                         \
    uint n = (uint)by & (BITS - 1);                                                                                    \
    return n == 0 ? x : (T)(U)(((U)x << n) | ((U)x >> (BITS - n)));                                                    \
  }                                                                                                                    \
  inline T extract_bits(T x, uint offset, uint bits) {                                                                 \
    if (bits == 0 || offset >= BITS)                                                                                   \
      return 0;                                                                                                        \
    uint kept = bits > BITS - offset ? BITS - offset : bits;                                                           \
    return (T)((T)((U)x << (BITS - offset - kept)) >> (BITS - kept));                                                  \
  }                                                                                                                    \
  inline T insert_bits(T base, T insert, uint offset, uint bits) {                                                     \
    if (bits == 0 || offset >= BITS)                                                                                   \
      return base;                                                                                                     \
    U mask = (U)((bits >= BITS ? (U) ~(U)0 : (U)(((U)1 << bits) - 1)) << offset);                                      \
    return (T)(U)(((U)base & (U)~mask) | ((U)((U)insert << offset) & mask));                                           \
  }
__MSL_INTEGER(char, uchar, 8)
__MSL_INTEGER(uchar, uchar, 8)
__MSL_INTEGER(short, ushort, 16)
__MSL_INTEGER(ushort, ushort, 16)
__MSL_INTEGER(int, uint, 32)
__MSL_INTEGER(uint, uint, 32)
__MSL_INTEGER(long, ulong, 64)
__MSL_INTEGER(ulong, ulong, 64)

inline char mulhi(char x, char y) { return (char)(((int)x * (int)y) >> 8); }
inline uchar mulhi(uchar x, uchar y) { return (uchar)(((uint)x * (uint)y) >> 8); }
inline short mulhi(short x, short y) { return (short)(((int)x * (int)y) >> 16); }
inline ushort mulhi(ushort x, ushort y) { return (ushort)(((uint)x * (uint)y) >> 16); }
inline int mulhi(int x, int y) { return (int)(((long)x * (long)y) >> 32); }
inline uint mulhi(uint x, uint y) { return (uint)(((ulong)x * (ulong)y) >> 32); }
inline long mulhi(long x, long y) { return (long)(((__int128)x * (__int128)y) >> 64); }
inline ulong mulhi(ulong x, ulong y) { return (ulong)(((unsigned __int128)x * (unsigned __int128)y) >> 64); }
inline int mul24(int x, int y) { return (int)((uint)x * (uint)y); }
inline uint mul24(uint x, uint y) { return x * y; }
inline int mad24(int x, int y, int z) { return (int)((uint)x * (uint)y + (uint)z); }
inline uint mad24(uint x, uint y, uint z) { return x * y + z; }
#define __MSL_MADHI(T)                                                                                                 \
  inline T madhi(T x, T y, T z) { return (T)(mulhi(x, y) + z); }
__MSL_MADHI(int)
__MSL_MADHI(uint)

#define __MSL_INTEGER_VECTOR(T, N)                                                                                     \
  __MSL_LIFT1(T, N, abs)                                                                                               \
  __MSL_LIFT1(T, N, popcount)                                                                                          \
  __MSL_LIFT1(T, N, clz)                                                                                               \
  __MSL_LIFT1(T, N, ctz)                                                                                               \
  __MSL_LIFT1(T, N, reverse_bits)                                                                                      \
  __MSL_LIFT2(T, N, min)                                                                                               \
  __MSL_LIFT2(T, N, max)                                                                                               \
  __MSL_LIFT2(T, N, addsat)                                                                                            \
  __MSL_LIFT2(T, N, subsat)                                                                                            \
  __MSL_LIFT2(T, N, hadd)                                                                                              \
  __MSL_LIFT2(T, N, rhadd)                                                                                             \
  __MSL_LIFT2(T, N, rotate)                                                                                            \
  __MSL_LIFT2(T, N, mulhi)                                                                                             \
  __MSL_LIFT3(T, N, clamp)                                                                                             \
  inline T##N extract_bits(T##N x, uint offset, uint bits) {                                                           \
    T##N r;                                                                                                            \
    for (int i = 0; i < N; ++i)                                                                                        \
      r[i] = extract_bits(x[i], offset, bits);                                                                         \
    return r;                                                                                                          \
  }
#define __MSL_INTEGER_VECTORS(T)                                                                                       \
  __MSL_INTEGER_VECTOR(T, 2)                                                                                           \
  __MSL_INTEGER_VECTOR(T, 3)                                                                                           \
  __MSL_INTEGER_VECTOR(T, 4)
__MSL_INTEGER_VECTORS(char)
__MSL_INTEGER_VECTORS(uchar)
__MSL_INTEGER_VECTORS(short)
__MSL_INTEGER_VECTORS(ushort)
__MSL_INTEGER_VECTORS(int)
__MSL_INTEGER_VECTORS(uint)
__MSL_INTEGER_VECTORS(long)
__MSL_INTEGER_VECTORS(ulong)

// any, all and select take a boolN, and the integer vectors that comparisons give here.
inline bool any(bool a) { return a; }
inline bool all(bool a) { return a; }
#define __MSL_ANY(N, ANY, ALL)                                                                                         \
  inline bool any(bool##N a) { return ANY; }                                                                           \
  inline bool all(bool##N a) { return ALL; }                                                                           \
  inline bool##N isnan(half##N x) { return x != x; }                                                                   \
  inline bool##N isnan(float##N x) { return x != x; }                                                                  \
  inline bool##N isinf(float##N x) { return __builtin_elementwise_abs(x) == (float##N)__builtin_inff(); }              \
  inline bool##N isfinite(float##N x) { return __builtin_elementwise_abs(x) < (float##N)__builtin_inff(); }
__MSL_ANY(2, a.x || a.y, a.x &&a.y)
__MSL_ANY(3, a.x || a.y || a.z, a.x &&a.y &&a.z)
__MSL_ANY(4, a.x || a.y || a.z || a.w, a.x &&a.y &&a.z &&a.w)
#define __MSL_CLASSIFY(T)                                                                                              \
  inline bool isnan(T x) { return x != x; }                                                                            \
  inline bool isinf(T x) { return x == (T)__builtin_inff() || x == -(T)__builtin_inff(); }                             \
  inline bool isfinite(T x) { return x - x == (T)0; }                                                                  \
  inline bool isnormal(T x) { return isfinite(x) && x != (T)0; }                                                       \
  inline bool signbit(T x) { return __builtin_signbitf((float)x); }
__MSL_CLASSIFY(half)
__MSL_CLASSIFY(float)
__MSL_CLASSIFY(bfloat)

#define __MSL_SELECT(T, N)                                                                                             \
  inline T##N select(T##N a, T##N b, bool##N c) {                                                                      \
    T##N r;                                                                                                            \
    for (int i = 0; i < N; ++i)                                                                                        \
      r[i] = c[(uint)i] ? b[i] : a[i];                                                                                 \
    return r;                                                                                                          \
  }
#define __MSL_SELECTS(T)                                                                                               \
  inline T select(T a, T b, bool c) { return c ? b : a; }                                                              \
  __MSL_SELECT(T, 2) __MSL_SELECT(T, 3) __MSL_SELECT(T, 4)
__MSL_SELECTS(char)
__MSL_SELECTS(uchar)
__MSL_SELECTS(short)
__MSL_SELECTS(ushort)
__MSL_SELECTS(int)
__MSL_SELECTS(uint)
__MSL_SELECTS(long)
__MSL_SELECTS(ulong)
__MSL_SELECTS(half)
__MSL_SELECTS(float)
__MSL_SELECTS(bfloat)

// <metal_pack>, the forms that decode small weights.
inline float4 unpack_unorm4x8_to_float(uint x) {
  return float4((float)(x & 255u), (float)((x >> 8) & 255u), (float)((x >> 16) & 255u), (float)(x >> 24)) / 255.0f;
}
inline float4 unpack_snorm4x8_to_float(uint x) {
  char4 v = as_type<char4>(x);
  return max(float4(v) / 127.0f, (float4)-1.0f);
}
inline float2 unpack_unorm2x16_to_float(uint x) { return float2((float)(x & 65535u), (float)(x >> 16)) / 65535.0f; }
inline float2 unpack_snorm2x16_to_float(uint x) { return max(float2(as_type<short2>(x)) / 32767.0f, (float2)-1.0f); }
inline half4 unpack_unorm4x8_to_half(uint x) { return half4(unpack_unorm4x8_to_float(x)); }
inline half4 unpack_snorm4x8_to_half(uint x) { return half4(unpack_snorm4x8_to_float(x)); }
inline uint pack_float_to_unorm4x8(float4 x) {
  return as_type<uint>(uchar4(rint(clamp(x, (float4)0.0f, (float4)1.0f) * 255.0f)));
}
inline uint pack_float_to_snorm4x8(float4 x) {
  return as_type<uint>(char4(rint(clamp(x, (float4)-1.0f, (float4)1.0f) * 127.0f)));
}
} // namespace metal
