//===- Lints.cpp - What clang accepts and Metal does not ------------------===//

#include "tests/metal/Lints.h"

#include "tests/metal/TypeNames.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

using namespace tq::metal;

namespace {

/// Words with what to say about them.
const std::map<std::string_view, std::string_view> kBanned = {
    {"goto", "MSL has no goto"},
    {"virtual", "MSL has no virtual functions"},
    {"dynamic_cast", "MSL has no dynamic_cast"},
    {"typeid", "MSL has no run-time type information"},
    {"try", "MSL has no exceptions"},
    {"catch", "MSL has no exceptions"},
    {"throw", "MSL has no exceptions"},
    {"new", "MSL has no new"},
    {"double", "MSL has no double"},
    {"double2", "MSL has no double"},
    {"double4", "MSL has no double"},
    {"thread_local", "MSL has no thread_local"},
    {"asm", "MSL has no asm"},
    {"__asm__", "MSL has no asm"},
    {"__asm", "MSL has no asm"},
    {"register", "MSL has no register"},
    {"long long", "MSL has no long long; use long, which has 64 bits"},
    {"__global", "this is OpenCL; write device"},
    {"__local", "this is OpenCL; write threadgroup"},
    {"__private", "this is OpenCL; write thread"},
    {"__constant", "this is OpenCL; write constant"},
    {"__generic", "MSL has no generic address space"},
    {"__kernel", "this is OpenCL; write kernel"},
    {"__shared__", "this is CUDA; write threadgroup"},
    {"__global__", "this is CUDA; write kernel void"},
    {"__device__", "this is CUDA; MSL functions need no such word"},
    {"__syncthreads", "this is CUDA; write threadgroup_barrier(mem_flags::mem_threadgroup)"},
    {"__builtin_printf", "MSL has no printf"},
    {"addrspace_cast", "MSL has no addrspace_cast"},
    {"co_await", "MSL has no coroutines"},
    {"co_return", "MSL has no coroutines"},
    {"co_yield", "MSL has no coroutines"},
    {"consteval", "MSL has no consteval, which is C++20"},
    {"constinit", "MSL has no constinit, which is C++20"},
    {"concept", "MSL has no concepts, which are C++20"},
    {"requires", "MSL has no requires, which is C++20"},
    {"char8_t", "MSL has no char8_t, which is C++20"},
    {"__int128", "MSL has no __int128; the widest integers have 64 bits"},
    {"__int128_t", "MSL has no __int128; the widest integers have 64 bits"},
    {"__uint128_t", "MSL has no __int128; the widest integers have 64 bits"},
    {"__float128", "MSL has no __float128; the widest floating type is float"},
    {"_Float16", "MSL has no _Float16; write half"},
    {"__fp16", "MSL has no __fp16; write half"},
    {"__bf16", "MSL has no __bf16; write bfloat"},
    {"_Complex", "MSL has no complex numbers; write float2"},
    {"__complex__", "MSL has no complex numbers; write float2"},
    {"_BitInt", "MSL has no _BitInt"},
    {"reqd_work_group_size", "this is OpenCL; write [[max_total_threads_per_threadgroup(n)]]"},
    {"work_group_size_hint", "this is OpenCL; write [[max_total_threads_per_threadgroup(n)]]"},
    {"vec_type_hint", "this is OpenCL; MSL has no such hint"},
    {"opencl_unroll_hint", "this is OpenCL; write #pragma unroll"},
};

/// Words before a name that are not its type.
constexpr std::string_view kNoTypes[] = {
    "return", "else",     "do",       "case",    "const",  "volatile", "struct", "class",       "union",     "enum",
    "using",  "typename", "template", "typedef", "device", "constant", "thread", "threadgroup", "constexpr", "static"};

bool isSpace(std::string_view s) {
  return s == "device" || s == "constant" || s == "threadgroup" || s == "thread" || s == "object_data" ||
         s == "ray_data";
}

Finding finding(const Tokens &t, const Reflection &reflection, int line, int file, std::string message) {
  return {line, reflection.whereIs(line, file), std::move(message),
          file == 0 ? "" : t.files[static_cast<size_t>(file)]};
}

class Linter {
public:
  Linter(const Tokens &tokens, const Reflection &reflection, int version)
      : t(tokens), reflection(reflection), version(version), types(typeNames(tokens)) {
    for (const std::string &name : reflection.structs)
      types.aliases.insert(name);
    for (size_t i = 0; i < t.size(); ++i) // those inside of functions, too
      if (t[i] == "struct" || t[i] == "class" || t[i] == "union" || t[i] == "enum") {
        size_t name = t[i + 1] == "class" || t[i + 1] == "struct" ? i + 2 : i + 1;
        if (t.isWord(name))
          types.scalars.insert(std::string(t[name]));
      }
  }

