//===- ExecutorTest.cpp - Grids, rendezvous, faults -----------------------===//

#include "tests/metal/GoodCases.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <thread>

using namespace tq;
using namespace tq::metal;

namespace {

Library compile(const std::string &text, bool checked = true) {
  auto library = Library::compile("#include <metal_stdlib>\nusing namespace metal;\n" + text,
                                  {.name = "k.metal", .checked = checked});
  EXPECT_TRUE(library.ok()) << library.message();
  if (!library)
    abort();
  return *library;
}

const Schedule kSchedules[] = {{Schedule::Forward, 0, 0xff}, {Schedule::Reverse, 0, 0xff}, {Schedule::Random, 3, 0xff}};

TEST(Executor, positionsOfAnOddGrid) {
  for (bool checked : {true, false}) {
    Library library = compile(R"(
kernel void f(device uint *out [[buffer(0)]], uint3 p [[thread_position_in_grid]], uint3 size [[threads_per_grid]],
              uint3 tg [[threadgroup_position_in_grid]], uint3 n [[threads_per_threadgroup]],
              ushort3 tp [[thread_position_in_threadgroup]], uint i [[thread_index_in_threadgroup]],
              uint3 dispatched [[dispatch_threads_per_threadgroup]]) {
  uint linear = (p.z * size.y + p.y) * size.x + p.x;
  out[linear] = tg.x + 10 * tg.y + 100 * n.x + 1000 * (i == (tp.z * n.y + tp.y) * n.x + tp.x) + 10000 * dispatched.x;
})",
                              checked);
    std::vector<uint32_t> out(7 * 5 * 2);
    Launch launch;
    launch.threads = {7, 5, 2};
    launch.threadsPerThreadgroup = {4, 2, 1};
    launch.buffers = {{0, out.data(), out.size() * 4}};
    for (const Schedule &schedule : kSchedules) {
      launch.schedule = schedule;
      Status status = library.run("f", launch);
      ASSERT_TRUE(status.ok()) << status.error().message;
      for (uint32_t y = 0; y < 5; ++y)
        for (uint32_t x = 0; x < 7; ++x)
          EXPECT_EQ(out[y * 7 + x], x / 4 + 10 * (y / 2) + 100 * (x < 4 ? 4 : 3) + 1000 + 40000) << x << " " << y;
    }
  }
}

