//===- HazardsTest.cpp - Which dispatches may not run at once -------------===//

#include "tests/metal/standin/Hazards.h"

#include <gtest/gtest.h>

using namespace tq::standin;

namespace {

constexpr bool kRead = false, kWrite = true;
Access access(uintptr_t begin, uintptr_t end, bool write, bool tracked = true) {
  return {begin, end, write, tracked, 0};
}
size_t complaints(Hazards &hazards, const std::vector<Access> &accesses, bool exact = false) {
  return hazards.dispatch("k", accesses, exact).size();
}

TEST(Hazards, ReadersMayMeet) {
  Hazards hazards;
  EXPECT_EQ(complaints(hazards, {access(0, 8, kRead)}), 0u);
  EXPECT_EQ(complaints(hazards, {access(0, 8, kRead)}), 0u);
}

TEST(Hazards, AWriterMeetsNobody) {
  for (bool first : {kRead, kWrite})
    for (bool second : {kRead, kWrite}) {
      Hazards hazards;
      EXPECT_EQ(complaints(hazards, {access(0, 8, first)}), 0u);
      EXPECT_EQ(complaints(hazards, {access(7, 9, second)}), size_t(first || second));
      hazards.barrier();
      EXPECT_EQ(complaints(hazards, {access(7, 9, kWrite)}), 0u);
    }
}

TEST(Hazards, NeighboursDoNotMeet) {
  Hazards hazards;
  EXPECT_EQ(complaints(hazards, {access(0, 8, kWrite)}), 0u);
  EXPECT_EQ(complaints(hazards, {access(8, 9, kWrite)}), 0u);
}

TEST(Hazards, EncodersAreOrderedByWhatIsTracked) {
  for (bool tracked : {false, true}) {
    Hazards hazards;
    EXPECT_EQ(complaints(hazards, {access(0, 8, kWrite, tracked)}), 0u);
    hazards.barrier();
    EXPECT_EQ(complaints(hazards, {access(0, 8, kRead, tracked)}), 0u);
    hazards.endEncoder();
    EXPECT_EQ(complaints(hazards, {access(0, 8, kRead, tracked)}), size_t(!tracked));
    hazards.endEncoder();
    hazards.completed();
    EXPECT_EQ(complaints(hazards, {access(0, 8, kWrite, tracked)}), 0u);
  }
}

TEST(Hazards, ArgumentsOfOneKernelDoNotOverlap) {
  Hazards hazards;
  EXPECT_EQ(complaints(hazards, {access(0, 8, kRead), access(4, 12, kWrite)}, /*exact=*/true), 1u);
  hazards.barrier();
  EXPECT_EQ(complaints(hazards, {access(0, 8, kRead), access(4, 12, kWrite)}, /*exact=*/false), 0u);
}

} // namespace
