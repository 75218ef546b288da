//===- Reflect.cpp - Kernels and functions of an MSL text -----------------===//

#include "tests/metal/Reflect.h"

#include "tests/metal/KernelReader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

using namespace tq::metal;

namespace {

class Reflector {
public:
  Reflector(const Tokens &tokens, const FunctionConstants &values) : t(tokens), values(values), constants(tokens) {}

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
    bool isType = false, isEnum = false, isNamespace = false, isTemplate = false, initialised = false;
    TokenRange templateParameters;
    std::string typeName;
    std::vector<std::string> inside; // of which namespaces
    for (; i < end; ++i) {
      std::string_view s = t[i];
      if (s == "template" && t[i + 1] == "<") {
        isTemplate = true;
        templateParameters = {i + 2, t.closingAngle(i + 1)};
        i = templateParameters.end;
      } else if (s == "template" && name == 0) {
        return instantiation(i, end);
      } else if (s == "[[") {
        size_t close = t.closing(i);
        for (size_t j = i + 1; j < close; ++j)
          if (t[j] == "kernel")
            kernelAt = std::min(kernelAt, i);
          else if (t[j] == "function_constant" && t[j + 1] == "(")
            functionConstant(begin, {i, close}, {j + 2, t.closing(j + 1)});
        i = close;
      } else if (s == "kernel" && kernelAt == end) {
        kernelAt = i;
      } else if (s == "namespace" || s == "extern") {
        isNamespace = true;
        for (size_t j = i + 1; s == "namespace" && j < end && (t.isWord(j) || t[j] == "::"); ++j)
          if (t.isWord(j))
            inside.push_back(std::string(t[j]));
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
            kernel({isTemplate ? templateParameters.end + 1 : begin,
                    name,
                    {i, close},
                    isTemplate,
                    templateParameters,
                    namespaces});
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
          namespaces.insert(namespaces.end(), inside.begin(), inside.end());
          scope(i + 1, close, isType);
          namespaces.resize(namespaces.size() - inside.size());
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
      if (isConstant && !inClass) {
        result.initialisers.push_back({equals + 1, stop});
        derivedConstant(begin, equals, stop);
      }
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

  void kernel(const KernelDeclaration &declaration) {
    drop(declaration.begin, declaration.body.begin);
    if (declaration.isTemplate)
      templates[std::string(t[declaration.name])] = declaration;
    else
      result.kernels.push_back(readKernel(t, constants, declaration, nullptr, result.findings));
  }

  /// template [[host_name("k_half")]] [[kernel]] void k<half>(...); returns what follows it.
  size_t instantiation(size_t begin, size_t end) {
    KernelInstantiation k;
    k.begin = begin;
    k.scope = namespaces;
    bool isKernel = false;
    size_t i = begin + 1;
    for (; i < end && t[i] != ";"; ++i) {
      if (t[i] == "[[") {
        for (size_t j = i; j < t.closing(i); ++j)
          isKernel |= t[j] == "kernel" || t[j] == "host_name";
        i = t.closing(i);
      } else if (t[i] == "(") {
        i = t.closing(i);
      } else if (t[i] == "<" && t.isWord(i - 1) && t.closingAngle(i) < end) {
        k.name = i - 1;
        k.arguments = {i + 1, t.closingAngle(i)};
        i = k.arguments.end;
      } else {
        isKernel |= t[i] == "kernel";
      }
    }
    k.end = i;
    auto known = k.name ? templates.find(t[k.name]) : templates.end();
    if (known != templates.end()) {
      drop(begin, k.end);
      result.kernels.push_back(readKernel(t, constants, known->second, &k, result.findings));
    } else if (isKernel) {
      say(t.line(begin), "",
          k.name ? fmt::format("{} is no template of kernels", t[k.name])
                 : "an instance of a kernel template needs its arguments written, as in k<half>");
    }
    return i + 1;
  }

  /// Attributes, and the word kernel.
  void drop(size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      if (t[i] == "[[") {
        result.dropped.push_back({i, t.closing(i) + 1});
        i = t.closing(i);
      } else if (t[i] == "kernel") {
        result.dropped.push_back({i, i + 1});
      }
  }

  /// constant int n [[function_constant(0)]];
  void functionConstant(size_t begin, TokenRange attribute, TokenRange range) {
    auto index = constants.evaluate(range);
    std::string name(t[attribute.begin - 1]);
    bool isConstant = false;
    for (size_t i = begin; i < attribute.begin; ++i)
      isConstant |= t[i] == "constant";
    if (!index || *index < 0 || *index > kMostFunctionConstants)
      return say(t.line(attribute.begin), "",
                 fmt::format("the index of function constant '{}' must be 0 to {}", name, kMostFunctionConstants));
    if (!isConstant || t[attribute.end + 1] != ";")
      return say(t.line(attribute.begin), "",
                 fmt::format("function constant '{}' must be a variable in constant memory without a value", name));
    auto [other, isNew] = indices.emplace(*index, name);
    if (!isNew)
      say(t.line(attribute.begin), "",
          fmt::format("'{}' and '{}' both have [[function_constant({})]]", other->second, name, *index));
    auto value = values.find(static_cast<int>(*index));
    FunctionConstant constant = {
        name, value == values.end() ? "" : value->second, "", begin, {attribute.begin, attribute.end + 1}};
    if (constant.value.empty())
      constants.addUndefined(name, constant.missing = name);
    else
      constants.add(name, Constants::valueOf(constant.value));
    result.functionConstants.push_back(std::move(constant));
  }

  /// constant bool both = a && b; has no value where what it reads has none.
  void derivedConstant(size_t begin, size_t equals, size_t stop) {
    std::string missing = constants.missing({equals + 1, stop});
    if (missing.empty())
      return;
    constants.addUndefined(t[equals - 1], missing);
    result.functionConstants.push_back({std::string(t[equals - 1]), "", missing, begin, {equals, stop}});
  }

  static constexpr int kMostFunctionConstants = 65535;

  const Tokens &t;
  const FunctionConstants &values;
  Reflection result;
  Constants constants;
  std::vector<std::string> namespaces; ///< around the declaration at hand
  bool inClass = false;
  std::map<std::string, KernelDeclaration, std::less<>> templates;
  std::map<int64_t, std::string> indices; ///< of function constants
};

} // namespace

Reflection tq::metal::reflect(const Tokens &tokens, const FunctionConstants &values) {
  return Reflector(tokens, values).run();
}

std::string Reflection::missing(std::string_view name) const {
  if (name.find('(') != name.npos) // of a function: f()::n
    return "";
  name.remove_prefix(name.rfind(':') + 1); // npos + 1 is 0
  auto known = std::ranges::find(functionConstants, name, &FunctionConstant::name);
  return known == functionConstants.end() ? "" : known->missing;
}

std::string Reflection::whereIs(int line, int file) const {
  for (const FunctionText &f : functions)
    if (f.file == file && line >= f.line && line <= f.lastLine)
      return (f.isKernel ? "kernel " : "function ") + f.name;
  for (const KernelText &k : kernels) // outside of functions: what comes next is concerned
    if (k.kernel.line >= line)
      return "kernel " + k.kernel.name;
  return kernels.empty() ? "" : "kernel " + kernels.back().kernel.name;
}
