//===- Rewrite.cpp - From MSL to what clang compiles ----------------------===//

#include "tests/metal/Rewrite.h"

#include "tests/metal/Recursion.h"
#include "tests/metal/Thunks.h"
#include "tests/metal/TypeNames.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

using namespace tq::metal;

namespace {

struct Edit {
  size_t offset, length;
  std::string replacement;
  bool closes = false; ///< of what is put around something: before what begins here, the inner one first
  int64_t serial = 0;  ///< otherwise edits of one place keep their order
};

class Rewriter {
public:
  Rewriter(std::string_view text, const Tokens &tokens, const Reflection &reflection)
      : text(text), t(tokens), reflection(reflection), types(typeNames(tokens)),
        usesBfloat(std::ranges::find(tokens.all, "bfloat", &Token::text) != tokens.all.end()) {}

  std::string run() {
    for (TokenRange range : reflection.dropped)
      replace(range, "");
    for (const Token &pragma : t.pragmas)
      if (pragma.text.find("unroll") != pragma.text.npos && !isPlainUnroll(pragma.text))
        edits.push_back({pragma.offset, pragma.text.size() + 1, ""});
    for (const FunctionConstant &c : reflection.functionConstants)
      functionConstant(c);
    for (const FunctionText &f : reflection.functions)
      for (size_t i = f.body.begin; f.isKernel && i < f.body.end; ++i)
        threadgroupVariables(i, f.body.end);
    // From the outside in, and what inserts before what replaces: an edit at the start of a replaced word is lost.
    for (const FunctionText &f : reflection.functions)
      for (size_t i = f.body.begin; i < f.body.end; ++i) {
        structCopy(i);
        structReturn(f, i);
        directInitialiser(i);
        partialVector(i);
      }
    for (size_t i = 0; i < t.size(); ++i)
      comparison(i);
    for (size_t i = 0; i < t.size(); ++i) {
      literal(i);
      cast(i);
      staticCast(i);
      matrixBraces(i);
      construct(i);
      declaredConstant(i);
      constantIsConst(i);
      isDefined(i);
      functionParameter(i);
    }
    for (size_t begin : findCircles(t, reflection).begins)
      insert(t.all[begin].offset, "__attribute__((used)) ");
    for (const FunctionText &f : reflection.functions)
      if (f.isMember) {
        memberOfThread(f);
        constructorOfThread(f);
      }
    for (const FunctionText &f : reflection.functions)
      if (!f.isKernel)
        temporaries(f);
    return (takesFunctions ? "#pragma OPENCL EXTENSION __cl_clang_function_pointers : enable\n" : "") + apply() +
           thunks(reflection);
  }

private:
  void insert(size_t offset, std::string what) { edits.push_back({offset, 0, std::move(what)}); }

  void wrap(TokenRange range, std::string open, std::string close) {
    if (range.begin >= range.end || range.end > t.size())
      return;
    insert(t.all[range.begin].offset, std::move(open));
    edits.push_back({endOf(range.end - 1), 0, std::move(close), true});
  }

  /// Newlines inside stay, so that lines do not move.
  void replace(TokenRange range, std::string with) {
    if (range.begin >= range.end)
      return;
    size_t from = t.all[range.begin].offset;
    const Token &last = t.all[range.end - 1];
    size_t length = last.offset + last.text.size() - from;
    for (char c : text.substr(from, length))
      if (c == '\n')
        with += '\n';
    edits.push_back({from, length, std::move(with)});
  }

  size_t endOf(size_t i) const { return t.all[i].offset + t.all[i].text.size(); }

  /// 0.5bf, and 0.5, which clang's option makes a float of, but not in the instances of templates.
  void literal(size_t i) {
    if (t.all[i].kind == Token::Number && t[i].size() > 2 && !t[i].starts_with("0x") &&
        (t[i].ends_with("bf") || t[i].ends_with("BF")))
      replace({i, i + 1}, fmt::format("((bfloat){}f)", t[i].substr(0, t[i].size() - 2)));
    else if (t.isFloatLiteral(i) && (t[i].back() == '.' || std::isdigit(static_cast<unsigned char>(t[i].back()))))
      edits.push_back({endOf(i), 0, "f", true});
  }

