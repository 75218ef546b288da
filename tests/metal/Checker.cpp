//===- Checker.cpp - Races, bounds and initialisation ---------------------===//

#include "tests/metal/Checker.h"

#include "tests/metal/Worker.h"

#include <fmt/format.h>

#include <sys/mman.h>

using namespace tq::metal;

namespace {

constexpr uint64_t kReserved = uint64_t(1) << 38; ///< address space for cells, not memory

constexpr int kSerialShift = 40, kThreadShift = 30, kLevelShift = 28;
constexpr uint64_t kAtomic = uint64_t(1) << 27, kEpochMask = kAtomic - 1;
constexpr uint64_t kThreadMask = uint64_t(1023) << kThreadShift;
constexpr uint64_t kSerialMask = ~uint64_t(0) << kSerialShift;
constexpr uint64_t kLevelMask = uint64_t(3) << kLevelShift;

/// How many threads a word stands for.
enum Level : uint64_t { One = 0, SameSimdgroup = 1, SameThreadgroup = 2, SeveralThreadgroups = 3 };

Level levelOf(uint64_t word) { return static_cast<Level>((word & kLevelMask) >> kLevelShift); }
uint64_t withLevel(uint64_t word, Level level) { return (word & ~kLevelMask) | (uint64_t(level) << kLevelShift); }
int threadOf(uint64_t word) { return static_cast<int>((word & kThreadMask) >> kThreadShift); }
uint32_t epochOf(uint64_t word) { return static_cast<uint32_t>(word & kEpochMask); }

/// Cells of device memory are shared by the workers.
uint64_t load(uint64_t &word, bool shared) {
  return shared ? std::atomic_ref(word).load(std::memory_order_seq_cst) : word;
}
uint64_t exchange(uint64_t &word, uint64_t value, bool shared) {
  if (shared)
    return std::atomic_ref(word).exchange(value, std::memory_order_seq_cst);
  uint64_t old = word;
  word = value;
  return old;
}

/// The view that one access has of a cell.
class Judge {
public:
  Judge(Worker &worker, const Range &range, bool atomic)
      : worker(worker), access(worker.access), range(range), space(range.space), thread(worker.current),
        simd(worker.current / kSimdWidth), epoch(access.epoch[space][static_cast<size_t>(simd)]),
        me(access.serialBits | (uint64_t(thread) << kThreadShift) | (atomic ? kAtomic : 0) | epoch),
        shared(access.parallel && range.space == Device) {}

  /// Lies before the last threadgroup barrier; `word` is of this threadgroup.
  bool beforeBarrier(uint64_t word) const {
    return epochOf(word) < access.lastBarrier[space][static_cast<size_t>(threadOf(word) / kSimdWidth)];
  }
  bool ordered(uint64_t word) const {
    if (levelOf(word) <= SameSimdgroup && threadOf(word) / kSimdWidth == simd)
      return epochOf(word) < epoch || (levelOf(word) == One && threadOf(word) == thread);
    return levelOf(word) != SeveralThreadgroups && beforeBarrier(word);
  }
  bool mine(uint64_t word) const { return (word & kSerialMask) == access.serialBits; }
  /// Of another threadgroup of this launch.
  bool foreign(uint64_t word) const {
    return range.space == Device && !mine(word) && (word >> kSerialShift) >= access.firstSerial && word != 0;
  }
  bool conflicts(uint64_t word) const {
    if (word & me & kAtomic)
      return false;
    return mine(word) ? !ordered(word) : foreign(word);
  }
  /// What a cell remembers once `me` has joined `old`.
  uint64_t joined(uint64_t old) const {
    if (!mine(old))
      return foreign(old) ? withLevel(me & (old | ~kAtomic), SeveralThreadgroups) : me;
    if (levelOf(old) == SeveralThreadgroups)
      return old & (me | ~kAtomic);
    if (beforeBarrier(old))
      return me;
    uint64_t both = me & (old | ~kAtomic);
    if (levelOf(old) == SameThreadgroup)
      return withLevel(both, SameThreadgroup);
    if (threadOf(old) / kSimdWidth != simd)
      return withLevel(both, SameThreadgroup);
    if (epochOf(old) < epoch || (threadOf(old) == thread && levelOf(old) == One))
      return me;
    return withLevel(both, SameSimdgroup);
  }

