//===- ShimFiles.h - The shim's headers inside the library ------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_SHIMFILES_H
#define TQ_TESTS_METAL_SHIMFILES_H

#include <span>
#include <string_view>

namespace tq::metal {

struct ShimFile {
  std::string_view name, text;
};

/// The headers of shim/.
std::span<const ShimFile> shimFiles();
/// What MSL text may include: <metal_stdlib> and its parts. They are empty; see shim/msl.h.
std::span<const std::string_view> metalHeaders();

} // namespace tq::metal

#endif // TQ_TESTS_METAL_SHIMFILES_H
