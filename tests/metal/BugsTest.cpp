//===- BugsTest.cpp - Every seeded bug must be found ----------------------===//
// Each bug is a small change to a kernel of cases/ that GoodCases.cpp knows to be
// right. The finding must name the kernel or function, the line, and the rule.
//===----------------------------------------------------------------------===//

#include "tests/metal/CaseRun.h"
#include "tests/metal/GoodCases.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

using namespace tq;
using namespace tq::metal;

namespace {

/// Lines: the one where the change begins, the kernel's own, or the one that holds a text.
constexpr char kHere[] = "<here>";
constexpr char kKernel[] = "<kernel>";

struct Bug {
  const char *name;
  const char *kernel; ///< whose launch is run
  const char *from, *to;
  const char *rule; ///< must be in the message
  const char *line = kHere;
  void (*change)(Case &) = nullptr; ///< the bug may be in the launch
};

const Bug kBugs[] = {
#include "tests/metal/Bugs.inc"
};

size_t lineAt(const std::string &text, size_t offset) {
  return 1 + static_cast<size_t>(std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(offset), '\n'));
}

class Bugs : public testing::TestWithParam<Bug> {};

TEST_P(Bugs, isFound) {
  const Bug &bug = GetParam();
  const GoodCase &good = goodCase(bug.kernel);
  std::string text = caseText(good.file);
  size_t at = 0;
  if (*bug.from) {
    // Kernels of one file share lines: look from this one's declaration first.
    size_t own = text.find(fmt::format("void {}(", bug.kernel));
    ASSERT_NE(own, std::string::npos);
    at = text.find(bug.from, own);
    if (at == std::string::npos)
      at = text.find(bug.from);
    ASSERT_NE(at, std::string::npos) << "the text to replace is not in " << good.file;
    text.replace(at, strlen(bug.from), bug.to);
  }
  size_t line = lineAt(text, at);
  if (bug.line == std::string_view(kKernel))
    line = lineAt(text, text.find(fmt::format("void {}(", bug.kernel)));
  else if (bug.line != std::string_view(kHere)) {
    size_t found = text.find(bug.line, text.find(fmt::format("void {}(", bug.kernel)));
    found = found == std::string::npos ? text.find(bug.line) : found;
    ASSERT_NE(found, std::string::npos);
    line = lineAt(text, found);
  }

  std::string message;
  auto library = Library::compile(text, {.name = good.file});
  if (!library) {
    message = library.message();
  } else {
    Case launch = good.launch();
    launch.kernel = bug.kernel;
    if (bug.change)
      bug.change(launch);
    Status status = runCase(*library, launch, {.timeLimit = 1});
    ASSERT_FALSE(status.ok()) << "not found";
    message = status.error().message;
  }
  EXPECT_NE(message.find(bug.rule), std::string::npos) << message;
  EXPECT_TRUE(message.starts_with(fmt::format("{}:{}: error: ", good.file, line)))
      << "line " << line << ": " << message;
  EXPECT_TRUE(message.find("kernel ") != std::string::npos || message.find("function ") != std::string::npos ||
              bug.line == std::string_view("#include"))
      << message;
  EXPECT_EQ(message.find("/tmp"), std::string::npos) << message;
  EXPECT_EQ(message.find("__msl"), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(Seeded, Bugs, testing::ValuesIn(kBugs),
                         [](const testing::TestParamInfo<Bug> &info) { return std::string(info.param.name); });

class Good : public testing::TestWithParam<GoodCase> {};

TEST_P(Good, isAccepted) {
  const GoodCase &good = GetParam();
  auto library = Library::compile(caseText(good.file), {.name = good.file});
  ASSERT_TRUE(library.ok()) << library.message();
  Case launch = good.launch();
  launch.kernel = good.kernel;
  Status status = runCase(*library, launch);
  EXPECT_TRUE(status.ok()) << status.error().message;
}

/// The fast build gives the checked build's bits, on one host thread and on several.
TEST_P(Good, isTheSameFast) {
  const GoodCase &good = GetParam();
  Case launch = good.launch();
  std::vector<std::vector<char>> results;
  for (bool checked : {true, false}) {
    auto library = Library::compile(caseText(good.file), {.name = good.file, .checked = checked});
    ASSERT_TRUE(library.ok()) << library.message();
    for (int threads : {1, 3}) {
      auto buffers = launch.buffers;
      Launch l;
      l.threadgroups = launch.threadgroups;
      l.threadsPerThreadgroup = launch.threadsPerThreadgroup;
      l.hostThreads = threads;
      for (auto &[index, bytes] : buffers)
        l.buffers.push_back({index, bytes.data(), bytes.size()});
      for (auto [index, bytes] : launch.threadgroupMemory)
        l.threadgroupMemory.push_back({index, bytes});
      Status status = library->run(good.kernel, l);
      ASSERT_TRUE(status.ok()) << status.error().message;
      results.push_back(buffers.at(launch.expected.begin()->first));
    }
  }
  for (size_t i = 1; i < results.size(); ++i)
    EXPECT_EQ(results[0], results[i]) << (i < 2 ? "checked" : "fast") << ", several host threads: " << i % 2;
  const Expectation &want = launch.expected.begin()->second;
  for (size_t i = 0; i < want.values.size() / bytesOf(want.element); ++i)
    EXPECT_NEAR(elementAt(results[2], want.element, i), elementAt(want.values, want.element, i),
                want.tolerance * (1 + std::abs(elementAt(want.values, want.element, i))));
}

INSTANTIATE_TEST_SUITE_P(Kernels, Good, testing::ValuesIn(goodCases()),
                         [](const testing::TestParamInfo<GoodCase> &info) { return std::string(info.param.kernel); });

} // namespace
