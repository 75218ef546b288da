//===- Mutate.cpp - Small faults put into a kernel's text -----------------===//

#include "tests/metal/Mutate.h"

#include "tests/metal/Reflect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

using namespace tq::metal;

namespace {

/// The text with blanks in place of comments, which the lexer does not know.
std::string withoutComments(std::string_view text) {
  std::string out(text);
  for (size_t at = out.find("//"); at != out.npos; at = out.find("//", at))
    for (; at < out.size() && out[at] != '\n'; ++at)
      out[at] = ' ';
  return out;
}

constexpr std::array<std::string_view, 4> kSpaces = {"device", "constant", "threadgroup", "thread"};
bool isSpace(std::string_view word) { return std::ranges::find(kSpaces, word) != kSpaces.end(); }

class Mutator {
public:
  explicit Mutator(const KernelSource &source)
      : source(source), plain(withoutComments(source.text)), t(lex(plain, source.name)) {}

  std::vector<Mutant> run() {
    for (size_t i = 0; i < t.size(); ++i) {
      barrier(i);
      space(i);
      subscript(i);
      cast(i);
      matrix(i);
      loop(i);
      lane(i);
    }
    for (size_t i = 0; i < t.size(); ++i) {
      definition(i);
      comparison(i);
    }
    std::ranges::stable_sort(mutants, {}, &Mutant::offset);
    name();
    return std::move(mutants);
  }

private:
  size_t begin(size_t i) const { return t.all[i].offset; }
  size_t end(size_t i) const { return t.all[i].offset + t.all[i].text.size(); }

  void add(Operator kind, size_t from, size_t to, std::string replacement) {
    Mutant m{source.name, kind, 0, from, to - from, std::move(replacement), "", "", "", ""};
    m.line = static_cast<int>(std::count(plain.begin(), plain.begin() + static_cast<ptrdiff_t>(from), '\n')) + 1;
    m.was = lineAt(source.text, from);
    m.is = lineAt(apply(m, source), from);
    m.next = lineAt(source.text, std::min(source.text.find('\n', from), source.text.size() - 1) + 1);
    mutants.push_back(std::move(m));
  }
  /// One more and one less than the expression in [from, to).
  void offByOne(Operator kind, size_t from, size_t to) {
    std::string_view value = std::string_view(source.text).substr(from, to - from);
    for (const char *step : {" + 1", " - 1"})
      add(kind, from, to, fmt::format("({}){}", value, step));
    spans.push_back({from, to});
  }

  static std::string lineAt(const std::string &text, size_t at) {
    size_t first = at == 0 ? 0 : text.rfind('\n', at - 1) + 1; // npos + 1 is 0
    first = text.find_first_not_of(' ', first);
    return text.substr(first, text.find('\n', first) - first);
  }

  /// The bracket in the characters that closes the one at `at`: `]]` may close two subscripts.
  size_t partner(size_t at) const {
    int depth = 0;
    for (; at < plain.size(); ++at) {
      char c = plain[at];
      depth += c == '(' || c == '[' || c == '{' ? 1 : c == ')' || c == ']' || c == '}' ? -1 : 0;
      if (depth == 0)
        return at;
    }
    return plain.size();
  }

  /// The arguments of the call whose `(` is token i, as ranges of characters.
  std::vector<std::pair<size_t, size_t>> arguments(size_t i) const {
    std::vector<std::pair<size_t, size_t>> parts;
    size_t close = t.closing(i), from = i + 1;
    for (size_t j = i + 1; j <= close && j < t.size(); ++j) {
      if (j == close || t[j] == ",") {
        if (j > from)
          parts.push_back({begin(from), end(j - 1)});
        from = j + 1;
      } else if (t[j] == "(" || t[j] == "[" || t[j] == "{") {
        j = t.closing(j);
      }
    }
    return parts;
  }

