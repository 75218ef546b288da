//===- atomic.h - <metal_atomic> ------------------------------------------===//
// Relaxed order only, as in MSL before 4.1. Every operation is a call into the
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
enum memory_order { memory_order_relaxed = 0 };
enum __fence_order { memory_order_acquire = 2, memory_order_release, memory_order_acq_rel, memory_order_seq_cst };
enum thread_scope { thread_scope_thread, thread_scope_simdgroup, thread_scope_threadgroup, thread_scope_device };

template <class T> struct atomic {
  T __value;
};
template <class T> using _atomic = atomic<T>;
typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
typedef atomic<long> atomic_long;
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
    integer = 1
  };
};
template <> struct __atomic_ops<float> {
  enum { add = __a_fadd, sub = __a_fsub, integer = 0 };
};

// The value's type is not deduced: atomic_fetch_add_explicit(&counter, 1, ...) converts 1, as in MSL.
template <class T> struct __plain {
  typedef T type;
};
#define __MSL_ATOMIC_FETCH(AS, name, op)                                                                               \
  template <class T>                                                                                                   \
  inline T atomic_fetch_##name##_explicit(volatile AS atomic<T> *object, typename __plain<T>::type value,              \
                                          memory_order) {                                                              \
    return __atomic_value<T>(__msl_atomic((ulong)object, __atomic_bits<T>(value), 0, op, sizeof(T)));                  \
  }
#define __MSL_ATOMICS(AS)                                                                                              \
  template <class T> inline T atomic_load_explicit(const volatile AS atomic<T> *object, memory_order) {                \
    return __atomic_value<T>(__msl_atomic((ulong)object, 0, 0, __a_load, sizeof(T)));                                  \
  }                                                                                                                    \
  template <class T>                                                                                                   \
  inline void atomic_store_explicit(volatile AS atomic<T> *object, typename __plain<T>::type value, memory_order) {    \
    __msl_atomic((ulong)object, __atomic_bits<T>(value), 0, __a_store, sizeof(T));                                     \
  }                                                                                                                    \
  template <class T>                                                                                                   \
  inline T atomic_exchange_explicit(volatile AS atomic<T> *object, typename __plain<T>::type value, memory_order) {    \
    return __atomic_value<T>(__msl_atomic((ulong)object, __atomic_bits<T>(value), 0, __a_exchange, sizeof(T)));        \
  }                                                                                                                    \
  template <class T>                                                                                                   \
  inline bool atomic_compare_exchange_weak_explicit(volatile AS atomic<T> *object, thread T *expected,                 \
                                                    typename __plain<T>::type value, memory_order, memory_order) {     \
    ulong old = __msl_atomic((ulong)object, __atomic_bits<T>(value), __atomic_bits<T>(*expected), __a_cas, sizeof(T)); \
    bool done = old == __atomic_bits<T>(*expected);                                                                    \
    if (!done)                                                                                                         \
      *expected = __atomic_value<T>(old);                                                                              \
    return done;                                                                                                       \
  }                                                                                                                    \
  __MSL_ATOMIC_FETCH(AS, add, __atomic_ops<T>::add)                                                                    \
  __MSL_ATOMIC_FETCH(AS, sub, __atomic_ops<T>::sub)                                                                    \
  __MSL_ATOMIC_FETCH(AS, min, __atomic_ops<T>::min)                                                                    \
  __MSL_ATOMIC_FETCH(AS, max, __atomic_ops<T>::max)                                                                    \
  __MSL_ATOMIC_FETCH(AS, and, (int)__a_and + 0 * (int)__atomic_ops<T>::integer)                                        \
  __MSL_ATOMIC_FETCH(AS, or, (int)__a_or + 0 * (int)__atomic_ops<T>::integer)                                          \
  __MSL_ATOMIC_FETCH(AS, xor, (int)__a_xor + 0 * (int)__atomic_ops<T>::integer)
__MSL_ATOMICS(device)
__MSL_ATOMICS(threadgroup)
// Before MSL 4.1 there are float atomics in device memory only.
void atomic_fetch_add_explicit(volatile threadgroup atomic<float> *, float, memory_order) = delete;
void atomic_fetch_sub_explicit(volatile threadgroup atomic<float> *, float, memory_order) = delete;
void atomic_store_explicit(volatile threadgroup atomic<float> *, float, memory_order) = delete;
} // namespace metal
