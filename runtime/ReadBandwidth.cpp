//===- ReadBandwidth.cpp - How fast this machine reads memory -------------===//

#include "runtime/ReadBandwidth.h"

#include "runtime/Random.h"

#include <fmt/format.h>

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

using namespace tq;

namespace {

/// Pieces that a thread reads as one stream.
constexpr uint64_t kPiece = 1 << 20;

// Eight sums of 64 bytes: enough loads in flight, no dependency between them.
using Line = uint64_t __attribute__((vector_size(64), aligned(64)));

#if defined(__x86_64__) && defined(__linux__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
void readPiece(const std::byte *begin, uint64_t bytes, uint64_t *result) {
  Line sums[8] = {};
  auto *line = reinterpret_cast<const Line *>(begin);
  for (uint64_t i = 0; i < bytes / sizeof(Line); i += 8)
    for (int j = 0; j < 8; ++j)
      sums[j] ^= line[i + j];
  for (int j = 1; j < 8; ++j)
    sums[0] ^= sums[j];
  for (int j = 0; j < 8; ++j)
    *result ^= sums[0][j];
}

/// Bindings: the buffer. Tasks: its pieces. The result goes to the scratch, so
/// that the reads cannot be left out.
void readKernel(void *const *bindings, const int32_t *, void *scratch, int64_t begin, int64_t end) {
  readPiece(static_cast<const std::byte *>(bindings[0]) + begin * kPiece, (end - begin) * kPiece,
            static_cast<uint64_t *>(scratch));
}

} // namespace

Result<ReadBandwidth> ReadBandwidth::create(int threads, uint64_t bytes) {
  ReadBandwidth result;
  bytes = (bytes + kPiece - 1) / kPiece * kPiece;
  void *data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED)
    return Error{fmt::format("cannot reserve {} MB to measure the memory's "
                             "speed: {}",
                             bytes >> 20, strerror(errno))};
#if defined(__linux__)
  madvise(data, bytes, MADV_HUGEPAGE);
#endif
  result.buffer = {static_cast<std::byte *>(data), bytes};
  auto *words = static_cast<uint64_t *>(data);
  Random random(1);
  for (uint64_t i = 0; i < bytes / sizeof(uint64_t); ++i)
    words[i] = random.next();
  TQ_TRY_ASSIGN(result.pool, ThreadPool::create(threads, 64));
  return result;
}

ReadBandwidth::ReadBandwidth(ReadBandwidth &&other) noexcept
    : buffer(std::exchange(other.buffer, {})), pool(std::move(other.pool)) {}

ReadBandwidth::~ReadBandwidth() {
  if (!buffer.empty())
    munmap(buffer.data(), buffer.size());
}

double ReadBandwidth::measure() {
  using Clock = std::chrono::steady_clock;
  auto pieces = static_cast<int64_t>(buffer.size() / kPiece);
  void *bindings[] = {buffer.data()};
  double best = 0;
  // One long stream per thread, or shares that even out a lost core.
  for (int64_t shares : {1, 8, 32}) {
    int64_t chunks = shares * pool->threads();
    auto begin = Clock::now();
    pool->run({readKernel, bindings, pieces, (pieces + chunks - 1) / chunks}, nullptr, true);
    pool->wait();
    std::chrono::duration<double> seconds = Clock::now() - begin;
    best = std::max(best, double(buffer.size()) / seconds.count());
  }
  return best;
}
