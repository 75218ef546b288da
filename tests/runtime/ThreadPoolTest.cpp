//===- ThreadPoolTest.cpp - Every task once, in order of barriers ---------===//
// Run it under ThreadSanitizer too (CONTRIBUTING.md).

#include "runtime/ThreadPool.h"

#include <chrono>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <mutex>
#include <set>
#include <thread>

using namespace tq;

namespace {

/// Bindings: u32 counts[]. Adds one for each task.
void countTasks(void *const *bindings, const int32_t *, void *, int64_t begin, int64_t end) {
  auto *counts = static_cast<uint32_t *>(bindings[0]);
  for (int64_t i = begin; i < end; ++i)
    ++counts[i];
}

/// Bindings: u32 from[], u32 to[], i64 size. to[i] = 1 + the least of from[]: sees whether all that came before is done.
void afterAll(void *const *bindings, const int32_t *, void *, int64_t begin, int64_t end) {
  auto *from = static_cast<const uint32_t *>(bindings[0]);
  auto *to = static_cast<uint32_t *>(bindings[1]);
  int64_t size = *static_cast<const int64_t *>(bindings[2]);
  uint32_t least = std::numeric_limits<uint32_t>::max();
  for (int64_t i = 0; i < size; ++i)
    least = std::min(least, from[i]);
  for (int64_t i = begin; i < end; ++i)
    to[i] = least + 1;
}

std::unique_ptr<ThreadPool> makePool(int threads, uint64_t scratchBytes) {
  auto pool = ThreadPool::create(threads, scratchBytes);
  EXPECT_TRUE(pool.ok()) << pool.message();
  return *std::move(pool);
}

void nap(void *const *, const int32_t *, void *, int64_t, int64_t) {
  std::this_thread::sleep_for(std::chrono::microseconds(50));
}

TEST(ThreadPool, EveryTaskOnce) {
  for (int threads : {1, 2, 3, 8})
    for (int64_t tasks : {0, 1, 2, 7, 64, 1000, 200000})
      for (int64_t grain : {1, 3, 64, 1000000}) {
        std::unique_ptr<ThreadPool> pool = makePool(threads, 64);
        std::vector<uint32_t> counts(tasks);
        void *bindings[] = {counts.data()};
        pool->run({countTasks, bindings, tasks, grain}, nullptr, true);
        pool->run({countTasks, bindings, tasks, grain}, nullptr, true);
        pool->wait();
        for (uint32_t count : counts)
          ASSERT_EQ(count, 2u) << threads << " " << tasks << " " << grain;
      }
}

TEST(ThreadPool, BarriersHold) {
  // More threads than cores: claims are lost and found all the time.
  for (int threads : {2, 4}) {
    std::unique_ptr<ThreadPool> pool = makePool(threads, 64);
    int64_t size = 24;
    std::vector<uint32_t> a(size), b(size);
    void *forth[] = {a.data(), b.data(), &size}, *back[] = {b.data(), a.data(), &size};
    for (uint32_t i = 0; i < 5000; ++i) {
      pool->run({afterAll, forth, size, 1 + i % 5}, nullptr, true);
      pool->run({afterAll, back, size, 1}, nullptr, true);
    }
    pool->wait();
    for (uint32_t value : a)
      ASSERT_EQ(value, 10000u);
  }
}

TEST(ThreadPool, WithoutBarriers) {
  // Many more launches than the ring has slots, all independent, then one that needs them all.
  std::unique_ptr<ThreadPool> pool = makePool(3, 64);
  constexpr int64_t kLaunches = 37;
  int64_t size = kLaunches * 8;
  for (uint32_t round = 0; round < 300; ++round) {
    std::vector<uint32_t> counts(size), after(size);
    std::vector<void *> bindings;
    for (int64_t i = 0; i < kLaunches; ++i)
      bindings.push_back(counts.data() + 8 * i);
    for (int64_t i = 0; i < kLaunches; ++i)
      pool->run({countTasks, &bindings[i], 8, i % 3 == 0 ? 8 : 1}, nullptr, i == 0);
    void *all[] = {counts.data(), after.data(), &size};
    pool->run({afterAll, all, size, 16}, nullptr, true);
    pool->wait();
    for (uint32_t value : after)
      ASSERT_EQ(value, 2u);
  }
}

TEST(ThreadPool, SleepersWake) {
  // Pauses longer than the helpers' patience, on either side.
  std::unique_ptr<ThreadPool> pool = makePool(2, 64);
  for (int i = 0; i < 200; ++i) {
    std::vector<uint32_t> counts(16);
    void *bindings[] = {counts.data()};
    pool->run({nap, nullptr, 4, 1}, nullptr, true);
    pool->run({countTasks, bindings, 16, 1}, nullptr, true);
    pool->wait();
    if (i % 4 == 0)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    for (uint32_t count : counts)
      ASSERT_EQ(count, 1u);
  }
}

std::mutex seenMutex;
std::set<void *> seenScratch;
std::set<std::thread::id> seenThreads;
void recordScratch(void *const *, const int32_t *, void *scratch, int64_t, int64_t) {
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::lock_guard lock(seenMutex);
  seenScratch.insert(scratch);
  seenThreads.insert(std::this_thread::get_id());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(scratch) % 64, 0u);
}

TEST(ThreadPool, OneScratchPerThread) {
  std::unique_ptr<ThreadPool> pool = makePool(3, 100);
  pool->run({recordScratch, nullptr, 60, 1}, nullptr, true);
  pool->wait();
  EXPECT_EQ(seenScratch.size(), seenThreads.size());
  EXPECT_GT(seenThreads.size(), 1u);
}

TEST(FlushDenormals, OnlyWhileItLives) {
  volatile float tiny = 1e-38f;
  EXPECT_GT(tiny / 100, 0);
  {
    FlushDenormals flush;
    volatile float result = tiny / 100;
    EXPECT_EQ(result, 0);
  }
  EXPECT_GT(tiny / 100, 0);
}

} // namespace