  /// The end (exclusive) of the unary expression that begins at i; i if none is recognised.
  size_t unaryEnd(size_t i) const {
    size_t begin = i;
    while (t[i] == "-" || t[i] == "+" || t[i] == "!" || t[i] == "~" || t[i] == "*" || t[i] == "&" || t[i] == "++")
      ++i;
    if (t[i] == "(") {
      size_t close = t.closing(i);
      bool innerCast = close == i + 2 && types.isType(t[i + 1]);
      i = close + 1;
      if (innerCast) {
        size_t end = unaryEnd(i);
        return end == i ? begin : end;
      }
    } else if (t.isWord(i)) {
      ++i;
      while (t[i] == "::" && t.isWord(i + 1))
        i += 2;
      if (t[i] == "<") {
        size_t close = t.closingAngle(i);
        if (close < t.size() && t[close + 1] == "(")
          i = close + 1;
      }
    } else if (i < t.size() && t.all[i].kind == Token::Number) {
      ++i;
    } else {
      return begin;
    }
    for (;;) {
      if (t[i] == "(" || t[i] == "[")
        i = t.closing(i) + 1;
      else if ((t[i] == "." || t[i] == "->") && t.isWord(i + 1))
        i += 2;
      else if (t[i] == "++" || t[i] == "--")
        ++i;
      else
        return i;
    }
  }

  bool afterOperand(size_t i) const {
    std::string_view before = t[i - 1];
    return before == ")" || before == "]" || before == ">" ||
           (t.isWord(i - 1) && before != "return" && before != "else" && before != "case");
  }

  /// The operator at i at the top level of an expression, `<` of template arguments and shifts apart.
  bool compares(size_t i) const {
    std::string_view s = t[i];
    if (s == "==" || s == "!=" || s == "<=" || s == ">=" || s == "&&" || s == "||" || s == "!")
      return true;
    if (s == ">" || s == "<")
      return t[i - 1] != s && t[i + 1] != s; // `>>` is two tokens
    return false;
  }

  /// From a bracket or template arguments at i to what follows them; else the next token.
  size_t skip(size_t i) const {
    if (t[i] == "(" || t[i] == "[" || t[i] == "{")
      return t.closing(i) + 1;
    if (t[i] == "<" && t.isWord(i - 1) && endOf(i - 1) == t.all[i].offset) {
      size_t close = t.closingAngle(i);
      if (close < t.size() && (t[close + 1] == "(" || t[close + 1] == "::" || t[close + 1] == "{"))
        return close + 1;
    }
    return i + 1;
  }

  /// Whether an expression is a truth value by its form: where its operands are vectors, a boolN in MSL.
  bool isTruth(TokenRange e) const {
    if (e.begin >= e.end || e.end > t.size() || t[e.begin] == "if" || t[e.begin] == "for" || t[e.begin] == "while" ||
        t[e.begin] == "else" || t[e.begin] == "do" || t[e.begin] == "case")
      return false;
    if (t[e.begin] == "(" && t.closing(e.begin) + 1 == e.end)
      return isTruth({e.begin + 1, e.end - 1});
    bool found = false, combined = false, all = true;
    size_t operand = e.begin;
    for (size_t i = e.begin; i < e.end; i = skip(i)) {
      if (t[i] == "?" || t[i] == "," || t[i] == ";" || t[i] == "=")
        return false;
      if (t[i] == ">" && (t[i + 1] == "(" || t[i + 1] == "::") && endOf(i) == t.all[i + 1].offset)
        return false; // the end of template arguments that were not recognised
      if (skip(i) == i + 1)
        found |= compares(i);
      if (i > operand && (t[i] == "&" || t[i] == "|" || t[i] == "^")) {
        combined = true;
        all &= isTruth({operand, i});
        operand = i + 1;
      }
    }
    return found || (combined && all && isTruth({operand, e.end}));
  }

