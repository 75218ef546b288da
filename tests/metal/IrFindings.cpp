//===- IrFindings.cpp - What is wrong whatever a kernel reads -------------===//

#include "tests/metal/IrFindings.h"

#include "tests/metal/IrTables.h"

#include <fmt/format.h>

using namespace tq::metal;

namespace {

class Walk {
public:
  Walk(const CallGraph &graph, const IrMetadata &metadata, const Recursion &known)
      : graph(graph), metadata(metadata), known(known) {}

  /// Whether a circle is found on a way from here.
  bool from(const std::string &name) {
    if (state[name] || known.constants.contains(of(name).name))
      return false;
    state[name] = 1;
    for (const std::string &callee : graph.calls.at(name)) {
      if (!graph.calls.contains(callee))
        continue;
      if (state[callee] == 1) {
        IrMetadata::Subprogram called = of(callee);
        findings.push_back({called.line, "function " + called.name,
                            callee == name
                                ? "calls itself; MSL kernels must not recurse"
                                : fmt::format("calls itself through {}; MSL kernels must not recurse", of(name).name),
                            ""});
        return true;
      }
      if (from(callee))
        return true;
    }
    state[name] = 2;
    return false;
  }

  std::vector<Finding> findings;

private:
  IrMetadata::Subprogram of(const std::string &function) const {
    auto id = graph.subprograms.find(function);
    auto known = id == graph.subprograms.end() ? metadata.subprograms.end() : metadata.subprograms.find(id->second);
    return known == metadata.subprograms.end() ? IrMetadata::Subprogram() : known->second;
  }

  const CallGraph &graph;
  const IrMetadata &metadata;
  const Recursion &known;
  std::map<std::string, int> state; ///< 1: on the path, 2: done
};

} // namespace

std::vector<Finding> tq::metal::findRecursion(const CallGraph &graph, const IrMetadata &metadata,
                                              const Recursion &known) {
  Walk walk(graph, metadata, known);
  for (const auto &[name, callees] : graph.calls)
    if (walk.from(name))
      break;
  return walk.findings;
}

std::vector<Finding> tq::metal::findConstantShifts(std::string_view ir, const Tokens &tokens,
                                                   const Reflection &reflection, const IrMetadata &metadata) {
  std::vector<Finding> findings;
  std::map<int, std::vector<size_t>> literals;
  for (size_t i = 0; i + 2 < tokens.size(); ++i) {
    bool left = tokens[i] == "<<";
    bool right = tokens[i] == ">" && tokens[i + 1] == ">" && tokens.all[i + 1].offset == tokens.all[i].offset + 1;
    size_t count = left ? i + 1 : i + 2;
    if ((left || right) && tokens.all[count].kind == Token::Number && toInt(tokens[count]) >= 32)
      literals[tokens.line(i)].push_back(count);
  }
  if (literals.empty())
    return findings;
  std::map<int, std::pair<bool, bool>> seen; // line: shifts of 32 bits, of 64 bits
  forEachLine(ir, [&](std::string_view line) {
    if (!contains(line, " = shl ") && !contains(line, " = lshr ") && !contains(line, " = ashr "))
      return;
    if (debugTail(line).empty())
      return;
    auto &[narrow, wide] = seen[metadata.lineOf(line)];
    (contains(line, "i64") ? wide : narrow) = true;
  });
  for (const auto &[line, counts] : literals) {
    auto [narrow, wide] = seen[line];
    for (size_t count : counts) {
      int by = toInt(tokens[count]);
      // What clang has computed itself leaves no trace; then the literal that is shifted tells the width.
      size_t left = tokens[count - 1] == "<<" ? count - 2 : count - 3;
      bool number = tokens.all[left].kind == Token::Number;
      bool literal = number && tokens[left].find_first_of("lL") == std::string::npos;
      // Of (ulong)1 << 40, x << 33 >> 33 and x * 2 << 40 the literal is only a part.
      constexpr std::string_view kParts[] = {")", "<<", ">", "*", "/", "%", "+", "-"};
      if (number && by < 64 && left > 0 && std::ranges::find(kParts, tokens[left - 1]) != std::end(kParts))
        continue;
      if ((narrow && !wide && by >= 32) || (literal && by >= 32) || by >= 64)
        findings.push_back({line, reflection.whereIs(line),
                            fmt::format("shift by {} of a value of {} bits", by, by >= 64 ? 64 : 32), ""});
    }
  }
  return findings;
}

std::vector<Finding> tq::metal::findUndefined(std::string_view ir, const Reflection &reflection,
                                              const IrMetadata &metadata) {
  std::map<std::string, int, std::less<>> undefined; // symbol: the first line that uses it
  forEachLine(ir, [&](std::string_view line) {
    size_t at = line.find('@');
    if (at == line.npos)
      return;
    std::string_view symbol = line.substr(at, line.find_first_of("( ", at) - at);
    if ((line.starts_with("declare ") && symbol.starts_with("@_Z")) ||
        (at == 0 && contains(line, " external ") && !symbol.starts_with("@__")))
      undefined[std::string(symbol)] = 0;
  });
  if (undefined.empty())
    return {};
  forEachLine(ir, [&](std::string_view line) {
    if (!line.starts_with("  ") || metadata.lineOf(line) == 0)
      return;
    for (size_t at = line.find('@'); at != line.npos; at = line.find('@', at + 1)) {
      auto use = undefined.find(line.substr(at, line.find_first_of("( ,)", at) - at));
      if (use != undefined.end() && use->second == 0)
        use->second = metadata.lineOf(line);
    }
  });
  std::vector<Finding> findings;
  for (const auto &[symbol, line] : undefined) {
    std::string name = demangle(symbol.substr(1));
    if (line && reflection.missing(name).empty())
      findings.push_back({line, reflection.whereIs(line), fmt::format("'{}' is declared, but not defined", name), ""});
  }
  return findings;
}
