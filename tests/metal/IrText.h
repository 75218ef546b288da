//===- IrText.h - Reading lines of LLVM IR ----------------------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_IRTEXT_H
#define TQ_TESTS_METAL_IRTEXT_H

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <string_view>

namespace tq::metal {

inline bool contains(std::string_view text, std::string_view what) { return text.find(what) != text.npos; }

/// What stands between two marks; empty if either is missing.
inline std::string_view between(std::string_view text, std::string_view open, std::string_view close) {
  size_t begin = text.find(open);
  if (begin == text.npos)
    return {};
  begin += open.size();
  size_t end = text.find(close, begin);
  return end == text.npos ? std::string_view() : text.substr(begin, end - begin);
}

/// The IR type at the start of the text: "[4 x float]", "<4 x i32>", "%struct.P", "i64".
inline std::string_view leadingType(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '[' || c == '<' || c == '{')
      ++depth;
    else if (c == ']' || c == '>' || c == '}')
      --depth;
    else if (c == '"')
      i = text.find('"', i + 1);
    if (depth == 0 && (i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == ','))
      return text.substr(0, i + 1);
  }
  return text;
}

/// The number at the start of the text; 0 if there is none.
inline int toInt(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Calls f with each line, without its end.
template <class F> void forEachLine(std::string_view text, F f) {
  for (std::string_view rest = text; !rest.empty();) {
    size_t end = std::min(rest.find('\n'), rest.size());
    f(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

/// An instruction's ", !dbg !12"; empty if it has none.
inline std::string_view debugTail(std::string_view line) {
  size_t dbg = line.find(", !dbg");
  return dbg == line.npos ? std::string_view() : line.substr(dbg, line.find(',', dbg + 2) - dbg);
}

/// What the lines of code refer to by number, which stands at the end of the IR.
struct IrMetadata {
  struct Subprogram {
    std::string name;
    int line = 0;
  };

  explicit IrMetadata(std::string_view ir) {
    forEachLine(ir, [&](std::string_view line) {
      if (!line.starts_with("!"))
        return;
      std::string id(line.substr(0, line.find(' ')));
      if (contains(line, "!\"auto-init\""))
        autoInit = "!annotation " + id;
      else if (contains(line, "!DISubprogram("))
        subprograms[id] = {std::string(between(line, "name: \"", "\"")), toInt(between(line, ", line: ", ","))};
      else if (contains(line, "!DILocation("))
        locations[id] = toInt(between(line, "line: ", ","));
    });
  }

  /// The line in the text of an instruction; 0 if it has none.
  int lineOf(std::string_view instruction) const {
    std::string_view tail = debugTail(instruction);
    auto location = tail.empty() ? locations.end() : locations.find(std::string(tail.substr(7)));
    return location == locations.end() ? 0 : location->second;
  }

  std::string autoInit; ///< on stores of what the text leaves uninitialised
  std::map<std::string, Subprogram> subprograms;
  std::map<std::string, int> locations;
};

} // namespace tq::metal

#endif // TQ_TESTS_METAL_IRTEXT_H
