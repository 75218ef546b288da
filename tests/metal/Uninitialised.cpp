//===- Uninitialised.cpp - Warnings of clang that a run judges better -----===//

#include "tests/metal/Uninitialised.h"

#include "tests/metal/TypeNames.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

using namespace tq::metal;

namespace {

/// A variable that is declared without a value, and what the text does with it.
class Variable {
public:
  Variable(const Finding &finding, const Tokens &tokens, const Reflection &reflection, const TypeNames &types)
      : finding(finding), t(tokens), reflection(reflection), types(types) {
    size_t open = finding.message.find('\'');
    name = std::string_view(finding.message).substr(open + 1);
    name = name.substr(0, name.find('\''));
    findDeclaration();
  }

  /// Some read passes on what is no value in most lanes. To be asked after readsAreExcused().
  bool isBroadcast() const { return broadcast; }
  bool isMaybe() const { return finding.message.find("may be uninitialized") != finding.message.npos; }

  /// Every read passes the value on to a broadcast, or is under the conditions of an assignment before it.
  bool readsAreExcused() {
    if (!declaration || (!isMaybe() && !finding.useLine))
      return false;
    for (size_t i = *declaration + 1; i < scopeEnd;)
      i = statement(i, {});
    std::vector<Mention> assigned;
    for (size_t m = 0; m < mentions.size(); ++m) {
      if (t[mentions[m].at + 1] != "=") {
        if (isBroadcast(mentions[m].at))
          broadcast = true;
        else if (!isMaybe() || !isUnderConditionOf(assigned, mentions[m]))
          return false;
        continue;
      }
      size_t target = m, end = mentions[m].at;
      while (end < scopeEnd && t[end] != ";")
        ++end;
      for (; m + 1 < mentions.size() && mentions[m + 1].at < end; ++m)
        if (isBroadcast(mentions[m + 1].at))
          broadcast = true;
        else // sum = sum + x
          return false;
      if (mentions[target].conditions.empty())
        return true; // all that follows has a value
      assigned.push_back(mentions[target]);
    }
    return true;
  }

  /// A loop deeper than the declaration has an assignment that does not use the variable itself.
  bool isFilledInLoop() const {
    if (!isMaybe() || !declaration)
      return false;
    std::vector<int> depth = loopDepths();
    for (size_t i = *declaration; i < t.size(); ++i) {
      if (t[i] != name || depth[i] <= depth[*declaration] || reflection.whereIs(t.line(i)) != finding.where)
        continue;
      size_t after = i + 1; // of v, v[j], v.x
      if (t[after] == "[")
        after = t.closing(after) + 1;
      else if (t[after] == ".")
        after += 2;
      if (t[after] != "=")
        continue;
      bool usesItself = false; // sum = sum + x gives no value to what had none
      for (size_t j = after; j < t.size() && t[j] != ";"; ++j)
        usesItself |= t[j] == name;
      if (!usesItself)
        return true;
    }
    return false;
  }

  Watched watched() const {
    size_t space = finding.where.find(' ');
    return {space == finding.where.npos ? "" : finding.where.substr(space + 1), std::string(name)};
  }

private:
  /// What must hold on the way from the declaration to a place, as text. Loops, `else` and their like are "@" and the
  /// token's number: what is below one is a way of its own.
  using Conditions = std::set<std::string>;
  struct Mention {
    size_t at;
    Conditions conditions;
  };

  void findDeclaration() {
    for (size_t i = 1; i < t.size() && t.line(i) <= finding.line; ++i)
      if (t[i] == name && (t.isWord(i - 1) || t[i - 1] == "," || t[i - 1] == ">") && t[i - 1] != "return" &&
          (t[i + 1] == ";" || t[i + 1] == "," || t[i + 1] == "[") && !isArgument(i))
        declaration = i;
    int depth = 0;
    for (scopeEnd = declaration.value_or(t.size()); scopeEnd < t.size() && depth >= 0; ++scopeEnd)
      depth += t[scopeEnd] == "{" ? 1 : t[scopeEnd] == "}" ? -1 : 0;
    if (t.line(scopeEnd) < finding.line) // another one, of a block before
      declaration.reset();
  }

