//===- integer.h - <metal_integer> and <metal_relational> -----------------===//
// Scalars first, vectors element by element; a shift by the width of the type
// happens here only for a field that the kernel takes beyond the last bit.
//===----------------------------------------------------------------------===//
#pragma clang system_header

namespace metal {
/// A field that ends beyond the value's last bit is undefined: the shift to its highest bit is the fault. A vector,
/// because a small scalar would be shifted as an int.
template <class U> inline void __check_field(uint offset, uint bits) {
  const uint end = __builtin_elementwise_add_sat(offset, bits);
  if (end > 8 * sizeof(U))
    (void)((vec<U, 2>)(U)1 << (vec<U, 2>)(U)(end > 128 ? 127 : end - 1));
}

#define __MSL_INTEGER(T, U, WIDE, BITS)                                                                                \
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
  inline T madsat(T x, T y, T z) {                                                                                     \
    const WIDE wide = (WIDE)x * (WIDE)y + (WIDE)z;                                                                     \
    const WIDE least = (WIDE)numeric_limits<T>::min(), most = (WIDE)numeric_limits<T>::max();                          \
    return (T)(wide < least ? least : wide > most ? most : wide);                                                      \
  }                                                                                                                    \
  inline T rotate(T x, T by) {                                                                                         \
    uint n = (uint)by & (BITS - 1);                                                                                    \
    return n == 0 ? x : (T)(U)(((U)x << n) | ((U)x >> (BITS - n)));                                                    \
  }                                                                                                                    \
  inline T extract_bits(T x, uint offset, uint bits) {                                                                 \
    __check_field<U>(offset, bits);                                                                                    \
    if (bits == 0 || offset >= BITS)                                                                                   \
      return 0;                                                                                                        \
    uint kept = bits > BITS - offset ? BITS - offset : bits;                                                           \
    return (T)((T)((U)x << (BITS - offset - kept)) >> (BITS - kept));                                                  \
  }                                                                                                                    \
  inline T insert_bits(T base, T insert, uint offset, uint bits) {                                                     \
    __check_field<U>(offset, bits);                                                                                    \
    if (bits == 0 || offset >= BITS)                                                                                   \
      return base;                                                                                                     \
    U mask = (U)((bits >= BITS ? (U) ~(U)0 : (U)(((U)1 << bits) - 1)) << offset);                                      \
    return (T)(U)(((U)base & (U)~mask) | ((U)((U)insert << offset) & mask));                                           \
  }
__MSL_INTEGER(char, uchar, long, 8)
__MSL_INTEGER(uchar, uchar, ulong, 8)
__MSL_INTEGER(short, ushort, long, 16)
__MSL_INTEGER(ushort, ushort, ulong, 16)
__MSL_INTEGER(int, uint, long, 32)
__MSL_INTEGER(uint, uint, ulong, 32)
__MSL_INTEGER(long, ulong, __int128, 64)
__MSL_INTEGER(ulong, ulong, unsigned __int128, 64)

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
#define __MSL_MADHI(T, U)                                                                                              \
  inline T madhi(T x, T y, T z) { return (T)(U)((U)mulhi(x, y) + (U)z); }
__MSL_MADHI(char, uchar)
__MSL_MADHI(uchar, uchar)
__MSL_MADHI(short, ushort)
__MSL_MADHI(ushort, ushort)
__MSL_MADHI(int, uint)
__MSL_MADHI(uint, uint)
__MSL_MADHI(long, ulong)
__MSL_MADHI(ulong, ulong)

#define __MSL_INTEGER_VECTOR(T, U, N)                                                                                  \
  __MSL_LIFT1(T, T, N, abs)                                                                                            \
  __MSL_LIFT1(T, T, N, popcount)                                                                                       \
  __MSL_LIFT1(T, T, N, clz)                                                                                            \
  __MSL_LIFT1(T, T, N, ctz)                                                                                            \
  __MSL_LIFT1(T, T, N, reverse_bits)                                                                                   \
  __MSL_LIFT2(T, T, N, min)                                                                                            \
  __MSL_LIFT2(T, T, N, max)                                                                                            \
  __MSL_LIFT2(T, T, N, addsat)                                                                                         \
  __MSL_LIFT2(T, T, N, subsat)                                                                                         \
  __MSL_LIFT2(T, T, N, hadd)                                                                                           \
  __MSL_LIFT2(T, T, N, rhadd)                                                                                          \
  __MSL_LIFT2(T, T, N, rotate)                                                                                         \
  __MSL_LIFT2(T, T, N, mulhi)                                                                                          \
  __MSL_LIFT3(T, T, N, clamp)                                                                                          \
  __MSL_LIFT3(T, T, N, min3)                                                                                           \
  __MSL_LIFT3(T, T, N, max3)                                                                                           \
  __MSL_LIFT3(T, T, N, median3)                                                                                        \
  __MSL_LIFT3(T, T, N, madhi)                                                                                          \
  __MSL_LIFT3(T, T, N, madsat)                                                                                         \
  __MSL_LIFT2(U, T, N, absdiff)                                                                                        \
  inline T##N insert_bits(T##N base, T##N insert, uint offset, uint bits) {                                            \
    T##N r;                                                                                                            \
    for (int i = 0; i < N; ++i)                                                                                        \
      r[i] = insert_bits(base[i], insert[i], offset, bits);                                                            \
    return r;                                                                                                          \
  }                                                                                                                    \
  inline T##N extract_bits(T##N x, uint offset, uint bits) {                                                           \
    T##N r;                                                                                                            \
    for (int i = 0; i < N; ++i)                                                                                        \
      r[i] = extract_bits(x[i], offset, bits);                                                                         \
    return r;                                                                                                          \
  }