  std::vector<Finding> run() {
    for (size_t i = 0; i < t.size(); ++i) {
      words(i);
      components(i);
      vectorLiterals(i);
      pointers(i);
    }
    for (const Token &pragma : t.pragmas)
      if (pragma.text.find(" OPENCL ") != pragma.text.npos)
        findings.push_back(finding(t, reflection, pragma.line, pragma.file,
                                   "#pragma OPENCL is OpenCL; MSL has no extensions to enable"));
    for (TokenRange range : reflection.initialisers)
      initialiser(range);
    for (const FunctionText &f : reflection.functions)
      body(f);
    return std::move(findings);
  }

private:
  void say(size_t i, std::string message) { findings.push_back(findingAt(t, reflection, i, std::move(message))); }

  void words(size_t i) {
    if (t.all[i].kind == Token::Number && t[i].size() > 2 && !t[i].starts_with("0x1p") &&
        (t[i].ends_with("ll") || t[i].ends_with("LL") || t[i].ends_with("ull") || t[i].ends_with("llu")))
      say(i, std::string(kBanned.at("long long")));
    if (t.all[i].kind == Token::Number && (t[i].ends_with("f16") || t[i].ends_with("f32") || t[i].ends_with("f64")) &&
        !t[i].starts_with("0x"))
      say(i, fmt::format("{} has a suffix that MSL does not know; half is h, bfloat is bf", t[i]));
    if (t.isFloatLiteral(i) && (t[i].back() == 'l' || t[i].back() == 'L'))
      say(i, std::string(kBanned.at("double")));
    if (!t.isWord(i))
      return;
    std::string_view s = t[i];
    if (isSpace(s) && t[i - 1] != "." && t[i - 1] != "->") {
      size_t next = i + 1;
      while (t[next] == "const" || t[next] == "volatile")
        ++next;
      if (isSpace(t[next]))
        say(next, fmt::format("{} {}: one address space is enough", s, t[next]));
    }
    if (s == "noexcept" && t[i + 1] == "(" && afterOperator(i))
      say(i, "MSL has no operator noexcept");
    if (s == "delete" && t[i - 1] != "=")
      say(i, "MSL has no delete");
    else if (s == "long" && (t[i + 1] == "long" || t[i + 1] == "double"))
      say(i, t[i + 1] == "double" ? "MSL has no double" : std::string(kBanned.at("long long")));
    else if (s == "operator" || t[i - 1] == "operator")
      return;
    else if (auto banned = kBanned.find(s); banned != kBanned.end() && t[i - 1] != "." && t[i - 1] != "->")
      say(i, std::string(banned->second));
    else if (s.starts_with("__msl_") || s.starts_with("__opencl"))
      say(i, fmt::format("{} is reserved", s));
    else if (s.starts_with("__builtin_") && s != "__builtin_expect" && s != "__builtin_assume" &&
             s != "__builtin_unreachable" && s != "__builtin_assume_aligned")
      say(i, fmt::format("{} is a clang builtin, not MSL", s));
  }

  /// An expression begins at i, unlike what qualifies a function's declarator.
  bool afterOperator(size_t i) const {
    std::string_view before = t[i - 1];
    return !t.isWord(i - 1) ? before != ")" && before != "]]" && before != "&" && before != "&&" : before == "return";
  }

  /// v.lo, v.even, v.s0: components of OpenCL, unless a struct here has such a member.
  void components(size_t i) {
    if ((t[i] != "." && t[i] != "->") || !t.isWord(i + 1) || t[i + 2] == "(")
      return;
    std::string_view name = t[i + 1];
    bool named = name == "lo" || name == "hi" || name == "even" || name == "odd";
    bool numbered = name.size() > 1 && (name[0] == 's' || name[0] == 'S') &&
                    std::ranges::all_of(name.substr(1), [](unsigned char c) { return std::isxdigit(c); });
    if ((named || numbered) && !reflection.members.contains(name))
      say(i + 1, fmt::format(".{} is OpenCL; MSL vectors have .xyzw and .rgba", name));
  }

