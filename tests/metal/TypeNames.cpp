//===- TypeNames.cpp - Names that stand for types -------------------------===//

#include "tests/metal/TypeNames.h"

#include <algorithm>

using namespace tq::metal;

TypeNames tq::metal::typeNames(const Tokens &t) {
  TypeNames names;
  for (std::string_view base :
       {"bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "half", "float", "bfloat"}) {
    names.scalars.insert(std::string(base));
    for (char n : {'2', '3', '4'}) {
      names.vectors.insert(std::string(base) + n);
      names.vectors.insert("packed_" + std::string(base) + n);
      for (char m : {'2', '3', '4'})
        if (base == "half" || base == "float" || base == "bfloat")
          names.aliases.insert(std::string(base) + n + 'x' + m);
    }
  }
  for (std::string_view base : {"void",
                                "size_t",
                                "ptrdiff_t",
                                "int8_t",
                                "uint8_t",
                                "int16_t",
                                "uint16_t",
                                "int32_t",
                                "uint32_t",
                                "int64_t",
                                "uint64_t",
                                "unsigned",
                                "signed",
                                "atomic_int",
                                "atomic_uint",
                                "atomic_float",
                                "atomic_bool",
                                "atomic_ulong",
                                "simdgroup_float8x8",
                                "simdgroup_half8x8",
                                "simdgroup_bfloat8x8"})
    names.scalars.insert(std::string(base));
  for (size_t i = 0; i < t.size(); ++i) {
    if (t[i] == "using" && t.isWord(i + 1) && t[i + 2] == "=") {
      names.aliases.insert(std::string(t[i + 1]));
    } else if (t[i] == "typedef") {
      size_t end = i;
      while (end < t.size() && t[end] != ";")
        end = t[end] == "{" ? t.closing(end) + 1 : end + 1;
      if (t.isWord(end - 1))
        names.aliases.insert(std::string(t[end - 1]));
    } else if (t[i] == "template" && t[i + 1] == "<") {
      size_t end = t.closingAngle(i + 1);
      for (size_t j = i + 2; j < end; ++j)
        if ((t[j] == "typename" || t[j] == "class") && t.isWord(j + 1))
          names.parameters.insert(std::string(t[j + 1]));
    }
  }
  return names;
}

int tq::metal::smallestElement(const Tokens &t, std::string_view space) {
  constexpr std::pair<std::string_view, int> kSizes[] = {
      {"char", 0},        {"uchar", 0},      {"bool", 0},        {"int8_t", 0},   {"uint8_t", 0},  {"short", 1},
      {"ushort", 1},      {"half", 1},       {"bfloat", 1},      {"int16_t", 1},  {"uint16_t", 1}, {"int", 2},
      {"uint", 2},        {"float", 2},      {"int32_t", 2},     {"uint32_t", 2}, {"long", 2},     {"ulong", 2},
      {"atomic_uint", 2}, {"atomic_int", 2}, {"atomic_float", 2}};
  int smallest = 2;
  for (size_t i = 0; i < t.size(); ++i) {
    if (t[i] != space || t[i - 1] == "const" || t[i - 1] == "[[")
      continue;
    size_t type = i + 1;
    while (t[type] == "volatile" || t[type] == "metal" || t[type] == "::" || t[type] == "__attribute__")
      type = t[type] == "__attribute__" ? t.closing(type + 1) + 1 : type + 1;
    if (t[type] == "const" || t[type + 1] == "const" || t[type] == ")" || t[type] == ",")
      continue;
    std::string_view name = t[type];
    if (name.starts_with("packed_"))
      name.remove_prefix(7);
    if (name.size() > 1 && name.back() >= '2' && name.back() <= '4' && !name.ends_with("32_t"))
      name.remove_suffix(1);
    const auto *known = std::ranges::find(kSizes, name, &std::pair<std::string_view, int>::first);
    smallest = std::min(smallest, known == std::end(kSizes) ? 0 : known->second);
  }
  return smallest;
}
