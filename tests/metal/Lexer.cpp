//===- Lexer.cpp - Tokens of preprocessed MSL -----------------------------===//

#include "tests/metal/Lexer.h"

#include <algorithm>
#include <cctype>

using namespace tq::metal;

namespace {

bool isWordStart(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$'; }
bool isWordPart(char c) { return isWordStart(c) || std::isdigit(static_cast<unsigned char>(c)); }

constexpr std::string_view kPairs[] = {"[[", "]]", "::", "->", "<<", "&&", "||", "==", "!=", "<=", ">=",
                                       "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "++", "--"};

class Lexer {
public:
  Lexer(std::string_view text, const std::string &mainFile) : text(text) { tokens.files.push_back(mainFile); }

  Tokens run() {
    while (at < text.size())
      step();
    return std::move(tokens);
  }

private:
  char peek(size_t ahead) const { return at + ahead < text.size() ? text[at + ahead] : '\0'; }

  void step() {
    char c = text[at];
    if (c == '\n') {
      ++line;
      ++at;
      lineStart = true;
    } else if (std::isspace(static_cast<unsigned char>(c))) {
      ++at;
    } else if (c == '#' && lineStart) {
      directive();
    } else {
      lineStart = false;
      token(c);
    }
  }

  /// `# 12 "file" 1` names the place of the next line; pragmas are kept beside the tokens.
  void directive() {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view rest = text.substr(at + 1, end - at - 1);
    size_t i = 0;
    while (i < rest.size() && rest[i] == ' ')
      ++i;
    if (rest.substr(i, 7) == "pragma ")
      tokens.pragmas.push_back({Token::Symbol, rest.substr(i), at, line, file});
    if (rest.substr(i, 5) == "line ")
      i += 5;
    if (i < rest.size() && std::isdigit(static_cast<unsigned char>(rest[i]))) {
      int number = 0;
      for (; i < rest.size() && std::isdigit(static_cast<unsigned char>(rest[i])) && number < 100000000; ++i)
        number = number * 10 + (rest[i] - '0');
      line = number - 1; // the newline at the end of this line counts one up
      size_t open = rest.find('"'), close = rest.rfind('"');
      if (open != rest.npos && close > open)
        enter(std::string(rest.substr(open + 1, close - open - 1)));
    }
    at = end;
  }

  void enter(const std::string &name) {
    auto known = std::ranges::find(tokens.files, name);
    file = static_cast<int>(known - tokens.files.begin());
    if (known == tokens.files.end())
      tokens.files.push_back(name);
  }

  void token(char c) {
    size_t begin = at;
    Token::Kind kind = Token::Symbol;
    if (isWordStart(c)) {
      kind = Token::Word;
      while (isWordPart(peek(0)))
        ++at;
    } else if (std::isdigit(static_cast<unsigned char>(c)) ||
               (c == '.' && std::isdigit(static_cast<unsigned char>(peek(1))))) {
      kind = Token::Number;
      number();
    } else if (c == '"' || c == '\'') {
      kind = Token::String;
      for (++at; at < text.size() && text[at] != c && text[at] != '\n'; ++at)
        if (text[at] == '\\')
          ++at;
      ++at;
    } else {
      at += std::ranges::find(kPairs, text.substr(at, 2)) != std::end(kPairs) ? 2 : 1;
    }
    at = std::min(at, text.size());
    tokens.all.push_back({kind, text.substr(begin, at - begin), begin, line, file});
  }

  void number() {
    while (isWordPart(peek(0)) || peek(0) == '.' || peek(0) == '\'') {
      char c = peek(0);
      bool exponent = c == 'e' || c == 'E' || c == 'p' || c == 'P';
      ++at;
      if (exponent && (peek(0) == '+' || peek(0) == '-') && std::isdigit(static_cast<unsigned char>(peek(1))))
        ++at;
    }
  }

  std::string_view text;
  size_t at = 0;
  int line = 1, file = 0;
  bool lineStart = true;
  Tokens tokens;
};

} // namespace

Tokens tq::metal::lex(std::string_view preprocessed, const std::string &mainFile) {
  return Lexer(preprocessed, mainFile).run();
}

bool Tokens::isFloatLiteral(size_t i) const {
  if (i >= size() || all[i].kind != Token::Number)
    return false;
  std::string_view text = all[i].text;
  bool hex = text.starts_with("0x") || text.starts_with("0X");
  return text.find_first_of(hex ? ".pP" : ".eE") != text.npos || (!hex && text.find_first_of("fFhH") != text.npos);
}

bool Tokens::startsStatement(size_t i) const {
  std::string_view before = (*this)[i - 1];
  return before == ";" || before == "{" || before == "}" || before == "const" || before == "constexpr";
}

size_t Tokens::closing(size_t i) const {
  int depth = 0;
  for (; i < size(); ++i) {
    std::string_view t = all[i].text;
    if (t == "(" || t == "[" || t == "{")
      ++depth;
    else if (t == "[[")
      depth += 2;
    else if (t == ")" || t == "]" || t == "}")
      --depth;
    else if (t == "]]") // may end an attribute, or two subscripts
      depth -= 2;
    if (depth <= 0)
      return i;
  }
  return size();
}

size_t Tokens::closingAngle(size_t i) const {
  int depth = 0;
  bool isHead = i > 0 && all[i - 1].text == "template"; // nothing else can be meant there
  for (; i < size(); ++i) {
    std::string_view t = all[i].text;
    if (t == "<")
      ++depth;
    else if (t == ">" && --depth == 0)
      return i;
    else if (t == "(" || t == "[" || t == "{")
      i = closing(i);
    else if (t == ";" || t == ")" || t == "}" || (!isHead && (t == "&&" || t == "||")))
      return size();
  }
  return size();
}
