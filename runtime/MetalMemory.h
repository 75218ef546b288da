//===- MetalMemory.h - Memory as the GPU sees it ----------------*- C++ -*-===//
// Memory that kernels write (arena, states, page table) is hazard-tracked, so
// that one command buffer sees the writes of the one before; within an encoder
// nothing is tracked and the launch table's barriers do it. Weights are only
// read, so they are not tracked at all.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_METALMEMORY_H
#define TQ_RUNTIME_METALMEMORY_H

#include "runtime/MetalCommands.h"
#include "runtime/MetalResidency.h"

namespace tq::apple {

class GpuMemory {
public:
  GpuMemory(const Package &package, const Gpu &gpu) : package(package), gpu(gpu), residency(gpu) {}
  ~GpuMemory();

  /// The sections that the target's launches bind, without a copy.
  Status wrapWeights(const Target &target);
  Result<Buffer> allocate(uint64_t bytes);
  /// The buffer that holds an address.
  Result<Slot> find(const std::byte *address) const;
  /// A step has ended.
  void touch() { residency.touch(); }

private:
  /// Mapped memory and its buffer.
  struct Wrapped {
    std::byte *data;
    uint64_t bytes;
    Own<id<MTLBuffer>> buffer;
  };

  Status wrapView(std::span<const std::byte> bytes, std::vector<id<MTLBuffer>> &views);
  Status reserve(uint64_t bytes, const std::string &what) const;

  const Package &package;
  const Gpu &gpu;
  std::vector<Wrapped> weights, memory;
  Residency residency; // ends before the buffers do
};

} // namespace tq::apple

#endif // TQ_RUNTIME_METALMEMORY_H