#define __MSL_INTEGER_VECTORS(T, U)                                                                                    \
  __MSL_INTEGER_VECTOR(T, U, 2)                                                                                        \
  __MSL_INTEGER_VECTOR(T, U, 3)                                                                                        \
  __MSL_INTEGER_VECTOR(T, U, 4)
__MSL_INTEGER_VECTORS(char, uchar)
__MSL_INTEGER_VECTORS(uchar, uchar)
__MSL_INTEGER_VECTORS(short, ushort)
__MSL_INTEGER_VECTORS(ushort, ushort)
__MSL_INTEGER_VECTORS(int, uint)
__MSL_INTEGER_VECTORS(uint, uint)
__MSL_INTEGER_VECTORS(long, ulong)
__MSL_INTEGER_VECTORS(ulong, ulong)
__MSL_LIFTS(__MSL_LIFT2, int, mul24)
__MSL_LIFTS(__MSL_LIFT2, uint, mul24)
__MSL_LIFTS(__MSL_LIFT3, int, mad24)
__MSL_LIFTS(__MSL_LIFT3, uint, mad24)

// any, all and select take a boolN, and the integer vectors that comparisons give here.
inline bool any(bool a) { return a; }
inline bool all(bool a) { return a; }
inline bool any(bool2 a) { return a.x || a.y; }
inline bool any(bool3 a) { return a.x || a.y || a.z; }
inline bool any(bool4 a) { return a.x || a.y || a.z || a.w; }
inline bool all(bool2 a) { return a.x && a.y; }
inline bool all(bool3 a) { return a.x && a.y && a.z; }
inline bool all(bool4 a) { return a.x && a.y && a.z && a.w; }
#define __MSL_CLASSIFY(T, LEAST)                                                                                       \
  inline bool isnan(T x) { return x != x; }                                                                            \
  inline bool isinf(T x) { return x == (T)__builtin_inff() || x == -(T)__builtin_inff(); }                             \
  inline bool isfinite(T x) { return x - x == (T)0; }                                                                  \
  inline bool isnormal(T x) { return isfinite(x) && (x >= (T)LEAST || x <= (T) - LEAST); }                             \
  inline bool signbit(T x) { return __builtin_signbitf((float)x); }                                                    \
  inline bool isordered(T x, T y) { return x == x && y == y; }                                                         \
  inline bool isunordered(T x, T y) { return x != x || y != y; }                                                       \
  __MSL_CLASSIFY_VECTOR(T, 2) __MSL_CLASSIFY_VECTOR(T, 3) __MSL_CLASSIFY_VECTOR(T, 4)
#define __MSL_CLASSIFY_VECTOR(T, N)                                                                                    \
  __MSL_LIFT1(bool, T, N, isnan)                                                                                       \
  __MSL_LIFT1(bool, T, N, isinf)                                                                                       \
  __MSL_LIFT1(bool, T, N, isfinite)                                                                                    \
  __MSL_LIFT1(bool, T, N, isnormal)                                                                                    \
  __MSL_LIFT1(bool, T, N, signbit)                                                                                     \
  __MSL_LIFT2(bool, T, N, isordered)                                                                                   \
  __MSL_LIFT2(bool, T, N, isunordered)
