//===- SelfTestFile.cpp - Stored outputs of a package's kernels -----------===//
// Indices are stored as differences, words as 8 hex digits each: a third of
// the size of plain JSON, and still text that can be compared.
//===----------------------------------------------------------------------===//

#include "runtime/SelfTestFile.h"

#include "runtime/Manifest.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <optional>

using namespace tq;
using json = nlohmann::ordered_json;

namespace {

/// Of the random values, too: raise it when they change.
constexpr int kVersion = 1;
constexpr const char *kTypes[] = {"f32", "f16", "integer"}; // WordType
constexpr size_t kDigits = 8;

json writeOutput(const KernelOutput &output) {
  json steps = json::array();
  std::string words;
  uint64_t last = 0;
  for (uint64_t at : output.at) {
    steps.push_back(at - last);
    last = at;
  }
  for (uint32_t word : output.words)
    words += fmt::format("{:08x}", word);
  return {{"binding", output.binding},
          {"type", kTypes[int(output.type)]},
          {"changed", output.changed},
          {"at", steps},
          {"words", words}};
}

bool readText(const json &object, const char *key, std::string &text) {
  auto it = object.find(key);
  if (it == object.end() || !it->is_string())
    return false;
  text = it->get<std::string>();
  return true;
}

bool readNumber(const json &value, uint64_t &number) {
  if (!value.is_number_unsigned())
    return false;
  number = value.get<uint64_t>();
  return number < 1ull << 40;
}

bool readOutput(const json &value, KernelOutput &output) {
  std::string type, words;
  uint64_t binding = 0;
  if (!value.is_object() || !readText(value, "type", type) || !readText(value, "words", words) ||
      !value.contains("binding") || !readNumber(value["binding"], binding) || binding > 64 ||
      !value.contains("changed") || !readNumber(value["changed"], output.changed) || !value.contains("at") ||
      !value["at"].is_array() || value["at"].empty() || words.size() != value["at"].size() * kDigits)
    return false;
  output.binding = int(binding);
  const auto *found = std::ranges::find(kTypes, type);
  if (found == std::end(kTypes))
    return false;
  output.type = WordType(found - kTypes);
  uint64_t at = 0, step = 0;
  for (const json &element : value["at"]) {
    if (!readNumber(element, step) || (!output.at.empty() && step == 0) || (at += step) >= 1ull << 40)
      return false;
    output.at.push_back(at);
  }
  for (size_t i = 0; i < words.size(); i += kDigits) {
    uint32_t word = 0;
    auto [rest, error] = std::from_chars(words.data() + i, words.data() + i + kDigits, word, 16);
    if (error != std::errc() || rest != words.data() + i + kDigits)
      return false;
    output.words.push_back(word);
  }
  return true;
}

bool readKernel(const json &value, StoredKernel &kernel) {
  if (!value.is_object() || !readText(value, "entry", kernel.launch.entry) ||
      !readText(value, "kernel", kernel.launch.kernel) || !readText(value, "label", kernel.launch.label) ||
      !value.contains("outputs") || !value["outputs"].is_array())
    return false;
  return std::ranges::all_of(value["outputs"],
                             [&](const json &output) { return readOutput(output, kernel.outputs.emplace_back()); });
}

} // namespace

std::string tq::packageKey(const Package &package, const Target &target) {
  std::string all = target.name;
  for (const File &file : package.manifest().files)
    if (file.name == target.library)
      all += " " + file.hash;
  for (const Section &section : package.manifest().sections)
    all += " " + section.hash;
  // Other launches of the same kernels have other inputs.
  for (const Entry &entry : target.entries) {
    all += fmt::format(" {} {} {}", entry.name, entry.max_tokens, entry.max_out);
    for (const Step &step : entry.steps) {
      all += " " + step.kernel;
      for (const Binding &binding : step.bindings)
        all += fmt::format(" {}:{}:{}", int(binding.kind), binding.offset, binding.bytes);
    }
  }
  all += fmt::format(" {}", package.manifest().model.context);
  return hashBytes(std::as_bytes(std::span(all)));
}

std::string tq::printStoredOutputs(const StoredOutputs &stored) {
  std::string text =
      fmt::format("{{\"version\": {}, \"target\": {}, \"package\": {}, \"recorded_on\": {}, "
                  "\"kernels\": [",
                  kVersion, json(stored.target).dump(), json(stored.package).dump(), json(stored.recordedOn).dump());
  for (size_t i = 0; i < stored.kernels.size(); ++i) {
    const StoredKernel &kernel = stored.kernels[i];
    json outputs = json::array();
    for (const KernelOutput &output : kernel.outputs)
      outputs.push_back(writeOutput(output));
    json line = {{"entry", kernel.launch.entry},
                 {"kernel", kernel.launch.kernel},
                 {"label", kernel.launch.label},
                 {"outputs", outputs}};
    text += (i ? ",\n" : "\n") + line.dump(-1, ' ', false, json::error_handler_t::replace);
  }
  return text + "\n]}\n";
}

Result<StoredOutputs> tq::parseStoredOutputs(std::string_view text, const std::string &what) {
  Error damaged{what + ": is damaged; record it again with tq-run --metal-selftest-record"};
  json root = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  uint64_t version = 0;
  if (!root.is_object() || !root.contains("version") || !readNumber(root["version"], version))
    return damaged;
  if (version != kVersion)
    return Error{fmt::format("{}: has version {}, but this tq-run reads {}; record it again with "
                             "--metal-selftest-record",
                             what, version, kVersion)};
  StoredOutputs stored;
  if (!readText(root, "target", stored.target) || !readText(root, "package", stored.package) ||
      !readText(root, "recorded_on", stored.recordedOn) || !root.contains("kernels") || !root["kernels"].is_array())
    return damaged;
  for (const json &kernel : root["kernels"])
    if (!readKernel(kernel, stored.kernels.emplace_back()))
      return damaged;
  return stored;
}
