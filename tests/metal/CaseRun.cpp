//===- CaseRun.cpp - A case under several schedules -----------------------===//

#include "tests/metal/CaseRun.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>

#include <sys/mman.h>
#include <unistd.h>

using namespace tq;
using namespace tq::metal;

namespace {

struct Variant {
  const char *name;
  Schedule schedule;
};
/// The second differs from the first only in the garbage: what changes then came from an uninitialised variable. As
/// numbers the garbages are NaN, small, large, large and negative, and zero.
const Variant kVariants[] = {
    {"forward", {Schedule::Forward, 0, 0xff}},       {"forward, other garbage", {Schedule::Forward, 0, 0x3c}},
    {"reverse", {Schedule::Reverse, 0, 0x7a}},       {"random 1", {Schedule::Random, 1, 0xf8}},
    {"random 2", {Schedule::Random, 2, 0x00, true}},
};

/// Sums by atomics in another order may differ by rounding.
constexpr double kAtomicTolerance = 1e-4;

/// Buffers so far apart that no 32-bit offset leads from one into another: what is between them is address space only.
class Room {
public:
  ~Room() {
    for (auto [base, bytes] : parts)
      munmap(base, bytes);
  }
  /// Null if there is no memory.
  char *take(size_t bytes) {
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), used = (bytes + page - 1) / page * page;
    void *base = mmap(nullptr, used + 2 * kApart, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
      return nullptr;
    parts.emplace_back(base, used + 2 * kApart);
    char *start = static_cast<char *>(base) + kApart;
    return mprotect(start, used, PROT_READ | PROT_WRITE) == 0 ? start : nullptr;
  }

private:
  static constexpr size_t kApart = size_t(16) << 30;
  std::vector<std::pair<void *, size_t>> parts;
};

class Runner {
public:
  Runner(const Library &library, const Case &launch, const CaseOptions &options)
      : library(library), launch(launch), options(options) {}

  Status run() {
    kernel = library.find(launch.kernel);
    if (!kernel)
      return Error{fmt::format("{}: there is no kernel {}", library.name(), launch.kernel)};
    std::map<int, std::vector<char>> first;
    for (const Variant &variant : kVariants) {
      auto buffers = launch.buffers;
      auto start = std::chrono::steady_clock::now();
      Statistics statistics;
      TQ_TRY(once(variant.schedule, buffers, statistics));
      if (options.timings)
        fprintf(stderr, "# %s: %.1f ms\n", variant.name,
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
      if (&variant != kVariants) // what was right at first and is not now depends on something
        TQ_TRY(compare(variant, first, buffers, statistics));
      TQ_TRY(expectations(buffers));
      if (&variant == kVariants)
        first = std::move(buffers);
    }
    return Status();
  }

private:
  Error finding(const std::string &message, int line = 0) const {
    return Error{
        fmt::format("{}:{}: error: kernel {}: {}", library.name(), line ? line : kernel->line, kernel->name, message)};
  }

  Status once(const Schedule &schedule, std::map<int, std::vector<char>> &buffers, Statistics &statistics) {
    Room room;
    Launch l;
    l.threadgroups = launch.threadgroups;
    l.threadsPerThreadgroup = launch.threadsPerThreadgroup;
    l.threads = launch.threads;
    l.schedule = schedule;
    l.timeLimit = options.timeLimit;
    l.hostThreads = 1; // the same finding every time
    for (auto &[index, bytes] : buffers) {
      char *place = room.take(bytes.size());
      if (!place)
        return Error{fmt::format("no memory for the {} bytes of buffer({})", bytes.size(), index)};
      std::ranges::copy(bytes, place);
      l.buffers.push_back({index, place, bytes.size()});
    }
    for (auto [index, bytes] : launch.threadgroupMemory)
      l.threadgroupMemory.push_back({index, bytes});
    TQ_TRY(library.run(launch.kernel, l, &statistics));
    for (const BufferBinding &b : l.buffers)
      std::copy_n(static_cast<const char *>(b.data), b.bytes, buffers[b.index].begin());
    return Status();
  }

  static std::string spell(double value) { return std::isnan(value) ? "nan" : fmt::format("{}", value); }

  Status expectations(const std::map<int, std::vector<char>> &buffers) {
    for (const auto &[index, want] : launch.expected) {
      const std::vector<char> &got = buffers.at(index);
      for (size_t i = 0; i < want.values.size() / bytesOf(want.element); ++i) {
        double g = elementAt(got, want.element, i), w = elementAt(want.values, want.element, i);
        bool close = g == w || std::fabs(g - w) <= want.tolerance * (1 + std::fabs(w));
        if (!close)
          return finding(fmt::format("buffer({})[{}] is {}, but {} is expected (tolerance {})", index, i, spell(g),
                                     spell(w), want.tolerance));
      }
    }
    return Status();
  }

  Status compare(const Variant &variant, const std::map<int, std::vector<char>> &first,
                 const std::map<int, std::vector<char>> &now, const Statistics &run) {
    auto at = difference(first, now, run.floatAtomics);
    if (!at)
      return Status();
    bool garbage = variant.schedule.kind == Schedule::Forward;
    if (!garbage) { // of two things that are other, which one is it?
      auto buffers = launch.buffers;
      Statistics statistics;
      TQ_TRY(once({Schedule::Forward, 0, variant.schedule.poison}, buffers, statistics));
      garbage = difference(first, buffers, statistics.floatAtomics).has_value();
    }
    if (garbage)
      return finding(fmt::format("the result at byte {} of buffer({}) depends on a variable or lane without a value: "
                                 "uninitialised private memory",
                                 at->second, at->first));
    return finding(fmt::format("the result at byte {} of buffer({}) depends on the order in which threads run "
                               "(forward against {}){}",
                               at->second, at->first, variant.name,
                               run.lostUpdate ? "; this atomic operation can lose another thread's update" : ""),
                   run.lostUpdate);
  }

  /// Buffer and byte of the first difference that is more than rounding.
  static std::optional<std::pair<int, size_t>> difference(const std::map<int, std::vector<char>> &first,
                                                          const std::map<int, std::vector<char>> &now,
                                                          bool floatAtomics) {
    for (const auto &[index, bytes] : first) {
      const std::vector<char> &other = now.at(index);
      for (size_t i = 0; i < bytes.size(); ++i)
        if (bytes[i] != other[i] && !(floatAtomics && rounding(bytes, other, i / 4)))
          return std::pair(index, i);
    }
    return std::nullopt;
  }

  static bool rounding(const std::vector<char> &a, const std::vector<char> &b, size_t i) {
    if ((i + 1) * 4 > a.size())
      return false;
    double x = elementAt(a, Element::F32, i), y = elementAt(b, Element::F32, i);
    return std::fabs(x - y) <= kAtomicTolerance * (1 + std::fabs(x));
  }

  const Library &library;
  const Case &launch;
  const CaseOptions &options;
  const Kernel *kernel = nullptr;
};

} // namespace

Status tq::metal::runCase(const Library &library, const Case &launch, const CaseOptions &options) {
  return Runner(library, launch, options).run();
}
