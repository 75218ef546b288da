//===- MetalCommands.h - Launches become command buffers --------*- C++ -*-===//

#ifndef TQ_RUNTIME_METALCOMMANDS_H
#define TQ_RUNTIME_METALCOMMANDS_H

#include "runtime/MetalLibrary.h"

#include <span>
#include <vector>

namespace tq::apple {

struct Slot {
  id<MTLBuffer> buffer;
  NSUInteger offset;
};

/// A launch with its buffers.
struct BoundStep {
  const Step *step;
  size_t pipeline;
  std::vector<Slot> slots;
};

struct BoundEntry {
  const Entry *entry;
  std::vector<BoundStep> steps;
  bool ready = false; ///< its pipelines are made
};

/// One run: dispatches go to command buffers, which are committed as they fill
/// up. Inside one @autoreleasepool, which owns the command buffers.
class Submission {
public:
  Submission(const Gpu &gpu, std::vector<id<MTLCommandBuffer>> &commands) : gpu(gpu), commands(commands) {
    commands.clear(); // keeps its capacity: no allocation in the next run
  }

  void dispatch(const BoundStep &bound, std::span<const int32_t> params, int64_t threadgroups);
  /// Everything before must have finished when what follows begins.
  void barrier() { barrierDue = true; }
  /// Ends the present command buffer, if there is one.
  void commit();
  Status wait();

private:
  const Gpu &gpu;
  std::vector<id<MTLCommandBuffer>> &commands;
  id<MTLComputeCommandEncoder> encoder = nil;
  bool barrierDue = false;
  int dispatches = 0;
  uint64_t flops = 0;
};

} // namespace tq::apple

#endif // TQ_RUNTIME_METALCOMMANDS_H
