//===- types.h - Vectors, their constructors, packed and boolean vectors --===//
// Vectors are clang's ext_vector types: swizzles, operators and the refusal of
// implicit conversions come with them. What they lack is the constructor
// spelled float4(...): a macro of that name, so that the type's own name keeps
// its meaning everywhere else, also behind `metal::`.
//===----------------------------------------------------------------------===//
#pragma clang system_header

namespace __msl {
template <int N> struct vector_size {
  static_assert(N >= 2 && N <= 4, "a vector has 2, 3 or 4 elements");
  typedef void ok;
};
} // namespace __msl
namespace metal {
template <class T, int N, class = typename ::__msl::vector_size<N>::ok>
using vec = T __attribute__((ext_vector_type(N)));
}

namespace __msl {
template <class A, class B> struct same {
  enum { value = 0 };
};
template <class A> struct same<A, A> {
  enum { value = 1 };
};
template <bool, class T = void> struct enable {};
template <class T> struct enable<true, T> {
  typedef T type;
};
/// Element type, number of elements, and whether T is a vector.
template <class T> struct traits {
  typedef T element;
  enum { count = 1, vector = 0 };
};
template <class T, int N> struct traits<metal::vec<T, N>> {
  typedef T element;
  enum { count = N, vector = 1 };
};
template <class T> struct is_scalar {
  enum { value = 0 };
};
#define __MSL_SCALAR(T)                                                                                                \
  template <> struct is_scalar<T> {                                                                                    \
    enum { value = 1 };                                                                                                \
  };
__MSL_SCALAR(bool)
__MSL_SCALAR(char)
__MSL_SCALAR(signed char)
__MSL_SCALAR(uchar)
__MSL_SCALAR(short)
__MSL_SCALAR(ushort)
__MSL_SCALAR(int)
__MSL_SCALAR(uint)
__MSL_SCALAR(long)
__MSL_SCALAR(ulong)
__MSL_SCALAR(half)
__MSL_SCALAR(float)
__MSL_SCALAR(bfloat)

/// The N of a boolN.
template <class T> struct truth_count {
  enum { value = 0 };
};
/// packed_T3, which is a class, counts as its vector among the arguments of a constructor.
template <class A> struct unpacked {
  typedef A type;
};
/// An argument of a vector constructor: scalars convert, vectors must have the right element type.
template <class E, class A, bool vector> struct part {
  static constexpr E f(A a) { return E(a); }
};
template <class E, class A> struct part<E, A, true> {
  static_assert(same<typename traits<A>::element, E>::value, "mixed element types in a vector constructor");
  static constexpr A f(A a) { return a; }
};

/// half to bfloat, or back: clang converts neither.
template <class A, class B> struct by_float {
  enum { value = (same<A, half>::value && same<B, bfloat>::value) || (same<A, bfloat>::value && same<B, half>::value) };
};
template <class V, bool vector> struct maker { // scalars and classes
  template <class... A> static constexpr V f(A... a) { return V(a...); }
  template <class A> static constexpr V f(A a) {
    if constexpr (by_float<V, A>::value)
      return V(float(a));
    else
      return V(a);
  }
};
template <class V> struct maker<V, true> {
  typedef typename traits<V>::element E;
  template <class A> static constexpr V one(A a) {
    if constexpr (traits<A>::vector) {
      static_assert(int(traits<A>::count) == int(traits<V>::count), "wrong number of elements in a vector conversion");
      if constexpr (by_float<E, typename traits<A>::element>::value)
        return __builtin_convertvector(__builtin_convertvector(a, metal::vec<float, int(traits<V>::count)>), V);
      else
        return __builtin_convertvector(a, V);
    } else if constexpr (truth_count<A>::value) {
      static_assert(int(truth_count<A>::value) == int(traits<V>::count),
                    "wrong number of elements in a vector conversion");
      return a.template numbers<V>();
    } else if constexpr (is_scalar<A>::value) {
      return (V)((E)a);
    } else if constexpr (__is_enum(A)) {
      return (V)((E)a);
    } else {
      return (V)a;
    }
  }
  static constexpr V f() { return (V)(E)0; }
  template <class A> static constexpr V f(A a) { return one<A>(a); }
  template <class A, class B, class... R> static constexpr V f(A a, B b, R... r) {
    return join<typename unpacked<A>::type, typename unpacked<B>::type, typename unpacked<R>::type...>(a, b, r...);
  }
  template <class... A> static constexpr V join(A... a) {
    static_assert((int(traits<A>::count) + ...) == int(traits<V>::count),
                  "wrong number of elements in a vector constructor");
    return V{part<E, A, traits<A>::vector>::f(a)...};
  }
};
/// T(a...) for any T: what the rewriter makes of constructor calls whose type is a template parameter or an alias.
template <class T, class... A> inline constexpr T make(A... a) { return maker<T, traits<T>::vector>::f(a...); }
/// {a, b...} of a vector with more elements than that: the others are zero.
template <class V, class A> inline int put(thread V &v, int at, A part) {
  if constexpr (traits<A>::vector) {
    static_assert(same<typename traits<A>::element, typename traits<V>::element>::value,
                  "mixed element types in a vector initialiser");
    for (int i = 0; i < int(traits<A>::count); ++i)
      v[at++] = part[i];
  } else
    v[at++] = (typename traits<V>::element)part;
  return at;
}
template <class V, class... A> inline V fill(A... a) {
  static_assert((int(traits<A>::count) + ...) <= int(traits<V>::count), "too many elements in a vector initialiser");
  V v = (V)(typename traits<V>::element)0;
  int at = 0;
  ((at = put(v, at, a)), ...);
  return v;
}
/// (T)x for any T, as an operator that binds like a cast: caster<T>() ->* x.
template <class T> struct caster {};
template <class T, class A> inline constexpr T operator->*(caster<T>, A a) {
  if constexpr (traits<T>::vector)
    return maker<T, true>::f(a);
  else
    return (T)a;
}
/// load<T>(x): a T from where it lies, or from a value; C++ for OpenCL has no copy out of `constant`.
template <class T> inline T load(const __generic T &value) { return value; }
template <class T, class U> inline typename enable<same<T, U>::value, T>::type load(thread const U &value) {
  return value;
}
template <class T, class U> inline typename enable<same<T, U>::value, T>::type load(constant const U &value) {
  return *(thread const T *)(ulong)&value;
}

/// copy(x, 0): the same of any type.
template <class T> inline constexpr T copy(constant const T &value, int) {
  if constexpr (__is_class(T))
    return load<T>(value);
  else
    return value;
}
template <class T> inline constexpr T copy(T value, long) { return value; }

/// An operator[] of N elements: a constant index is checked when the kernel is compiled, any other when it runs.
#define __MSL_BELOW(i, N)                                                                                              \
  __attribute__((                                                                                                      \
      diagnose_if(!((ulong)(i) < (ulong)(N)), "out of bounds: the index is beyond the last element", "error")))
inline ulong inside(ulong index, ulong count) {
#if __MSL_CHECKED
  if (index >= count)
    __ubsan_handle_local_out_of_bounds_abort();
#endif
  return index;
}

/// Elements of a packed_T3, such as p.yz: a vector where it is read, each once where it is written.
template <class T, int... I> struct picked {
  typedef metal::vec<T, sizeof...(I)> V;
  T at[3];
  operator V() const { return V{at[I]...}; }
  operator V() const constant { return V{at[I]...}; }
  void operator=(V v) {
    static_assert(((1 << I) | ...) == ((1 << I) + ...), "an element that is written twice");
    int from = 0;
    ((at[I] = v[from++]), ...);
  }
  void operator=(const __generic picked &other) { *this = (V)other; } // not the elements that are not picked
  void operator+=(V v) { *this = (V) * this + v; }
  void operator-=(V v) { *this = (V) * this - v; }
  void operator*=(V v) { *this = (V) * this * v; }
  void operator/=(V v) { *this = (V) * this / v; }
};
template <class T, int... I> struct unpacked<picked<T, I...>> {
  typedef metal::vec<T, sizeof...(I)> type;
};
#define __MSL_PICKED_OP(op)                                                                                            \
  template <class T, int... I>                                                                                         \
  inline typename picked<T, I...>::V operator op(picked<T, I...> a, typename picked<T, I...>::V b) {                   \
    return (typename picked<T, I...>::V)a op b;                                                                        \
  }                                                                                                                    \
  template <class T, int... I>                                                                                         \
  inline typename picked<T, I...>::V operator op(typename picked<T, I...>::V a, picked<T, I...> b) {                   \
    return a op(typename picked<T, I...>::V) b;                                                                        \
  }                                                                                                                    \
  template <class T, int... I, int... J>                                                                               \
  inline typename picked<T, I...>::V operator op(picked<T, I...> a, picked<T, J...> b) {                               \
    return (typename picked<T, I...>::V)a op(typename picked<T, J...>::V) b;                                           \
  }
__MSL_PICKED_OP(+)
__MSL_PICKED_OP(-)
__MSL_PICKED_OP(*)
__MSL_PICKED_OP(/)
} // namespace __msl

