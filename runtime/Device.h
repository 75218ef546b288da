//===- Device.h - The smallest interface that runs a launch table -*- C++ -*-=//
// A device offers memory, binds an entry point's launches to addresses once,
// and runs them with a parameter block, step after step.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_DEVICE_H
#define TQ_RUNTIME_DEVICE_H

#include "runtime/PackageFormat.h"
#include "runtime/Status.h"

#include <cstddef>
#include <span>
#include <vector>

namespace tq {

class Trace;

/// Memory that launches and the host both reach. Zero at first; on the host a
/// page of it costs nothing until it is touched.
struct Buffer {
  std::byte *data = nullptr;
  uint64_t bytes = 0;
};

/// What a session's bindings point to, one array for all entry points.
struct Memory {
  Buffer arena;
  std::vector<Buffer> states; ///< one pool for each of Manifest::states
  Buffer pageTable;           ///< i32 per page, in token order
};

class Device {
public:
  virtual ~Device() = default;

  /// The package's target that this device runs.
  virtual const Target &target() const = 0;
  /// Workers, the calling thread among them.
  virtual int threads() const = 0;

  /// Lives as long as the device.
  virtual Result<Buffer> allocate(uint64_t bytes) = 0;
  /// Binds the launches of target().entries[index]; the result is for run().
  virtual Result<int> load(size_t index, const Memory &memory) = 0;
  /// Runs a loaded entry point to its end; its writes are then visible. Does
  /// not allocate, unless a trace is given. Fails if a device gives up (lost,
  /// out of memory); what it should have written is then undefined.
  virtual Status run(int loaded, std::span<const int32_t> params, Trace *trace) = 0;
};

} // namespace tq

#endif // TQ_RUNTIME_DEVICE_H