__MSL_CLASSIFY(half, 0x1p-14f)
__MSL_CLASSIFY(float, 0x1p-126f)
__MSL_CLASSIFY(bfloat, 0x1p-126f)

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
__MSL_SELECTS(bool)
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

// <metal_pack>: fields from the low bits on, each a fraction of the largest (MSL 8.7.1).
inline float __unorm(uint x, uint bits) { return (float)x / (float)((1u << bits) - 1); }
inline float __snorm(uint x, uint bits) {
  int field = (int)(x << (32 - bits)) >> (32 - bits);
  return fmax((float)field / (float)((1u << (bits - 1)) - 1), -1.0f);
}
inline uint __to_unorm(float x, uint bits) { return (uint)rint(saturate(x) * (float)((1u << bits) - 1)); }
inline uint __to_snorm(float x, uint bits) {
  float most = (float)((1u << (bits - 1)) - 1), kept = x != x ? 0.0f : clamp(x, -1.0f, 1.0f);
  return (uint)(int)rint(kept * most) & ((1u << bits) - 1);
}
inline float __from_srgb(float c) { return c <= 0.04045f ? c / 12.92f : powr((c + 0.055f) / 1.055f, 2.4f); }
inline float __to_srgb(float x) {
  float c = saturate(x);
  return c < 0.0031308f ? 12.92f * c : 1.055f * powr(c, 1.0f / 2.4f) - 0.055f;
}
#define __MSL_FIELD(x, offset, bits) (((x) >> offset) & ((1u << bits) - 1)), bits
#define __MSL_PACK(T, TO, FROM)                                                                                        \
  inline T##4 unpack_unorm4x8_##TO(uint x) {                                                                           \
    return T##4 {(T)__unorm(__MSL_FIELD(x, 0, 8)), (T)__unorm(__MSL_FIELD(x, 8, 8)),                                   \
                 (T)__unorm(__MSL_FIELD(x, 16, 8)), (T)__unorm(__MSL_FIELD(x, 24, 8))};                                \
  }                                                                                                                    \
  inline T##4 unpack_snorm4x8_##TO(uint x) {                                                                           \
    return T##4 {(T)__snorm(__MSL_FIELD(x, 0, 8)), (T)__snorm(__MSL_FIELD(x, 8, 8)),                                   \
                 (T)__snorm(__MSL_FIELD(x, 16, 8)), (T)__snorm(__MSL_FIELD(x, 24, 8))};                                \
  }                                                                                                                    \
  inline T##4 unpack_unorm4x8_srgb_##TO(uint x) {                                                                      \
    return T##4 {(T)__from_srgb(__unorm(__MSL_FIELD(x, 0, 8))), (T)__from_srgb(__unorm(__MSL_FIELD(x, 8, 8))),         \
                 (T)__from_srgb(__unorm(__MSL_FIELD(x, 16, 8))), (T)__unorm(__MSL_FIELD(x, 24, 8))};                   \
  }                                                                                                                    \
  inline T##2 unpack_unorm2x16_##TO(uint x) {                                                                          \
    return T##2 {(T)__unorm(__MSL_FIELD(x, 0, 16)), (T)__unorm(__MSL_FIELD(x, 16, 16))};                               \
  }                                                                                                                    \
  inline T##2 unpack_snorm2x16_##TO(uint x) {                                                                          \
    return T##2 {(T)__snorm(__MSL_FIELD(x, 0, 16)), (T)__snorm(__MSL_FIELD(x, 16, 16))};                               \
  }                                                                                                                    \
  inline T##4 unpack_unorm10a2_##TO(uint x) {                                                                          \
    return T##4 {(T)__unorm(__MSL_FIELD(x, 0, 10)), (T)__unorm(__MSL_FIELD(x, 10, 10)),                                \
                 (T)__unorm(__MSL_FIELD(x, 20, 10)), (T)__unorm(__MSL_FIELD(x, 30, 2))};                               \
  }                                                                                                                    \
  inline T##3 unpack_unorm565_##TO(ushort x) {                                                                         \
    return T##3 {(T)__unorm(__MSL_FIELD((uint)x, 11, 5)), (T)__unorm(__MSL_FIELD((uint)x, 5, 6)),                      \
                 (T)__unorm(__MSL_FIELD((uint)x, 0, 5))};                                                              \
  }                                                                                                                    \
  inline uint FROM##_to_unorm4x8(T##4 x) {                                                                             \
    return __to_unorm(x.x, 8) | __to_unorm(x.y, 8) << 8 | __to_unorm(x.z, 8) << 16 | __to_unorm(x.w, 8) << 24;         \
  }                                                                                                                    \
  inline uint FROM##_to_snorm4x8(T##4 x) {                                                                             \
    return __to_snorm(x.x, 8) | __to_snorm(x.y, 8) << 8 | __to_snorm(x.z, 8) << 16 | __to_snorm(x.w, 8) << 24;         \
  }                                                                                                                    \
  inline uint FROM##_to_srgb_unorm4x8(T##4 x) {                                                                        \
    return __to_unorm(__to_srgb(x.x), 8) | __to_unorm(__to_srgb(x.y), 8) << 8 | __to_unorm(__to_srgb(x.z), 8) << 16 |  \
           __to_unorm(x.w, 8) << 24;                                                                                   \
  }                                                                                                                    \
  inline uint FROM##_to_unorm2x16(T##2 x) { return __to_unorm(x.x, 16) | __to_unorm(x.y, 16) << 16; }                  \
  inline uint FROM##_to_snorm2x16(T##2 x) { return __to_snorm(x.x, 16) | __to_snorm(x.y, 16) << 16; }                  \
  inline uint FROM##_to_unorm10a2(T##4 x) {                                                                            \
    return __to_unorm(x.x, 10) | __to_unorm(x.y, 10) << 10 | __to_unorm(x.z, 10) << 20 | __to_unorm(x.w, 2) << 30;     \
  }                                                                                                                    \
  inline ushort FROM##_to_unorm565(T##3 x) {                                                                           \
    return (ushort)(__to_unorm(x.x, 5) << 11 | __to_unorm(x.y, 6) << 5 | __to_unorm(x.z, 5));                          \
  }
