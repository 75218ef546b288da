//===- Hazards.cpp - Which dispatches may not run at once -----------------===//

#include "tests/metal/standin/Hazards.h"

#include <fmt/format.h>

#include <algorithm>

using namespace tq::standin;

namespace {
bool conflict(const Access &a, const Access &b) { return (a.write || b.write) && a.begin < b.end && b.begin < a.end; }
} // namespace

std::vector<std::string> Hazards::dispatch(const std::string &kernel, const std::vector<Access> &accesses, bool exact) {
  std::vector<std::string> complaints;
  uint64_t number = ++dispatches;
  for (size_t i = 0; i < accesses.size(); ++i) {
    const Access &access = accesses[i];
    for (size_t j = 0; exact && j < i; ++j)
      if (conflict(accesses[j], access))
        complaints.push_back(fmt::format("kernel {}: buffers {} and {} overlap and one of them is written", kernel,
                                         accesses[j].index, access.index));
    auto hits = [&](const Past &past) { return conflict(past.access, access); };
    if (auto past = std::ranges::find_if(unordered, hits); past != unordered.end())
      complaints.push_back(fmt::format("missing barrier: dispatch {} ({}, buffer {}) and dispatch {} ({}, buffer {}) "
                                       "touch the same memory and one of them writes",
                                       past->number, past->kernel, past->access.index, number, kernel, access.index));
    if (auto past = std::ranges::find_if(untracked, hits); past != untracked.end())
      complaints.push_back(fmt::format("missing fence: dispatch {} ({}, buffer {}) and dispatch {} ({}, buffer {}) of "
                                       "another encoder touch the same untracked buffer and one of them writes",
                                       past->number, past->kernel, past->access.index, number, kernel, access.index));
  }
  for (const Access &access : accesses)
    unordered.push_back({access, kernel, number});
  return complaints;
}

void Hazards::barrier() {
  std::ranges::copy_if(unordered, std::back_inserter(ordered), [](const Past &past) { return !past.access.tracked; });
  unordered.clear();
}

void Hazards::endEncoder() {
  barrier();
  untracked.insert(untracked.end(), ordered.begin(), ordered.end());
  ordered.clear();
}

void Hazards::completed() { untracked.clear(); }
