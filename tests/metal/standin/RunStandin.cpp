//===- RunStandin.cpp - tq-run as a Mac has it ----------------------------===//
// The program itself, linked with the Metal backend and its stand-in. A broken
// rule of Metal, or an object that leaked, ends it with exit code 3.
//
// Kernels run in the executor's fast build: nobody here knows where in the
// arena a binding ends, which the checked one would hold them to.

#include "tests/metal/standin/Standin.h"

#include <fmt/format.h>

int runMain(int argc, char **argv); // main() of tq-run.cpp

int main(int argc, char **argv) {
  tq::standin::settings().checked = false;
  int code = runMain(argc, argv);
  std::vector<std::string> faults = tq::standin::takeViolations();
  if (std::string leaked = tq::standin::liveObjects(); !leaked.empty())
    faults.push_back("leaked: " + leaked);
  for (const std::string &fault : faults)
    fmt::print(stderr, "stand-in: {}\n", fault);
  return faults.empty() ? code : 3;
}
