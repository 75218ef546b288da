//===- Generate.h - Prompt in, text out -------------------------*- C++ -*-===//

#ifndef TQ_RUNTIME_GENERATE_H
#define TQ_RUNTIME_GENERATE_H

#include "runtime/LogitsWriter.h"
#include "runtime/PackageText.h"
#include "runtime/Sampler.h"
#include "runtime/Session.h"

#include <functional>
#include <string>
#include <vector>

namespace tq {

struct GenerateOptions {
  int64_t maxTokens = -1;         ///< -1: until the context is full
  std::vector<int32_t> endTokens; ///< none if they are to be ignored
  std::vector<std::string> stops; ///< need text
};

enum class Ending { EndToken, StopString, MaxTokens, Context, Interrupted, Closed };

struct Generated {
  std::vector<int32_t> tokens; ///< generated, an end token included
  std::string text;            ///< what was shown
  Ending ending = Ending::MaxTokens;
  int64_t promptTokens = 0;
  double promptSeconds = 0;
  int64_t steps = 0;       ///< generated tokens that were fed again
  double seconds = 0;      ///< from the first generated token to the last
  uint32_t logitsHash = 0; ///< of every row that a token was chosen from
};

/// Shows a piece of text; false if nobody reads any more.
using ShowText = std::function<Result<bool>(const std::string &piece)>;

/// Feeds the prompt, then token after token. `text` and `writer` may be null.
Result<Generated> generate(Session &session, Sampler &sampler, std::span<const int32_t> prompt,
                           const GenerateOptions &options, PackageText *text, LogitsWriter *writer,
                           const ShowText &show);

/// "length", "stop", ... for --json.
const char *endingName(Ending ending);

/// The closing line: "128 tokens: 45.2 tok/s; 22.1 ms/tok; 172 GB/s; #1a2b3c4d".
std::string closingLine(const Generated &generated, const Session &session);
/// Generated tokens per second; of the prompt alone if none was fed again.
double tokensPerSecond(const Generated &generated);

} // namespace tq

#endif // TQ_RUNTIME_GENERATE_H
