//===- CaseFile.cpp - One launch as JSON ----------------------------------===//

#include "tests/metal/CaseFile.h"

#include "runtime/ReadFile.h"
#include "tests/metal/Tools.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>

using namespace tq;
using namespace tq::metal;
using nlohmann::json;

namespace {

struct ElementInfo {
  const char *name;
  Element element;
  size_t bytes;
};
constexpr ElementInfo kElements[] = {
    {"u8", Element::U8, 1},   {"i8", Element::I8, 1},   {"u16", Element::U16, 2}, {"i16", Element::I16, 2},
    {"u32", Element::U32, 4}, {"i32", Element::I32, 4}, {"u64", Element::U64, 8}, {"i64", Element::I64, 8},
    {"f16", Element::F16, 2}, {"f32", Element::F32, 4},
};
constexpr uint64_t kMostBytes = uint64_t(1) << 31;

const ElementInfo *find(std::string_view name) {
  for (const ElementInfo &e : kElements)
    if (name == e.name)
      return &e;
  return nullptr;
}

template <class T> void append(std::vector<char> &bytes, T value) {
  const char *p = reinterpret_cast<const char *>(&value);
  bytes.insert(bytes.end(), p, p + sizeof(T));
}

template <class T> bool appendInteger(std::vector<char> &bytes, const json &value) {
  if (value.is_number_unsigned()) {
    if (value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<T>::max()))
      return false;
    append(bytes, static_cast<T>(value.get<uint64_t>()));
    return true;
  }
  if (!value.is_number_integer() || value.get<int64_t>() < static_cast<int64_t>(std::numeric_limits<T>::min()) ||
      std::numeric_limits<T>::min() == 0)
    return false;
  append(bytes, static_cast<T>(value.get<int64_t>()));
  return true;
}

bool appendNumber(std::vector<char> &bytes, Element element, const json &value) {
  if (element == Element::F16 || element == Element::F32) {
    double number = 0;
    if (value.is_number())
      number = value.get<double>();
    else if (value == "nan")
      number = std::nan("");
    else if (value == "inf" || value == "-inf")
      number = value == "inf" ? INFINITY : -INFINITY;
    else
      return false;
    if (element == Element::F16)
      append(bytes, static_cast<_Float16>(number));
    else
      append(bytes, static_cast<float>(number));
    return true;
  }
  switch (element) {
  case Element::U8:
    return appendInteger<uint8_t>(bytes, value);
  case Element::I8:
    return appendInteger<int8_t>(bytes, value);
  case Element::U16:
    return appendInteger<uint16_t>(bytes, value);
  case Element::I16:
    return appendInteger<int16_t>(bytes, value);
  case Element::U32:
    return appendInteger<uint32_t>(bytes, value);
  case Element::I32:
    return appendInteger<int32_t>(bytes, value);
  case Element::U64:
    return appendInteger<uint64_t>(bytes, value);
  default:
    return appendInteger<int64_t>(bytes, value);
  }
}

class Reader {
public:
  explicit Reader(const std::string &path) : path(path), folder(std::filesystem::path(path).parent_path()) {}

  Result<Case> run() {
    TQ_TRY_ASSIGN(std::string text, readFile(path, kAnySize));
    json j = json::parse(text, nullptr, false);
    if (j.is_discarded())
      return fail("", "is not JSON");
    if (!j.is_object())
      return fail("", "must hold one object");
    for (const auto &[key, value] : j.items())
      TQ_TRY(entry(key, value));
    if (result.kernel.empty())
      return fail("", "has no \"kernel\"");
    bool exact = j.contains("threads");
    if (exact == j.contains("threadgroups"))
      return fail("", exact ? "has both \"threads\" and \"threadgroups\"" : "has no \"threadgroups\"");
    if (!j.contains("threads_per_threadgroup"))
      return fail("", "has no \"threads_per_threadgroup\"");
    for (const auto &[index, expectation] : result.expected) {
      auto buffer = result.buffers.find(index);
      if (buffer == result.buffers.end())
        return fail(fmt::format("expect.{}", index), "there is no such buffer");
      if (expectation.values.size() > buffer->second.size())
        return fail(fmt::format("expect.{}", index), fmt::format("{} bytes are expected of a buffer of {}",
                                                                 expectation.values.size(), buffer->second.size()));
    }
    return std::move(result);
  }

private:
  Error fail(const std::string &where, const std::string &what) const {
    return Error{fmt::format("{}: {}{}{}", path, where, where.empty() ? "" : ": ", what)};
  }