  bool isArgument(size_t i) const {
    int open = 0;
    while (i-- > 0 && t[i] != ";" && t[i] != "{" && t[i] != "}" && open <= 0)
      open += t[i] == "(" ? 1 : t[i] == ")" ? -1 : 0;
    return open > 0;
  }

  bool isMentioned(size_t i) const { return t[i] == name && t[i - 1] != "." && t[i - 1] != "->" && t[i - 1] != "::"; }

  /// The bracket around token i; 0 if a statement begins first.
  size_t enclosing(size_t i) const {
    int depth = 0;
    while (i-- > 0) {
      if (t[i] == ")" || t[i] == "]")
        ++depth;
      else if (depth > 0 && (t[i] == "(" || t[i] == "["))
        --depth;
      else if (t[i] == "(" || t[i] == "[")
        return i;
      else if (depth == 0 && (t[i] == ";" || t[i] == "{" || t[i] == "}"))
        return 0;
    }
    return 0;
  }

  /// The value that one lane gives to others: the first argument, converted perhaps. A lane's number is none.
  bool isBroadcast(size_t i) const {
    for (size_t open = enclosing(i); open > 0 && t[open] == "("; open = enclosing(open)) {
      std::string_view callee = t[open - 1];
      bool first = true;
      for (size_t j = open + 1; j < i; ++j)
        if (t[j] == "(" || t[j] == "[")
          j = std::min(t.closing(j), i);
        else
          first &= t[j] != ",";
      if (callee.starts_with("simd_broadcast") || callee.starts_with("quad_broadcast") || callee == "simd_shuffle" ||
          callee == "quad_shuffle")
        return first;
      if (t.isWord(open - 1) && !types.isType(callee))
        return false;
      i = open;
    }
    return false;
  }

  /// bool have = false; if (...) { v = ...; have = true; } if (have) ...
  bool isFlagOf(const Conditions &assignment, std::string_view flag) const {
    bool isFalse = false;
    for (size_t i = blockBegin(*declaration); i < scopeEnd; ++i) {
      if (t[i] != flag || t[i - 1] == "." || t[i - 1] == "->")
        continue;
      bool isTrue =
          std::ranges::any_of(flags, [&](const Mention &m) { return m.at == i && m.conditions == assignment; });
      bool isReset =
          t[i + 1] == "=" && (t[i + 2] == "false" || t[i + 2] == "0") && (t[i + 3] == ";" || t[i + 3] == ",");
      isFalse |= isReset && t[i - 1] == "bool";
      if ((isAssignment(i + 1) || t[i - 1] == "&") && !isTrue && !isReset)
        return false;
    }
    return isFalse;
  }

  /// Some assignment's conditions all hold here, and nothing that they depend on has changed since.
  bool isUnderConditionOf(const std::vector<Mention> &assigned, const Mention &here) const {
    return std::ranges::any_of(assigned,
                               [&](const Mention &there) {
                                 return std::ranges::includes(here.conditions, there.conditions) &&
                                        std::ranges::none_of(there.conditions, [&](const std::string &c) {
                                          return changes(c, there.at, here.at);
                                        });
                               }) ||
           std::ranges::any_of(here.conditions, [&](const std::string &c) {
             return std::ranges::any_of(assigned, [&](const Mention &there) {
               return isFlagOf(there.conditions, std::string_view(c).substr(0, c.find(' ')));
             });
           });
  }

  /// An operator that changes what is on its left.
  bool isAssignment(size_t i) const {
    constexpr std::string_view kOperators[] = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "++", "--"};
    return std::ranges::find(kOperators, t[i]) != std::end(kOperators) || (t[i] == "<<" && t[i + 1] == "=") ||
           (t[i] == ">" && t[i + 1] == ">=");
  }

