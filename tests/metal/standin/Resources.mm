//===- Resources.mm - Buffers and residency sets --------------------------===//

#include "tests/metal/standin/Internal.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstring>

using namespace tq::standin;

namespace {

constexpr uint64_t kPage = 16384; // of Apple's processors

/// Is the first page of this range mapped, and writable?
struct Protection {
  bool mapped = false, writable = false;
};
Protection protectionOf(uintptr_t address) {
  Protection result;
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  while (maps && fgets(line, sizeof line, maps)) {
    unsigned long begin = 0, end = 0;
    char flags[8] = {};
    // NOLINTNEXTLINE(bugprone-unchecked-string-to-number-conversion): the kernel's own format
    if (sscanf(line, "%lx-%lx %7s", &begin, &end, flags) == 3 && address >= begin && address < end)
      result = {true, flags[1] == 'w'};
  }
  if (maps)
    fclose(maps);
  return result;
}

/// Does the machine give this buffer?
bool grants() {
  int &left = settings().refuseBuffer;
  if (left == 0) {
    left = -1;
    return false;
  }
  if (left > 0)
    --left;
  count(&Counts::buffers);
  return true;
}

bool rightSize(NSUInteger length) {
  return require(length > 0, "a buffer of 0 bytes") &&
         require(length <= settings().maxBufferLength, "a buffer of {} bytes, but maxBufferLength is {}", length,
                 settings().maxBufferLength);
}

} // namespace

BufferState::~BufferState() {
  if (owned)
    munmap(data, owned);
  else if (data)
    require(protectionOf(reinterpret_cast<uintptr_t>(data)).mapped, "memory was unmapped while a buffer had it");
}

@implementation StandinBuffer
- (instancetype)init {
  state = newState<BufferState>();
  return self;
}
- (NSUInteger)length {
  return stateOf<BufferState>(self).bytes;
}
- (void *)contents {
  auto &buffer = stateOf<BufferState>(self);
  return buffer.isPrivate ? nullptr : buffer.data;
}
@end

@implementation MTLResidencySetDescriptor
+ (instancetype)alloc {
  require(settings().macos >= 15, "macOS {} has no class MTLResidencySetDescriptor", settings().macos);
  return [super alloc];
}
@end

@implementation StandinResidencySet
- (instancetype)init {
  state = newState<ResidencyState>();
  return self;
}
- (void)addAllocation:(id)allocation {
  if (!require(allocation != nil, "addAllocation: nil"))
    return;
  auto &set = stateOf<ResidencyState>(self);
  set.members.emplace_back(allocation);
  set.changed = true;
}
- (void)commit {
  stateOf<ResidencyState>(self).changed = false;
}
- (void)requestResidency {
  toNSString("Metal's methods autorelease inside: a thread needs a pool");
  require(!stateOf<ResidencyState>(self).changed, "requestResidency before commit: what was added is not in the set");
  count(&Counts::residencyRequests);
}
- (void)endResidency {
}
@end

namespace tq::standin {

id<MTLBuffer> makeBuffer(NSUInteger length, MTLResourceOptions options) {
  if (!rightSize(length) || !grants())
    return nil;
  StandinBuffer *object = [StandinBuffer new];
  auto &buffer = stateOf<BufferState>(object);
  buffer.bytes = length;
  buffer.owned = (length + kPage - 1) / kPage * kPage;
  buffer.data = static_cast<std::byte *>(
      mmap(nullptr, buffer.owned, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  buffer.tracked = !(options & MTLResourceHazardTrackingModeUntracked);
  buffer.isPrivate = options & MTLResourceStorageModePrivate;
  // Nothing promises zeros, except where it is too large to fill.
  if (length <= 64 << 20)
    memset(buffer.data, 0xa5, length);
  return object;
}

id<MTLBuffer> wrapBuffer(void *pointer, NSUInteger length, MTLResourceOptions options) {
  auto address = reinterpret_cast<uintptr_t>(pointer);
  if (!rightSize(length) ||
      !require(address % kPage == 0, "newBufferWithBytesNoCopy: the pointer is not a multiple of the page, {}",
               kPage) ||
      !require(length % kPage == 0, "newBufferWithBytesNoCopy: the length {} is not a multiple of the page, {}", length,
               kPage) ||
      !require(!(options & MTLResourceStorageModePrivate), "newBufferWithBytesNoCopy: private storage"))
    return nil;
  Protection protection = protectionOf(address);
  if (!require(protection.mapped, "newBufferWithBytesNoCopy: the memory is not mapped") || !grants())
    return nil;
  StandinBuffer *object = [StandinBuffer new];
  auto &buffer = stateOf<BufferState>(object);
  buffer.data = static_cast<std::byte *>(pointer);
  buffer.bytes = length;
  buffer.tracked = !(options & MTLResourceHazardTrackingModeUntracked);
  buffer.writable = protection.writable;
  return object;
}

id<MTLResidencySet> makeResidencySet(NSError **error) {
  if (settings().refuseResidency) {
    fail(error, 1, "no more residency sets");
    return nil;
  }
  count(&Counts::residencySets);
  return [StandinResidencySet new];
}

} // namespace tq::standin
