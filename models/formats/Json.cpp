//===- Json.cpp - JSON from files nobody has checked ----------------------===//

#include "models/formats/Json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

using nlohmann::json;

namespace tq {
namespace {

/// Real configurations nest four or five deep.
constexpr size_t maxDepth = 64;

/// Builds the value from parser events: the library's own builder has no depth
/// limit, does not see duplicate keys and reports errors only as exceptions.
class Builder : public nlohmann::json_sax<json> {
public:
  Builder(std::string_view text, DuplicateKeys duplicates) : text(text), duplicates(duplicates) {}

  json root;
  std::string problem;

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t &) override { return add(value); }
  bool string(string_t &value) override { return add(std::move(value)); }
  bool binary(binary_t &) override { return false; }

  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t &value) override {
    json &object = *parents.back();
    if (duplicates == DuplicateKeys::Refuse && object.contains(value)) {
      problem = fmt::format("key '{}' appears twice", printable(value));
      return false;
    }
    currentKey = std::move(value);
    return true;
  }

  bool parse_error(size_t position, const std::string &, const nlohmann::detail::exception &error) override {
    std::string_view before = text.substr(0, std::min(position, text.size()));
    size_t lineStart = before.rfind('\n') + 1; // npos + 1 is 0
    problem =
        fmt::format("not valid JSON at line {}, column {}: {}", std::count(before.begin(), before.end(), '\n') + 1,
                    before.size() - lineStart, reasonOf(before.size(), error.what()));
    return false;
  }

private:
  std::string reasonOf(size_t position, std::string_view reason) const {
    // What Python's json module writes for a float that is not finite.
    std::string_view rest = text.substr(position - std::min<size_t>(position, 1));
    for (std::string_view word : {"NaN", "Infinity"})
      if (rest.starts_with(word))
        return fmt::format("{} is not a JSON number (key '{}')", word, printable(currentKey));
    // The library says "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error ..."; keep the
    // reason only, because other classes of error come without a line.
    reason.remove_prefix(std::min(reason.size(), reason.find("] ") + 2));
    if (reason.starts_with("parse error"))
      reason.remove_prefix(std::min(reason.size(), reason.find(": ") + 2));
    return printable(reason);
  }

  template <class T> bool add(T &&value) {
    place(json(std::forward<T>(value)));
    return true;
  }

  json *place(json &&value) {
    if (parents.empty()) {
      root = std::move(value);
      return &root;
    }
    json &parent = *parents.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[currentKey] = std::move(value));
  }

  bool open(json &&container) {
    if (parents.size() == maxDepth) {
      problem = fmt::format("JSON nested deeper than {} levels", maxDepth);
      return false;
    }
    parents.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    parents.pop_back();
    return true;
  }

  std::string_view text;
  DuplicateKeys duplicates;
  // A parent does not grow while a child is open, so the pointers stay valid.
  std::vector<json *> parents;
  std::string currentKey;
};

} // namespace

Result<json> parseJsonObject(std::string_view text, std::string_view file, DuplicateKeys duplicates) {
  Builder builder(text, duplicates);
  if (!json::sax_parse(text, &builder))
    return Error{fmt::format("{}: {}", file, builder.problem)};
  if (!builder.root.is_object())
    return Error{fmt::format("{}: expected a JSON object, but got {}", file, jsonPreview(builder.root))};
  return std::move(builder.root);
}

const json *jsonMember(const json &object, std::string_view key) {
  if (!object.is_object())
    return nullptr;
  auto member = object.find(std::string(key));
  return member == object.end() || member->is_null() ? nullptr : &*member;
}

std::string_view jsonString(const json &object, std::string_view key, std::string_view fallback) {
  const json *value = jsonMember(object, key);
  return value && value->is_string() ? std::string_view(*value->get_ptr<const std::string *>()) : fallback;
}

std::string jsonPreview(const json &value) {
  if (value.is_array())
    return fmt::format("a list of {}", value.size());
  if (value.is_object())
    return "an object";
  return printable(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

} // namespace tq
