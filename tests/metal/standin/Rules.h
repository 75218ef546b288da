//===- Rules.h - Broken rules, counts, what a system has --------*- C++ -*-===//
// The part of the stand-in that is plain C++; Internal.h adds the objects.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_STANDIN_RULES_H
#define TQ_TESTS_METAL_STANDIN_RULES_H

#include "tests/metal/standin/Standin.h"

#include <fmt/format.h>

#include <string>

namespace tq::standin {

void violation(std::string sentence);

/// False, and a broken rule noted, unless the condition holds.
template <class... Args> bool require(bool condition, fmt::format_string<Args...> sentence, Args &&...args) {
  if (!condition)
    violation(fmt::format(sentence, std::forward<Args>(args)...));
  return condition;
}

/// Is this message there on the machine's system? selectors.txt knows.
bool systemHas(const char *selector);

/// Add to what counts() gives; any thread may.
void count(uint64_t Counts::*counter);

/// Parts of reset().
void forgetObjects();
void forgetCaptures();

} // namespace tq::standin

#endif // TQ_TESTS_METAL_STANDIN_RULES_H