  /// (float4)(a, b, c, d): in MSL the comma operator.
  void vectorLiterals(size_t i) {
    if (t[i] != "(" || !types.mayBeVector(t[i + 1]) || t[i + 2] != ")" || t[i + 3] != "(" || t.isWord(i - 1))
      return;
    size_t close = t.closing(i + 3);
    for (size_t j = i + 4; j < close; ++j) {
      if (t[j] == "(" || t[j] == "[" || t[j] == "{")
        j = t.closing(j);
      else if (t[j] == ",")
        return say(i, fmt::format("({0})(...) with several values is OpenCL; write {0}(...)", t[i + 1]));
    }
  }

  /// T* and T& in a declaration or a cast: MSL wants the address space said.
  void pointers(size_t i) {
    if ((t[i] != "*" && t[i] != "&") || i == 0)
      return;
    if (t[i - 1] == ",")
      return laterDeclarator(i);
    bool array = t[i - 1] == "(" && t.isWord(i + 1) && t[i + 2] == ")" && t[i + 3] == "["; // float (*p)[2]
    size_t type = i - (array ? 2 : 1);
    if (t[type] == "const" || t[type] == "volatile")
      --type;
    size_t begin = type; // where the type's own name begins, template arguments skipped
    if (t[type] == ">") {
      int depth = 0;
      for (; begin > 0; --begin) {
        depth += t[begin] == ">" ? 1 : t[begin] == "<" ? -1 : 0;
        if (depth == 0 || t[begin] == ";" || t[begin] == "{")
          break;
      }
      if (depth != 0 || begin == 0)
        return;
      --begin;
    }
    if (!t.isWord(begin) || (!types.isType(t[begin]) && !(t[type] == ">" && isTemplateType(t[begin])) &&
                             !(t[begin - 1] == "::" && isDependent(begin))))
      return;
    if (t[begin - 1] == "." || t[begin - 1] == "->" || t[i + 1] == "=" || !startsDeclarator(i + 1))
      return;
    if (array && !declares(begin)) // float4(*p)[2] is an element, too
      return;
    if (types.parameters.contains(t[begin]) && isVariable(begin)) // a template elsewhere has that parameter
      return;
    // Anything from the start of this declarator to the star may name the space. A second star has one of its own.
    for (size_t j = begin; j-- > 0;) {
      std::string_view s = t[j];
      if (isSpace(s))
        return;
      if (s == ";" || s == "{" || s == "}" || s == "," || s == "(" || s == "<" || s == "=" || s == "return" ||
          s == ":" || s == "[[" || s == "]]" || s == ")")
        break;
      if (s == ">")
        break;
    }
    for (size_t j = i + 1; j < t.size() && (t[j] == "const" || isSpace(t[j])); ++j)
      if (isSpace(t[j]))
        return;
    if (inTemplateHead(begin))
      return;
    say(i, fmt::format("{}{} needs an address space: device, constant, threadgroup or thread", t[begin], t[i]));
  }

  /// float x, *p = &x;
  void laterDeclarator(size_t i) {
    std::string_view after = t[i + 2];
    if (!t.isWord(i + 1) || (after != "=" && after != ";" && after != "," && after != "["))
      return;
    size_t begin = statementOf(i);
    while (t[begin] == "const" || t[begin] == "constexpr" || t[begin] == "static" || t[begin] == "metal" ||
           t[begin] == "::")
      ++begin;
    if (!types.isType(t[begin]) || (!t.isWord(begin + 1) && t[begin + 1] != "*" && t[begin + 1] != "&"))
      return;
    for (size_t j = begin; t[j] != "," && t[j] != "=" && j < i; ++j)
      if (isSpace(t[j]))
        return;
    say(i, fmt::format("{} {}{} needs an address space: device, constant, threadgroup or thread", t[begin], t[i],
                       t[i + 1]));
  }