  void barrier(size_t i) {
    if ((t[i] != "threadgroup_barrier" && t[i] != "simdgroup_barrier") || t[i + 1] != "(")
      return;
    size_t close = t.closing(i + 1);
    add(Operator::BarrierRemoved, begin(i), end(close + 1), "");
    for (size_t j = i + 2; j < close; ++j)
      if (t[j] == "mem_threadgroup" || t[j] == "mem_device")
        for (const char *other : {"mem_none", "mem_threadgroup", "mem_device"})
          if (t[j] != other)
            add(Operator::BarrierWeakened, begin(j), end(j), other);
    if (t[i] == "threadgroup_barrier")
      add(Operator::BarrierWeakened, begin(i), end(i), "simdgroup_barrier");
  }

  void space(size_t i) {
    if (isSpace(t[i]) && t.isWord(i + 1))
      for (std::string_view other : kSpaces)
        if (other != t[i])
          add(Operator::Space, begin(i), end(i), std::string(other));
  }

  /// `float x[8]` declares, `x[8]` uses.
  void subscript(size_t i) {
    if (t[i] != "[" || i < 2 || !(t.isWord(i - 1) || t[i - 1] == "]" || t[i - 1] == ")"))
      return;
    size_t from = begin(i) + 1, to = partner(begin(i));
    if (t.isWord(i - 1) && t.isWord(i - 2) && t[i - 2] != "return" && t[i - 2] != "else") {
      add(Operator::Extent, from, to, fmt::format("{} - 1", source.text.substr(from, to - from)));
      size_t first = i - 2;
      if (!isSpace(t[first - 1])) // a private array
        add(Operator::Space, begin(first), begin(first), "threadgroup ");
      return;
    }
    offByOne(Operator::Index, from, to);
  }

  /// *(device const float4*)(x + offset)
  void cast(size_t i) {
    if (t[i] != "(" || !isSpace(t[i + 1]))
      return;
    size_t close = t.closing(i);
    if (t[close - 1] == "*" && t[close + 1] == "(")
      pointer(begin(close + 1) + 1, partner(begin(close + 1)));
  }
  /// One more and one less than a pointer's offset; a pointer without one gets one.
  void pointer(size_t from, size_t to) {
    for (const char *step : {" + 1", " - 1"})
      add(Operator::Offset, to, to, step);
    spans.push_back({from, to});
  }

  /// simdgroup_load(matrix, pointer, stride), and the same with store.
  void matrix(size_t i) {
    if ((t[i] != "simdgroup_load" && t[i] != "simdgroup_store") || t[i + 1] != "(")
      return;
    auto parts = arguments(i + 1);
    if (parts.size() > 1)
      pointer(parts[1].first, parts[1].second);
    if (parts.size() > 2)
      offByOne(Operator::Offset, parts[2].first, parts[2].second);
  }

  void loop(size_t i) {
    if (t[i] != "for" || t[i + 1] != "(")
      return;
    size_t close = t.closing(i + 1), from = 0, compare = 0, part = 0;
    for (size_t j = i + 2; j < close; ++j) {
      if (part == 0 && t[j] == "=") {
        from = j + 1;
      } else if (part == 1 && isComparison(j)) {
        compare = j;
      } else if (t[j] == ";") {
        if (part == 0 && from)
          offByOne(Operator::LoopStart, begin(from), end(j - 1));
        if (part == 1 && compare) {
          offByOne(Operator::LoopBound, begin(compare + 1), end(j - 1));
          bounds.push_back(compare);
        }
        ++part;
      }
    }
  }

  /// The printer puts blanks around operators, and none around template arguments.
  bool isComparison(size_t i) const {
    return (t[i] == "<" || t[i] == ">" || t[i] == "<=" || t[i] == ">=") && plain[begin(i) - 1] == ' ' &&
           plain[end(i)] == ' ';
  }
  bool isFloat(size_t i) const {
    i += t[i] == "-";
    return t.all[i].kind == Token::Number && (t[i].ends_with("f") || t[i].ends_with("h")) && !t[i].starts_with("0x");
  }

  /// Not in the head of a loop, where it would say the same as a bound, and not of floats, which are never equal.
  void comparison(size_t i) {
    if (!isComparison(i) || isFloat(i + 1) || std::ranges::find(bounds, i) != bounds.end())
      return;
    std::string_view s = t[i];
    add(Operator::Compare, begin(i), end(i), s.size() == 2 ? std::string(s.substr(0, 1)) : std::string(s) + "=");
  }

