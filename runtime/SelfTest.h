//===- SelfTest.h - Every kernel of a package, one by one -------*- C++ -*-===//
// Does a device compute what another one did? Each kernel of each entry point
// is launched once, on memory filled with the same random values everywhere, so
// that one wrong kernel spoils no other's verdict; of what it wrote, a sample
// is kept. Weights are the package's own.
//
//   std::vector<KernelLaunch> launches = planSelfTest(package);  // first, since it cuts the entry points up
//   TQ_TRY_ASSIGN(auto test, KernelTest::create(package, *device));
//   TQ_TRY(test->run(0));
//   std::vector<KernelOutput> outputs = test->sample();  // or
//   KernelVerdict verdict = test->compare(outputs);
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_SELFTEST_H
#define TQ_RUNTIME_SELFTEST_H

#include "runtime/Device.h"
#include "runtime/Package.h"
#include "runtime/State.h"
#include "runtime/Trace.h"

#include <memory>
#include <string>
#include <vector>

namespace tq {

/// What a word of an output holds. Found out from the values, for the launch
/// table does not say.
enum class WordType { F32, F16Pair, Integer };

/// What a launch wrote through one binding.
struct KernelOutput {
  int binding = 0;
  WordType type = WordType::F32;
  uint64_t changed = 0;        ///< words that differ from what lay there before
  std::vector<uint64_t> at;    ///< some of them, ascending: index in the binding
  std::vector<uint32_t> words; ///< and what they are
};

struct KernelLaunch {
  std::string entry, kernel, label;
};

struct KernelVerdict {
  bool ok = true;
  /// Largest difference of the output that is worst, in proportion to its
  /// largest value, and what is allowed there.
  double difference = 0, tolerance = 0;
  std::string reason; ///< why not ok
};

/// Makes every kernel of each entry point of the package's Metal targets, where
/// it first appears, an entry point of its own, and likewise the launches of the
/// host's targets that bind the same; where the host has none, the entry has no
/// step. Returns those of the first Metal target; none: there is no such target.
std::vector<KernelLaunch> planSelfTest(Package &package);

class KernelTest {
public:
  /// `package` after planSelfTest().
  static Result<std::unique_ptr<KernelTest>> create(const Package &package, Device &device);

  /// Fills the memory and launches target().entries[index].
  Status run(size_t index);
  /// The last launch again, without filling the memory.
  Status repeat() { return launch(); }

  // Of the last launch:
  double micros() const { return trace.lastMicros(); }
  int64_t threadgroups() const;
  uint64_t weightBytes() const;
  std::vector<KernelOutput> sample() const;
  /// `slack` multiplies what is allowed.
  KernelVerdict compare(const std::vector<KernelOutput> &expected, double slack = 1) const;

private:
  KernelTest(const Package &package, Device &device) : package(package), device(device) {}
  Status launch();
  void fill(const Binding &binding, uint64_t seed);
  std::span<uint32_t> words(const Binding &binding) const;

  const Package &package;
  Device &device;
  States states;
  Memory memory;
  std::vector<int> handles;
  Trace trace;
  const Entry *entry = nullptr;
  int32_t params[kParamCount] = {};
  int64_t context = 0;
  std::vector<std::vector<uint32_t>> before; // per binding; empty: not for a kernel to write
};

} // namespace tq

#endif // TQ_RUNTIME_SELFTEST_H
