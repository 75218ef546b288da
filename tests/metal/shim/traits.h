//===- traits.h - <metal_type_traits> and <metal_limits> ------------------===//
// As in C++, mostly by clang's own traits.
//===----------------------------------------------------------------------===//
#pragma clang system_header

namespace metal {
template <class T, T v> struct integral_constant {
  static constexpr constant T value = v;
  typedef T value_type;
  typedef integral_constant type;
  constexpr operator T() const { return v; }
  constexpr T operator()() const { return v; }
};
template <bool value> using bool_constant = integral_constant<bool, value>;
typedef bool_constant<true> true_type;
typedef bool_constant<false> false_type;

template <bool condition, class A, class B> struct conditional {
  typedef A type;
};
template <class A, class B> struct conditional<false, A, B> {
  typedef B type;
};
template <bool condition, class A, class B> using conditional_t = typename conditional<condition, A, B>::type;
template <bool condition, class T = void> using enable_if = ::__msl::enable<condition, T>;
template <bool condition, class T = void> using enable_if_t = typename ::__msl::enable<condition, T>::type;
template <class...> using void_t = void;
template <class...> struct conjunction : true_type {};
template <class A, class... B> struct conjunction<A, B...> : conditional_t<bool(A::value), conjunction<B...>, A> {};
template <class A> struct conjunction<A> : A {};
template <class...> struct disjunction : false_type {};
template <class A, class... B> struct disjunction<A, B...> : conditional_t<bool(A::value), A, disjunction<B...>> {};
template <class A> struct disjunction<A> : A {};
template <class A> struct negation : bool_constant<!bool(A::value)> {};
template <class... A> constexpr constant bool conjunction_v = conjunction<A...>::value;
template <class... A> constexpr constant bool disjunction_v = disjunction<A...>::value;
template <class A> constexpr constant bool negation_v = negation<A>::value;

/// A value that is the same in all threads, which nobody checks here.
template <class T> using uniform = T;
template <class T> constexpr T make_uniform(T value) { return value; }

#define __MSL_TYPE_TEST(name, expression)                                                                              \
  template <class T> struct name : bool_constant<expression> {};                                                       \
  template <class T> constexpr constant bool name##_v = name<T>::value;
#define __MSL_TYPES_TEST(name, expression)                                                                             \
  template <class A, class B> struct name : bool_constant<expression> {};                                              \
  template <class A, class B> constexpr constant bool name##_v = name<A, B>::value;
#define __MSL_TYPE_CHANGE(name, result)                                                                                \
  template <class T> struct name {                                                                                     \
    typedef result type;                                                                                               \
  };                                                                                                                   \
  template <class T> using name##_t = typename name<T>::type;
/// decltype(v) of a variable has its address space here, which traits<> does not know.
template <class T> struct __spaceless {
  typedef T type;
};
template <class T> struct __spaceless<thread T> {
  typedef T type;
};
template <class T> struct __spaceless<const thread T> {
  typedef const T type;
};
template <class T> using __bare = __remove_cv(typename __spaceless<T>::type);
__MSL_TYPES_TEST(is_same, __is_same(typename __spaceless<A>::type, typename __spaceless<B>::type))
__MSL_TYPES_TEST(is_base_of, __is_base_of(A, B))
// clang converts half and float to bfloat, and only warns (see Diagnostics.cpp).
__MSL_TYPES_TEST(is_convertible,
                 __is_convertible(A, B) &&
                     (!__is_same(__bare<B>, bfloat) || !__is_floating_point(__bare<A>) || __is_same(__bare<A>, bfloat)))
__MSL_TYPES_TEST(is_assignable, __is_assignable(A, B))
template <class T, class... A> struct is_constructible : bool_constant<__is_constructible(T, A...)> {};
template <class T, class... A> constexpr constant bool is_constructible_v = __is_constructible(T, A...);
__MSL_TYPE_TEST(is_void, __is_void(T))
__MSL_TYPE_TEST(is_integral, __is_integral(T))
__MSL_TYPE_TEST(is_floating_point, __is_floating_point(T))
__MSL_TYPE_TEST(is_arithmetic, __is_arithmetic(T))
__MSL_TYPE_TEST(is_fundamental, __is_fundamental(T))
__MSL_TYPE_TEST(is_scalar, __is_scalar(T))
__MSL_TYPE_TEST(is_signed, __is_signed(T))
__MSL_TYPE_TEST(is_unsigned, __is_unsigned(T))
__MSL_TYPE_TEST(is_const, __is_const(T))
__MSL_TYPE_TEST(is_volatile, __is_volatile(T))
__MSL_TYPE_TEST(is_pointer, __is_pointer(T))
__MSL_TYPE_TEST(is_reference, __is_reference(T))
__MSL_TYPE_TEST(is_lvalue_reference, __is_lvalue_reference(T))
__MSL_TYPE_TEST(is_rvalue_reference, __is_rvalue_reference(T))
__MSL_TYPE_TEST(is_array, __is_array(T))
__MSL_TYPE_TEST(is_enum, __is_enum(T))
__MSL_TYPE_TEST(is_union, __is_union(T))
__MSL_TYPE_TEST(is_class, __is_class(T))
__MSL_TYPE_TEST(is_function, __is_function(T))
__MSL_TYPE_TEST(is_object, __is_object(T))
__MSL_TYPE_TEST(is_compound, __is_compound(T))
__MSL_TYPE_TEST(is_empty, __is_empty(T))
__MSL_TYPE_TEST(is_standard_layout, __is_standard_layout(T))
__MSL_TYPE_TEST(is_trivial, __is_trivial(T))
__MSL_TYPE_TEST(is_trivially_copyable, __is_trivially_copyable(T))
__MSL_TYPE_TEST(is_vector, bool(::__msl::traits<__bare<T>>::vector))
__MSL_TYPE_CHANGE(remove_const, __remove_const(T))
__MSL_TYPE_CHANGE(remove_volatile, __remove_volatile(T))
__MSL_TYPE_CHANGE(remove_cv, __remove_cv(T))
__MSL_TYPE_CHANGE(remove_reference, __remove_reference_t(T))
__MSL_TYPE_CHANGE(remove_pointer, __remove_pointer(T))
__MSL_TYPE_CHANGE(remove_extent, __remove_extent(T))
__MSL_TYPE_CHANGE(remove_all_extents, __remove_all_extents(T))
__MSL_TYPE_CHANGE(add_const, const T)
__MSL_TYPE_CHANGE(add_volatile, volatile T)
__MSL_TYPE_CHANGE(add_cv, const volatile T)
__MSL_TYPE_CHANGE(make_signed, __make_signed(T))
__MSL_TYPE_CHANGE(make_unsigned, __make_unsigned(T))
__MSL_TYPE_CHANGE(underlying_type, __underlying_type(T))
__MSL_TYPE_CHANGE(decay, __decay(T))
__MSL_TYPE_CHANGE(make_scalar, typename ::__msl::traits<__bare<T>>::element)
template <class T> struct vec_elements : integral_constant<uint, ::__msl::traits<__bare<T>>::count> {};
template <class T> struct rank : integral_constant<ulong, __array_rank(T)> {};
template <class T, uint i = 0> struct extent : integral_constant<ulong, __array_extent(T, i)> {};
template <class T> struct alignment_of : integral_constant<ulong, alignof(T)> {};

template <class T> struct numeric_limits {
  static constexpr constant bool is_specialized = false;
};
#define __MSL_LIMITS(T, LOWEST, LEAST, MOST, SIGNED, INTEGER, DIGITS, DIGITS10)                                        \
  template <> struct numeric_limits<T> {                                                                               \
    static constexpr T lowest() { return LOWEST; }                                                                     \
    static constexpr T min() { return LEAST; }                                                                         \
    static constexpr T max() { return MOST; }                                                                          \
    static constexpr constant bool is_specialized = true;                                                              \
    static constexpr constant bool is_signed = SIGNED;                                                                 \
    static constexpr constant bool is_integer = INTEGER;                                                               \
    static constexpr constant bool is_exact = INTEGER;                                                                 \
    static constexpr constant bool is_bounded = true;                                                                  \
    static constexpr constant bool is_modulo = !SIGNED;                                                                \
    static constexpr constant bool is_iec559 = !INTEGER;                                                               \
    static constexpr constant bool has_infinity = !INTEGER;                                                            \
    static constexpr constant bool has_quiet_NaN = !INTEGER;                                                           \
    static constexpr constant bool has_signaling_NaN = false;                                                          \
    static constexpr constant int radix = 2;                                                                           \
    static constexpr constant int digits = DIGITS;                                                                     \
    static constexpr constant int digits10 = DIGITS10;
#define __MSL_EXPONENTS(DIGITS, LEAST, LEAST10, MOST, MOST10)                                                          \
  static constexpr constant int max_digits10 = DIGITS;                                                                 \
  static constexpr constant int min_exponent = LEAST;                                                                  \
  static constexpr constant int min_exponent10 = LEAST10;                                                              \
  static constexpr constant int max_exponent = MOST;                                                                   \
  static constexpr constant int max_exponent10 = MOST10;
#define __MSL_INTEGER_LIMITS(T, LEAST, MOST, SIGNED, DIGITS, DIGITS10)                                                 \
  __MSL_LIMITS(T, LEAST, LEAST, MOST, SIGNED, true, DIGITS, DIGITS10)                                                  \
  __MSL_EXPONENTS(0, 0, 0, 0, 0)                                                                                       \
  static constexpr T infinity() { return 0; }                                                                          \
  static constexpr T quiet_NaN() { return 0; }                                                                         \
  static constexpr T epsilon() { return 0; }                                                                           \
  static constexpr T round_error() { return 0; }                                                                       \
  static constexpr T denorm_min() { return 0; }                                                                        \
  }                                                                                                                    \
  ;
// LEAST etc. are exact as float.
#define __MSL_FLOAT_LIMITS(T, LEAST, MOST, EPSILON, DENORMAL, DIGITS, DIGITS10)                                        \
  __MSL_LIMITS(T, (T) - MOST, (T)LEAST, (T)MOST, true, false, DIGITS, DIGITS10)                                        \
  static constexpr T infinity() { return (T)__builtin_inff(); }                                                        \
  static constexpr T quiet_NaN() { return (T)__builtin_nanf(""); }                                                     \
  static constexpr T epsilon() { return (T)EPSILON; }                                                                  \
  static constexpr T round_error() { return (T)0.5f; }                                                                 \
  static constexpr T denorm_min() { return (T)DENORMAL; }
__MSL_INTEGER_LIMITS(bool, false, true, false, 1, 0)
__MSL_INTEGER_LIMITS(char, -128, 127, true, 7, 2)
__MSL_INTEGER_LIMITS(signed char, -128, 127, true, 7, 2)
__MSL_INTEGER_LIMITS(uchar, 0, 255, false, 8, 2)
__MSL_INTEGER_LIMITS(short, -32768, 32767, true, 15, 4)
__MSL_INTEGER_LIMITS(ushort, 0, 65535, false, 16, 4)
__MSL_INTEGER_LIMITS(int, -2147483647 - 1, 2147483647, true, 31, 9)
__MSL_INTEGER_LIMITS(uint, 0u, 4294967295u, false, 32, 9)
__MSL_INTEGER_LIMITS(long, -9223372036854775807L - 1, 9223372036854775807L, true, 63, 18)
__MSL_INTEGER_LIMITS(ulong, 0ul, 18446744073709551615ul, false, 64, 19)
__MSL_FLOAT_LIMITS(half, 0x1p-14f, 65504.0f, 0x1p-10f, 0x1p-24f, 11, 3)
__MSL_EXPONENTS(5, -13, -4, 16, 4)
};
__MSL_FLOAT_LIMITS(float, 0x1p-126f, 0x1.fffffep127f, 0x1p-23f, 0x1p-149f, 24, 6)
__MSL_EXPONENTS(9, -125, -37, 128, 38)
}
;
__MSL_FLOAT_LIMITS(bfloat, 0x1p-126f, 0x1.fep127f, 0x1p-7f, 0x1p-133f, 8, 2)
__MSL_EXPONENTS(4, -125, -37, 128, 38)
}
;
} // namespace metal
