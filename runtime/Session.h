//===- Session.h - The step loop --------------------------------*- C++ -*-===//
// A session is one sequence: tokens go in, rows of logits come out.
//
//   TQ_TRY_ASSIGN(auto session, tq::Session::create(package, *device));
//   TQ_TRY(session->feed(prompt));
//   std::span<const float> logits = session->logits(); // of the last token
//
// A feed is cut into steps; each runs the smallest entry point that takes it.
// After the first token nothing is allocated.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_SESSION_H
#define TQ_RUNTIME_SESSION_H

#include "runtime/Device.h"
#include "runtime/Package.h"
#include "runtime/State.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tq {

/// The message of a feed that was cancelled.
inline constexpr char kInterrupted[] = "interrupted";

struct SessionOptions {
  int64_t context = 0;       ///< positions to serve; 0: the package's
  int64_t chunk = 0;         ///< most tokens per step; 0: the largest entry point's
  uint64_t shufflePages = 0; ///< see States::create
  Trace *trace = nullptr;
  /// Looked at between steps; feed() then returns the Error "interrupted".
  const std::atomic<bool> *cancel = nullptr;
};

class Session {
public:
  static Result<std::unique_ptr<Session>> create(const Package &package, Device &device,
                                                 const SessionOptions &options = {});

  /// Called for each wanted row in order; `token` is its index in the feed.
  using RowSink = std::function<void(size_t token, std::span<const float> logits)>;

  /// Appends tokens to the sequence. `rows`: the logits after this many of the
  /// last tokens are wanted; they go to the sink, and the last also to
  /// logits(). Nothing has been appended if the tokens do not fit or do not
  /// exist; after "interrupted" position() says how many were.
  Status feed(std::span<const int32_t> tokens, size_t rows = 1, const RowSink &sink = {});

  /// The logits after the last token fed; valid until the next feed.
  std::span<const float> logits() const { return lastLogits; }

  /// Tokens in the sequence.
  int64_t position() const { return fed; }
  int64_t context() const { return limit; }
  int64_t chunk() const { return chunkTokens; }
  int64_t vocab() const { return vocabulary; }
  /// Forgets all tokens from `position` on (at most position()).
  void rewind(int64_t position);

  /// The entry point that a step of n tokens runs, for the figures it states.
  const Entry &entryFor(int64_t tokens) const;
  /// Weights that a step of one token reads.
  uint64_t tokenWeightBytes() const;

private:
  struct LoadedEntry {
    const Entry *entry;
    int handle;              // Device::load's
    int32_t *ids;            // i32[max_tokens]
    int32_t *positions;      // i32[max_tokens], null if the entry does not ask for them
    const std::byte *logits; // f32[max_out][row_stride]
    uint64_t rowStride = 0;  // bytes
  };
  explicit Session(Device &device) : device(device) {}
  Status load(const Package &package);
  const LoadedEntry &pick(int64_t tokens) const;
  int64_t stepTokens(int64_t remaining, int64_t rows) const;

  Device &device;
  std::string title; // for messages
  int64_t vocabulary = 0, limit = 0, chunkTokens = 0, fed = 0;
  States states;
  Memory memory;
  std::vector<LoadedEntry> entries; // by max_tokens, ascending
  std::span<const float> lastLogits;
  Trace *trace = nullptr;
  const std::atomic<bool> *cancel = nullptr;
};

} // namespace tq

#endif // TQ_RUNTIME_SESSION_H
