//===- compute.h - <metal_compute>, <metal_simdgroup>, <metal_quadgroup> --===//
// Barriers and everything that lets lanes see each other's values. Each is a
// rendezvous: all lanes of the group must come to the same place in the text.
//===----------------------------------------------------------------------===//
#pragma clang system_header

namespace metal {
enum class mem_flags {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8,
  mem_object_data = 16
};
inline constexpr mem_flags operator|(mem_flags a, mem_flags b) { return (mem_flags)((int)a | (int)b); }
inline constexpr mem_flags operator&(mem_flags a, mem_flags b) { return (mem_flags)((int)a & (int)b); }
inline void threadgroup_barrier(mem_flags flags, __MSL_SITE) { __msl_barrier((int)flags, 1, __site); }
inline void simdgroup_barrier(mem_flags flags, __MSL_SITE) { __msl_barrier((int)flags, 0, __site); }
inline void atomic_thread_fence(mem_flags, memory_order, thread_scope = thread_scope_device) {}
inline void atomic_thread_fence(mem_flags, __fence_order, thread_scope = thread_scope_device) {}

extern "C" {
// The same with a lane, distance or mask that must not differ between the lanes of the group.
__MSL_MEETS ulong __msl_exchange_uniform(thread const void *value, int bytes, int scope, ::__msl::site site,
                                         uint argument);
__MSL_MEETS ulong __msl_broadcast(thread const void *value, int bytes, uint lane, int scope, ::__msl::site site);
}
template <class T> inline T __slot(ulong base, uint lane) { return *(thread const T *)(base + lane * 16); }
template <class T> struct __exchangeable {
  typedef typename ::__msl::traits<T>::element element;
  static_assert(::__msl::is_scalar<element>::value, "simdgroup functions take scalars and vectors");
  static_assert(sizeof(element) <= 4 && sizeof(T) <= 16, "simdgroup functions take no 64-bit values");
  static_assert(!::__msl::same<element, bool>::value, "simdgroup functions take no bool");
  static_assert(!::__msl::same<element, bfloat>::value, "simdgroup functions take no bfloat; convert it to float");
  enum { ok = 1 };
};

// Combines all lanes of a group in a fixed tree; `fold` rather than a lambda, because T may be a vector.
#define __MSL_FOLD(op, expression)                                                                                     \
  struct __fold_##op {                                                                                                 \
    template <class T> static T f(T a, T b) { return (T)(expression); }                                                \
  };
__MSL_FOLD(sum, a + b)
__MSL_FOLD(product, a *b)
__MSL_FOLD(min, min(a, b))
__MSL_FOLD(max, max(a, b))
__MSL_FOLD(and, a &b)
__MSL_FOLD(or, a | b)
__MSL_FOLD(xor, a ^ b)
template <class F, class T> inline T __fold(T value, uint width, int scope, ::__msl::site site) {
  static_assert(__exchangeable<T>::ok, "");
  ulong base = __msl_exchange(&value, sizeof(T), scope, site);
  T part[32];
  uint n = scope == 2 ? 4 : __msl_width();
  for (uint i = 0; i < n; ++i)
    part[i] = __slot<T>(base, i);
  for (; n > 1; n = (n + 1) / 2)
    for (uint i = 0; i < n / 2; ++i)
      part[i] = F::f(part[i], part[i + (n + 1) / 2]);
  return part[0];
}

#define __MSL_REDUCE(op)                                                                                               \
  template <class T> inline T simd_##op(T value, __MSL_SITE) { return __fold<__fold_##op>(value, 32, 0, __site); }     \
  template <class T> inline T quad_##op(T value, __MSL_SITE) { return __fold<__fold_##op>(value, 4, 2, __site); }
__MSL_REDUCE(sum)
__MSL_REDUCE(product)
__MSL_REDUCE(min)
__MSL_REDUCE(max)
__MSL_REDUCE(and)
__MSL_REDUCE(or)
__MSL_REDUCE(xor)
// The common types, without 32 copies per lane.
inline float simd_sum(float value, __MSL_SITE) { return __msl_reduce_f32(value, 0, __site); }
inline float simd_max(float value, __MSL_SITE) { return __msl_reduce_f32(value, 1, __site); }
inline float simd_min(float value, __MSL_SITE) { return __msl_reduce_f32(value, 2, __site); }
inline half simd_sum(half value, __MSL_SITE) { return (half)__msl_reduce_f32((float)value, 3, __site); }
inline half simd_max(half value, __MSL_SITE) { return (half)__msl_reduce_f32((float)value, 1, __site); }
inline half simd_min(half value, __MSL_SITE) { return (half)__msl_reduce_f32((float)value, 2, __site); }
inline uint simd_sum(uint value, __MSL_SITE) { return __msl_reduce_u32(value, 0, __site); }
inline uint simd_max(uint value, __MSL_SITE) { return __msl_reduce_u32(value, 1, __site); }
inline uint simd_min(uint value, __MSL_SITE) { return __msl_reduce_u32(value, 2, __site); }
inline int simd_sum(int value, __MSL_SITE) { return (int)__msl_reduce_u32((uint)value, 0, __site); }
inline int simd_max(int value, __MSL_SITE) { return (int)__msl_reduce_u32((uint)value, 3, __site); }
inline int simd_min(int value, __MSL_SITE) { return (int)__msl_reduce_u32((uint)value, 4, __site); }
inline bool simd_any(bool value, __MSL_SITE) { return __msl_reduce_u32((uint)value, 1, __site) != 0; }
inline bool simd_all(bool value, __MSL_SITE) { return __msl_reduce_u32((uint)value, 2, __site) != 0; }

