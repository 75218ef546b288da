//===- MetalMemory.mm - Memory as the GPU sees it -------------------------===//

#include "runtime/MetalMemory.h"

#include <fmt/format.h>

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

using namespace tq;
using namespace tq::apple;

/// A queue takes 32 residency sets.
static constexpr size_t kMaxWeightSets = 30;

GpuMemory::~GpuMemory() {
  @autoreleasepool {
    residency.end();
    weights.clear();
    for (Wrapped &block : memory) {
      block.buffer = {};
      munmap(block.data, block.bytes);
    }
  }
}

/// The sections that this target's launches bind, in as few buffers as their
/// largest size allows.
Status GpuMemory::wrapWeights(const Target &target) {
  const std::vector<Section> &sections = package.manifest().sections;
  std::map<std::string, std::vector<size_t>> files;
  std::vector<bool> bound(sections.size());
  for (const Entry &entry : target.entries)
    for (const Step &step : entry.steps)
      for (const Binding &binding : step.bindings)
        if (binding.kind == Binding::Kind::Section)
          bound[binding.offset] = true;
  uint64_t total = 0, most = [gpu.device maxBufferLength];
  for (size_t i = 0; i < sections.size(); ++i) {
    if (!bound[i])
      continue;
    files[sections[i].file].push_back(i);
    total += pages(sections[i].bytes);
    if (pages(sections[i].bytes) > most)
      return Error{fmt::format("{}: weight {} has {} MB, but a buffer of {} holds {} MB; use --device=host",
                               package.name(), printable(sections[i].name), megabytes(sections[i].bytes), gpu.name(),
                               megabytes(most))};
  }
  TQ_TRY(reserve(total, "the weights"));
  size_t set = 1;
  for (auto &[file, members] : files) {
    std::ranges::sort(members, {}, [&](size_t i) { return sections[i].offset; });
    std::vector<id<MTLBuffer>> views;
    std::span<const std::byte> view;
    for (size_t i : members) {
      // Whole pages: the rest of a section's last page is mapped too.
      std::span<const std::byte> section(package.section(i).data(), pages(sections[i].bytes));
      if (!view.empty() && section.data() == view.data() + view.size() && view.size() + section.size() <= most) {
        view = {view.data(), view.size() + section.size()};
        continue;
      }
      if (!view.empty())
        TQ_TRY(wrapView(view, views));
      view = section;
    }
    TQ_TRY(wrapView(view, views));
    residency.add(set, views);
    set = std::min(set + 1, kMaxWeightSets);
  }
  return Status();
}

Status GpuMemory::wrapView(std::span<const std::byte> bytes, std::vector<id<MTLBuffer>> &views) {
  auto *data = const_cast<std::byte *>(bytes.data()); // mapped read-only; kernels bind it as const
  Own<id<MTLBuffer>> buffer([gpu.device
      newBufferWithBytesNoCopy:data
                        length:bytes.size()
                       options:MTLResourceStorageModeShared | MTLResourceHazardTrackingModeUntracked
                   deallocator:nil]);
  if (!buffer)
    return Error{fmt::format("{}: {} refuses {} MB of weights as a buffer; close other programs or use --device=host",
                             package.name(), gpu.name(), megabytes(bytes.size()))};
  views.push_back(buffer);
  weights.push_back({data, bytes.size(), std::move(buffer)});
  return Status();
}

/// May the GPU use so much more? Beyond this limit command buffers fail, and
/// close to it the whole system suffers.
Status GpuMemory::reserve(uint64_t bytes, const std::string &what) const {
  uint64_t used = 0, limit = [gpu.device recommendedMaxWorkingSetSize];
  for (const auto *blocks : {&weights, &memory})
    for (const Wrapped &block : *blocks)
      used += block.bytes;
  if (used + bytes <= limit)
    return Status();
  return Error{fmt::format(
      "{}: {} need {} MB of the GPU's memory, which has {} MB, {} MB of them in use; use a smaller "
      "--context or fewer bits per weight, or raise the limit with 'sudo sysctl "
      "iogpu.wired_limit_mb={}'",
      package.name(), what, megabytes(bytes), megabytes(limit), megabytes(used), megabytes(used + bytes) + 512)};
}

/// Memory of our own rather than Metal's: its zeros are promised, and a page
/// costs nothing until it is touched. Shared with the CPU, because the
/// interface cannot say which blocks the CPU never touches.
Result<Buffer> GpuMemory::allocate(uint64_t bytes) {
  @autoreleasepool {
    uint64_t mapped = std::max(pages(bytes), kSectionAlignment), most = [gpu.device maxBufferLength];
    if (mapped > most)
      return Error{fmt::format("{}: {} MB are needed in one piece, but a buffer of {} holds {} MB; use a smaller "
                               "--context",
                               package.name(), megabytes(bytes), gpu.name(), megabytes(most))};
    TQ_TRY(reserve(mapped, "the context and intermediate values"));
    // NoCopy wants whole pages.
    void *data = mmap(nullptr, mapped + kSectionAlignment, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
      return Error{
          fmt::format("{}: cannot reserve {} MB of memory: {}", package.name(), megabytes(mapped), strerror(errno))};
    auto *begin = static_cast<std::byte *>(data);
    auto address = reinterpret_cast<uintptr_t>(begin);
    std::byte *aligned = begin + (pages(address) - address);
    if (aligned != begin)
      munmap(begin, aligned - begin);
    munmap(aligned + mapped, begin + kSectionAlignment - aligned);
    Own<id<MTLBuffer>> buffer([gpu.device newBufferWithBytesNoCopy:aligned
                                                            length:mapped
                                                           options:MTLResourceStorageModeShared
                                                       deallocator:nil]);
    if (!buffer) {
      munmap(aligned, mapped);
      return Error{fmt::format("{}: {} refuses a buffer of {} MB; use a smaller --context or close other programs",
                               package.name(), gpu.name(), megabytes(mapped))};
    }
    id<MTLBuffer> one = buffer;
    residency.add(0, {&one, 1});
    memory.push_back({aligned, mapped, std::move(buffer)});
    return Buffer{aligned, std::max<uint64_t>(bytes, 1)};
  }
}

Result<Slot> GpuMemory::find(const std::byte *address) const {
  for (const auto *blocks : {&memory, &weights})
    for (const Wrapped &block : *blocks)
      if (address >= block.data && address < block.data + block.bytes)
        return Slot{block.buffer, static_cast<NSUInteger>(address - block.data)};
  return Error{package.name() + ": a binding lies outside the memory of this GPU"};
}
