//===- manifest.cpp - Any bytes as a manifest -----------------------------===//
// Whatever reads without an error must print and read again as the same text,
// and every size and expression in it must be safe to use. The hash is not
// checked: it would turn away all that the fuzzer makes.
//===----------------------------------------------------------------------===//

#include "runtime/Manifest.h"

#include <cstdlib>

using namespace tq;

static void require(bool condition) {
  if (!condition)
    abort();
}

/// What the runtime does with an entry point, at its limits.
static void use(const Manifest &manifest, const Entry &entry) {
  for (int32_t tokens : {1, entry.max_tokens})
    for (int64_t pos : {int64_t(0), manifest.model.context - 1})
      for (int32_t out : {0, entry.max_out}) {
        const int32_t params[kParamCount] = {tokens, static_cast<int32_t>(pos), out};
        for (const Step &step : entry.steps) {
          int64_t tasks = evaluate(step.tasks, params);
          require(tasks >= 0 && tasks <= (1 << 30));
        }
      }
  for (const Step &step : entry.steps)
    for (const Binding &binding : step.bindings) {
      if (binding.kind == Binding::Kind::Arena)
        require(binding.offset + binding.bytes <= entry.arena_bytes && binding.offset % kArenaAlignment == 0);
      if (binding.kind == Binding::Kind::Section)
        require(binding.offset < manifest.sections.size());
      if (binding.kind == Binding::Kind::State)
        require(binding.offset < manifest.states.size());
    }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  (void)parseManifest(text, "x.tqpkg");
  auto manifest = parseManifest(text, "x.tqpkg", ManifestHash::Ignore);
  if (!manifest) {
    require(!manifest.message().empty() && manifest.message().find('\n') == std::string::npos);
    return 0;
  }
  std::string printed = printManifest(*manifest);
  auto again = parseManifest(printed, "x.tqpkg");
  require(again.ok());
  require(printManifest(*again) == printed);
  for (const Target &target : manifest->targets)
    for (const Entry &entry : target.entries)
      use(*manifest, entry);
  return 0;
}