__MSL_PACK(float, to_float, pack_float)
__MSL_PACK(half, to_half, pack_half)
#if __METAL_VERSION__ >= 400
#define __MSL_PACK_SIGNED(T, TO, FROM)                                                                                 \
  inline T##4 unpack_snorm10a2_##TO(uint x) {                                                                          \
    return T##4 {(T)__snorm(__MSL_FIELD(x, 0, 10)), (T)__snorm(__MSL_FIELD(x, 10, 10)),                                \
                 (T)__snorm(__MSL_FIELD(x, 20, 10)), (T)__snorm(__MSL_FIELD(x, 30, 2))};                               \
  }                                                                                                                    \
  inline uint FROM##_to_snorm10a2(T##4 x) {                                                                            \
    return __to_snorm(x.x, 10) | __to_snorm(x.y, 10) << 10 | __to_snorm(x.z, 10) << 20 | __to_snorm(x.w, 2) << 30;     \
  }
__MSL_PACK_SIGNED(float, to_float, pack_float)
__MSL_PACK_SIGNED(half, to_half, pack_half)
#endif
// Two bfloats become floats as one does, where overloads for integers would be as good.
#define __MSL_BFLOAT(name, parameters, ...)                                                                            \
  template <class T, typename ::__msl::enable<::__msl::same<T, bfloat>::value, int>::type = 0>                         \
  inline float name parameters {                                                                                       \
    return name(__VA_ARGS__);                                                                                          \
  }
__MSL_BFLOAT(abs, (T x), (float)x)
__MSL_BFLOAT(min, (T x, T y), (float)x, (float)y)
__MSL_BFLOAT(max, (T x, T y), (float)x, (float)y)
__MSL_BFLOAT(min3, (T x, T y, T z), (float)x, (float)y, (float)z)
__MSL_BFLOAT(max3, (T x, T y, T z), (float)x, (float)y, (float)z)
__MSL_BFLOAT(median3, (T x, T y, T z), (float)x, (float)y, (float)z)
__MSL_BFLOAT(clamp, (T x, T y, T z), (float)x, (float)y, (float)z)
} // namespace metal
