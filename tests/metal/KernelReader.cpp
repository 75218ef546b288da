//===- KernelReader.cpp - What an MSL text says of a kernel ---------------===//

#include "tests/metal/KernelReader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

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

bool isSpace(std::string_view word) {
  return word == "device" || word == "constant" || word == "threadgroup" || word == "thread";
}

class KernelReader {
public:
  KernelReader(const Tokens &tokens, const Constants &constants, std::vector<Finding> &findings)
      : t(tokens), constants(constants), findings(findings) {}

  KernelText run(const KernelDeclaration &d, const KernelInstantiation *instance) {
    KernelText k;
    std::string name;
    for (const std::string &part : d.scope)
      name += part + "::";
    name += t[d.name];
    k.kernel.name = name;
    hostName(k, d.begin, d.name);
    if (instance)
      hostName(k, instance->begin, instance->name);
    k.kernel.line = t.line(instance ? instance->name : d.name);
    k.function = "::" + name + (instance ? "<" + text(instance->arguments) + ">" : "");
    k.scope = instance ? instance->scope : d.scope;
    where = "kernel " + k.kernel.name;
    if (t[d.name] == "main")
      say(k.kernel.line, where, "a kernel must not be called main");
    if (instance)
      bind(d.templateParameters, instance->arguments, k.kernel.line);
    size_t returned = attributes(k, d.begin, d.name);
    if (returned + 1 != d.name || t[returned] != "void")
      say(t.line(returned), where, "a kernel must return void");
    k.attributes = {d.begin, returned};
    k.body = d.body;
    if (instance) {
      k.attributes = {instance->begin, attributes(k, instance->begin, instance->name)};
      k.body = {instance->name, instance->end};
    }
    size_t close = t.closing(d.name + 1);
    parameters(k, d.name + 1, close);
    for (size_t i = close + 1; i < d.body.begin; ++i)
      if (t[i] == "max_total_threads_per_threadgroup")
        say(t.line(i), where, fmt::format("[[{}]] stands before a kernel, not behind its parameters", t[i]));
    return k;
  }

private:
  void say(int line, std::string where, std::string message) {
    findings.push_back({line, std::move(where), std::move(message), ""});
  }

