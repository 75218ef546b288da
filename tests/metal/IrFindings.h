//===- IrFindings.h - What is wrong whatever a kernel reads -----*- C++ -*-===//

#ifndef TQ_TESTS_METAL_IRFINDINGS_H
#define TQ_TESTS_METAL_IRFINDINGS_H

#include "tests/metal/IrText.h"
#include "tests/metal/Recursion.h"

namespace tq::metal {

struct CallGraph {
  std::map<std::string, std::vector<std::string>> calls; ///< by symbol
  std::map<std::string, std::string> subprograms;        ///< metadata's number of a function
};
/// The first function that calls itself, which MSL forbids, but for the constexpr ones that compute constants.
std::vector<Finding> findRecursion(const CallGraph &graph, const IrMetadata &metadata, const Recursion &known);

/// `x << 33` arrives as a shift by 1: compares the literals of each line with the widths that are shifted there.
std::vector<Finding> findConstantShifts(std::string_view ir, const Tokens &tokens, const Reflection &reflection,
                                        const IrMetadata &metadata);

/// What the text declares and uses, but does not define.
std::vector<Finding> findUndefined(std::string_view ir, const Reflection &reflection, const IrMetadata &metadata);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_IRFINDINGS_H
