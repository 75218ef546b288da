//===- AttentionBench.cpp - Attention kernels against a plain read --------===//
//
// Build one binary per instruction set, with the flags of its micro-kernels. One thread; kernel and plain read of the
// same pool alternate, because other tenants of the memory bus come and go; medians. The pool is larger than the
// caches and every page is visited once per round, in the order of a shuffled page table.
//
//===----------------------------------------------------------------------===//

#define TQ_UK_SUFFIX _bench
#include "codegen/host/microkernels/Attention.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <sys/mman.h>
#include <vector>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace {

constexpr int64_t kPoolBytes = 768ll << 20;
char *pool;
volatile float sink;

/// CPU time of the thread: the machine may be shared.
double now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + v.size() / 2, v.end());
  return v[v.size() / 2];
}

__attribute__((noinline)) void plainRead(const char *p, int64_t bytes) {
  using namespace tq::uk;
  i32x16 a = 0, b = 0, c = 0, d = 0;
  for (int64_t i = 0; i < bytes; i += 256) {
    a ^= load<i32x16>(p + i);
    b ^= load<i32x16>(p + i + 64);
    c ^= load<i32x16>(p + i + 128);
    d ^= load<i32x16>(p + i + 192);
  }
  sink = float(sumLanes(__builtin_bit_cast(u32x16, (a ^ b) ^ (c ^ d))));
}

/// m tokens at the end of a context: all sizes are constants, as in a generated kernel.
template <int64_t KvHeads, int64_t R, int64_t D, int64_t M, int32_t Kind>
__attribute__((noinline)) void attend(const int32_t *table, int32_t pos, const float *q, float *out, float *scratch) {
  constexpr int64_t size = tq::sdpaPartialFloats(D);
  alignas(64) static float acc[M * R * size], partial[M * R * size];
  for (int64_t head = 0; head < KvHeads; ++head) {
    for (int64_t row = 0; row < M * R; ++row) {
      acc[row * size + D] = -__builtin_inff();
      acc[row * size + D + 1] = 0;
    }
    for (int32_t begin = 0; begin < pos + M; begin += tq::kSplitKeys) {
      int32_t end = std::min<int32_t>(begin + tq::kSplitKeys, int32_t(pos + M));
      tq_sdpa_split_bench(q + head * R * D, KvHeads * R * D, M, R, pool, table, head, KvHeads, D, D, Kind, pos, begin,
                          end, 0, 0.125f, partial, scratch);
      for (int64_t row = 0; row < M * R; ++row)
        tq_sdpa_merge_bench(acc + row * size, partial + row * size, D);
    }
    for (int64_t row = 0; row < M * R; ++row)
      tq_sdpa_finish_bench(acc + row * size, out + (head * M * R + row) * D, D);
  }
}

template <int64_t KvHeads, int64_t R, int64_t D, int64_t M, int32_t Kind = 1>
void bench(const char *name, int32_t context) {
  constexpr int64_t element = Kind ? 2 : 4, pageBytes = KvHeads * tq::kPageTokens * 2 * D * element;
  int64_t perLayer = (context + tq::kPageTokens - 1) / tq::kPageTokens, layers = kPoolBytes / pageBytes / perLayer;
  std::mt19937 random(1);
  std::normal_distribution<float> d;
  std::vector<int32_t> table(perLayer * layers);
  for (size_t i = 0; i < table.size(); ++i)
    table[i] = int32_t(i);
  std::shuffle(table.begin(), table.end(), random);
  std::vector<float> values(1 << 16);
  for (float &v : values)
    v = d(random);
  for (int64_t i = 0; i < kPoolBytes / element; ++i) {
    float v = values[(i * 2654435761u >> 8) & 0xffff];
    if (Kind)
      reinterpret_cast<_Float16 *>(pool)[i] = _Float16(v);
    else
      reinterpret_cast<float *>(pool)[i] = v;
  }
  std::vector<float> q(M * R * KvHeads * D), out(q.size()), scratch(tq::sdpaScratchBytes(M, R, D) / 4);
  for (float &v : q)
    v = d(random);

  int64_t layerBytes = perLayer * pageBytes;
  std::vector<double> read, kernel, hot;
  for (int64_t layer = 0; layer < layers; ++layer) {
    double t0 = now();
    plainRead(pool + layer * layerBytes, layerBytes);
    double t1 = now();
    // Half a pool away from what was just read: pages come in random order, so some may still be cached; few are.
    attend<KvHeads, R, D, M, Kind>(&table[((layer + layers / 2) % layers) * perLayer], context - int32_t(M), q.data(),
                                   out.data(), scratch.data());
    double t2 = now();
    read.push_back(t1 - t0);
    kernel.push_back(t2 - t1);
  }
  std::vector<int32_t> few(perLayer, 0);
  for (int i = 0; i < 20; ++i) {
    double t0 = now();
    attend<KvHeads, R, D, M, Kind>(few.data(), context - int32_t(M), q.data(), out.data(), scratch.data());
    hot.push_back(now() - t0);
  }
  double bytes = double(layerBytes), flop = 4.0 * M * R * KvHeads * context * D;
  printf("%-34s %7.0f us  %5.1f GB/s = %3.0f %% of the read (%4.1f)  hot %5.1f GB/s  %5.1f (hot %5.1f) GFLOPS\n", name,
         median(kernel) * 1e6, bytes / median(kernel) * 1e-9, 100 * median(read) / median(kernel),
         bytes / median(read) * 1e-9, bytes / median(hot) * 1e-9, flop / median(kernel) * 1e-9,
         flop / median(hot) * 1e-9);
}

} // namespace

int main() {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040); // flush denormals, as the workers do
#endif
  pool = static_cast<char *>(mmap(nullptr, kPoolBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  madvise(pool, kPoolBytes, MADV_HUGEPAGE);
  bench<4, 8, 64, 1>("f16 32/4 heads, d 64, 4K", 4096);
  bench<4, 8, 64, 1>("f16 32/4 heads, d 64, 16K", 16384);
  bench<8, 4, 128, 1>("f16 32/8 heads, d 128, 4K", 4096);
  bench<32, 1, 64, 1>("f16 32/32 heads, d 64, 4K", 4096);
  bench<2, 7, 64, 1>("f16 14/2 heads, d 64, 4K", 4096);
  bench<4, 8, 64, 1, 0>("f32 32/4 heads, d 64, 4K", 4096);
  bench<4, 8, 64, 8>("f16 32/4 heads, d 64, 4K, m 8", 4096);
  bench<8, 4, 128, 8>("f16 32/8 heads, d 128, 4K, m 8", 4096);
  bench<32, 1, 64, 8>("f16 32/32 heads, d 64, 4K, m 8", 4096);
}
