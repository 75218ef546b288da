//===- Imports.h - What the executor offers to kernels ----------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_IMPORTS_H
#define TQ_TESTS_METAL_IMPORTS_H

#include <span>

namespace tq::metal {

/// In the order of Imports.def.
std::span<void *const> importedFunctions();

} // namespace tq::metal

#endif // TQ_TESTS_METAL_IMPORTS_H
