//===- MetalDevice.mm - Launches on an Apple GPU --------------------------===//
// Manual retain and release: every object that alloc, new... or Create gave is
// held by an Own; all others live until the @autoreleasepool around each entry
// into this file ends. Texts are copied out of Objective-C objects at once.
//
// Memory that kernels write (arena, states, page table) is hazard-tracked, so
// that one command buffer sees the writes of the one before; within an encoder
// nothing is tracked and the launch table's barriers do it. Weights are only
// read, so they are not tracked at all.
//===----------------------------------------------------------------------===//

#include "runtime/MetalDevice.h"

#include "runtime/Manifest.h"
#include "runtime/Thread.h"
#include "runtime/Trace.h"

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <fmt/format.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>

using namespace tq;

namespace {

constexpr int kSimdWidth = 32;
/// Buffers of a kernel, the parameter block among them: an Apple GPU has so
/// many slots.
constexpr size_t kBufferSlots = 31;
/// The first command buffer is short, so that the GPU begins while the host
/// still encodes (about 0.6 us a dispatch).
constexpr int kFirstDispatches = 32;
/// The system stops a command buffer after several seconds; at 0.5 TFLOP/s,
/// a fifth of what an M1 can do, this takes one.
constexpr uint64_t kFlopsPerCommandBuffer = 500'000'000'000;
/// Unused memory is unwired after about a second.
constexpr std::chrono::milliseconds kKeepAlivePeriod(500);
/// A queue takes 32 residency sets.
constexpr size_t kMaxWeightSets = 30;

//===-- Objective-C and C++ -----------------------------------------------===//

/// An object that alloc, new... or Create gave, released at the end.
template <class T> class Own {
public:
  Own() = default;
  explicit Own(T object) : object(object) {}
  Own(Own &&other) noexcept : object(std::exchange(other.object, nil)) {}
  Own &operator=(Own &&other) noexcept {
    std::swap(object, other.object);
    return *this;
  }
  ~Own() { [object release]; }
  operator T() const { return object; }

private:
  T object = nil;
};

Own<NSString *> text(std::string_view bytes) {
  return Own<NSString *>([[NSString alloc] initWithBytes:bytes.data()
                                                  length:bytes.size()
                                                encoding:NSUTF8StringEncoding]);
}

NSURL *fileUrl(const std::string &path) { return [NSURL fileURLWithPath:text(path)]; }

/// The first lines of what the system says, fit for a message.
std::string sentence(NSError *error) {
  const char *words = [[error localizedDescription] UTF8String];
  std::istringstream lines(words ? words : "no reason given");
  std::string result, line;
  for (int i = 0; i < 3 && std::getline(lines, line); ++i)
    if (!line.empty())
      result += (result.empty() ? "" : " | ") + printable(line);
  return result;
}

uint64_t megabytes(uint64_t bytes) { return (bytes + (1 << 20) - 1) >> 20; }
uint64_t pages(uint64_t bytes) { return (bytes + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment; }

/// What to do about a command buffer that failed.
std::string explain(NSError *error) {
  switch (static_cast<MTLCommandBufferError>([error code])) {
  case MTLCommandBufferErrorOutOfMemory:
    return "the GPU is out of memory: use a smaller --context or --chunk, close other programs, or raise the limit "
           "with "
           "'sudo sysctl iogpu.wired_limit_mb=N'";
  case MTLCommandBufferErrorTimeout:
    return "the system stopped the GPU because a step took too long: use a smaller --chunk";
  case MTLCommandBufferErrorPageFault:
    return "a kernel reached memory that is not its own: check the package with --verify and report this";
  case MTLCommandBufferErrorAccessRevoked:
    return "the system denies this process the GPU after earlier failures: start it anew";
  case MTLCommandBufferErrorNotPermitted:
    return "the system denies the GPU to a process in the background: run it in a session with a display";
  case MTLCommandBufferErrorDeviceRemoved:
    return "the GPU was removed: start the process anew";
  default:
    return "the GPU failed: start the process anew, and report this if it comes back";
  }
}

Status completed(id<MTLCommandBuffer> commands, const std::string &title) {
  if ([commands status] != MTLCommandBufferStatusError)
    return Status();
  NSError *error = [commands error];
  return Error{fmt::format("{}: {} ({})", title, explain(error), sentence(error))};
}

//===-- Device, library, pipelines ----------------------------------------===//

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

Gpu::~Gpu() {
  @autoreleasepool {
    saveArchive();
    pipelines.clear();
    archive = {};
    library = {};
    queue = {};
    device = {};
  }
}

Status Gpu::open() {
  device = Own<id<MTLDevice>>(MTLCreateSystemDefaultDevice());
  if (!device)
    return Error{title + ": there is no GPU that Metal can use (a virtual machine may have none); use --device=host"};
  queue = Own<id<MTLCommandQueue>>([device newCommandQueue]);
  if (!queue)
    return Error{
        fmt::format("{}: {} gives no command queue; close other programs or use --device=host", title, name())};
  return Status();
}

Status Gpu::compile(const std::string &source, const std::string &what) {
  Own<MTLCompileOptions *> how([MTLCompileOptions new]);
  [how setLanguageVersion:MTLLanguageVersion3_1];
  // As written: results must not depend on what the compiler reassociates.
  bool modern = false;
  if (@available(macOS 15.0, *)) {
    if ([how respondsToSelector:@selector(setMathMode:)]) {
      [how setMathMode:MTLMathModeSafe];
      [how setMathFloatingPointFunctions:MTLMathFloatingPointFunctionsPrecise];
      modern = true;
    }
  }
  if (!modern)
    [how setFastMathEnabled:NO];
  NSError *error = nil;
  // The error may hold warnings although the library is there.
  library = Own<id<MTLLibrary>>([device newLibraryWithSource:text(source) options:how error:&error]);
  if (!library)
    return Error{
        fmt::format("{}: {} does not compile on this system: {}; recompile with tq-compile, and report this if "
                    "it stays",
                    title, what, sentence(error))};
  return Status();
}

Status Gpu::loadBinary(const std::string &path) {
  NSError *error = nil;
  library = Own<id<MTLLibrary>>([device newLibraryWithURL:fileUrl(path) error:&error]);
  if (!library)
    return Error{sentence(error)};
  return Status();
}

void Gpu::openArchive(const std::string &key) {
  if (options.archiveDirectory.empty())
    return;
  std::error_code failure;
  std::filesystem::create_directories(options.archiveDirectory, failure);
  archivePath = fmt::format("{}/{}.metalarchive", options.archiveDirectory, key);
  Own<MTLBinaryArchiveDescriptor *> descriptor([MTLBinaryArchiveDescriptor new]);
  NSError *error = nil;
  if (access(archivePath.c_str(), R_OK) == 0) {
    [descriptor setUrl:fileUrl(archivePath)];
    archive = Own<id<MTLBinaryArchive>>([device newBinaryArchiveWithDescriptor:descriptor error:&error]);
    if (archive)
      return;
    // Of another version of the system, most likely.
    notes.push_back(fmt::format("{} is made anew: {}", archivePath, sentence(error)));
    [descriptor setUrl:nil];
  }
  archive = Own<id<MTLBinaryArchive>>([device newBinaryArchiveWithDescriptor:descriptor error:&error]);
  if (!archive)
    notes.push_back(fmt::format("compiled kernels are not kept: {}", sentence(error)));
}

void Gpu::saveArchive() {
  if (!archiveGrew)
    return;
  archiveGrew = false;
  @autoreleasepool {
    // Under another name first: a second process may read it now.
    std::string partial = fmt::format("{}.{}", archivePath, getpid());
    NSError *error = nil;
    std::string reason;
    if (![archive serializeToURL:fileUrl(partial) error:&error])
      reason = sentence(error);
    else if (rename(partial.c_str(), archivePath.c_str()) != 0)
      reason = strerror(errno);
    else
      return;
    unlink(partial.c_str());
    notes.push_back(fmt::format("{}: cannot write: {}; kernels will be compiled again", archivePath, reason));
  }
}

size_t Gpu::addPipeline(const std::string &kernel, int simdgroups) {
  auto same = [&](const Pipeline &p) { return p.kernel == kernel && p.simdgroups == simdgroups; };
  auto found = std::ranges::find_if(pipelines, same);
  if (found == pipelines.end())
    found = pipelines.insert(found, Pipeline{kernel, simdgroups, {}});
  return found - pipelines.begin();
}

Own<id<MTLComputePipelineState>> Gpu::fromArchive(MTLComputePipelineDescriptor *descriptor) {
  if (!archive)
    return {};
  [descriptor setBinaryArchives:[NSArray arrayWithObject:archive]];
  return Own<id<MTLComputePipelineState>>([device
      newComputePipelineStateWithDescriptor:descriptor
                                    options:MTLPipelineOptionFailOnBinaryArchiveMiss
                                 reflection:nullptr
                                      error:nullptr]);
}

Status Gpu::make(Pipeline &pipeline) {
  if (pipeline.state)
    return Status();
  Own<id<MTLFunction>> function([library newFunctionWithName:text(pipeline.kernel)]);
  if (!function)
    return Error{fmt::format("{}: the library has no kernel '{}'; recompile with tq-compile", title,
                             printable(pipeline.kernel))};
  NSUInteger threads = kSimdWidth * pipeline.simdgroups;
  Own<MTLComputePipelineDescriptor *> descriptor([MTLComputePipelineDescriptor new]);
  [descriptor setLabel:text(pipeline.kernel)];
  [descriptor setComputeFunction:function];
  [descriptor setThreadGroupSizeIsMultipleOfThreadExecutionWidth:YES];
  [descriptor setMaxTotalThreadsPerThreadgroup:threads]; // so the compiler knows how many registers a thread may have
  pipeline.state = fromArchive(descriptor);
  NSError *error = nil;
  if (!pipeline.state) {
    pipeline.state =
        Own<id<MTLComputePipelineState>>([device newComputePipelineStateWithDescriptor:descriptor
                                                                               options:MTLPipelineOptionNone
                                                                            reflection:nullptr
                                                                                 error:&error]);
    if (!pipeline.state)
      return Error{fmt::format("{}: {} refuses kernel '{}': {}; update macOS, or report this", title, name(),
                               pipeline.kernel, sentence(error))};
    if (archive && [archive addComputePipelineFunctionsWithDescriptor:descriptor error:&error])
      archiveGrew = true;
  }
  NSUInteger width = [pipeline.state threadExecutionWidth], most = [pipeline.state maxTotalThreadsPerThreadgroup];
  if (width != kSimdWidth || most < threads) {
    pipeline.state = {};
    return Error{fmt::format("{}: kernel '{}' needs {} threads in simdgroups of {}, but {} runs it with at most {} in "
                             "simdgroups of {}; report this",
                             title, pipeline.kernel, threads, kSimdWidth, name(), most, width)};
  }
  return Status();
}

//===-- Residency ---------------------------------------------------------===//

/// Keeps memory wired while a session is idle, where the system has residency
/// sets (macOS 15); elsewhere does nothing, and the first step after a pause
/// is slower.
class Residency {
public:
  Residency(const Gpu &gpu) : gpu(gpu) {}
  ~Residency() { end(); }

  /// Adds buffers to the set of this number. Zero is the arena and states; the
  /// weights have one per file, so that wiring can fail for a part.
  void add(size_t set, std::span<const id<MTLBuffer>> buffers);
  /// A step has ended: from now on the memory is idle.
  void touch();
  void end();

private:
  void keepAlive();

  const Gpu &gpu;
  std::vector<id> sets; // id<MTLResidencySet>, a type that macOS 14 lacks
  std::mutex mutex;     // of what follows, and of `sets`
  std::condition_variable changed;
  std::chrono::steady_clock::time_point lastUse{};
  bool ending = false, asleep = false; // asleep: until the next use, however late
  std::optional<Thread> thread;
};

void Residency::add(size_t index, std::span<const id<MTLBuffer>> buffers) {
  if (@available(macOS 15.0, *)) {
    if (![gpu.device respondsToSelector:@selector(newResidencySetWithDescriptor:error:)])
      return;
    std::lock_guard lock(mutex);
    if (index >= sets.size())
      sets.resize(index + 1, nil);
    if (!sets[index]) {
      Own<MTLResidencySetDescriptor *> descriptor([MTLResidencySetDescriptor new]);
      sets[index] = [gpu.device newResidencySetWithDescriptor:descriptor error:nullptr];
      if (!sets[index])
        return; // a matter of speed only
      [gpu.queue addResidencySet:sets[index]];
    }
    id<MTLResidencySet> set = sets[index];
    for (id<MTLBuffer> buffer : buffers)
      [set addAllocation:buffer];
    [set commit];
    [set requestResidency];
  }
}

void Residency::touch() {
  if (sets.empty() || gpu.options.keepAliveSeconds <= 0)
    return;
  bool wake = false;
  {
    std::lock_guard lock(mutex);
    lastUse = std::chrono::steady_clock::now();
    wake = asleep;
  }
  if (wake) // not after every step: it would cost a switch of threads
    changed.notify_one();
  if (!thread) {
    thread.emplace();
    thread->start([this] { keepAlive(); }); // if the system refuses: as without residency sets
  }
}

void Residency::keepAlive() {
  std::unique_lock lock(mutex);
  while (!ending) {
    std::chrono::seconds patience(gpu.options.keepAliveSeconds);
    if (std::chrono::steady_clock::now() - lastUse > patience) {
      asleep = true;
      changed.wait(lock);
      asleep = false;
      continue;
    }
    changed.wait_for(lock, kKeepAlivePeriod);
    if (ending || std::chrono::steady_clock::now() - lastUse < kKeepAlivePeriod)
      continue; // a step has just used it
    if (@available(macOS 15.0, *))
      @autoreleasepool {
        for (id set : sets)
          [(id<MTLResidencySet>)set requestResidency];
      }
  }
}

void Residency::end() {
  {
    std::lock_guard lock(mutex);
    ending = true;
  }
  changed.notify_one();
  thread.reset();
  if (@available(macOS 15.0, *))
    for (id set : sets)
      if (set) {
        [gpu.queue removeResidencySet:set];
        [(id<MTLResidencySet>)set endResidency];
        [set release];
      }
  sets.clear();
}

//===-- Encoding ----------------------------------------------------------===//

struct Slot {
  id<MTLBuffer> buffer;
  NSUInteger offset;
};

/// A launch with its buffers.
struct BoundStep {
  const Step *step;
  size_t pipeline;
  std::vector<Slot> slots;
};

struct BoundEntry {
  const Entry *entry;
  std::vector<BoundStep> steps;
  bool ready = false; ///< its pipelines are made
};

void encode(id<MTLComputeCommandEncoder> encoder, id<MTLComputePipelineState> pipeline, std::span<const Slot> slots,
            std::span<const int32_t> params, int64_t threadgroups, int simdgroups) {
  [encoder setComputePipelineState:pipeline];
  for (size_t i = 0; i < slots.size(); ++i)
    [encoder setBuffer:slots[i].buffer offset:slots[i].offset atIndex:i];
  if (!params.empty())
    [encoder setBytes:params.data() length:params.size_bytes() atIndex:slots.size()];
  [encoder dispatchThreadgroups:MTLSizeMake(threadgroups, 1, 1)
          threadsPerThreadgroup:MTLSizeMake(kSimdWidth, simdgroups, 1)];
}

/// One run: dispatches go to command buffers, which are committed as they fill
/// up. Inside one @autoreleasepool, which owns the command buffers.
class Submission {
public:
  Submission(const Gpu &gpu, std::vector<id<MTLCommandBuffer>> &commands) : gpu(gpu), commands(commands) {
    commands.clear(); // keeps its capacity: no allocation in the next run
  }

  void dispatch(const BoundStep &bound, std::span<const int32_t> params, int64_t threadgroups);
  /// Everything before must have finished when what follows begins.
  void barrier() { barrierDue = true; }
  /// Ends the present command buffer, if there is one.
  void commit();
  Status wait();

private:
  const Gpu &gpu;
  std::vector<id<MTLCommandBuffer>> &commands;
  id<MTLComputeCommandEncoder> encoder = nil;
  bool barrierDue = false;
  int dispatches = 0;
  uint64_t flops = 0;
};

void Submission::dispatch(const BoundStep &bound, std::span<const int32_t> params, int64_t threadgroups) {
  if (!encoder) {
    // What the buffers hold outlives the run, so nothing need be retained.
    commands.push_back([gpu.queue commandBufferWithUnretainedReferences]);
    encoder = [commands.back() computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
  } else if (barrierDue) {
    [encoder memoryBarrierWithScope:MTLBarrierScopeBuffers];
  }
  barrierDue = false;
  encode(encoder, gpu.pipelines[bound.pipeline].state, bound.slots, params, threadgroups, bound.step->simdgroups);
  ++dispatches;
  flops += bound.step->flops_per_token * params[static_cast<int>(Param::NTokens)];
  int most = std::max(gpu.options.dispatchesPerCommandBuffer, 1);
  if (dispatches >= (commands.size() == 1 ? std::min(most, kFirstDispatches) : most) || flops >= kFlopsPerCommandBuffer)
    commit();
}

void Submission::commit() {
  if (!encoder)
    return;
  [encoder endEncoding];
  [commands.back() commit];
  encoder = nil;
  dispatches = 0;
  flops = 0;
}

Status Submission::wait() {
  commit();
  // The last first: they complete in order, so the others then need no sleep.
  for (size_t i = commands.size(); i-- > 0;)
    [commands[i] waitUntilCompleted];
  for (id<MTLCommandBuffer> buffer : commands)
    TQ_TRY(completed(buffer, gpu.title));
  return Status();
}

//===-- MetalDevice -------------------------------------------------------===//

/// Mapped memory as the GPU sees it.
struct Wrapped {
  std::byte *data;
  uint64_t bytes;
  Own<id<MTLBuffer>> buffer;
};

class MetalDeviceImpl final : public MetalDevice {
public:
  MetalDeviceImpl(const Package &package, const MetalOptions &options)
      : package(package), gpu(package.name(), options), residency(gpu) {}
  ~MetalDeviceImpl() override;

  Status open();
  const Target &target() const override { return *chosen; }
  int threads() const override { return 1; }
  Result<Buffer> allocate(uint64_t bytes) override;
  Result<int> load(size_t index, const Memory &memory) override;
  Status run(int loaded, std::span<const int32_t> params, Trace *trace) override;
  const std::vector<std::string> &notes() const override { return gpu.notes; }

private:
  Status pickTarget();
  Status openLibrary();
  Status wrapWeights();
  Status wrapView(std::span<const std::byte> bytes, std::vector<id<MTLBuffer>> &views);
  Status reserve(uint64_t bytes, const std::string &what) const;
  Result<Slot> find(const std::byte *address) const;
  Status prepare(BoundEntry &bound);
  Status submit(BoundEntry &bound, std::span<const int32_t> params, Trace *trace);
  Status submitTraced(const BoundEntry &bound, std::span<const int32_t> params, Trace &trace);
  Status startCapture();

  const Package &package;
  const Target *chosen = nullptr;
  Gpu gpu;
  std::vector<Wrapped> weights, memory;
  Residency residency; // ends before the buffers do
  std::vector<BoundEntry> entries;
  std::vector<id<MTLCommandBuffer>> commands; // of the present run only
  Status failure;
  int runs = 0;
};

MetalDeviceImpl::~MetalDeviceImpl() {
  @autoreleasepool {
    residency.end();
    weights.clear();
    for (Wrapped &block : memory) {
      block.buffer = {};
      munmap(block.data, block.bytes);
    }
  }
}

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
    TQ_TRY(wrapWeights());
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
      std::ifstream file(package.filePath(chosen->library), std::ios::binary);
      std::ostringstream bytes;
      if (!file || !(bytes << file.rdbuf()))
        return Error{fmt::format("{}: {} cannot be read or is empty; recompile with tq-compile", package.name(),
                                 chosen->library)};
      source = bytes.str();
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

/// The sections that this target's launches bind, in as few buffers as their
/// largest size allows.
Status MetalDeviceImpl::wrapWeights() {
  const std::vector<Section> &sections = package.manifest().sections;
  std::map<std::string, std::vector<size_t>> files;
  std::vector<bool> bound(sections.size());
  for (const Entry &entry : chosen->entries)
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

Status MetalDeviceImpl::wrapView(std::span<const std::byte> bytes, std::vector<id<MTLBuffer>> &views) {
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
Status MetalDeviceImpl::reserve(uint64_t bytes, const std::string &what) const {
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
Result<Buffer> MetalDeviceImpl::allocate(uint64_t bytes) {
  @autoreleasepool {
    uint64_t mapped = std::max(pages(bytes), kSectionAlignment), most = [gpu.device maxBufferLength];
    if (mapped > most)
      return Error{fmt::format("{}: {} MB are needed in one piece, but a buffer of {} holds {} MB; use a smaller "
                               "--context",
                               package.name(), megabytes(bytes), gpu.name(), megabytes(most))};
    TQ_TRY(reserve(mapped, "the context and intermediate values"));
    // NoCopy wants whole pages of 16 KiB, the page of Apple's processors.
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

/// The buffer that holds an address.
Result<Slot> MetalDeviceImpl::find(const std::byte *address) const {
  for (const auto *blocks : {&memory, &weights})
    for (const Wrapped &block : *blocks)
      if (address >= block.data && address < block.data + block.bytes)
        return Slot{block.buffer, static_cast<NSUInteger>(address - block.data)};
  return Error{package.name() + ": a binding lies outside the memory of this GPU"};
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
      TQ_TRY_ASSIGN(Slot slot, find(package.bound(binding, given).data()));
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
    residency.touch();
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

//===-- MetalKernels ------------------------------------------------------===//

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

Result<std::unique_ptr<MetalDevice>> tq::createMetalDevice(const Package &package, const MetalOptions &options) {
  auto device = std::make_unique<MetalDeviceImpl>(package, options);
  TQ_TRY(device->open());
  return std::unique_ptr<MetalDevice>(std::move(device));
}

Result<std::unique_ptr<MetalKernels>> tq::compileMetalKernels(const std::string &source, const MetalOptions &options) {
  auto kernels = std::make_unique<MetalKernelsImpl>(options);
  TQ_TRY(kernels->open(source));
  return std::unique_ptr<MetalKernels>(std::move(kernels));
}