  Worker &worker;
  Access &access;
  const Range &range;
  Space space;
  int thread, simd;
  uint32_t epoch;
  uint64_t me;
  bool shared;
};

std::string at(const Range &range, uintptr_t address) {
  return fmt::format("{} at byte {}", range.name, address - range.low);
}

[[noreturn]] void race(const Judge &judge, uint64_t other, bool otherWrote, bool write, uintptr_t address,
                       const void *code) {
  const char *verb = write ? "writes" : "reads";
  const char *done = otherWrote ? "wrote" : "read";
  std::string who = judge.mine(other)
                        ? fmt::format("thread {}{}", threadOf(other), levelOf(other) == One ? "" : " and others")
                        : fmt::format("thread {} of another threadgroup", threadOf(other));
  judge.worker.fail(fmt::format("data race on {}: {} {} what {} {}, with no barrier between them{}",
                                at(judge.range, address), judge.worker.threadName(judge.thread), verb, who, done,
                                judge.mine(other) ? "" : " (threadgroups of one launch are never ordered)"),
                    0, code);
}

void read(const Judge &judge, Cell &cell, uintptr_t address, const void *code, bool maybeEmpty) {
  uint64_t before = judge.shared ? load(cell.read, true) : cell.read;
  uint64_t now = judge.joined(before);
  if (now != before)
    exchange(cell.read, now, judge.shared);
  uint64_t write = load(cell.write, judge.shared);
  if (judge.space == Threadgroup && !judge.mine(write) && !maybeEmpty)
    judge.worker.fail(fmt::format("{} reads {}, which no thread has written", judge.worker.threadName(judge.thread),
                                  at(judge.range, address)),
                      0, code);
  if (judge.conflicts(write))
    race(judge, write, true, false, address, code);
}

void write(const Judge &judge, Cell &cell, uintptr_t address, bool atomic, const void *code) {
  uint64_t before = atomic ? load(cell.write, judge.shared) : 0;
  uint64_t old = exchange(cell.write, atomic && (before & kAtomic) ? judge.joined(before) : judge.me, judge.shared);
  if (judge.conflicts(old))
    race(judge, old, true, true, address, code);
  uint64_t readers = load(cell.read, judge.shared);
  if (judge.conflicts(readers))
    race(judge, readers, false, true, address, code);
}

std::string nearest(const std::vector<Range> &ranges, uintptr_t address) {
  constexpr uint64_t kNear = 1 << 30;
  const Range *best = nullptr;
  uint64_t distance = kNear;
  for (const Range &range : ranges) {
    uint64_t d = address >= range.low + range.bytes ? address - (range.low + range.bytes)
                 : address < range.low              ? range.low - address
                                                    : 0;
    if (d < distance) {
      distance = d;
      best = &range;
    }
  }
  if (!best)
    return "memory that is not bound";
  if (address < best->low)
    return fmt::format("{} byte(s) before {}", best->low - address, best->name);
  return fmt::format("byte {} of {}, which has {} bytes", address - best->low, best->name, best->bytes);
}

const Range *find(Access &access, uintptr_t address, size_t bytes) {
  for (const Range &range : access.ranges)
    if (address - range.low < range.bytes && bytes <= range.bytes - (address - range.low))
      return &range;
  return nullptr;
}

} // namespace

void Access::beginGroup(uint64_t serial) {
  serialBits = serial << kSerialShift;
  for (size_t space = 0; space < 2; ++space) {
    epoch[space].fill(1);
    lastBarrier[space].fill(0);
  }
}

void Access::threadgroupBarrier(int flags, int simdgroups) {
  for (size_t space = 0; space < 2; ++space)
    if (flags & (1 << space))
      for (size_t s = 0; s < static_cast<size_t>(simdgroups); ++s)
        lastBarrier[space][s] = ++epoch[space][s];
}

