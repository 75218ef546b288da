//===- ArgumentLints.cpp - What a kernel's arguments may be ---------------===//
// Attributes that exclude each other, and structs in buffers whose members the
// API could not have written.
//===----------------------------------------------------------------------===//

#include "tests/metal/Lints.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

using namespace tq::metal;

namespace {

class ArgumentLinter {
public:
  ArgumentLinter(const Tokens &tokens, const Reflection &reflection) : t(tokens), reflection(reflection) {}

  std::vector<Finding> run() {
    attributes();
    for (size_t i = 0; i < t.size(); ++i)
      structDeclaration(i);
    for (const KernelText &k : reflection.kernels)
      for (const Parameter &p : k.kernel.parameters)
        if (p.kind == Parameter::Buffer)
          argument(k, p);
    return std::move(findings);
  }

private:
  struct Struct {
    size_t base = 0;                       ///< the token after the `:`; 0 for none
    std::vector<size_t> pointers;          ///< members that point to thread or threadgroup memory
    std::vector<std::string_view> members; ///< words in it, of which some are types
  };

  /// A place of the parameter: where its value comes from. There is one such place.
  static bool isPlace(std::string_view word) {
    for (std::string_view start :
         {"buffer", "texture", "sampler", "stage_in", "thread", "simdgroup", "quadgroup", "dispatch_"})
      if (word.starts_with(start))
        return true;
    return false;
  }

  void attributes() {
    size_t previousEnd = 0;
    std::string_view previous;
    for (TokenRange range : reflection.dropped) {
      std::string_view place = range.begin == previousEnd ? previous : "";
      for (size_t i = range.begin; i < range.end; ++i) {
        if (t[i] == "(")
          i = t.closing(i);
        if (!isPlace(t[i]) || (t[i - 1] != "[[" && t[i - 1] != ","))
          continue;
        if (!place.empty())
          findings.push_back(
              findingAt(t, reflection, i, fmt::format("a parameter has one place: [[{}]] or [[{}]]", place, t[i])));
        place = t[i];
      }
      previous = place;
      previousEnd = range.end;
    }
  }

  void structDeclaration(size_t i) {
    if ((t[i] != "struct" && t[i] != "class") || !t.isWord(i + 1) || t[i - 1] == "enum")
      return;
    Struct s;
    size_t open = i + 2;
    if (t[open] == "final")
      ++open;
    if (t[open] == ":")
      s.base = open + 1;
    while (s.base && open < t.size() && t[open] != "{" && t[open] != ";")
      ++open;
    if (t[open] != "{")
      return;
    for (size_t j = open + 1, end = t.closing(open); j < end; ++j) {
      bool isBody = t[j] == "{" && (t[j - 1] == ")" || t[j - 1] == "const" || t[j - 1] == "constant");
      if (t[j] == "(" || isBody || t[j] == "[") { // member functions, arrays
        j = t.closing(j);
        continue;
      }
      if (t.isWord(j))
        s.members.push_back(t[j]);
      if (t[j] != "thread" && t[j] != "threadgroup")
        continue;
      size_t stop = j;
      while (stop < end && t[stop] != ";" && t[stop] != "(")
        ++stop;
      bool pointer =
          std::any_of(t.all.begin() + static_cast<ptrdiff_t>(j), t.all.begin() + static_cast<ptrdiff_t>(stop),
                      [](const Token &token) { return token.text == "*" || token.text == "&"; });
      if (pointer && t[stop] == ";")
        s.pointers.push_back(j);
    }
    structs[t[i + 1]] = std::move(s);
  }

  void argument(const KernelText &k, const Parameter &p) {
    std::string_view name = p.type;
    for (std::string_view word : {"const ", "struct "})
      if (name.starts_with(word))
        name.remove_prefix(word.size());
    while (name.ends_with("*") || name.ends_with(" "))
      name.remove_suffix(1);
    if (name.ends_with(" const"))
      name.remove_suffix(6);
    inside(k, p, name, 4);
  }

