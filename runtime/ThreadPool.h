//===- ThreadPool.h - Ranges of tasks on all threads ------------*- C++ -*-===//
// A launch of many tasks is cut into chunks, and these into one part per worker;
// a worker claims the chunks of its own part one by one, then those that others
// have left. The design is the one that held up on machines where others compete
// for the cores (launches of 160 us, with one busy loop beside: 12 tokens/s
// against 0.4 for static halves and spinning):
//
//   - one 64-bit word per part says which launch is open and how many of the
//     part's chunks are taken; a claim is one compare-and-swap, so a chunk is
//     never taken twice and a thread that lost its core for a while finds out
//     that it came too late. The word is the worker's own cache line until others
//     help: a claim on a word that all share costs 0.2 us, this one a tenth;
//   - launches lie in a ring of 4, so that a launch that needs no barrier opens
//     while chunks of its predecessors still run;
//   - the caller works too and never waits for a helper that claimed nothing;
//   - helpers spin for 50 us, then sleep; the caller pauses ~100 times for the
//     last chunks, then sleeps, which gives the core to who runs them.
//
// Parts are contiguous: each worker reads one long stretch of the weights, which
// is what prefetchers follow.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_THREADPOOL_H
#define TQ_RUNTIME_THREADPOOL_H

#include "runtime/PackageFormat.h"
#include "runtime/Status.h"
#include "runtime/Thread.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace tq {

/// What users may ask for.
inline constexpr int kMaxThreads = 1024;

class ThreadPool {
public:
  struct Launch {
    HostKernel kernel;
    void *const *bindings;
    int64_t tasks;
    int64_t grain;
  };

  /// Starts up to threads - 1 helpers; fewer if the system refuses.
  /// `scratchBytes` of private memory for each worker: an Error if there is not
  /// so much.
  static Result<std::unique_ptr<ThreadPool>> create(int threads, uint64_t scratchBytes);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;

  int threads() const { return static_cast<int>(workers.size()); }

  /// Opens a launch and works on it until every chunk is claimed. Without
  /// `barrier`, launches before it may still be running, on other threads.
  /// `params` and the bindings must stay as they are until wait().
  void run(const Launch &launch, const int32_t *params, bool barrier);
  /// Returns when everything has finished.
  void wait();

private:
  /// Atomic, because a thread that lost its core may look at a slot that is
  /// being filled anew; its claim then fails.
  struct alignas(64) Slot {
    std::atomic<HostKernel> kernel = nullptr;
    std::atomic<void *const *> bindings = nullptr;
    std::atomic<const int32_t *> params = nullptr;
    std::atomic<int64_t> tasks = 0, grain = 1;
    std::atomic<uint32_t> chunks = 0;
    alignas(64) std::atomic<uint32_t> done = 0;
  };
  struct alignas(64) Part {
    std::atomic<uint64_t> claims = 0; // epoch << 32 | chunks taken
  };
  struct alignas(64) Worker {
    ~Worker();
    Status reserve(uint64_t bytes);

    Thread thread;
    void *scratch = nullptr;
    uint64_t scratchBytes = 0;
    size_t part = 0;
    // Chunks of its part that it has finished but not told.
    Slot *slot = nullptr;
    uint32_t finished = 0;
  };
  static constexpr size_t kSlots = 4;

  explicit ThreadPool(int threads) : parts(threads) {}
  void helperLoop(Worker &worker);
  bool claimAndRun(Worker &worker);
  bool claimAndRun(Worker &worker, size_t part);
  void publish(Worker &worker);
  void waitFor(Slot &slot);
  void sleepUntilOpened(uint32_t epoch);

  std::array<Slot, kSlots> slots;
  std::vector<Part> parts;
  // What sleepers wait on: the epoch, and slots[i].done.
  alignas(64) std::atomic<uint32_t> opened = 0;
  std::atomic<uint32_t> sleepers = 0;
  std::atomic<bool> callerSleeps = false, stopping = false;
  uint32_t epoch = 0; // the caller's
  std::vector<std::unique_ptr<Worker>> workers;
};

/// Flushes denormals to zero while it lives (results and operands): the tail of
/// a softmax makes them, and they cost a hundred times a normal number.
class FlushDenormals {
public:
  FlushDenormals();
  ~FlushDenormals();

private:
  uint64_t saved;
};

} // namespace tq

#endif // TQ_RUNTIME_THREADPOOL_H
