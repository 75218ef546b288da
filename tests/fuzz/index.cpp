//===- index.cpp - Any text as model.safetensors.index.json ----------------===//

#include "models/formats/SafetensorsSet.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  auto map = tq::parseWeightMap(text, "model.safetensors.index.json");
  if (!map.ok()) {
    if (map.message().empty() || map.message().find('\n') != std::string::npos)
      std::abort();
    return 0;
  }
  for (const auto &[tensor, file] : *map)
    if (file.empty() || file.find('/') != std::string::npos)
      std::abort(); // would reach out of the checkpoint's directory
  return 0;
}
