//===- MetalDevice.h - Launches on an Apple GPU -----------------*- C++ -*-===//
// Picks the package's first target that this GPU can run, wraps the weights'
// mapping in buffers without a copy, and encodes each step as one or a few
// command buffers of concurrent dispatches, with the barriers that the launch
// table states.
//
// Compiled on macOS; on Linux only by tests/metal/standin, against a stand-in
// of the frameworks. What only a Mac can confirm is listed in METAL.md.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_METALDEVICE_H
#define TQ_RUNTIME_METALDEVICE_H

#include "runtime/Device.h"
#include "runtime/Package.h"

#include <memory>
#include <string>
#include <vector>

namespace tq {

struct MetalOptions {
  /// Make all pipelines when the device is created, so that a kernel that the
  /// GPU refuses is known at once. Otherwise when an entry point first runs.
  bool eagerPipelines = false;
  /// Folder for compiled pipelines, made if absent; "": none are kept. The
  /// second start then skips the GPU's own compiler.
  std::string archiveDirectory{};
  /// Record one step for Xcode: a path that ends in .gputrace.
  std::string captureFile{};
  int captureStep = 0; ///< which run() that is, counted from 0
  /// A command buffer ends after this many dispatches.
  int dispatchesPerCommandBuffer = 256;
  /// Weights stay wired for so long after a step; 0: as the system likes.
  int keepAliveSeconds = 180;
  /// MSL to compile instead of the package's library: for tests.
  std::string source{};
};

/// After a run() has failed, every later one fails with the same sentence.
class MetalDevice : public Device {
public:
  /// What happened that does no harm but costs time, a sentence each: a cache
  /// that could not be written, a library that had to be compiled.
  virtual const std::vector<std::string> &notes() const = 0;
};

/// `package` must outlive the device. One device serves one session at a time.
Result<std::unique_ptr<MetalDevice>> createMetalDevice(const Package &package, const MetalOptions &options = {});

} // namespace tq

#endif // TQ_RUNTIME_METALDEVICE_H