  void inside(const KernelText &k, const Parameter &p, std::string_view name, int depth) {
    auto known = structs.find(name);
    if (known == structs.end() || depth == 0)
      return;
    const Struct &s = known->second;
    auto say = [&](size_t i, const std::string &what) {
      Finding f = findingAt(t, reflection, i, what);
      f.where = "kernel " + k.kernel.name;
      findings.push_back(std::move(f));
    };
    if (s.base)
      say(s.base, fmt::format("{} is derived from {}; '{}' in buffer({}) must be of a struct without a base", name,
                              t[s.base] == "public" ? t[s.base + 1] : t[s.base], p.name, p.index));
    for (size_t i : s.pointers)
      say(i, fmt::format("{} has a pointer to {} memory, which '{}' in buffer({}) cannot hold", name, t[i], p.name,
                         p.index));
    for (std::string_view member : s.members)
      if (member != name)
        inside(k, p, member, depth - 1);
  }

  const Tokens &t;
  const Reflection &reflection;
  std::map<std::string_view, Struct> structs;
  std::vector<Finding> findings;
};

} // namespace

std::vector<Finding> tq::metal::lintArguments(const Tokens &tokens, const Reflection &reflection) {
  return ArgumentLinter(tokens, reflection).run();
}

namespace {

class BracketLinter {
public:
  BracketLinter(const Tokens &tokens, std::string_view preprocessed) : t(tokens), text(preprocessed) {}

  std::vector<Finding> run() {
    for (size_t i = 0; i < t.size(); ++i) {
      if (t.all[i].kind != Token::Symbol || t[i].find_first_not_of("()[]{}") != std::string_view::npos)
        continue;
      for (char c : t[i]) // of ]] each
        if (size_t kind = std::string_view("([{").find(c); kind != std::string_view::npos)
          open.push_back({")]}"[kind], i});
        else if (!close(c, i))
          return std::move(findings);
    }
    if (!open.empty())
      say(suspectOpen.value_or(open.back().token), "is not closed");
    return std::move(findings);
  }

private:
  struct Open {
    char closedBy;
    size_t token;
  };

  bool close(char c, size_t i) {
    if (open.empty())
      return say(suspectClose.value_or(i), "has no opening bracket");
    Open last = open.back();
    if (last.closedBy != c)
      return last.closedBy == '}'
                 ? say(i, "has no opening bracket")
                 : say(last.token, fmt::format("is not closed before the {} of line {}", t[i], t.line(i)));
    open.pop_back();
    if (c == '}' && begins(i)) { // by its indentation the brace of another one
      size_t own = indentation(i), other = indentation(last.token);
      if (own < other && !suspectOpen)
        suspectOpen = last.token;
      if (own > other && !suspectClose)
        suspectClose = i;
    }
    return true;
  }

  /// False, for close().
  bool say(size_t i, const std::string &message) {
    int file = t.all[i].file;
    findings.push_back(
        {t.line(i), "", fmt::format("{} {}", t[i], message), file == 0 ? "" : t.files[static_cast<size_t>(file)]});
    return false;
  }

  size_t lineBegin(size_t i) const { return text.rfind('\n', t.all[i].offset) + 1; }
  size_t indentation(size_t i) const {
    return std::min(text.find_first_not_of(' ', lineBegin(i)), text.size()) - lineBegin(i);
  }
  bool begins(size_t i) const { return lineBegin(i) + indentation(i) == t.all[i].offset; }

  const Tokens &t;
  std::string_view text;
  std::vector<Open> open;
  std::optional<size_t> suspectOpen, suspectClose;
  std::vector<Finding> findings;
};

} // namespace

std::vector<Finding> tq::metal::lintBrackets(const Tokens &tokens, std::string_view preprocessed) {
  return BracketLinter(tokens, preprocessed).run();
}
