//===- Session.cpp - The step loop ----------------------------------------===//

#include "runtime/Session.h"

#include "runtime/Trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

using namespace tq;

Result<std::unique_ptr<Session>> Session::create(const Package &package, Device &device,
                                                 const SessionOptions &options) {
  const Model &model = package.manifest().model;
  std::unique_ptr<Session> session(new Session(device));
  session->title = package.name();
  session->vocabulary = model.vocab;
  session->limit = options.context ? options.context : model.context;
  session->trace = options.trace;
  session->cancel = options.cancel;
  if (session->limit < 1 || session->limit > model.context)
    return Error{fmt::format("{}: cannot serve a context of {} tokens; the package allows 1 to {}", package.name(),
                             session->limit, model.context)};
  TQ_TRY_ASSIGN(session->states,
                States::create(package.manifest().states, session->limit, device, options.shufflePages));
  session->memory.states = session->states.pools();
  session->memory.pageTable = session->states.pageTable();
  TQ_TRY(session->load(package));

  int64_t largest = session->entries.back().entry->max_tokens;
  session->chunkTokens = options.chunk ? options.chunk : largest;
  if (session->chunkTokens < 1 || session->chunkTokens > largest)
    return Error{fmt::format("{}: cannot take chunks of {} tokens; the package "
                             "allows 1 to {}",
                             package.name(), session->chunkTokens, largest)};
  return session;
}

/// Binds every entry point that turns ids into logits, all to one arena.
Status Session::load(const Package &package) {
  const Target &target = device.target();
  uint64_t arenaBytes = 0;
  for (const Entry &entry : target.entries)
    arenaBytes = std::max(arenaBytes, entry.arena_bytes);
  TQ_TRY_ASSIGN(memory.arena, device.allocate(arenaBytes));
  for (size_t i = 0; i < target.entries.size(); ++i) {
    const Entry &entry = target.entries[i];
    auto ids = std::ranges::find(entry.inputs, "ids", &Port::name);
    auto logits = std::ranges::find(entry.outputs, "logits", &Port::name);
    auto positions = std::ranges::find(entry.inputs, "pos", &Port::name);
    if (ids == entry.inputs.end() || logits == entry.outputs.end() || entry.max_out < 1)
      continue;
    TQ_TRY_ASSIGN(int handle, device.load(i, memory));
    auto words = [&](const Port &port) { return reinterpret_cast<int32_t *>(memory.arena.data + port.offset); };
    entries.push_back({&entry, handle, words(*ids), positions != entry.inputs.end() ? words(*positions) : nullptr,
                       memory.arena.data + logits->offset, logits->row_stride});
  }
  if (entries.empty())
    return Error{fmt::format("{}: target {} has no entry point from token ids "
                             "to logits",
                             package.name(), target.name)};
  std::ranges::sort(entries, {}, [](const LoadedEntry &loaded) { return loaded.entry->max_tokens; });
  return Status();
}

const Session::LoadedEntry &Session::pick(int64_t tokens) const {
  for (const LoadedEntry &loaded : entries)
    if (tokens <= loaded.entry->max_tokens)
      return loaded;
  return entries.back();
}

const Entry &Session::entryFor(int64_t tokens) const { return *pick(tokens).entry; }

uint64_t Session::tokenWeightBytes() const {
  const std::vector<Step> &steps = entryFor(1).steps;
  return std::accumulate(steps.begin(), steps.end(), uint64_t(0),
                         [](uint64_t bytes, const Step &step) { return bytes + step.weight_bytes; });
}

/// How many of the `remaining` tokens to take now, when the logits of the last
/// `rows` of them are wanted: as many as one entry point has rows for.
int64_t Session::stepTokens(int64_t remaining, int64_t rows) const {
  for (int64_t tokens = std::min(remaining, chunkTokens); tokens > 1; --tokens) {
    int64_t wanted = std::clamp<int64_t>(tokens + rows - remaining, 0, tokens);
    if (wanted <= pick(tokens).entry->max_out)
      return tokens;
  }
  return 1;
}

Status Session::feed(std::span<const int32_t> tokens, size_t rows, const RowSink &sink) {
  if (tokens.size() > static_cast<size_t>(limit - fed))
    return Error{fmt::format("{}: {} tokens after {} do not fit a context of "
                             "{}",
                             title, tokens.size(), fed, limit)};
  for (int32_t token : tokens)
    if (token < 0 || token >= vocabulary)
      return Error{fmt::format("{}: token {} is not in the vocabulary of {}", title, token, vocabulary)};
  rows = std::min(rows, tokens.size());

  for (size_t done = 0; done < tokens.size();) {
    if (cancel && cancel->load(std::memory_order_relaxed))
      return Error{kInterrupted};
    auto remaining = static_cast<int64_t>(tokens.size() - done);
    int64_t count = stepTokens(remaining, static_cast<int64_t>(rows));
    int64_t wanted = std::clamp<int64_t>(count + static_cast<int64_t>(rows) - remaining, 0, count);
    const LoadedEntry &loaded = pick(count);
    states.resize(fed + count);
    std::copy_n(tokens.begin() + done, count, loaded.ids);
    if (loaded.positions)
      std::iota(loaded.positions, loaded.positions + count, int32_t(position()));
    const int32_t params[kParamCount] = {static_cast<int32_t>(count), static_cast<int32_t>(fed),
                                         static_cast<int32_t>(wanted)};
    TQ_TRY(device.run(loaded.handle, params, trace));
    fed += count;
    done += count;
    for (int64_t row = 0; row < wanted; ++row) {
      auto *first = reinterpret_cast<const float *>(loaded.logits + row * loaded.rowStride);
      lastLogits = {first, static_cast<size_t>(vocabulary)};
      if (sink)
        sink(done - wanted + row, lastLogits);
    }
  }
  return Status();
}

void Session::rewind(int64_t position) {
  fed = std::clamp<int64_t>(position, 0, fed);
  states.resize(fed);
  lastLogits = {};
}
