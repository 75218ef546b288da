//===- Instrument.cpp - Edits to the kernel's LLVM IR ---------------------===//

#include "tests/metal/Instrument.h"

#include "tests/metal/IrText.h"
#include "tests/metal/Rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cxxabi.h>
#include <map>
#include <set>

using namespace tq::metal;

namespace {

constexpr std::string_view kImports[] = {
#define TQ_IMPORT(symbol, function) #symbol,
#include "tests/metal/Imports.def"
#undef TQ_IMPORT
};

constexpr char kKernelPrefix[] = "__clang_ocl_kern_imp_"; ///< clang's body of a kernel
constexpr int kGroupOffset = 1000000;                     ///< attribute groups made here

std::string demangle(std::string_view symbol) {
  int status = 0;
  char *plain = abi::__cxa_demangle(std::string(symbol).c_str(), nullptr, nullptr, &status);
  std::string out = status == 0 && plain ? plain : std::string(symbol);
  free(plain);
  return out;
}

/// "k(float*, unsigned int)::tile" as "k::tile".
std::string variableName(std::string_view symbol) {
  std::string plain = demangle(symbol);
  size_t last = plain.rfind("::");
  if (last == plain.npos)
    return plain;
  std::string function = plain.substr(0, plain.find_first_of("(<"));
  if (function.size() > last)
    function = plain.substr(0, last);
  return function + plain.substr(last);
}

class Instrumenter {
public:
  Instrumenter(std::string_view ir, const Tokens &tokens, const Reflection &reflection, bool checked)
      : ir(ir), tokens(tokens), reflection(reflection), checked(checked) {}

