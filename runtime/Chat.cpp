//===- Chat.cpp - A conversation on the terminal --------------------------===//

#include "runtime/Chat.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <unistd.h>

using namespace tq;
using json = nlohmann::ordered_json;

namespace {

/// A line of standard input without its end; none at the end of input or on
/// Ctrl-C, which ends the read.
class LineReader {
public:
  std::optional<std::string> next() {
    while (true) {
      size_t end = pending.find('\n');
      if (end != std::string::npos) {
        std::string line = pending.substr(0, end);
        pending.erase(0, end + 1);
        return line;
      }
      char buffer[4096];
      ssize_t count = read(STDIN_FILENO, buffer, sizeof(buffer));
      if (count < 0 && errno == EINTR && !interrupted())
        continue;
      if (count <= 0) {
        if (pending.empty() || interrupted())
          return std::nullopt;
        return std::exchange(pending, "");
      }
      pending.append(buffer, static_cast<size_t>(count));
    }
  }

private:
  std::string pending;
};

class Conversation {
public:
  Conversation(Session &session, Sampler &sampler, const GenerateOptions &options, PackageText &text,
               StandardOutput &output)
      : session(session), sampler(sampler), options(options), text(text), output(output) {}

  void reset() {
    messages = json::array();
    session.rewind(0);
    fed.clear();
  }

  Result<Generated> answer(const std::string &line) {
    messages.push_back({{"role", "user"}, {"content", line}});
    TQ_TRY_ASSIGN(std::vector<int32_t> prompt, render());
    // The last token is always fed: it gives the logits.
    size_t same = std::ranges::mismatch(fed, prompt).in1 - fed.begin();
    same = std::min(same, prompt.size() - 1);
    if (prompt.size() >= static_cast<size_t>(session.context())) {
      messages.erase(messages.size() - 1);
      return Error{fmt::format("the conversation has {} tokens, which leaves "
                               "no room in a context of {}; /reset begins a "
                               "new one",
                               prompt.size(), session.context())};
    }
    session.rewind(static_cast<int64_t>(same));
    sampler.restart();
    // A new line after every answer, but none after one nobody reads.
    auto show = [&](const std::string &piece) -> Result<bool> {
      TQ_TRY(output.write(piece));
      return !output.closed();
    };
    auto rest = std::span(prompt).subspan(same);
    TQ_TRY_ASSIGN(Generated generated, generate(session, sampler, rest, options, &text, nullptr, show));
    TQ_TRY(output.write("\n"));
    messages.push_back({{"role", "assistant"}, {"content", generated.text}});
    fed = std::move(prompt);
    fed.insert(fed.end(), generated.tokens.begin(), generated.tokens.end());
    // Less if interrupted, or the token that ended it was not fed.
    fed.resize(std::min(fed.size(), static_cast<size_t>(session.position())));
    return generated;
  }

private:
  Result<std::vector<int32_t>> render() const {
    json request = {{"messages", messages}, {"add_generation_prompt", true}};
    TQ_TRY_ASSIGN(std::string rendered,
                  text.applyChatTemplate(request.dump(-1, ' ', false, json::error_handler_t::replace)));
    TQ_TRY_ASSIGN(std::vector<int32_t> prompt, text.encode(rendered, /*special=*/false));
    if (prompt.empty())
      return Error{"the chat template gives no tokens"};
    return prompt;
  }

  Session &session;
  Sampler &sampler;
  const GenerateOptions &options;
  PackageText &text;
  StandardOutput &output;
  json messages = json::array();
  std::vector<int32_t> fed; // what the session holds
};

} // namespace

Status tq::chat(Session &session, Sampler &sampler, const GenerateOptions &options, PackageText &text,
                StandardOutput &output, const std::function<void(const Generated &)> &closing) {
  if (!text.hasChatTemplate())
    return Error{"cannot chat: the package has no chat template; use -p"};
  bool terminal = isatty(STDIN_FILENO) && stderrIsTerminal();
  if (terminal)
    fmt::print(stderr, "Ctrl-C ends an answer, /reset the conversation, Ctrl-D "
                       "the chat\n");
  LineReader lines;
  Conversation conversation(session, sampler, options, text, output);
  while (!output.closed()) {
    if (terminal)
      fmt::print(stderr, "> ");
    std::optional<std::string> line = lines.next();
    if (!line)
      break;
    if (line->empty())
      continue;
    if (*line == "/reset") {
      conversation.reset();
      continue;
    }
    auto generated = conversation.answer(*line);
    if (!generated) {
      // With a person there, a sentence and the next line; a script stops.
      if (!terminal)
        return generated.error();
      printError(generated.message());
      continue;
    }
    closing(*generated);
    clearInterrupt();
  }
  if (terminal)
    fmt::print(stderr, "\n");
  return Status();
}
