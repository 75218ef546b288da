//===- LinearBench.cpp - Speed of the linear micro-kernels ----------------===//
//
// m = 1 and small m: GB/s of weights over a gigabyte of them, as a fraction of a plain read that is interleaved with it in
// units of about 16 MB, so that both see the same minute of a shared memory bus. "hot" repeats one task (in L2): what the
// instructions alone allow. Large m: GFLOPS on one core, decoding of the weights included.
//
//   tq_linear_bench [filter...]     lines that contain every filter
//
//===----------------------------------------------------------------------===//
#include "tests/bench/LinearBench.h"
#include "tests/codegen/microkernels/RandomLinear.h"
#include <cstdio>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <time.h>

using namespace tq;
using namespace tq::bench;

namespace {

std::vector<LinearCase> cases;
std::vector<std::string> filters;

/// CPU time of this thread: a busy machine takes the core away, which is not the kernel's fault.
double now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}
double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

std::string cpuName() {
  std::ifstream in("/proc/cpuinfo");
  std::string line, name, model;
  while (std::getline(in, line) && (name.empty() || model.empty())) {
    if (line.starts_with("model name"))
      name = line.substr(line.find(':') + 2);
    else if (line.starts_with("model\t"))
      model = line.substr(line.find(':') + 2);
  }
  return name + ", model " + model;
}

/// The most this core reads, in vectors as wide as it has.
__attribute__((noinline, target("avx512f"))) uint64_t readAvx512(const uint8_t *p, int64_t bytes) {
  using V = uint64_t __attribute__((ext_vector_type(8)));
  V s[4] = {};
  for (int64_t i = 0; i + 256 <= bytes; i += 256)
    for (int j = 0; j < 4; ++j) {
      __builtin_prefetch(p + i + 64 * j + 4096);
      s[j] += *(const V *)(p + i + 64 * j);
    }
  V t = s[0] + s[1] + s[2] + s[3];
  return t[0] + t[1] + t[2] + t[3] + t[4] + t[5] + t[6] + t[7];
}
__attribute__((noinline, target("avx2"))) uint64_t readAvx2(const uint8_t *p, int64_t bytes) {
  using V = uint64_t __attribute__((ext_vector_type(4)));
  V s[8] = {};
  for (int64_t i = 0; i + 256 <= bytes; i += 256)
    for (int j = 0; j < 8; ++j)
      s[j] += *(const V *)(p + i + 32 * j);
  V t = s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
  return t[0] + t[1] + t[2] + t[3];
}

volatile uint64_t sink;
void plainRead(const uint8_t *p, int64_t bytes) {
  static const bool wide = __builtin_cpu_supports("avx512f");
  sink = wide ? readAvx512(p, bytes) : readAvx2(p, bytes);
}

struct Huge {
  static constexpr int64_t bytes = int64_t(1) << 30;
  uint8_t *p;
  Huge() : p((uint8_t *)mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    madvise(p, bytes, MADV_HUGEPAGE);
  }
};

test::Buffer activations(const LinearCase &c) {
  test::Random random;
  if (c.activation == ActivationKind::I8)
    return test::randomActivations<int8_t>(random, c.m, c.k, c.layout.group, 127);
  if (c.activation == ActivationKind::I16)
    return test::randomActivations<int16_t>(random, c.m, c.k, c.layout.group, 8191);
  test::Buffer x(c.m * c.k * 4);
  for (int64_t i = 0; i < c.m * c.k; ++i)
    x.as<float>()[i] = random.uniform();
  return x;
}

void measure(const LinearCase &c, Huge &memory) {
  const char *acts[] = {"f32", "int8", "int16"};
  char title[128];
  std::snprintf(title, sizeof(title), "%-7s %-5s %-12s k %-5ld m %-4ld", c.isa, acts[int(c.activation)], c.name,
                long(c.k), long(c.m));
  for (const std::string &filter : filters)
    if (std::string_view(title).find(filter) == std::string_view::npos)
      return;
  test::Random random;
  const LevelTable levels = test::randomLevels(random, c.layout.bits);
  const test::Buffer x = activations(c), scratch(linearScratchBytes(c.k, c.m)), tile(c.m * TQ_TILE_STRIDE * 4);
  const int64_t task = c.layout.bytes(64, c.k);
  auto call = [&](const uint8_t *w) { c.run(w, &levels, x.as(), tile.as<float>(), scratch.as()); };

  if (c.m > 16) {
    const int64_t tasks = 32;
    const test::Buffer w = test::randomWeights(random, c.layout, 64 * tasks, c.k);
    std::vector<double> times;
    for (int r = 0; r < 7; ++r) {
      double start = now();
      for (int64_t i = 0; i < tasks; ++i)
        call(w.as() + i * task);
      times.push_back(now() - start);
    }
    const double flops = 2.0 * 64 * double(tasks * c.k * c.m);
    std::printf("%s %7.1f GFLOPS (best %.1f)\n", title, flops / median(times) * 1e-9,
                flops / *std::min_element(times.begin(), times.end()) * 1e-9);
    return;
  }

  const int64_t unit = std::max<int64_t>(1, (16 << 20) / task), units = Huge::bytes / (task * unit);
  const test::Buffer some = test::randomWeights(random, c.layout, 64 * unit, c.k);
  for (int64_t u = 0; u < units; ++u)
    std::memcpy(memory.p + u * unit * task, some.as(), size_t(unit * task));
  std::vector<double> kernel, plain;
  for (int pass = 0; pass < 3; ++pass)
    for (int64_t u = 0; u < units; ++u) {
      double t0 = now();
      for (int64_t i = 0; i < unit; ++i)
        call(memory.p + (u * unit + i) * task);
      double t1 = now();
      // Half the buffer away: not in any cache.
      plainRead(memory.p + (u + units / 2) % units * unit * task, unit * task);
      double t2 = now();
      kernel.push_back(t1 - t0);
      plain.push_back(t2 - t1);
    }
  std::vector<double> hot;
  for (int r = 0; r < 200; ++r) {
    double t0 = now();
    call(memory.p);
    hot.push_back(now() - t0);
  }
  const double bytes = double(unit * task), speed = bytes / median(kernel) * 1e-9, read = bytes / median(plain) * 1e-9;
  std::printf("%s %6.2f GB/s = %5.1f %% of the plain read (%.2f); hot %.1f GB/s\n", title, speed, 100 * speed / read,
              read, double(task) / median(hot) * 1e-9);
}

} // namespace

int main(int argc, char **argv) {
  filters.assign(argv + 1, argv + argc);
  std::printf("# %s, one thread\n", cpuName().c_str());
  auto add = [](const LinearCase &c) { cases.push_back(c); };
  const bool avx512 = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
  if (avx512)
    addCasesAvx512(add);
  else
    std::printf("# no AVX-512 VNNI and VBMI: not measured\n");
  if (__builtin_cpu_supports("avx2"))
    addCasesAvx2(add);
  Huge memory;
  for (const LinearCase &c : cases)
    measure(c, memory);
  return 0;
}
