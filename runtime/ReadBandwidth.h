//===- ReadBandwidth.h - How fast this machine reads memory -----*- C++ -*-===//
// What decoding is measured against: the best plain read by the same threads,
// in the same minute, of memory that no cache holds.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_READBANDWIDTH_H
#define TQ_RUNTIME_READBANDWIDTH_H

#include "runtime/Status.h"
#include "runtime/ThreadPool.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace tq {

class ReadBandwidth {
public:
  /// A buffer of random data (never zero pages, which need no memory).
  static Result<ReadBandwidth> create(int threads, uint64_t bytes);
  ReadBandwidth(ReadBandwidth &&other) noexcept;
  ~ReadBandwidth();

  /// Bytes per second of one pass over the buffer, by the best of several ways
  /// to share it out.
  double measure();

private:
  ReadBandwidth() = default;
  std::span<std::byte> buffer;
  std::unique_ptr<ThreadPool> pool;
};

} // namespace tq

#endif // TQ_RUNTIME_READBANDWIDTH_H
