//===- Instrument.cpp - Edits to the kernel's LLVM IR ---------------------===//

#include "tests/metal/Instrument.h"

#include "tests/metal/IrAccesses.h"
#include "tests/metal/IrChecks.h"
#include "tests/metal/IrComponents.h"
#include "tests/metal/IrFindings.h"
#include "tests/metal/IrTables.h"
#include "tests/metal/Rewrite.h"
#include "tests/metal/Thunks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

using namespace tq::metal;

namespace {

constexpr int kGroupOffset = 1000000;             ///< attribute groups made here
constexpr int kConstantGap = 4096;                ///< bytes before and behind a constant
constexpr int kThreadgroupGap = (32 << 10) + 320; ///< bytes between two threadgroup variables; see Worker.cpp

class Instrumenter {
public:
  Instrumenter(std::string_view ir, const Tokens &tokens, const Reflection &reflection, bool checked)
      : ir(ir), tokens(tokens), reflection(reflection), checked(checked), metadata(ir),
        checks(metadata, reflection, out, findings) {}

  Instrumented run() {
    out.reserve(ir.size() * 2);
    findKernels();
    if (checked)
      findPointed();
    forEachLine(ir, [&](std::string_view line) { step(line); });
    for (Finding &finding : findRecursion(graph, metadata, findCircles(tokens, reflection)))
      findings.push_back(std::move(finding));
    if (checked)
      for (Finding &finding : findConstantShifts(ir, tokens, reflection, metadata))
        findings.push_back(std::move(finding));
    for (Finding &finding : findUndefined(ir, reflection, metadata))
      findings.push_back(std::move(finding));
    out += variableTables(statics, constants);
    if (checked) {
      put(accessDeclarations());
      checks.definitions(ir);
    }
    out += importJumps();
    return {std::move(out), std::move(findings)};
  }

private:
  void put(std::string_view line) {
    out += line;
    out += '\n';
  }

  void step(std::string_view line) {
    if (line.starts_with("@"))
      global(line);
    else if (line.starts_with("define "))
      define(line);
    else if (line.starts_with("}"))
      endFunction();
    else if (line.starts_with("attributes #"))
      attributes(line);
    else if (!function.empty())
      lines.push_back(line);
    else
      put(line);
  }

  void endFunction() {
    std::vector<std::string> split = splitComponents(lines, checked);
    lines.assign(split.begin(), split.end());
    if (checked)
      checks.function(function, lines);
    for (std::string_view line : lines)
      instruction(line);
    put("}");
    function.clear();
    lines.clear();
  }

  // --- globals -------------------------------------------------------------

  void global(std::string_view line) {
    std::string_view name = line.substr(0, line.find(' '));
    size_t constant = line.find(" constant ");
    if (contains(name, kThreadgroupPrefix))
      return threadgroupVariable(name, line.substr(constant + 10));
    if (contains(line, " external ") && undefinedConstant(name, line))
      return;
    bool numbered = name.size() > 1 && name[1] >= '0' && name[1] <= '9';
    bool text = name.starts_with("@.str");
    bool named = checked && constant != line.npos && !numbered && (text || !name.starts_with("@.")) &&
                 !name.starts_with("@llvm.") && !contains(line.substr(0, constant), "external");
    if (named)
      constants.push_back({std::string(name), std::string(leadingType(line.substr(constant + 10))),
                           text ? "string" : variableName(plain(name))});
    if (named && pointed.contains(name))
      pad(name, line.substr(constant + 10));
    else
      put(line);
  }

  /// "@_ZTS1a" and "@\"...\"" without the signs.
  static std::string_view plain(std::string_view name) {
    name.remove_prefix(1);
    return name.starts_with("\"") ? name.substr(1, name.size() - 2) : name;
  }

  /// What Rewrite.cpp makes of one: @_ZZ1kPU8CLglobalfE21__msl_threadgroup_sum, in C++'s mangling with the length.
  void threadgroupVariable(std::string_view name, std::string_view typeAndValue) {
    std::string_view type = leadingType(typeAndValue);
    put(fmt::format("{} = internal global {} zeroinitializer, section \".bss.msl_threadgroup\"{}", name, type,
                    typeAndValue.substr(typeAndValue.rfind(", align "))));
    put(fmt::format("@__msl_gap{} = internal global [{} x i8] zeroinitializer, section \".bss.msl_threadgroup\"",
                    statics.size(), kThreadgroupGap));
    size_t prefix = name.find(kThreadgroupPrefix), digits = prefix;
    while (name[digits - 1] >= '0' && name[digits - 1] <= '9')
      --digits;
    size_t length = static_cast<size_t>(toInt(name.substr(digits)));
    std::string variable(name.substr(prefix, length).substr(sizeof(kThreadgroupPrefix) - 1));
    for (const auto &[function, kernel] : kernels) // _Z1k... of _ZZ1k...E
      if (name.starts_with(fmt::format("@_ZZ{}E", std::string_view(function).substr(2))))
        variable = kernel + "::" + variable;
    statics.push_back({std::string(name), std::string(type), variable});
  }

  /// A function constant without a value: memory, of which IrChecks tells the reads.
  bool undefinedConstant(std::string_view name, std::string_view line) {
    std::string called = demangle(plain(name));
    std::string missing = reflection.missing(called);
    if (missing.empty())
      return false;
    std::string message =
        called == missing || called.ends_with("::" + missing)
            ? fmt::format("function constant '{}' has no value", missing)
            : fmt::format("'{}' depends on function constant '{}', which has no value", called, missing);
    put(fmt::format("{} = internal global {} zeroinitializer", name,
                    leadingType(line.substr(line.find(" constant ") + 10))));
    put(fmt::format("@__msl_missing.{} = private unnamed_addr constant [{} x i8] c\"{}\\00\"", plain(name),
                    message.size() + 1, message));
    return true;
  }

