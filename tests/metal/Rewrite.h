//===- Rewrite.h - From MSL to what clang compiles --------------*- C++ -*-===//
// Small edits that keep every line where it is:
//
//   [[kernel]] void f(device T *x [[buffer(0)]])   kernel void f(device T *x)
//   (float4)h4[i] * s                              ::__msl::make<float4>(h4[i]) * s
//   T(1), vec<T, 4>(a, b)                          ::__msl::make<T>(1), ::__msl::make<vec<T, 4>>(a, b)
//   Params q = p;                                  Params q = ::__msl::load(p);
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