TEST(Executor, threadgroupOf1024WithBarriers) {
  Library library = compile(R"(
kernel void scan(device const int *in [[buffer(0)]], device int *out [[buffer(1)]],
                 uint i [[thread_index_in_threadgroup]]) {
  threadgroup int a[1024];
  a[i] = in[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint step = 1; step < 1024; step *= 2) {
    int add = i >= step ? a[i - step] : 0;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    a[i] += add;
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  out[i] = a[i];
})");
  std::vector<int> in(1024), out(1024), want(1024);
  std::iota(in.begin(), in.end(), -300);
  std::partial_sum(in.begin(), in.end(), want.begin());
  Launch launch;
  launch.threadsPerThreadgroup = {1024, 1, 1};
  launch.buffers = {{0, in.data(), 4096}, {1, out.data(), 4096}};
  for (const Schedule &schedule : kSchedules) {
    launch.schedule = schedule;
    Status status = library.run("scan", launch);
    ASSERT_TRUE(status.ok()) << status.error().message;
    EXPECT_EQ(out, want);
  }
}

TEST(Executor, partialSimdgroup) {
  Library library = compile(R"(
kernel void f(device int *out [[buffer(0)]], uint i [[thread_index_in_threadgroup]],
              uint sg [[simdgroup_index_in_threadgroup]], uint sgs [[simdgroups_per_threadgroup]]) {
  out[i] = simd_sum(int(i)) * 10 + int(sgs);
  out[i] += simd_prefix_inclusive_sum(1) * 100000;
})");
  std::vector<int> out(45);
  Launch launch;
  launch.threadsPerThreadgroup = {45, 1, 1};
  launch.buffers = {{0, out.data(), out.size() * 4}};
  Status status = library.run("f", launch);
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(out[0], 496 * 10 + 2 + 100000);
  EXPECT_EQ(out[44], (32 + 44) * 13 / 2 * 10 + 2 + 13 * 100000);
}

TEST(Executor, simdgroupsAreIndependent) {
  Library library = compile(R"(
kernel void f(device float *out [[buffer(0)]], uint i [[thread_index_in_threadgroup]],
              uint sg [[simdgroup_index_in_threadgroup]]) {
  float v = 0.0f;
  for (uint n = 0; n <= sg; ++n)
    v += simd_sum(1.0f);
  if (sg == 2)
    return;
  out[i] = v + simd_max(v);
})");
  std::vector<float> out(96, 0);
  Launch launch;
  launch.threadsPerThreadgroup = {96, 1, 1};
  launch.buffers = {{0, out.data(), out.size() * 4}};
  Status status = library.run("f", launch);
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(out[5], 64);
  EXPECT_EQ(out[40], 128);
  EXPECT_EQ(out[80], 0);
}

TEST(Executor, floatAtomicsOnSeveralHostThreads) {
  for (bool checked : {true, false}) {
    Library library = compile(R"(
kernel void f(device atomic_float *sum [[buffer(0)]], device atomic_uint *n [[buffer(1)]],
              device atomic_int *least [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  atomic_fetch_add_explicit(sum, 0.5f, memory_order_relaxed);
  atomic_fetch_add_explicit(&n[i % 2], 1u, memory_order_relaxed);
  atomic_fetch_min_explicit(least, -int(i), memory_order_relaxed);
  uint seen = atomic_load_explicit(&n[2], memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(&n[2], &seen, seen + 2, memory_order_relaxed, memory_order_relaxed))
    ;
})",
                              checked);
    float sum = 0;
    uint32_t n[3] = {0, 0, 0};
    int32_t least = 0;
    Launch launch;
    launch.threadgroups = {50, 1, 1};
    launch.threadsPerThreadgroup = {64, 1, 1};
    launch.hostThreads = 4;
    launch.buffers = {{0, &sum, 4}, {1, n, 12}, {2, &least, 4}};
    Statistics statistics;
    Status status = library.run("f", launch, &statistics);
    ASSERT_TRUE(status.ok()) << status.error().message;
    EXPECT_EQ(sum, 1600);
    EXPECT_EQ(n[0], 1600u);
    EXPECT_EQ(n[2], 6400u);
    EXPECT_EQ(least, -3199);
    EXPECT_TRUE(statistics.floatAtomics);
  }
}

/// Updates by a load and a store get lost between threads and between threadgroups; others do not. Memory of another
/// threadgroup's at the same address is nobody's past, and who waits for another thread is heard.
TEST(Executor, interleavedAtomics) {
  Library library = compile(R"(
kernel void f(device atomic_uint *n [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup atomic_uint here[1];
  ((threadgroup uint *)here)[0] = 0;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint mine = atomic_load_explicit(here, memory_order_relaxed);
  if (i == 0)
    atomic_store_explicit(&n[0], atomic_load_explicit(&n[0], memory_order_relaxed) + 1, memory_order_relaxed);
  atomic_store_explicit(&n[1], atomic_load_explicit(&n[1], memory_order_relaxed) + 1, memory_order_relaxed);
  uint seen = atomic_load_explicit(&n[2], memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(&n[2], &seen, seen + 1, memory_order_relaxed, memory_order_relaxed))
    ;
  atomic_fetch_add_explicit(&n[3], mine, memory_order_relaxed);
  if (i == 2)
    atomic_fetch_add_explicit(here, 1u, memory_order_relaxed);
  while (atomic_load_explicit(here, memory_order_relaxed) == 0)
    ;
})",
                            false);
  std::array<uint32_t, 4> n = {};
  Launch launch;
  launch.threadgroups = {4, 1, 1};
  launch.threadsPerThreadgroup = {8, 1, 1};
  launch.hostThreads = 1;
  launch.schedule = {Schedule::Random, 1, 0, true};
  launch.buffers = {{0, n.data(), sizeof(n)}};
  Status status = library.run("f", launch);
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_LT(n[0], 4u);
  EXPECT_LT(n[1], 32u);
  EXPECT_EQ(n[2], 32u);
  EXPECT_EQ(n[3], 0u);
}

/// Threadgroup variables of a kernel are separate for workers that run at the same time.
TEST(Executor, threadgroupVariablesOnSeveralHostThreads) {
  Library library = compile(R"(
kernel void f(device uint *out [[buffer(0)]], uint tg [[threadgroup_position_in_grid]],
              uint i [[thread_index_in_threadgroup]]) {
  threadgroup uint a[32];
  a[i] = tg;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint sum = 0;
  for (uint n = 0; n < 200; ++n)
    sum += a[(i + n) % 32];
  out[tg * 32 + i] = sum;
})",
                            false);
  std::vector<uint32_t> out(500 * 32);
  Launch launch;
  launch.threadgroups = {500, 1, 1};
  launch.threadsPerThreadgroup = {32, 1, 1};
  launch.buffers = {{0, out.data(), out.size() * 4}};
  for (int threads : {4, 128}) { // more than there are workers
    launch.hostThreads = threads;
    std::ranges::fill(out, 0);
    Statistics statistics;
    Status status = library.run("f", launch, &statistics);
    ASSERT_TRUE(status.ok()) << status.error().message;
    EXPECT_EQ(statistics.threads, out.size()) << threads << " host threads";
    for (uint32_t i = 0; i < out.size(); ++i)
      ASSERT_EQ(out[i], i / 32 * 200) << threads << " host threads";
  }
}

