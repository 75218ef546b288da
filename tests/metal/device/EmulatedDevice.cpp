//===- EmulatedDevice.cpp - A package's Metal target on the CPU -----------===//
// tq-run --device=metal-emulated loads this library (runtime/EmulatedMetal.h):
// every launch of the table runs through the executor of MSL text.

#include "runtime/CpuFeatures.h"
#include "runtime/EmulatedMetal.h"
#include "runtime/Manifest.h"
#include "runtime/ReadFile.h"
#include "runtime/Trace.h"
#include "tests/TemporaryDirectory.h"
#include "tests/metal/Executor.h"

#include <fmt/format.h>

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <optional>

using namespace tq;

namespace {

/// A launch with its addresses.
struct BoundStep {
  const Step *step;
  std::vector<metal::BufferBinding> buffers; // the last is the parameter block
};

struct BoundEntry {
  const Entry *entry;
  std::vector<BoundStep> steps;
};

class EmulatedDevice final : public Device {
public:
  EmulatedDevice(const Package &package, const Target &chosen, metal::Library library, int threads)
      : package(package), chosen(chosen), library(std::move(library)), workers(threads) {}
  ~EmulatedDevice() override {
    for (const Buffer &buffer : buffers)
      munmap(buffer.data, buffer.bytes);
  }

  const Target &target() const override { return chosen; }
  int threads() const override { return workers; }
  Result<Buffer> allocate(uint64_t bytes) override;
  Result<int> load(size_t index, const Memory &memory) override;
  Status run(int loaded, std::span<const int32_t> params, Trace *trace) override;

private:
  Status dispatch(const BoundStep &step, int64_t tasks) const;

  const Package &package;
  const Target &chosen;
  metal::Library library;
  int workers;
  int32_t params[kParamCount] = {};
  std::vector<Buffer> buffers;
  std::vector<BoundEntry> entries;
};

Result<Buffer> EmulatedDevice::allocate(uint64_t bytes) {
  bytes = std::max<uint64_t>(bytes, 1);
  void *data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED)
    return Error{fmt::format("cannot reserve {} MB of memory: {}", bytes >> 20, strerror(errno))};
  return buffers.emplace_back(static_cast<std::byte *>(data), bytes);
}

Result<int> EmulatedDevice::load(size_t index, const Memory &memory) {
  const Entry &entry = chosen.entries[index];
  BoundEntry &bound = entries.emplace_back();
  bound.entry = &entry;
  for (const Step &step : entry.steps) {
    if (!library.find(step.kernel))
      return Error{fmt::format("{}: {} has no kernel '{}'; recompile with tq-compile", package.name(), chosen.library,
                               printable(step.kernel))};
    BoundStep &launch = bound.steps.emplace_back();
    launch.step = &step;
    auto bind = [&](void *data, uint64_t bytes) {
      launch.buffers.push_back({int(launch.buffers.size()), data, bytes});
    };
    for (const Binding &binding : step.bindings) {
      std::span<std::byte> range = package.bound(binding, memory);
      bind(range.data(), range.size());
    }
    bind(params, sizeof(params));
  }
  return int(entries.size() - 1);
}

Status EmulatedDevice::dispatch(const BoundStep &step, int64_t tasks) const {
  metal::Launch launch;
  launch.threadgroups = {uint32_t(tasks), 1, 1};
  launch.threadsPerThreadgroup = {32, uint32_t(step.step->simdgroups), 1};
  launch.buffers = step.buffers;
  launch.hostThreads = workers;
  Status done = library.run(step.step->kernel, launch);
  if (!done.ok())
    return Error{fmt::format("{}: {}: {}", package.name(), step.step->label, done.message())};
  return Status();
}

Status EmulatedDevice::run(int loaded, std::span<const int32_t> values, Trace *trace) {
  std::copy(values.begin(), values.end(), params);
  const BoundEntry &bound = entries[loaded];
  for (const BoundStep &step : bound.steps) {
    int64_t tasks = evaluate(step.step->tasks, params);
    Trace::Clock::time_point begin = Trace::Clock::now();
    if (tasks > 0)
      TQ_TRY(dispatch(step, tasks));
    if (trace)
      trace->launch(*bound.entry, *step.step, tasks, params, begin, Trace::Clock::now());
  }
  return Status();
}

Result<std::unique_ptr<Device>> create(const Package &package, const EmulatedMetalOptions &options) {
  const Target *chosen = nullptr;
  std::string names;
  for (const Target &target : package.manifest().targets) {
    if (target.device == "metal" && !chosen)
      chosen = &target;
    names += (names.empty() ? "" : ", ") + target.name;
  }
  if (!chosen)
    return Error{fmt::format("{}: no target for Metal; there are: {}; recompile with tq-compile --target=metal",
                             package.name(), printable(names))};
  TQ_TRY_ASSIGN(std::string text, readFile(package.filePath(chosen->library), kAnySize));
  metal::CompileOptions how;
  how.name = chosen->library;
  how.checked = options.checked;
  TQ_TRY_ASSIGN(metal::Library library, metal::Library::compile(text, how));
  return std::unique_ptr<Device>(std::make_unique<EmulatedDevice>(
      package, *chosen, std::move(library), options.threads > 0 ? options.threads : physicalCores()));
}

} // namespace

extern "C" __attribute__((visibility("default"))) Device *
tq_create_emulated_metal(const Package *package, const EmulatedMetalOptions *options, Error *failure) {
  Result<std::unique_ptr<Device>> device = create(*package, *options);
  if (device.ok())
    return device->release();
  *failure = Error{device.message()};
  return nullptr;
}
static_assert(std::is_same_v<decltype(&tq_create_emulated_metal), CreateEmulatedMetal>);
