//===- ThreadPool.cpp - Ranges of tasks on all threads --------------------===//

#include "runtime/ThreadPool.h"

#include <fmt/format.h>

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <climits>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

using namespace tq;

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kHelperSpin = std::chrono::microseconds(50);
constexpr int kCallerPauses = 100;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Sleeps while word == seen; may return early.
void sleepOn(std::atomic<uint32_t> &word, uint32_t seen) {
#if defined(__linux__)
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
#else
  word.wait(seen);
#endif
}

void wake(std::atomic<uint32_t> &word, uint32_t count) {
#if defined(__linux__)
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, std::min<uint32_t>(count, INT_MAX),
          nullptr, nullptr, 0);
#else
  if (count == 1)
    word.notify_one();
  else
    word.notify_all();
#endif
}

} // namespace

/// Pages of its own: the manifest's size may be more than malloc takes, under a
/// sanitizer without a null.
Status ThreadPool::Worker::reserve(uint64_t bytes) {
  void *pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED)
    return Error{strerror(errno)};
  scratch = pages;
  scratchBytes = bytes;
  return Status();
}

ThreadPool::Worker::~Worker() {
  if (scratch)
    munmap(scratch, scratchBytes);
}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(int threads, uint64_t scratchBytes) {
  threads = std::max(threads, 1);
  std::unique_ptr<ThreadPool> pool(new ThreadPool(threads));
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < threads; ++i) {
    auto worker = std::make_unique<Worker>();
    // At least one byte: a kernel may be given scratch that it does not use.
    if (Status status = worker->reserve(std::max<uint64_t>(scratchBytes, 1)); !status)
      return Error{fmt::format("cannot reserve {} bytes of scratch for each of {} threads: {}; use fewer threads",
                               scratchBytes, threads, status.message())};
    worker->part = i;
    workers.push_back(std::move(worker));
  }
  for (std::unique_ptr<Worker> &worker : workers) {
    // The first is the caller's.
    Worker &self = *worker;
    if (self.part > 0 && !self.thread.start([&pool = *pool, &self] { pool.helperLoop(self); }))
      break;
    pool->workers.push_back(std::move(worker));
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  wait();
  stopping = true;
  ++opened;
  wake(opened, INT32_MAX);
  for (auto &worker : workers)
    worker->thread.join();
}

void ThreadPool::run(const Launch &launch, const int32_t *params, bool barrier) {
  if (barrier)
    wait();
  if (launch.tasks <= 0)
    return;
  auto chunks = static_cast<uint32_t>((launch.tasks + launch.grain - 1) / launch.grain);
  if (chunks == 1 || workers.size() == 1) {
    launch.kernel(launch.bindings, params, workers[0]->scratch, 0, launch.tasks);
    return;
  }

  Slot &slot = slots[++epoch % kSlots];
  waitFor(slot);
  slot.kernel.store(launch.kernel, std::memory_order_relaxed);
  slot.bindings.store(launch.bindings, std::memory_order_relaxed);
  slot.params.store(params, std::memory_order_relaxed);
  slot.tasks.store(launch.tasks, std::memory_order_relaxed);
  slot.grain.store(launch.grain, std::memory_order_relaxed);
  slot.chunks.store(chunks, std::memory_order_relaxed);
  slot.done.store(0, std::memory_order_relaxed);
  for (Part &part : parts)
    part.claims.store(uint64_t(epoch) << 32, std::memory_order_release);
  // Sequentially consistent, with its counterpart in sleepUntilOpened: either
  // the helper sees the new epoch, or we see the helper.
  opened.store(epoch);
  if (uint32_t asleep = sleepers.load())
    wake(opened, std::min(asleep, chunks - 1));
  while (claimAndRun(*workers[0])) {
  }
}

void ThreadPool::wait() {
  for (Slot &slot : slots)
    waitFor(slot);
}

/// Takes one chunk of the open launch; false if none is left, and then all that
/// this worker finished has been told.
bool ThreadPool::claimAndRun(Worker &worker) {
  if (claimAndRun(worker, worker.part))
    return true;
  publish(worker);
  for (size_t i = 1; i < parts.size(); ++i)
    if (claimAndRun(worker, (worker.part + i) % parts.size())) {
      publish(worker);
      return true;
    }
  return false;
}

