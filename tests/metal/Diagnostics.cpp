//===- Diagnostics.cpp - Findings as the user reads them ------------------===//

#include "tests/metal/Diagnostics.h"

#include "tests/metal/IrText.h"
#include "tests/metal/Rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <functional>
#include <map>
#include <optional>

using namespace tq::metal;

namespace {

constexpr size_t kMost = 5; ///< findings shown

void replaceAll(std::string &text, std::string_view what, std::string_view with) {
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

/// MSL's words for the shim's.
std::string translate(std::string text) {
  constexpr std::string_view kWords[][2] = {
      {"__attribute__((address_space(0))) ", ""},
      {"__msl_word_", ""},
      {"__msl_atomic_", "atomic_"},
      {"__global", "device"},
      {"__local", "threadgroup"},
      {"__constant", "constant"},
      {"__private", "thread"},
      {"__generic", "generic"},
      {"::__msl::", ""},
      {"__msl::", ""},
      {"the local address space", "the threadgroup address space"},
      {"__bf16", "bfloat"},
      {"OpenCL C++ ", "MSL "},
      {"OpenCL ", "MSL "},
      {"in OpenCL", "in MSL"},
      {"zero size arrays are an extension", "an array needs elements"},
      {"non-kernel function variable cannot be declared in local address space",
       "only kernels have variables in the threadgroup address space"},
      {"C++ for ", ""},
      {"'const constant ", "'constant "}, // see Rewrite.h
      {" &thread'", " &'"},
  };
  for (auto [from, to] : kWords)
    replaceAll(text, from, to);
  // 'threadgroup __msl_type_s' (aka 'threadgroup float[8]') is the rewriter's name for the latter.
  for (size_t at = text.find("__msl_type_"); at != text.npos; at = text.find("__msl_type_", at + 1)) {
    size_t open = text.rfind('\'', at), other = text.find("' (aka '", at), end = text.find("')", other);
    if (open == text.npos || other == text.npos || end == text.npos || text.find('\'', at) != other)
      continue;
    text.erase(end + 1, 1);
    text.erase(open, other + 7 - open);
  }
  replaceAll(text, "__msl_type_", "");
  // vec<float, 4> is float4 to everybody; a second spelling behind it says nothing new.
  for (size_t at = text.find("vec<"); at != text.npos; at = text.find("vec<", at + 1)) {
    size_t end = text.find('>', at), comma = text.find(", ", at);
    if (end != text.npos && comma < end && comma + 3 == end)
      text.replace(at, end + 1 - at, text.substr(at + 4, comma - at - 4) + text[comma + 2]);
  }
  constexpr std::string_view kVector = " __attribute__((ext_vector_type(";
  for (size_t at = text.find(kVector); at != text.npos; at = text.find(kVector, at)) {
    size_t end = text.find(")))", at);
    if (end == text.npos)
      break;
    text.replace(at, end + 3 - at, text.substr(at + kVector.size(), end - at - kVector.size()));
  }
  for (size_t at = text.find(" (vector of "); at != text.npos; at = text.find(" (vector of ", at)) {
    size_t end = text.find(" values)", at);
    if (end == text.npos)
      break;
    text.erase(at, end + 8 - at);
  }
  for (size_t at = text.find(" (aka '"); at != text.npos; at = text.find(" (aka '", at)) {
    size_t end = text.find("')", at);
    if (end == text.npos)
      break;
    text.erase(at, end + 2 - at);
  }
  // What clang calls an int2 may be a comparison's bool2.
  if (std::string_view type = between(text, "value of type '", "' is not contextually convertible to 'bool'");
      !type.empty() && type.back() >= '2' && type.back() <= '4')
    text = "a vector is no condition; write any(...) or all(...)";
  // [-Wsome-option] and the like mean nothing to the reader.
  if (size_t option = text.rfind(" [-W"); option != text.npos && text.ends_with("]"))
    text.resize(option);
  return text;
}

struct Diagnostic {
  std::string file, severity, message, option;
  int line = 0;
};

/// FILE:LINE:COLUMN: SEVERITY: MESSAGE
std::optional<Diagnostic> parse(std::string_view line) {
  for (std::string_view severity : {": fatal error: ", ": error: ", ": warning: ", ": note: "}) {
    size_t at = line.find(severity);
    if (at == line.npos)
      continue;
    Diagnostic d;
    d.severity = severity.substr(2, severity.size() - 4);
    d.message = line.substr(at + severity.size());
    std::string_view place = line.substr(0, at);
    if (place.ends_with("}")) // ranges of columns
      place = place.substr(0, place.find(":{"));
    for (int part = 0; part < 2; ++part) { // the column, then the line
      size_t colon = place.rfind(':');
      int value = 0;
      if (colon == place.npos ||
          std::from_chars(place.data() + colon + 1, place.data() + place.size(), value).ec != std::errc())
        break;
      d.line = value;
      place = place.substr(0, colon);
    }
    d.file = place;
    size_t option = d.message.rfind("[-W");
    if (option != d.message.npos && d.message.ends_with("]"))
      d.option = d.message.substr(option + 1, d.message.size() - option - 2);
    return d;
  }
  if (line.starts_with("error: "))
    return Diagnostic{"", "error", std::string(line.substr(7)), "", 0};
  return std::nullopt;
}

/// A scalar of higher rank than the vector it meets, as offsets in the source.
struct ScalarOperand {
  size_t begin, end, vectorBegin, vectorEnd;
  std::string element; ///< of the vector
  bool inTemplate = false;
};

/// The element type of 'half4' (aka 'vec<half, 4>') or 'T' (vector of 4 'half' values); empty for a scalar.
std::string_view elementOf(std::string_view type) {
  if (std::string_view values = between(type, " (vector of ", " values)"); !values.empty())
    return between(values, "'", "'");
  return between(type, "vec<", ",");
}

/// kernel.metal:13:19:{9:12-9:18}{9:21-9:25}: error: scalar operand type has greater rank than the type of the vector
/// element. ('half4' (aka 'vec<half, 4>') and 'float'); with the beginnings of the lines.
std::optional<ScalarOperand> scalarOperand(std::string_view line, const std::vector<size_t> &lines) {
  size_t types = line.find(": error: scalar operand type has greater rank than the type of the vector element. (");
  size_t at = line.find(":{"), second = line.find(" and '", types);
  if (types == line.npos || at > types || second == line.npos)
    return std::nullopt;
  std::string_view left = line.substr(types, second - types), right = line.substr(second);
  bool vectorFirst = !elementOf(left).empty();
  std::string_view element = elementOf(vectorFirst ? left : right), scalar = vectorFirst ? right : left;
  constexpr std::string_view kIntegers[] = {
      "char",     "signed char",    "uchar",    "unsigned char", "int8_t",  "uint8_t",  "short",
      "ushort",   "unsigned short", "int16_t",  "uint16_t",      "int",     "uint",     "unsigned int",
      "unsigned", "int32_t",        "uint32_t", "long",          "int64_t", "uint64_t", "ulong"};
  // A fraction would be lost without a word, and nothing becomes a bfloat by itself.
  bool fraction = contains(scalar, "float'") || contains(scalar, "half'") || contains(scalar, "__bf16'");
  bool floating = element == "half" || element == "float";
  if ((!floating && std::ranges::find(kIntegers, element) == std::end(kIntegers)) || fraction != floating)
    return std::nullopt;
  size_t ends[4];
  for (size_t i = 0; i < 4; ++i) { // {LINE:COLUMN-LINE:COLUMN}
    at = line.find_first_of("0123456789", at);
    size_t colon = line.find(':', at);
    if (at == line.npos || colon == line.npos)
      return std::nullopt;
    auto number = static_cast<size_t>(toInt(line.substr(at))),
         column = static_cast<size_t>(toInt(line.substr(colon + 1)));
    if (number == 0 || number >= lines.size() || column == 0)
      return std::nullopt;
    ends[i] = lines[number] + column - 1;
    at = line.find_first_of("-}", colon);
  }
  size_t s = vectorFirst ? 2 : 0, v = vectorFirst ? 0 : 2;
  return ScalarOperand{ends[s], ends[s + 1], ends[v], ends[v + 1], std::string(element)};
}

/// Whether shim/types.h has a macro of this name.
bool isConstructor(std::string_view word) {
  constexpr std::string_view kElements[] = {"char", "uchar", "short", "ushort", "int",   "uint",
                                            "long", "ulong", "half",  "float",  "bfloat"};
  bool packed = word.starts_with("packed_");
  word.remove_prefix(packed ? 7 : 0);
  if (word.empty() || word.back() < '2' || word.back() > '4')
    return false;
  std::string_view element = word.substr(0, word.size() - 1);
  return std::ranges::find(kElements, element) != std::end(kElements) &&
         !(packed && (word.back() == '3' || element.ends_with("long")));
}

/// Writes float4(...) as that macro would: clang's places are useless in the arguments of one.
bool expandConstructors(std::string &source) {
  auto isWord = [&](size_t i) { return std::isalnum(static_cast<unsigned char>(source[i])) || source[i] == '_'; };
  std::string out;
  for (size_t i = 0, end; i < source.size(); i = end) {
    for (end = i + 1; end < source.size() && isWord(i) && isWord(end);)
      ++end;
    std::string_view word = std::string_view(source).substr(i, end - i);
    size_t next = source.find_first_not_of(" \n", end);
    if (next != source.npos && source[next] == '(' && isConstructor(word))
      out += "__make_";
    out += word;
  }
  bool changed = out.size() != source.size();
  source = std::move(out);
  return changed;
}

/// Warnings that end a build here.
bool counts(const Diagnostic &d) {
  if (d.option == "-Wpre-c++17-compat") // these are extensions wherever they are not part of the language
    return d.message.find("static_assert") == d.message.npos && d.message.find("hexadecimal") == d.message.npos;
  if (d.option == "-Wimplicit-float-conversion") // MSL converts float to half by itself, but not to bfloat
    return d.message.find("to '__bf16'") != d.message.npos || d.message.find("to 'bfloat") != d.message.npos ||
           d.message.find("aka '__bf16')") != d.message.npos;
  if (d.option == "-Wdouble-promotion") // MSL has no operator that mixes the two
    return d.message.find("bf") != d.message.npos && d.message.find("to 'half'") != d.message.npos;
  constexpr std::string_view kOptions[] = {"-Wuninitialized",
                                           "-Wsometimes-uninitialized",
                                           "-Wconditional-uninitialized",
                                           "-Wuninitialized-const-reference",
                                           "-Winfinite-recursion",
                                           "-Wreturn-type",
                                           "-Wdivision-by-zero",
                                           "-Warray-bounds",
                                           "-Wc++20-extensions",
                                           "-Wc++20-designator",
                                           "-Wc++23-extensions",
                                           "-Wc++26-extensions",
                                           "-Wc++2b-extensions",
                                           "-Wvla",
                                           "-Wzero-length-array",
                                           "-Wvla-cxx-extension",
                                           "-Wvla-extension",
                                           "-Wgnu-designator",
                                           "-Wimplicit-function-declaration",
                                           "-Wshift-count-overflow",
                                           "-Wshift-count-negative",
                                           "-Winteger-overflow",
                                           "-Wuninitialized-const-pointer",
                                           "-Wreturn-stack-address",
                                           "-Wpre-c++20-compat"};
  return std::ranges::find(kOptions, d.option) != std::end(kOptions);
}

} // namespace

std::vector<Finding> tq::metal::readDiagnostics(std::string_view output, const Reflection *reflection) {
  std::vector<Finding> findings;
  bool inShim = false; // an error inside the shim is told at the note that names the user's line
  while (!output.empty()) {
    size_t end = std::min(output.find('\n'), output.size());
    auto d = parse(output.substr(0, end));
    output.remove_prefix(std::min(end + 1, output.size()));
    if (!d)
      continue;
    bool isError = d->severity == "error" || d->severity == "fatal error";
    bool isText = d->file == kTextFile;
    bool isShim = d->file.find("/shim-") != d->file.npos;
    if (d->severity == "note") {
      if (isText && !findings.empty() && d->message.starts_with("uninitialized use occurs here"))
        findings.back().useLine = d->line;
      if (inShim && isText && !findings.empty()) {
        findings.back().line = d->line;
        if (reflection)
          findings.back().where = reflection->whereIs(d->line);
        inShim = false;
      }
      continue;
    }
    if (!isError && !counts(*d))
      continue;
    if (contains(d->message, kThreadgroupPrefix)) // the variable's own name has the same error
      continue;
    if (d->message.find("too many errors") != d->message.npos || d->message.find("errors generated") != d->message.npos)
      continue;
    Finding f;
    f.line = isText ? d->line : 0;
    f.message = d->option == "-Wdouble-promotion" ? "operators do not mix bfloat and half; convert both to float"
                                                  : translate(d->message);
    f.file = isText || isShim || d->file.empty() || d->file.starts_with("<") ? "" : d->file;
    if (!f.file.empty())
      f.line = d->line;
    if (isText && reflection)
      f.where = reflection->whereIs(d->line);
    if (isShim) // a static_assert of the shim's says it in a sentence
      if (size_t sentence = f.message.find("': "); f.message.starts_with("static assertion failed"))
        f.message.erase(0, sentence == f.message.npos ? 0 : sentence + 3);
    inShim = isShim;
    findings.push_back(std::move(f));
  }
  return findings;
}

bool tq::metal::convertScalars(std::string &source, std::string_view output) {
  std::vector<size_t> lines = {0, 0}; // where line i begins, from 1
  for (size_t at = source.find('\n'); at != source.npos; at = source.find('\n', at + 1))
    lines.push_back(at + 1);
  std::map<std::pair<size_t, size_t>, ScalarOperand> operands; // by where they are
  ScalarOperand *last = nullptr;
  bool inMacro = false;
  forEachLine(output, [&](std::string_view line) {
    if (last && line.find(": note: in instantiation of ") != line.npos)
      last->inTemplate = true;
    if (line.find(": note: ") != line.npos)
      return;
    last = nullptr;
    auto operand = scalarOperand(line, lines);
    if (!operand || operand->end > source.size() || line.find("/shim-") != line.npos)
      return;
    if (operand->begin == operand->vectorBegin) {
      inMacro = true;
      return;
    }
    last = &operands.emplace(std::pair(operand->begin, operand->end), *operand).first->second;
  });
  if (inMacro && expandConstructors(source))
    return true;
  std::map<size_t, std::string, std::greater<>> inserts; // the last first: offsets stay what they are
  for (const auto &[place, operand] : operands) {
    std::string type = operand.element;
    if (operand.inTemplate) { // other instances may have a scalar for the vector
      auto typeOf = [&](size_t begin, size_t end) {
        return "__typeof__(+(" + source.substr(begin, end - begin) + "))";
      };
      std::string traits = fmt::format("::__msl::traits<{}>", typeOf(operand.vectorBegin, operand.vectorEnd));
      type = fmt::format("::metal::conditional_t<bool({0}::vector), typename {0}::element, {1}>", traits,
                         typeOf(operand.begin, operand.end));
    }
    inserts[operand.end] = ")" + inserts[operand.end];
    inserts[operand.begin] += "(" + type + ")(";
  }
  for (const auto &[offset, text] : inserts)
    source.insert(offset, text);
  return !inserts.empty();
}

std::string tq::metal::format(const Finding &f, const std::string &name) {
  return fmt::format("{}:{}: error: {}{}{}", f.file.empty() ? name : f.file, std::max(f.line, 1), f.where,
                     f.where.empty() ? "" : ": ", f.message);
}

std::string tq::metal::format(const std::vector<Finding> &findings, const std::string &name) {
  std::string out;
  size_t shown = 0;
  std::vector<std::string> lines;
  for (const Finding &f : findings) {
    std::string line = format(f, name);
    if (std::ranges::find(lines, line) != lines.end())
      continue;
    if (++shown > kMost)
      break;
    out += (out.empty() ? "" : "\n") + line;
    lines.push_back(std::move(line));
  }
  return out;
}
