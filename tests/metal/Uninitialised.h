//===- Uninitialised.h - Warnings of clang that a run judges better -*- C++ -*-===//
// Clang says "may be uninitialised" where it cannot follow the text. MSL's own
// text fills vectors element by element (2.2.1).
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_UNINITIALISED_H
#define TQ_TESTS_METAL_UNINITIALISED_H

#include "tests/metal/Reflect.h"

namespace tq::metal {

/// One lane's value goes to all: if (lane == 0) i = ...; i = simd_broadcast_first(i);
bool broadcastsOneLane(const Finding &finding, const Tokens &tokens);

/// A loop gives the variable a value: whether it always does, clang cannot know. Runs with other garbage in the
/// variable tell, so this counts only where there are any.
bool filledInLoop(const Finding &finding, const Tokens &tokens, const Reflection &reflection);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_UNINITIALISED_H