template <class T, class U> inline constexpr T as_type(U value) {
  static_assert(sizeof(T) == sizeof(U), "as_type between types of different size");
  return __builtin_bit_cast(T, value);
}

namespace metal {
// Scalar types are known with the namespace, too; those that are keywords cannot be.
using ::bfloat;
using ::int16_t;
using ::int32_t;
using ::int64_t;
using ::int8_t;
using ::ptrdiff_t;
using ::size_t;
using ::uchar;
using ::uint;
using ::uint16_t;
using ::uint32_t;
using ::uint64_t;
using ::uint8_t;
using ::ulong;
using ::ushort;

#define __MSL_VECTOR(T, N)                                                                                             \
  typedef vec<T, N> T##N;                                                                                              \
  template <class... A> inline constexpr T##N __make_##T##N(A... a) { return ::__msl::maker<T##N, true>::f(a...); }
#define __MSL_VECTORS(T) __MSL_VECTOR(T, 2) __MSL_VECTOR(T, 3) __MSL_VECTOR(T, 4)
__MSL_VECTORS(char)
__MSL_VECTORS(uchar)
__MSL_VECTORS(short)
__MSL_VECTORS(ushort)
__MSL_VECTORS(int)
__MSL_VECTORS(uint)
__MSL_VECTORS(long)
__MSL_VECTORS(ulong)
__MSL_VECTORS(half)
__MSL_VECTORS(float)
__MSL_VECTORS(bfloat)

#define __MSL_PACKED_OP(T, op)                                                                                         \
  inline T##3 operator op(packed_##T##3 a, packed_##T##3 b) { return (T##3)a op(T##3) b; }                             \
  inline T##3 operator op(packed_##T##3 a, T##3 b) { return (T##3)a op b; }                                            \
  inline T##3 operator op(T##3 a, packed_##T##3 b) { return a op(T##3) b; }                                            \
  inline T##3 operator op(packed_##T##3 a, T b) { return (T##3)a op b; }                                               \
  inline T##3 operator op(T a, packed_##T##3 b) { return a op(T##3) b; }
// Two and four elements keep the layout of the vector, with the element's alignment; three elements need a class.
#define __MSL_PACKED(T)                                                                                                \
  typedef T##2 packed_##T##2 __attribute__((aligned(sizeof(T))));                                                      \
  typedef T##4 packed_##T##4 __attribute__((aligned(sizeof(T))));                                                      \
  struct packed_##T##3 {                                                                                               \
    union {                                                                                                            \
      struct {                                                                                                         \
        T x, y, z;                                                                                                     \
      };                                                                                                               \
      struct {                                                                                                         \
        T r, g, b;                                                                                                     \
      };                                                                                                               \
      ::__msl::picked<T, 0, 0> xx;                                                                                     \
      ::__msl::picked<T, 0, 1> xy;                                                                                     \
      ::__msl::picked<T, 0, 2> xz;                                                                                     \
      ::__msl::picked<T, 1, 0> yx;                                                                                     \
      ::__msl::picked<T, 1, 1> yy;                                                                                     \
      ::__msl::picked<T, 1, 2> yz;                                                                                     \
      ::__msl::picked<T, 2, 0> zx;                                                                                     \
      ::__msl::picked<T, 2, 1> zy;                                                                                     \
      ::__msl::picked<T, 2, 2> zz;                                                                                     \
      ::__msl::picked<T, 0, 1, 2> xyz, rgb;                                                                            \
      ::__msl::picked<T, 0, 2, 1> xzy;                                                                                 \
      ::__msl::picked<T, 1, 0, 2> yxz;                                                                                 \
      ::__msl::picked<T, 1, 2, 0> yzx;                                                                                 \
      ::__msl::picked<T, 2, 0, 1> zxy;                                                                                 \
      ::__msl::picked<T, 2, 1, 0> zyx;                                                                                 \
    };                                                                                                                 \
    packed_##T##3() = default;                                                                                         \
    packed_##T##3(const __generic packed_##T##3 &) = default;                                                          \
    packed_##T##3(constant const packed_##T##3 & v) : x(v.x), y(v.y), z(v.z) {}                                        \
    __generic packed_##T##3 &operator=(const __generic packed_##T##3 & v) {                                            \
      x = v.x;                                                                                                         \
      y = v.y;                                                                                                         \
      z = v.z;                                                                                                         \
      return *this;                                                                                                    \
    }                                                                                                                  \
    constexpr packed_##T##3(T##3 v) : x(v.x), y(v.y), z(v.z) {}                                                        \
    constexpr packed_##T##3(T a, T b, T c) : x(a), y(b), z(c) {}                                                       \
    template <class A, class B>                                                                                        \
    constexpr packed_##T##3(A a, B b) : packed_##T##3(::__msl::maker<T##3, true>::f(a, b)) {}                          \
    constexpr explicit packed_##T##3(T a) : x(a), y(a), z(a) {}                                                        \
    constexpr operator T##3() const { return T##3 {x, y, z}; }                                                         \
    operator T##3() const constant { return T##3 {x, y, z}; }                                                          \
    __generic packed_##T##3 &operator+=(T##3 v) { return *this = (T##3) * this + v; }                                  \
    __generic packed_##T##3 &operator-=(T##3 v) { return *this = (T##3) * this - v; }                                  \
    __generic packed_##T##3 &operator*=(T##3 v) { return *this = (T##3) * this * v; }                                  \
    __generic packed_##T##3 &operator/=(T##3 v) { return *this = (T##3) * this / v; }                                  \
    __generic T &operator[](uint i) __MSL_BELOW(i, 3) { return (&x)[::__msl::inside(i, 3)]; }                          \
    T operator[](uint i) const __MSL_BELOW(i, 3) { return (&x)[::__msl::inside(i, 3)]; }                               \
    T operator[](uint i) const constant __MSL_BELOW(i, 3) { return (&x)[::__msl::inside(i, 3)]; }                      \
  };                                                                                                                   \
  __MSL_PACKED_OP(T, +)                                                                                                \
  __MSL_PACKED_OP(T, -)                                                                                                \
  __MSL_PACKED_OP(T, *)                                                                                                \
  __MSL_PACKED_OP(T, /)                                                                                                \
  template <class... A> inline constexpr T##2 __make_packed_##T##2(A... a) { return ::__msl::make<T##2>(a...); }       \
  template <class... A> inline constexpr T##4 __make_packed_##T##4(A... a) { return ::__msl::make<T##4>(a...); }