void Access::simdgroupBarrier(int flags, int simdgroup) {
  for (size_t space = 0; space < 2; ++space)
    if (flags & (1 << space))
      ++epoch[space][static_cast<size_t>(simdgroup)];
}

const Range *tq::metal::checkBounds(Worker &worker, uintptr_t address, size_t bytes, bool isWrite, const void *code) {
  Access &access = worker.access;
  const Range *&cached = access.cache[(reinterpret_cast<uintptr_t>(code) >> 2) % Access::kCache];
  const Range *range = cached;
  if (!range || address - range->low >= range->bytes || bytes > range->bytes - (address - range->low)) {
    if (worker.stacks.contains(worker.current, address)) {
      if (worker.inRedZone(address, bytes))
        worker.fail(fmt::format("out of bounds: {} {} {} byte(s) just beside a private array or variable",
                                worker.threadName(worker.current), isWrite ? "writes" : "reads", bytes),
                    0, code);
      return nullptr;
    }
    range = find(access, address, bytes);
    if (!range) {
      if (bytes == 0 || worker.lends(address))
        return nullptr;
      worker.fail(fmt::format("out of bounds: {} {} {} byte(s) at {}", worker.threadName(worker.current),
                              isWrite ? "writes" : "reads", bytes, nearest(access.ranges, address)),
                  0, code);
    }
    cached = range;
  }
  if (isWrite && !range->writable)
    worker.fail(fmt::format("{} writes {}, which is read-only", worker.threadName(worker.current), at(*range, address)),
                0, code);
  return range;
}

void tq::metal::checkAccess(Worker &worker, uintptr_t address, size_t bytes, bool isWrite, bool atomic,
                            const void *code, bool maybeEmpty) {
  ++worker.statistics.accesses;
  const Range *range = checkBounds(worker, address, bytes, isWrite, code);
  if (!range || !range->cells || bytes == 0)
    return;
  Judge judge(worker, *range, atomic);
  uint64_t offset = address - range->low;
  if (!isWrite && !judge.shared && bytes <= uint64_t(1) << range->shift) {
    // The bulk of all accesses: one granule, written by this threadgroup before its last barrier, read since by this
    // thread or this simdgroup only.
    Cell &cell = range->cells[offset >> range->shift];
    if (judge.mine(cell.write) && judge.beforeBarrier(cell.write) && levelOf(cell.write) != SeveralThreadgroups) {
      uint64_t now = judge.joined(cell.read);
      cell.read = now;
      return;
    }
  }
  uint64_t last = (offset + bytes - 1) >> range->shift;
  for (uint64_t i = offset >> range->shift; i <= last; ++i) {
    if (isWrite)
      write(judge, range->cells[i], address, atomic, code);
    else
      read(judge, range->cells[i], address, code, maybeEmpty);
  }
}

bool tq::metal::partlyWritten(Worker &worker, uintptr_t address, size_t bytes, const void *code) {
  const Range *range = checkBounds(worker, address, bytes, false, code);
  if (!range || !range->cells || range->space != Threadgroup || bytes == 0)
    return true;
  Judge judge(worker, *range, false);
  uint64_t offset = address - range->low;
  for (uint64_t i = offset >> range->shift; i <= (offset + bytes - 1) >> range->shift; ++i)
    if (judge.mine(range->cells[i].write))
      return true;
  return false;
}

CellPool::~CellPool() {
  if (base)
    munmap(base, kReserved);
}

Cell *CellPool::take(uint64_t bytes, int shift) {
  if (!base) {
    void *memory = mmap(nullptr, kReserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
      return nullptr;
    base = static_cast<char *>(memory);
  }
  uint64_t cells = (bytes >> shift) + 1;
  uint64_t needed = cells * sizeof(Cell);
  if (needed > kReserved - used)
    return nullptr;
  auto *result = reinterpret_cast<Cell *>(base + used);
  used += needed;
  return result;
}

void CellPool::clear() {
  if (base)
    madvise(base, kReserved, MADV_DONTNEED);
}