  /// The name in [[host_name("...")]], if there is one; of literals side by side as always.
  void hostName(KernelText &k, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      if (t[i] != "host_name" || t[i + 1] != "(")
        continue;
      std::string name;
      for (size_t j = i + 2; j < t.closing(i + 1) && t[j].size() > 1 && t.all[j].kind == Token::String; ++j)
        name += t[j].substr(1, t[j].size() - 2);
      if (name.empty())
        say(t.line(i), "", "host_name needs a name, such as [[host_name(\"add\")]]");
      else
        k.kernel.name = name;
    }
  }

  /// What the template's parameters stand for: arguments, or else defaults.
  void bind(TokenRange templateParameters, TokenRange given, int line) {
    std::vector<TokenRange> values = split(given);
    size_t next = 0;
    for (TokenRange p : split(templateParameters)) {
      TokenRange fallback = {p.end, p.end};
      for (size_t i = p.begin; i < p.end && fallback.begin == p.end; i = t[i] == "(" ? t.closing(i) : i + 1)
        if (t[i] == "=")
          fallback = {i + 1, p.end};
      size_t name = (fallback.begin < p.end ? fallback.begin - 1 : p.end) - 1;
      for (size_t i = p.begin; i + 2 < p.end; ++i) // void (*f)(float)
        if (t[i] == "(" && (t[i + 1] == "*" || t[i + 1] == "&"))
          name = std::min(name, i + 2);
      bool pack = t[name - 1] == "." || t[p.begin] == ".";
      if (pack || (next >= values.size() && fallback.begin == p.end))
        return say(line, where,
                   pack ? "packs of template arguments are not run by this executor"
                        : fmt::format("there is no template argument for '{}'; those that a compiler would deduce are "
                                      "not known to this executor",
                                      t[name]));
      bool isDefault = next >= values.size();
      TokenRange value = isDefault ? fallback : values[next];
      TemplateArgument argument = {isDefault ? substituted(value) : text(value),
                                   constants.evaluate(value, isDefault ? arguments : TemplateArguments())};
      arguments[std::string(t[name])] = std::move(argument);
      ++next;
    }
  }

  /// The attributes before a function's name; returns the token behind the last of them.
  size_t attributes(KernelText &k, size_t begin, size_t name) {
    size_t after = begin;
    for (size_t i = begin; i < name; ++i) {
      if (t[i] == "[[") {
        kernelAttributes(k, i, t.closing(i));
        i = t.closing(i);
        after = i + 1;
      } else if (t[i] == "kernel") {
        after = i + 1;
      }
    }
    return after;
  }

  void kernelAttributes(KernelText &k, size_t open, size_t close) {
    for (size_t i = open + 1; i < close; ++i) {
      if (t[i] == "max_total_threads_per_threadgroup" && t[i + 1] == "(") {
        TokenRange range = {i + 2, t.closing(i + 1)};
        auto value = constants.evaluate(range, arguments);
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
    used.clear();
    unplaced.clear();
    for (TokenRange range : split({open + 1, close}))
      if (range.begin + 1 < range.end || t[range.begin] != "void")
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

  /// At the commas that are in no brackets.
  std::vector<TokenRange> split(TokenRange list) const {
    std::vector<TokenRange> parts;
    size_t begin = list.begin;
    for (size_t i = list.begin; i <= list.end; ++i) {
      if (i == list.end || t[i] == ",") {
        if (i > begin)
          parts.push_back({begin, i});
        begin = i + 1;
      } else if (t[i] == "(" || t[i] == "[" || t[i] == "[[" || t[i] == "{") {
        i = t.closing(i);
      } else if (t[i] == "<" && t.isWord(i - 1) && t.closingAngle(i) < list.end) {
        i = t.closingAngle(i);
      }
    }
    return parts;
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
      auto index = constants.evaluate(range, arguments);
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
      for (size_t i = open; i < close; ++i)
        if (t[i] == "function_constant" && t[i + 1] == "(")
          condition(p, {i + 2, t.closing(i + 1)});
      if (p.isAbsent || !p.missingConstant.empty()) // another may have the index where this one is absent
        return true;
      auto [other, isNew] = used.emplace(std::pair(std::string(name), p.index), p.name);
      if (!isNew)
        say(t.line(open), where,
            fmt::format("'{}' and '{}' both have [[{}({})]]", other->second, p.name, name, *index));
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

  /// [[buffer(1), function_constant(has_bias)]]: the parameter exists only where the constant is true.
  void condition(Parameter &p, TokenRange range) {
    p.missingConstant = constants.missing(range);
    if (!p.missingConstant.empty())
      return;
    auto value = constants.evaluate(range, arguments);
    if (!value)
      say(p.line, where,
          fmt::format("function_constant({}) of '{}' is no constant that this executor can tell", text(range), p.name));
    p.isAbsent = value == 0;
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
    bool isArray = words.size() > 3 && t[words.back()] == "]"; // float x[2] is a pointer
    if (isArray) {
      size_t open = words.size() - 1;
      while (open > 1 && t[words[open]] != "[")
        --open;
      words.resize(open);
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
      std::string_view s = spelled(i);
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
    if (isArray) {
      cast += " *";
      p.type += "*";
      pointer = true;
    }
    p.isConstant = space == "constant";
    p.isConst = p.isConstant || constBeforeStar;
    bool ok = true, known = false;
    for (TokenRange m : marks) {
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

  /// A template's parameter is its argument.
  std::string_view spelled(size_t i) const {
    auto argument = t[i - 1] == "::" ? arguments.end() : arguments.find(t[i]);
    return argument == arguments.end() ? t[i] : argument->second.text;
  }

  std::string substituted(TokenRange range) const {
    std::string out;
    for (size_t i = range.begin; i < range.end; ++i)
      out += (i > range.begin ? " " : "") + std::string(spelled(i));
    return out;
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
  const Constants &constants;
  std::vector<Finding> &findings;
  TemplateArguments arguments;
  std::string where;
  std::vector<size_t> unplaced; ///< parameters without an index
  std::map<std::pair<std::string, int>, std::string> used;
};

} // namespace

KernelText tq::metal::readKernel(const Tokens &tokens, const Constants &constants, const KernelDeclaration &declaration,
                                 const KernelInstantiation *instance, std::vector<Finding> &findings) {
  return KernelReader(tokens, constants, findings).run(declaration, instance);
}
