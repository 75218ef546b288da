//===- Manifest.cpp - Manifest to JSON and back ---------------------------===//
// JSON to structs and back. The rules that connect the parts (indices, ranges)
// are in ManifestRules.cpp.
//===----------------------------------------------------------------------===//

#include "runtime/Manifest.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <xxhash.h>

#include <cmath>

using namespace tq;
using json = nlohmann::ordered_json;

namespace {

constexpr std::string_view kHashPrefix = "{\"hash\":\"";
constexpr size_t kHashDigits = 16;
constexpr int kMaxDepth = 64;
constexpr int kMaxExprDepth = 16;
constexpr std::array<const char *, kParamCount> kParamNames = {"n_tokens", "pos", "n_out"};

/// The parser keeps a stack per nesting level; nobody needs many.
bool isShallow(std::string_view text) {
  int depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth)
        return false;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return true;
}

/// Reads fields of one JSON object. The first failure is kept; what follows
/// then yields defaults, so that callers test once, at the end.
class Fields {
public:
  Fields(const json &object, std::string where, std::string &failure)
      : object(object), where(std::move(where)), failure(failure) {
    if (!object.is_object())
      fail("expected an object");
  }

  template <class Int> void get(const char *key, Int &out) {
    static_assert(std::is_integral_v<Int>);
    const json *value = require(key);
    if (!value)
      return;
    // JSON integers are stored as unsigned unless negative.
    if (value->is_number_unsigned()) {
      uint64_t number = *value->get_ptr<const uint64_t *>();
      if (std::in_range<Int>(number)) {
        out = static_cast<Int>(number);
        return;
      }
    } else if (value->is_number_integer()) {
      int64_t number = *value->get_ptr<const int64_t *>();
      if (std::in_range<Int>(number)) {
        out = static_cast<Int>(number);
        return;
      }
    }
    fail(fmt::format("'{}' is not an integer in range", key));
  }
  void get(const char *key, bool &out) {
    const json *value = require(key);
    if (!value)
      return;
    if (!value->is_boolean())
      return fail(fmt::format("'{}' is not true or false", key));
    out = *value->get_ptr<const bool *>();
  }
  void get(const char *key, std::string &out) {
    const json *value = require(key);
    if (!value)
      return;
    if (!value->is_string())
      return fail(fmt::format("'{}' is not a string", key));
    out = *value->get_ptr<const std::string *>();
  }
  void get(const char *key, std::vector<int64_t> &out) {
    each(key, [&](const json &value, const std::string &) {
      if (!value.is_number_integer())
        return fail(fmt::format("'{}' holds something else than integers", key));
      out.push_back(value.get<int64_t>());
    });
  }
  void get(const char *key, std::vector<std::string> &out) {
    each(key, [&](const json &value, const std::string &) {
      if (!value.is_string())
        return fail(fmt::format("'{}' holds something else than strings", key));
      out.push_back(value.get<std::string>());
    });
  }

  /// Calls read(element, "where.key[i]") for each element of an array.
  template <class Read> void each(const char *key, Read read) {
    const json *value = require(key);
    if (!value)
      return;
    if (!value->is_array())
      return fail(fmt::format("'{}' is not an array", key));
    for (size_t i = 0; i < value->size() && failure.empty(); ++i)
      read((*value)[i], fmt::format("{}{}[{}]", prefix(), key, i));
  }
  const json *require(const char *key) {
    if (!failure.empty())
      return nullptr;
    auto it = object.find(key);
    if (it == object.end()) {
      fail(fmt::format("'{}' is missing", key));
      return nullptr;
    }
    return &*it;
  }
  bool has(const char *key) const { return failure.empty() && object.contains(key); }
  std::string prefix() const { return where.empty() ? "" : where + "."; }
  void fail(const std::string &sentence) {
    if (failure.empty())
      failure = where.empty() ? sentence : where + ": " + sentence;
  }

private:
  const json &object;
  std::string where;
  std::string &failure;
};

