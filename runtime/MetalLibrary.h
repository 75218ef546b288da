//===- MetalLibrary.h - A GPU with one library of kernels -------*- C++ -*-===//
// Device and queue, the library from text or a .metallib, pipelines when they
// are wanted, and the archive that keeps them for the next start.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_METALLIBRARY_H
#define TQ_RUNTIME_METALLIBRARY_H

#include "runtime/MetalDevice.h"
#include "runtime/MetalObjects.h"

namespace tq::apple {

struct Pipeline {
  std::string kernel;
  int simdgroups;
  Own<id<MTLComputePipelineState>> state; ///< nil until it is wanted
};

/// The GPU with one library of kernels.
class Gpu {
public:
  Gpu(std::string title, const MetalOptions &options) : title(std::move(title)), options(options) {}
  ~Gpu();

  Status open();
  bool supports(int family) const { return [device supportsFamily:static_cast<MTLGPUFamily>(family)]; }
  std::string name() const { return [[device name] UTF8String]; }

  Status compile(const std::string &source, const std::string &what);
  Status loadBinary(const std::string &path);
  /// `key` names the kernels' text: the archive of another is not used.
  void openArchive(const std::string &key);
  void saveArchive();

  /// Its index. Makes nothing yet.
  size_t addPipeline(const std::string &kernel, int simdgroups);
  Status make(Pipeline &pipeline);

  const std::string title;
  const MetalOptions options;
  Own<id<MTLDevice>> device;
  Own<id<MTLCommandQueue>> queue;
  std::vector<Pipeline> pipelines;
  std::vector<std::string> notes;

private:
  Own<id<MTLComputePipelineState>> fromArchive(MTLComputePipelineDescriptor *descriptor);

  Own<id<MTLLibrary>> library;
  Own<id<MTLBinaryArchive>> archive;
  std::string archivePath;
  bool archiveGrew = false;
};

} // namespace tq::apple

#endif // TQ_RUNTIME_METALLIBRARY_H
