//===- MetalDevice.mm - Launches on an Apple GPU --------------------------===//
// The step loop. Beside it, in the order of their use: MetalObjects.h (lifetimes
// of Objective-C objects), MetalLibrary (kernels), MetalMemory and
// MetalResidency, MetalCommands (encoding, errors).
//===----------------------------------------------------------------------===//

#include "runtime/MetalDevice.h"

#include "runtime/Manifest.h"
#include "runtime/MetalMemory.h"
#include "runtime/ReadFile.h"
#include "runtime/Trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

using namespace tq;
using namespace tq::apple;

namespace {

class MetalDeviceImpl final : public MetalDevice {
public:
  MetalDeviceImpl(const Package &package, const MetalOptions &options)
      : package(package), gpu(package.name(), options), memory(package, gpu) {}

  Status open();
  const Target &target() const override { return *chosen; }
  int threads() const override { return 1; }
  Result<Buffer> allocate(uint64_t bytes) override { return memory.allocate(bytes); }
  Result<int> load(size_t index, const Memory &memory) override;
  Status run(int loaded, std::span<const int32_t> params, Trace *trace) override;
  const std::vector<std::string> &notes() const override { return gpu.notes; }

private:
  Status pickTarget();
  Status openLibrary();
  Status prepare(BoundEntry &bound);
  Status submit(BoundEntry &bound, std::span<const int32_t> params, Trace *trace);
  Status submitTraced(const BoundEntry &bound, std::span<const int32_t> params, Trace &trace);
  Status startCapture();

