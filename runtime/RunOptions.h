//===- RunOptions.h - The command line of tq-run ----------------*- C++ -*-===//

#ifndef TQ_RUNTIME_RUNOPTIONS_H
#define TQ_RUNTIME_RUNOPTIONS_H

#include "runtime/Bench.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tq {

struct RunOptions {
  std::string package;

  // What to do: exactly one, or text from standard input.
  std::optional<std::string> prompt;
  std::optional<std::vector<int32_t>> tokenIds;
  bool chat = false;
  std::optional<std::string> perplexity; ///< a file
  std::vector<BenchCase> bench;
  bool standardInput = false; ///< none of the above
  bool verifyOnly = false;    ///< none of the above, --verify
  bool metalSelftest = false, metalSelftestRecord = false;

  // Generation; what is not given comes from the package.
  int64_t maxTokens = -1;
  std::optional<double> temperature, topP, minP, repetitionPenalty;
  std::optional<int64_t> topK;
  int64_t repetitionContext = 64, minTokens = 0;
  std::vector<std::string> stops;
  std::optional<uint64_t> seed;
  bool ignoreEos = false, echo = false;

  // The machine.
  std::string device = "host", capture, cpu;
  bool metalEager = false;
  std::string metalArchive; ///< a folder
  std::string selftestFile; ///< "": the package's selftest.json
  int threads = 0;
  int64_t context = 0, chunk = 0, window = 0;
  uint64_t shufflePages = 0;
  bool verify = false;

  // Output.
  bool json = false;
  std::string logits, trace;
};

/// The exit code if the process should end: 0 after --help, 2 after a wrong
/// command line, whose fault has then been named.
std::optional<int> parseRunOptions(int argc, char **argv, RunOptions &options);

} // namespace tq

#endif // TQ_RUNTIME_RUNOPTIONS_H