  /// A constant that is reached through a pointer, with room on both sides. No constant to LLVM, because
  /// ThreadSanitizer's pass does not look at accesses of those.
  void pad(std::string_view name, std::string_view typeAndValue) {
    std::string_view type = leadingType(typeAndValue);
    std::string_view value = typeAndValue.substr(type.size());
    value = value.substr(0, std::min({value.find(", comdat"), value.find(", section"), value.rfind(", align ")}));
    put(fmt::format("@__msl_padded{0} = internal global <{{ [{1} x i8], {2}, [{1} x i8] }}> <{{ [{1} x i8] "
                    "zeroinitializer, {2}{3}, [{1} x i8] zeroinitializer }}>, align 64",
                    constants.size(), kConstantGap, type, value));
    put(fmt::format("{} = internal alias {}, getelementptr inbounds (i8, ptr @__msl_padded{}, i64 {})", name, type,
                    constants.size(), kConstantGap));
  }

  /// What is passed on or kept as an address rather than read at once.
  void findPointed() {
    forEachLine(ir, [&](std::string_view line) {
      if (!line.starts_with("  ") || contains(line, "@llvm."))
        return;
      if (!contains(line, " call ") && !contains(line, "  store ptr ") && !contains(line, " phi ptr ") &&
          !contains(line, " select "))
        return;
      for (size_t at = line.find('@'); at != line.npos; at = line.find('@', at + 1))
        pointed.insert(std::string(line.substr(at, line.find_first_of(" ,()", at) - at)));
    });
  }

  // --- functions -----------------------------------------------------------

  /// The last call of each thunk.
  void findKernels() {
    std::map<std::string, std::string, std::less<>> names;
    for (const KernelText &k : reflection.kernels)
      names[thunkName(k.kernel.name)] = k.kernel.name;
    std::string kernel, last;
    forEachLine(ir, [&](std::string_view line) {
      if (line.starts_with("define ")) {
        auto thunk = names.find(symbolIn(line));
        kernel = thunk == names.end() ? "" : thunk->second;
      } else if (!kernel.empty() && contains(line, " call ") && !contains(line, "@llvm.")) {
        last = std::string(symbolIn(line));
      } else if (!kernel.empty() && line.starts_with("}")) {
        kernels[last] = kernel;
      }
    });
  }

  /// "f" of "define void @f(ptr %x) {" or a call.
  static std::string_view symbolIn(std::string_view line) {
    std::string_view symbol = between(line, "@", "(");
    return symbol.starts_with("\"") ? symbol.substr(1, symbol.size() - 2) : symbol;
  }

  void define(std::string_view line) {
    size_t at = line.find('@');
    function = std::string(line.substr(at + 1, line.find('(', at) - at - 1));
    size_t dbg = line.find("!dbg ");
    if (dbg != line.npos)
      graph.subprograms[function] = std::string(line.substr(dbg + 5, line.find(' ', dbg + 5) - dbg - 5));
    graph.calls[function];
    bool isKernel = kernels.contains(function);
    bool isThunk = symbolIn(line).starts_with(kThunkPrefix);
    if (!checked || (!isKernel && !isThunk)) {
      put(line);
      return;
    }
    // A group of its own: neither inlined nor, for the thunk, instrumented.
    size_t group = line.rfind(" #");
    if (group == line.npos) {
      put(line);
      return;
    }
    int number = toInt(line.substr(group + 2)) + kGroupOffset * (isThunk ? 2 : 1);
    size_t end = line.find(' ', group + 1);
    put(fmt::format("{} #{}{}", line.substr(0, group), number, end == line.npos ? "" : line.substr(end)));
  }

  static std::string without(std::string text, std::string_view word) {
    for (size_t at = text.find(word); at != text.npos; at = text.find(word, at))
      text.erase(at, word.size());
    return text;
  }

  void attributes(std::string_view line) {
    std::string text(line);
    text = without(without(std::move(text), " mustprogress"), " norecurse");
    if (!checked || !contains(text, "sanitize_thread")) {
      put(text);
      return;
    }
    int number = toInt(line.substr(12));
    std::string plain = without(without(text, " alwaysinline"), " noinline");
    std::string body = plain.substr(plain.find('{') + 1);
    put(fmt::format("attributes #{} = {{ alwaysinline{}", number, body));
    put(fmt::format("attributes #{} = {{ noinline{}", number + kGroupOffset, body));
    put(fmt::format("attributes #{} = {{ noinline{}", number + 2 * kGroupOffset, without(body, " sanitize_thread")));
  }

  // --- instructions --------------------------------------------------------

  void instruction(std::string_view line) {
    if (contains(line, " call ")) {
      for (size_t at = line.find('@'); at != line.npos; at = line.find('@', at + 1)) {
        size_t end = line.find_first_of("(, )", at);
        graph.calls[function].push_back(std::string(line.substr(at + 1, end - at - 1)));
      }
    }
    if (checked)
      checks.instruction(line);
    else
      put(line);
  }

  std::string_view ir;
  const Tokens &tokens;
  const Reflection &reflection;
  const bool checked;
  const IrMetadata metadata;
  std::string out, function;
  std::vector<std::string_view> lines; ///< of the function
  CallGraph graph;
  std::map<std::string, std::string> kernels; ///< by the function's symbol
  std::vector<IrVariable> statics, constants;
  std::set<std::string, std::less<>> pointed; ///< names that are reached through pointers
  std::vector<Finding> findings;
  IrChecks checks;
};

} // namespace

Instrumented tq::metal::instrument(std::string_view ir, const Tokens &tokens, const Reflection &reflection,
                                   bool checked) {
  return Instrumenter(ir, tokens, reflection, checked).run();
}
