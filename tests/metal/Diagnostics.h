//===- Diagnostics.h - Findings as the user reads them ----------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_DIAGNOSTICS_H
#define TQ_TESTS_METAL_DIAGNOSTICS_H

#include "tests/metal/Reflect.h"

namespace tq::metal {

/// The name under which clang sees the text.
constexpr char kTextFile[] = "kernel.metal";

/// "qmv3.metal:12: error: kernel qmv3: no matching function for call to 'max'"
/// MSL converts a scalar to the element type of the vector that it meets, clang's OpenCL only if nothing can be lost.
/// Writes the casts that `output` (with source ranges) asks for into the text that was compiled; false if there are none.
bool convertScalars(std::string &source, std::string_view output);

std::string format(const Finding &finding, const std::string &name);
/// The first few, one to a line.
std::string format(const std::vector<Finding> &findings, const std::string &name);

/// Errors, and the warnings that Metal treats as errors or that are bugs in any kernel, from clang's standard error.
std::vector<Finding> readDiagnostics(std::string_view output, const Reflection *reflection);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_DIAGNOSTICS_H
