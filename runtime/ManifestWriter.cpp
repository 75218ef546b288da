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
  const char *name = kBindingNames[size_t(binding.kind)];
  if (binding.kind == Binding::Kind::PageTable)
    return {{name, true}};
  json result = {{name, binding.offset}};
  if (binding.kind == Binding::Kind::Arena)
    result["bytes"] = binding.bytes;
  return result;
}

/// Makes one JSON object: a visitor of its fields.
class Writer {
public:
  template <class T> static json write(const T &value) {
    if constexpr (std::is_same_v<T, Expr>) {
      return writeExpr(value);
    } else if constexpr (std::is_same_v<T, Binding>) {
      return writeBinding(value);
    } else if constexpr (std::is_constructible_v<json, const T &>) {
      return json(value);
    } else {
      json object = json::object();
      visitFields(value, Writer(object));
      return object;
    }
  }
  template <class T> static json write(const std::vector<T> &values) {
    json array = json::array();
    for (const T &value : values)
      array.push_back(write(value));
    return array;
  }

  explicit Writer(json &object) : object(object) {}
  void operator()(const char *key, const auto &value) { object[key] = write(value); }
  void orZero(const char *key, std::integral auto value) {
    if (value)
      object[key] = value;
  }

private:
  json &object;
};

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
  print(Writer::write(manifest), body);
  // The hash covers what follows its digits: the quote and the comma too.
  body = "\",\n" + body.substr(1) + "\n";
  std::string hash = hashText(XXH3_64bits(body.data(), body.size()));
  return std::string(kHashPrefix) + hash + body;
}
