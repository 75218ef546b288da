//===- MetalCommands.mm - Launches become command buffers -----------------===//
// Within an encoder Metal tracks nothing: the launch table's barriers order
// the dispatches. What orders command buffers is in MetalMemory.h.
//===----------------------------------------------------------------------===//

#include "runtime/MetalCommands.h"

#include <fmt/format.h>

#include <algorithm>

using namespace tq;
using namespace tq::apple;

/// The first command buffer is short, so that the GPU begins while the host
/// still encodes (about 0.6 us a dispatch).
static constexpr int kFirstDispatches = 32;
/// The system stops a command buffer after several seconds; at 0.5 TFLOP/s,
/// a fifth of what an M1 can do, this takes one.
static constexpr uint64_t kFlopsPerCommandBuffer = 500'000'000'000;

/// What to do about a command buffer that failed.
static std::string explain(NSError *error) {
  switch (static_cast<MTLCommandBufferError>([error code])) {
  case MTLCommandBufferErrorOutOfMemory:
    return "the GPU is out of memory: use a smaller --context or --chunk, close other programs, or raise the limit "
           "with "
           "'sudo sysctl iogpu.wired_limit_mb=N'";
  case MTLCommandBufferErrorTimeout:
    return "the system stopped the GPU because a step took too long: use a smaller --chunk";
  case MTLCommandBufferErrorPageFault:
    return "a kernel reached memory that is not its own: check the package with --verify and report this";
  case MTLCommandBufferErrorAccessRevoked:
    return "the system denies this process the GPU after earlier failures: start it anew";
  case MTLCommandBufferErrorNotPermitted:
    return "the system denies the GPU to a process in the background: run it in a session with a display";
  case MTLCommandBufferErrorDeviceRemoved:
    return "the GPU was removed: start the process anew";
  default:
    return "the GPU failed: start the process anew, and report this if it comes back";
  }
}

/// Why a command buffer that has ended failed, and what to do about it.
static Status completed(id<MTLCommandBuffer> commands, const std::string &title) {
  if ([commands status] != MTLCommandBufferStatusError)
    return Status();
  NSError *error = [commands error];
  return Error{fmt::format("{}: {} ({})", title, explain(error), sentence(error))};
}

void Submission::dispatch(const BoundStep &bound, std::span<const int32_t> params, int64_t threadgroups) {
  if (!encoder) {
    // What the buffers hold outlives the run, so nothing need be retained.
    commands.push_back([gpu.queue commandBufferWithUnretainedReferences]);
    encoder = [commands.back() computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
  } else if (barrierDue) {
    [encoder memoryBarrierWithScope:MTLBarrierScopeBuffers];
  }
  barrierDue = false;
  [encoder setComputePipelineState:gpu.pipelines[bound.pipeline].state];
  for (size_t i = 0; i < bound.slots.size(); ++i)
    [encoder setBuffer:bound.slots[i].buffer offset:bound.slots[i].offset atIndex:i];
  [encoder setBytes:params.data() length:params.size_bytes() atIndex:bound.slots.size()];
  [encoder dispatchThreadgroups:MTLSizeMake(threadgroups, 1, 1)
          threadsPerThreadgroup:MTLSizeMake(kSimdWidth, bound.step->simdgroups, 1)];
  ++dispatches;
  flops += bound.step->flops_per_token * params[static_cast<int>(Param::NTokens)];
  int most = std::max(gpu.options.dispatchesPerCommandBuffer, 1);
  if (dispatches >= (commands.size() == 1 ? std::min(most, kFirstDispatches) : most) || flops >= kFlopsPerCommandBuffer)
    commit();
}

void Submission::commit() {
  if (!encoder)
    return;
  [encoder endEncoding];
  [commands.back() commit];
  encoder = nil;
  dispatches = 0;
  flops = 0;
}

Status Submission::wait() {
  commit();
  // The last first: they complete in order, so the others then need no sleep.
  for (size_t i = commands.size(); i-- > 0;)
    [commands[i] waitUntilCompleted];
  for (id<MTLCommandBuffer> buffer : commands)
    TQ_TRY(completed(buffer, gpu.title));
  return Status();
}
