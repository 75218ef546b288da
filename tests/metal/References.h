//===- References.h - Sizes behind a kernel's references --------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_REFERENCES_H
#define TQ_TESTS_METAL_REFERENCES_H

#include "tests/metal/Executor.h"

namespace tq::metal {

/// Reads Parameter::bytes from the front end's IR, where a reference says how much it refers to.
void readReferences(std::string_view ir, std::vector<Kernel> &kernels);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_REFERENCES_H