  Instrumented run() {
    readMetadata();
    out.reserve(ir.size() * 2);
    forEachLine([&](std::string_view line) { step(line); });
    recursion();
    if (checked)
      constantShifts();
    tables();
    return {std::move(out), std::move(findings)};
  }

private:
  template <class F> void forEachLine(F f) {
    for (std::string_view rest = ir; !rest.empty();) {
      size_t end = std::min(rest.find('\n'), rest.size());
      f(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  void put(std::string_view line) {
    out += line;
    out += '\n';
  }

  struct Subprogram {
    std::string name;
    int line = 0;
  };

  /// What the lines of code refer to by number, which stands at the end.
  void readMetadata() {
    forEachLine([&](std::string_view line) {
      if (!line.starts_with("!"))
        return;
      std::string id(line.substr(0, line.find(' ')));
      if (contains(line, "!\"auto-init\""))
        autoInit = "!annotation " + id;
      else if (contains(line, "!DISubprogram("))
        subprograms[id] = {std::string(between(line, "name: \"", "\"")), toInt(between(line, ", line: ", ","))};
      else if (contains(line, "!DILocation("))
        locations[id] = toInt(between(line, "line: ", ","));
    });
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
      findPointedArrays();
    for (std::string_view line : lines)
      instruction(line);
    put("}");
    function.clear();
    allocas.clear();
    lines.clear();
    pointedArrays.clear();
  }

  /// Arrays of this function whose elements are reached through a pointer: %arraydecay, or an element's address that
  /// goes somewhere else than to the next load or store.
  void findPointedArrays() {
    std::map<std::string_view, std::string_view> elements; // address -> array
    std::vector<std::string_view> arrays;
    for (std::string_view line : lines) {
      size_t at = line.find(" = getelementptr inbounds");
      if (contains(line, " = alloca [")) {
        arrays.push_back(between(line, "  ", " = "));
      } else if (at != line.npos && contains(line, " x ")) {
        std::string_view array = between(line.substr(at), ", ptr ", ",");
        if (std::ranges::find(arrays, array) == arrays.end())
          continue;
        std::string_view address = line.substr(2, at - 2);
        if (address.starts_with("%arraydecay"))
          pointedArrays.insert(std::string(array));
        elements[address] = array;
      } else if (size_t stored = line.find("  store ptr %"); stored != line.npos || contains(line, " call ")) {
        for (size_t i = line.find('%'); i != line.npos; i = line.find('%', i + 1)) {
          std::string_view name = line.substr(i, line.find_first_of(", )", i) - i);
          if (auto element = elements.find(name); element != elements.end())
            pointedArrays.insert(std::string(element->second));
        }
      }
    }
  }

  /// The array in the middle of a larger variable, whose ends are told to the checker.
  void padArray(std::string_view line, const std::string &array) {
    std::string_view type = leadingType(line.substr(line.find(" = alloca ") + 10));
    put(fmt::format("  {}.padded = alloca <{{ [64 x i8], {}, [64 x i8] }}>, align 64", array, type));
    put(fmt::format("  {0} = getelementptr inbounds i8, ptr {0}.padded, i64 64", array));
    put(fmt::format("  {0}.end = getelementptr inbounds {1}, ptr {0}, i64 1", array, type));
    put(fmt::format("  call void @__msl_red_zone(ptr {}.padded, i64 64)", array));
    put(fmt::format("  call void @__msl_red_zone(ptr {}.end, i64 64)", array));
  }

  // --- globals -------------------------------------------------------------

  void global(std::string_view line) {
    std::string_view name = line.substr(0, line.find(' '));
    size_t variable = line.find(" global "), constant = line.find(" constant ");
    if (variable != line.npos && contains(line.substr(0, variable), "internal") && contains(line, " undef")) {
      std::string_view type = leadingType(line.substr(variable + 8));
      std::string_view align = contains(line, ", align ") ? line.substr(line.rfind(", align ")) : std::string_view();
      put(fmt::format("{} = internal global {} undef, section \".msl_threadgroup\"{}", name, type, align));
      put(fmt::format("@__msl_gap{} = internal global [256 x i8] zeroinitializer, section \".msl_threadgroup\"",
                      statics.size()));
      statics.push_back({std::string(name), std::string(type)});
      return;
    }
    put(line);
    bool numbered = name.size() > 1 && name[1] >= '0' && name[1] <= '9';
    if (checked && constant != line.npos && !numbered && !name.starts_with("@.") && !name.starts_with("@llvm.") &&
        !contains(line.substr(0, constant), "external"))
      constants.push_back({std::string(name), std::string(leadingType(line.substr(constant + 10)))});
  }

  // --- functions -----------------------------------------------------------

  void define(std::string_view line) {
    size_t at = line.find('@');
    function = std::string(line.substr(at + 1, line.find('(', at) - at - 1));
    size_t dbg = line.find("!dbg ");
    if (dbg != line.npos)
      debug[function] = std::string(line.substr(dbg + 5, line.find(' ', dbg + 5) - dbg - 5));
    calls[function];
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
        calls[function].push_back(std::string(line.substr(at + 1, end - at - 1)));
      }
    }
    if (!checked) {
      put(line);
      return;
    }
    if (contains(line, " = alloca ")) {
      allocas.push_back(std::string(between(line, "  ", " = ")));
      if (pointedArrays.contains(allocas.back()))
        return padArray(line, allocas.back());
    }
    if (contains(line, "@llvm.lifetime.")) { // allowed on whole variables only
      std::string_view variable = between(line, "(ptr ", ")");
      if (pointedArrays.contains(variable))
        return;
    }
    if (!autoInit.empty() && contains(line, autoInit) && poison(line))
      return;
    shift(line);
    element(line);
    zeroDivisor(line);
    wide(line);
    put(line);
  }

  /// The initial value of a variable that the text leaves uninitialised.
  bool poison(std::string_view line) {
    size_t tail = line.find(", !");
    std::string_view rest = tail == line.npos ? std::string_view() : line.substr(tail);
    if (line.starts_with("  store ")) {
      std::string_view type = leadingType(line.substr(8));
      size_t pointer = line.find(", ptr ");
      if (pointer == line.npos || type.starts_with("[") || type.starts_with("{") || type.starts_with("%"))
        return false;
      put(fmt::format("  %__poison{} = load {}, ptr @__msl_poison, align 1, !nosanitize !{{}}", fresh, type));
      put(fmt::format("  store {} %__poison{}{}", type, fresh++, line.substr(pointer)));
      return true;
    }
    bool set = contains(line, "@llvm.memset."), copy = contains(line, "@llvm.memcpy.");
    if (!set && !copy)
      return false;
    std::string_view destination = between(line, "(", ", ");
    size_t size = line.find(", i64 ");
    std::string_view bytes = line.substr(size + 6, line.find(',', size + 6) - size - 6);
    put(fmt::format("  %__poison{} = load i8, ptr @__msl_poison, align 1, !nosanitize !{{}}", fresh));
    put(fmt::format("  call void @llvm.memset.p0.i64({}, i8 %__poison{}, i64 {}, i1 false){}", destination, fresh++,
                    bytes, rest));
    usesMemset = true;
    return true;
  }

  /// %shl.mask = and i32 %count, 31
  void shift(std::string_view line) {
    if (!line.starts_with("  %shl.mask") && !line.starts_with("  %shr.mask"))
      return;
    size_t at = line.find(" = and ");
    if (at == line.npos)
      return;
    std::string_view type = leadingType(line.substr(at + 7));
    std::string_view value = line.substr(at + 8 + type.size());
    value = value.substr(0, value.find(','));
    size_t dbg = line.find(", !dbg");
    std::string_view tail = dbg == line.npos ? std::string_view() : line.substr(dbg);
    std::string scalar(type), name(value);
    if (type.starts_with("<")) {
      std::string_view count = between(type, "<", " ");
      scalar = std::string(between(type, "x ", ">"));
      std::string intrinsic = fmt::format("llvm.vector.reduce.umax.v{}{}", count, scalar);
      put(fmt::format("  %__count{} = call {} @{}({} {}){}", fresh, scalar, intrinsic, type, value, tail));
      name = fmt::format("%__count{}", fresh++);
      declarations[intrinsic] = fmt::format("declare {} @{}({})", scalar, intrinsic, type);
    }
    int bits = toInt(std::string_view(scalar).substr(1));
    if (bits < 64) {
      put(fmt::format("  %__count{} = zext {} {} to i64", fresh, scalar, name));
      name = fmt::format("%__count{}", fresh++);
    }
    put(fmt::format("  call void @__msl_shift_check(i64 {}, i64 {}){}", name, bits - 1, tail));
  }

  std::string_view tailOf(std::string_view line) const {
    size_t dbg = line.find(", !dbg");
    return dbg == line.npos ? std::string_view() : line.substr(dbg, line.find(',', dbg + 2) - dbg);
  }
  int lineOf(std::string_view line) const {
    std::string_view tail = tailOf(line);
    auto location = tail.empty() ? locations.end() : locations.find(std::string(tail.substr(7)));
    return location == locations.end() ? 0 : location->second;
  }

  /// v[i] of a vector: extractelement <4 x float> %v, i32 %i
  void element(std::string_view line) {
    bool extract = contains(line, " = extractelement <"), insert = contains(line, " = insertelement <");
    if (!extract && !insert)
      return;
    std::string_view type = leadingType(line.substr(line.find("element <") + 8));
    int count = toInt(between(type, "<", " "));
    std::string_view body = line.substr(0, line.find(", !"));
    std::string_view index = body.substr(body.rfind(", ") + 2); // "i32 %i"
    size_t space = index.find(' ');
    if (space == index.npos)
      return;
    std::string_view width = index.substr(0, space), value = index.substr(space + 1);
    if (!value.starts_with("%")) {
      if (toInt(value) >= count && lineOf(line))
        findings.push_back({lineOf(line), reflection.whereIs(lineOf(line)),
                            fmt::format("out of bounds: element {} of a vector of {}", value, count), ""});
      return;
    }
    std::string name(value);
    if (width != "i64") {
      put(fmt::format("  %__count{} = sext {} {} to i64", fresh, width, value));
      name = fmt::format("%__count{}", fresh++);
    }
    put(fmt::format("  call void @__msl_index_check(i64 {}, i64 {}){}", name, count - 1, tailOf(line)));
  }

  /// Integer vectors: clang's own check is for scalars.
  void zeroDivisor(std::string_view line) {
    size_t at = std::string_view::npos;
    for (std::string_view operation : {" = sdiv <", " = udiv <", " = srem <", " = urem <"})
      if (size_t found = line.find(operation); found != line.npos)
        at = found + operation.size() - 1;
    if (at == line.npos)
      return;
    std::string_view type = leadingType(line.substr(at));
    std::string_view operands = line.substr(0, line.find(", !"));
    std::string_view divisor = operands.substr(operands.rfind(", ", operands.ends_with(">)") ? at : operands.size()));
    if (!divisor.starts_with(", %") && !divisor.ends_with("zeroinitializer"))
      return; // a constant without a zero
    std::string_view count = between(type, "<", " ");
    std::string intrinsic = fmt::format("llvm.vector.reduce.or.v{}i1", count);
    declarations[intrinsic] = fmt::format("declare i1 @{}(<{} x i1>)", intrinsic, count);
    put(fmt::format("  %__zeros{} = icmp eq {} {}, zeroinitializer", fresh, type, divisor.substr(2)));
    put(fmt::format("  %__zero{0} = call i1 @{1}(<{2} x i1> %__zeros{0}){3}", fresh, intrinsic, count, tailOf(line)));
    put(fmt::format("  call void @__msl_divisor_check(i1 %__zero{}){}", fresh++, tailOf(line)));
  }

  void wide(std::string_view line) {
    size_t load = line.find(" load <"), store = line.find("  store <");
    if (load == line.npos && store == line.npos)
      return;
    std::string_view type = leadingType(line.substr(load != line.npos ? load + 6 : store + 8));
    int count = toInt(between(type, "<", " "));
    std::string_view element = between(type, "x ", ">");
    int bytes = count * (element == "double" ? 8 : element.starts_with("i") ? toInt(element.substr(1)) / 8 : 4);
    if (bytes <= 16)
      return;
    size_t pointer = line.find(", ptr ");
    std::string_view address = line.substr(pointer + 6, line.find(',', pointer + 6) - pointer - 6);
    if (std::ranges::find(allocas, address) != allocas.end())
      return;
    size_t dbg = line.find(", !dbg");
    std::string tail = dbg == line.npos ? "" : std::string(line.substr(dbg, line.find(',', dbg + 2) - dbg));
    put(fmt::format("  call void @__msl_access(ptr {}, i64 {}, i64 {}){}", address, bytes, load == line.npos ? 1 : 0,
                    tail));
  }

  // --- findings ------------------------------------------------------------

  void recursion() {
    std::map<std::string, int> state; // 1: on the path, 2: done
    for (const auto &[name, callees] : calls)
      if (walk(name, state))
        return;
  }

  bool walk(const std::string &name, std::map<std::string, int> &state) {
    int &mine = state[name];
    if (mine)
      return false;
    mine = 1;
    for (const std::string &callee : calls[name]) {
      if (!calls.contains(callee))
        continue;
      if (state[callee] == 1) {
        const Subprogram &s = subprograms[debug[callee]];
        findings.push_back({s.line, "function " + s.name,
                            callee == name ? "calls itself; MSL kernels must not recurse"
                                           : fmt::format("calls itself through {}; MSL kernels must not recurse",
                                                         subprograms[debug[name]].name),
                            ""});
        return true;
      }
      if (walk(callee, state))
        return true;
    }
    state[name] = 2;
    return false;
  }

  /// `x << 33` arrives as a shift by 1: compare the literals of each line with the widths that are shifted there.
  void constantShifts() {
    std::map<int, std::vector<size_t>> literals;
    for (size_t i = 0; i + 2 < tokens.size(); ++i) {
      bool left = tokens[i] == "<<";
      bool right = tokens[i] == ">" && tokens[i + 1] == ">" && tokens.all[i + 1].offset == tokens.all[i].offset + 1;
      size_t count = left ? i + 1 : i + 2;
      if ((left || right) && tokens.all[count].kind == Token::Number && toInt(tokens[count]) >= 32)
        literals[tokens.line(i)].push_back(count);
    }
    if (literals.empty())
      return;
    std::map<int, std::pair<bool, bool>> seen; // line: shifts of 32 bits, of 64 bits
    forEachLine([&](std::string_view line) {
      if (!contains(line, " = shl ") && !contains(line, " = lshr ") && !contains(line, " = ashr "))
        return;
      size_t dbg = line.find("!dbg ");
      if (dbg == line.npos)
        return;
      std::string id(line.substr(dbg + 5, line.find(',', dbg + 5) - dbg - 5));
      auto &[narrow, wide] = seen[locations[id]];
      (contains(line, "i64") ? wide : narrow) = true;
    });
    for (const auto &[line, counts] : literals) {
      auto [narrow, wide] = seen[line];
      for (size_t count : counts) {
        int by = toInt(tokens[count]);
        // What clang has computed itself leaves no trace; then the literal that is shifted tells the width.
        size_t left = tokens[count - 1] == "<<" ? count - 2 : count - 3;
        bool literal = tokens.all[left].kind == Token::Number && tokens[left].find_first_of("lL") == std::string::npos;
        if ((narrow && !wide && by >= 32) || (literal && by >= 32) || by >= 64)
          findings.push_back({line, reflection.whereIs(line),
                              fmt::format("shift by {} of a value of {} bits", by, by >= 64 ? 64 : 32), ""});
      }
    }
  }

  // --- tables --------------------------------------------------------------

  struct Variable {
    std::string symbol, type;
  };

  void table(const char *name, const std::vector<Variable> &variables) {
    std::string entries;
    for (size_t i = 0; i < variables.size(); ++i) {
      std::string symbol = variables[i].symbol.substr(1);
      if (symbol.starts_with("\""))
        symbol = symbol.substr(1, symbol.size() - 2);
      std::string text = variableName(symbol);
      put(fmt::format("@{}.{} = private unnamed_addr constant [{} x i8] c\"{}\\00\"", name, i, text.size() + 1, text));
      entries += fmt::format("{}{{ ptr, i64, ptr }} {{ ptr {}, i64 ptrtoint (ptr getelementptr ({}, ptr null, i32 1) "
                             "to i64), ptr @{}.{} }}",
                             i ? ", " : "", variables[i].symbol, variables[i].type, name, i);
    }
    put(fmt::format("@{}_count = protected global i64 {}", name, variables.size()));
    if (!variables.empty())
      put(fmt::format("@{} = protected global [{} x {{ ptr, i64, ptr }}] [{}]", name, variables.size(), entries));
  }

  void tables() {
    table("__msl_statics", statics);
    table("__msl_constants", constants);
    if (!statics.empty()) {
      std::string used;
      for (size_t i = 0; i < statics.size(); ++i)
        used += fmt::format("{}ptr {}, ptr @__msl_gap{}", i ? ", " : "", statics[i].symbol, i);
      put(fmt::format("@llvm.used = appending global [{} x ptr] [{}], section \"llvm.metadata\"", 2 * statics.size(),
                      used));
    }
    put("@__msl_poison = protected global [64 x i8] zeroinitializer, align 64");
    put(fmt::format("@__msl_imports = protected global [{} x ptr] zeroinitializer, align 8", std::size(kImports)));
    if (checked) {
      // Called while the object is loaded, before there is a table.
      put("define hidden void @__tsan_init() {\n  ret void\n}");
      put("define internal void @__msl_shift_check(i64 %count, i64 %most) alwaysinline {\n"
          "  %bad = icmp ugt i64 %count, %most\n"
          "  br i1 %bad, label %no, label %yes\n"
          "no:\n"
          "  call void @__msl_bad_shift(i64 %count, i64 %most)\n"
          "  unreachable\n"
          "yes:\n"
          "  ret void\n"
          "}\n"
          "define internal void @__msl_divisor_check(i1 %zero) alwaysinline {\n"
          "  br i1 %zero, label %no, label %yes\n"
          "no:\n"
          "  call void @__msl_bad_divisor()\n"
          "  unreachable\n"
          "yes:\n"
          "  ret void\n"
          "}\n"
          "declare void @__msl_bad_divisor() noreturn nounwind\n"
          "define internal void @__msl_index_check(i64 %index, i64 %last) alwaysinline {\n"
          "  %bad = icmp ugt i64 %index, %last\n"
          "  br i1 %bad, label %no, label %yes\n"
          "no:\n"
          "  call void @__msl_bad_index(i64 %index, i64 %last)\n"
          "  unreachable\n"
          "yes:\n"
          "  ret void\n"
          "}\n"
          "declare void @__msl_bad_shift(i64, i64) noreturn nounwind\n"
          "declare void @__msl_bad_index(i64, i64) noreturn nounwind\n"
          "declare void @__msl_access(ptr, i64, i64) nounwind\n"
          "declare void @__msl_red_zone(ptr, i64) nounwind");
      if (usesMemset && !contains(ir, "declare void @llvm.memset.p0.i64("))
        put("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)");
      for (const auto &[name, text] : declarations)
        if (!contains(ir, "@" + name + "("))
          put(text);
    }
    for (size_t i = 0; i < std::size(kImports); ++i) {
      put(fmt::format("module asm \".globl {0}\\0A.hidden {0}\\0A.type {0},%function\"", kImports[i]));
#if defined(__aarch64__)
      put(fmt::format("module asm \"{}: adrp x16, __msl_imports+{}\"", kImports[i], 8 * i));
      put(fmt::format("module asm \"ldr x16, [x16, :lo12:__msl_imports+{}]\"", 8 * i));
      put("module asm \"br x16\"");
#else
      put(fmt::format("module asm \"{}: jmpq *__msl_imports+{}(%rip)\"", kImports[i], 8 * i));
#endif
    }
  }

  std::string_view ir;
  const Tokens &tokens;
  const Reflection &reflection;
  bool checked;
  std::string out, function, autoInit;
  std::map<std::string, std::string> debug, declarations;
  std::map<std::string, Subprogram> subprograms;
  std::map<std::string, int> locations;
  std::map<std::string, std::vector<std::string>> calls;
  std::vector<std::string> allocas;
  std::vector<std::string_view> lines; ///< of the function
  std::set<std::string, std::less<>> pointedArrays;
  std::vector<Variable> statics, constants;
  std::vector<Finding> findings;
  int fresh = 0;
  bool usesMemset = false;
};

} // namespace

Instrumented tq::metal::instrument(std::string_view ir, const Tokens &tokens, const Reflection &reflection,
                                   bool checked) {
  return Instrumenter(ir, tokens, reflection, checked).run();
}
