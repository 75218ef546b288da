//===- Reviewed.h - Mutants that a reader found to be harmless --*- C++ -*-===//
#ifndef TQ_TESTS_CODEGEN_GPU_MUTANTS_REVIEWED_H
#define TQ_TESTS_CODEGEN_GPU_MUTANTS_REVIEWED_H

#include "runtime/Status.h"
#include "tests/metal/Mutate.h"

#include <regex>

namespace tq::test {

/// A line of reviewed.txt: OPERATOR | KERNEL | CHANGE | REASON. Kernel (the whole name) and change (any part of
/// "line => mutant's line before next line") are regular expressions.
struct Review {
  std::string kind, reason, text;
  std::regex kernel, change;
  int used = 0;
};
Result<std::vector<Review>> readReviews();
Result<std::vector<Review>> parseReviews(const std::string &text);
bool fits(const Review &review, const metal::Mutant &mutant);
/// The first that fits, or null.
Review *findReview(std::vector<Review> &reviews, const metal::Mutant &mutant);

} // namespace tq::test
#endif
