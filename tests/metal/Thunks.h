//===- Thunks.h - How the executor calls a kernel ---------------*- C++ -*-===//
// One function per kernel that takes its arguments from an array of uint64_t: a
// pointer for buffers and threadgroup memory, the address of four uint32_t for
// built-ins.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_THUNKS_H
#define TQ_TESTS_METAL_THUNKS_H

#include "tests/metal/Reflect.h"

namespace tq::metal {

/// These functions, behind the rewritten text.
std::string thunks(const Reflection &reflection);

/// The symbol of a kernel's.
std::string thunkName(std::string_view kernel);
constexpr char kThunkPrefix[] = "__msl_thunk_";
constexpr char kThunkFile[] = "<thunks>";

} // namespace tq::metal

#endif // TQ_TESTS_METAL_THUNKS_H
