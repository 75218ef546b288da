//===- Rewrite.cpp - From MSL to what clang compiles ----------------------===//

#include "tests/metal/Rewrite.h"

#include "tests/metal/Lints.h"

#include <fmt/format.h>

#include <algorithm>

using namespace tq::metal;

namespace {

struct Edit {
  size_t offset, length;
  std::string replacement;
  size_t serial = 0; ///< edits of one place keep their order
};

class Rewriter {
public:
  Rewriter(std::string_view text, const Tokens &tokens, const Reflection &reflection)
      : text(text), t(tokens), reflection(reflection), types(typeNames(tokens)) {}

  std::string run() {
    for (const KernelText &k : reflection.kernels) {
      replace(k.attributes, "kernel ");
      for (TokenRange range : k.dropped)
        replace(range, "");
    }
    for (size_t i = 0; i < t.size(); ++i) {
      literal(i);
      cast(i);
      construct(i);
      declaredConstant(i);
    }
    for (const FunctionText &f : reflection.functions)
      if (f.isMember)
        memberOfThread(f);
    for (const FunctionText &f : reflection.functions)
      for (size_t i = f.body.begin; i < f.body.end; ++i)
        structCopy(i);
    return apply() + thunks();
  }

private:
  void insert(size_t offset, std::string what) { edits.push_back({offset, 0, std::move(what)}); }

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

  void literal(size_t i) {
    if (t.all[i].kind == Token::Number && t[i].size() > 2 && !t[i].starts_with("0x") &&
        (t[i].ends_with("bf") || t[i].ends_with("BF")))
      replace({i, i + 1}, fmt::format("((bfloat){}f)", t[i].substr(0, t[i].size() - 2)));
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

  /// (T)x for a T that may be a vector.
  void cast(size_t i) {
    if (t[i] != "(" || t[i + 2] != ")" || !types.mayBeVector(t[i + 1]) || afterOperand(i))
      return;
    size_t end = unaryEnd(i + 3);
    if (end == i + 3)
      return;
    replace({i, i + 3}, fmt::format("::__msl::make<{}>(", t[i + 1]));
    insert(endOf(end - 1), ")");
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
    } else if (t[i + 1] == "(" && (types.aliases.contains(t[i]) || types.parameters.contains(t[i])) &&
               !types.vectors.contains(t[i])) {
      replace({i, i + 1}, fmt::format("::__msl::make<{}>", t[i]));
    }
  }

  /// S name = expression; where the expression may lie in constant memory.
  void structCopy(size_t i) {
    if (!reflection.structs.contains(t[i]) || !t.isWord(i + 1) || t[i + 2] != "=" || t[i + 3] == "{")
      return;
    size_t end = i + 3;
    while (end < t.size() && t[end] != ";" && t[end] != ",")
      end = t[end] == "(" || t[end] == "[" || t[end] == "{" ? t.closing(end) + 1 : end + 1;
    insert(t.all[i + 3].offset, "::__msl::load(");
    insert(endOf(end - 1), ")");
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

  std::string apply() {
    for (size_t i = 0; i < edits.size(); ++i)
      edits[i].serial = i;
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

  std::string thunks() const {
    std::string out = fmt::format("\n# 1 \"{}\"\n", kThunkFile);
    for (const KernelText &k : reflection.kernels) {
      out += fmt::format("extern \"C\" void {0}{1}(thread const ulong *a) {{ ::{1}(", kThunkPrefix, k.kernel.name);
      for (size_t i = 0; i < k.kernel.parameters.size(); ++i)
        out += (i ? ", " : "") + argument(k, i);
      out += "); }\n";
    }
    return out;
  }

  static std::string argument(const KernelText &k, size_t i) {
    const Parameter &p = k.kernel.parameters[i];
    const std::string &type = k.castType[i];
    if (p.kind == Parameter::Builtin) {
      std::string plain = type.starts_with("const ") ? type.substr(6) : type;
      std::string four = fmt::format("(*(thread const ::metal::vec<uint, 4> *)a[{}])", i);
      char last = plain.empty() ? ' ' : plain.back();
      if (last != '2' && last != '3')
        return fmt::format("({}){}.x", plain, four);
      if (plain == "uint32_t")
        return fmt::format("{}.x", four);
      return fmt::format("::__msl::make<::metal::{}>({}.{})", plain, four, last == '2' ? "xy" : "xyz");
    }
    return p.isReference ? fmt::format("*({} *)a[{}]", type, i) : fmt::format("({})a[{}]", type, i);
  }

  std::string_view text;
  const Tokens &t;
  const Reflection &reflection;
  TypeNames types;
  std::vector<Edit> edits;
};

} // namespace

std::string tq::metal::rewrite(std::string_view preprocessed, const Tokens &tokens, const Reflection &reflection) {
  return Rewriter(preprocessed, tokens, reflection).run();
}