bool ThreadPool::claimAndRun(Worker &worker, size_t part) {
  std::atomic<uint64_t> &claims = parts[part].claims;
  uint64_t word = claims.load(std::memory_order_acquire);
  while (true) {
    Slot &slot = slots[(word >> 32) % kSlots];
    uint64_t chunks = slot.chunks.load(std::memory_order_relaxed);
    HostKernel kernel = slot.kernel.load(std::memory_order_relaxed);
    void *const *bindings = slot.bindings.load(std::memory_order_relaxed);
    const int32_t *params = slot.params.load(std::memory_order_relaxed);
    int64_t tasks = slot.tasks.load(std::memory_order_relaxed);
    int64_t grain = slot.grain.load(std::memory_order_relaxed);
    uint64_t chunk = chunks * part / parts.size() + uint32_t(word), end = chunks * (part + 1) / parts.size();
    if (chunk >= end)
      return false;
    // Success means that the epoch is still the one whose slot we read: a slot
    // is filled anew only after the epoch has moved on. Release keeps the reads
    // above before it.
    if (!claims.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    if (worker.slot != &slot)
      publish(worker);
    auto begin = static_cast<int64_t>(chunk) * grain;
    kernel(bindings, params, worker.scratch, begin, std::min(begin + grain, tasks));
    worker.slot = &slot;
    ++worker.finished;
    return true;
  }
}

/// Tells of the chunks that a worker has finished, and publishes their writes.
void ThreadPool::publish(Worker &worker) {
  if (worker.finished == 0)
    return;
  // Sequentially consistent with waitFor.
  worker.slot->done.fetch_add(std::exchange(worker.finished, 0));
  if (callerSleeps.load())
    wake(worker.slot->done, 1);
}

/// Waits for the chunks of one slot. Only the caller does.
void ThreadPool::waitFor(Slot &slot) {
  uint32_t chunks = slot.chunks.load(std::memory_order_relaxed);
  for (int i = 0; i < kCallerPauses; ++i) {
    if (slot.done.load(std::memory_order_acquire) == chunks)
      return;
    relax();
  }
  callerSleeps.store(true);
  for (uint32_t done; (done = slot.done.load()) != chunks;)
    sleepOn(slot.done, done);
  callerSleeps.store(false);
}

void ThreadPool::helperLoop(Worker &worker) {
  FlushDenormals flush;
  uint32_t seen = 0;
  while (true) {
    // Read before the claim: a launch opened in between must not be missed.
    seen = opened.load(std::memory_order_acquire);
    if (stopping.load(std::memory_order_acquire))
      return;
    if (claimAndRun(worker))
      continue;
    sleepUntilOpened(seen);
  }
}

void ThreadPool::sleepUntilOpened(uint32_t seen) {
  auto until = Clock::now() + kHelperSpin;
  do {
    for (int i = 0; i < 8; ++i) {
      if (opened.load(std::memory_order_acquire) != seen)
        return;
      relax();
    }
  } while (Clock::now() < until);
  sleepers.fetch_add(1);
  if (opened.load() == seen)
    sleepOn(opened, seen);
  sleepers.fetch_sub(1);
}

#if defined(__x86_64__)
FlushDenormals::FlushDenormals() : saved(_mm_getcsr()) {
  _mm_setcsr(static_cast<uint32_t>(saved) | 0x8040); // FTZ, DAZ
}
FlushDenormals::~FlushDenormals() { _mm_setcsr(static_cast<uint32_t>(saved)); }
#elif defined(__aarch64__)
FlushDenormals::FlushDenormals() {
  asm volatile("mrs %0, fpcr" : "=r"(saved));
  asm volatile("msr fpcr, %0" ::"r"(saved | 1ull << 24)); // FZ
}
FlushDenormals::~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(saved)); }
#else
FlushDenormals::FlushDenormals() : saved(0) {}
FlushDenormals::~FlushDenormals() {}
#endif
