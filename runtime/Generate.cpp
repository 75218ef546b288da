//===- Generate.cpp - Prompt in, text out ---------------------------------===//

#include "runtime/Generate.h"

#include "runtime/StopFilter.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>

using namespace tq;

namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

/// One generation: what generate() does, step by step.
class Generation {
public:
  Generation(Session &session, Sampler &sampler, const GenerateOptions &options, PackageText *text,
             LogitsWriter *writer, const ShowText &show)
      : session(session), sampler(sampler), options(options), text(text), writer(writer), show(show),
        filter(options.stops) {}

  Result<Generated> run(std::span<const int32_t> prompt) {
    TQ_TRY_ASSIGN(bool fed, feedPrompt(prompt));
    if (fed)
      TQ_TRY(feedOwn());
    if (text) {
      // What the stream and the filter still hold; nothing after a stop string.
      TQ_TRY_ASSIGN(std::string rest, text->flush());
      rest = filter.push(rest);
      TQ_TRY(shown(rest + filter.flush()));
    }
    return std::move(result);
  }

private:
  /// False if interrupted, or if no token is wanted.
  Result<bool> feedPrompt(std::span<const int32_t> prompt) {
    result.promptTokens = static_cast<int64_t>(prompt.size());
    auto begin = Clock::now();
    Session::RowSink sink;
    if (writer)
      sink = [&](size_t, std::span<const float> row) { writer->add(row); };
    Status status = session.feed(prompt, writer ? prompt.size() : 1, sink);
    if (!status) {
      if (status.message() != kInterrupted)
        return status.error();
      result.ending = Ending::Interrupted;
      return false;
    }
    result.promptSeconds = seconds(begin);
    for (int32_t token : prompt)
      sampler.accept(token);
    return options.maxTokens != 0;
  }

  /// Samples and feeds until something ends it.
  Status feedOwn() {
    auto begin = Clock::now();
    // An end token or the last wanted one is not fed: nobody reads its logits.
    while (true) {
      std::span<const float> logits = session.logits();
      result.logitsHash = XXH32(logits.data(), logits.size_bytes(), result.logitsHash);
      int32_t token = sampler.sample(logits);
      result.tokens.push_back(token);
      result.seconds = seconds(begin);
      TQ_TRY_ASSIGN(bool goOn, take(token));
      if (!goOn)
        return Status();
      sampler.accept(token);
      Status status = session.feed({&token, 1});
      if (!status) {
        if (status.message() != kInterrupted)
          return status.error();
        result.ending = Ending::Interrupted;
        return Status();
      }
      ++result.steps;
      if (writer)
        writer->add(session.logits());
    }
  }

  /// Shows a token; false if it was the last.
  Result<bool> take(int32_t token) {
    auto end = [&](Ending ending) {
      result.ending = ending;
      return false;
    };
    if (std::ranges::find(options.endTokens, token) != options.endTokens.end())
      return end(Ending::EndToken);
    if (text) {
      TQ_TRY_ASSIGN(std::string piece, text->push(token));
      TQ_TRY_ASSIGN(bool heard, shown(filter.push(piece)));
      if (!heard)
        return end(Ending::Closed);
      if (filter.stopped())
        return end(Ending::StopString);
    }
    if (options.maxTokens >= 0 && static_cast<int64_t>(result.tokens.size()) >= options.maxTokens)
      return end(Ending::MaxTokens);
    if (session.position() == session.context())
      return end(Ending::Context);
    return true;
  }

  Result<bool> shown(const std::string &piece) {
    result.text += piece;
    if (piece.empty() || !show)
      return true;
    return show(piece);
  }

  Session &session;
  Sampler &sampler;
  const GenerateOptions &options;
  PackageText *text;
  LogitsWriter *writer;
  const ShowText &show;
  StopFilter filter;
  Generated result;
};

} // namespace

Result<Generated> tq::generate(Session &session, Sampler &sampler, std::span<const int32_t> prompt,
                               const GenerateOptions &options, PackageText *text, LogitsWriter *writer,
                               const ShowText &show) {
  return Generation(session, sampler, options, text, writer, show).run(prompt);
}

const char *tq::endingName(Ending ending) {
  switch (ending) {
  case Ending::EndToken:
    return "end";
  case Ending::StopString:
    return "stop";
  case Ending::MaxTokens:
    return "length";
  case Ending::Context:
    return "context";
  case Ending::Interrupted:
    return "interrupted";
  case Ending::Closed:
    return "closed";
  }
  return "";
}

double tq::tokensPerSecond(const Generated &generated) {
  if (generated.steps > 0 && generated.seconds > 0)
    return double(generated.steps) / generated.seconds;
  return generated.promptSeconds > 0 ? double(generated.promptTokens) / generated.promptSeconds : 0;
}

std::string tq::closingLine(const Generated &generated, const Session &session) {
  double rate = tokensPerSecond(generated);
  // Of a prompt the weights are read once for each chunk: no figure.
  double read = generated.steps > 0 ? double(session.tokenWeightBytes()) * rate / 1e9 : 0;
  return fmt::format("{} token{}: {:.1f} tok/s; {:.1f} ms/tok; {:.3g} GB/s; "
                     "#{:08x}",
                     generated.tokens.size(), generated.tokens.size() == 1 ? "" : "s", rate, rate > 0 ? 1e3 / rate : 0,
                     read, generated.logitsHash);
}
