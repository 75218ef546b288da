//===- MetalResidency.mm - Memory that stays wired ------------------------===//

#include "runtime/MetalResidency.h"

using namespace tq;
using namespace tq::apple;

/// Unused memory is unwired after about a second.
static constexpr std::chrono::milliseconds kKeepAlivePeriod(500);

void Residency::add(size_t index, std::span<const id<MTLBuffer>> buffers) {
  if (@available(macOS 15.0, *)) {
    if (![gpu.device respondsToSelector:@selector(newResidencySetWithDescriptor:error:)])
      return;
    std::lock_guard lock(mutex);
    if (index >= sets.size())
      sets.resize(index + 1, nil);
    if (!sets[index]) {
      Own<MTLResidencySetDescriptor *> descriptor([MTLResidencySetDescriptor new]);
      sets[index] = [gpu.device newResidencySetWithDescriptor:descriptor error:nullptr];
      if (!sets[index])
        return; // a matter of speed only
      [gpu.queue addResidencySet:sets[index]];
    }
    id<MTLResidencySet> set = sets[index];
    for (id<MTLBuffer> buffer : buffers)
      [set addAllocation:buffer];
    [set commit];
    [set requestResidency];
  }
}

void Residency::touch() {
  if (sets.empty() || gpu.options.keepAliveSeconds <= 0)
    return;
  bool wake = false;
  {
    std::lock_guard lock(mutex);
    lastUse = std::chrono::steady_clock::now();
    wake = asleep;
  }
  if (wake) // not after every step: it would cost a switch of threads
    changed.notify_one();
  if (!thread) {
    thread.emplace();
    thread->start([this] { keepAlive(); }); // if the system refuses: as without residency sets
  }
}

void Residency::keepAlive() {
  std::unique_lock lock(mutex);
  while (!ending) {
    std::chrono::seconds patience(gpu.options.keepAliveSeconds);
    if (std::chrono::steady_clock::now() - lastUse > patience) {
      asleep = true;
      changed.wait(lock);
      asleep = false;
      continue;
    }
    changed.wait_for(lock, kKeepAlivePeriod);
    if (ending || std::chrono::steady_clock::now() - lastUse < kKeepAlivePeriod)
      continue; // a step has just used it
    if (@available(macOS 15.0, *))
      @autoreleasepool {
        for (id set : sets)
          [(id<MTLResidencySet>)set requestResidency];
      }
  }
}

void Residency::end() {
  {
    std::lock_guard lock(mutex);
    ending = true;
  }
  changed.notify_one();
  thread.reset();
  if (@available(macOS 15.0, *))
    for (id set : sets)
      if (set) {
        [gpu.queue removeResidencySet:set];
        [(id<MTLResidencySet>)set endResidency];
        [set release];
      }
  sets.clear();
}
