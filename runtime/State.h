//===- State.h - Paged states and their page table --------------*- C++ -*-===//
// Every state of a model is a pool of pages; one page table, shared by all,
// says which page of each pool holds tokens [i * page_tokens, ...). Pages are
// taken when a position is first reached and given back by a rewind.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_STATE_H
#define TQ_RUNTIME_STATE_H

#include "runtime/Device.h"

#include <cstdint>
#include <vector>

namespace tq {

class States {
public:
  /// Reserves pools for `context` tokens. A nonzero seed hands out the pages in
  /// a shuffled order: kernels must not rely on any.
  static Result<States> create(const std::vector<State> &states, int64_t context, Device &device,
                               uint64_t shuffleSeed = 0);

  /// Makes the page table cover positions [0, tokens); tokens <= context.
  void resize(int64_t tokens);

  const std::vector<Buffer> &pools() const { return poolBuffers; }
  const Buffer &pageTable() const { return table; }

private:
  int32_t pageTokens = 1;
  std::vector<Buffer> poolBuffers;
  Buffer table;
  std::vector<int32_t> freePages; // taken from the back
  int64_t pagesUsed = 0;
};

} // namespace tq

#endif // TQ_RUNTIME_STATE_H
