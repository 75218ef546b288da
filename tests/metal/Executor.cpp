//===- Executor.cpp - Metal Shading Language, checked and executed --------===//

#include "tests/metal/Executor.h"

#include "tests/metal/Diagnostics.h"
#include "tests/metal/Worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>
#include <thread>

#include <pthread.h>
#include <unistd.h>

using namespace tq;
using namespace tq::metal;

namespace {

constexpr int kMostHostThreads = 4;
constexpr uint64_t kGap = 256;       ///< bytes between two bound ranges of a checked launch
constexpr uintptr_t kNowhere = 4096; ///< aligned, not null, and nobody's: a parameter whose function constant is false
constexpr uint64_t kThreadgroupAlignment = 16; ///< of setThreadgroupMemoryLength

/// Buffers that overlap: one stretch of memory to the checker.
struct Cluster {
  uintptr_t low = 0, high = 0;
  bool writable = false;
  std::vector<size_t> parameters;
  std::vector<char> copy; ///< where the kernel sees it, if its neighbours are too close
  uintptr_t moved = 0;    ///< address of the copy; 0 if it stays where it is
};

/// One launch from the bindings to its end.
class Runner {
public:
  Runner(LibraryImage &image, const Kernel &kernel, const Launch &launch)
      : image(image), kernel(kernel), launch(launch) {}

  Status run(Statistics *statistics) {
    TQ_TRY(grid());
    TQ_TRY(bind());
    TQ_TRY(threadgroupMemory());
    if (image.checked)
      TQ_TRY(prepareChecker());
    orderGroups();
    Status status = execute(statistics);
    for (size_t i = 0; i < ranges.size() && image.checked && status.ok(); ++i) // a read beyond the end says more
      status = isWhole(kernel.parameters[owner[i]], ranges[i].bytes);
    for (Cluster &c : clusters)
      if (c.moved && c.writable)
        memcpy(reinterpret_cast<void *>(c.low), reinterpret_cast<void *>(c.moved), c.high - c.low);
    return status;
  }

private:
  Error failure(std::string message, int line = 0) const {
    return Error{format({line ? line : kernel.line, "kernel " + kernel.name, std::move(message), ""}, image.name)};
  }

  Status grid() {
    plan.image = &image;
    plan.kernel = &kernel;
    plan.schedule = launch.schedule;
    plan.timeLimit = launch.timeLimit;
    plan.perGroup = launch.threadsPerThreadgroup;
    plan.groups = launch.threadgroups;
    bool exact = launch.threads != std::array<uint32_t, 3>{0, 0, 0};
    uint64_t threads = 1;
    for (size_t d = 0; d < 3; ++d)
      threads *= std::min<uint64_t>(plan.perGroup[d], 1 << 16);
    if (threads == 0 || threads > kMaxThreads)
      return failure(fmt::format("{} x {} x {} threads per threadgroup, but 1 to {} are possible", plan.perGroup[0],
                                 plan.perGroup[1], plan.perGroup[2], kMaxThreads));
    if (threads > kernel.maxTotalThreads)
      return failure(fmt::format("{} threads per threadgroup exceed max_total_threads_per_threadgroup({})", threads,
                                 kernel.maxTotalThreads));
    for (size_t d = 0; d < 3; ++d) {
      if (exact)
        plan.groups[d] = static_cast<uint32_t>((uint64_t(launch.threads[d]) + plan.perGroup[d] - 1) / plan.perGroup[d]);
      plan.grid[d] = exact ? launch.threads[d] : plan.groups[d] * plan.perGroup[d];
    }
    groups = uint64_t(plan.groups[0]) * plan.groups[1] * plan.groups[2];
    if (groups == 0)
      return failure(
          fmt::format("a grid of {} x {} x {} threadgroups is empty", plan.groups[0], plan.groups[1], plan.groups[2]));
    if (groups >= kSerials / 2)
      return failure(fmt::format("{} threadgroups are too many for one launch", groups));
    return Status();
  }

