//===- Reviewed.cpp - Mutants that a reader found to be harmless ----------===//

#include "tests/codegen/gpu/mutants/Reviewed.h"
#include "runtime/ReadFile.h"
#include "tests/TemporaryDirectory.h"

#include <sstream>

using namespace tq;
using namespace tq::test;

Result<std::vector<Review>> tq::test::parseReviews(const std::string &text) {
  std::vector<Review> reviews;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.empty() || line[0] == '#')
      continue;
    std::vector<std::string> parts;
    for (size_t from = 0; from != line.npos;) {
      size_t to = line.find(" | ", from);
      parts.push_back(line.substr(from, to == line.npos ? to : to - from));
      from = to == line.npos ? to : to + 3;
    }
    bool complete = parts.size() == 4;
    for (const std::string &part : parts)
      complete &= !part.empty();
    if (!complete)
      return Error{"reviewed.txt:" + std::to_string(number) + ": expected OPERATOR | KERNEL | CHANGE | REASON"};
    reviews.push_back({parts[0], parts[3], line, std::regex(parts[1]), std::regex(parts[2])});
  }
  return reviews;
}

Result<std::vector<Review>> tq::test::readReviews() {
  TQ_TRY_ASSIGN(std::string text, readFile(TQ_MUTANTS_REVIEWED, kAnySize));
  return parseReviews(text);
}

bool tq::test::fits(const Review &review, const metal::Mutant &mutant) {
  return review.kind == nameOf(mutant.kind) && std::regex_match(mutant.kernel, review.kernel) &&
         std::regex_search(mutant.was + " => " + mutant.is + " before " + mutant.next, review.change);
}

Review *tq::test::findReview(std::vector<Review> &reviews, const metal::Mutant &mutant) {
  auto found = std::ranges::find_if(reviews, [&](const Review &review) { return fits(review, mutant); });
  return found == reviews.end() ? nullptr : &*found;
}