  /// Where the statement of token i begins; i itself inside of parentheses.
  size_t statementOf(size_t i) const {
    int depth = 0;
    for (size_t j = i; j-- > 0;) {
      std::string_view s = t[j];
      bool list = s == "}" && (t[j + 1] == "," || t[j + 1] == ")"); // T a = {1, 2}, *p
      if (depth == 0 && (s == ";" || s == "{" || (s == "}" && !list)))
        return j + 1;
      depth += s == ")" || s == "]" || s == "}" ? 1 : s == "]]" ? 2 : 0;
      depth -= s == "(" || s == "[" || s == "{" ? 1 : s == "[[" ? 2 : 0;
      if (depth < 0)
        return i;
    }
    return 0;
  }

  /// typename T::type
  bool isDependent(size_t i) const {
    while (i >= 2 && t[i - 1] == "::" && t.isWord(i - 2))
      i -= 2;
    return t[i - 1] == "typename";
  }

  bool isVariable(size_t i) const {
    return std::ranges::any_of(reflection.functions, [&](const FunctionText &f) {
      return i > f.body.begin && i < f.body.end && declares(f, t[i]);
    });
  }

  /// The type at i begins a declaration: of a variable, or of a function's parameter.
  bool declares(size_t i) const {
    while (t[i - 1] == "const" || t[i - 1] == "metal" || t[i - 1] == "::")
      --i;
    if (t[i - 1] == ";" || t[i - 1] == "{" || t[i - 1] == "}")
      return true;
    return (t[i - 1] == "(" || t[i - 1] == ",") &&
           std::ranges::any_of(reflection.functions,
                               [&](const FunctionText &f) { return i > f.nameAt && i < f.body.begin; });
  }

  bool isTemplateType(std::string_view name) const {
    return name == "vec" || name == "array" || name == "matrix" || name == "simdgroup_matrix" || name == "atomic" ||
           name == "_atomic" || reflection.structs.contains(name);
  }

  /// What may follow the star of a pointer or reference type, unlike that of a product.
  bool startsDeclarator(size_t i) const {
    std::string_view s = t[i];
    if (s == ")" || s == ">" || s == "const" || s == "*" || s == "&" || s == "restrict" || s == "(" || s == ",")
      return true;
    if (s == "operator")
      return true;
    if (!t.isWord(i))
      return false;
    std::string_view next = t[i + 1];
    return next == "," || next == ")" || next == "=" || next == ";" || next == "[" || next == "[[" || next == "(" ||
           next == "{" || next == ":";
  }

  /// template <typename T, ...>: no declarator there.
  bool inTemplateHead(size_t i) const { return t[i - 1] == "typename" || t[i - 1] == "class"; }

  void body(const FunctionText &f) {
    for (size_t i = f.body.begin; i < f.body.end; ++i) {
      if (!t.startsStatement(i))
        continue;
      if (t[i] == "static" || t[i] == "constant")
        local(i, f.body.end);
      if (t[i] == "threadgroup")
        initialised(i, f.body.end);
    }
    for (size_t i = f.body.begin; i < f.body.end; ++i) {
      lambda(i);
      kernelCall(f, i);
    }
  }

  /// constant float k = f(1): a call of a function that is not constexpr is no constant.
  void initialiser(TokenRange range) {
    for (size_t i = range.begin; i < range.end; ++i) {
      if (!t.isWord(i) || t[i + 1] != "(" || t[i - 1] == "." || t[i - 1] == "->" || types.isType(t[i]))
        continue;
      auto named = [&](const FunctionText &f) { return !f.isMember && f.name == t[i]; };
      if (std::ranges::any_of(reflection.functions, named) &&
          std::ranges::none_of(reflection.functions, [&](const FunctionText &f) { return named(f) && isConstexpr(f); }))
        say(i, fmt::format("{} is not constexpr; a variable in constant memory needs a constant", t[i]));
    }
  }

  bool isConstexpr(const FunctionText &f) const {
    for (size_t i = f.nameAt; i-- > 0 && t[i] != ";" && t[i] != "{" && t[i] != "}";)
      if (t[i] == "constexpr")
        return true;
    return false;
  }

