//===- WatchedReads.cpp - Reads of variables that may have no value -------===//
// Beside each watched variable stands a flag, which its declaration clears and
// every other store sets.
//===----------------------------------------------------------------------===//

#include "tests/metal/Uninitialised.h"

#include "tests/metal/IrText.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

using namespace tq::metal;

namespace {

/// The lines of one function with a flag beside each watched variable.
class Watch {
public:
  Watch(const IrMetadata &metadata, std::string &out) : metadata(metadata), out(out) {}

  void function(const std::vector<std::string_view> &lines, const std::set<std::string, std::less<>> &names) {
    std::map<std::string_view, std::string_view> variables; // "%bits" and its name in the text
    for (std::string_view line : lines)
      if (std::string_view variable = variableOf(line, names); !variable.empty() && isWatchable(variable, lines))
        variables[variable] = nameOf(variable, names);
    for (std::string_view line : lines) {
      std::string_view variable = between(line, ", ptr ", ",");
      bool isStore = line.starts_with("  store "), isLoad = contains(line, " = load ");
      if (variables.contains(variable) && isLoad)
        check(variable, variables[variable], line);
      put(line);
      if (variables.contains(variable) && isStore)
        put(fmt::format("  store i8 {}, ptr {}.has_value", isDeclaration(line) ? 0 : 1, variable));
      else if (std::string_view declared = variableOf(line, names); variables.contains(declared))
        put(fmt::format("  {}.has_value = alloca i8", declared));
    }
  }

  void declarations() {
    for (size_t i = 0; i < shown.size(); ++i)
      put(fmt::format("@.msl_name.{} = private unnamed_addr constant [{} x i8] c\"{}\\00\"", i, shown[i].size() + 1,
                      shown[i]));
    if (!shown.empty())
      put("declare void @__msl_value(i8, ptr) nounwind");
  }

private:
  void put(std::string_view line) {
    out += line;
    out += '\n';
  }

  bool isDeclaration(std::string_view line) const {
    return !metadata.autoInit.empty() && contains(line, metadata.autoInit);
  }

  /// "bits" for "%bits3", which is a second one of that name in the function; empty for others.
  static std::string_view nameOf(std::string_view variable, const std::set<std::string, std::less<>> &names) {
    variable.remove_prefix(1);
    for (const std::string &name : names)
      if (variable.starts_with(name) && variable.find_first_not_of("0123456789", name.size()) == variable.npos)
        return name;
    return {};
  }

  /// "%bits" of "  %bits = alloca i32, align 4".
  static std::string_view variableOf(std::string_view line, const std::set<std::string, std::less<>> &names) {
    size_t alloca = line.find(" = alloca ");
    if (alloca == line.npos || !line.starts_with("  %"))
      return {};
    std::string_view variable = line.substr(2, alloca - 2), type = leadingType(line.substr(alloca + 10));
    constexpr std::string_view kScalars[] = {"i8", "i16", "i32", "i64", "half", "bfloat", "float"};
    bool plainType = std::ranges::find(kScalars, type) != std::end(kScalars) || type.starts_with("<");
    return plainType && !nameOf(variable, names).empty() ? variable : std::string_view();
  }

  /// Loads and stores as a whole are all that happens to it.
  static bool isWatchable(std::string_view variable, const std::vector<std::string_view> &lines) {
    for (std::string_view line : lines)
      for (size_t at = line.find(variable); at != line.npos; at = line.find(variable, at + 1)) {
        size_t end = at + variable.size();
        if (end < line.size() && line[end] != ',' && line[end] != ')' && line[end] != ' ')
          continue; // another one's name
        std::string_view before = line.substr(0, at);
        bool whole = before.ends_with(", ptr ") && (line.starts_with("  store ") || contains(line, " = load "));
        if (!whole && !contains(line, " = alloca ") && !contains(line, "@llvm.lifetime."))
          return false;
        if (contains(line, " = load <")) { // v[j] = x loads the others, too
          std::string insert = "> " + std::string(line.substr(2, line.find(" = ") - 2)) + ",";
          for (std::string_view other : lines)
            if (contains(other, " insertelement ") && contains(other, insert))
              return false;
        }
      }
    return true;
  }

  void check(std::string_view variable, std::string_view name, std::string_view load) {
    auto place = static_cast<size_t>(std::ranges::find(shown, name) - shown.begin());
    if (place == shown.size())
      shown.push_back(std::string(name));
    put(fmt::format("  %__has_value{} = load i8, ptr {}.has_value", fresh, variable));
    put(fmt::format("  call void @__msl_value(i8 %__has_value{}, ptr @.msl_name.{}){}", fresh++, place,
                    debugTail(load)));
  }

  const IrMetadata &metadata;
  std::string &out;
  int fresh = 0;
  std::vector<std::string> shown; ///< names
};

} // namespace

std::string tq::metal::watchReads(std::string ir, const std::vector<Watched> &variables) {
  if (variables.empty())
    return ir;
  IrMetadata metadata(ir);
  std::string out;
  Watch watch(metadata, out);
  std::vector<std::string_view> lines;
  std::set<std::string, std::less<>> names;
  bool inside = false;
  forEachLine(ir, [&](std::string_view line) {
    if (line.starts_with("define ")) {
      inside = true;
      auto known = metadata.subprograms.find(std::string(between(line, "!dbg ", " ")));
      names.clear();
      for (const Watched &v : variables)
        if (known != metadata.subprograms.end() &&
            known->second.name.substr(0, known->second.name.find('<')) == v.function)
          names.insert(v.name);
    }
    if (!inside)
      return (void)(out += std::string(line) + "\n");
    lines.push_back(line);
    if (line == "}") {
      watch.function(lines, names);
      lines.clear();
      inside = false;
    }
  });
  watch.declarations();
  return out;
}
