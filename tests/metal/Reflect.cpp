//===- Reflect.cpp - Kernels and functions of an MSL text -----------------===//

#include "tests/metal/Reflect.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

using namespace tq::metal;

namespace {

constexpr int kSlots = 31; ///< buffer and threadgroup indices are 0..30

/// The number of components a built-in may have: 1, or 1 to 3.
const std::map<std::string_view, int> kBuiltins = {
    {"thread_position_in_grid", 3},        {"threadgroup_position_in_grid", 3},
    {"thread_position_in_threadgroup", 3}, {"threads_per_grid", 3},
    {"threads_per_threadgroup", 3},        {"dispatch_threads_per_threadgroup", 3},
    {"threadgroups_per_grid", 3},          {"thread_index_in_threadgroup", 1},
    {"thread_index_in_simdgroup", 1},      {"thread_index_in_quadgroup", 1},
    {"simdgroup_index_in_threadgroup", 1}, {"quadgroup_index_in_threadgroup", 1},
    {"simdgroups_per_threadgroup", 1},     {"dispatch_simdgroups_per_threadgroup", 1},
    {"quadgroups_per_threadgroup", 1},     {"threads_per_simdgroup", 1},
    {"thread_execution_width", 1},
};

/// Components of an index type: 0 if it is none.
int indexComponents(std::string_view type) {
  if (type == "uint" || type == "ushort" || type == "uint32_t" || type == "uint16_t" || type == "unsigned" ||
      type == "unsigned int" || type == "unsigned short")
    return 1;
  for (std::string_view base : {"uint", "ushort"})
    if (type.size() == base.size() + 1 && type.starts_with(base) && (type.back() == '2' || type.back() == '3'))
      return type.back() - '0';
  return 0;
}

std::optional<int> number(std::string_view text) {
  int value;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || (end != text.data() + text.size() && *end != 'u' && *end != 'U'))
    return std::nullopt;
  return value;
}

bool isSpace(std::string_view word) {
  return word == "device" || word == "constant" || word == "threadgroup" || word == "thread";
}

class Reflector {
public:
  explicit Reflector(const Tokens &tokens) : t(tokens) {}

  Reflection run() {
    scope(0, t.size(), false);
    std::map<std::string, int> seen;
    for (const KernelText &kernel : result.kernels) {
      auto [first, isNew] = seen.emplace(kernel.kernel.name, kernel.kernel.line);
      if (!isNew)
        say(kernel.kernel.line, "kernel " + kernel.kernel.name,
            fmt::format("a kernel of that name is on line {} already", first->second));
    }
    return std::move(result);
  }

private:
  void say(int line, std::string where, std::string message) {
    result.findings.push_back({line, std::move(where), std::move(message), ""});
  }

  /// Declarations between begin and end: a namespace, a class or the whole text.
  void scope(size_t begin, size_t end, bool isClass) {
    bool outer = inClass;
    inClass = isClass;
    for (size_t i = begin; i < end;)
      i = declaration(i, end);
    inClass = outer;
  }

