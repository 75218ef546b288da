//===- ManifestReader.cpp - JSON to a manifest ----------------------------===//
// The shape alone; the rules that connect the parts (indices, ranges) are in
// ManifestRules.cpp. ManifestWriter.cpp is the way back.
//===----------------------------------------------------------------------===//

#include "runtime/Manifest.h"
#include "runtime/ManifestText.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <xxhash.h>

using namespace tq;
using json = nlohmann::ordered_json;

namespace {

constexpr size_t kHashDigits = 16;
constexpr int kMaxDepth = 64;
constexpr int kMaxExprDepth = 16;

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

void readPort(const json &value, const std::string &where, Port &port, std::string &failure) {
  Fields fields(value, where, failure);
  fields.get("name", port.name);
  fields.get("offset", port.offset);
  fields.get("bytes", port.bytes);
  fields.get("row_stride", port.row_stride);
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