bool readExpr(const json &value, Expr &expr, int depth = 0) {
  if (value.is_number_unsigned()) {
    uint64_t number = *value.get_ptr<const uint64_t *>();
    expr.op = Expr::Op::Constant;
    expr.value = static_cast<int64_t>(number);
    return number <= INT32_MAX;
  }
  if (value.is_string()) {
    const std::string &name = *value.get_ptr<const std::string *>();
    for (int i = 0; i < kParamCount; ++i)
      if (name == kParamNames[i]) {
        expr.op = Expr::Op::Param;
        expr.value = i;
        return true;
      }
    return false;
  }
  if (!value.is_array() || value.size() != 3 || !value[0].is_string() || depth == kMaxExprDepth)
    return false;
  const std::string &op = *value[0].get_ptr<const std::string *>();
  if (op == "add")
    expr.op = Expr::Op::Add;
  else if (op == "mul")
    expr.op = Expr::Op::Mul;
  else if (op == "ceildiv")
    expr.op = Expr::Op::CeilDiv;
  else
    return false;
  expr.args.resize(2);
  return readExpr(value[1], expr.args[0], depth + 1) && readExpr(value[2], expr.args[1], depth + 1);
}

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

void readBinding(const json &value, const std::string &where, Binding &binding, std::string &failure) {
  Fields fields(value, where, failure);
  if (fields.has("arena")) {
    binding.kind = Binding::Kind::Arena;
    fields.get("arena", binding.offset);
    fields.get("bytes", binding.bytes);
  } else if (fields.has("section")) {
    binding.kind = Binding::Kind::Section;
    fields.get("section", binding.offset);
  } else if (fields.has("state")) {
    binding.kind = Binding::Kind::State;
    fields.get("state", binding.offset);
  } else if (fields.has("page_table")) {
    binding.kind = Binding::Kind::PageTable;
  } else {
    fields.fail("neither arena, section, state nor page_table");
  }
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

void readStep(const json &value, const std::string &where, Step &step, std::string &failure) {
  Fields fields(value, where, failure);
  fields.get("kernel", step.kernel);
  fields.get("label", step.label);
  if (const json *tasks = fields.require("tasks"))
    if (!readExpr(*tasks, step.tasks))
      fields.fail("'tasks' is not an expression over n_tokens, pos and n_out");
  fields.get("grain", step.grain);
  if (fields.has("simdgroups"))
    fields.get("simdgroups", step.simdgroups);
  fields.get("barrier", step.barrier);
  fields.each("bindings", [&](const json &element, const std::string &at) {
    readBinding(element, at, step.bindings.emplace_back(), failure);
  });
  fields.get("weight_bytes", step.weight_bytes);
  fields.get("flops_per_token", step.flops_per_token);
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

void readPort(const json &value, const std::string &where, Port &port, std::string &failure) {
  Fields fields(value, where, failure);
  fields.get("name", port.name);
  fields.get("offset", port.offset);
  fields.get("bytes", port.bytes);
  fields.get("row_stride", port.row_stride);
}

json writePorts(const std::vector<Port> &ports) {
  json result = json::array();
  for (const Port &port : ports)
    result.push_back(
        {{"name", port.name}, {"offset", port.offset}, {"bytes", port.bytes}, {"row_stride", port.row_stride}});
  return result;
}

void readEntry(const json &value, const std::string &where, Entry &entry, std::string &failure) {
  Fields fields(value, where, failure);
  fields.get("name", entry.name);
  fields.get("max_tokens", entry.max_tokens);
  fields.get("max_out", entry.max_out);
  fields.get("arena_bytes", entry.arena_bytes);
  fields.get("scratch_bytes", entry.scratch_bytes);
  fields.each("inputs", [&](const json &element, const std::string &at) {
    readPort(element, at, entry.inputs.emplace_back(), failure);
  });
  fields.each("outputs", [&](const json &element, const std::string &at) {
    readPort(element, at, entry.outputs.emplace_back(), failure);
  });
  fields.each("steps", [&](const json &element, const std::string &at) {
    readStep(element, at, entry.steps.emplace_back(), failure);
  });
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

void readTarget(const json &value, const std::string &where, Target &target, std::string &failure) {
  Fields fields(value, where, failure);
  fields.get("name", target.name);
  fields.get("device", target.device);
  fields.get("features", target.features);
  fields.get("library", target.library);
  fields.get("activations", target.activations);
  fields.each("entries", [&](const json &element, const std::string &at) {
    readEntry(element, at, target.entries.emplace_back(), failure);
  });
}

json writeTarget(const Target &target) {
  json entries = json::array();
  for (const Entry &entry : target.entries)
    entries.push_back(writeEntry(entry));
  return {{"name", target.name},       {"device", target.device},           {"features", target.features},
          {"library", target.library}, {"activations", target.activations}, {"entries", std::move(entries)}};
}

void readModel(const json &value, Model &model, std::string &failure) {
  Fields fields(value, "model", failure);
  fields.get("type", model.type);
  fields.get("source", model.source);
  fields.get("vocab", model.vocab);
  fields.get("hidden", model.hidden);
  fields.get("layers", model.layers);
  fields.get("context", model.context);
  fields.get("parameters", model.parameters);
  fields.get("bos", model.bos);
  fields.get("eos", model.eos);
  const json *generation = fields.require("generation");
  if (!generation)
    return;
  if (!generation->is_object())
    return fields.fail("'generation' is not an object");
  for (const auto &[key, setting] : generation->items()) {
    if (!setting.is_number())
      return fields.fail(fmt::format("'{}' is not a number", key));
    model.generation[key] = setting.get<double>();
  }
}

void readManifest(const json &value, Manifest &manifest, std::string &failure) {
  Fields fields(value, "", failure);
  fields.get("version", manifest.version);
  fields.get("producer", manifest.producer);
  if (const json *model = fields.require("model"))
    readModel(*model, manifest.model, failure);
  fields.each("sections", [&](const json &element, const std::string &at) {
    Section &section = manifest.sections.emplace_back();
    Fields of(element, at, failure);
    of.get("name", section.name);
    of.get("file", section.file);
    of.get("offset", section.offset);
    of.get("bytes", section.bytes);
    of.get("hash", section.hash);
    of.get("role", section.role);
  });
  fields.each("files", [&](const json &element, const std::string &at) {
    File &file = manifest.files.emplace_back();
    Fields of(element, at, failure);
    of.get("name", file.name);
    of.get("bytes", file.bytes);
    of.get("hash", file.hash);
  });
  fields.each("states", [&](const json &element, const std::string &at) {
    State &state = manifest.states.emplace_back();
    Fields of(element, at, failure);
    of.get("name", state.name);
    of.get("page_tokens", state.page_tokens);
    of.get("page_bytes", state.page_bytes);
  });
  fields.each("targets", [&](const json &element, const std::string &at) {
    readTarget(element, at, manifest.targets.emplace_back(), failure);
  });
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

Status checkVersion(const json &root, std::string_view what) {
  auto it = root.is_object() ? root.find("version") : root.end();
  if (it == root.end() || !it->is_number_integer())
    return Error{fmt::format("{}: manifest.json has no format version; this is not a tq package", what)};
  int64_t version = it->get<int64_t>();
  if (version < kOldestReadableVersion || version > kPackageVersion)
    return Error{fmt::format("{}: format version {}, but this runtime reads "
                             "versions {} to {}; recompile with tq-compile",
                             what, version, kOldestReadableVersion, kPackageVersion)};
  return Status();
}

Status checkHash(std::string_view text, std::string_view what) {
  size_t end = kHashPrefix.size() + kHashDigits;
  if (!text.starts_with(kHashPrefix) || text.size() < end)
    return Error{fmt::format("{}: manifest.json does not begin with its hash; "
                             "recompile with tq-compile",
                             what)};
  std::string_view stated = text.substr(kHashPrefix.size(), kHashDigits);
  std::string_view rest = text.substr(end);
  std::string actual = hashText(XXH3_64bits(rest.data(), rest.size()));
  if (stated != actual)
    return Error{fmt::format("{}: manifest.json is damaged: its hash is {}, "
                             "but its contents give {}; recompile with "
                             "tq-compile",
                             what, printable(stated), actual)};
  return Status();
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

Result<Manifest> tq::parseManifest(std::string_view text, std::string_view what, ManifestHash hash) {
  auto damaged = [&](std::string_view why) {
    return Error{fmt::format("{}: manifest.json is damaged: {}", what, why)};
  };
  if (!isShallow(text))
    return damaged(fmt::format("nested more than {} levels deep", kMaxDepth));
  json root = json::parse(text.begin(), text.end(), nullptr,
                          /*allow_exceptions=*/false);
  if (root.is_discarded())
    return damaged("not valid JSON");
  // The version first: a later one may well define the rest differently.
  TQ_TRY(checkVersion(root, what));
  if (hash == ManifestHash::Check)
    TQ_TRY(checkHash(text, what));
  Manifest manifest;
  std::string failure;
  readManifest(root, manifest, failure);
  if (!failure.empty())
    return damaged(printable(failure));
  TQ_TRY(validateManifest(manifest, what));
  return manifest;
}