/// A race between threadgroups is seen whichever host threads they run on.
TEST(Executor, racesBetweenHostThreads) {
  Library library = compile(R"(
kernel void f(device uint *out [[buffer(0)]], uint i [[thread_position_in_grid]]) { out[i / 2] = i; })");
  std::vector<uint32_t> out(512);
  for (int threads : {1, 2, 4}) {
    Launch launch;
    launch.threadgroups = {1024, 1, 1};
    launch.hostThreads = threads;
    launch.buffers = {{0, out.data(), out.size() * 4}};
    Status status = library.run("f", launch);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find("data race"), std::string::npos) << status.error().message;
  }
}

/// Neighbours in one allocation are told apart, and what is written comes back.
TEST(Executor, adjacentBindings) {
  Library library = compile(R"(
kernel void f(device const float *a [[buffer(0)]], device float *b [[buffer(1)]], constant uint &extra [[buffer(2)]],
              uint i [[thread_position_in_grid]]) {
  b[i] = a[i + extra];
})");
  std::vector<float> arena(64);
  std::iota(arena.begin(), arena.end(), 1.0f);
  uint32_t extra = 0;
  Launch launch;
  launch.threadgroups = {32, 1, 1};
  launch.buffers = {{0, arena.data(), 128}, {1, arena.data() + 32, 128}, {2, &extra, 4}};
  Status status = library.run("f", launch);
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(arena[32], 1);
  EXPECT_EQ(arena[63], 32);
  extra = 1;
  status = library.run("f", launch);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("byte 128 of buffer(0) 'a', which has 128 bytes"), std::string::npos)
      << status.error().message;
}