__MSL_PACKED(char)
__MSL_PACKED(uchar)
__MSL_PACKED(short)
__MSL_PACKED(ushort)
__MSL_PACKED(int)
__MSL_PACKED(uint)
__MSL_PACKED(long)
__MSL_PACKED(ulong)
__MSL_PACKED(half)
__MSL_PACKED(float)
__MSL_PACKED(bfloat)

// Comparing two vectors gives an integer vector here (-1 or 0) and a boolN in MSL; boolN is made from either.
struct alignas(2) bool2 {
  bool x, y;
  bool2() = default;
  constexpr bool2(bool a) : x(a), y(a) {}
  constexpr bool2(bool a, bool b) : x(a), y(b) {}
  template <class V, class = typename ::__msl::enable<::__msl::traits<V>::count == 2>::type>
  constexpr bool2(V v) : x(v.x != 0), y(v.y != 0) {}
  template <class V, class E = typename ::__msl::traits<V>::element> constexpr V numbers() const {
    return V{(E)x, (E)y};
  }
  bool operator[](uint i) const __MSL_BELOW(i, 2) { return (&x)[::__msl::inside(i, 2)]; }
  __generic bool &operator[](uint i) __MSL_BELOW(i, 2) { return (&x)[::__msl::inside(i, 2)]; }
};
struct alignas(4) bool3 {
  bool x, y, z;
  bool3() = default;
  constexpr bool3(bool a) : x(a), y(a), z(a) {}
  constexpr bool3(bool a, bool b, bool c) : x(a), y(b), z(c) {}
  template <class V, class = typename ::__msl::enable<::__msl::traits<V>::count == 3>::type>
  constexpr bool3(V v) : x(v.x != 0), y(v.y != 0), z(v.z != 0) {}
  template <class V, class E = typename ::__msl::traits<V>::element> constexpr V numbers() const {
    return V{(E)x, (E)y, (E)z};
  }
  bool operator[](uint i) const __MSL_BELOW(i, 3) { return (&x)[::__msl::inside(i, 3)]; }
  __generic bool &operator[](uint i) __MSL_BELOW(i, 3) { return (&x)[::__msl::inside(i, 3)]; }
};
struct alignas(4) bool4 {
  bool x, y, z, w;
  bool4() = default;
  constexpr bool4(bool a) : x(a), y(a), z(a), w(a) {}
  constexpr bool4(bool a, bool b, bool c, bool d) : x(a), y(b), z(c), w(d) {}
  template <class V, class = typename ::__msl::enable<::__msl::traits<V>::count == 4>::type>
  constexpr bool4(V v) : x(v.x != 0), y(v.y != 0), z(v.z != 0), w(v.w != 0) {}
  template <class V, class E = typename ::__msl::traits<V>::element> constexpr V numbers() const {
    return V{(E)x, (E)y, (E)z, (E)w};
  }
  bool operator[](uint i) const __MSL_BELOW(i, 4) { return (&x)[::__msl::inside(i, 4)]; }
  __generic bool &operator[](uint i) __MSL_BELOW(i, 4) { return (&x)[::__msl::inside(i, 4)]; }
};
} // namespace metal
namespace __msl {
/// A comparison's result as MSL has it: a boolN of vectors.
inline constexpr bool truth(bool a) { return a; }
template <class A> inline constexpr typename enable<!traits<A>::vector, A>::type truth(A a) { return a; }
#define __MSL_TRUTH(N)                                                                                                 \
  template <> struct truth_count<metal::bool##N> {                                                                     \
    enum { value = N };                                                                                                \
  };                                                                                                                   \
  template <class A, typename enable<traits<A>::vector && traits<A>::count == N, int>::type = 0>                       \
  inline constexpr metal::bool##N truth(A a) {                                                                         \
    return metal::bool##N(a);                                                                                          \
  }
