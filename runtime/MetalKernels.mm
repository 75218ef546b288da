//===- MetalKernels.mm - Kernels without a package ------------------------===//

#include "runtime/Manifest.h"
#include "runtime/MetalCommands.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

using namespace tq;
using namespace tq::apple;

namespace {

class MetalKernelsImpl final : public MetalKernels {
public:
  explicit MetalKernelsImpl(const MetalOptions &options) : gpu("self-test", options) {}

  Status open(const std::string &source) {
    @autoreleasepool {
      TQ_TRY(gpu.open());
      TQ_TRY(gpu.compile(source, "the source"));
      gpu.openArchive("selftest-" + hashBytes(std::as_bytes(std::span(source))));
      return Status();
    }
  }
  Status run(const MetalLaunch &launch) override {
    @autoreleasepool {
      return submit(launch);
    }
  }

private:
  Status submit(const MetalLaunch &launch);
  Gpu gpu;
};

Status MetalKernelsImpl::submit(const MetalLaunch &launch) {
  Pipeline &pipeline = gpu.pipelines[gpu.addPipeline(launch.kernel, launch.simdgroups)];
  TQ_TRY(gpu.make(pipeline));
  if (launch.buffers.size() >= kBufferSlots)
    return Error{fmt::format("kernel {} gets {} buffers, but a GPU takes {}", launch.kernel, launch.buffers.size(),
                             kBufferSlots - 1)};
  std::vector<Own<id<MTLBuffer>>> buffers;
  std::vector<Slot> slots;
  for (std::span<std::byte> bytes : launch.buffers) {
    buffers.emplace_back([gpu.device newBufferWithLength:std::max<size_t>(bytes.size(), 1)
                                                 options:MTLResourceStorageModeShared]);
    if (!buffers.back())
      return Error{fmt::format("{} refuses a buffer of {} MB", gpu.name(), megabytes(bytes.size()))};
    if (!bytes.empty())
      memcpy([buffers.back() contents], bytes.data(), bytes.size());
    slots.push_back({buffers.back(), 0});
  }
  id<MTLCommandBuffer> commands = [gpu.queue commandBuffer];
  id<MTLComputeCommandEncoder> encoder = [commands computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
  if (launch.threadgroups > 0)
    encode(encoder, pipeline.state, slots, launch.params, launch.threadgroups, launch.simdgroups);
  [encoder endEncoding];
  [commands commit];
  [commands waitUntilCompleted];
  TQ_TRY(completed(commands, gpu.title));
  for (size_t i = 0; i < buffers.size(); ++i)
    if (!launch.buffers[i].empty())
      memcpy(launch.buffers[i].data(), [buffers[i] contents], launch.buffers[i].size());
  return Status();
}

} // namespace

Result<std::unique_ptr<MetalKernels>> tq::compileMetalKernels(const std::string &source, const MetalOptions &options) {
  auto kernels = std::make_unique<MetalKernelsImpl>(options);
  TQ_TRY(kernels->open(source));
  return std::unique_ptr<MetalKernels>(std::move(kernels));
}
