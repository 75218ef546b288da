//===- RowwiseBench.cpp - Time of the row kernels -------------------------===//
//
// Build one binary per instruction set, with the flags of its micro-kernels. Data in L1 or L2, sizes are constants as
// in generated kernels, CPU time of one thread, best of 20 repetitions (these are about 1 % of a matrix product: what
// matters is that they stay so).
//
//===----------------------------------------------------------------------===//

#define TQ_UK_SUFFIX _bench
#include "codegen/host/microkernels/Rowwise.h"
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <random>
#include <vector>

namespace {

double now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

template <typename Body> void bench(const char *name, Body body) {
  double best = 1;
  for (int i = 0; i < 20; ++i) {
    double t = now();
    for (int j = 0; j < 1000; ++j) {
      body();
      asm volatile("" ::: "memory");
    }
    best = std::min(best, now() - t);
  }
  printf("%-32s %7.3f us\n", name, best * 1e3);
}

} // namespace

// Visible outside, so that the memory clobber above keeps the results alive.
alignas(64) float x[32768], y[32768], signs[32768], scratch[32768], cosines[64], sines[64], frequencies[64];

int main() {
  std::mt19937 random(1);
  std::normal_distribution<float> d;
  for (int i = 0; i < 32768; ++i)
    x[i] = d(random), signs[i] = random() & 1 ? 1.0f : -1.0f;
  for (int i = 0; i < 64; ++i)
    frequencies[i] = 1.0f / float(i + 1);

  bench("rotate 4096", [] { tq_rotate_bench(x, signs, y, 4096, 4096, 0, scratch); });
  bench("rotate 4096, inverse", [] { tq_rotate_bench(x, signs, y, 4096, 4096, 1, scratch); });
  bench("rotate 4 x 1024", [] { tq_rotate_bench(x, signs, y, 4096, 1024, 0, scratch); });
  bench("rotate 32 x 128", [] { tq_rotate_bench(x, signs, y, 4096, 128, 0, scratch); });
  bench("rotate 64 x 64", [] { tq_rotate_bench(x, signs, y, 4096, 64, 0, scratch); });
  bench("rotate 3072 = 12 * 256", [] { tq_rotate_bench(x, signs, y, 3072, 3072, 0, scratch); });
  bench("rotate 5120 = 20 * 256", [] { tq_rotate_bench(x, signs, y, 5120, 5120, 0, scratch); });
  bench("rotate 14336 = 28 * 512", [] { tq_rotate_bench(x, signs, y, 14336, 14336, 0, scratch); });
  bench("rotate 28672 = 28 * 1024", [] { tq_rotate_bench(x, signs, y, 28672, 28672, 0, scratch); });
  bench("rotate 20 x 160 = 20 * 8", [] { tq_rotate_bench(x, signs, y, 3200, 160, 0, scratch); });
  bench("rms_norm 4096", [] { tq_rms_norm_bench(x, signs, y, 4096, 1e-5f); });
  bench("quantize_i8 4096, sums of 64", [] { tq_quantize_i8_bench(x, 4096, 64, y); });
  bench("quantize_i16 4096, sums of 64", [] { tq_quantize_i16_bench(x, 4096, 64, y); });
  bench("quantize_i16 4096, sums of 16", [] { tq_quantize_i16_bench(x, 4096, 16, y); });
  bench("rope_table 64", [] { tq_rope_table_bench(1234, frequencies, 64, 1.0f, cosines, sines); });
  bench("rope 32 x 128", [] { tq_rope_bench(x, cosines, sines, y, 32, 128, 64); });
}