  /// A local in static or constant memory: only `static constant` (or constexpr) tables are MSL.
  void local(size_t i, size_t end) {
    bool isStatic = false, isConstant = false, isConstexpr = t[i - 1] == "constexpr", pointer = false;
    for (size_t j = i; j < end && t[j] != "=" && t[j] != ";" && t[j] != "("; ++j) {
      isStatic |= t[j] == "static";
      isConstant |= t[j] == "constant";
      isConstexpr |= t[j] == "constexpr";
      pointer |= t[j] == "*" || t[j] == "&";
    }
    if (isStatic && !isConstant && !isConstexpr)
      say(i, "a function's static variables must be constant");
    else if (!isStatic && isConstant && !isConstexpr && !pointer)
      say(i, "constant variables belong outside of functions");
  }

  /// threadgroup float s[2] = {0}; unlike that of a pointer to threadgroup memory.
  void initialised(size_t i, size_t end) {
    for (size_t j = i; j < end && t[j] != ";" && t[j] != "*" && t[j] != "&" && t[j] != "("; ++j)
      if (t[j] == "=")
        return say(
            i, "initialisers of threadgroup variables are not run by this executor; write the values in the kernel");
  }

  void lambda(size_t i) {
    if (t[i] != "[" || version >= 320)
      return;
    std::string_view before = t[i - 1], inside = t[i + 1];
    bool starts = before == "=" || before == "(" || before == "," || before == "return" || before == "{" ||
                  before == ";" || before == "?" || before == ":" || before == "&&" || before == "||";
    bool list = inside == "]" || inside == "&" || inside == "=" || (t.isWord(i + 1) && before != ";");
    std::string_view after = t[t.closing(i) + 1];
    if (starts && list && (after == "(" || after == "{"))
      say(i, fmt::format("MSL {}.{} has no lambdas, which came with 3.2", version / 100, version / 10 % 10));
  }

  /// A parameter or variable of the function has this name.
  bool declares(const FunctionText &f, std::string_view name) const {
    for (size_t i = f.nameAt + 1; i < f.body.end; ++i) {
      std::string_view before = t[i - 1], after = t[i + 1];
      bool typed = t.isWord(i - 1) ? std::ranges::find(kNoTypes, before) == std::end(kNoTypes)
                                   : before == "&" || before == "*" || before == ">" || (before == "," && after == "=");
      if (t[i] == name && typed &&
          (after == "," || after == ")" || after == "=" || after == ";" || after == "[" || after == "{" ||
           (after == "(" && t.isWord(i - 1)))) // float norm(1.0f);
        return true;
    }
    return false;
  }

  /// The values in the parentheses at i; template arguments may count as several.
  size_t arguments(size_t i) const {
    size_t close = t.closing(i), count = close > i + 1;
    for (size_t j = i + 1; j < close; ++j)
      if (t[j] == "(" || t[j] == "[" || t[j] == "{")
        j = t.closing(j);
      else
        count += t[j] == ",";
    return count;
  }

  /// Another function may have a kernel's name, one of the text or, with fewer parameters, of the library.
  void kernelCall(const FunctionText &f, size_t i) {
    if (!t.isWord(i) || t[i - 1] == "." || t[i - 1] == "->" || (t[i - 1] == "::" && t.isWord(i - 2)))
      return;
    size_t open = t[i + 1] == "<" ? t.closingAngle(i + 1) + 1 : i + 1;
    if (t[open] != "(")
      return;
    auto isCalled = [&](const FunctionText &k) {
      return k.isKernel && k.name == t[i] && arguments(open) >= arguments(k.nameAt + 1);
    };
    if (std::ranges::any_of(reflection.functions, isCalled) && !declares(f, t[i]) &&
        std::ranges::none_of(reflection.functions,
                             [&](const FunctionText &g) { return !g.isKernel && g.name == t[i]; }))
      say(i, fmt::format("kernel {} cannot be called from a function", t[i]));
  }

  const Tokens &t;
  const Reflection &reflection;
  int version;
  TypeNames types;
  std::vector<Finding> findings;
};

} // namespace

Finding tq::metal::findingAt(const Tokens &t, const Reflection &reflection, size_t i, std::string message) {
  return finding(t, reflection, t.line(i), i < t.size() ? t.all[i].file : 0, std::move(message));
}

std::vector<Finding> tq::metal::lint(const Tokens &tokens, const Reflection &reflection, int version) {
  return Linter(tokens, reflection, version).run();
}
