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

/// The integer constants of a text, and what expressions of them come to.
class Constants {
public:
  using Value = std::optional<int64_t>;

  explicit Constants(const Tokens &tokens) : t(tokens) {}

  /// A name that is declared more than once with different values stands for none.
  void add(std::string_view name, Value value) {
    auto [known, isNew] = values.emplace(name, value);
    if (!isNew && known->second != value)
      known->second.reset();
  }

  /// Nothing if the expression is more than numbers, constants, casts, + - * / % << >> and parentheses.
  Value evaluate(TokenRange range) {
    at = range.begin;
    end = range.end;
    operands = 0;
    Value value = binary(0);
    return at == end ? value : std::nullopt;
  }

private:
  std::string_view next() const { return at < end ? t[at] : std::string_view(); }

  /// Precedence: shifts, sums, products.
  Value binary(int level) {
    if (level == 3)
      return unary();
    Value left = binary(level + 1);
    for (;;) {
      std::string_view op = next();
      bool right = op == ">" && at + 1 < end && t[at + 1] == ">";
      bool here = level == 0   ? op == "<<" || right
                  : level == 1 ? op == "+" || op == "-"
                               : op == "*" || op == "/" || op == "%";
      if (!here)
        return left;
      at += right ? 2 : 1;
      Value other = binary(level + 1);
      left = left && other ? apply(op[0], *left, *other) : std::nullopt;
    }
  }

  static Value apply(char op, int64_t a, int64_t b) {
    constexpr int64_t kMost = int64_t(1) << 31; // so that no step overflows
    if (((op == '/' || op == '%') && b == 0) || ((op == '<' || op == '>') && (a < 0 || b < 0 || b > 31)))
      return std::nullopt;
    int64_t r = op == '+'   ? a + b
                : op == '-' ? a - b
                : op == '*' ? a * b
                : op == '/' ? a / b
                : op == '%' ? a % b
                : op == '<' ? a << b
                            : a >> b;
    return r < -kMost || r > kMost ? std::nullopt : Value(r);
  }

  Value unary() {
    if (++operands > 100) // nobody writes that many, but for the depth of this recursion
      return std::nullopt;
    if (next() == "-" || next() == "+") {
      bool minus = t[at++] == "-";
      Value value = unary();
      return value && minus ? Value(-*value) : value;
    }
    if (next() == "(" && isInteger(t[at + 1]) && t[at + 2] == ")") { // (uint)8
      at += 3;
      return unary();
    }
    if (isInteger(next()) && t[at + 1] == "(")
      ++at; // uint(8)
    if (next() == "(") {
      ++at;
      Value value = binary(0);
      return at < end && t[at++] == ")" ? value : std::nullopt;
    }
    if (at >= end)
      return std::nullopt;
    if (t.all[at].kind == Token::Number)
      return number(t[at++]);
    while (at + 2 < end && t[at + 1] == "::")
      at += 2;
    auto known = values.find(t[at++]);
    return known == values.end() ? std::nullopt : known->second;
  }

  static bool isInteger(std::string_view s) {
    return indexComponents(s) == 1 || s == "int" || s == "short" || s == "long" || s == "ulong" || s == "size_t" ||
           s == "int32_t" || s == "int16_t";
  }

  static Value number(std::string_view text) {
    while (!text.empty() && std::string_view("uUlL").find(text.back()) != std::string_view::npos)
      text.remove_suffix(1);
    int base = text.starts_with("0x") || text.starts_with("0X") ? 16 : text.starts_with("0") ? 8 : 10;
    if (base == 16)
      text.remove_prefix(2);
    int64_t value = 0;
    auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    bool whole = error == std::errc() && stop == text.data() + text.size();
    return whole && value <= (int64_t(1) << 31) ? Value(value) : std::nullopt;
  }

  const Tokens &t;
  std::map<std::string, Value, std::less<>> values;
  size_t at = 0, end = 0;
  int operands = 0;
};

bool isSpace(std::string_view word) {
  return word == "device" || word == "constant" || word == "threadgroup" || word == "thread";
}

