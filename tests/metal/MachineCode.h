//===- MachineCode.h - What the optimiser makes of a text -------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_MACHINECODE_H
#define TQ_TESTS_METAL_MACHINECODE_H

#include "runtime/Status.h"

#include <string>
#include <string_view>

namespace tq::metal {

/// Instructions and constants of the fast build, without names and line tables. Two texts for which they are equal do
/// the same on every input: barriers and simdgroup functions are calls with their flags as arguments. Address spaces
/// leave no trace.
Result<std::string> machineCode(std::string_view text);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_MACHINECODE_H
