//===- Device.mm - The device and its captures ----------------------------===//

#include "tests/metal/standin/Internal.h"

#include <filesystem>
#include <fstream>

using namespace tq::standin;

@implementation StandinDevice
- (NSString *)name {
  return toNSString(settings().deviceName);
}
- (uint64_t)recommendedMaxWorkingSetSize {
  return settings().workingSet;
}
- (NSUInteger)maxBufferLength {
  return settings().maxBufferLength;
}
- (BOOL)supportsFamily:(MTLGPUFamily)family {
  return family > 1000 && family <= 1000 + settings().family;
}
- (id<MTLCommandQueue>)newCommandQueue {
  return makeQueue();
}
- (id<MTLLibrary>)newLibraryWithSource:(NSString *)source options:(MTLCompileOptions *)options error:(NSError **)error {
  return compileLibrary(source, options, error);
}
- (id<MTLLibrary>)newLibraryWithURL:(NSURL *)url error:(NSError **)error {
  return loadLibrary(url, error);
}
- (id<MTLComputePipelineState>)newComputePipelineStateWithDescriptor:(MTLComputePipelineDescriptor *)descriptor
                                                             options:(MTLPipelineOption)options
                                                          reflection:(MTLComputePipelineReflection **)reflection
                                                               error:(NSError **)error {
  return makePipeline(descriptor, options, error);
}
- (id<MTLBinaryArchive>)newBinaryArchiveWithDescriptor:(MTLBinaryArchiveDescriptor *)descriptor
                                                 error:(NSError **)error {
  return openArchive(descriptor, error);
}
- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options {
  return makeBuffer(length, options);
}
- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void *)pointer
                                   length:(NSUInteger)length
                                  options:(MTLResourceOptions)options
                              deallocator:(MTLBufferDeallocator)deallocator {
  return wrapBuffer(pointer, length, options);
}
- (id<MTLResidencySet>)newResidencySetWithDescriptor:(MTLResidencySetDescriptor *)descriptor error:(NSError **)error {
  requireSystem(_cmd);
  return makeResidencySet(error);
}
@end

id<MTLDevice> MTLCreateSystemDefaultDevice(void) { return settings().hasDevice ? [StandinDevice new] : nil; }

//===-- Captures ----------------------------------------------------------===//

namespace {
struct CaptureDescription final : ObjectState {
  Ref<id> object;
  MTLCaptureDestination destination = MTLCaptureDestinationDeveloperTools;
  Ref<NSURL *> url;
};
/// Path of the capture in progress.
std::optional<std::string> capturing;
MTLCaptureManager *manager = nil; // lives for ever, as Apple's does
} // namespace

@implementation MTLCaptureDescriptor
- (instancetype)init {
  state = newState<CaptureDescription>();
  return self;
}
- (id)captureObject {
  return stateOf<CaptureDescription>(self).object;
}
- (void)setCaptureObject:(id)object {
  stateOf<CaptureDescription>(self).object = Ref<id>(object);
}
- (MTLCaptureDestination)destination {
  return stateOf<CaptureDescription>(self).destination;
}
- (void)setDestination:(MTLCaptureDestination)destination {
  stateOf<CaptureDescription>(self).destination = destination;
}
- (NSURL *)outputURL {
  return stateOf<CaptureDescription>(self).url;
}
- (void)setOutputURL:(NSURL *)url {
  stateOf<CaptureDescription>(self).url = Ref<NSURL *>(url);
}
@end

@implementation MTLCaptureManager
+ (MTLCaptureManager *)sharedCaptureManager {
  if (!manager) // not through +alloc: it is nobody's leak
    manager = class_createInstance(self, 0);
  return manager;
}
- (BOOL)supportsDestination:(MTLCaptureDestination)destination {
  return settings().canCapture;
}
- (BOOL)startCaptureWithDescriptor:(MTLCaptureDescriptor *)descriptor error:(NSError **)error {
  auto &wanted = stateOf<CaptureDescription>(descriptor);
  std::string path = wanted.url ? pathOf(wanted.url) : "";
  const char *refusal = nullptr;
  if (!settings().canCapture)
    refusal = "Capturing is not supported";
  else if (capturing)
    refusal = "Already capturing";
  else if (!wanted.object || !path.ends_with(".gputrace") || std::filesystem::exists(path))
    refusal = "The output URL is invalid or exists";
  if (refusal) {
    fail(error, 1, refusal);
    return NO;
  }
  capturing = path;
  count(&Counts::captures);
  return YES;
}
- (void)stopCapture {
  if (require(capturing.has_value(), "stopCapture without a capture"))
    std::ofstream(*capturing) << "stand-in capture\n";
  capturing.reset();
}
@end

namespace tq::standin {
void forgetCaptures() { capturing.reset(); }
} // namespace tq::standin
