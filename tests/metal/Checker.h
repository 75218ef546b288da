//===- Checker.h - Races, bounds and initialisation -------------*- C++ -*-===//
// Every access of a checked kernel is looked up in the ranges that it may touch.
// Where memory can be written, a cell per granule remembers the last write and
// the reads since, each as one 64-bit word:
//
//   63..40 serial of the threadgroup   39..30 thread   29..28 how many threads
//   27 atomic   26..0 epoch of its simdgroup
//
// Two accesses are ordered if they are of one threadgroup, and a barrier with the
// space's flag lies between them: a threadgroup's, or one of the simdgroup that
// both belong to. Threadgroups of a launch are never ordered. Serials grow from
// launch to launch, so cells of earlier ones count as empty and are never cleared.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_CHECKER_H
#define TQ_TESTS_METAL_CHECKER_H

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tq::metal {

class Worker;

struct Cell {
  uint64_t write, read;
};

enum Space : uint8_t { Device, Threadgroup, Constant };

/// Memory that a kernel may touch. Without cells it is only read.
struct Range {
  uintptr_t low = 0;
  uint64_t bytes = 0;
  Cell *cells = nullptr;
  uint8_t shift = 0; ///< log2 of the granule
  Space space = Device;
  bool writable = false;
  std::string name; ///< "buffer(3) 'y'"
};

/// A large reservation for cells; pages come with the first access.
class CellPool {
public:
  ~CellPool();
  /// `bytes` of memory in granules of 1 << shift. Null if the reservation is used up.
  Cell *take(uint64_t bytes, int shift);
  void reset() { used = 0; }
  /// Forgets everything, for when the serials run out.
  void clear();

private:
  char *base = nullptr;
  size_t used = 0;
};

constexpr uint64_t kSerials = uint64_t(1) << 24;

/// The part of a worker that every access needs.
struct Access {
  static constexpr size_t kCache = 256;

  uint64_t serialBits = 0;                             ///< of the running threadgroup
  uint64_t firstSerial = 0;                            ///< of this launch
  bool parallel = false;                               ///< other workers use the same cells
  std::array<std::array<uint32_t, 32>, 2> epoch;       ///< per space and simdgroup
  std::array<std::array<uint32_t, 32>, 2> lastBarrier; ///< epochs below are before the last threadgroup barrier
  std::vector<Range> ranges;
  std::array<const Range *, kCache> cache; ///< by code address: an instruction mostly stays in one range
  CellPool pool;                           ///< for threadgroup memory

  void beginGroup(uint64_t serial);
  void threadgroupBarrier(int flags, int simdgroups);
  void simdgroupBarrier(int flags, int simdgroup);
};

/// All there is to say of an access. `maybeEmpty`: what is read need not have been written.
void checkAccess(Worker &worker, uintptr_t address, size_t bytes, bool write, bool atomic, const void *code,
                 bool maybeEmpty = false);
/// Some of the bytes have a value: of a struct's copy nobody need have written the padding.
bool partlyWritten(Worker &worker, uintptr_t address, size_t bytes, const void *code);
/// The bytes are in a range, which may be written if they are to be. Null if they are nobody else's business.
const Range *checkBounds(Worker &worker, uintptr_t address, size_t bytes, bool write, const void *code);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_CHECKER_H
