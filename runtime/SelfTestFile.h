//===- SelfTestFile.h - Stored outputs of a package's kernels ---*- C++ -*-===//
// selftest.json, beside the manifest or elsewhere. The manifest does not list
// it: it may be written, replaced or removed at any time.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_SELFTESTFILE_H
#define TQ_RUNTIME_SELFTESTFILE_H

#include "runtime/SelfTest.h"

#include <string_view>

namespace tq {

inline constexpr char kSelfTestFile[] = "selftest.json";
/// Ten thousand kernels' worth.
inline constexpr uint64_t kMaxSelfTestBytes = 64ull << 20;

struct StoredKernel {
  KernelLaunch launch;
  std::vector<KernelOutput> outputs;
};

struct StoredOutputs {
  std::string target, package; ///< its name; packageKey()
  std::string recordedOn;      ///< a device
  std::vector<StoredKernel> kernels;
};

/// Names the target's kernels, launches and weights: outputs of another are not compared. Before planSelfTest().
std::string packageKey(const Package &package, const Target &target);

std::string printStoredOutputs(const StoredOutputs &stored);
/// `what` opens every message: the file's name.
Result<StoredOutputs> parseStoredOutputs(std::string_view text, const std::string &what);

} // namespace tq

#endif // TQ_RUNTIME_SELFTESTFILE_H
