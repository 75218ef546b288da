//===- SelfTest.cpp - Every kernel of a package, one by one ---------------===//

#include "runtime/SelfTest.h"

#include "runtime/Manifest.h"
#include "runtime/Random.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

using namespace tq;

namespace {

/// Behind this many positions, so that attention has more than one split of
/// 256 to merge, where the context allows.
constexpr int64_t kPosition = 300;
/// Not a multiple of a tile of 16 or 32 rows.
constexpr int64_t kTokens = 40;
/// Kept of each output: with their indices about 1.5 kB of text.
constexpr size_t kSamples = 128;
/// In proportion to the largest value of the output. Two devices that sum in
/// another order differ by some 1e-6; one wrong term among hundreds by 1e-2.
constexpr double kTolerance = 2e-4;
/// Of f16: two units in the last place.
constexpr double kToleranceF16 = 2e-3;
/// Words that are changed here and not there may be so many: a result may
/// happen to be what lay there before.
constexpr double kMostOtherwiseChanged = 1e-3;

/// A word that is a number of magnitude 0.5 to 2 as f32 and as two f16, since
/// we cannot know how a kernel reads it.
uint32_t anyWord(uint64_t random) {
  auto high = 0x3f00 + uint32_t((random & 0xffff) * 0xc0 >> 16);         // f32: 0.5 to 1.5
  auto low = 0x3800 + uint32_t(((random >> 16) & 0xffff) * 0x600 >> 16); // f16: 0.5 to 1.5
  uint32_t signs = uint32_t(random >> 32) & 0x80008000;
  return (high << 16 | low) | signs;
}

double fromF16(uint16_t bits) {
  int exponent = (bits >> 10) & 31;
  double mantissa = bits & 1023, sign = bits >> 15 ? -1 : 1;
  if (exponent == 31)
    return mantissa != 0 ? std::nan("") : sign * INFINITY;
  return sign * (exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24));
}

/// Halves of f16 have exponents near that of 1, those of a f32 any.
WordType typeOf(const std::vector<uint32_t> &words) {
  size_t halves = 0, integers = 0;
  for (uint32_t word : words) {
    int exponent = (word >> 10) & 31;
    halves += exponent >= 6 && exponent <= 20;
    integers += word < 1u << 23; // f32 would be denormal
  }
  if (integers * 10 > words.size() * 9 && std::ranges::any_of(words, [](uint32_t word) { return word != 0; }))
    return WordType::Integer;
  return words.size() >= 16 && halves * 10 > words.size() * 9 ? WordType::F16Pair : WordType::F32;
}

/// A word's numbers; integers have none.
std::vector<double> numbers(uint32_t word, WordType type) {
  if (type == WordType::F16Pair)
    return {fromF16(uint16_t(word)), fromF16(uint16_t(word >> 16))};
  if (type == WordType::F32)
    return {std::bit_cast<float>(word)};
  return {};
}

bool sameBindings(const Step &a, const Step &b) {
  auto same = [](const Binding &x, const Binding &y) {
    return x.kind == y.kind && x.offset == y.offset && x.bytes == y.bytes;
  };
  return a.label == b.label && std::ranges::equal(a.bindings, b.bindings, same);
}

/// Where the kernels of an entry point first appear.
std::vector<size_t> firstSteps(const Entry &entry) {
  std::vector<size_t> result;
  std::set<std::string> seen;
  for (size_t i = 0; i < entry.steps.size(); ++i)
    if (seen.insert(entry.steps[i].kernel).second)
      result.push_back(i);
  return result;
}

/// The entry points of `target`, cut as `leader` must be. Other arithmetic (int8) has other launches, or other values.
std::vector<Entry> cut(const Target &target, const Target &leader) {
  std::vector<Entry> result;
  for (const Entry &entry : leader.entries)
    for (size_t step : firstSteps(entry)) {
      auto own = std::ranges::find(target.entries, entry.name, &Entry::name);
      bool there = own != target.entries.end() && target.activations == leader.activations &&
                   step < own->steps.size() && sameBindings(own->steps[step], entry.steps[step]);
      Entry &one = result.emplace_back(there ? *own : entry);
      one.steps = there ? std::vector<Step>{own->steps[step]} : std::vector<Step>();
    }
  return result;
}

} // namespace

