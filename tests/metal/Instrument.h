//===- Instrument.h - Edits to the kernel's LLVM IR -------------*- C++ -*-===//
// Between clang's front end and its optimiser, on the textual IR:
//
//   - threadgroup variables of kernels move to a section of their own, with gaps
//     between them, and into a table that the executor reads;
//   - the functions of Imports.def become jumps through a table;
//   - what touches a component of a vector touches no other (IrComponents.h);
// and for the checker:
//   - every function is inlined, so that a place in the code is a place in the text;
//   - what uninitialised variables hold is read from __msl_poison at run time;
//   - shift counts are compared with the width (OpenCL masks them in silence);
//   - private arrays that are used through pointers get room around them that nothing may touch;
//   - indices of vector elements are compared with their number, divisors of vectors with zero;
//   - accesses of sizes that ThreadSanitizer's pass leaves out, more than 16 bytes or three elements, are told.
// IrAccesses.h has been there before, and tells those of shared memory.
//
// Text, because a pass plugin would tie the executor to LLVM's libraries.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_INSTRUMENT_H
#define TQ_TESTS_METAL_INSTRUMENT_H

#include "tests/metal/Reflect.h"

namespace tq::metal {

struct Instrumented {
  std::string ir;
  std::vector<Finding> findings; ///< recursion, constant shifts by the width or more
};

Instrumented instrument(std::string_view ir, const Tokens &tokens, const Reflection &reflection, bool checked);

/// The entries of the tables in the shared object. Names are "kernel::variable".
struct ImageVariable {
  char *address;
  uint64_t bytes;
  const char *name;
};
inline std::string_view kernelOf(const ImageVariable &v) {
  std::string_view name = v.name;
  size_t colons = name.rfind("::");
  return colons == name.npos ? std::string_view() : name.substr(0, colons);
}

} // namespace tq::metal

#endif // TQ_TESTS_METAL_INSTRUMENT_H