class Reflector {
public:
  explicit Reflector(const Tokens &tokens) : t(tokens), constants(tokens) {}

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
    bool isType = false, isEnum = false, isNamespace = false, isNamed = false, isTemplate = false, initialised = false;
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
        isNamed = s == "namespace" && t.isWord(i + 1);
      } else if ((s == "struct" || s == "class" || s == "union" || s == "enum") && name == 0 && !isType) {
        isType = true;
        isEnum |= s == "enum";
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
        if (!initialised && name == 0)
          variables(begin, i, end);
        initialised = true;
      } else if (s == "<" && name == 0 && !initialised && t.isWord(i - 1) && t.closingAngle(i) < end) {
        size_t close = t.closingAngle(i);
        if (t[close + 1] == "(") { // template <> float f<half>(half x)
          name = i - 1;
          isType = false;
        }
        i = close;
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
        if (isEnum)
          enumerators(i + 1, close);
        else if (isType)
          members(i + 1, close);
        if (isType && t[begin] == "typedef" && t.isWord(close + 1))
          result.structs.insert(std::string(t[close + 1]));
        if ((isType || isNamespace) && !isEnum && !initialised) {
          namespaces += isNamed;
          scope(i + 1, close, isType);
          namespaces -= isNamed;
        }
        if (!isType && !isNamespace && !initialised && t.isWord(i - 1)) // constant int k{64};
          constants.add(t[i - 1], constants.evaluate({i + 1, close}));
        i = close;
        if (isNamespace)
          return i + 1;
      } else if (s == ";" || s == "}") {
        return i + 1;
      }
    }
    return end;
  }

  /// `constant int a = 1, b = 2;` from the first `=`.
  void variables(size_t begin, size_t equals, size_t end) {
    bool isConst = false, isConstant = false;
    for (size_t i = begin; i < equals; ++i) {
      isConst |= t[i] == "const" || t[i] == "constexpr";
      isConstant |= t[i] == "constant";
    }
    while (t[equals] == "=") {
      size_t stop = equals + 1;
      while (stop < end && t[stop] != ";" && t[stop] != ",")
        stop = t[stop] == "(" || t[stop] == "[" || t[stop] == "{" ? t.closing(stop) + 1 : stop + 1;
      if ((isConst || isConstant) && t.isWord(equals - 1))
        constants.add(t[equals - 1], constants.evaluate({equals + 1, stop}));
      if (isConstant && !inClass)
        result.initialisers.push_back({equals + 1, stop});
      equals = stop + 2; // , name =
    }
  }

  void enumerators(size_t begin, size_t end) {
    Constants::Value next = 0;
    while (begin < end) {
      size_t stop = begin;
      while (stop < end && t[stop] != ",")
        stop = t[stop] == "(" ? t.closing(stop) + 1 : stop + 1;
      if (t[begin + 1] == "=")
        next = constants.evaluate({begin + 2, stop});
      constants.add(t[begin], next);
      if (next)
        ++*next;
      begin = stop + 1;
    }
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
    if (namespaces > 0)
      say(k.kernel.line, where, "kernels inside a namespace are not run by this executor; move it out");
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
    size_t close = t.closing(name + 1);
    parameters(k, name + 1, close);
    for (size_t i = close + 1; i < body.begin; ++i)
      if (t[i] == "max_total_threads_per_threadgroup")
        say(t.line(i), where, fmt::format("[[{}]] stands before a kernel, not behind its parameters", t[i]));
    result.kernels.push_back(std::move(k));
  }

  void kernelAttributes(KernelText &k, size_t open, size_t close) {
    for (size_t i = open + 1; i < close; ++i) {
      if (t[i] == "max_total_threads_per_threadgroup" && t[i + 1] == "(") {
        TokenRange range = {i + 2, t.closing(i + 1)};
        auto value = constants.evaluate(range);
        if (!value)
          say(t.line(i), where, fmt::format("{}({}) is no constant that this executor can tell", t[i], text(range)));
        else if (*value < 1 || *value > 1024)
          say(t.line(i), where, fmt::format("{}({}) must be 1 to 1024", t[i], text(range)));
        else
          k.kernel.maxTotalThreads = static_cast<uint32_t>(*value);
        i = range.end;
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
    used.clear();
    unplaced.clear();
    for (TokenRange range : ranges)
      parameter(k, range);
    for (size_t i : unplaced)
      place(k.kernel.parameters[i]);
    agreement(k);
  }

  /// What has no index takes the first that no other parameter has (MSL 5.2.1).
  void place(Parameter &p) {
    std::string group = p.kind == Parameter::Buffer ? "buffer" : "threadgroup";
    p.index = 0;
    while (!used.emplace(std::pair(group, p.index), p.name).second)
      ++p.index;
    if (p.index >= kSlots)
      say(p.line, where, fmt::format("no [[{}]] index is left for '{}'", group, p.name));
  }

  /// Positions and sizes are all scalars or all vectors of one size (MSL 5.2.3.6).
  void agreement(const KernelText &k) {
    std::optional<size_t> first;
    for (size_t i = 0; i < k.kernel.parameters.size(); ++i) {
      if (most(k.kernel.parameters[i]) != 3)
        continue;
      if (!first)
        first = i;
      if (indexComponents(k.castType[i]) != indexComponents(k.castType[*first]))
        say(k.kernel.parameters[i].line, where,
            describe(k, i, *first) + ": positions and sizes must be all scalars, or all vectors of one size");
    }
  }

  static std::string describe(const KernelText &k, size_t i, size_t j) {
    return fmt::format("[[{}]] '{}' is {} and [[{}]] '{}' is {}", k.kernel.parameters[i].builtin,
                       k.kernel.parameters[i].name, k.castType[i], k.kernel.parameters[j].builtin,
                       k.kernel.parameters[j].name, k.castType[j]);
  }

  /// The number of components that a built-in may have; 0 for other parameters.
  static int most(const Parameter &p) {
    auto known = kBuiltins.find(p.builtin);
    return known == kBuiltins.end() ? 0 : known->second;
  }

  std::string text(TokenRange range) const {
    std::string out;
    for (size_t i = range.begin; i < range.end; ++i)
      out +=
          (i > range.begin && t.all[i].offset > t.all[i - 1].offset + t[i - 1].size() ? " " : "") + std::string(t[i]);
    return out;
  }

  /// What an attribute says about a parameter; false if there was an error.
  bool attribute(Parameter &p, size_t open, size_t close) {
    std::string_view name = t[open + 1];
    if (name == "buffer" || name == "threadgroup") {
      if (t[open + 2] != "(") {
        say(t.line(open), where, fmt::format("[[{}]] of '{}' needs an index, such as [[{}(0)]]", name, p.name, name));
        return false;
      }
      TokenRange range = {open + 3, t.closing(open + 2)};
      auto index = constants.evaluate(range);
      if (!index) {
        say(t.line(open), where,
            fmt::format("[[{}({})]] of '{}' is no constant that this executor can tell", name, text(range), p.name));
        return false;
      }
      if (*index < 0 || *index >= kSlots) {
        say(t.line(open), where, fmt::format("[[{}({})]] is beyond index {}", name, *index, kSlots - 1));
        return false;
      }
      p.kind = name == "buffer" ? Parameter::Buffer : Parameter::ThreadgroupMemory;
      p.index = static_cast<int>(*index);
      auto [other, isNew] = used.emplace(std::pair(std::string(name), p.index), p.name);
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
          : name == "grid_origin" || name == "grid_size" || name == "dispatch_quadgroups_per_threadgroup"
              ? fmt::format("[[{}]] of '{}' is not known to this executor", name, p.name)
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

  void parameter(KernelText &k, TokenRange range) {
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
    if (!known && pointer && (space == "device" || space == "constant" || space == "threadgroup")) {
      p.kind = space == "threadgroup" ? Parameter::ThreadgroupMemory : Parameter::Buffer;
      unplaced.push_back(k.kernel.parameters.size());
    } else if (!known) {
      say(p.line, where, fmt::format("parameter '{}' has no attribute, such as [[buffer(0)]]", p.name));
      ok = false;
    }
    if (p.kind == Parameter::Builtin)
      cast = plainType(words);
    if (ok)
      types(p, space, pointer, cast);
    k.kernel.parameters.push_back(p);
    k.castType.push_back(cast);
  }

  /// "uint3" for `metal::uint3 const` and `vec<uint, 3>`.
  std::string plainType(const std::vector<size_t> &words) const {
    std::vector<std::string_view> parts;
    for (size_t i : words)
      if (t[i] != "const" && t[i] != "volatile" && t[i] != "metal" && t[i] != "::")
        parts.push_back(t[i]);
    if (parts.size() == 6 && parts[0] == "vec")
      return std::string(parts[2]) + std::string(parts[4]);
    std::string type;
    for (std::string_view part : parts)
      type += (type.empty() ? "" : " ") + std::string(part);
    return type;
  }

  /// The address space and type that the attribute asks for.
  void types(const Parameter &p, std::string_view space, bool pointer, std::string_view type) {
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
      int have = indexComponents(type);
      if (pointer || have == 0 || have > most(p))
        say(p.line, where,
            fmt::format("[[{}]] '{}' has type {}, but must be {}", p.builtin, p.name, p.type,
                        most(p) == 1 ? "uint or ushort" : "uint, uint2, uint3, ushort, ushort2 or ushort3"));
    }
  }

  const Tokens &t;
  Reflection result;
  std::string where;
  Constants constants;
  std::vector<size_t> unplaced; ///< parameters without an index
  int namespaces = 0;           ///< around the declaration at hand
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
