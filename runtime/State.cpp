//===- State.cpp - Paged states and their page table ----------------------===//

#include "runtime/State.h"

#include "runtime/Random.h"

#include <algorithm>

using namespace tq;

Result<States> States::create(const std::vector<State> &states, int64_t context, Device &device, uint64_t shuffleSeed) {
  States result;
  if (states.empty())
    return result;
  result.pageTokens = states[0].page_tokens;
  int64_t pages = (context + result.pageTokens - 1) / result.pageTokens;
  for (const State &state : states) {
    TQ_TRY_ASSIGN(Buffer pool, device.allocate(state.page_bytes * pages));
    result.poolBuffers.push_back(pool);
  }
  // Unused entries stay 0, a page that exists: kernels may prefetch the next.
  TQ_TRY_ASSIGN(result.table, device.allocate(pages * sizeof(int32_t)));
  // Page 0 is handed out first: short texts touch neighbouring memory.
  for (int64_t page = pages; page-- > 0;)
    result.freePages.push_back(static_cast<int32_t>(page));
  if (shuffleSeed) {
    Random random(shuffleSeed);
    for (size_t i = result.freePages.size(); i > 1; --i)
      std::swap(result.freePages[i - 1], result.freePages[random.below(i)]);
  }
  return result;
}

void States::resize(int64_t tokens) {
  if (poolBuffers.empty())
    return;
  int64_t wanted = (tokens + pageTokens - 1) / pageTokens;
  auto *entries = reinterpret_cast<int32_t *>(table.data);
  while (pagesUsed < wanted) {
    entries[pagesUsed++] = freePages.back();
    freePages.pop_back();
  }
  while (pagesUsed > wanted) {
    freePages.push_back(entries[--pagesUsed]);
    entries[pagesUsed] = 0;
  }
}
