//===- Names.h - Names of variables in emitted text -------------*- C++ -*-===//
// A name comes from the value: attribute tq.name (of a loop: tq.name for what it counts, tq.names for what it carries), or the
// NameLoc that a builder gave it. Two values that are visible at the same point never share one; loops side by side may
// both count with i.
#ifndef TQ_CODEGEN_METAL_NAMES_H
#define TQ_CODEGEN_METAL_NAMES_H

#include "mlir/IR/Location.h"
#include "llvm/ADT/StringSet.h"
#include <string>
#include <vector>

namespace tq::msl {

/// The name that a location carries, directly or inside a fused location; empty if none.
llvm::StringRef nameOf(mlir::Location loc);

class Names {
public:
  Names() { openScope(); }
  void openScope() { scopes.emplace_back(); }
  void closeScope() { scopes.pop_back(); }
  /// A name that is taken in no open scope: `wish` made an identifier, with a number if need be; without a wish v0, v1, ...
  std::string take(llvm::StringRef wish);
  /// i, j, k, ...: for loops that nobody named.
  std::string takeCounter();

private:
  bool isFree(llvm::StringRef name) const;
  std::vector<llvm::StringSet<>> scopes;
  unsigned unnamed = 0;
};

} // namespace tq::msl
#endif
