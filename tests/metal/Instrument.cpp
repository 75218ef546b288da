//===- Instrument.cpp - Edits to the kernel's LLVM IR ---------------------===//

#include "tests/metal/Instrument.h"

#include "tests/metal/IrChecks.h"
#include "tests/metal/IrFindings.h"
#include "tests/metal/IrTables.h"
#include "tests/metal/Rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

using namespace tq::metal;

namespace {

constexpr char kKernelPrefix[] = "__clang_ocl_kern_imp_"; ///< clang's body of a kernel
constexpr int kGroupOffset = 1000000;                     ///< attribute groups made here
constexpr int kConstantGap = 4096;                        ///< bytes before and behind a constant
constexpr int kThreadgroupGap = (32 << 10) + 320;         ///< bytes between two threadgroup variables; see Worker.cpp

class Instrumenter {
public:
  Instrumenter(std::string_view ir, const Tokens &tokens, const Reflection &reflection, bool checked)
      : ir(ir), tokens(tokens), reflection(reflection), checked(checked), metadata(ir),
        checks(metadata, reflection, out, findings) {}

  Instrumented run() {
    out.reserve(ir.size() * 2);
    if (checked)
      findPointed();
    forEachLine(ir, [&](std::string_view line) { step(line); });
    for (Finding &finding : findRecursion(graph, metadata))
      findings.push_back(std::move(finding));
    if (checked)
      for (Finding &finding : findConstantShifts(ir, tokens, reflection, metadata))
        findings.push_back(std::move(finding));
    for (Finding &finding : findUndefined(ir, reflection, metadata))
      findings.push_back(std::move(finding));
    out += variableTables(statics, constants);
    if (checked)
      checks.definitions(ir);
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
    size_t variable = line.find(" global "), constant = line.find(" constant ");
    if (variable != line.npos && contains(line.substr(0, variable), "internal") && contains(line, " undef")) {
      std::string_view type = leadingType(line.substr(variable + 8));
      std::string_view align = contains(line, ", align ") ? line.substr(line.rfind(", align ")) : std::string_view();
      put(fmt::format("{} = internal global {} zeroinitializer, section \".bss.msl_threadgroup\"{}", name, type,
                      align));
      put(fmt::format("@__msl_gap{} = internal global [{} x i8] zeroinitializer, section \".bss.msl_threadgroup\"",
                      statics.size(), kThreadgroupGap));
      statics.push_back({std::string(name), std::string(type)});
      return;
    }
    bool numbered = name.size() > 1 && name[1] >= '0' && name[1] <= '9';
    bool named = checked && constant != line.npos && !numbered && !name.starts_with("@.") &&
                 !name.starts_with("@llvm.") && !contains(line.substr(0, constant), "external");
    if (named)
      constants.push_back({std::string(name), std::string(leadingType(line.substr(constant + 10)))});
    if (named && pointed.contains(name))
      pad(name, line.substr(constant + 10));
    else
      put(line);
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

  void define(std::string_view line) {
    size_t at = line.find('@');
    function = std::string(line.substr(at + 1, line.find('(', at) - at - 1));
    size_t dbg = line.find("!dbg ");
    if (dbg != line.npos)
      graph.subprograms[function] = std::string(line.substr(dbg + 5, line.find(' ', dbg + 5) - dbg - 5));
    graph.calls[function];
    bool isKernel = function.starts_with(kKernelPrefix) || contains(line, "spir_kernel");
    bool isThunk = function.starts_with(kThunkPrefix);
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
