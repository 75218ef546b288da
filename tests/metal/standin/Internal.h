//===- Internal.h - What the files of the stand-in share --------*- C++ -*-===//
// Every object keeps its C++ state behind NSObject's `state`, which deletes it
// with the object: with GCC's runtime a class cannot have C++ members.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_STANDIN_INTERNAL_H
#define TQ_TESTS_METAL_STANDIN_INTERNAL_H

#include "tests/metal/standin/Hazards.h"
#include "tests/metal/standin/Rules.h"

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <map>
#include <memory>
#include <optional>
#include <set>

namespace tq::standin {

/// A rule for methods: the message must be there.
bool requireSystem(SEL selector);

//===-- Objects -----------------------------------------------------------===//

struct ObjectState {
  virtual ~ObjectState() = default;
};

/// For NSObject's `state`.
template <class T> ObjectState *newState() { return new T; }

template <class T> T &stateOf(id object) {
  return *static_cast<T *>(static_cast<ObjectState *>(static_cast<NSObject *>(object)->state));
}

/// A reference that counts.
template <class T> class Ref {
public:
  Ref() = default;
  explicit Ref(T object) : object([object retain]) {}
  Ref(const Ref &other) : object([other.object retain]) {}
  Ref &operator=(const Ref &other) {
    Ref copy(other);
    std::swap(object, copy.object);
    return *this;
  }
  ~Ref() { [object release]; }
  operator T() const { return object; }

private:
  T object = nil;
};

bool isAlive(const void *object);

std::string toString(NSString *string);
NSString *toNSString(const std::string &text);
const std::string &pathOf(NSURL *url);
/// Sets *error, if there is one, to an autoreleased object.
void fail(NSError **error, NSInteger code, const std::string &message);
NSError *makeError(NSInteger code, const std::string &message);
const std::vector<Ref<id>> &elements(NSArray *array);

//===-- Metal -------------------------------------------------------------===//

struct BufferState final : ObjectState {
  ~BufferState() override;
  std::byte *data = nullptr;
  uint64_t bytes = 0;
  uint64_t owned = 0; ///< bytes to unmap
  bool tracked = true, isPrivate = false;
  bool writable = true; ///< kernels can write it: not a read-only mapping
};

/// Kernels of one library; they outlive the MTLLibrary.
struct LibraryState final : ObjectState {
  std::shared_ptr<const metal::Library> kernels;
  std::string hash;
};

struct PipelineState final : ObjectState {
  std::shared_ptr<const metal::Library> kernels;
  const metal::Kernel *kernel = nullptr;
  uint64_t maxThreads = 0;
  bool wholeSimdgroups = false;
};

struct ResidencyState final : ObjectState {
  std::vector<Ref<id>> members;
  bool changed = false;
};

} // namespace tq::standin

@interface StandinBuffer : NSObject <MTLBuffer>
@end
@interface StandinResidencySet : NSObject <MTLResidencySet>
@end
@interface StandinLibrary : NSObject <MTLLibrary>
@end
@interface StandinPipeline : NSObject <MTLComputePipelineState>
@end
@interface StandinArchive : NSObject <MTLBinaryArchive>
@end
@interface StandinQueue : NSObject <MTLCommandQueue>
@end
@interface StandinDevice : NSObject <MTLDevice>
@end

namespace tq::standin {

/// The parts of StandinDevice that other files implement.
id<MTLBuffer> makeBuffer(NSUInteger length, MTLResourceOptions options);
id<MTLBuffer> wrapBuffer(void *pointer, NSUInteger length, MTLResourceOptions options);
id<MTLResidencySet> makeResidencySet(NSError **error);
id<MTLLibrary> compileLibrary(NSString *source, MTLCompileOptions *options, NSError **error);
id<MTLLibrary> loadLibrary(NSURL *url, NSError **error);
id<MTLComputePipelineState> makePipeline(MTLComputePipelineDescriptor *descriptor, MTLPipelineOption options,
                                         NSError **error);
id<MTLBinaryArchive> openArchive(MTLBinaryArchiveDescriptor *descriptor, NSError **error);
id<MTLCommandQueue> makeQueue();

} // namespace tq::standin

#endif // TQ_TESTS_METAL_STANDIN_INTERNAL_H
