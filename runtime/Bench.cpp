//===- Bench.cpp - Tokens per second, and what limits them ----------------===//

#include "runtime/Bench.h"

#include "runtime/Manifest.h"
#include "runtime/Random.h"
#include "runtime/ReadBandwidth.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

using namespace tq;

namespace {

using Clock = std::chrono::steady_clock;

/// The read goes over as much memory as the weights, so that caches help both
/// alike, within these limits.
constexpr uint64_t kLeastReadBytes = 256 << 20, kMostReadBytes = 2ull << 30;
/// Repetitions go on until this much time was spent or that many are done.
constexpr double kEnoughSeconds = 3;
constexpr int kLeastRepeats = 3, kMostRepeats = 30;
/// A part of a tg between two readings of the bandwidth.
constexpr double kPartSeconds = 0.15;

double seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

double median(std::vector<double> values) {
  if (values.empty())
    return 0;
  auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<int32_t> randomTokens(int64_t count, int64_t vocab) {
  Random random(count);
  std::vector<int32_t> tokens(count);
  for (int32_t &token : tokens)
    token = static_cast<int32_t>(random.below(vocab));
  return tokens;
}

/// Floating-point operations of the linear layers for a feed of n tokens with
/// one row of logits: a launch over n_out, such as the head, runs for that row.
double flopsOf(const Session &session, int64_t tokens) {
  double flops = 0;
  for (int64_t left = tokens; left > 0;) {
    int64_t count = std::min(left, session.chunk());
    left -= count;
    for (const Step &step : session.entryFor(count).steps) {
      bool perRow = dependsOn(step.tasks, Param::NOut) && !dependsOn(step.tasks, Param::NTokens);
      flops += double(step.flops_per_token) * double(perRow ? (left == 0 ? 1 : 0) : count);
    }
  }
  return flops;
}

/// Starts the sequence anew with `depth` tokens.
Status fill(Session &session, int64_t depth) {
  session.rewind(0);
  return depth ? session.feed(randomTokens(depth, session.vocab())) : Status();
}

Result<BenchResult> runPrefill(Session &session, const BenchCase &what) {
  std::vector<int32_t> tokens = randomTokens(what.tokens, session.vocab());
  TQ_TRY(fill(session, what.depth));
  std::vector<double> times;
  double spent = 0;
  for (int i = 0; i < kLeastRepeats || (spent < kEnoughSeconds && i < kMostRepeats); ++i) {
    session.rewind(what.depth);
    auto begin = Clock::now();
    TQ_TRY(session.feed(tokens));
    double time = seconds(begin);
    spent += time;
    if (i > 0) // the first touches memory for the first time
      times.push_back(time);
  }
  session.rewind(0);
  BenchResult result;
  result.what = what;
  result.tokensPerSecond = double(what.tokens) / median(times);
  result.gflops = flopsOf(session, what.tokens) / median(times) / 1e9;
  return result;
}

Result<BenchResult> runDecode(Session &session, ReadBandwidth &read, const BenchCase &what) {
  std::vector<int32_t> tokens = randomTokens(what.tokens, session.vocab());
  std::span<const int32_t> all = tokens;
  TQ_TRY(fill(session, what.depth));
  std::vector<double> rates, reads;
  double spent = 0;
  for (int i = 0; i < kLeastRepeats || (spent < kEnoughSeconds && i < kMostRepeats); ++i) {
    session.rewind(what.depth);
    reads.push_back(read.measure());
    double time = 0;
    for (size_t next = 0; next < all.size();) {
      auto begin = Clock::now();
      double part;
      do {
        TQ_TRY(session.feed(all.subspan(next++, 1)));
      } while ((part = seconds(begin)) < kPartSeconds && next < all.size());
      time += part;
      if (next < all.size())
        reads.push_back(read.measure());
    }
    spent += time;
    if (i > 0)
      rates.push_back(double(what.tokens) / time);
  }
  session.rewind(0);
  BenchResult result;
  result.what = what;
  result.tokensPerSecond = median(rates);
  result.weightsGBs = result.tokensPerSecond * double(session.tokenWeightBytes()) / 1e9;
  result.readGBs = median(reads) / 1e9;
  result.bestReadGBs = *std::ranges::max_element(reads) / 1e9;
  return result;
}

bool parseCount(std::string_view digits, int64_t &count) {
  auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  return error == std::errc() && stop == digits.data() + digits.size() && count > 0;
}

} // namespace

Result<std::vector<BenchCase>> tq::parseBench(std::string_view list) {
  std::vector<BenchCase> cases;
  for (size_t begin = 0; begin <= list.size();) {
    size_t end = std::min(list.find(',', begin), list.size());
    std::string_view item = list.substr(begin, end - begin);
    begin = end + 1;
    BenchCase one;
    one.prefill = item.starts_with("pp");
    std::string_view counts = item.substr(std::min<size_t>(2, item.size()));
    size_t at = counts.find('@');
    if (!(one.prefill || item.starts_with("tg")) || !parseCount(counts.substr(0, at), one.tokens) ||
        (at != counts.npos && !parseCount(counts.substr(at + 1), one.depth)))
      return Error{fmt::format("'{}' is no benchmark: pp and a number of "
                               "tokens (a prompt), or tg and one (text), as in "
                               "pp512,tg128; tg32@4096 begins after 4096 tokens",
                               item)};
    cases.push_back(one);
  }
  return cases;
}

Result<std::vector<BenchResult>> tq::runBench(Session &session, Device &device, const std::vector<BenchCase> &cases,
                                              const BenchProgress &progress) {
  for (const BenchCase &what : cases)
    if (uint64_t needed = uint64_t(what.tokens) + uint64_t(what.depth); needed > uint64_t(session.context()))
      return Error{fmt::format(
          "cannot run {}: it needs a context of {}, but this one has {}{}", what.name(), needed, session.context(),
          what.depth ? "" : fmt::format("; try {}{}", what.prefill ? "pp" : "tg", session.context()))};
  std::optional<ReadBandwidth> read;
  std::vector<BenchResult> results;
  for (const BenchCase &what : cases) {
    if (progress)
      progress(what.name());
    if (what.prefill) {
      TQ_TRY_ASSIGN(BenchResult result, runPrefill(session, what));
      results.push_back(result);
      continue;
    }
    if (!read) {
      TQ_TRY_ASSIGN(auto created, ReadBandwidth::create(device.threads(), std::clamp(session.tokenWeightBytes(),
                                                                                     kLeastReadBytes, kMostReadBytes)));
      read.emplace(std::move(created));
    }
    TQ_TRY_ASSIGN(BenchResult result, runDecode(session, *read, what));
    results.push_back(result);
  }
  return results;
}