__MSL_TRUTH(2)
__MSL_TRUTH(3)
__MSL_TRUTH(4)
} // namespace __msl
namespace metal {
#define __MSL_BOOLS(N)                                                                                                 \
  inline bool##N operator!(bool##N a) {                                                                                \
    bool##N r;                                                                                                         \
    for (uint i = 0; i < N; ++i)                                                                                       \
      r[i] = !a[i];                                                                                                    \
    return r;                                                                                                          \
  }                                                                                                                    \
  __MSL_BOOL_OP(N, operator&&, a[i] && b[i])                                                                           \
  __MSL_BOOL_OP(N, operator||, a[i] || b[i])                                                                           \
  __MSL_BOOL_OP(N, operator&, a[i] && b[i])                                                                            \
  __MSL_BOOL_OP(N, operator|, a[i] || b[i])                                                                            \
  __MSL_BOOL_OP(N, operator^, a[i] != b[i])                                                                            \
  __MSL_BOOL_OP(N, operator==, a[i] == b[i])                                                                           \
  __MSL_BOOL_OP(N, operator!=, a[i] != b[i])
#define __MSL_BOOL_OP(N, name, expression)                                                                             \
  inline bool##N name(bool##N a, bool##N b) {                                                                          \
    bool##N r;                                                                                                         \
    for (uint i = 0; i < N; ++i)                                                                                       \
      r[i] = expression;                                                                                               \
    return r;                                                                                                          \
  }