  Status entry(const std::string &key, const json &value) {
    if (key == "kernel") {
      if (!value.is_string())
        return fail(key, "must be a name");
      result.kernel = value;
      return Status();
    }
    if (key == "threadgroups")
      return triple(key, value, result.threadgroups);
    if (key == "threads_per_threadgroup")
      return triple(key, value, result.threadsPerThreadgroup);
    if (key == "threads")
      return triple(key, value, result.threads);
    if (key != "threadgroup_memory" && key != "buffers" && key != "expect" && key != "function_constants")
      return fail(key, "unknown key");
    if (!value.is_object())
      return fail(key, "must be an object of indices, such as {\"0\": ...}");
    for (const auto &[slot, what] : value.items()) {
      std::string where = key + "." + slot;
      int index = 0, most = key == "function_constants" ? 65535 : 30;
      for (char c : slot)
        index = c >= '0' && c <= '9' && index <= most ? index * 10 + (c - '0') : most + 1;
      if (slot.empty() || index > most)
        return fail(where, fmt::format("an index must be 0 to {}", most));
      if (key == "function_constants") {
        TQ_TRY_ASSIGN(result.functionConstants[index], functionConstant(where, what));
      } else if (key == "buffers") {
        TQ_TRY(buffer(where, what, result.buffers[index]));
      } else if (key == "expect") {
        TQ_TRY(expectation(where, what, result.expected[index]));
      } else {
        if (!what.is_number_unsigned() || what.get<uint64_t>() > (1 << 20))
          return fail(where, "must be a number of bytes");
        result.threadgroupMemory[index] = what;
      }
    }
    return Status();
  }

  /// As MSL text.
  Result<std::string> functionConstant(const std::string &where, const json &value) {
    std::string text;
    for (const json &part : value.is_array() ? value : json::array({value})) {
      if (!part.is_number() && !part.is_boolean())
        return fail(where, "must be a number, true or false, or a list of them for a vector");
      text += (text.empty() ? "" : ", ") + part.dump();
    }
    if (text.empty())
      return fail(where, "is empty");
    return text;
  }

  Status triple(const std::string &key, const json &value, std::array<uint32_t, 3> &out) {
    bool good = value.is_array() && !value.empty() && value.size() <= 3;
    out = {1, 1, 1};
    for (size_t i = 0; good && i < value.size(); ++i) {
      good = value[i].is_number_unsigned() && value[i].get<uint64_t>() > 0 && value[i].get<uint64_t>() < (1ull << 31);
      if (good)
        out[i] = value[i];
    }
    if (!good)
      return fail(key, "must be 1 to 3 positive numbers, such as [8, 1, 1]");
    return Status();
  }

  Result<std::vector<char>> file(const std::string &where, const json &value) {
    if (!value.is_string())
      return fail(where, "must be a path");
    std::string name = value;
    auto bytes = readFile((folder / name).string(), kAnySize);
    if (!bytes)
      return fail(where, bytes.message());
    return std::vector<char>(bytes->begin(), bytes->end());
  }

  Result<std::vector<char>> numbers(const std::string &where, const ElementInfo &element, const json &value) {
    if (!value.is_array())
      return fail(where, "must be a list of numbers");
    std::vector<char> bytes;
    for (size_t i = 0; i < value.size(); ++i)
      if (!appendNumber(bytes, element.element, value[i]))
        return fail(where, fmt::format("entry {}, {}, is no {}", i, value[i].dump(), element.name));
    return bytes;
  }

