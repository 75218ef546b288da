//===- IrChecks.cpp - What the checked build does at run time -------------===//

#include "tests/metal/IrChecks.h"

#include "tests/metal/IrTables.h"

#include <fmt/format.h>

#include <algorithm>

using namespace tq::metal;

namespace {

bool isScalar(std::string_view type) { return type.find_first_of("[<{%") == type.npos; }

} // namespace

/// Variables of this function that are reached through a pointer: arrays of which %arraydecay or an element's address
/// goes somewhere else than to the next load or store, and what `&` and a cast make an array of. References do not count,
/// nor does what the shim's own functions do.
void IrChecks::function(std::string_view name, const std::vector<std::string_view> &lines) {
  allocas.clear();
  pointedVariables.clear();
  bool isShim = name.starts_with("_ZN5metal") || name.starts_with("_ZNK5metal") || name.starts_with("_ZN5__msl");
  std::map<std::string_view, std::string_view> elements; // address -> variable
  std::set<std::string_view> arrays;
  for (std::string_view line : lines) {
    if (size_t at = line.find(" = alloca "); at != line.npos && !contains(line, " = alloca ptr")) {
      std::string_view variable = between(line, "  ", " = ");
      bool isArray = line.substr(at + 10).starts_with("[");
      if (isArray)
        arrays.insert(variable);
      else if (!isShim)
        elements[variable] = variable;
      continue;
    }
    if (size_t at = line.find(" = getelementptr inbounds"); at != line.npos) {
      std::string_view address = line.substr(2, at - 2), base = between(line.substr(at), ", ptr ", ",");
      std::string_view type = line.substr(at + 25);
      type = leadingType(type.substr(type.starts_with(" nuw ") ? 5 : 1));
      bool isElement = elements.contains(base);
      std::string_view variable = arrays.contains(base) ? base : isElement ? elements[base] : std::string_view();
      if (variable.empty())
        continue;
      // Of the initialisation or IrComponents.cpp, not of the text.
      bool numbered = (address[1] >= '0' && address[1] <= '9') || address.starts_with("%__");
      if (address.starts_with("%arraydecay") || (base == variable && isElement && isScalar(type) && !numbered))
        pointedVariables.insert(std::string(variable));
      elements[address] = variable;
      continue;
    }
    bool isCall = contains(line, " call ");
    if ((!isCall && !contains(line, "  store ptr %")) || contains(line, "@llvm."))
      continue;
    size_t last = isCall ? line.npos : line.find(", ptr ");
    for (size_t i = line.find('%'); i < last; i = line.find('%', i + 1)) {
      std::string_view operand = line.substr(i, line.find_first_of(", )", i) - i);
      auto element = elements.find(operand);
      if (element == elements.end())
        continue;
      // "..., ptr byval" of "..., ptr byval(T) align 4 %x"
      std::string_view before = line.substr(0, std::min(line.find_last_of(",(", i), i));
      bool isWhole = contains(line, "@__msl_") || before.ends_with(" dereferenceable") || before.ends_with(" sret") ||
                     before.ends_with(" byval");
      if (arrays.contains(element->second) || !isWhole)
        pointedVariables.insert(std::string(element->second));
    }
  }
}

/// The variable in the middle of a larger one, whose ends are told to the checker.
void IrChecks::pad(std::string_view line, const std::string &variable) {
  std::string_view type = leadingType(line.substr(line.find(" = alloca ") + 10));
  std::string padded = fmt::format("<{{ [64 x i8], {}, [64 x i8] }}>", type);
  put(fmt::format("  {}.padded = alloca {}, align 64", variable, padded));
  put(fmt::format("  {0} = getelementptr inbounds i8, ptr {0}.padded, i64 64", variable));
  put(fmt::format(
      "  call void @__msl_add_red_zones(ptr {}.padded, i64 ptrtoint (ptr getelementptr ({}, ptr null, i32 1) "
      "to i64))",
      variable, padded));
}

void IrChecks::instruction(std::string_view line) {
  if (contains(line, " = alloca ")) {
    allocas.push_back(std::string(between(line, "  ", " = ")));
    if (pointedVariables.contains(allocas.back()))
      return pad(line, allocas.back());
  }
  if (line.starts_with("  ret ")) // the optimiser may give the place to another variable
    for (const std::string &variable : pointedVariables)
      put(fmt::format("  call void @__msl_drop_red_zones(ptr {}.padded)", variable));
  if (contains(line, "@llvm.lifetime.")) { // allowed on whole variables only
    std::string_view variable = between(line, "(ptr ", ")");
    if (pointedVariables.contains(variable))
      return;
  }
  if (!metadata.autoInit.empty() && contains(line, metadata.autoInit) && poison(line))
    return;
  missingConstant(line);
  shift(line);
  element(line);
  zeroDivisor(line);
  wide(line);
  put(line);
}