  /// One declaration from i; returns what follows it.
  size_t declaration(size_t i, size_t end) {
    size_t begin = i, name = 0, kernelAt = end;
    bool isType = false, isNamespace = false, isTemplate = false, initialised = false;
    std::string typeName;
    for (; i < end; ++i) {
      std::string_view s = t[i];
      if (s == "template" && t[i + 1] == "<") {
        isTemplate = true;
        i = t.closingAngle(i + 1);
      } else if (s == "[[") {
        size_t close = t.closing(i);
        for (size_t j = i + 1; j < close; ++j)
          if (t[j] == "kernel")
            kernelAt = std::min(kernelAt, i);
          else if (t[j] == "host_name")
            say(t.line(j), "",
                "host_name names an instance of a kernel template, which this executor does not run; "
                "write the instance out as a kernel of its own");
        i = close;
      } else if (s == "kernel" && kernelAt == end) {
        kernelAt = i;
      } else if (s == "namespace" || s == "extern") {
        isNamespace = true;
      } else if ((s == "struct" || s == "class" || s == "union" || s == "enum") && name == 0 && !isType) {
        isType = true;
        size_t at = i + 1;
        while (t[at] == "[[" || t[at] == "__attribute__" || t[at] == "alignas")
          at = t.closing(t[at] == "[[" ? at : at + 1) + 1;
        typeName = std::string(t.isWord(at) ? t[at] : "");
        if (s != "enum" && !typeName.empty() && t[at + 1] != ";")
          result.structs.insert(typeName);
      } else if (s == "__attribute__" || s == "alignas" || s == "decltype" || s == "static_assert") {
        i = t.closing(i + 1);
      } else if (s == "operator") {
        name = name ? name : i;
        while (i + 1 < end && (t[i + 1] != "(" || t[i + 2] == ")") && t[i + 1] != "{" && t[i + 1] != ";")
          ++i;
        if (t[i + 1] == "(" && t[i + 2] == ")" && t[i + 3] == "(")
          i += 2;
      } else if (s == "=") {
        initialised = true;
      } else if (s == "(") {
        if (name == 0 && !initialised && i > begin && t.isWord(i - 1)) {
          name = i - 1;
          isType = false; // `struct S f(...)`
        }
        i = t.closing(i);
      } else if (s == "{") {
        size_t close = t.closing(i);
        if (name && !initialised) {
          if (kernelAt != end)
            kernel(begin, kernelAt, name, {i, close}, isTemplate);
          function(name, i, close, kernelAt != end);
          return close + 1;
        }
        if (isType)
          members(i + 1, close);
        if (isType && t[begin] == "typedef" && t.isWord(close + 1))
          result.structs.insert(std::string(t[close + 1]));
        if ((isType || isNamespace) && !initialised)
          scope(i + 1, close, isType);
        i = close;
        if (isNamespace)
          return i + 1;
      } else if (s == ";" || s == "}") {
        return i + 1;
      }
    }
    return end;
  }

  void function(size_t name, size_t open, size_t close, bool isKernel) {
    FunctionText f;
    f.name = std::string(t[name]);
    f.isKernel = isKernel;
    f.isMember = inClass;
    f.line = t.line(name);
    f.lastLine = t.line(close);
    f.file = t.all[name].file;
    f.nameAt = name;
    f.body = {open, close};
    result.functions.push_back(std::move(f));
  }

