//===- Uninitialised.cpp - Warnings of clang that a run judges better -----===//

#include "tests/metal/Uninitialised.h"

#include <algorithm>
#include <optional>

using namespace tq::metal;

namespace {

bool isMaybe(const Finding &finding) { return finding.message.find("may be uninitialized") != finding.message.npos; }

/// How many loops each token stands in.
std::vector<int> loopDepths(const Tokens &tokens) {
  std::vector<int> depth(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] != "for" && tokens[i] != "while" && tokens[i] != "do")
      continue;
    size_t body = tokens[i] == "do" ? i + 1 : tokens.closing(i + 1) + 1, end = body;
    while (end < tokens.size() && tokens[end] != ";" && tokens[end] != "{")
      end = tokens[end] == "(" || tokens[end] == "[" ? tokens.closing(end) + 1 : end + 1;
    if (tokens[end] == "{")
      end = tokens.closing(end);
    for (size_t t = body; t < std::min(end, tokens.size()); ++t)
      ++depth[t];
  }
  return depth;
}

} // namespace

bool tq::metal::broadcastsOneLane(const Finding &finding, const Tokens &tokens) {
  if (!isMaybe(finding) && !finding.useLine)
    return false;
  int line = finding.useLine ? finding.useLine : finding.line;
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens.line(i) == line && (tokens[i].starts_with("simd_broadcast") || tokens[i] == "simd_shuffle" ||
                                   tokens[i].starts_with("quad_broadcast")))
      return true;
  return false;
}

bool tq::metal::filledInLoop(const Finding &finding, const Tokens &tokens, const Reflection &reflection) {
  if (!isMaybe(finding))
    return false;
  size_t open = finding.message.find('\'');
  std::string_view name = std::string_view(finding.message).substr(open + 1);
  name = name.substr(0, name.find('\''));
  std::vector<int> depth = loopDepths(tokens);
  auto isArgument = [&](size_t i) {
    int open = 0;
    while (i-- > 0 && tokens[i] != ";" && tokens[i] != "{" && tokens[i] != "}" && open <= 0)
      open += tokens[i] == "(" ? 1 : tokens[i] == ")" ? -1 : 0;
    return open > 0;
  };
  std::optional<size_t> declaration;
  for (size_t i = 1; i < tokens.size() && tokens.line(i) <= finding.line; ++i)
    if (tokens[i] == name && (tokens.isWord(i - 1) || tokens[i - 1] == "," || tokens[i - 1] == ">") &&
        tokens[i - 1] != "return" && (tokens[i + 1] == ";" || tokens[i + 1] == "," || tokens[i + 1] == "[") &&
        !isArgument(i))
      declaration = i;
  for (size_t i = declaration.value_or(tokens.size()); i < tokens.size(); ++i) {
    if (tokens[i] != name || depth[i] <= depth[*declaration] || reflection.whereIs(tokens.line(i)) != finding.where)
      continue;
    size_t after = i + 1; // of v, v[j], v.x
    if (tokens[after] == "[")
      after = tokens.closing(after) + 1;
    else if (tokens[after] == ".")
      after += 2;
    if (tokens[after] != "=")
      continue;
    bool usesItself = false; // sum = sum + x gives no value to what had none
    for (size_t t = after; t < tokens.size() && tokens[t] != ";"; ++t)
      usesItself |= tokens[t] == name;
    if (!usesItself)
      return true;
  }
  return false;
}