std::vector<KernelLaunch> tq::planSelfTest(Package &package) {
  const std::vector<Target> targets = package.manifest().targets; // as compiled
  auto leader = std::ranges::find(targets, "metal", &Target::device);
  if (leader == targets.end())
    return {};
  for (size_t i = 0; i < targets.size(); ++i)
    package.replaceEntries(i, cut(targets[i], targets[i].device == "metal" ? targets[i] : *leader));
  std::vector<KernelLaunch> launches;
  for (const Entry &entry : package.manifest().targets[leader - targets.begin()].entries)
    launches.push_back({entry.name, entry.steps[0].kernel, entry.steps[0].label});
  return launches;
}

Result<std::unique_ptr<KernelTest>> KernelTest::create(const Package &package, Device &device) {
  std::unique_ptr<KernelTest> test(new KernelTest(package, device));
  const Manifest &manifest = package.manifest();
  uint64_t arena = 0;
  for (const Entry &entry : device.target().entries)
    arena = std::max(arena, entry.arena_bytes);
  test->context = std::min(manifest.model.context, kPosition + kTokens);
  TQ_TRY_ASSIGN(test->memory.arena, device.allocate(arena));
  // Shuffled: a kernel must go by the page table.
  TQ_TRY_ASSIGN(test->states, States::create(manifest.states, test->context, device, /*shuffleSeed=*/1));
  test->states.resize(test->context);
  test->memory.states = test->states.pools();
  test->memory.pageTable = test->states.pageTable();
  for (size_t i = 0; i < device.target().entries.size(); ++i) {
    TQ_TRY_ASSIGN(int handle, device.load(i, test->memory));
    test->handles.push_back(handle);
  }
  return test;
}

std::span<uint32_t> KernelTest::words(const Binding &binding) const {
  std::span<std::byte> bytes = package.bound(binding, memory);
  return {reinterpret_cast<uint32_t *>(bytes.data()), bytes.size() / sizeof(uint32_t)};
}

/// Ids and positions where the entry point has them, else any values.
void KernelTest::fill(const Binding &binding, uint64_t seed) {
  Random random(seed);
  std::span<uint32_t> target = words(binding);
  for (uint32_t &word : target)
    word = anyWord(random.next());
  auto port = std::ranges::find(entry->inputs, binding.offset, &Port::offset);
  if (binding.kind != Binding::Kind::Arena || port == entry->inputs.end())
    return;
  for (size_t i = 0; i < target.size(); ++i)
    target[i] = port->name == "pos" ? uint32_t(params[int(Param::Pos)] + i)
                                    : uint32_t(random.below(package.manifest().model.vocab));
}

Status KernelTest::run(size_t index) {
  entry = &device.target().entries[index];
  before.clear();
  if (entry->steps.empty())
    return Status();
  int64_t tokens = std::min<int64_t>({entry->max_tokens, kTokens, context});
  if (tokens > 1 && tokens == entry->max_tokens)
    --tokens; // an incomplete tile
  params[int(Param::NTokens)] = int32_t(tokens);
  params[int(Param::Pos)] = int32_t(std::min(kPosition, context - tokens));
  params[int(Param::NOut)] = int32_t(std::min<int64_t>(tokens, entry->max_out));
  const std::vector<Binding> &bindings = entry->steps[0].bindings;
  auto written = [](const Binding &b) { return b.kind == Binding::Kind::Arena || b.kind == Binding::Kind::State; };
  for (size_t i = 0; i < bindings.size(); ++i)
    if (written(bindings[i]))
      fill(bindings[i], index * 64 + i);
  // Only now, since bindings may overlap.
  for (const Binding &binding : bindings) {
    std::span<uint32_t> present = written(binding) ? words(binding) : std::span<uint32_t>();
    before.emplace_back(present.begin(), present.end());
  }
  return launch();
}

Status KernelTest::launch() {
  if (!entry || entry->steps.empty())
    return Status();
  return device.run(handles[entry - device.target().entries.data()], params, &trace);
}

