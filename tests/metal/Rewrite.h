//===- Rewrite.h - From MSL to what clang compiles --------------*- C++ -*-===//
// Small edits that keep every line where it is:
//
//   [[kernel]] void f(device T *x [[buffer(0)]])   kernel void f(device T *x)
//   (float4)h4[i] * s, static_cast<float4>(h)      ::__msl::make<float4>(h4[i]) * s, ::__msl::make<float4>(h)
//   T(1), vec<T, 4>(a, b)                          ::__msl::make<T>(1), ::__msl::make<vec<T, 4>>(a, b)
//   float2 v(x, y);                                float2 v = ::__msl::make<float2>(x, y);
//   Params q = p; auto r = p;                      Params q = ::__msl::load<Params>(p); auto r = ::__msl::copy(p, 0);
//   float4(a < b), a < b ? x : y                   float4(::__msl::truth(a < b)), ::__msl::truth(a < b) ? x : y
//   float f(thread const float &x) {...}           ... float f(const float &&x) { return f(*(thread ...)&x); }
//   thread T &at(int i) { in a class           thread T &at(int i) thread {      // else `this` is of no space
//   0.5bf                                          ((bfloat)0.5f)
//
// and one function per kernel that takes its arguments from an array.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_REWRITE_H
#define TQ_TESTS_METAL_REWRITE_H

#include "tests/metal/Reflect.h"

namespace tq::metal {

std::string rewrite(std::string_view preprocessed, const Tokens &tokens, const Reflection &reflection);

/// Kernel f is called through __msl_thunk_f(const uint64_t *arguments): a pointer for buffers and threadgroup memory,
/// the address of four uint32_t for built-ins.
constexpr char kThunkPrefix[] = "__msl_thunk_";
constexpr char kThunkFile[] = "<thunks>";

} // namespace tq::metal

#endif // TQ_TESTS_METAL_REWRITE_H