  /// The names of data members between begin and end: what stands before `;`, `,`, `[` or `=`.
  void members(size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      if (t[i] == "(" || t[i] == "{")
        i = t.closing(i);
      else if (t.isWord(i) && (t[i + 1] == ";" || t[i + 1] == "," || t[i + 1] == "[" || t[i + 1] == "="))
        result.members.insert(std::string(t[i]));
    }
  }

  void kernel(size_t begin, size_t kernelAt, size_t name, TokenRange body, bool isTemplate) {
    KernelText k;
    k.kernel.name = std::string(t[name]);
    k.kernel.line = t.line(name);
    k.body = body;
    where = "kernel " + k.kernel.name;
    if (k.kernel.name == "main")
      say(k.kernel.line, where, "a kernel must not be called main");
    if (isTemplate) {
      say(k.kernel.line, where, "kernel templates are not run by this executor; write the instances out as kernels");
      return;
    }
    k.attributes = {begin, name};
    size_t returned = begin;
    for (size_t i = begin; i < name; ++i) {
      if (t[i] == "[[") {
        kernelAttributes(k, i, t.closing(i));
        i = t.closing(i);
        returned = i + 1;
      } else if (t[i] == "kernel") {
        returned = i + 1;
      }
    }
    k.attributes.end = returned;
    if (returned + 1 != name || t[returned] != "void")
      say(t.line(returned), where, "a kernel must return void");
    parameters(k, name + 1, t.closing(name + 1));
    result.kernels.push_back(std::move(k));
  }

  void kernelAttributes(KernelText &k, size_t open, size_t close) {
    for (size_t i = open + 1; i < close; ++i) {
      if (t[i] == "max_total_threads_per_threadgroup" && t[i + 1] == "(") {
        auto value = number(t[i + 2]);
        if (t[i + 3] == ")" && t.all[i + 2].kind == Token::Number && (!value || *value < 1 || *value > 1024))
          say(t.line(i), where, fmt::format("max_total_threads_per_threadgroup({}) must be 1 to 1024", t[i + 2]));
        else if (value)
          k.kernel.maxTotalThreads = static_cast<uint32_t>(*value);
        i = t.closing(i + 1);
      } else if (t[i] == "(") {
        i = t.closing(i);
      } else if (t.isWord(i) && t[i] != "kernel" && t[i] != "host_name" && t[i] != "required_threads_per_threadgroup" &&
                 t[i] != "visible" && t[i] != "user_annotation" && t[i] != "clang" && t[i] != "maybe_unused" &&
                 t[i] != "optnone") {
        say(t.line(i), where, fmt::format("unknown kernel attribute [[{}]]", t[i]));
      }
    }
  }

  void parameters(KernelText &k, size_t open, size_t close) {
    std::vector<TokenRange> ranges;
    size_t begin = open + 1;
    int angle = 0;
    for (size_t i = open + 1; i <= close; ++i) {
      if (t[i] == "<")
        ++angle;
      else if (t[i] == ">")
        --angle;
      if (i == close || (t[i] == "," && angle <= 0)) {
        bool nothing = i == begin || (i == begin + 1 && t[begin] == "void");
        if (!nothing)
          ranges.push_back({begin, i});
        begin = i + 1;
      } else if (t[i] == "(" || t[i] == "[" || t[i] == "[[") {
        i = t.closing(i);
      }
    }
    bool indexed = false; // all buffers without an index take 0, 1, 2, ...; a mixture is taken for an oversight
    for (TokenRange range : ranges)
      for (size_t i = range.begin; i < range.end; ++i)
        indexed |= t[i] == "[[" && t[i + 1] == "buffer";
    nextBuffer = 0;
    used.clear();
    for (TokenRange range : ranges)
      parameter(k, range, indexed);
  }

  /// What an attribute says about a parameter; false if there was an error.
  bool attribute(Parameter &p, size_t open, size_t close) {
    std::string_view name = t[open + 1];
    if (name == "buffer" || name == "threadgroup") {
      auto index = number(t[open + 3]);
      if (t[open + 2] != "(" || !index) {
        say(t.line(open), where, fmt::format("[[{}]] of '{}' needs an index, such as [[{}(0)]]", name, p.name, name));
        return false;
      }
      if (*index < 0 || *index >= kSlots) {
        say(t.line(open), where, fmt::format("[[{}({})]] is beyond index {}", name, *index, kSlots - 1));
        return false;
      }
      p.kind = name == "buffer" ? Parameter::Buffer : Parameter::ThreadgroupMemory;
      p.index = *index;
      auto [other, isNew] = used.emplace(std::pair(std::string(name), *index), p.name);
      if (!isNew)
        say(t.line(open), where,
            fmt::format("'{}' and '{}' both have [[{}({})]]", other->second, p.name, name, *index));
      for (size_t i = open; i < close; ++i)
        if (t[i] == "function_constant")
          say(t.line(i), where, "function constants are not run by this executor; write their values into the text");
      return true;
    }
    auto builtin = kBuiltins.find(name);
    if (builtin == kBuiltins.end()) {
      say(t.line(open), where,
          name == "texture" || name == "sampler" || name == "stage_in"
              ? fmt::format("[[{}]] of '{}': this executor runs kernels of buffers only", name, p.name)
              : fmt::format("unknown attribute [[{}]] of parameter '{}'", name, p.name));
      return false;
    }
    p.kind = Parameter::Builtin;
    p.builtin = std::string(name);
    auto [other, isNew] = used.emplace(std::pair(p.builtin, -1), p.name);
    if (!isNew)
      say(t.line(open), where, fmt::format("'{}' and '{}' both have [[{}]]", other->second, p.name, name));
    return true;
  }

  void parameter(KernelText &k, TokenRange range, bool indexed) {
    Parameter p;
    p.line = t.line(range.begin);
    std::vector<size_t> words;
    TokenRange mark;
    std::vector<TokenRange> marks;
    for (size_t i = range.begin; i < range.end; ++i) {
      if (t[i] == "[[") {
        mark = {i, t.closing(i)};
        marks.push_back(mark);
        i = mark.end;
      } else {
        words.push_back(i);
      }
    }
    if (words.size() < 2 || !t.isWord(words.back())) {
      say(p.line, where, "a parameter must have a type and a name; references to arrays are not run by this executor");
      return;
    }
    p.name = std::string(t[words.back()]);
    words.pop_back();
    std::string space, cast;
    bool pointer = false, constBeforeStar = false;
    for (size_t i : words) {
      std::string_view s = t[i];
      if (isSpace(s) && !pointer && space.empty())
        space = std::string(s);
      constBeforeStar |= s == "const" && !pointer;
      pointer |= s == "*" || s == "&";
      p.isReference |= s == "&";
      if (s != "&" && s != "restrict" && s != "__restrict" && s != "volatile")
        cast += (cast.empty() || s == "*" ? "" : " ") + std::string(s);
      if (!isSpace(s) && s != "&" && s != "restrict" && s != "__restrict" && s != "volatile")
        p.type += (p.type.empty() || s == "*" ? "" : " ") + std::string(s);
    }
    p.isConstant = space == "constant";
    p.isConst = p.isConstant || constBeforeStar;
    bool ok = true, known = false;
    for (TokenRange m : marks) {
      k.dropped.push_back({m.begin, m.end + 1});
      if (t[m.begin + 1] == "maybe_unused" || t[m.begin + 1] == "clang")
        continue;
      ok &= attribute(p, m.begin, m.end);
      known = true;
    }
    if (!known && pointer && (space == "device" || space == "constant") && !indexed) {
      p.kind = Parameter::Buffer;
      p.index = nextBuffer++;
    } else if (!known) {
      say(p.line, where, fmt::format("parameter '{}' has no attribute, such as [[buffer(0)]]", p.name));
      ok = false;
    }
    if (ok)
      types(p, space, pointer);
    k.kernel.parameters.push_back(p);
    k.castType.push_back(cast);
  }

  /// The address space and type that the attribute asks for.
  void types(const Parameter &p, std::string_view space, bool pointer) {
    if (p.kind == Parameter::Buffer) {
      if (!pointer)
        say(p.line, where, fmt::format("[[buffer({})]] '{}' must be a pointer or a reference", p.index, p.name));
      else if (space != "device" && space != "constant")
        say(p.line, where,
            fmt::format("[[buffer({})]] '{}' must be in the device or constant address space{}", p.index, p.name,
                        space.empty() ? "" : ", not " + std::string(space)));
    } else if (p.kind == Parameter::ThreadgroupMemory) {
      if (space != "threadgroup" || !pointer)
        say(p.line, where,
            fmt::format("[[threadgroup({})]] '{}' must be a pointer in the threadgroup address space", p.index,
                        p.name));
    } else {
      std::string type = p.type.starts_with("const ") ? p.type.substr(6) : p.type;
      int most = kBuiltins.at(p.builtin), have = indexComponents(type);
      if (pointer || have == 0 || have > most)
        say(p.line, where,
            fmt::format("[[{}]] '{}' has type {}, but must be {}", p.builtin, p.name, p.type,
                        most == 1 ? "uint or ushort" : "uint, uint2, uint3, ushort, ushort2 or ushort3"));
    }
  }

  const Tokens &t;
  Reflection result;
  std::string where;
  int nextBuffer = 0;
  bool inClass = false;
  std::map<std::pair<std::string, int>, std::string> used;
};

} // namespace

Reflection tq::metal::reflect(const Tokens &tokens) { return Reflector(tokens).run(); }

std::string Reflection::whereIs(int line, int file) const {
  for (const FunctionText &f : functions)
    if (f.file == file && line >= f.line && line <= f.lastLine)
      return (f.isKernel ? "kernel " : "function ") + f.name;
  for (const KernelText &k : kernels) // outside of functions: what comes next is concerned
    if (k.kernel.line >= line)
      return "kernel " + k.kernel.name;
  return kernels.empty() ? "" : "kernel " + kernels.back().kernel.name;
}
