//===- HostDevice.cpp - Launches on the CPU -------------------------------===//

#include "runtime/HostDevice.h"

#include "runtime/CpuFeatures.h"
#include "runtime/Manifest.h"
#include "runtime/ThreadPool.h"
#include "runtime/Trace.h"

#include <fmt/format.h>

#include <dlfcn.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

using namespace tq;

namespace {

/// A launch with its addresses.
struct BoundStep {
  const Step *step;
  HostKernel kernel;
  std::vector<void *> bindings;
};

struct BoundEntry {
  const Entry *entry;
  std::vector<BoundStep> steps;
};

class HostDevice final : public Device {
public:
  HostDevice(const Package &package, const Target &chosen) : package(package), chosen(chosen) {}
  ~HostDevice() override;

  Status open(int threads);
  const Target &target() const override { return chosen; }
  int threads() const override { return pool->threads(); }
  Result<Buffer> allocate(uint64_t bytes) override;
  Result<int> load(size_t index, const Memory &memory) override;
  Status run(int loaded, std::span<const int32_t> params, Trace *trace) override;

private:
  void runTraced(const BoundEntry &bound, Trace &trace);

  const Package &package;
  const Target &chosen;
  void *library = nullptr;
  std::map<std::string, HostKernel> kernels;
  std::vector<Buffer> buffers;
  std::vector<BoundEntry> entries;
  // Kernels of other threads read it, hence not the caller's array.
  int32_t params[kParamCount] = {};
  std::unique_ptr<ThreadPool> pool;
};

HostDevice::~HostDevice() {
  pool.reset();
  for (const Buffer &buffer : buffers)
    munmap(buffer.data, buffer.bytes);
  if (library)
    dlclose(library);
}

Status HostDevice::open(int threads) {
  std::string path = package.filePath(chosen.library);
  // Without a slash dlopen would search the library path.
  if (!path.starts_with('/'))
    path = "./" + path;
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return Error{fmt::format("{}: cannot load {}: {}", package.name(), chosen.library, dlerror())};
  uint64_t scratchBytes = 0;
  for (const Entry &entry : chosen.entries) {
    scratchBytes = std::max(scratchBytes, entry.scratch_bytes);
    for (const Step &step : entry.steps) {
      auto [kernel, isNew] = kernels.try_emplace(step.kernel);
      if (!isNew)
        continue;
      void *symbol = dlsym(library, step.kernel.c_str());
      if (!symbol)
        return Error{fmt::format("{}: {} has no kernel '{}'; recompile with "
                                 "tq-compile",
                                 package.name(), chosen.library, printable(step.kernel))};
      kernel->second = reinterpret_cast<HostKernel>(symbol);
    }
  }
  auto created = ThreadPool::create(threads, scratchBytes);
  if (!created)
    return Error{package.name() + ": " + created.message()};
  pool = std::move(*created);
  return Status();
}

Result<Buffer> HostDevice::allocate(uint64_t bytes) {
  constexpr uint64_t kHugePage = 2 << 20;
  // Reserved, not committed: a long context's pool is mostly never touched.
  void *data = mmap(nullptr, std::max<uint64_t>(bytes, 1), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED)
    return Error{fmt::format("cannot reserve {} MB of memory: {}", bytes >> 20, strerror(errno))};
  Buffer buffer{static_cast<std::byte *>(data), std::max<uint64_t>(bytes, 1)};
  buffers.push_back(buffer);
#if defined(__linux__)
  // Huge pages read 10 % faster (no TLB misses), but each is cleared as a whole
  // when first touched: not for the first 2 MB, which is all that a short text
  // needs of each of many pools.
  if (bytes > 2 * kHugePage)
    madvise(buffer.data + kHugePage, buffer.bytes - kHugePage, MADV_HUGEPAGE);
#endif
  return buffer;
}

Result<int> HostDevice::load(size_t index, const Memory &memory) {
  const Entry &entry = chosen.entries[index];
  if (memory.arena.bytes < entry.arena_bytes)
    return Error{fmt::format("{}: {} needs an arena of {} bytes, but got {}", package.name(), entry.name,
                             entry.arena_bytes, memory.arena.bytes)};
  BoundEntry &bound = entries.emplace_back();
  bound.entry = &entry;
  for (const Step &step : entry.steps) {
    BoundStep &launch = bound.steps.emplace_back();
    launch.step = &step;
    launch.kernel = kernels.at(step.kernel);
    for (const Binding &binding : step.bindings)
      launch.bindings.push_back(package.bound(binding, memory).data());
  }
  return static_cast<int>(entries.size() - 1);
}

Status HostDevice::run(int loaded, std::span<const int32_t> values, Trace *trace) {
  std::copy(values.begin(), values.end(), params);
  const BoundEntry &bound = entries[loaded];
  FlushDenormals flush;
  if (trace) {
    runTraced(bound, *trace);
    return Status();
  }
  for (const BoundStep &launch : bound.steps)
    pool->run({launch.kernel, launch.bindings.data(), evaluate(launch.step->tasks, params), launch.step->grain}, params,
              launch.step->barrier);
  pool->wait();
  return Status();
}

/// Each launch alone, so that its time is its own.
void HostDevice::runTraced(const BoundEntry &bound, Trace &trace) {
  for (const BoundStep &launch : bound.steps) {
    int64_t tasks = evaluate(launch.step->tasks, params);
    Trace::Clock::time_point begin = Trace::Clock::now();
    pool->run({launch.kernel, launch.bindings.data(), tasks, launch.step->grain}, params, /*barrier=*/true);
    pool->wait();
    trace.launch(*bound.entry, *launch.step, tasks, params, begin, Trace::Clock::now());
  }
}

Result<const Target *> pickTarget(const Package &package, const std::string &cpu) {
  std::string names;
  for (const Target &target : package.manifest().targets) {
    if (target.device != "host" || (!cpu.empty() && target.name != cpu)) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", target.name);
      continue;
    }
    std::string missing = missingFeatures(target.features);
    if (missing.empty())
      return &target;
    names += fmt::format("{}{} (needs {})", names.empty() ? "" : ", ", target.name, missing);
    if (!cpu.empty())
      return Error{fmt::format("{}: target {} needs {}, which this CPU lacks", package.name(), cpu, missing)};
  }
  if (!cpu.empty())
    return Error{fmt::format("{}: no target '{}'; there are: {}", package.name(), cpu, names)};
  return Error{fmt::format("{}: no target for this CPU; there are: {}; "
                           "recompile with tq-compile --target=host",
                           package.name(), printable(names))};
}

} // namespace

Result<std::unique_ptr<Device>> tq::createHostDevice(const Package &package, const HostOptions &options) {
  TQ_TRY_ASSIGN(const Target *target, pickTarget(package, options.cpu));
  auto device = std::make_unique<HostDevice>(package, *target);
  TQ_TRY(device->open(options.threads > 0 ? options.threads : physicalCores()));
  return std::unique_ptr<Device>(std::move(device));
}