template <class T, class F>
inline T __scan(T value, T start, bool inclusive, uint lane, int scope, ::__msl::site site) {
  static_assert(__exchangeable<T>::ok, "");
  ulong base = __msl_exchange(&value, sizeof(T), scope, site);
  T sum = start;
  for (uint i = 0; i < lane + (inclusive ? 1 : 0); ++i)
    sum = F::f(sum, __slot<T>(base, i));
  return sum;
}
#define __MSL_SCAN(prefix, scope, lane)                                                                                \
  template <class T> inline T prefix##_prefix_inclusive_sum(T value, __MSL_SITE) {                                     \
    return __scan<T, __fold_sum>(value, (T)0, true, lane, scope, __site);                                              \
  }                                                                                                                    \
  template <class T> inline T prefix##_prefix_exclusive_sum(T value, __MSL_SITE) {                                     \
    return __scan<T, __fold_sum>(value, (T)0, false, lane, scope, __site);                                             \
  }                                                                                                                    \
  template <class T> inline T prefix##_prefix_inclusive_product(T value, __MSL_SITE) {                                 \
    return __scan<T, __fold_product>(value, (T)1, true, lane, scope, __site);                                          \
  }                                                                                                                    \
  template <class T> inline T prefix##_prefix_exclusive_product(T value, __MSL_SITE) {                                 \
    return __scan<T, __fold_product>(value, (T)1, false, lane, scope, __site);                                         \
  }
__MSL_SCAN(simd, 0, __msl_lane())
__MSL_SCAN(quad, 2, (__msl_lane() & 3))

