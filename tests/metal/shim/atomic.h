//===- atomic.h - <metal_atomic> ------------------------------------------===//
// The types, functions and orders of MSL 6.15. Every operation is a call into the
// executor, which also tells atomic from plain accesses.
//===----------------------------------------------------------------------===//
#pragma clang system_header

// OpenCL has these names built in, as types of its own.
#define atomic_int __msl_atomic_int
#define atomic_uint __msl_atomic_uint
#define atomic_long __msl_atomic_long
#define atomic_ulong __msl_atomic_ulong
#define atomic_bool __msl_atomic_bool
#define atomic_float __msl_atomic_float
#define atomic_double __msl_word_atomic_double
#define atomic_flag __msl_word_atomic_flag

namespace metal {
#define __MSL_UNAVAILABLE(since) __attribute__((unavailable("it needs MSL " since)))
#if __METAL_VERSION__ < 320
#define __MSL_FENCES __MSL_UNAVAILABLE("3.2")
#else
#define __MSL_FENCES
#endif
// Fences alone take an order that is not relaxed.
enum memory_order { memory_order_relaxed = 0 };
enum __fence_order {
  memory_order_acquire __MSL_UNAVAILABLE("4.1") = 2,
  memory_order_release __MSL_UNAVAILABLE("4.1"),
  memory_order_acq_rel __MSL_UNAVAILABLE("4.1"),
  memory_order_seq_cst __MSL_FENCES
};
enum thread_scope { thread_scope_thread, thread_scope_simdgroup, thread_scope_threadgroup, thread_scope_device };
enum class mem_flags; // compute.h, where these are defined
void atomic_thread_fence(mem_flags, memory_order, thread_scope) __MSL_FENCES;
void atomic_thread_fence(mem_flags, __fence_order, thread_scope) __MSL_FENCES;

/// The functions that atomic<T> has: whole values, sums, and bits with minima.
template <class T> struct __atomic_has {
  enum { any = 0, values = 0, sums = 0, bits = 0 };
};
#define __MSL_ATOMIC_HAS(T, VALUES, SUMS, BITS)                                                                        \
  template <> struct __atomic_has<T> {                                                                                 \
    enum { any = 1, values = VALUES, sums = SUMS, bits = BITS };                                                       \
  };
__MSL_ATOMIC_HAS(int, 1, 1, 1)
__MSL_ATOMIC_HAS(uint, 1, 1, 1)
__MSL_ATOMIC_HAS(float, 1, 1, 0)
__MSL_ATOMIC_HAS(bool, 1, 0, 0)
__MSL_ATOMIC_HAS(ulong, 0, 0, 0)

template <class T> struct atomic {
  static_assert(__atomic_has<T>::any, "atomic<T> is for int, uint, ulong, bool and float");
  T __value;
  atomic() = default;
  atomic(const __generic atomic &) = delete;
  __generic atomic &operator=(const __generic atomic &) = delete;
};
template <class T> using _atomic = atomic<T>;
typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
typedef atomic<ulong> atomic_ulong;
typedef atomic<bool> atomic_bool;
typedef atomic<float> atomic_float;

template <class T> inline ulong __atomic_bits(T v) {
  if constexpr (sizeof(T) == 1)
    return (ulong)(uchar)v;
  else if constexpr (sizeof(T) == 4)
    return (ulong) __builtin_bit_cast(uint, v);
  else
    return __builtin_bit_cast(ulong, v);
}
template <class T> inline T __atomic_value(ulong bits) {
  if constexpr (sizeof(T) == 1)
    return (T)(bits != 0);
  else if constexpr (sizeof(T) == 4)
    return __builtin_bit_cast(T, (uint)bits);
  else
    return __builtin_bit_cast(T, bits);
}
enum {
  __a_load,
  __a_store,
  __a_exchange,
  __a_add,
  __a_sub,
  __a_and,
  __a_or,
  __a_xor,
  __a_umin,
  __a_umax,
  __a_smin,
  __a_smax,
  __a_fadd,
  __a_fsub,
  __a_cas
};
template <class T> struct __atomic_ops {
  enum {
    add = __a_add,
    sub = __a_sub,
    min = T(-1) < T(0) ? __a_smin : __a_umin,
    max = T(-1) < T(0) ? __a_smax : __a_umax,
  };
};
template <> struct __atomic_ops<float> {
  enum { add = __a_fadd, sub = __a_fsub, min = 0, max = 0 };
};

// The value's type is not deduced: atomic_fetch_add_explicit(&counter, 1, ...) converts 1, as in MSL.
template <class T> struct __plain {
  typedef T type;
};
#define __MSL_ATOMIC_FETCH(AS, name, group, types, op)                                                                 \
  template <class T>                                                                                                   \
  inline T atomic_fetch_##name##_explicit(volatile AS atomic<T> *object, typename __plain<T>::type value,              \
                                          memory_order) {                                                              \
    static_assert(__atomic_has<T>::group, "atomic_fetch_" #name "_explicit takes " types);                             \
    return __atomic_value<T>(__msl_atomic((ulong)object, __atomic_bits<T>(value), 0, op, sizeof(T)));                  \
  }
#define __MSL_ATOMIC_VALUES                                                                                            \
  static_assert(__atomic_has<T>::values, "atomic_ulong has atomic_min_explicit and atomic_max_explicit only")
#define __MSL_SUMS "atomic_int, atomic_uint and atomic_float"
#define __MSL_BITS "atomic_int and atomic_uint"
#define __MSL_ATOMICS(AS)                                                                                              \
  template <class T> inline T atomic_load_explicit(const volatile AS atomic<T> *object, memory_order) {                \
    __MSL_ATOMIC_VALUES;                                                                                               \
    return __atomic_value<T>(__msl_atomic((ulong)object, 0, 0, __a_load, sizeof(T)));                                  \
  }                                                                                                                    \
  template <class T>                                                                                                   \
  inline void atomic_store_explicit(volatile AS atomic<T> *object, typename __plain<T>::type value, memory_order) {    \
    __MSL_ATOMIC_VALUES;                                                                                               \
    __msl_atomic((ulong)object, __atomic_bits<T>(value), 0, __a_store, sizeof(T));                                     \
  }                                                                                                                    \
  template <class T>                                                                                                   \
  inline T atomic_exchange_explicit(volatile AS atomic<T> *object, typename __plain<T>::type value, memory_order) {    \
    __MSL_ATOMIC_VALUES;                                                                                               \
    return __atomic_value<T>(__msl_atomic((ulong)object, __atomic_bits<T>(value), 0, __a_exchange, sizeof(T)));        \
  }                                                                                                                    \
  template <class T>                                                                                                   \
  inline bool atomic_compare_exchange_weak_explicit(volatile AS atomic<T> *object, thread T *expected,                 \
                                                    typename __plain<T>::type value, memory_order, memory_order) {     \
    __MSL_ATOMIC_VALUES;                                                                                               \
    ulong old = __msl_atomic((ulong)object, __atomic_bits<T>(value), __atomic_bits<T>(*expected), __a_cas, sizeof(T)); \
    bool done = !(old >> 63); /* it may fail with the value that is expected */                                        \
    if (!done)                                                                                                         \
      *expected = __atomic_value<T>(old);                                                                              \
    return done;                                                                                                       \
  }                                                                                                                    \
  __MSL_ATOMIC_FETCH(AS, add, sums, __MSL_SUMS, __atomic_ops<T>::add)                                                  \
  __MSL_ATOMIC_FETCH(AS, sub, sums, __MSL_SUMS, __atomic_ops<T>::sub)                                                  \
  __MSL_ATOMIC_FETCH(AS, min, bits, __MSL_BITS, __atomic_ops<T>::min)                                                  \
  __MSL_ATOMIC_FETCH(AS, max, bits, __MSL_BITS, __atomic_ops<T>::max)                                                  \
  __MSL_ATOMIC_FETCH(AS, and, bits, __MSL_BITS, __a_and)                                                               \
  __MSL_ATOMIC_FETCH(AS, or, bits, __MSL_BITS, __a_or)                                                                 \
  __MSL_ATOMIC_FETCH(AS, xor, bits, __MSL_BITS, __a_xor)
__MSL_ATOMICS(device)
__MSL_ATOMICS(threadgroup)

inline void atomic_min_explicit(volatile device atomic<ulong> *object, ulong value, memory_order) {
  __msl_atomic((ulong)object, value, 0, __a_umin, 8);
}
inline void atomic_max_explicit(volatile device atomic<ulong> *object, ulong value, memory_order) {
  __msl_atomic((ulong)object, value, 0, __a_umax, 8);
}

// Before MSL 4.1 there are float atomics in device memory only.
#define __MSL_NO_ATOMIC = delete ("float atomics in threadgroup memory need MSL 4.1")
float atomic_load_explicit(const volatile threadgroup atomic<float> *, memory_order) __MSL_NO_ATOMIC;
void atomic_store_explicit(volatile threadgroup atomic<float> *, float, memory_order) __MSL_NO_ATOMIC;
float atomic_exchange_explicit(volatile threadgroup atomic<float> *, float, memory_order) __MSL_NO_ATOMIC;
bool atomic_compare_exchange_weak_explicit(volatile threadgroup atomic<float> *, thread float *, float, memory_order,
                                           memory_order) __MSL_NO_ATOMIC;
float atomic_fetch_add_explicit(volatile threadgroup atomic<float> *, float, memory_order) __MSL_NO_ATOMIC;
float atomic_fetch_sub_explicit(volatile threadgroup atomic<float> *, float, memory_order) __MSL_NO_ATOMIC;
} // namespace metal
