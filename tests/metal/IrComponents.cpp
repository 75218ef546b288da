//===- IrComponents.cpp - Components of vectors in memory -----------------===//

#include "tests/metal/IrComponents.h"

#include "tests/metal/IrText.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>

using namespace tq::metal;

namespace {

/// %1 = load <4 x float>, ptr %v, align 16, !dbg !2
struct VectorLoad {
  std::string_view result, type, element, pointer, debug;
  int count = 0, align = 0;
};

class Splitter {
public:
  Splitter(const std::vector<std::string_view> &lines, bool checked) : lines(lines), checked(checked) {}

  std::vector<std::string> run() {
    for (std::string_view line : lines)
      note(line);
    for (size_t i = 0; i < lines.size(); ++i) {
      auto load = vectorLoad(lines[i]);
      if (dropped.contains(i))
        continue;
      if (pending.contains(i))
        element(pending[i], lines[i]);
      else if (!load || uses[load->result] != 1 || !(written(*load, i) || read(*load, i)))
        put(std::string(lines[i]));
    }
    return std::move(out);
  }

private:
  /// A name for what load %1 becomes: "%__component1.at2".
  static std::string named(const VectorLoad &load, std::string_view what) {
    return fmt::format("%__component{}.{}", load.result.substr(1), what);
  }

  void put(std::string line) { out.push_back(std::move(line)); }

  std::string_view at(size_t i) const { return i < lines.size() ? lines[i] : std::string_view(); }

  /// Which values are private variables, and how often each value is used.
  void note(std::string_view line) {
    size_t equals = line.find(" = ");
    bool defines = line.starts_with("  %") && equals != line.npos && equals < line.find_first_of("(,");
    if (defines && contains(line, " = alloca "))
      allocas.insert(line.substr(2, equals - 2));
    for (size_t i = line.find('%', defines ? equals : 0); i != line.npos; i = line.find('%', i + 1))
      ++uses[line.substr(i, line.find_first_of(", )]>", i) - i)];
  }

  std::optional<VectorLoad> vectorLoad(std::string_view line) const {
    size_t equals = line.find(" = load <");
    if (!line.starts_with("  %") || equals == line.npos || contains(line, "volatile"))
      return std::nullopt;
    VectorLoad load;
    load.result = line.substr(2, equals - 2);
    load.type = leadingType(line.substr(equals + 8));
    load.element = between(load.type, "x ", ">");
    load.count = toInt(load.type.substr(1));
    load.pointer = between(line.substr(equals), ", ptr ", ",");
    load.align = toInt(between(line, ", align ", ","));
    load.debug = debugTail(line);
    // Only unnamed values: for IrChecks a name would mean an address that the text takes.
    bool numbered = load.result.size() > 1 && load.result[1] >= '0' && load.result[1] <= '9';
    if (!numbered || load.pointer.empty() || allocas.contains(load.pointer))
      return std::nullopt;
    return load;
  }

  int alignOf(const VectorLoad &load) const {
    int size = load.element == "double" || load.element == "i64"                             ? 8
               : load.element == "float" || load.element == "i32"                            ? 4
               : load.element == "half" || load.element == "bfloat" || load.element == "i16" ? 2
                                                                                             : 1;
    return load.align && load.align < size ? load.align : size;
  }

  /// The address of element `index`, "i64 2" or "i32 %j".
  void address(const VectorLoad &load, const std::string &name, std::string_view index) {
    std::string_view value = index.substr(index.find(' ') + 1);
    if (checked && value.starts_with("%")) {
      std::string wide(value);
      if (!index.starts_with("i64 ")) {
        wide = named(load, "index");
        put(fmt::format("  {} = sext {} to i64", wide, index));
      }
      put(fmt::format("  call void @__msl_index_check(i64 {}, i64 {}){}", wide, load.count - 1, load.debug));
    }
    put(fmt::format("  {} = getelementptr inbounds {}, ptr {}, {}{}", name, load.element, load.pointer, index,
                    load.debug));
  }

  /// The last operand of an instruction, "i64 2".
  static std::string_view lastOperand(std::string_view line) {
    line = line.substr(0, line.find(", !"));
    return line.substr(line.rfind(", ") + 2);
  }

  static bool isInside(std::string_view index, int count) {
    std::string_view value = index.substr(index.find(' ') + 1);
    return value.starts_with("%") || (value[0] != '-' && toInt(value) < count);
  }