// Shuffles. Lanes beyond the edge keep their own value; a lane that does not exist is an error where it is named
// (shuffle, broadcast) and gives an unpredictable value where it is computed (xor, up, down in a partial simdgroup).
// What one exchange has brought is read before the next, which may give the slots away.
#define __MSL_PERMUTE(prefix, scope, lane, size)                                                                       \
  template <class T> inline T prefix##_shuffle(T value, ushort from, __MSL_SITE) {                                     \
    static_assert(__exchangeable<T>::ok, "");                                                                          \
    return *(thread const T *)__msl_shuffle(&value, sizeof(T), from, scope, __site);                                   \
  }                                                                                                                    \
  template <class T> inline T prefix##_broadcast(T value, ushort from, __MSL_SITE) {                                   \
    static_assert(__exchangeable<T>::ok, "");                                                                          \
    return *(thread const T *)__msl_broadcast(&value, sizeof(T), from, scope, __site);                                 \
  }                                                                                                                    \
  template <class T> inline T prefix##_broadcast_first(T value, __MSL_SITE) {                                          \
    static_assert(__exchangeable<T>::ok, "");                                                                          \
    return *(thread const T *)__msl_shuffle(&value, sizeof(T), 0, scope, __site);                                      \
  }                                                                                                                    \
  template <class T> inline T prefix##_shuffle_xor(T value, ushort mask, __MSL_SITE) {                                 \
    static_assert(__exchangeable<T>::ok, "");                                                                          \
    if (mask >= size)                                                                                                  \
      return *(thread const T *)__msl_shuffle(&value, sizeof(T), lane ^ mask, scope, __site);                          \
    return __slot<T>(__msl_exchange_uniform(&value, sizeof(T), scope, __site, mask), lane ^ mask);                     \
  }                                                                                                                    \
  template <class T> inline T prefix##_shuffle_down(T value, ushort delta, __MSL_SITE) {                               \
    static_assert(__exchangeable<T>::ok, "");                                                                          \
    ulong base = __msl_exchange_uniform(&value, sizeof(T), scope, __site, delta);                                      \
    return lane + delta < size ? __slot<T>(base, lane + delta) : value;                                                \
  }                                                                                                                    \
  template <class T> inline T prefix##_shuffle_up(T value, ushort delta, __MSL_SITE) {                                 \
    static_assert(__exchangeable<T>::ok, "");                                                                          \
    ulong base = __msl_exchange_uniform(&value, sizeof(T), scope, __site, delta);                                      \
    return lane >= delta ? __slot<T>(base, lane - delta) : value;                                                      \
  }                                                                                                                    \
  template <class T> inline T prefix##_shuffle_rotate_down(T value, ushort delta, __MSL_SITE) {                        \
    static_assert(__exchangeable<T>::ok, "");                                                                          \
    return __slot<T>(__msl_exchange_uniform(&value, sizeof(T), scope, __site, delta), (lane + delta) & (size - 1));    \
  }                                                                                                                    \
  template <class T> inline T prefix##_shuffle_rotate_up(T value, ushort delta, __MSL_SITE) {                          \
    static_assert(__exchangeable<T>::ok, "");                                                                          \
    return __slot<T>(__msl_exchange_uniform(&value, sizeof(T), scope, __site, delta), (lane - delta) & (size - 1));    \
  }                                                                                                                    \
  template <class T>                                                                                                   \
  inline T prefix##_shuffle_and_fill_down(T value, T fill, ushort delta, ushort modulo = size, __MSL_SITE) {           \
    static_assert(__exchangeable<T>::ok, "");                                                                          \
    ulong base = __msl_exchange_uniform(&value, sizeof(T), scope, __site, delta | modulo << 16);                       \
    bool inside = lane % modulo + delta < modulo;                                                                      \
    T taken = inside ? __slot<T>(base, lane + delta) : value;                                                          \
    ulong filled = __msl_exchange(&fill, sizeof(T), scope, __site);                                                    \
    return inside ? taken : __slot<T>(filled, (lane + delta - modulo) & (size - 1));                                   \
  }                                                                                                                    \
  template <class T>                                                                                                   \
  inline T prefix##_shuffle_and_fill_up(T value, T fill, ushort delta, ushort modulo = size, __MSL_SITE) {             \
    static_assert(__exchangeable<T>::ok, "");                                                                          \
    ulong base = __msl_exchange_uniform(&value, sizeof(T), scope, __site, delta | modulo << 16);                       \
    bool inside = lane % modulo >= delta;                                                                              \
    T taken = inside ? __slot<T>(base, lane - delta) : value;                                                          \
    ulong filled = __msl_exchange(&fill, sizeof(T), scope, __site);                                                    \
    return inside ? taken : __slot<T>(filled, (lane + modulo - delta) & (size - 1));                                   \
  }
__MSL_PERMUTE(simd, 0, __msl_lane(), 32u)
__MSL_PERMUTE(quad, 2, (__msl_lane() & 3), 4u)

inline bool quad_any(bool value, __MSL_SITE) { return quad_max((uint)value, __site) != 0; }
inline bool quad_all(bool value, __MSL_SITE) { return quad_min((uint)value, __site) != 0; }
inline bool simd_is_first(__MSL_SITE) { return __msl_is_first(0, __site) != 0; }
inline bool quad_is_first(__MSL_SITE) { return __msl_is_first(2, __site) != 0; }

class simd_vote {
public:
  typedef ulong vote_t;
  explicit constexpr simd_vote(vote_t v = 0) : bits(v) {}
  explicit constexpr operator vote_t() const { return bits; }
  bool all() const { return bits == (__msl_width() == 32 ? 0xfffffffful : (1ul << __msl_width()) - 1); }
  bool any() const { return bits != 0; }
  constexpr simd_vote operator&(simd_vote b) const { return simd_vote(bits & b.bits); }
  constexpr simd_vote operator|(simd_vote b) const { return simd_vote(bits | b.bits); }
  constexpr simd_vote operator~() const { return simd_vote(~bits); }

private:
  vote_t bits;
};
inline simd_vote simd_ballot(bool value, __MSL_SITE) {
  uint bit = value ? 1u << __msl_lane() : 0u;
  return simd_vote((ulong)__msl_reduce_u32(bit, 5, __site));
}
inline simd_vote simd_active_threads_mask(__MSL_SITE) { return simd_ballot(true, __site); }

#if __METAL_VERSION__ >= 320
/// <metal_logging>: nobody reads the log of a checked run.
struct os_log {
  constexpr os_log(constant const char *, constant const char *) {}
  constexpr os_log(constant const char *, constant const char *) constant {}
#define __MSL_LOG(name)                                                                                                \
  template <class... A> void name(constant const char *, A...) const {}                                                \
  template <class... A> void name(constant const char *, A...) const constant {}
  __MSL_LOG(log)
  __MSL_LOG(log_debug)
  __MSL_LOG(log_info)
  __MSL_LOG(log_error)
  __MSL_LOG(log_fault)
};
constant os_log os_log_default("", "");
#endif
} // namespace metal
