//===- Lints.h - What clang accepts and Metal does not ----------*- C++ -*-===//
// Rules that can be read off the tokens: words that MSL lacks, OpenCL's own
// notations, pointers without an address space. What needs types is left to
// clang (see language.h), what needs control flow to Instrument.h and the run.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_LINTS_H
#define TQ_TESTS_METAL_LINTS_H

#include "tests/metal/Reflect.h"

namespace tq::metal {

/// `version`: 310 for MSL 3.1.
std::vector<Finding> lint(const Tokens &tokens, const Reflection &reflection, int version);

/// Names that stand for types, with and without vectors: built-in, and those the text declares.
struct TypeNames {
  std::set<std::string, std::less<>> scalars, vectors, aliases, parameters;

  bool isType(std::string_view name) const {
    return scalars.contains(name) || vectors.contains(name) || aliases.contains(name) || parameters.contains(name);
  }
  /// Could be a vector: its constructor and casts need the rewriter's help.
  bool mayBeVector(std::string_view name) const {
    return vectors.contains(name) || aliases.contains(name) || parameters.contains(name);
  }
};
TypeNames typeNames(const Tokens &tokens);

/// log2 of the smallest element that the text may write in an address space ("device" or "threadgroup"); 0 where
/// a type's name does not tell.
int smallestElement(const Tokens &tokens, std::string_view space);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_LINTS_H
