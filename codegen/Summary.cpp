//===- Summary.cpp - What tq-compile says at the end ----------------------===//

#include "codegen/Summary.h"
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

namespace tq {

Footprint footprintOf(const Manifest &manifest) {
  Footprint f;
  for (const Section &section : manifest.sections)
    f.weights += section.bytes;
  for (const State &state : manifest.states)
    f.state += state.page_bytes * uint64_t((manifest.model.context + state.page_tokens - 1) / state.page_tokens);
  if (!manifest.targets.empty())
    for (const Entry &entry : manifest.targets.front().entries)
      f.activations = std::max(f.activations, entry.arena_bytes + entry.scratch_bytes);
  return f;
}

uint64_t availableMemory() {
  std::ifstream in("/proc/meminfo");
  for (std::string key; in >> key;) {
    uint64_t kilobytes = 0;
    std::string unit;
    in >> kilobytes >> unit;
    if (key == "MemAvailable:")
      return kilobytes * 1024;
  }
  return UINT64_MAX; // no such file: do not claim that it does not fit
}

std::string bytesText(uint64_t bytes) {
  double value = double(bytes);
  for (const char *unit : {"B", "kB", "MB", "GB"}) {
    if (value < 999.5)
      return fmt::format("{:.{}f} {}", value, value < 9.95 && *unit != 'B' ? 1 : 0, unit);
    value /= 1000;
  }
  return fmt::format("{:.1f} TB", value);
}

namespace {
struct Role {
  uint64_t bytes = 0, weights = 0;
};

/// Bytes and numbers of weights by role; a weight's planes count together.
std::map<std::string, Role> rolesOf(const CompileSummary &summary) {
  std::map<std::string, Role> roles;
  for (const Section &section : summary.manifest.sections)
    roles[section.role].bytes += section.bytes;
  for (auto &[role, count] : summary.weightsByRole)
    if (roles.contains(role))
      roles[role].weights = count;
  return roles;
}

/// A rough answer to "how much smaller would tq4 be": 4.25 bits for what is now float in the linear layers.
uint64_t tq4Bytes(const CompileSummary &summary) {
  uint64_t bytes = 0;
  for (auto &[role, entry] : rolesOf(summary))
    bytes += role == "attention" || role == "mlp" || role == "head" ? entry.weights * 17 / 32 : entry.bytes;
  return bytes;
}
} // namespace

std::string summaryText(const CompileSummary &summary, const Footprint &footprint, const CompileOptions &options,
                        double seconds, bool plan, bool fits) {
  const Manifest &m = summary.manifest;
  std::string text =
      fmt::format("{}: {} {}, {:.2f} M parameters, {} kernels\n", plan ? options.model : options.package.output,
                  m.model.type, m.model.source, double(m.model.parameters) / 1e6, summary.kernels);
  for (auto &[role, entry] : rolesOf(summary))
    text += entry.weights ? fmt::format("  {:<10} {:>8}  {:5.2f} bits per weight\n", role, bytesText(entry.bytes),
                                        8.0 * double(entry.bytes) / double(entry.weights))
                          : fmt::format("  {:<10} {:>8}\n", role, bytesText(entry.bytes));
  text += fmt::format("  package    {:>8}  (checkpoint {})\n", bytesText(footprint.weights),
                      bytesText(summary.checkpointBytes));
  text += fmt::format("  memory     {:>8}  at context {}: weights {}, state {}, activations {}\n",
                      bytesText(footprint.total()), m.model.context, bytesText(footprint.weights),
                      bytesText(footprint.state), bytesText(footprint.activations));
  if (plan)
    text += fits ? "  fits this machine\n"
                 : fmt::format("  does not fit this machine: {} are available; try fewer bits or a shorter --context\n",
                               bytesText(availableMemory()));
  if (summary.floatOnly && options.pipeline.weights.weights == "keep")
    text += fmt::format("  weights are kept as floats; --weights=tq4 would make {} of {}\n",
                        bytesText(tq4Bytes(summary)), bytesText(footprint.weights));
  if (!plan)
    text += fmt::format("  {:.1f} s\n", seconds);
  return text;
}

std::string summaryJson(const CompileSummary &summary, const Footprint &footprint, double seconds, bool plan,
                        bool fits) {
  nlohmann::ordered_json j;
  const Manifest &m = summary.manifest;
  j["model_type"] = m.model.type;
  j["parameters"] = m.model.parameters;
  j["kernels"] = summary.kernels;
  for (auto &[role, entry] : rolesOf(summary)) {
    j["roles"][role]["bytes"] = entry.bytes;
    if (entry.weights)
      j["roles"][role]["bits_per_weight"] = 8.0 * double(entry.bytes) / double(entry.weights);
  }
  j["package_bytes"] = footprint.weights;
  j["checkpoint_bytes"] = summary.checkpointBytes;
  j["context"] = m.model.context;
  j["memory"] = {{"weights", footprint.weights},
                 {"state", footprint.state},
                 {"activations", footprint.activations},
                 {"total", footprint.total()},
                 {"available", availableMemory()}};
  if (plan)
    j["fits"] = fits;
  else
    j["seconds"] = seconds;
  return j.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

} // namespace tq
