//===- ManifestWriter.cpp - A manifest to JSON ----------------------------===//

#include "runtime/Manifest.h"
#include "runtime/ManifestText.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <xxhash.h>

using namespace tq;
using json = nlohmann::ordered_json;

namespace {

json writeExpr(const Expr &expr) {
  switch (expr.op) {
  case Expr::Op::Constant:
    return expr.value;
  case Expr::Op::Param:
    return kParamNames[expr.value];
  case Expr::Op::Add:
  case Expr::Op::Mul:
  case Expr::Op::CeilDiv:
    break;
  }
  const char *name = expr.op == Expr::Op::Add ? "add" : expr.op == Expr::Op::Mul ? "mul" : "ceildiv";
  return json::array({name, writeExpr(expr.args[0]), writeExpr(expr.args[1])});
}

json writeBinding(const Binding &binding) {
  switch (binding.kind) {
  case Binding::Kind::Arena:
    return {{"arena", binding.offset}, {"bytes", binding.bytes}};
  case Binding::Kind::Section:
    return {{"section", binding.offset}};
  case Binding::Kind::State:
    return {{"state", binding.offset}};
  case Binding::Kind::PageTable:
    break;
  }
  return {{"page_table", true}};
}

json writeStep(const Step &step) {
  json bindings = json::array();
  for (const Binding &binding : step.bindings)
    bindings.push_back(writeBinding(binding));
  json result = {{"kernel", step.kernel},
                 {"label", step.label},
                 {"tasks", writeExpr(step.tasks)},
                 {"grain", step.grain},
                 {"barrier", step.barrier},
                 {"bindings", std::move(bindings)},
                 {"weight_bytes", step.weight_bytes},
                 {"flops_per_token", step.flops_per_token}};
  if (step.simdgroups)
    result["simdgroups"] = step.simdgroups;
  return result;
}

json writePorts(const std::vector<Port> &ports) {
  json result = json::array();
  for (const Port &port : ports)
    result.push_back(
        {{"name", port.name}, {"offset", port.offset}, {"bytes", port.bytes}, {"row_stride", port.row_stride}});
  return result;
}

json writeEntry(const Entry &entry) {
  json steps = json::array();
  for (const Step &step : entry.steps)
    steps.push_back(writeStep(step));
  return {{"name", entry.name},
          {"max_tokens", entry.max_tokens},
          {"max_out", entry.max_out},
          {"arena_bytes", entry.arena_bytes},
          {"scratch_bytes", entry.scratch_bytes},
          {"inputs", writePorts(entry.inputs)},
          {"outputs", writePorts(entry.outputs)},
          {"steps", std::move(steps)}};
}

json writeTarget(const Target &target) {
  json entries = json::array();
  for (const Entry &entry : target.entries)
    entries.push_back(writeEntry(entry));
  return {{"name", target.name},       {"device", target.device},           {"features", target.features},
          {"library", target.library}, {"activations", target.activations}, {"entries", std::move(entries)}};
}

json writeManifest(const Manifest &manifest) {
  const Model &model = manifest.model;
  json sections = json::array(), files = json::array(), states = json::array(), targets = json::array();
  for (const Section &section : manifest.sections)
    sections.push_back({{"name", section.name},
                        {"file", section.file},
                        {"offset", section.offset},
                        {"bytes", section.bytes},
                        {"hash", section.hash},
                        {"role", section.role}});
  for (const File &file : manifest.files)
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"hash", file.hash}});
  for (const State &state : manifest.states)
    states.push_back({{"name", state.name}, {"page_tokens", state.page_tokens}, {"page_bytes", state.page_bytes}});
  for (const Target &target : manifest.targets)
    targets.push_back(writeTarget(target));
  return {{"version", manifest.version},
          {"producer", manifest.producer},
          {"model",
           {{"type", model.type},
            {"source", model.source},
            {"vocab", model.vocab},
            {"hidden", model.hidden},
            {"layers", model.layers},
            {"context", model.context},
            {"parameters", model.parameters},
            {"bos", model.bos},
            {"eos", model.eos},
            {"generation", json(model.generation)}}},
          {"sections", std::move(sections)},
          {"files", std::move(files)},
          {"states", std::move(states)},
          {"targets", std::move(targets)}};
}

/// Arrays of objects get a line for each element, so that a diff or a grep for
/// a step's label shows that step; all else stays on the line.
void print(const json &value, std::string &out) {
  bool first = true;
  auto comma = [&](const char *text) {
    out += first ? "" : text;
    first = false;
  };
  if (value.is_object()) {
    out += '{';
    for (const auto &[key, element] : value.items()) {
      comma(", ");
      out += json(key).dump() + ": ";
      if (key == "bindings")
        out += element.dump();
      else
        print(element, out);
    }
    out += '}';
  } else if (value.is_array() && !value.empty() && value[0].is_object()) {
    out += '[';
    for (const json &element : value) {
      comma(",");
      out += '\n';
      print(element, out);
    }
    out += ']';
  } else {
    out += value.dump(-1, ' ', false, json::error_handler_t::replace);
  }
}

} // namespace

std::string tq::hashText(uint64_t hash) { return fmt::format("{:016x}", hash); }

std::string tq::hashBytes(std::span<const std::byte> bytes) {
  return hashText(XXH3_64bits(bytes.data(), bytes.size()));
}

std::string tq::printManifest(const Manifest &manifest) {
  std::string body;
  print(writeManifest(manifest), body);
  // The hash covers what follows its digits: the quote and the comma too.
  body = "\",\n" + body.substr(1) + "\n";
  std::string hash = hashText(XXH3_64bits(body.data(), body.size()));
  return std::string(kHashPrefix) + hash + body;
}
