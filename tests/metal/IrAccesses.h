//===- IrAccesses.h - Accesses told before they are optimised ---*- C++ -*-===//
// clang keeps the address spaces in the IR (-ffake-address-space-map), so that accesses of shared memory differ from
// those of private variables, which must stay registers. Before each of the former comes a call; the optimiser may
// then do away with the access, but not with the call:
//
//   %0 = load float, ptr addrspace(1) %p, align 4     call void @__msl_read(ptr %p, i64 4, i64 3)
//                                                     %0 = load float, ptr %p, align 4, !nosanitize !{}
//
// What goes by a generic pointer (`this`) is left to ThreadSanitizer's pass, which comes last.
//
// Elements of a vector are memory of their own: clang loads the whole vector to read one, and loads, changes and
// stores it to write one. Told, and stored, is what the text names.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_IRACCESSES_H
#define TQ_TESTS_METAL_IRACCESSES_H

#include <string>
#include <string_view>

namespace tq::metal {

/// The IR without address spaces, and with calls of what accessDeclarations() declares.
std::string tellAccesses(std::string_view ir);
std::string_view accessDeclarations();

} // namespace tq::metal

#endif // TQ_TESTS_METAL_IRACCESSES_H