  Status bind() {
    std::set<int> bound;
    for (const BufferBinding &b : launch.buffers)
      if (!bound.insert(b.index).second)
        return failure(fmt::format("buffer({}) is bound twice", b.index));
    plan.buffers.assign(kernel.parameters.size(), nullptr);
    for (size_t i = 0; i < kernel.parameters.size(); ++i) {
      const Parameter &p = kernel.parameters[i];
      if (p.kind != Parameter::Buffer)
        continue;
      if (!p.missingConstant.empty())
        return failure(fmt::format("buffer({}) '{}' depends on function constant '{}', which has no value", p.index,
                                   p.name, p.missingConstant),
                       p.line);
      if (p.isAbsent) {
        plan.buffers[i] = reinterpret_cast<void *>(kNowhere);
        continue;
      }
      auto b = std::ranges::find(launch.buffers, p.index, &BufferBinding::index);
      if (b == launch.buffers.end() || !b->data || b->bytes == 0)
        return failure(fmt::format("buffer({}) '{}' is not bound", p.index, p.name), p.line);
      if (!image.checked)
        TQ_TRY(isWhole(p, b->bytes));
      plan.buffers[i] = b->data;
      Range range;
      range.low = reinterpret_cast<uintptr_t>(b->data);
      range.bytes = b->bytes;
      range.writable = !p.isConst;
      range.name = fmt::format("buffer({}) '{}'", p.index, p.name);
      range.space = p.isConstant ? Constant : Device;
      owner.push_back(i);
      ranges.push_back(std::move(range));
    }
    return Status();
  }

  /// Metal's validation wants all of a reference to be there, whatever the kernel reads of it.
  Status isWhole(const Parameter &p, uint64_t bytes) const {
    if (bytes >= p.bytes)
      return Status();
    return failure(
        fmt::format("buffer({}) '{}' has {} bytes, but {} & needs {}", p.index, p.name, bytes, p.type, p.bytes),
        p.line);
  }

  Status threadgroupMemory() {
    uint64_t total = kernel.threadgroupBytes;
    plan.threadgroupBytes.assign(kernel.parameters.size(), 0);
    for (const ThreadgroupBinding &t : launch.threadgroupMemory) {
      if (t.bytes % kThreadgroupAlignment)
        return failure(fmt::format("threadgroup({}) has a length of {} bytes, which is no multiple of {}", t.index,
                                   t.bytes, kThreadgroupAlignment));
      total += std::min(t.bytes, uint64_t(1) << 40);
    }
    for (size_t i = 0; i < kernel.parameters.size(); ++i) {
      const Parameter &p = kernel.parameters[i];
      if (p.kind != Parameter::ThreadgroupMemory)
        continue;
      auto t = std::ranges::find(launch.threadgroupMemory, p.index, &ThreadgroupBinding::index);
      if (t == launch.threadgroupMemory.end() || t->bytes == 0)
        return failure(fmt::format("threadgroup({}) '{}' has no length", p.index, p.name), p.line);
      plan.threadgroupBytes[i] = t->bytes;
    }
    if (total > kThreadgroupLimit)
      return failure(fmt::format("{} bytes of threadgroup memory, but there are {}", total, kThreadgroupLimit));
    return Status();
  }

  // --- the checker's view ----------------------------------------------------

  Status prepareChecker() {
    makeClusters();
    for (Cluster &c : clusters)
      TQ_TRY(prepare(c));
    separate();
    plan.threadgroupShift = image.threadgroupShift;
    return Status();
  }

  void makeClusters() {
    std::vector<size_t> byAddress(ranges.size());
    std::iota(byAddress.begin(), byAddress.end(), size_t(0));
    std::ranges::sort(byAddress, {}, [&](size_t i) { return ranges[i].low; });
    for (size_t i : byAddress) {
      const Range &r = ranges[i];
      if (clusters.empty() || r.low >= clusters.back().high) {
        clusters.emplace_back();
        clusters.back().low = r.low;
        clusters.back().high = r.low;
      }
      clusters.back().high = std::max(clusters.back().high, r.low + r.bytes);
      clusters.back().writable |= r.writable;
      clusters.back().parameters.push_back(i);
    }
  }

