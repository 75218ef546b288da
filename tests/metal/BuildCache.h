//===- BuildCache.h - Finished builds and the precompiled shim --*- C++ -*-===//

#ifndef TQ_TESTS_METAL_BUILDCACHE_H
#define TQ_TESTS_METAL_BUILDCACHE_H

#include "tests/metal/Build.h"

#include <optional>

namespace tq::metal {

/// Where the shim lies as files, with an empty header for each of MSL's own in headers/.
struct Shim {
  std::string folder;
  std::string hash; ///< of its text and the processor
};
Result<Shim> installShim();

/// The shim precompiled with these flags: folder/NAME.pch, made if it is not there.
Result<std::string> precompiledShim(const Shim &shim, const std::vector<std::string> &command,
                                    std::string_view flavour);

std::string hashOf(std::string_view bytes);

std::optional<BuiltLibrary> loadBuild(const std::string &key);
/// A cache that cannot be written is no error.
void storeBuild(const std::string &key, const BuiltLibrary &library);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_BUILDCACHE_H