  void truth(TokenRange e) {
    if (isTruth(e))
      wrap(e, "::__msl::truth(", ")");
  }

  /// V(a < b), V v = a < b; and a < b ? x : y, where clang makes a number of the comparison of vectors, MSL does not.
  void comparison(size_t i) {
    if (t[i] == "?") {
      size_t begin = i;
      for (int depth = 0; begin > 0; --begin) {
        std::string_view s = t[begin - 1];
        depth += s == ")" || s == "]" ? 1 : s == "(" || s == "[" ? -1 : 0;
        if (depth < 0 ||
            (depth == 0 && (s == "=" || s == "," || s == ";" || s == "{" || s == "}" || s == "return" || s == "?" ||
                            s == ":" || (s.size() > 1 && s.ends_with("=") && !compares(begin - 1)))))
          break;
      }
      truth({begin, i});
      return;
    }
    if (t[i] == "(" && (t[t.closing(i) + 1] == "." || t[t.closing(i) + 1] == "[") && !afterOperand(i)) // (a < b).x
      return truth({i, t.closing(i) + 1});
    size_t type = vectorEnd(i) != i || t[i] == "auto" ? std::max(vectorEnd(i), i + 1)
                  : types.mayBeVector(t[i])           ? i + 1
                                                      : i;
    if (type == i || t[i].starts_with("bool"))
      return;
    bool isStaticCast = t[type] == ">" && t[i - 1] == "<" && t[i - 2] == "static_cast";
    if (t[type + isStaticCast] == "(") {
      truth({type + isStaticCast + 1, t.closing(type + isStaticCast)});
    } else if (t[type] == ")" && t[i - 1] == "(" && t[type + 1] == "(" && !afterOperand(i - 1)) {
      truth({type + 1, unaryEnd(type + 1)});
    } else if (t.isWord(type) && t[type + 1] == "=") {
      truth({type + 2, expressionEnd(type + 2)});
    }
  }

  /// A type that clang's conversions do not do for: one that may be a vector, and half and bfloat, which clang does not
  /// convert to each other.
  bool needsMake(std::string_view type) const {
    return types.mayBeVector(type) || (usesBfloat && (type == "half" || type == "bfloat"));
  }

  /// (T)x for a T that may be a vector.
  void cast(size_t i) {
    if (t[i] != "(" || t[i + 2] != ")" || !needsMake(t[i + 1]) || afterOperand(i))
      return;
    size_t end = unaryEnd(i + 3);
    if (end == i + 3)
      return;
    replace({i, i + 3}, fmt::format("::__msl::make<{}>(", t[i + 1]));
    edits.push_back({endOf(end - 1), 0, ")", true});
  }

  /// static_cast<T>(x) likewise.
  void staticCast(size_t i) {
    if (t[i] != "static_cast" || t[i + 1] != "<")
      return;
    size_t type = t[i + 2] == "metal" && t[i + 3] == "::" ? i + 4 : i + 2;
    size_t end = t[type] == "vec" && t[type + 1] == "<" ? t.closingAngle(type + 1) + 1
                 : needsMake(t[type])                   ? type + 1
                                                        : type;
    if (end != type && t[end] == ">")
      replace({i, i + 1}, "::__msl::make");
  }

  /// float2x2, half4x3 and the like.
  static bool isMatrix(std::string_view name) {
    size_t x = name.size() > 3 ? name.size() - 2 : 0;
    return x > 0 && name[x] == 'x' && (name.starts_with("float") || name.starts_with("half")) &&
           name.substr(0, x - 1) == (name.starts_with("float") ? "float" : "half");
  }