  const Package &package;
  const Target *chosen = nullptr;
  Gpu gpu;
  GpuMemory memory;
  std::vector<BoundEntry> entries;
  std::vector<id<MTLCommandBuffer>> commands; // of the present run only
  Status failure;
  int runs = 0;
};

Status MetalDeviceImpl::open() {
  @autoreleasepool {
    TQ_TRY(gpu.open());
    TQ_TRY(pickTarget());
    if (!gpu.options.captureFile.empty() &&
        ![[MTLCaptureManager sharedCaptureManager] supportsDestination:MTLCaptureDestinationGPUTraceDocument])
      return Error{gpu.options.captureFile + ": cannot capture: set MTL_CAPTURE_ENABLED=1 in the environment"};
    for (const Entry &entry : chosen->entries)
      for (const Step &step : entry.steps)
        if (step.bindings.size() >= kBufferSlots)
          return Error{fmt::format("{}: kernel {} has {} bindings, but a GPU takes {}; recompile with tq-compile",
                                   package.name(), printable(step.kernel), step.bindings.size(), kBufferSlots - 1)};
    TQ_TRY(openLibrary());
    TQ_TRY(memory.wrapWeights(*chosen));
    for (const Entry &entry : chosen->entries)
      for (const Step &step : entry.steps) {
        size_t index = gpu.addPipeline(step.kernel, step.simdgroups);
        if (gpu.options.eagerPipelines)
          TQ_TRY(gpu.make(gpu.pipelines[index]));
      }
    gpu.saveArchive();
    return Status();
  }
}

/// "metal-apple7" needs MTLGPUFamilyApple7, which is 1007. 0: not such a name.
int familyOf(const Target &target) {
  constexpr std::string_view prefix = "metal-apple";
  if (target.device != "metal" || !target.name.starts_with(prefix))
    return 0;
  const char *begin = target.name.data() + prefix.size(), *end = target.name.data() + target.name.size();
  int generation = 0;
  auto [rest, error] = std::from_chars(begin, end, generation);
  return error == std::errc() && rest == end && generation > 0 && generation < 1000 ? 1000 + generation : 0;
}

Status MetalDeviceImpl::pickTarget() {
  std::string names;
  for (const Target &target : package.manifest().targets) {
    int family = familyOf(target);
    if (family && gpu.supports(family)) {
      chosen = &target;
      return Status();
    }
    names += fmt::format("{}{}", names.empty() ? "" : ", ", target.name);
  }
  return Error{fmt::format("{}: no target for {}; there are: {}; recompile with tq-compile --target=metal, or use "
                           "--device=host",
                           package.name(), gpu.name(), printable(names))};
}

/// A metallib if there is one, since it spares the compiler's front end; else,
/// or if it is for a later system, the source.
Status MetalDeviceImpl::openLibrary() {
  std::string source = gpu.options.source, key;
  if (source.empty()) {
    std::string binary = chosen->library.substr(0, chosen->library.rfind('.')) + ".metallib";
    bool loaded = false;
    if (package.hasFile(binary)) {
      Status status = gpu.loadBinary(package.filePath(binary));
      loaded = status.ok();
      if (!loaded)
        gpu.notes.push_back(fmt::format("{}: {} does not load, so {} is compiled: {}", package.name(), binary,
                                        chosen->library, status.message()));
    }
    if (!loaded) {
      TQ_TRY_ASSIGN(source, readFile(package.filePath(chosen->library), kAnySize));
      if (source.empty())
        return Error{
            fmt::format("{}: {} is empty; recompile with tq-compile", package.name(), printable(chosen->library))};
    }
    for (const File &file : package.manifest().files)
      if (file.name == (loaded ? binary : chosen->library))
        key = file.hash;
  }
  if (key.empty())
    key = hashBytes(std::as_bytes(std::span(source)));
  if (!source.empty())
    TQ_TRY(gpu.compile(source, chosen->library));
  gpu.openArchive(fmt::format("{}-{}", chosen->name, key));
  return Status();
}

Result<int> MetalDeviceImpl::load(size_t index, const Memory &given) {
  const Entry &entry = chosen->entries[index];
  if (given.arena.bytes < entry.arena_bytes)
    return Error{fmt::format("{}: {} needs an arena of {} bytes, but got {}", package.name(), entry.name,
                             entry.arena_bytes, given.arena.bytes)};
  BoundEntry bound{&entry, {}};
  for (const Step &step : entry.steps) {
    BoundStep &launch = bound.steps.emplace_back(BoundStep{&step, gpu.addPipeline(step.kernel, step.simdgroups), {}});
    for (const Binding &binding : step.bindings) {
      TQ_TRY_ASSIGN(Slot slot, memory.find(package.bound(binding, given).data()));
      launch.slots.push_back(slot);
    }
  }
  entries.push_back(std::move(bound));
  return static_cast<int>(entries.size() - 1);
}

Status MetalDeviceImpl::run(int loaded, std::span<const int32_t> params, Trace *trace) {
  if (!failure.ok())
    return failure; // states may be half written: nothing can go on from here
  @autoreleasepool {
    bool capture = !gpu.options.captureFile.empty() && runs == gpu.options.captureStep;
    if (capture)
      failure = startCapture();
    if (failure.ok()) {
      failure = submit(entries[loaded], params, trace);
      if (capture)
        [[MTLCaptureManager sharedCaptureManager] stopCapture];
    }
    ++runs;
    commands.clear();
    memory.touch();
    return failure;
  }
}

Status MetalDeviceImpl::prepare(BoundEntry &bound) {
  for (const BoundStep &launch : bound.steps)
    TQ_TRY(gpu.make(gpu.pipelines[launch.pipeline]));
  gpu.saveArchive();
  bound.ready = true;
  return Status();
}

Status MetalDeviceImpl::submit(BoundEntry &bound, std::span<const int32_t> params, Trace *trace) {
  if (!bound.ready)
    TQ_TRY(prepare(bound));
  if (trace)
    return submitTraced(bound, params, *trace);
  Submission submission(gpu, commands);
  for (const BoundStep &launch : bound.steps) {
    if (launch.step->barrier)
      submission.barrier();
    // A grid of none is not allowed; its barrier still counts.
    if (int64_t threadgroups = evaluate(launch.step->tasks, params))
      submission.dispatch(launch, params, threadgroups);
  }
  return submission.wait();
}

/// Each launch alone in a command buffer, so that its time is its own.
Status MetalDeviceImpl::submitTraced(const BoundEntry &bound, std::span<const int32_t> params, Trace &trace) {
  for (const BoundStep &launch : bound.steps) {
    int64_t threadgroups = evaluate(launch.step->tasks, params);
    Trace::Clock::time_point begin = Trace::Clock::now();
    if (threadgroups) {
      Submission submission(gpu, commands);
      submission.dispatch(launch, params, threadgroups);
      TQ_TRY(submission.wait());
    }
    Trace::Clock::time_point end = Trace::Clock::now();
    // The GPU's own time, without the hundreds of microseconds of a round trip.
    if (!commands.empty()) {
      std::chrono::duration<double> busy([commands[0] GPUEndTime] - [commands[0] GPUStartTime]);
      if (busy.count() > 0)
        begin = std::max(begin, end - std::chrono::duration_cast<Trace::Clock::duration>(busy));
    }
    trace.launch(*bound.entry, *launch.step, threadgroups, params, begin, end);
    commands.clear();
  }
  return Status();
}

Status MetalDeviceImpl::startCapture() {
  const std::string &path = gpu.options.captureFile;
  Own<MTLCaptureDescriptor *> descriptor([MTLCaptureDescriptor new]);
  [descriptor setCaptureObject:gpu.queue];
  [descriptor setDestination:MTLCaptureDestinationGPUTraceDocument];
  [descriptor setOutputURL:fileUrl(path)];
  NSError *error = nil;
  if (![[MTLCaptureManager sharedCaptureManager] startCaptureWithDescriptor:descriptor error:&error])
    return Error{fmt::format("{}: cannot capture: {}; give a path that ends in .gputrace and does not exist", path,
                             sentence(error))};
  return Status();
}

} // namespace

Result<std::unique_ptr<MetalDevice>> tq::createMetalDevice(const Package &package, const MetalOptions &options) {
  auto device = std::make_unique<MetalDeviceImpl>(package, options);
  TQ_TRY(device->open());
  return std::unique_ptr<MetalDevice>(std::move(device));
}
