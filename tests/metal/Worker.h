//===- Worker.h - One host thread running one threadgroup at a time -*- C++ -*-===//
// GPU threads are fibers of the worker. A barrier or a simdgroup function is a
// rendezvous: whoever comes last does the work and goes on, the others become
// runnable. Nothing is preempted, so nothing here needs a lock.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_WORKER_H
#define TQ_TESTS_METAL_WORKER_H

#include "tests/metal/Checker.h"
#include "tests/metal/Executor.h"
#include "tests/metal/Fibers.h"
#include "tests/metal/Image.h"

#include <random>
#include <unordered_map>

namespace tq::metal {

constexpr int kMaxThreads = 1024;
constexpr int kSimdWidth = 32, kQuadWidth = 4;
constexpr uint64_t kThreadgroupLimit = 32768; ///< bytes of threadgroup memory
constexpr int kYields = 32;                   ///< at atomics, per thread of a threadgroup
constexpr size_t kSlotBytes = 16;             ///< of a value that lanes exchange

/// What ended a launch early.
struct Fault {
  std::string message;
  int line = 0; ///< 0: look it up from `code`
  const void *code = nullptr;
};

/// Lanes of a simdgroup or quadgroup on their way to the same place.
struct Rendezvous {
  int arrived = 0, site = 0, first = 0, size = 0, parity = 0;
  uint32_t argument = 0; ///< the first lane's; it must be that of all
  const void *code = nullptr;
  alignas(16) char slots[2][kSimdWidth * kSlotBytes]; ///< alternate, so that late readers keep theirs
};

enum class Wait : uint8_t { Nothing, Threadgroup, Simdgroup, Quadgroup, Election, Returned };

struct alignas(16) Input {
  uint32_t v[4];
};

/// A launch, as all its workers see it.
struct LaunchPlan {
  LibraryImage *image = nullptr;
  const Kernel *kernel = nullptr;
  std::array<uint32_t, 3> groups, perGroup, grid; ///< grid in threads
  Schedule schedule;
  std::vector<void *> buffers;            ///< per parameter; null where it is no buffer
  std::vector<uint64_t> threadgroupBytes; ///< per parameter
  std::vector<Range> ranges;              ///< of the buffers
  int threadgroupShift = 0;               ///< granule of threadgroup memory
  bool parallel = false;
  uint64_t firstSerial = 0;
  double timeLimit = 10;
};

class Worker {
public:
  Worker();
  ~Worker();

  Status begin(const LaunchPlan &plan, size_t index);
  /// Runs the threadgroup with this linear index; `serial` is its place in the order.
  /// False after a fault.
  bool runGroup(uint64_t group, uint64_t serial);
  void end();

  /// Ends the launch; called on a fiber, does not come back.
  [[noreturn]] void fail(std::string message, int line, const void *code);
  /// The same from a signal handler: nothing is allocated.
  [[noreturn]] void failFromSignal(const char *message, const void *code);
  /// The fault as a finding.
  std::string describe();

  /// The first and last bytes of a padded variable of the running thread, which nothing may touch while it exists.
  void addRedZones(uintptr_t variable, uint64_t bytes) {
    auto &zones = redZones[static_cast<size_t>(current)];
    zones.push_back({variable, variable});
    zones.push_back({variable + bytes - kRedZone, variable});
  }
  void dropRedZones(uintptr_t variable) {
    std::erase_if(redZones[static_cast<size_t>(current)], [&](const RedZone &z) { return z.variable == variable; });
  }
  bool inRedZone(uintptr_t address, size_t bytes) const {
    for (const RedZone &zone : redZones[static_cast<size_t>(current)])
      if (address < zone.low + kRedZone && zone.low < address + bytes)
        return true;
    return false;
  }

  // The rendezvous functions.
  void barrier(int flags, int site, const void *code);
  Rendezvous &group(int scope) {
    return scope == 2 ? quads[static_cast<size_t>(current / kQuadWidth)]
                      : simds[static_cast<size_t>(current / kSimdWidth)];
  }
  /// True for the last lane, which then calls release().
  bool arrive(Rendezvous &r, int site, const void *code);
  void release(Rendezvous &r);
  void wait(Wait why);
  /// Lets another thread go first, if the schedule says so.
  void yield();
  /// A weak compare-exchange that would succeed fails.
  bool failsForNothing() { return interleaved && random() % 4 == 0; }
  /// What `address` holds, or held before the last threadgroup.
  uint64_t loadedAtomic(uintptr_t address, uint64_t now);
  void storesAtomic(uintptr_t address, uint64_t before);
  /// For lostUpdate(): a plain atomic store, a compare-exchange.
  void replaces(uintptr_t address, uint64_t before, const void *code);
  void exchanged(bool done, const void *code);
  /// The line of a store of something else than what lies between it and the load before it, or of a compare-exchange
  /// whose failure nobody mended; 0 if there is none.
  int lostUpdate() const;
  /// simd_is_first, quad_is_first: waits until nobody else can come, because all others are here, elsewhere or done.
  bool isFirst(int scope, int site);

