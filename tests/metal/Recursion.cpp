//===- Recursion.cpp - Functions that may call themselves -----------------===//

#include "tests/metal/Recursion.h"

#include <algorithm>
#include <map>

using namespace tq::metal;

namespace {

class Calls {
public:
  Calls(const Tokens &tokens, const Reflection &reflection) : t(tokens), reflection(reflection) {
    for (const FunctionText &f : reflection.functions)
      ++definitions[f.name];
    for (const FunctionText &f : reflection.functions)
      for (size_t i = f.body.begin; i < f.body.end; ++i)
        if (t.isWord(i) && t[i + 1] == "(" && definitions.contains(t[i]))
          callees[f.name].insert(t[i]);
  }

  /// f calls itself, perhaps through others: by name, so another function of the name may be meant.
  bool isCircular(const FunctionText &f) const {
    std::set<std::string_view> seen;
    std::vector<std::string_view> todo = {f.name};
    while (!todo.empty()) {
      auto calls = callees.find(todo.back());
      todo.pop_back();
      if (calls == callees.end())
        continue;
      if (calls->second.contains(f.name))
        return true;
      for (std::string_view callee : calls->second)
        if (seen.insert(callee).second)
          todo.push_back(callee);
    }
    return false;
  }

  bool isConstexpr(const FunctionText &f) const { return hasBefore(f, "constexpr"); }
  bool isTemplate(const FunctionText &f) const { return hasBefore(f, "template"); }

  /// Where the declaration of f begins.
  size_t begin(const FunctionText &f) const {
    size_t i = f.nameAt;
    while (i > 0 && t[i - 1] != ";" && t[i - 1] != "{" && t[i - 1] != "}" && t[i - 1] != ":")
      --i;
    return i;
  }

  /// Every call from outside of constexpr functions has constant arguments.
  bool isForConstants(const FunctionText &f) const {
    for (const FunctionText &caller : reflection.functions)
      for (size_t i = caller.body.begin; i < caller.body.end && !isConstexpr(caller); ++i)
        if (t[i] == f.name && t[i + 1] == "(" && hasVariable(caller, {i + 2, t.closing(i + 1)}))
          return false;
    return definitions.at(f.name) == 1;
  }

private:
  bool hasBefore(const FunctionText &f, std::string_view word) const {
    for (size_t i = begin(f); i < f.nameAt; ++i)
      if (t[i] == word)
        return true;
    return false;
  }

  /// A word in the range is a parameter or variable of the function.
  bool hasVariable(const FunctionText &f, TokenRange range) const {
    for (size_t i = range.begin; i < range.end; ++i)
      for (size_t j = f.nameAt + 1; t.isWord(i) && j < f.body.end; ++j)
        if (t[j] == t[i] && (j < range.begin || j >= range.end) &&
            (t.isWord(j - 1) || t[j - 1] == "*" || t[j - 1] == "&" || t[j - 1] == ">" || t[j - 1] == ","))
          return true;
    return false;
  }

  const Tokens &t;
  const Reflection &reflection;
  std::map<std::string_view, int> definitions;
  std::map<std::string_view, std::set<std::string_view>> callees;
};

} // namespace

Recursion tq::metal::findCircles(const Tokens &tokens, const Reflection &reflection) {
  Calls calls(tokens, reflection);
  Recursion result;
  for (const FunctionText &f : reflection.functions) {
    if (f.isKernel || calls.isTemplate(f) || !calls.isCircular(f))
      continue;
    if (calls.isConstexpr(f) && calls.isForConstants(f))
      result.constants.insert(f.name);
    else
      result.begins.push_back(calls.begin(f));
  }
  return result;
}