int64_t KernelTest::threadgroups() const { return entry->steps.empty() ? 0 : evaluate(entry->steps[0].tasks, params); }
uint64_t KernelTest::weightBytes() const { return entry->steps.empty() ? 0 : entry->steps[0].weight_bytes; }

std::vector<KernelOutput> KernelTest::sample() const {
  std::vector<KernelOutput> outputs;
  for (size_t b = 0; b < before.size(); ++b) {
    if (before[b].empty())
      continue;
    std::span<const uint32_t> now = words(entry->steps[0].bindings[b]);
    std::vector<uint64_t> changed;
    for (size_t i = 0; i < before[b].size(); ++i)
      if (now[i] != before[b][i])
        changed.push_back(i);
    if (changed.empty())
      continue;
    KernelOutput &output = outputs.emplace_back();
    output.binding = int(b);
    output.changed = changed.size();
    // One from each of so many equal parts, the first and the last word among them.
    Random random(b);
    size_t count = std::min(kSamples, changed.size());
    for (size_t s = 0; s < count; ++s) {
      size_t begin = s * changed.size() / count, end = (s + 1) * changed.size() / count;
      size_t pick = s == 0 ? 0 : s + 1 == count ? changed.size() - 1 : begin + random.below(end - begin);
      output.at.push_back(changed[pick]);
      output.words.push_back(now[changed[pick]]);
    }
    output.type = typeOf(output.words);
  }
  return outputs;
}

KernelVerdict KernelTest::compare(const std::vector<KernelOutput> &expected, double slack) const {
  KernelVerdict verdict;
  double worst = -1;
  auto fail = [&](std::string reason) {
    verdict.ok = false;
    if (verdict.reason.empty())
      verdict.reason = std::move(reason);
  };
  std::set<int> known;
  for (const KernelOutput &output : expected) {
    known.insert(output.binding);
    size_t count = size_t(output.binding) < before.size() ? before[output.binding].size() : 0;
    if (output.at.empty() || output.at.back() >= count) {
      fail(fmt::format("binding {} has {} words, fewer than stored", output.binding, count));
      continue;
    }
    const std::vector<uint32_t> &old = before[output.binding];
    std::span<const uint32_t> now = words(entry->steps[0].bindings[output.binding]);
    uint64_t changed = 0;
    for (size_t i = 0; i < count; ++i)
      changed += now[i] != old[i];
    if (std::abs(double(changed) - double(output.changed)) > kMostOtherwiseChanged * double(output.changed))
      fail(fmt::format("binding {}: {} words were written, but {} should be", output.binding, changed, output.changed));

    double largest = 0, difference = 0;
    for (size_t i = 0; i < output.at.size(); ++i) {
      std::vector<double> want = numbers(output.words[i], output.type), got = numbers(now[output.at[i]], output.type);
      for (double number : want)
        if (std::isfinite(number))
          largest = std::max(largest, std::abs(number));
      if (output.words[i] == now[output.at[i]])
        continue;
      if (want.empty())
        difference = INFINITY;
      for (size_t n = 0; n < want.size(); ++n) {
        double here = got[n] == want[n] ? 0 : std::abs(got[n] - want[n]);
        difference = std::isfinite(here) ? std::max(difference, here) : INFINITY;
      }
    }
    double tolerance = slack * (output.type == WordType::F16Pair ? kToleranceF16 : kTolerance);
    double relative = difference == 0 ? 0 : difference / std::max(largest, 1e-30);
    if (!(relative <= tolerance))
      fail(fmt::format("binding {}: differs by {:.3g}, largest value {:.3g}", output.binding, difference, largest));
    if (relative / tolerance > worst) {
      worst = relative / tolerance;
      verdict.difference = relative;
      verdict.tolerance = tolerance;
    }
  }
  for (size_t b = 0; b < before.size(); ++b)
    if (!before[b].empty() && !known.contains(int(b)) &&
        !std::ranges::equal(before[b], words(entry->steps[0].bindings[b])))
      fail(fmt::format("binding {} was written, but should not be", b));
  return verdict;
}
