//===- Hazards.h - Which dispatches may not run at once ---------*- C++ -*-===//
// Dispatches of a concurrent encoder run in any order up to a barrier. Encoders
// run one after the other only as far as they share a hazard-tracked buffer:
// what an untracked one holds is ordered by nothing until the host has waited.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_STANDIN_HAZARDS_H
#define TQ_TESTS_METAL_STANDIN_HAZARDS_H

#include <cstdint>
#include <string>
#include <vector>

namespace tq::standin {

struct Access {
  uintptr_t begin, end;
  bool write, tracked;
  int index; ///< of the argument
};

/// The commands of one queue, in the order of their commits.
class Hazards {
public:
  /// Complaints, a sentence each. `exact`: the accesses are what the kernel may touch, not up to the buffer's end, so
  /// that two of its own arguments may be compared.
  std::vector<std::string> dispatch(const std::string &kernel, const std::vector<Access> &accesses, bool exact);
  void barrier();
  void endEncoder();
  /// The host has waited for everything.
  void completed();

private:
  struct Past {
    Access access;
    std::string kernel;
    uint64_t number;
  };
  std::vector<Past> unordered; ///< since the last barrier of this encoder
  std::vector<Past> ordered;   ///< of this encoder before that, untracked only
  std::vector<Past> untracked; ///< of earlier encoders
  uint64_t dispatches = 0;
};

} // namespace tq::standin

#endif // TQ_TESTS_METAL_STANDIN_HAZARDS_H