  /// The load is the first half of a write.
  bool written(const VectorLoad &load, size_t i) {
    std::string operand = fmt::format("{} {}, ", load.type, load.result);
    size_t insert = i + 1;
    if (contains(at(insert), " = insertelement ") && contains(at(insert), operand)) {
      std::string_view result = resultOf(at(insert)), index = lastOperand(at(insert));
      if (!stores(at(insert + 1), load, result) || !isInside(index, load.count))
        return false;
      std::string_view line = at(insert), rest = line.substr(line.find(operand) + operand.size());
      std::string_view value = rest.substr(0, rest.find(fmt::format(", {}", index)));
      std::string name = named(load, "at");
      address(load, name, index);
      put(fmt::format("  store {}, ptr {}, align {}{}", value, name, alignOf(load), load.debug));
      drop(insert, insert + 1);
      return true;
    }
    // v.zw = u: perhaps u is made as long as v, then the components are mixed.
    size_t mix = contains(at(i + 1), operand) ? i + 1 : i + 2;
    if (!contains(at(mix), " = shufflevector ") || !contains(at(mix), operand) ||
        !stores(at(mix + 1), load, resultOf(at(mix))) || (mix == i + 2 && !contains(at(i + 1), " = shufflevector ")))
      return false;
    std::string_view line = at(mix), rest = line.substr(line.find(operand) + operand.size());
    std::string_view source = rest.substr(0, rest.find(", <", 1)); // "<4 x float> %8"
    std::vector<int> mask = maskOf(line);
    if (static_cast<int>(mask.size()) != load.count)
      return false;
    if (mix == i + 2)
      put(std::string(at(i + 1)));
    for (int c = 0; c < load.count; ++c) {
      int from = mask[static_cast<size_t>(c)];
      if (from < load.count)
        continue;
      std::string name = named(load, fmt::format("at{}", c));
      address(load, name, fmt::format("i64 {}", c));
      put(fmt::format("  {}.value = extractelement {}, i64 {}{}", name, source, from - load.count, load.debug));
      put(fmt::format("  store {0} {1}.value, ptr {1}, align {2}{3}", load.element, name, alignOf(load), load.debug));
    }
    drop(i + 1, mix + 1);
    return true;
  }

  /// Its only use takes some components.
  bool read(const VectorLoad &load, size_t i) {
    std::string operand = fmt::format("{} {}, ", load.type, load.result);
    std::string_view line = at(i + 1);
    if (contains(line, " = shufflevector ") && contains(line, fmt::format("{}{} poison", operand, load.type)))
      return swizzled(load, i + 1);
    for (size_t j = i + 1; j < lines.size(); ++j) {
      line = lines[j];
      if (contains(line, " = extractelement ") && contains(line, operand)) {
        if (!isInside(lastOperand(line), load.count))
          return false;
        pending[j] = load;
        return true;
      }
      // The index may be read in between, but nothing may happen.
      if (!line.starts_with("  %") || contains(line, " call "))
        return false;
    }
    return false;
  }

  /// %5 = extractelement <4 x float> %4, i64 1
  void element(const VectorLoad &load, std::string_view line) {
    std::string name = named(load, "at");
    address(load, name, lastOperand(line));
    put(fmt::format("  {} = load {}, ptr {}, align {}{}", resultOf(line), load.element, name, alignOf(load),
                    load.debug));
  }

  /// %5 = shufflevector <4 x float> %4, <4 x float> poison, <2 x i32> <i32 0, i32 1>
  bool swizzled(const VectorLoad &load, size_t shuffle) {
    std::vector<int> mask = maskOf(at(shuffle));
    std::set<int> distinct(mask.begin(), mask.end());
    if (mask.size() < 2 || *distinct.begin() < 0 || *distinct.rbegin() >= load.count ||
        static_cast<int>(distinct.size()) == load.count) // all of them: as good as a whole load
      return false;
    std::string type = fmt::format("<{} x {}>", mask.size(), load.element), so = "poison";
    for (size_t k = 0; k < mask.size(); ++k) {
      std::string name = named(load, fmt::format("at{}", k));
      std::string next = k + 1 == mask.size() ? std::string(resultOf(at(shuffle))) : name + ".vector";
      address(load, name, fmt::format("i64 {}", mask[k]));
      put(fmt::format("  {0}.value = load {1}, ptr {0}, align {2}{3}", name, load.element, alignOf(load), load.debug));
      put(fmt::format("  {} = insertelement {} {}, {} {}.value, i64 {}{}", next, type, so, load.element, name, k,
                      load.debug));
      so = next;
    }
    drop(shuffle, shuffle);
    return true;
  }

  void drop(size_t first, size_t last) {
    for (; first <= last; ++first)
      dropped.insert(first);
  }

  static std::string_view resultOf(std::string_view line) { return between(line, "  ", " = "); }

  /// store <4 x float> %2, ptr %v of what the load has read, and nobody else sees the value.
  bool stores(std::string_view line, const VectorLoad &load, std::string_view value) {
    return line.starts_with(fmt::format("  store {} {}, ptr {},", load.type, value, load.pointer)) && uses[value] == 1;
  }

  /// <4 x i32> <i32 0, i32 1, i32 poison, i32 5>; poison is -1.
  static std::vector<int> maskOf(std::string_view line) {
    line = line.substr(0, line.find(", !"));
    std::string_view list = line.substr(line.rfind('<') + 1);
    std::vector<int> mask;
    for (size_t i = list.find("i32 "); i != list.npos; i = list.find("i32 ", i + 4)) {
      std::string_view value = list.substr(i + 4);
      mask.push_back(value.starts_with("poison") ? -1 : toInt(value));
    }
    return mask;
  }

  const std::vector<std::string_view> &lines;
  const bool checked;
  std::set<std::string_view> allocas;
  std::map<std::string_view, int> uses;
  std::set<size_t> dropped;
  std::map<size_t, VectorLoad> pending; ///< loads that happen at the line where an element is taken
  std::vector<std::string> out;
};

} // namespace

std::vector<std::string> tq::metal::splitComponents(const std::vector<std::string_view> &lines, bool checked) {
  return Splitter(lines, checked).run();
}
