//===- ReadFile.h - A file's bytes, or why there are none -------*- C++ -*-===//

#ifndef TQ_RUNTIME_READFILE_H
#define TQ_RUNTIME_READFILE_H

#include "runtime/Status.h"

#include <cstdint>
#include <limits>
#include <string>

namespace tq {

inline constexpr uint64_t kAnySize = std::numeric_limits<uint64_t>::max();

/// The whole file, also of a pipe; of one with more than `limit` bytes nothing
/// is kept. Messages open with the path.
Result<std::string> readFile(const std::string &path, uint64_t limit);

} // namespace tq

#endif // TQ_RUNTIME_READFILE_H