  /// float2x2 m = {{1, 2}, {3, 4}}; with the type's name before the braces: in constant memory clang wants a value.
  void matrixBraces(size_t i) {
    if (t.isWord(i) && isMatrix(t[i]) && t.isWord(i + 1) && t[i + 2] == "=" && t[i + 3] == "{")
      insert(t.all[i + 3].offset, std::string(t[i]));
  }

  /// The `(` of T (*f)(...) and T (&a)[...].
  bool declaresFunction(size_t i) const {
    return (t[i + 1] == "*" || t[i + 1] == "&") && t.isWord(i + 2) && t[i + 3] == ")" &&
           (t[i + 4] == "(" || t[i + 4] == "[") && t[i - 2] != "=" && t[i - 2] != "return";
  }

  /// T(a, b) and vec<T, N>(a, b) where no macro can help.
  void construct(size_t i) {
    if (!t.isWord(i) || (afterOperand(i) && t[i - 1] != ">") || t[i - 1] == "." || t[i - 1] == "->" || t[i - 1] == "::")
      return;
    if (t[i] == "vec" && t[i + 1] == "<") {
      size_t close = t.closingAngle(i + 1);
      if (t[close + 1] == "(") {
        insert(t.all[i].offset, "::__msl::make<");
        insert(endOf(close), ">");
      }
    } else if (t[i + 1] == "(" && !declaresFunction(i + 1) && needsMake(t[i]) && !types.vectors.contains(t[i])) {
      replace({i, i + 1}, fmt::format("::__msl::make<{}>", t[i]));
    }
  }

  /// The end (exclusive) of the expression that begins at i: a semicolon or comma.
  size_t expressionEnd(size_t i) const {
    while (i < t.size() && t[i] != ";" && t[i] != ",")
      i = skip(i);
    return i;
  }

  /// f(x), S{...} and the like: in no memory yet.
  bool isTemporary(TokenRange e) const {
    if (!t.isWord(e.begin) || (t[e.end - 1] != ")" && t[e.end - 1] != "}"))
      return false;
    for (size_t i = e.begin; i < e.end; i = skip(i))
      if (t[i] == "?")
        return false;
    return true;
  }

  /// S a = expression, b = another; where an expression may lie in constant memory. And auto, whatever it stands for.
  void structCopy(size_t i) {
    bool isAuto = t[i] == "auto";
    if (!isAuto && !reflection.structs.contains(t[i]))
      return;
    size_t name = t[i + 1] == "<" ? t.closingAngle(i + 1) + 1 : i + 1;
    std::string type = textOf({i, name});
    while (t.isWord(name) && t[name + 1] == "=" && t[name + 2] != "{" && t[name + 2] != "[") {
      size_t end = expressionEnd(name + 2);
      TokenRange value = {name + 2, end};
      if (isAuto && !isTemporary(value))
        wrap(value, "::__msl::copy(", ", 0)");
      else if (!isTemporary(value))
        wrap(value, fmt::format("::__msl::load<{}>(", type), ")");
      if (t[end] != ",")
        return;
      name = end + 1;
    }
  }

  /// return expression; likewise.
  void structReturn(const FunctionText &f, size_t i) {
    if (t[i] != "return" || t[i + 1] == "{" || !reflection.structs.contains(t[f.nameAt - 1]))
      return;
    for (size_t j = f.body.begin; j < i; ++j)
      if (t[j] == "[" && (t[j + 1] == "]" || t[j + 1] == "&" || t[j + 1] == "="))
        return; // perhaps of a lambda
    TokenRange value = {i + 1, expressionEnd(i + 1)};
    if (!isTemporary(value))
      wrap(value, fmt::format("::__msl::load<{}>(", t[f.nameAt - 1]), ")");
  }

  /// The vector type that begins at i ends there (exclusive); i if it is none.
  size_t vectorEnd(size_t i) const {
    if (t[i] == "vec" && t[i + 1] == "<")
      return t.closingAngle(i + 1) + 1;
    return t.isWord(i) && types.vectors.contains(t[i]) ? i + 1 : i;
  }