  Status buffer(const std::string &where, const json &value, std::vector<char> &out) {
    if (!value.is_object())
      return fail(where, "must be an object, such as {\"size\": 256, \"fill\": \"nan\"}");
    int sources = 0, fill = 0;
    std::optional<uint64_t> size;
    for (const auto &[key, what] : value.items()) {
      std::string inner = where + "." + key;
      if (key == "file") {
        ++sources;
        TQ_TRY_ASSIGN(out, file(inner, what));
      } else if (key == "size") {
        ++sources;
        if (!what.is_number_unsigned() || what.get<uint64_t>() == 0 || what.get<uint64_t>() > kMostBytes)
          return fail(inner, "must be a number of bytes");
        size = what.get<uint64_t>();
      } else if (key == "fill") {
        if (what == "nan")
          fill = 0xff; // a NaN in every floating type
        else if (what != "zero" && what != 0)
          return fail(inner, "must be \"nan\" or \"zero\"");
      } else if (const ElementInfo *element = find(key)) {
        ++sources;
        TQ_TRY_ASSIGN(out, numbers(inner, *element, what));
      } else {
        return fail(inner, "unknown key");
      }
    }
    if (sources != 1)
      return fail(where, "must have one of \"file\", \"size\" and a list of numbers");
    if (size)
      out.assign(*size, static_cast<char>(fill));
    if (out.empty())
      return fail(where, "is empty");
    return Status();
  }

  Status expectation(const std::string &where, const json &value, Expectation &out) {
    if (!value.is_object())
      return fail(where, "must be an object, such as {\"f32_file\": \"y.bin\", \"tolerance\": 1e-4}");
    int sources = 0;
    for (const auto &[key, what] : value.items()) {
      std::string inner = where + "." + key;
      bool inFile = key.ends_with("_file");
      const ElementInfo *element = find(inFile ? key.substr(0, key.size() - 5) : key);
      if (key == "tolerance") {
        if (!what.is_number() || !(what.get<double>() >= 0))
          return fail(inner, "must be a number, zero or more");
        out.tolerance = what;
      } else if (element) {
        ++sources;
        out.element = element->element;
        if (inFile) {
          TQ_TRY_ASSIGN(out.values, file(inner, what));
        } else {
          TQ_TRY_ASSIGN(out.values, numbers(inner, *element, what));
        }
        if (out.values.size() % element->bytes)
          return fail(inner, fmt::format("{} bytes are no whole number of {}", out.values.size(), element->name));
      } else {
        return fail(inner, "unknown key");
      }
    }
    if (sources != 1)
      return fail(where, "must have one list of values, such as \"f32\" or \"f32_file\"");
    return Status();
  }

  const std::string &path;
  std::filesystem::path folder;
  Case result;
};

} // namespace

Result<Case> tq::metal::readCase(const std::string &path) { return Reader(path).run(); }

size_t tq::metal::bytesOf(Element element) { return kElements[static_cast<size_t>(element)].bytes; }

double tq::metal::elementAt(const std::vector<char> &bytes, Element element, size_t i) {
  auto as = [&]<class T>(T value) {
    memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    return static_cast<double>(value);
  };
  switch (element) {
  case Element::U8:
    return as(uint8_t());
  case Element::I8:
    return as(int8_t());
  case Element::U16:
    return as(uint16_t());
  case Element::I16:
    return as(int16_t());
  case Element::U32:
    return as(uint32_t());
  case Element::I32:
    return as(int32_t());
  case Element::U64:
    return as(uint64_t());
  case Element::I64:
    return as(int64_t());
  case Element::F16:
    return as(_Float16());
  case Element::F32:
    return as(float());
  }
  return 0;
}