TEST(Executor, oneBufferTwice) {
  Library library = compile(R"(
kernel void f(device const float *a [[buffer(0)]], device float *b [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  b[i] = a[i] + 1.0f;
}
kernel void g(device float *a [[buffer(0)]], device float *b [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  b[i] = a[i] + 1.0f;
}
kernel void h(device const float *a [[buffer(0)]], device float *b [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  b[i] = a[(i + 1) % 8] + 1.0f;
})");
  std::vector<float> x(8, 1.0f);
  Launch launch;
  launch.threadgroups = {8, 1, 1};
  launch.hostThreads = 1;
  launch.buffers = {{0, x.data(), 32}, {1, x.data(), 32}};
  EXPECT_TRUE(library.run("f", launch).ok()); // in place
  EXPECT_EQ(x[7], 2.0f);
  EXPECT_NE(library.run("g", launch).error().message.find("overlap"), std::string::npos);
  EXPECT_NE(library.run("h", launch).error().message.find("data race"), std::string::npos);
}

/// Nothing that a kernel does ends the process, and the next launch is as good as ever.
TEST(Executor, faultsOfTheFastBuild) {
  Library library = compile(R"(
kernel void wild(device float *out [[buffer(0)]], constant ulong &at [[buffer(1)]]) { out[at] = 1.0f; }
kernel void divide(device int *out [[buffer(0)]], constant ulong &by [[buffer(1)]]) { out[0] = 7 / int(by); }
kernel void spin(device float *out [[buffer(0)]], constant ulong &n [[buffer(1)]]) {
  float x = 0;
  while (n == 0)
    x += out[0];
  out[0] = x;
}
kernel void deep(device float *out [[buffer(0)]], constant ulong &n [[buffer(1)]]) {
  float big[60000];
  for (ulong i = 0; i < 60000; ++i)
    big[(i * 7919) % 60000] = float(i + n);
  out[0] = big[n];
}
kernel void fine(device float *out [[buffer(0)]], constant ulong &n [[buffer(1)]]) { out[0] = float(n); }
)",
                            false);
  float out = 0;
  uint64_t n = uint64_t(1) << 40;
  Launch launch;
  launch.timeLimit = 0.3;
  launch.buffers = {{0, &out, 4}, {1, &n, 8}};
  auto message = [&](const char *kernel) {
    Status status = library.run(kernel, launch);
    return status.ok() ? std::string("ran") : status.error().message;
  };
  EXPECT_NE(message("wild").find("k.metal:4: error: kernel wild: "), std::string::npos) << message("wild");
  n = 0;
  EXPECT_NE(message("divide").find("division by zero"), std::string::npos) << message("divide");
  EXPECT_NE(message("spin").find("endless loop"), std::string::npos) << message("spin");
  EXPECT_NE(message("deep").find("does not fit the stack"), std::string::npos) << message("deep");
  n = 5;
  EXPECT_EQ(message("fine"), "ran");
  EXPECT_EQ(out, 5);
}

TEST(Executor, manyLaunchesReuseTheirMemory) {
  Library library = compile(R"(
kernel void f(device uint *x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] += 1; })");
  std::vector<uint32_t> x(4096);
  Launch launch;
  launch.threadgroups = {64, 1, 1};
  launch.threadsPerThreadgroup = {64, 1, 1};
  launch.buffers = {{0, x.data(), x.size() * 4}};
  for (int i = 0; i < 200; ++i) {
    launch.hostThreads = 1 + i % 3;
    Status status = library.run("f", launch);
    ASSERT_TRUE(status.ok()) << status.error().message;
  }
  EXPECT_EQ(x[4095], 200u);
}

TEST(Executor, byteWritesOfNeighboursAreNoRace) {
  Library library = compile(R"(
struct Pair { uchar a; uchar b; };
kernel void f(device uchar *x [[buffer(0)]], device half *y [[buffer(1)]], device Pair *z [[buffer(2)]],
              device char4 *w [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  x[i] = uchar(i);
  y[i] = half(i);
  if (i % 2 == 0)
    z[i / 2].a = 1;
  else
    z[i / 2].b = 2;
  w[i / 4][i % 4] = char(i);
})");
  std::vector<char> x(64), y(128), z(64), w(64);
  Launch launch;
  launch.threadsPerThreadgroup = {64, 1, 1};
  launch.buffers = {{0, x.data(), 64}, {1, y.data(), 128}, {2, z.data(), 64}, {3, w.data(), 64}};
  Status status = library.run("f", launch);
  EXPECT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(w[63], 63);
}

TEST(Executor, launchErrors) {
  Library library = compile("kernel void f(device uint *x [[buffer(0)]]) { x[0] = 1; }\n");
  uint32_t x = 0;
  Launch launch;
  launch.buffers = {{0, &x, 4}};
  EXPECT_EQ(library.run("g", launch).error().message, "k.metal: there is no kernel g");
  launch.threadgroups = {0, 1, 1};
  EXPECT_NE(library.run("f", launch).error().message.find("0 x 1 x 1 threadgroups is empty"), std::string::npos);
  launch.threadgroups = {1, 1, 1};
  launch.threadsPerThreadgroup = {1025, 1, 1};
  EXPECT_NE(library.run("f", launch).error().message.find("1 to 1024 are possible"), std::string::npos);
  launch.threadsPerThreadgroup = {1, 1, 1};
  launch.buffers.push_back({0, &x, 4});
  EXPECT_NE(library.run("f", launch).error().message.find("bound twice"), std::string::npos);
}

TEST(Executor, worksWithoutACache) {
  std::string old = getenv("XDG_CACHE_HOME");
  setenv("XDG_CACHE_HOME", "/proc/no-such-folder", 1);
  Library library = compile("kernel void uncached(device uint *x [[buffer(0)]]) { x[0] = 3; }\n");
  setenv("XDG_CACHE_HOME", old.c_str(), 1);
  uint32_t x = 0;
  Launch launch;
  launch.buffers = {{0, &x, 4}};
  EXPECT_TRUE(library.run("uncached", launch).ok());
  EXPECT_EQ(x, 3u);
}

} // namespace
