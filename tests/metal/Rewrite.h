//===- Rewrite.h - From MSL to what clang compiles --------------*- C++ -*-===//
// Small edits that keep every line where it is:
//
//   [[kernel]] void f(device T *x [[buffer(0)]])   void f(device T *x)
//   threadgroup float s[8]; in a kernel            typedef float type_s[8];
//                                                  static constant char store_s[sizeof(type_s)] = {};
//                                                  threadgroup type_s &s = *(threadgroup type_s *)&store_s;
//   constant int n [[function_constant(0)]];       constant int n = {3}; or, without a value, extern constant int n;
//   template <void (*f)(int)>                      template <void (&f)(int)>
//   constant float *p                              constant const float *p
//   float4 v = {1};                                float4 v = ::__msl::fill<float4>(1);
//   S(float x) thread {                            S(float x) {
//   (float4)h4[i] * s, static_cast<float4>(h)      ::__msl::make<float4>(h4[i]) * s, ::__msl::make<float4>(h)
//   T(1), vec<T, 4>(a, b)                          ::__msl::make<T>(1), ::__msl::make<vec<T, 4>>(a, b)
//   float2 v(x, y);                                float2 v = ::__msl::make<float2>(x, y);
//   Params q = p; auto r = p;                      Params q = ::__msl::load<Params>(p); auto r = ::__msl::copy(p, 0);
//   float4(a < b), a < b ? x : y                   float4(::__msl::truth(a < b)), ::__msl::truth(a < b) ? x : y
//   float f(thread const float &x) {...}           ... float f(const float &&x) { return f(*(thread ...)&x); }
//   thread T &at(int i) { in a class               thread T &at(int i) thread { // else `this` is of no space
//   0.5bf, 0.5                                     ((bfloat)0.5f), 0.5f
//
// and the functions of Thunks.h.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_REWRITE_H
#define TQ_TESTS_METAL_REWRITE_H

#include "tests/metal/Reflect.h"

namespace tq::metal {

std::string rewrite(std::string_view preprocessed, const Tokens &tokens, const Reflection &reflection);

/// What `store_` is above.
constexpr char kThreadgroupPrefix[] = "__msl_threadgroup_";

} // namespace tq::metal

#endif // TQ_TESTS_METAL_REWRITE_H
