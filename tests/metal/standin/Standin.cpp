//===- Standin.cpp - Settings, counts, broken rules -----------------------===//

#include "tests/metal/standin/Rules.h"

#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

namespace tq::standin {

namespace {
std::mutex mutex;
std::vector<std::string> violations;
Counts counted;
Settings chosen; // NOLINT(bugprone-throwing-static-initialization): a test program

/// selectors.txt: a message and the macOS version that brought it, per line.
std::map<std::string, int, std::less<>> readSelectors() {
  std::map<std::string, int, std::less<>> versions;
  std::ifstream file(TQ_STANDIN_SELECTORS);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string selector;
    double version = 0;
    if (words >> selector >> version && selector[0] != '#')
      versions[selector] = static_cast<int>(version);
  }
  return versions;
}
} // namespace

Settings &settings() { return chosen; }

Counts counts() {
  std::lock_guard lock(mutex);
  return counted;
}

void count(uint64_t Counts::*counter) {
  std::lock_guard lock(mutex);
  ++(counted.*counter);
}

void violation(std::string sentence) {
  std::lock_guard lock(mutex);
  violations.push_back(std::move(sentence));
}

std::vector<std::string> takeViolations() {
  std::lock_guard lock(mutex);
  return std::exchange(violations, {});
}

bool systemHas(const char *selector) {
  static const auto versions = readSelectors();
  auto found = versions.find(selector);
  return found == versions.end() || found->second <= chosen.macos;
}

void reset() {
  forgetCaptures();
  forgetObjects();
  std::lock_guard lock(mutex);
  violations.clear();
  counted = Counts();
  chosen = Settings();
}

} // namespace tq::standin