  /// V a(x, y), b(z); as V a = V(x, y), b = V(z);
  void directInitialiser(size_t i) {
    size_t name = vectorEnd(i);
    if (name == i || t[i - 1] == "::")
      return;
    std::string type = textOf({i, name});
    while (t.isWord(name) && t[name + 1] == "(" && t[name + 2] != ")") {
      size_t close = t.closing(name + 1);
      if (t[close + 1] != ";" && t[close + 1] != ",")
        return;
      insert(endOf(name), fmt::format(" = ::__msl::make<{}>", type));
      name = close + 2;
    }
  }

  /// static const constant T x; in a class template: clang wants a value at once. Specialisations have it.
  void declaredConstant(size_t i) {
    if (t[i] != "static")
      return;
    bool isConstant = false;
    size_t end = i;
    for (; end < t.size() && t[end] != ";"; ++end) {
      isConstant |= t[end] == "constant";
      if (t[end] == "=" || t[end] == "(" || t[end] == "{" || t[end] == "[")
        return;
    }
    if (isConstant)
      replace({i, end + 1}, "");
  }

  /// What has no value is declared only, so that it can be told when it is read.
  void functionConstant(const FunctionConstant &c) {
    replace(c.attribute, c.value.empty() ? "" : fmt::format(" = {{{}}}", c.value));
    if (!c.value.empty())
      return;
    insert(t.all[c.begin].offset, "extern ");
    for (size_t i = c.begin; i < c.attribute.begin; ++i)
      if (t[i] == "static" || t[i] == "constexpr")
        replace({i, i + 1}, "");
  }

  /// #pragma unroll(2 * kSteps): the macros in it are gone, and it is only advice.
  static bool isPlainUnroll(std::string_view text) {
    std::string_view count = text.substr(std::min(text.find('('), text.size()));
    return std::ranges::all_of(count, [](unsigned char c) { return !std::isalpha(c); }) ||
           count.find("full") != count.npos || count.find("able") != count.npos;
  }

  /// constant float *p points to what is const, as what it points to may be declared.
  void constantIsConst(size_t i) {
    if (t[i] == "constant" && (t.isWord(i + 1) || t[i + 1] == "::" || t[i + 1] == "*" || t[i + 1] == "&") &&
        t[i + 1] != "const" && t[i + 1] != "constexpr" && t[i - 1] != "const" && t[i - 1] != "constexpr")
      insert(endOf(i), " const");
  }

  /// float4 sum = {1}, more = {2, 3}; the other elements are zero.
  void partialVector(size_t i) {
    size_t name = vectorEnd(i);
    if (name == i)
      return;
    std::string type = textOf({i, name});
    std::string_view last = t[name - 1] == ">" ? t[name - 2] : t[name - 1];
    for (; t.isWord(name) && t[name + 1] == "="; name = expressionEnd(name + 2) + 1) {
      size_t close = t.closing(name + 2), elements = 1;
      if (t[name + 2] != "{" || t[name + 3] == "}" || close >= t.size())
        continue;
      for (size_t j = name + 3; j < close; j = skip(j))
        elements += t[j] == "," && j + 1 < close;
      if (elements >= static_cast<size_t>(last.back() - '0'))
        continue;
      replace({name + 2, name + 3}, fmt::format("::__msl::fill<{}>(", type));
      replace({close, close + 1}, ")");
    }
  }

  /// is_function_constant_defined(n)
  void isDefined(size_t i) {
    if (t[i] == "is_function_constant_defined" && t[i + 1] == "(") {
      size_t close = t.closing(i + 1);
      replace({i, close + 1}, reflection.missing(t[close - 1]).empty() ? "true" : "false");
    }
  }

  /// template <void (*f)(float)>: clang takes no address of a function, but a reference to one.
  void functionParameter(size_t i) {
    if (t[i] != "template" || t[i + 1] != "<")
      return;
    size_t close = t.closingAngle(i + 1);
    for (size_t j = i + 2; j + 3 < close; ++j)
      if (t[j] == "(" && t[j + 1] == "*" && t[j + 3] == ")" && t[j + 4] == "(") {
        replace({j + 1, j + 2}, "&");
        takesFunctions = true;
      }
  }