  Status prepare(Cluster &c) {
    for (size_t a : c.parameters)
      for (size_t b : c.parameters)
        if (a < b && ranges[a].writable && ranges[b].writable && ranges[a].low < ranges[b].low + ranges[b].bytes &&
            ranges[b].low < ranges[a].low + ranges[a].bytes)
          return failure(
              fmt::format("{} and {} overlap, and the kernel may write both", ranges[a].name, ranges[b].name));
    if (!c.writable)
      return Status();
    int shift = image.deviceShift;
    for (size_t i : c.parameters)
      if ((ranges[i].low - c.low) % (uint64_t(1) << shift))
        shift = 0;
    Cell *cells = deviceCells().take(c.high - c.low, shift);
    if (!cells)
      return Error{"no address space for the checker's memory"};
    for (size_t i : c.parameters) {
      ranges[i].shift = static_cast<uint8_t>(shift);
      ranges[i].cells = cells + ((ranges[i].low - c.low) >> shift);
      ranges[i].space = Device; // what can be written must be seen as such
    }
    return Status();
  }

  /// A step beyond a range must not land in the next one: copies with room around them for those too close.
  void separate() {
    for (size_t i = 0; i < clusters.size(); ++i) {
      Cluster &c = clusters[i];
      bool close = (i > 0 && c.low - clusters[i - 1].high < kGap);
      if (close) {
        c.copy.resize(c.high - c.low + 3 * kGap);
        auto start = reinterpret_cast<uintptr_t>(c.copy.data()) + kGap;
        c.moved = start + (c.low - start) % kGap; // keeps the alignment
        memcpy(reinterpret_cast<void *>(c.moved), reinterpret_cast<void *>(c.low), c.high - c.low);
      }
      for (size_t r : c.parameters) {
        if (c.moved)
          ranges[r].low = ranges[r].low - c.low + c.moved;
        plan.buffers[owner[r]] = reinterpret_cast<void *>(ranges[r].low);
      }
    }
    for (bool writable : {true, false}) // of two that overlap, the writable one is to be found first
      for (const Range &range : ranges)
        if (range.writable == writable)
          plan.ranges.push_back(range);
  }

  // --- execution -------------------------------------------------------------

  void orderGroups() {
    order.resize(launch.schedule.kind == Schedule::Forward ? 0 : groups);
    std::iota(order.begin(), order.end(), uint64_t(0));
    if (launch.schedule.kind == Schedule::Reverse)
      std::ranges::reverse(order);
    else if (launch.schedule.kind == Schedule::Random)
      std::ranges::shuffle(order, std::minstd_rand(launch.schedule.seed + 7));
  }

  struct Helper {
    Runner *runner = nullptr;
    size_t index = 0;
    pthread_t thread = {};
  };

  static void *helperMain(void *argument) {
    auto *helper = static_cast<Helper *>(argument);
    helper->runner->work(helper->index);
    return nullptr;
  }

  void work(size_t index) {
    Worker &w = worker(index);
    {
      setCurrentWorker(&w);
      Watchdog watchdog(plan.timeLimit);
      for (;;) {
        uint64_t place = nextGroup.fetch_add(1, std::memory_order_relaxed);
        if (place >= groups || stop.load(std::memory_order_relaxed))
          break;
        if (!w.runGroup(order.empty() ? place : order[place], plan.firstSerial + place)) {
          if (!stop.exchange(true))
            faulty = index;
          break;
        }
      }
      setCurrentWorker(nullptr);
    }
  }

  Status execute(Statistics *statistics) {
    auto wanted = launch.hostThreads > 0 ? static_cast<uint64_t>(launch.hostThreads)
                                         : std::min<uint64_t>(std::thread::hardware_concurrency(), kMostHostThreads);
    auto threads = static_cast<size_t>(std::clamp<uint64_t>(wanted, 1, std::min<uint64_t>(groups, kMostWorkers)));
    plan.parallel = threads > 1;
    serials(threads);
    for (size_t i = 0; i < threads; ++i)
      TQ_TRY(worker(i).begin(plan, i));
    std::vector<Helper> helpers(threads - 1);
    for (size_t i = 0; i < helpers.size(); ++i) {
      helpers[i] = {this, i + 1, {}};
      if (pthread_create(&helpers[i].thread, nullptr, helperMain, &helpers[i]) != 0) {
        helpers.resize(i); // those there are will do
        break;
      }
    }
    work(0);
    for (Helper &helper : helpers)
      pthread_join(helper.thread, nullptr);
    Status status;
    if (stop)
      status = Error{worker(faulty).describe()};
    for (size_t i = 0; i < threads; ++i) {
      if (statistics)
        add(*statistics, worker(i).statistics);
      if (statistics && !statistics->lostUpdate)
        statistics->lostUpdate = worker(i).lostUpdate();
      worker(i).end();
    }
    return status;
  }

