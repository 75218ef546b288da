//===- Build.h - From MSL text to a shared object ---------------*- C++ -*-===//
//   text -clang -E-> tokens (reflection, lints) -Rewrite-> -clang-> IR -Instrument-> -clang, lld-> shared object
//
// Results are kept in $XDG_CACHE_HOME/tq/metal (or ~/.cache/tq/metal) under the
// hash of text, options, shim and processor; without a folder to write to,
// everything is built anew in a temporary one.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_BUILD_H
#define TQ_TESTS_METAL_BUILD_H

#include "tests/metal/Executor.h"

namespace tq::metal {

struct BuiltLibrary {
  std::vector<Kernel> kernels;
  std::string object; ///< the shared object's bytes
  /// log2 of the smallest element that the text writes through pointers to device or threadgroup memory: the checker
  /// remembers accesses in such granules.
  int deviceShift = 0, threadgroupShift = 0;
};

Result<BuiltLibrary> build(std::string_view text, const CompileOptions &options);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_BUILD_H