  /// threadgroup float s[8], n; at the start of a statement. The memory is a variable that clang allows in any function,
  /// of a name by which Instrument.cpp knows it.
  void threadgroupVariables(size_t i, size_t end) {
    if (t[i] != "threadgroup")
      return;
    size_t begin = i;
    std::string alignment;
    for (bool more = true; more;) {
      more = t[begin - 1] == "volatile" || t[begin - 1] == "static";
      begin -= more;
      for (size_t open = i; t[begin - 1] == ")" && open > 1; --open) // alignas(16)
        if (t[open] == "(" && t[open - 1] == "alignas" && t.closing(open) + 1 == begin) {
          alignment += textOf({open - 1, begin}) + " ";
          begin = open - 1;
          more = true;
        }
    }
    if (!t.startsStatement(begin) && t[begin - 1] != ":" && t[begin - 1] != "]]")
      return;
    std::vector<size_t> names;
    size_t stop = i + 1;
    for (; stop < end && t[stop] != ";"; ++stop) {
      if (t[stop] == "*" || t[stop] == "&" || t[stop] == "=" || t[stop] == "(")
        return; // a pointer to threadgroup memory
      if (t[stop] == "alignas" || t[stop] == "[[" || t[stop] == "__attribute__")
        stop = t.closing(t[stop] == "[[" ? stop : stop + 1);
      else if (t[stop] == "[" || t[stop] == "{")
        stop = t.closing(stop);
      else if (t[stop] == "<" && t.closingAngle(stop) < end)
        stop = t.closingAngle(stop);
      else if (t.isWord(stop) && stop > i + 1 && (t[stop + 1] == "[" || t[stop + 1] == "," || t[stop + 1] == ";"))
        names.push_back(stop);
    }
    replace({begin, i + 1}, "typedef");
    std::string variables;
    for (size_t name : names) {
      replace({name, name + 1}, fmt::format("__msl_type_{}", t[name]));
      variables += fmt::format(" {2}static constant char {1}{0}[sizeof(__msl_type_{0})] "
                               "__attribute__((aligned(alignof(__msl_type_{0})))) = {{}}; threadgroup __msl_type_{0} "
                               "&{0} = *(threadgroup __msl_type_{0} *)(ulong)&{1}{0};",
                               t[name], kThreadgroupPrefix, alignment);
    }
    insert(endOf(stop), variables);
  }

  /// A member function that hands out a reference or pointer to thread memory has its object there.
  void memberOfThread(const FunctionText &f) {
    bool isThread = false, indirect = false;
    for (size_t i = f.nameAt; i-- > 0 && t[i] != ";" && t[i] != "{" && t[i] != "}";) {
      indirect |= t[i] == "&" || t[i] == "*";
      isThread |= t[i] == "thread" && indirect;
    }
    if (!isThread || t[f.body.begin - 1] == "thread")
      return;
    if (t[f.body.begin - 1] == ")" || t[f.body.begin - 1] == "const")
      insert(t.all[f.body.begin].offset, "thread ");
  }

  /// S(float x) thread {...}: clang's temporaries and returned objects are in no space, which such a one does not make.
  void constructorOfThread(const FunctionText &f) {
    size_t behind = t.closing(f.nameAt + 1) + 1;
    if (reflection.structs.contains(f.name) && t[behind] == "thread")
      replace({behind, behind + 1}, "");
  }

  std::string textOf(TokenRange range) const {
    std::string out;
    for (size_t i = range.begin; i < range.end; ++i)
      out += (out.empty() ? "" : " ") + std::string(t[i]);
    return out;
  }

  /// A parameter of a function whose argument may be a temporary: thread const T &x.
  struct Temporary {
    size_t parameter;
    std::string type; ///< without the space
  };

