//===- Lints.h - What clang accepts and Metal does not ----------*- C++ -*-===//
// Rules that can be read off the tokens. What needs types is left to clang (see
// language.h), what needs control flow to Instrument.h and the run.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_LINTS_H
#define TQ_TESTS_METAL_LINTS_H

#include "tests/metal/Reflect.h"

namespace tq::metal {

/// Words that MSL lacks, OpenCL's own notations, pointers without an address space. `version`: 310 for MSL 3.1.
std::vector<Finding> lint(const Tokens &tokens, const Reflection &reflection, int version);

/// No float becomes a bfloat by itself (MSL 2.22), not even a literal.
std::vector<Finding> lintBfloats(const Tokens &tokens, const Reflection &reflection);

/// Calls of member functions on objects outside of thread memory, where `this` is before MSL 4.1.
std::vector<Finding> lintMembers(const Tokens &tokens, const Reflection &reflection, int version);

/// Structs that no buffer can hold, parameters with two attributes that exclude each other.
std::vector<Finding> lintArguments(const Tokens &tokens, const Reflection &reflection);

/// Brackets without a partner, which would hide from the reader where kernels begin and end.
std::vector<Finding> lintBrackets(const Tokens &tokens, std::string_view preprocessed);

/// A finding at token i.
Finding findingAt(const Tokens &tokens, const Reflection &reflection, size_t i, std::string message);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_LINTS_H
