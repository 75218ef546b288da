//===- StatusTest.cpp - Results pass values and sentences through ---------===//

#include "runtime/Status.h"

#include <gtest/gtest.h>

#include <memory>

using namespace tq;

namespace {

Result<std::unique_ptr<int>> make(int value) {
  if (value < 0)
    return Error{"negative"};
  return std::make_unique<int>(value);
}

Result<int> twice(int value) {
  TQ_TRY_ASSIGN(std::unique_ptr<int> made, make(value));
  return 2 * *made;
}

Status check(int value) {
  TQ_TRY(twice(value));
  return Status();
}

TEST(Status, PassesValuesAndErrors) {
  EXPECT_EQ(*twice(4), 8);
  EXPECT_TRUE(check(4).ok());
  EXPECT_FALSE(twice(-1));
  EXPECT_EQ(twice(-1).message(), "negative");
  EXPECT_EQ(check(-1).message(), "negative");
}

} // namespace
