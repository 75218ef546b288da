//===- JsonKeys.cpp - Typed, range-checked members of a JSON object -------===//

#include "models/formats/JsonKeys.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

using nlohmann::json;

namespace tq {
namespace {

std::optional<int64_t> integerIn(const json &value, int64_t low, int64_t high) {
  if (!value.is_number_integer())
    return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    return std::nullopt;
  auto number = value.get<int64_t>();
  return number >= low && number <= high ? std::optional(number) : std::nullopt;
}

} // namespace

bool JsonKeys::isNull(std::string_view key) const {
  auto member = object.find(std::string(key));
  return member != object.end() && member->is_null();
}

void JsonKeys::fail(std::string_view key, std::string_view text) {
  if (problem.empty())
    problem = fmt::format("{}: {}{}: {}", file, prefix, key, text);
}

void JsonKeys::failValue(std::string_view key, std::string_view wanted) {
  fail(key, fmt::format("expected {}, but got {}", wanted, jsonPreview(*find(key))));
}

std::optional<int64_t> JsonKeys::integer(std::string_view key, int64_t low, int64_t high) {
  const json *value = find(key);
  if (!value)
    return std::nullopt;
  if (std::optional<int64_t> number = integerIn(*value, low, high))
    return number;
  failValue(key, fmt::format("a whole number from {} to {}", low, high));
  return std::nullopt;
}

int64_t JsonKeys::requiredInteger(std::string_view key, int64_t low, int64_t high) {
  if (!find(key))
    fail(key, "missing; the file is no complete model configuration");
  return integer(key, low, high).value_or(low);
}

std::optional<double> JsonKeys::number(std::string_view key, double low, double high) {
  const json *value = find(key);
  if (!value)
    return std::nullopt;
  double number = value->is_number() ? value->get<double>() : NAN;
  if (number >= low && number <= high)
    return number;
  failValue(key, fmt::format("a number from {} to {}", low, high));
  return std::nullopt;
}

double JsonKeys::requiredNumber(std::string_view key, double low, double high) {
  if (!find(key))
    fail(key, "missing");
  return number(key, low, high).value_or(low);
}

std::optional<bool> JsonKeys::boolean(std::string_view key) {
  const json *value = find(key);
  if (!value)
    return std::nullopt;
  if (value->is_boolean())
    return value->get<bool>();
  failValue(key, "true or false");
  return std::nullopt;
}

std::string JsonKeys::string(std::string_view key, std::string_view fallback) {
  const json *value = find(key);
  if (value && !value->is_string())
    failValue(key, "a string");
  return std::string(jsonString(object, key, fallback));
}

void JsonKeys::tokenIds(std::string_view key, int64_t high, std::vector<int64_t> &ids) {
  const json *value = find(key);
  if (!value)
    return;
  auto add = [&](const json &element) {
    std::optional<int64_t> id = integerIn(element, 0, high);
    if (!id)
      failValue(key, "a token id or a list of token ids");
    else if (std::ranges::find(ids, *id) == ids.end())
      ids.push_back(*id);
  };
  if (!value->is_array())
    return add(*value);
  for (const json &element : *value)
    add(element);
}

} // namespace tq
