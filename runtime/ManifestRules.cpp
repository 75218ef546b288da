//===- ManifestRules.cpp - What a manifest must satisfy -------------------===//
// Every index, offset, size and expression of a manifest, checked once, so that
// Package, HostDevice and Session can use them without a further look.
//===----------------------------------------------------------------------===//

#include "runtime/Manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

using namespace tq;

namespace {

// Far above what a machine has, far below where sums of two overflow.
constexpr uint64_t kMaxBytes = 1ull << 44;
// Tasks are claimed with 32-bit counters.
constexpr int64_t kMaxTasks = 1ll << 30;

int64_t addSaturating(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}
int64_t mulSaturating(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<int64_t>::max() : product;
}
int64_t ceilDiv(int64_t a, int64_t b) { return b <= 0 ? 0 : a / b + (a % b != 0); }

/// Values an expression may take; all are non-negative.
struct Range {
  int64_t low, high;
};

/// False in `divides` if some divisor may be zero.
Range rangeOf(const Expr &expr, std::span<const Range> params, bool &divides) {
  switch (expr.op) {
  case Expr::Op::Constant:
    return {expr.value, expr.value};
  case Expr::Op::Param:
    return params[expr.value];
  default:
    break;
  }
  Range a = rangeOf(expr.args[0], params, divides);
  Range b = rangeOf(expr.args[1], params, divides);
  switch (expr.op) {
  case Expr::Op::Add:
    return {addSaturating(a.low, b.low), addSaturating(a.high, b.high)};
  case Expr::Op::Mul:
    return {mulSaturating(a.low, b.low), mulSaturating(a.high, b.high)};
  default:
    divides &= b.low > 0;
    return {ceilDiv(a.low, b.high), ceilDiv(a.high, std::max<int64_t>(b.low, 1))};
  }
}

bool isWellFormed(const Expr &expr) {
  switch (expr.op) {
  case Expr::Op::Constant:
    return expr.value >= 0 && expr.args.empty();
  case Expr::Op::Param:
    return expr.value >= 0 && expr.value < kParamCount && expr.args.empty();
  default:
    return expr.args.size() == 2 && isWellFormed(expr.args[0]) && isWellFormed(expr.args[1]);
  }
}

bool isHash(const std::string &text) {
  return text.size() == 16 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// True if [offset, offset + bytes) lies within `size`.
bool fits(uint64_t offset, uint64_t bytes, uint64_t size) { return offset <= size && bytes <= size - offset; }

/// Checks one manifest; every function leaves at the first failure.
class Rules {
public:
  Rules(const Manifest &manifest, std::string_view what) : manifest(manifest), what(what) {}

  Status check() {
    TQ_TRY(checkModel());
    TQ_TRY(checkFiles());
    TQ_TRY(checkSections());
    TQ_TRY(checkStates());
    if (manifest.targets.empty())
      return fail("no target");
    for (const Target &target : manifest.targets)
      TQ_TRY(checkTarget(target));
    return Status();
  }

private:
  template <class... Args> Error fail(fmt::format_string<Args...> format, Args &&...args) const {
    return Error{fmt::format("{}: manifest.json is damaged: {}", what,
                             printable(fmt::format(format, std::forward<Args>(args)...)))};
  }

  Status checkModel() const {
    const Model &model = manifest.model;
    if (model.vocab < 1 || model.vocab > (1 << 28))
      return fail("model.vocab is {}", model.vocab);
    if (model.context < 1 || model.context > (1 << 30))
      return fail("model.context is {}", model.context);
    for (const auto *ids : {&model.bos, &model.eos})
      for (int64_t id : *ids)
        if (id < 0 || id >= model.vocab)
          return fail("token {} of a vocabulary of {}", id, model.vocab);
    for (const auto &[key, value] : model.generation)
      if (!std::isfinite(value))
        return fail("model.generation: '{}' is not finite", key);
    return Status();
  }

  Status checkFiles() {
    for (const File &file : manifest.files) {
      if (!isPlainFileName(file.name) || file.name == "manifest.json")
        return fail("'{}' is not the name of a file", file.name);
      if (!fileNames.insert(file.name).second)
        return fail("{} is listed twice", file.name);
      if (!isHash(file.hash))
        return fail("{}: '{}' is not a hash", file.name, file.hash);
      if (file.bytes > kMaxBytes)
        return fail("{}: size {}", file.name, file.bytes);
    }
    return Status();
  }

  Status checkSections() const {
    std::vector<const Section *> order;
    for (const Section &section : manifest.sections) {
      if (!isPlainFileName(section.file) || section.file == "manifest.json" || fileNames.contains(section.file))
        return fail("section {}: '{}' is not the name of a weight file", section.name, section.file);
      if (section.offset % kSectionAlignment)
        return fail("section {}: offset {} is not a multiple of {}", section.name, section.offset, kSectionAlignment);
      if (section.bytes == 0 || !fits(section.offset, section.bytes, kMaxWeightFileBytes))
        return fail("section {}: {} bytes at offset {}, but a weight file has "
                    "at most {}",
                    section.name, section.bytes, section.offset, kMaxWeightFileBytes);
      if (!isHash(section.hash))
        return fail("section {}: '{}' is not a hash", section.name, section.hash);
      order.push_back(&section);
    }
    std::ranges::sort(order, [](const Section *a, const Section *b) {
      return std::tie(a->file, a->offset) < std::tie(b->file, b->offset);
    });
    for (size_t i = 1; i < order.size(); ++i)
      if (order[i - 1]->file == order[i]->file && order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset)
        return fail("sections {} and {} overlap", order[i - 1]->name, order[i]->name);
    return Status();
  }

  Status checkStates() const {
    for (const State &state : manifest.states) {
      if (state.page_tokens < 1 || state.page_bytes < 1)
        return fail("state {}: {} bytes per page of {} tokens", state.name, state.page_bytes, state.page_tokens);
      if (state.page_tokens != manifest.states[0].page_tokens)
        return fail("state {}: pages of {} tokens, but {} has pages of {}", state.name, state.page_tokens,
                    manifest.states[0].name, manifest.states[0].page_tokens);
      uint64_t pages = ceilDiv(manifest.model.context, state.page_tokens);
      if (state.page_bytes % kArenaAlignment || state.page_bytes > kMaxBytes / pages)
        return fail("state {}: pages of {} bytes", state.name, state.page_bytes);
    }
    return Status();
  }

  Status checkTarget(const Target &target) const {
    if (!fileNames.contains(target.library))
      return fail("target {}: library '{}' is not among the files", target.name, target.library);
    if (target.entries.empty())
      return fail("target {}: no entry point", target.name);
    for (const Entry &entry : target.entries) {
      TQ_TRY(checkEntry(target.name + "." + entry.name, entry));
      for (const Step &step : entry.steps)
        if (target.device == "metal" ? step.simdgroups < 1 || step.simdgroups > 32 : step.simdgroups != 0)
          return fail("target {}: kernel {} has {} simdgroups", target.name, step.kernel, step.simdgroups);
    }
    return Status();
  }

  Status checkEntry(const std::string &where, const Entry &entry) const {
    if (entry.max_tokens < 1 || entry.max_tokens > (1 << 20) || entry.max_out < 0 || entry.max_out > entry.max_tokens)
      return fail("{}: {} tokens with {} rows of logits", where, entry.max_tokens, entry.max_out);
    if (entry.arena_bytes > kMaxBytes || entry.scratch_bytes > kMaxBytes)
      return fail("{}: an arena of {} bytes, scratch of {}", where, entry.arena_bytes, entry.scratch_bytes);
    for (const Port &port : entry.inputs) {
      if (port.name != "ids" && port.name != "pos")
        return fail("{}: input '{}' is neither ids nor pos", where, port.name);
      TQ_TRY(checkPort(where + "." + port.name, port, entry, sizeof(int32_t), entry.max_tokens));
    }
    for (const Port &port : entry.outputs) {
      if (port.name != "logits")
        return fail("{}: output '{}' is not logits", where, port.name);
      TQ_TRY(checkLogits(where + "." + port.name, port, entry));
    }
    for (size_t i = 0; i < entry.steps.size(); ++i)
      TQ_TRY(checkStep(fmt::format("{}.steps[{}]", where, i), entry.steps[i], entry));
    return Status();
  }

  Status checkLogits(const std::string &where, const Port &port, const Entry &entry) const {
    uint64_t row = port.row_stride;
    if (row % sizeof(float) || row / sizeof(float) > kMaxBytes || row / sizeof(float) < uint64_t(manifest.model.vocab))
      return fail("{}: rows of {} bytes for {} logits", where, row, manifest.model.vocab);
    return checkPort(where, port, entry, row, entry.max_out);
  }

  Status checkPort(const std::string &where, const Port &port, const Entry &entry, uint64_t row, uint64_t rows) const {
    if (port.offset % kArenaAlignment || !fits(port.offset, port.bytes, entry.arena_bytes) ||
        (rows && port.bytes / rows < row))
      return fail("{}: {} bytes at {} in an arena of {}", where, port.bytes, port.offset, entry.arena_bytes);
    return Status();
  }

  Status checkStep(const std::string &where, const Step &step, const Entry &entry) const {
    if (step.kernel.empty() || step.kernel.find('\0') != std::string::npos)
      return fail("{}: '{}' is not a kernel", where, step.kernel);
    if (step.grain < 1)
      return fail("{}: a grain of {}", where, step.grain);
    if (!isWellFormed(step.tasks))
      return fail("{}: malformed 'tasks'", where);
    const Range params[kParamCount] = {{1, entry.max_tokens}, {0, manifest.model.context}, {0, entry.max_out}};
    bool divides = true;
    Range tasks = rangeOf(step.tasks, params, divides);
    if (!divides)
      return fail("{}: 'tasks' may divide by zero", where);
    if (tasks.high > kMaxTasks)
      return fail("{}: up to {} tasks, at most {} are allowed", where, tasks.high, kMaxTasks);
    for (const Binding &binding : step.bindings)
      TQ_TRY(checkBinding(where, binding, entry));
    return Status();
  }

  Status checkBinding(const std::string &where, const Binding &binding, const Entry &entry) const {
    switch (binding.kind) {
    case Binding::Kind::Arena:
      if (binding.offset % kArenaAlignment || !fits(binding.offset, binding.bytes, entry.arena_bytes))
        return fail("{}: binds {} bytes at {} in an arena of {}", where, binding.bytes, binding.offset,
                    entry.arena_bytes);
      return Status();
    case Binding::Kind::Section:
      if (binding.offset >= manifest.sections.size())
        return fail("{}: binds section {} of {}", where, binding.offset, manifest.sections.size());
      return Status();
    case Binding::Kind::State:
      if (binding.offset >= manifest.states.size())
        return fail("{}: binds state {} of {}", where, binding.offset, manifest.states.size());
      return Status();
    case Binding::Kind::PageTable:
      if (manifest.states.empty())
        return fail("{}: binds a page table, but there is no state", where);
      return Status();
    }
    return Status();
  }

  const Manifest &manifest;
  std::string_view what;
  std::set<std::string> fileNames;
};

} // namespace

Status tq::validateManifest(const Manifest &manifest, std::string_view what) { return Rules(manifest, what).check(); }

int64_t tq::evaluate(const Expr &expr, std::span<const int32_t> params) {
  switch (expr.op) {
  case Expr::Op::Constant:
    return expr.value;
  case Expr::Op::Param:
    return params[expr.value];
  case Expr::Op::Add:
    return addSaturating(evaluate(expr.args[0], params), evaluate(expr.args[1], params));
  case Expr::Op::Mul:
    return mulSaturating(evaluate(expr.args[0], params), evaluate(expr.args[1], params));
  case Expr::Op::CeilDiv:
    return ceilDiv(evaluate(expr.args[0], params), evaluate(expr.args[1], params));
  }
  return 0;
}

bool tq::dependsOn(const Expr &expr, Param param) {
  if (expr.op == Expr::Op::Param)
    return expr.value == static_cast<int64_t>(param);
  return std::ranges::any_of(expr.args, [&](const Expr &arg) { return dependsOn(arg, param); });
}

bool tq::isPlainFileName(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}