__MSL_BOOLS(2)
__MSL_BOOLS(3)
__MSL_BOOLS(4)

/// array<T, N>: as in C++, with an operator[] for every address space that clang's `this` does not cover.
template <class T, ulong N> struct array {
  T __elements[N];
  __generic T &operator[](ulong i) __MSL_BELOW(i, N) { return __elements[::__msl::inside(i, N)]; }
  const __generic T &operator[](ulong i) const __MSL_BELOW(i, N) { return __elements[::__msl::inside(i, N)]; }
  constant const T &operator[](ulong i) const constant __MSL_BELOW(i, N) { return __elements[::__msl::inside(i, N)]; }
  constexpr ulong size() const { return N; }
  __generic T *data() { return __elements; }
};
} // namespace metal

// Vectors are known without the namespace too. Their makers go with them.
#define __MSL_GLOBAL(T)                                                                                                \
  template <> struct __msl::unpacked<metal::packed_##T##3> {                                                           \
    typedef metal::T##3 type;                                                                                          \
  };                                                                                                                   \
  __MSL_GLOBAL_N(T, 2) __MSL_GLOBAL_N(T, 3) __MSL_GLOBAL_N(T, 4) using metal::__make_packed_##T##2;                    \
  using metal::__make_packed_##T##4;
#define __MSL_GLOBAL_N(T, N)                                                                                           \
  using metal::T##N;                                                                                                   \
  using metal::packed_##T##N;                                                                                          \
  using metal::__make_##T##N;
