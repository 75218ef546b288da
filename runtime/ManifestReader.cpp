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

/// Reads one JSON object: a visitor of its fields. The first failure is kept; what follows then yields defaults, so that
/// callers test once, at the end.
class Reader {
public:
  Reader(const json &object, std::string where, std::string &failure)
      : object(object), where(std::move(where)), failure(failure) {
    if (!object.is_object())
      fail("expected an object");
  }

  template <class T> void operator()(const char *key, T &out) {
    if (!failure.empty())
      return;
    auto it = object.find(key);
    if (it == object.end())
      return fail(fmt::format("'{}' is missing", key));
    read(*it, key, out);
  }
  void orZero(const char *key, std::integral auto &out) {
    if (has(key))
      (*this)(key, out);
  }
  bool has(const char *key) const { return failure.empty() && object.contains(key); }
  void fail(const std::string &sentence) {
    if (failure.empty())
      failure = where.empty() ? sentence : where + ": " + sentence;
  }

private:
  std::string prefix() const { return where.empty() ? "" : where + "."; }

  template <std::integral Int> void read(const json &value, const char *key, Int &out) {
    // JSON integers are stored as unsigned unless negative.
    if (value.is_number_unsigned()) {
      uint64_t number = *value.get_ptr<const uint64_t *>();
      if (std::in_range<Int>(number)) {
        out = static_cast<Int>(number);
        return;
      }
    } else if (value.is_number_integer()) {
      int64_t number = *value.get_ptr<const int64_t *>();
      if (std::in_range<Int>(number)) {
        out = static_cast<Int>(number);
        return;
      }
    }
    fail(fmt::format("'{}' is not an integer in range", key));
  }
  void read(const json &value, const char *key, bool &out) {
    if (!value.is_boolean())
      return fail(fmt::format("'{}' is not true or false", key));
    out = *value.get_ptr<const bool *>();
  }
  void read(const json &value, const char *key, std::string &out) {
    if (!value.is_string())
      return fail(fmt::format("'{}' is not a string", key));
    out = *value.get_ptr<const std::string *>();
  }
  void read(const json &value, const char *key, Expr &out) {
    if (!readExpr(value, out))
      fail(fmt::format("'{}' is not an expression over n_tokens, pos and n_out", key));
  }
  void read(const json &value, const char *key, std::map<std::string, double> &out) {
    if (!value.is_object())
      return fail(fmt::format("'{}' is not an object", key));
    for (const auto &[name, setting] : value.items()) {
      if (!setting.is_number())
        return fail(fmt::format("'{}' is not a number", name));
      out[name] = setting.get<double>();
    }
  }
  void read(const json &value, const char *key, Model &out) {
    visitFields(out, Reader(value, prefix() + key, failure));
  }
  template <class T> void read(const json &value, const char *key, std::vector<T> &out) {
    if (!value.is_array())
      return fail(fmt::format("'{}' is not an array", key));
    for (size_t i = 0; i < value.size() && failure.empty(); ++i) {
      T &element = out.emplace_back();
      if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>)
        read(value[i], key, element);
      else
        readElement(Reader(value[i], fmt::format("{}{}[{}]", prefix(), key, i), failure), element);
    }
  }

  static void readElement(Reader reader, auto &element) { visitFields(element, reader); }
  static void readElement(Reader reader, Binding &binding) {
    for (size_t kind = 0; kind < kBindingNames.size(); ++kind) {
      if (!reader.has(kBindingNames[kind]))
        continue;
      binding.kind = Binding::Kind(kind);
      if (binding.kind != Binding::Kind::PageTable)
        reader(kBindingNames[kind], binding.offset);
      if (binding.kind == Binding::Kind::Arena)
        reader("bytes", binding.bytes);
      return;
    }
    reader.fail("neither arena, section, state nor page_table");
  }

  const json &object;
  std::string where;
  std::string &failure;
};

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
  visitFields(manifest, Reader(root, "", failure));
  if (!failure.empty())
    return damaged(printable(failure));
  TQ_TRY(validateManifest(manifest, what));
  return manifest;
}
