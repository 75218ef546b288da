//===- Recursion.h - Functions that may call themselves ---------*- C++ -*-===//
// The call graph of the IR tells recursion, but clang leaves out what nobody
// calls, and constexpr functions are in it whose calls are all constants.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_RECURSION_H
#define TQ_TESTS_METAL_RECURSION_H

#include "tests/metal/Reflect.h"

namespace tq::metal {

struct Recursion {
  std::vector<size_t> begins;                   ///< tokens where declarations begin that clang must not leave out
  std::set<std::string, std::less<>> constants; ///< functions that compute constants only
};
Recursion findCircles(const Tokens &tokens, const Reflection &reflection);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_RECURSION_H