/// The initial value of a variable that the text leaves uninitialised.
bool IrChecks::poison(std::string_view line) {
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

/// %0 = load i32, ptr @n of a function constant without a value
void IrChecks::missingConstant(std::string_view line) {
  if (!contains(line, " = load ") || !contains(line, ", ptr @"))
    return;
  std::string_view symbol = between(line, ", ptr @", ",");
  if (reflection.missing(demangle(symbol)).empty())
    return;
  put(fmt::format("  call void @__msl_missing_constant(ptr @__msl_missing.{}){}", symbol, debugTail(line)));
}

/// %shl.mask = and i32 %count, 31
void IrChecks::shift(std::string_view line) {
  if (!line.starts_with("  %shl.mask") && !line.starts_with("  %shr.mask"))
    return;
  size_t at = line.find(" = and ");
  if (at == line.npos)
    return;
  std::string_view type = leadingType(line.substr(at + 7));
  std::string_view value = line.substr(at + 8 + type.size());
  value = value.substr(0, value.find(','));
  std::string_view tail = debugTail(line);
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

/// v[i] of a vector: extractelement <4 x float> %v, i32 %i
void IrChecks::element(std::string_view line) {
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
    if (toInt(value) >= count && metadata.lineOf(line))
      findings.push_back({metadata.lineOf(line), reflection.whereIs(metadata.lineOf(line)),
                          fmt::format("out of bounds: element {} of a vector of {}", value, count), ""});
    return;
  }
  std::string name(value);
  if (width != "i64") {
    put(fmt::format("  %__count{} = sext {} {} to i64", fresh, width, value));
    name = fmt::format("%__count{}", fresh++);
  }
  put(fmt::format("  call void @__msl_index_check(i64 {}, i64 {}){}", name, count - 1, debugTail(line)));
}

/// Integer vectors: clang's own check is for scalars.
void IrChecks::zeroDivisor(std::string_view line) {
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
  put(fmt::format("  %__zero{0} = call i1 @{1}(<{2} x i1> %__zeros{0}){3}", fresh, intrinsic, count, debugTail(line)));
  put(fmt::format("  call void @__msl_divisor_check(i1 %__zero{}){}", fresh++, debugTail(line)));
}

/// What ThreadSanitizer's pass leaves out.
void IrChecks::wide(std::string_view line) {
  if (contains(line, "!nosanitize")) // IrAccesses.cpp has told it
    return;
  size_t load = line.find(" load <"), store = line.find("  store <");
  if (load == line.npos && store == line.npos)
    return;
  std::string_view type = leadingType(line.substr(load != line.npos ? load + 6 : store + 8));
  int count = toInt(between(type, "<", " "));
  std::string_view element = between(type, "x ", ">");
  int bytes = count * (element == "double" ? 8 : element.starts_with("i") ? toInt(element.substr(1)) / 8 : 4);
  if (bytes <= 16 && (bytes & (bytes - 1)) == 0)
    return;
  size_t pointer = line.find(", ptr ");
  std::string_view address = line.substr(pointer + 6, line.find(',', pointer + 6) - pointer - 6);
  if (std::ranges::find(allocas, address) != allocas.end())
    return;
  put(fmt::format("  call void @__msl_access(ptr {}, i64 {}, i64 {}){}", address, bytes, load == line.npos ? 1 : 0,
                  debugTail(line)));
}

void IrChecks::definitions(std::string_view ir) {
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
      "declare void @__msl_bad_divisor() noreturn nounwind nomerge\n"
      "define internal void @__msl_index_check(i64 %index, i64 %last) alwaysinline {\n"
      "  %bad = icmp ugt i64 %index, %last\n"
      "  br i1 %bad, label %no, label %yes\n"
      "no:\n"
      "  call void @__msl_bad_index(i64 %index, i64 %last)\n"
      "  unreachable\n"
      "yes:\n"
      "  ret void\n"
      "}\n"
      "declare void @__msl_bad_shift(i64, i64) noreturn nounwind nomerge\n"
      "declare void @__msl_bad_index(i64, i64) noreturn nounwind nomerge\n"
      "declare void @__msl_missing_constant(ptr) noreturn nounwind nomerge\n"
      "declare void @__msl_access(ptr, i64, i64) nounwind\n"
      "declare void @__msl_add_red_zones(ptr, i64) nounwind\n"
      "declare void @__msl_drop_red_zones(ptr) nounwind");
  if (usesMemset && !contains(ir, "declare void @llvm.memset.p0.i64("))
    put("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)");
  for (const auto &[name, text] : declarations)
    if (!contains(ir, "@" + name + "("))
      put(text);
}
