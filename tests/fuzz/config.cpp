//===- config.cpp - Any text as a configuration ----------------------------===//
// Input: config.json and, after a zero byte, generation_config.json.
//===----------------------------------------------------------------------===//

#include "models/Config.h"
#include "models/formats/Json.h"
#include "models/formats/TakeWeights.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>

using namespace tq;

namespace {

/// Whether there is a value; if not, there must be a sentence.
template <class T> bool accepted(const Result<T> &result) {
  if (result.ok())
    return true;
  const std::string &message = result.message();
  if (message.empty() || message.back() == '.' || message.find('\n') != std::string::npos)
    std::abort();
  return false;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  size_t end = std::min(text.find('\0'), text.size());
  auto json = parseJsonObject(text.substr(0, end), "config.json", DuplicateKeys::KeepLast);
  if (!accepted(json))
    return 0;
  nlohmann::json generation = nlohmann::json::object();
  if (end < text.size()) {
    auto parsed = parseJsonObject(text.substr(end + 1), "generation_config.json", DuplicateKeys::KeepLast);
    if (!accepted(parsed))
      return 0;
    generation = *std::move(parsed);
  }
  TensorTable none;
  if (auto format = detectFormat(*json, "config.json"); accepted(format))
    (void)accepted(takeWeights(none, *json, *format, "config.json"));

  auto config = ModelConfig::parse(*json, &generation);
  if (!accepted(config))
    return 0;
  for (float frequency : config->invFreq())
    if (!std::isfinite(frequency))
      std::abort();
  if (!std::isfinite(config->attentionScaling()) || config->heads % config->kvHeads != 0 ||
      config->slidingWindow.size() != static_cast<size_t>(config->layers))
    std::abort();
  return 0;
}