  /// The last argument of what moves values between lanes.
  void lane(size_t i) {
    if (!(t[i].starts_with("simd_shuffle") || t[i].starts_with("simd_broadcast") || t[i].starts_with("quad_shuffle")) ||
        t[i + 1] != "(")
      return;
    auto parts = arguments(i + 1);
    if (parts.size() > 1)
      offByOne(Operator::Lane, parts.back().first, parts.back().second);
  }

  /// uint at = ...; where `at` is part of some index.
  void definition(size_t i) {
    if ((t[i] != "uint" && t[i] != "int") || !t.isWord(i + 1) || t[i + 2] != "=" || t[i - 1] == "(")
      return;
    bool used = false;
    for (size_t j = i + 3; j < t.size() && !used; ++j)
      used = t[j] == t[i + 1] &&
             std::ranges::any_of(spans, [&](auto span) { return begin(j) >= span.first && begin(j) < span.second; });
    size_t j = i + 3;
    while (j < t.size() && t[j] != ";")
      ++j;
    if (used)
      offByOne(Operator::Address, begin(i + 3), end(j - 1));
  }

  void name() {
    std::map<std::string, int> seen;
    for (Mutant &m : mutants) {
      std::string key = fmt::format("{}|{}|{}|{}", m.kernel, nameOf(m.kind), m.was, m.is);
      key += fmt::format("|{}", seen[key]++);
      uint64_t hash = 0xcbf29ce484222325; // FNV-1a
      for (unsigned char c : key)
        hash = (hash ^ c) * 0x100000001b3;
      m.id = fmt::format("{:08x}", static_cast<uint32_t>(hash ^ hash >> 32));
    }
  }

  const KernelSource &source;
  std::string plain;
  Tokens t;
  std::vector<Mutant> mutants;
  std::vector<std::pair<size_t, size_t>> spans; ///< indices, offsets, bounds
  std::vector<size_t> bounds;                   ///< comparisons in the heads of loops
};

} // namespace

const char *tq::metal::nameOf(Operator kind) {
  static constexpr const char *kNames[kOperators] = {"barrier-removed", "barrier-weakened", "space",   "extent",
                                                     "index",           "offset",           "address", "loop-start",
                                                     "loop-bound",      "compare",          "lane"};
  return kNames[static_cast<size_t>(kind)];
}

std::vector<Mutant> tq::metal::mutantsOf(const KernelSource &source) { return Mutator(source).run(); }

std::string tq::metal::apply(const Mutant &mutant, const KernelSource &source) {
  std::string text = source.text;
  return text.replace(mutant.offset, mutant.length, mutant.replacement);
}

std::vector<KernelSource> tq::metal::splitKernels(std::string_view text) {
  std::string plain = withoutComments(text);
  Tokens tokens = lex(plain, "kernels.metal");
  Reflection reflection = reflect(tokens);
  // From attributes to the closing brace.
  std::vector<std::pair<size_t, size_t>> ranges;
  for (const KernelText &k : reflection.kernels)
    ranges.push_back({tokens.all[k.attributes.begin].offset, tokens.all[k.body.end].offset + 1});
  std::vector<KernelSource> sources;
  for (size_t own = 0; own < ranges.size(); ++own) {
    std::string out;
    size_t at = 0;
    for (size_t i = 0; i < ranges.size(); ++i) {
      out += std::string_view(plain).substr(at, ranges[i].first - at);
      if (i == own)
        out += text.substr(ranges[i].first, ranges[i].second - ranges[i].first);
      at = ranges[i].second;
    }
    out += std::string_view(plain).substr(at);
    // What were comments between the kernels are now empty lines.
    std::string dense;
    for (size_t from = 0; from < out.size();) {
      size_t to = std::min(out.find('\n', from), out.size());
      std::string_view line = std::string_view(out).substr(from, to - from);
      if (line.find_first_not_of(' ') != line.npos)
        dense += std::string(line) + "\n";
      from = to + 1;
    }
    sources.push_back({reflection.kernels[own].kernel.name, std::move(dense)});
  }
  return sources;
}
