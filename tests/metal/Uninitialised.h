//===- Uninitialised.h - Warnings of clang that a run judges better -*- C++ -*-===//
// Clang says "may be uninitialised" where it cannot follow the text. MSL's own
// text fills vectors element by element (2.2.1).
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_UNINITIALISED_H
#define TQ_TESTS_METAL_UNINITIALISED_H

#include "tests/metal/Reflect.h"

namespace tq::metal {

/// A variable without a value at its declaration, whose reads a checked run watches.
struct Watched {
  std::string function, name;
};

/// Takes away the findings that are none:
/// - one lane's value goes to all: if (lane == 0) i = ...; i = simd_broadcast_first(i);
/// - what is assigned under a condition is read under that condition only
/// - a loop gives the variable a value. Whether it always does, clang cannot know; this counts only if `run`, because
///   runs tell that watch the variable and start it with other garbage.
std::vector<Watched> excuse(std::vector<Finding> &findings, const Tokens &tokens, const Reflection &reflection,
                            bool run);

/// Calls of __msl_value before each load of the watched variables: scalars whose address stays in their function.
std::string watchReads(std::string ir, const std::vector<Watched> &variables);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_UNINITIALISED_H