__MSL_GLOBAL(char)
__MSL_GLOBAL(uchar)
__MSL_GLOBAL(short)
__MSL_GLOBAL(ushort)
__MSL_GLOBAL(int)
__MSL_GLOBAL(uint)
__MSL_GLOBAL(long)
__MSL_GLOBAL(ulong)
__MSL_GLOBAL(half)
__MSL_GLOBAL(float)
__MSL_GLOBAL(bfloat)
using metal::bool2;
using metal::bool3;
using metal::bool4;

#define char2(...) __make_char2(__VA_ARGS__)
#define char3(...) __make_char3(__VA_ARGS__)
#define char4(...) __make_char4(__VA_ARGS__)
#define uchar2(...) __make_uchar2(__VA_ARGS__)
#define uchar3(...) __make_uchar3(__VA_ARGS__)
#define uchar4(...) __make_uchar4(__VA_ARGS__)
#define short2(...) __make_short2(__VA_ARGS__)
#define short3(...) __make_short3(__VA_ARGS__)
#define short4(...) __make_short4(__VA_ARGS__)
#define ushort2(...) __make_ushort2(__VA_ARGS__)
#define ushort3(...) __make_ushort3(__VA_ARGS__)
#define ushort4(...) __make_ushort4(__VA_ARGS__)
#define int2(...) __make_int2(__VA_ARGS__)
#define int3(...) __make_int3(__VA_ARGS__)
#define int4(...) __make_int4(__VA_ARGS__)
#define uint2(...) __make_uint2(__VA_ARGS__)
#define uint3(...) __make_uint3(__VA_ARGS__)
#define uint4(...) __make_uint4(__VA_ARGS__)
#define long2(...) __make_long2(__VA_ARGS__)
#define long3(...) __make_long3(__VA_ARGS__)
#define long4(...) __make_long4(__VA_ARGS__)
#define ulong2(...) __make_ulong2(__VA_ARGS__)
#define ulong3(...) __make_ulong3(__VA_ARGS__)
#define ulong4(...) __make_ulong4(__VA_ARGS__)
#define half2(...) __make_half2(__VA_ARGS__)
#define half3(...) __make_half3(__VA_ARGS__)
#define half4(...) __make_half4(__VA_ARGS__)
#define float2(...) __make_float2(__VA_ARGS__)
#define float3(...) __make_float3(__VA_ARGS__)
#define float4(...) __make_float4(__VA_ARGS__)
#define bfloat2(...) __make_bfloat2(__VA_ARGS__)
#define bfloat3(...) __make_bfloat3(__VA_ARGS__)
#define bfloat4(...) __make_bfloat4(__VA_ARGS__)
#define packed_char2(...) __make_packed_char2(__VA_ARGS__)
#define packed_char4(...) __make_packed_char4(__VA_ARGS__)
#define packed_uchar2(...) __make_packed_uchar2(__VA_ARGS__)
#define packed_uchar4(...) __make_packed_uchar4(__VA_ARGS__)
#define packed_short2(...) __make_packed_short2(__VA_ARGS__)
#define packed_short4(...) __make_packed_short4(__VA_ARGS__)
#define packed_ushort2(...) __make_packed_ushort2(__VA_ARGS__)
#define packed_ushort4(...) __make_packed_ushort4(__VA_ARGS__)
#define packed_int2(...) __make_packed_int2(__VA_ARGS__)
#define packed_int4(...) __make_packed_int4(__VA_ARGS__)
#define packed_uint2(...) __make_packed_uint2(__VA_ARGS__)
#define packed_uint4(...) __make_packed_uint4(__VA_ARGS__)
#define packed_half2(...) __make_packed_half2(__VA_ARGS__)
#define packed_half4(...) __make_packed_half4(__VA_ARGS__)
#define packed_float2(...) __make_packed_float2(__VA_ARGS__)
#define packed_float4(...) __make_packed_float4(__VA_ARGS__)
#define packed_bfloat2(...) __make_packed_bfloat2(__VA_ARGS__)
#define packed_bfloat4(...) __make_packed_bfloat4(__VA_ARGS__)

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define HUGE_VALF __builtin_inff()
#define FLT_MAX 0x1.fffffep127f
#define FLT_MIN 0x1p-126f
#define FLT_EPSILON 0x1p-23f
#define HALF_MAX 65504.0h
#define HALF_MIN 6.103515625e-05h
#define MAXFLOAT 0x1.fffffep127f
#define MAXHALF 65504.0h
#define CHAR_BIT 8
#define CHAR_MIN (-128)
#define CHAR_MAX 127
#define UCHAR_MAX 255
#define SHRT_MIN (-32768)
#define SHRT_MAX 32767
#define USHRT_MAX 65535
#define INT_MIN (-2147483647 - 1)
#define INT_MAX 2147483647
#define UINT_MAX 4294967295u
#define LONG_MIN (-9223372036854775807L - 1)
#define LONG_MAX 9223372036854775807L
#define ULONG_MAX 18446744073709551615ul
#define M_PI_F 3.14159265358979323846f
#define M_PI_2_F 1.57079632679489661923f
#define M_PI_4_F 0.785398163397448309616f
#define M_1_PI_F 0.318309886183790671538f
#define M_2_PI_F 0.636619772367581343076f
#define M_2_SQRTPI_F 1.12837916709551257390f
#define M_SQRT2_F 1.41421356237309504880f
#define M_SQRT1_2_F 0.707106781186547524401f
#define M_E_F 2.71828182845904523536f
#define M_LOG2E_F 1.44269504088896340736f
#define M_LOG10E_F 0.434294481903251827651f
#define M_LN2_F 0.693147180559945309417f
#define M_LN10_F 2.30258509299404568402f
#define M_PI_H 3.14159265358979323846h
