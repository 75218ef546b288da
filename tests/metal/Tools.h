//===- Tools.h - clang as a program -----------------------------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_TOOLS_H
#define TQ_TESTS_METAL_TOOLS_H

#include "runtime/Status.h"
#include "tests/TemporaryDirectory.h"

#include <string>
#include <vector>

namespace tq::metal {

/// clang++-22: first in PATH, then where CMake found it. Or a sentence.
Result<std::string> findClang();
/// llvm-symbolizer beside that clang or in PATH; empty if there is none.
std::string findSymbolizer();

struct ToolOutput {
  int code = 0; ///< 128 + the signal's number if one ended it
  std::string out, error;
};
/// Runs a program to its end. Output is collected through files in `folder`.
Result<ToolOutput> runTool(const std::vector<std::string> &arguments, const std::string &folder);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_TOOLS_H
