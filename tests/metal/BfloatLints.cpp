//===- BfloatLints.cpp - Literals where a bfloat is wanted ----------------===//
// Clang converts them without a word.
//===----------------------------------------------------------------------===//

#include "tests/metal/Lints.h"

#include <fmt/format.h>

using namespace tq::metal;

namespace {

class BfloatLinter {
public:
  BfloatLinter(const Tokens &tokens, const Reflection &reflection) : t(tokens), reflection(reflection) {}

  std::vector<Finding> run() {
    for (size_t i = 0; i < t.size(); ++i)
      variables(i);
    for (const FunctionText &f : reflection.functions)
      body(f);
    return std::move(findings);
  }

private:
  void say(size_t i, std::string message) { findings.push_back(findingAt(t, reflection, i, std::move(message))); }

  void body(const FunctionText &f) {
    bool returnsBfloat = f.nameAt > 0 && t[f.nameAt - 1] == "bfloat";
    for (size_t i = f.body.begin; i < f.body.end; ++i) {
      if (returnsBfloat && t[i] == "return")
        value({i + 1, statementEnd(i + 1)});
      if (names.contains(t[i]) && t[i + 1] == "=" && t.startsStatement(i) && isBfloat(f, t[i]))
        value({i + 2, statementEnd(i + 2)});
    }
  }

  /// The end of an initialiser or a returned value.
  size_t statementEnd(size_t i) const {
    while (i < t.size() && t[i] != ";" && t[i] != "," && t[i] != "}")
      i = t[i] == "(" || t[i] == "[" || t[i] == "{" ? t.closing(i) + 1 : i + 1;
    return i;
  }

  /// bfloat a = 1, b[2] = {2, 3};
  void variables(size_t i) {
    if (t[i] != "bfloat")
      return;
    for (size_t name = i + 1; t.isWord(name);) {
      names.insert(t[name]);
      size_t from = name + 1;
      while (t[from] == "[")
        from = t.closing(from) + 1;
      if (t[from] == "=")
        ++from;
      else if (t[from] != "{" && t[from] != ",")
        return;
      size_t end = statementEnd(from);
      if (t[from] == "{")
        for (size_t element = from + 1; element < t.closing(from); element = statementEnd(element) + 1)
          value({element, statementEnd(element)});
      else
        value({from, end});
      if (t[end] != ",")
        return;
      name = end + 1;
    }
  }

  /// Every declaration of the name in the function is a bfloat's.
  bool isBfloat(const FunctionText &f, std::string_view name) const {
    bool found = false;
    for (size_t i = f.nameAt + 1; i < f.body.end; ++i)
      if (t[i] == name && t.isWord(i - 1) && t[i - 1] != "return" && t[i - 1] != "else") {
        if (t[i - 1] != "bfloat")
          return false;
        found = true;
      }
    return found;
  }

  /// A literal, or one in an arm of ?:.
  void value(TokenRange range, int depth = 0) {
    for (;;) {
      if (t[range.begin] == "(" && t.closing(range.begin) + 1 == range.end)
        --range.end;
      else if (t[range.begin] != "-" && t[range.begin] != "+")
        break;
      ++range.begin;
    }
    std::string_view literal = t[range.begin];
    if (range.begin + 1 == range.end && t.isFloatLiteral(range.begin) && !literal.ends_with("bf") &&
        !literal.ends_with("BF") && !literal.ends_with("h") && !literal.ends_with("H"))
      say(range.begin,
          fmt::format("{0} does not become a bfloat by itself; write bfloat({0}), or the suffix bf", literal));
    size_t arm = range.end; // what ends in ? is a condition, in : or nothing a value
    for (size_t i = range.begin; i < range.end; ++i) {
      if (t[i] == "(" || t[i] == "[" || t[i] == "{") {
        i = t.closing(i);
      } else if (t[i] == "?" || (t[i] == ":" && arm < range.end)) {
        if (t[i] == ":" && depth < 50)
          value({arm, i}, depth + 1);
        arm = i + 1;
      }
    }
    if (arm < range.end && depth < 50)
      value({arm, range.end}, depth + 1);
  }

  const Tokens &t;
  const Reflection &reflection;
  std::set<std::string_view> names; ///< that variables of the type have
  std::vector<Finding> findings;
};

} // namespace

std::vector<Finding> tq::metal::lintBfloats(const Tokens &tokens, const Reflection &reflection) {
  return BfloatLinter(tokens, reflection).run();
}
