//===- IrTables.h - What the executor reads and writes ----------*- C++ -*-===//
// Variables of the shared object by which it and the executor know each other.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_IRTABLES_H
#define TQ_TESTS_METAL_IRTABLES_H

#include <string>
#include <string_view>
#include <vector>

namespace tq::metal {

/// A symbol as it is written in the text.
std::string demangle(std::string_view symbol);

/// A global of the IR: "@_ZZ1kPU8CLglobalfE4tile", "[32 x float]", "k::tile".
struct IrVariable {
  std::string symbol, type, name;
};

/// A variable of a function as the text calls it: "k::tile", likewise of instances of k.
std::string variableName(std::string_view symbol);

/// __msl_statics and __msl_constants, with sizes and names; __msl_poison; room for the imports.
std::string variableTables(const std::vector<IrVariable> &statics, const std::vector<IrVariable> &constants);

/// Each function of Imports.def as a jump through __msl_imports.
std::string importJumps();

} // namespace tq::metal

#endif // TQ_TESTS_METAL_IRTABLES_H
