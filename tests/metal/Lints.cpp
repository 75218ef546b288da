//===- Lints.cpp - What clang accepts and Metal does not ------------------===//

#include "tests/metal/Lints.h"

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
};

bool isSpace(std::string_view s) {
  return s == "device" || s == "constant" || s == "threadgroup" || s == "thread" || s == "object_data" ||
         s == "ray_data";
}

class Linter {
public:
  Linter(const Tokens &tokens, const Reflection &reflection, int version)
      : t(tokens), reflection(reflection), version(version), types(typeNames(tokens)) {
    for (const std::string &name : reflection.structs)
      types.aliases.insert(name);
  }

  std::vector<Finding> run() {
    for (size_t i = 0; i < t.size(); ++i) {
      words(i);
      components(i);
      vectorLiterals(i);
      pointers(i);
    }
    for (const FunctionText &f : reflection.functions)
      body(f);
    return std::move(findings);
  }

private:
  void say(size_t i, std::string message) {
    int file = i < t.size() ? t.all[i].file : 0;
    findings.push_back({t.line(i), reflection.whereIs(t.line(i), file), std::move(message),
                        file == 0 ? "" : t.files[static_cast<size_t>(file)]});
  }

  void words(size_t i) {
    if (t.all[i].kind == Token::Number && t[i].size() > 2 && !t[i].starts_with("0x1p") &&
        (t[i].ends_with("ll") || t[i].ends_with("LL") || t[i].ends_with("ull") || t[i].ends_with("llu")))
      say(i, std::string(kBanned.at("long long")));
    if (t.all[i].kind == Token::Number && (t[i].ends_with("f16") || t[i].ends_with("f32") || t[i].ends_with("f64")) &&
        !t[i].starts_with("0x"))
      say(i, fmt::format("{} has a suffix that MSL does not know; half is h, bfloat is bf", t[i]));
    if (!t.isWord(i))
      return;
    std::string_view s = t[i];
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
    size_t type = i - 1;
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
    if (!t.isWord(begin) || (!types.isType(t[begin]) && !(t[type] == ">" && isTemplateType(t[begin]))))
      return;
    if (t[begin - 1] == "." || t[begin - 1] == "->" || t[i + 1] == "=" || !startsDeclarator(i + 1))
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
      if (!atStatement(i))
        continue;
      if (t[i] == "static" || t[i] == "constant")
        local(i, f.body.end);
    }
    for (size_t i = f.body.begin; i < f.body.end; ++i) {
      lambda(i);
      kernelCall(f, i);
    }
  }

  bool atStatement(size_t i) const {
    std::string_view before = t[i - 1];
    return before == ";" || before == "{" || before == "}" || before == "const" || before == "constexpr";
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
    for (size_t i = f.nameAt + 1; i < f.body.end; ++i)
      if (t[i] == name && (t.isWord(i - 1) || t[i - 1] == "&" || t[i - 1] == "*" || t[i - 1] == ">") &&
          t[i - 1] != "return" && (t[i + 1] == "," || t[i + 1] == ")" || t[i + 1] == "=" || t[i + 1] == ";"))
        return true;
    return false;
  }

  void kernelCall(const FunctionText &f, size_t i) {
    if (!t.isWord(i) || t[i + 1] != "(" || t[i - 1] == "." || t[i - 1] == "->")
      return;
    for (const KernelText &k : reflection.kernels)
      if (k.kernel.name == t[i] && !declares(f, t[i]))
        say(i, fmt::format("kernel {} cannot be called from a function", t[i]));
  }

  const Tokens &t;
  const Reflection &reflection;
  int version;
  TypeNames types;
  std::vector<Finding> findings;
};

} // namespace

std::vector<Finding> tq::metal::lint(const Tokens &tokens, const Reflection &reflection, int version) {
  return Linter(tokens, reflection, version).run();
}

TypeNames tq::metal::typeNames(const Tokens &t) {
  TypeNames names;
  for (std::string_view base :
       {"bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "half", "float", "bfloat"}) {
    names.scalars.insert(std::string(base));
    for (char n : {'2', '3', '4'}) {
      names.vectors.insert(std::string(base) + n);
      names.vectors.insert("packed_" + std::string(base) + n);
      for (char m : {'2', '3', '4'})
        if (base == "half" || base == "float" || base == "bfloat")
          names.aliases.insert(std::string(base) + n + 'x' + m);
    }
  }
  for (std::string_view base : {"void",
                                "size_t",
                                "ptrdiff_t",
                                "int8_t",
                                "uint8_t",
                                "int16_t",
                                "uint16_t",
                                "int32_t",
                                "uint32_t",
                                "int64_t",
                                "uint64_t",
                                "unsigned",
                                "signed",
                                "atomic_int",
                                "atomic_uint",
                                "atomic_float",
                                "atomic_bool",
                                "atomic_ulong",
                                "simdgroup_float8x8",
                                "simdgroup_half8x8",
                                "simdgroup_bfloat8x8"})
    names.scalars.insert(std::string(base));
  for (size_t i = 0; i < t.size(); ++i) {
    if (t[i] == "using" && t.isWord(i + 1) && t[i + 2] == "=") {
      names.aliases.insert(std::string(t[i + 1]));
    } else if (t[i] == "typedef") {
      size_t end = i;
      while (end < t.size() && t[end] != ";")
        end = t[end] == "{" ? t.closing(end) + 1 : end + 1;
      if (t.isWord(end - 1))
        names.aliases.insert(std::string(t[end - 1]));
    } else if (t[i] == "template" && t[i + 1] == "<") {
      size_t end = t.closingAngle(i + 1);
      for (size_t j = i + 2; j < end; ++j)
        if ((t[j] == "typename" || t[j] == "class") && t.isWord(j + 1))
          names.parameters.insert(std::string(t[j + 1]));
    }
  }
  return names;
}

int tq::metal::smallestElement(const Tokens &t, std::string_view space) {
  constexpr std::pair<std::string_view, int> kSizes[] = {
      {"char", 0},        {"uchar", 0},      {"bool", 0},        {"int8_t", 0},   {"uint8_t", 0},  {"short", 1},
      {"ushort", 1},      {"half", 1},       {"bfloat", 1},      {"int16_t", 1},  {"uint16_t", 1}, {"int", 2},
      {"uint", 2},        {"float", 2},      {"int32_t", 2},     {"uint32_t", 2}, {"long", 2},     {"ulong", 2},
      {"atomic_uint", 2}, {"atomic_int", 2}, {"atomic_float", 2}};
  int smallest = 2;
  for (size_t i = 0; i < t.size(); ++i) {
    if (t[i] != space || t[i - 1] == "const" || t[i - 1] == "[[")
      continue;
    size_t type = i + 1;
    while (t[type] == "volatile" || t[type] == "metal" || t[type] == "::" || t[type] == "__attribute__")
      type = t[type] == "__attribute__" ? t.closing(type + 1) + 1 : type + 1;
    if (t[type] == "const" || t[type + 1] == "const" || t[type] == ")" || t[type] == ",")
      continue;
    std::string_view name = t[type];
    if (name.starts_with("packed_"))
      name.remove_prefix(7);
    if (name.size() > 1 && name.back() >= '2' && name.back() <= '4' && !name.ends_with("32_t"))
      name.remove_suffix(1);
    const auto *known = std::ranges::find(kSizes, name, &std::pair<std::string_view, int>::first);
    smallest = std::min(smallest, known == std::end(kSizes) ? 0 : known->second);
  }
  return smallest;
}