  /// The `{` of the block that token i is in.
  size_t blockBegin(size_t i) const {
    int depth = 0;
    while (i-- > 0) {
      depth += t[i] == "}" ? 1 : t[i] == "{" ? -1 : 0;
      if (depth < 0)
        return i;
    }
    return 0;
  }

  /// Whether a word of the condition is given another value between two places.
  bool changes(const std::string &condition, size_t begin, size_t end) const {
    for (size_t i = begin; i < end; ++i) {
      if (!t.isWord(i) || (' ' + condition).find(' ' + std::string(t[i]) + ' ') == std::string::npos)
        continue;
      size_t after = i + 1;
      while (t[after] == "[" || t[after] == ".")
        after = t[after] == "[" ? t.closing(after) + 1 : after + 2;
      if (isAssignment(after) || t[i - 1] == "++" || t[i - 1] == "--" || t[i - 1] == "&")
        return true;
    }
    return false;
  }

  static Conditions with(Conditions conditions, size_t i) {
    conditions.insert(fmt::format("@{} ", i));
    return conditions;
  }

  /// The condition's parts as text; of `a || b` the whole.
  Conditions with(Conditions conditions, TokenRange range) const {
    while (t[range.begin] == "(" && t.closing(range.begin) + 1 == range.end)
      range = {range.begin + 1, range.end - 1};
    std::vector<TokenRange> parts = split(range, {"&&"});
    if (split(range, {"||", "?", "=", ","}).size() > 1)
      parts = {range};
    if (parts.size() > 1) {
      for (TokenRange part : parts)
        conditions = with(std::move(conditions), part);
      return conditions;
    }
    std::string text;
    for (size_t i = range.begin; i < range.end; ++i)
      text += std::string(t[i]) + " ";
    conditions.insert(std::move(text));
    return conditions;
  }

  /// At the operators that are in no brackets.
  std::vector<TokenRange> split(TokenRange range, std::initializer_list<std::string_view> operators) const {
    std::vector<TokenRange> parts;
    size_t begin = range.begin;
    for (size_t i = range.begin; i < range.end; ++i)
      if (t[i] == "(" || t[i] == "[" || t[i] == "{") {
        i = t.closing(i);
      } else if (std::ranges::find(operators, t[i]) != operators.end()) {
        parts.push_back({begin, i});
        begin = i + 1;
      }
    parts.push_back({begin, range.end});
    return parts;
  }

  /// Notes the mentions in a statement; returns what follows it.
  size_t statement(size_t i, const Conditions &conditions) {
    std::string_view s = t[i];
    if (s == "{") {
      size_t close = std::min(t.closing(i), scopeEnd);
      for (++i; i < close;)
        i = statement(i, conditions);
      return close + 1;
    }
    if (s == "do")
      return statement(i + 1, with(conditions, i));
    if (s == "else")
      return statement(i + 1, with(conditions, i));
    if (s == "case" || s == "default") {
      while (i < scopeEnd && t[i] != ":")
        ++i;
      return i + 1;
    }
    if (s == "if" || s == "for" || s == "while" || s == "switch") {
      size_t open = t[i + 1] == "constexpr" ? i + 2 : i + 1, close = t.closing(open);
      for (TokenRange part : split({open + 1, close}, {";"}))
        expression(part, s == "for" ? with(conditions, i) : conditions);
      if (s == "switch") // which case it is does not matter: none has what another was given
        return inSwitch(close + 1, with(conditions, i));
      return statement(close + 1, s == "if" ? with(conditions, TokenRange{open + 1, close}) : with(conditions, i));
    }
    size_t end = i;
    while (end < scopeEnd && t[end] != ";" && t[end] != "}")
      end = t[end] == "(" || t[end] == "[" || t[end] == "{" ? t.closing(end) + 1 : end + 1;
    expression({i, std::min(end, scopeEnd)}, conditions);
    return end + 1;
  }

