//===- MetalResidency.h - Memory that stays wired ---------------*- C++ -*-===//

#ifndef TQ_RUNTIME_METALRESIDENCY_H
#define TQ_RUNTIME_METALRESIDENCY_H

#include "runtime/MetalLibrary.h"
#include "runtime/Thread.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace tq::apple {

/// Keeps memory wired while a session is idle, where the system has residency
/// sets (macOS 15); elsewhere does nothing, and the first step after a pause
/// is slower.
class Residency {
public:
  Residency(const Gpu &gpu) : gpu(gpu) {}
  ~Residency() { end(); }

  /// Adds buffers to the set of this number. Zero is the arena and states; the
  /// weights have one per file, so that wiring can fail for a part.
  void add(size_t set, std::span<const id<MTLBuffer>> buffers);
  /// A step has ended: from now on the memory is idle.
  void touch();
  void end();

private:
  void keepAlive();

  const Gpu &gpu;
  std::vector<id> sets; // id<MTLResidencySet>, a type that macOS 14 lacks
  std::mutex mutex;     // of what follows, and of `sets`
  std::condition_variable changed;
  std::chrono::steady_clock::time_point lastUse{};
  bool ending = false, asleep = false; // asleep: until the next use, however late
  std::optional<Thread> thread;
};

} // namespace tq::apple

#endif // TQ_RUNTIME_METALRESIDENCY_H