  /// MSL binds `thread const T &` to temporaries, clang does not: the function gets overloads that take them.
  void temporaries(const FunctionText &f) {
    size_t begin = f.nameAt, open = f.nameAt;
    while (begin > 0 && t[begin - 1] != ";" && t[begin - 1] != "}" && t[begin - 1] != "{" && t[begin - 1] != ":")
      --begin;
    while (open < f.body.begin && t[open] != "(")
      ++open;
    size_t close = t.closing(open);
    if (begin == f.nameAt || t[begin] == "template" || close >= f.body.begin || f.body.end >= t.size() ||
        reflection.structs.contains(t[f.nameAt]))
      return;
    for (size_t i = begin; f.isMember && i < f.nameAt; ++i)
      if (t[i] == "thread")
        return; // see memberOfThread
    std::vector<TokenRange> parameters;
    for (size_t i = open + 1, from = i; i <= close; i = i < close ? skip(i) : i + 1)
      if (i == close || t[i] == ",") {
        parameters.push_back({from, i});
        from = i + 1;
      }
    std::vector<Temporary> temporaries;
    for (const TokenRange &p : parameters) {
      std::string type;
      bool isThread = false, isConst = false, plain = p.end - p.begin > 2 && t[p.end - 2] == "&" && t.isWord(p.end - 1);
      for (size_t i = p.begin; i + 2 < p.end; ++i) {
        isThread |= t[i] == "thread";
        isConst |= t[i] == "const";
        plain &= t[i] != "*" && t[i] != "&" && t[i] != "=" && t[i] != "(";
        if (t[i] != "thread")
          type += std::string(t[i]) + " ";
      }
      if (!t.isWord(p.end - 1))
        return; // a parameter that cannot be handed on
      if (isThread && isConst && plain)
        temporaries.push_back({static_cast<size_t>(&p - parameters.data()), type});
    }
    if (temporaries.empty() || temporaries.size() > 3)
      return;
    for (unsigned mask = 1; mask < 1u << temporaries.size(); ++mask) {
      std::string head, call;
      for (size_t p = 0, next = 0; p < parameters.size(); ++p) {
        std::string name(t[parameters[p].end - 1]);
        bool here = next < temporaries.size() && temporaries[next].parameter == p;
        bool taken = here && (mask >> next & 1);
        head += (p ? ", " : "") + (taken ? temporaries[next].type + "&&" + name : textOf(parameters[p]));
        call += (p ? ", " : "") + (taken ? fmt::format("*(thread {}*)(ulong)&{}", temporaries[next].type, name) : name);
        next += here;
      }
      insert(endOf(f.body.end),
             fmt::format(" {} {}({}) {} {{ return {}({}); }}", textOf({begin, f.nameAt}), textOf({f.nameAt, open}),
                         head, textOf({close + 1, f.body.begin}), textOf({f.nameAt, open}), call));
    }
  }

  std::string apply() {
    for (size_t i = 0; i < edits.size(); ++i)
      edits[i].serial = edits[i].closes ? -static_cast<int64_t>(i) : static_cast<int64_t>(i);
    std::ranges::sort(edits, {}, [](const Edit &edit) { return std::pair(edit.offset, edit.serial); });
    std::string out;
    size_t at = 0;
    for (const Edit &edit : edits) {
      if (edit.offset < at)
        continue; // inside something replaced as a whole
      out += text.substr(at, edit.offset - at);
      out += edit.replacement;
      at = edit.offset + edit.length;
    }
    out += text.substr(at);
    return out;
  }

  std::string_view text;
  const Tokens &t;
  const Reflection &reflection;
  TypeNames types;
  std::vector<Edit> edits;
  const bool usesBfloat;
  bool takesFunctions = false; ///< as template arguments
};

} // namespace

std::string tq::metal::rewrite(std::string_view preprocessed, const Tokens &tokens, const Reflection &reflection) {
  return Rewriter(preprocessed, tokens, reflection).run();
}
