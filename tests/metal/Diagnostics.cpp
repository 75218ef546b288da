//===- Diagnostics.cpp - Findings as the user reads them ------------------===//

#include "tests/metal/Diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
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
      {"C++ for ", ""},
  };
  for (auto [from, to] : kWords)
    replaceAll(text, from, to);
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

/// Warnings that end a build here.
bool counts(const Diagnostic &d) {
  if (d.option == "-Wpre-c++17-compat") // these are extensions wherever they are not part of the language
    return d.message.find("static_assert") == d.message.npos && d.message.find("hexadecimal") == d.message.npos;
  if (d.option == "-Wimplicit-float-conversion") // MSL converts float to half by itself, but not to bfloat
    return d.message.find("to '__bf16'") != d.message.npos || d.message.find("to 'bfloat") != d.message.npos ||
           d.message.find("aka '__bf16')") != d.message.npos;
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
    if (d->message.find("too many errors") != d->message.npos || d->message.find("errors generated") != d->message.npos)
      continue;
    Finding f;
    f.line = isText ? d->line : 0;
    f.message = translate(d->message);
    f.file = isText || isShim || d->file.empty() || d->file.starts_with("<") ? "" : d->file;
    if (!f.file.empty())
      f.line = d->line;
    if (isText && reflection)
      f.where = reflection->whereIs(d->line);
    inShim = isShim;
    findings.push_back(std::move(f));
  }
  return findings;
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