  /// Numbers for this launch's threadgroups, above those of all launches before.
  void serials(size_t threads) {
    static uint64_t next = 1;
    if (next + groups >= kSerials) {
      deviceCells().clear();
      for (size_t i = 0; i < kMostWorkers; ++i)
        if (workers()[i])
          workers()[i]->access.pool.clear();
      next = 1;
    }
    plan.firstSerial = next;
    next += groups;
  }

  static void add(Statistics &sum, const Statistics &s) {
    sum.threads += s.threads;
    sum.switches += s.switches;
    sum.barriers += s.barriers;
    sum.simdOperations += s.simdOperations;
    sum.accesses += s.accesses;
    sum.floatAtomics |= s.floatAtomics;
  }

  // Stacks and cells are kept from launch to launch.
  static constexpr size_t kMostWorkers = 64;
  static std::array<std::unique_ptr<Worker>, kMostWorkers> &workers() {
    static auto *all = new std::array<std::unique_ptr<Worker>, kMostWorkers>;
    return *all;
  }
  static Worker &worker(size_t i) {
    auto &slot = workers()[i];
    if (!slot)
      slot = std::make_unique<Worker>();
    return *slot;
  }
  static CellPool &deviceCells() {
    static auto *pool = new CellPool;
    return *pool;
  }

public:
  static void resetCells() { deviceCells().reset(); }

private:
  LibraryImage &image;
  const Kernel &kernel;
  const Launch &launch;
  LaunchPlan plan;
  uint64_t groups = 0;
  std::vector<Range> ranges; ///< of the buffers, in the order of the parameters
  std::vector<size_t> owner; ///< the parameter of each range
  std::vector<Cluster> clusters;
  std::vector<uint64_t> order;
  std::atomic<uint64_t> nextGroup = 0;
  std::atomic<bool> stop = false;
  size_t faulty = 0;
};

} // namespace

Result<Library> Library::compile(std::string_view text, const CompileOptions &options) {
  TQ_TRY_ASSIGN(BuiltLibrary built, build(text, options));
  auto image = std::make_shared<LibraryImage>();
  image->name = options.name;
  image->checked = options.checked;
  image->kernels = std::move(built.kernels);
  image->object = std::move(built.object);
  image->deviceShift = built.deviceShift;
  image->threadgroupShift = built.threadgroupShift;
  TQ_TRY_ASSIGN(Module * module, image->module(0));
  std::vector<Finding> findings;
  for (Kernel &kernel : image->kernels) {
    for (const ImageVariable &v : module->statics)
      if (kernelOf(v) == kernel.name)
        kernel.threadgroupBytes += v.bytes;
    if (kernel.threadgroupBytes > kThreadgroupLimit)
      findings.push_back(
          {kernel.line, "kernel " + kernel.name,
           fmt::format("{} bytes of threadgroup memory, but there are {}", kernel.threadgroupBytes, kThreadgroupLimit),
           ""});
  }
  if (!findings.empty())
    return Error{format(findings, options.name)};
  return Library(std::move(image));
}

const std::vector<Kernel> &Library::kernels() const { return image->kernels; }
bool Library::checked() const { return image->checked; }
const std::string &Library::name() const { return image->name; }

const Kernel *Library::find(std::string_view kernel) const {
  auto found = std::ranges::find(image->kernels, kernel, &Kernel::name);
  return found == image->kernels.end() ? nullptr : &*found;
}

Status Library::run(std::string_view name, const Launch &launch, Statistics *statistics) const {
  const Kernel *kernel = find(name);
  if (!kernel)
    return Error{fmt::format("{}: there is no kernel {}", image->name, name)};
  static std::mutex mutex; // workers and cells are shared by all launches of the process
  std::lock_guard lock(mutex);
  Runner::resetCells();
  return Runner(*image, *kernel, launch).run(statistics);
}
