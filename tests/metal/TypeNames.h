//===- TypeNames.h - Names that stand for types -----------------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_TYPENAMES_H
#define TQ_TESTS_METAL_TYPENAMES_H

#include "tests/metal/Lexer.h"

#include <set>

namespace tq::metal {

/// With and without vectors: built-in types, and those the text declares.
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

#endif // TQ_TESTS_METAL_TYPENAMES_H