  size_t inSwitch(size_t open, const Conditions &conditions) {
    size_t close = std::min(t.closing(open), scopeEnd), label = open;
    for (size_t i = open + 1; i < close;) {
      label = t[i] == "case" || t[i] == "default" ? i : label;
      i = statement(i, with(conditions, label));
    }
    return close + 1;
  }

  void expression(TokenRange range, const Conditions &conditions) {
    for (auto operators :
         {std::initializer_list<std::string_view>{","}, {"=", "+=", "-=", "*=", "|=", "&=", "^=", "return"}})
      if (auto parts = split(range, operators); parts.size() > 1) {
        for (TokenRange part : parts)
          expression(part, conditions);
        return;
      }
    if (auto parts = split(range, {"?"}); parts.size() > 1) {
      size_t question = parts[0].end, colon = question + 1;
      for (int depth = 1; colon < range.end; ++colon) {
        if (t[colon] == "(" || t[colon] == "[" || t[colon] == "{")
          colon = t.closing(colon);
        depth += t[colon] == "?" ? 1 : t[colon] == ":" ? -1 : 0;
        if (depth == 0)
          break;
      }
      expression(parts[0], conditions);
      expression({question + 1, std::min(colon, range.end)}, with(conditions, parts[0]));
      expression({std::min(colon + 1, range.end), range.end}, with(conditions, question));
      return;
    }
    if (auto parts = split(range, {"||"}); parts.size() > 1) {
      for (size_t i = 0; i < parts.size(); ++i)
        expression(parts[i], i ? with(conditions, parts[i].begin) : conditions);
      return;
    }
    if (auto parts = split(range, {"&&"}); parts.size() > 1) {
      Conditions so = conditions;
      for (TokenRange part : parts) {
        expression(part, so);
        so = with(std::move(so), part);
      }
      return;
    }
    for (size_t i = range.begin; i < range.end; ++i)
      if (t[i] == "(" || t[i] == "[" || t[i] == "{") {
        expression({i + 1, std::min(t.closing(i), range.end)}, conditions);
        i = t.closing(i);
      } else if (isMentioned(i)) {
        mentions.push_back({i, conditions});
      } else if (t.isWord(i) && t[i + 1] == "=" && t[i + 2] == "true" && t[i + 3] == ";") {
        flags.push_back({i, conditions});
      }
  }

  /// How many loops each token stands in.
  std::vector<int> loopDepths() const {
    std::vector<int> depth(t.size());
    for (size_t i = 0; i < t.size(); ++i) {
      if (t[i] != "for" && t[i] != "while" && t[i] != "do")
        continue;
      size_t body = t[i] == "do" ? i + 1 : t.closing(i + 1) + 1, end = body;
      while (end < t.size() && t[end] != ";" && t[end] != "{")
        end = t[end] == "(" || t[end] == "[" ? t.closing(end) + 1 : end + 1;
      if (t[end] == "{")
        end = t.closing(end);
      for (size_t j = body; j < std::min(end, t.size()); ++j)
        ++depth[j];
    }
    return depth;
  }

  const Finding &finding;
  const Tokens &t;
  const Reflection &reflection;
  const TypeNames &types;
  std::string_view name;
  std::optional<size_t> declaration;
  size_t scopeEnd = 0;
  bool broadcast = false;
  std::vector<Mention> mentions, flags; ///< flags: assignments of true
};

} // namespace

std::vector<Watched> tq::metal::excuse(std::vector<Finding> &findings, const Tokens &tokens,
                                       const Reflection &reflection, bool run) {
  std::vector<Watched> watched;
  if (findings.empty())
    return watched;
  TypeNames types = typeNames(tokens);
  std::erase_if(findings, [&](const Finding &finding) {
    if (finding.message.find("ninitialized") == finding.message.npos)
      return false;
    Variable variable(finding, tokens, reflection, types);
    if (variable.readsAreExcused()) {
      if (!variable.isBroadcast())
        watched.push_back(variable.watched());
      return true;
    }
    bool filled = run && variable.isFilledInLoop();
    if (filled)
      watched.push_back(variable.watched());
    return filled;
  });
  return watched;
}