  int lane() const { return current % kSimdWidth; }
  std::string threadName(int thread) const;
  /// Memory of the executor's own that kernels read: the values that the running thread's simdgroup or quadgroup
  /// exchanges, and the garbage in variables without a value.
  bool lends(uintptr_t address) {
    return module->isPoison(address) ||
           address - reinterpret_cast<uintptr_t>(&group(0).slots) < sizeof(Rendezvous::slots) ||
           address - reinterpret_cast<uintptr_t>(&group(2).slots) < sizeof(Rendezvous::slots);
  }
  bool inKernel(const void *code) const { return module && module->contains(code); }

  int current = 0, count = 0;
  bool checked = false;
  uint8_t poison = 0xff;
  Statistics statistics;
  Access access; ///< the checker's state
  FiberStacks stacks;
  bool running = false; ///< a fiber has the processor: signals are the kernel's fault
  uint64_t groupTicks = 0;
  const void *lastSite = nullptr; ///< where the kernel last called the executor
  const LaunchPlan *plan = nullptr;

private:
  static void entry();
  void setThreads(std::array<uint32_t, 3> origin, std::array<uint32_t, 3> size);
  void bindArguments();
  const void *builtin(const std::string &name, int thread);
  void startFibers();
  int next();
  bool elect();
  void push(int thread) { queue[(queueHead + queueLength++) % kMaxThreads] = static_cast<int16_t>(thread); }
  void releaseAll(int first, int size);
  [[noreturn]] void leave();
  [[noreturn]] void deadlock();
  [[noreturn]] void divergent(const Rendezvous &r, int site, const void *code);
  bool samePlace(const void *a, const void *b);

  Module *module = nullptr;
  Thunk thunk = nullptr;
  void *mainStack = nullptr, *abandoned = nullptr;
  std::vector<void *> stackOf;
  std::vector<int> site;
  std::vector<const void *> codeOf;
  std::vector<Wait> waiting;
  std::vector<char> elected;         ///< what isFirst answers
  std::vector<int8_t> electionWidth; ///< of the group it asks about
  std::array<int16_t, kMaxThreads> queue, order;
  int queueHead = 0, queueLength = 0, finished = 0;
  int barrierArrived = 0, barrierFirst = 0, barrierFlags = 0;
  std::vector<Rendezvous> simds, quads;
  std::minstd_rand random;

  bool interleaved = false; ///< as the schedule says, on one host thread
  struct LastAtomic {
    uintptr_t address = 0; ///< of the last load
    uint64_t value = 0;
    const void *failed = nullptr; ///< a compare-exchange that nobody has repeated
  };
  std::vector<LastAtomic> lastAtomic; ///< per thread
  const void *lostStore = nullptr, *lostExchange = nullptr;
  int yields = 0;   ///< that are left; with too many rivals, loops around a compare-exchange get nowhere
  int oldLoads = 0; ///< atomic loads that may still come before the last threadgroup
  std::unordered_map<uintptr_t, uint64_t> before, beforeThis; ///< device memory that the last threadgroup and this one
                                                              ///< have changed by atomics, as it was

  size_t parameters = 0;
  std::vector<uint64_t> arguments;
  std::vector<Input> position, gridPosition, index, laneIndex, simdIndex, quadLane, quadIndex;
  Input groupPosition, groupSize, gridSize, groupCount, simdCount, quadCount, simdWidth, fullGroupSize, fullSimdCount;
  std::array<uint32_t, 3> size = {0, 0, 0};
  std::vector<char> arena; ///< dynamic threadgroup memory, with gaps
  std::vector<Range> threadgroupRanges;

  static constexpr uint64_t kRedZone = 64; ///< bytes, as in IrChecks.cpp
  struct RedZone {
    uintptr_t low, variable;
  };
  std::vector<std::vector<RedZone>> redZones; ///< per thread

  Fault fault;
  bool failed = false;
  const char *signalMessage = nullptr;
  const void *requestA = nullptr, *requestB = nullptr; ///< a question for the main stack: samePlace
  bool answer = false;
};

/// The worker of this host thread while it runs a launch.
Worker *currentWorker();
void setCurrentWorker(Worker *worker);

/// Turns a processor fault in a kernel, and a threadgroup that never ends, into a Fault.
class Watchdog {
public:
  explicit Watchdog(double limit);
  ~Watchdog();
  Watchdog(const Watchdog &) = delete;
  Watchdog &operator=(const Watchdog &) = delete;

private:
  void *timer = nullptr;
  bool hasTimer = false;
  void *oldStack = nullptr, *stack = nullptr;
};

} // namespace tq::metal

#endif // TQ_TESTS_METAL_WORKER_H
