//===- Lexer.h - Tokens of preprocessed MSL, with their lines ---*- C++ -*-===//
// Reads what `clang -E` leaves: no comments, no macros, and line markers that
// say where each piece of text came from.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_LEXER_H
#define TQ_TESTS_METAL_LEXER_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tq::metal {

struct Token {
  enum Kind : uint8_t { Word, Number, String, Symbol } kind = Symbol;
  std::string_view text; ///< into the text given to lex()
  size_t offset = 0;
  int line = 0;
  int file = 0; ///< into Tokens::files
};

/// `[[`, `]]`, `::`, `->`, `<<`, `&&` and the like are one token; `>>` is two, because templates end in it.
struct Tokens {
  std::vector<Token> all;
  std::vector<std::string> files;
  std::vector<Token> pragmas; ///< each `#pragma ...` as one

  size_t size() const { return all.size(); }
  /// The text of token i; empty beyond either end.
  std::string_view operator[](size_t i) const { return i < all.size() ? all[i].text : std::string_view(); }
  int line(size_t i) const { return all.empty() ? 1 : i < all.size() ? all[i].line : all.back().line; }
  bool isWord(size_t i) const { return i < all.size() && all[i].kind == Token::Word; }
  /// 1.0, 1e3f, 2.h: not 0x1f.
  bool isFloatLiteral(size_t i) const;
  /// Token i may be the first of a statement.
  bool startsStatement(size_t i) const;
  /// From an opening bracket at i to its partner; size() if there is none.
  size_t closing(size_t i) const;
  /// From the `<` of template arguments to their `>`; size() if this is no such list.
  size_t closingAngle(size_t i) const;
};

/// [begin, end) in the tokens.
struct TokenRange {
  size_t begin = 0, end = 0;
};

Tokens lex(std::string_view preprocessed, const std::string &mainFile);

/// A thing wrong with the text. `where` is a kernel or function, or empty.
struct Finding {
  int line = 0;
  std::string where, message;
  std::string file; ///< empty: the text itself
  int useLine = 0;  ///< of an uninitialised variable, where clang tells it apart
};

} // namespace tq::metal

#endif // TQ_TESTS_METAL_LEXER_H
