//===- selftest.cpp - Any bytes as stored outputs -------------------------===//
// Whatever reads without an error must print and read again as the same text,
// with ascending indices and a word for each.
//===----------------------------------------------------------------------===//

#include "runtime/SelfTestFile.h"

#include <cstdlib>

using namespace tq;

static void require(bool condition) {
  if (!condition)
    abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto stored = parseStoredOutputs({reinterpret_cast<const char *>(data), size}, "selftest.json");
  if (!stored) {
    require(!stored.message().empty() && stored.message().find('\n') == std::string::npos);
    return 0;
  }
  for (const StoredKernel &kernel : stored->kernels)
    for (const KernelOutput &output : kernel.outputs) {
      require(!output.at.empty() && output.at.size() == output.words.size());
      for (size_t i = 1; i < output.at.size(); ++i)
        require(output.at[i - 1] < output.at[i]);
    }
  std::string printed = printStoredOutputs(*stored);
  auto again = parseStoredOutputs(printed, "selftest.json");
  require(again.ok());
  require(printStoredOutputs(*again) == printed);
  return 0;
}
