//===- Mutate.cpp - Small faults put into a kernel's text -----------------===//

#include "tests/metal/Mutate.h"

#include "tests/metal/Reflect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

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
      : source(source), plain(withoutComments(source.text)), t(lex(plain, source.name)) {
    for (size_t at = plain.find('\n'); at != plain.npos; at = plain.find('\n', at + 1))
      lines.push_back(at + 1);
  }

  std::vector<Mutant> run() {
    findWhatComesFromCall();
    for (size_t i = 0; i < t.size(); ++i) {
      barrier(i);
      space(i);
      subscript(i);
      cast(i);
      matrix(i);
      loop(i);
      lane(i);
      component(i);
      binding(i);
    }
    for (size_t i = 0; i < t.size(); ++i)
      comparison(i);
    // What goes into an address that goes into another one is met after that one.
    for (size_t i = t.size(); i-- > 0;)
      definition(i);
    for (const Span &span : addresses)
      terms(span);
    std::ranges::stable_sort(mutants, {}, &Mutant::offset);
    name();
    return std::move(mutants);
  }

private:
  /// Characters [from, to).
  struct Span {
    size_t from, to;
    bool holds(size_t at) const { return at >= from && at < to; }
  };

  size_t begin(size_t i) const { return t.all[i].offset; }
  size_t end(size_t i) const { return t.all[i].offset + t.all[i].text.size(); }

  void add(Operator kind, size_t from, size_t to, std::string replacement) {
    Mutant m{source.name, kind, 0, from, to - from, std::move(replacement), {}, {}, {}, {}};
    auto next = std::ranges::upper_bound(lines, from);
    m.line = static_cast<int>(next - lines.begin());
    // Only as much of the text as its line needs, with the line's end: nothing else may be left of it.
    size_t first = *(next - 1), last = source.text.find('\n', to) + 1;
    m.was = lineAt(source.text, from);
    m.is = lineAt(source.text.substr(first, from - first) + m.replacement + source.text.substr(to, last - to),
                  from - first);
    m.next = lineAt(source.text, next == lines.end() ? source.text.size() : *next);
    mutants.push_back(std::move(m));
  }
  /// One more and one less than the expression.
  void offByOne(Operator kind, Span span) {
    std::string_view value = std::string_view(source.text).substr(span.from, span.to - span.from);
    for (const char *step : {" + 1", " - 1"})
      add(kind, span.from, span.to, fmt::format("({}){}", value, step));
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
  std::vector<Span> arguments(size_t i) const {
    std::vector<Span> parts;
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
    offByOne(Operator::Index, {from, to});
    addresses.push_back({from, to});
  }

  /// *(device const float4*)(x + offset), or *(device const float4*)x: by one element, and by one vector, which is aligned still.
  void cast(size_t i) {
    if (t[i] != "(" || !isSpace(t[i + 1]))
      return;
    size_t close = t.closing(i);
    if (t[close - 1] != "*")
      return;
    char width = t[close - 2].back();
    std::vector<std::string> steps = {" + 1", " - 1"};
    if (width >= '2' && width <= '4')
      steps.insert(steps.end(), {fmt::format(" + {}", width), fmt::format(" - {}", width)});
    if (t[close + 1] == "(")
      pointer({begin(close + 1) + 1, partner(begin(close + 1))}, steps);
    else if (t.isWord(close + 1))
      for (const std::string &step : steps)
        add(Operator::Offset, begin(close + 1), end(close + 1), fmt::format("({}{})", t[close + 1], step));
  }
  /// A pointer without an offset gets one.
  void pointer(Span span, const std::vector<std::string> &steps) {
    for (const std::string &step : steps)
      add(Operator::Offset, span.to, span.to, step);
    addresses.push_back(span);
  }

  /// simdgroup_load(matrix, pointer, stride), and the same with store.
  void matrix(size_t i) {
    if ((t[i] != "simdgroup_load" && t[i] != "simdgroup_store") || t[i + 1] != "(")
      return;
    auto parts = arguments(i + 1);
    if (parts.size() > 1)
      pointer(parts[1], {" + 1", " - 1"});
    if (parts.size() > 2)
      offByOne(Operator::Offset, parts[2]);
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
        if (part == 0 && from) {
          offByOne(Operator::LoopStart, {begin(from), end(j - 1)});
          uses.push_back({begin(from), end(j - 1)});
        }
        if (part == 1 && compare) {
          offByOne(Operator::LoopBound, {begin(compare + 1), end(j - 1)});
          uses.push_back({begin(compare + 1), end(j - 1)});
          bounds.push_back(compare);
        }
        ++part;
      } else if (part == 2 && t[j] == "+=") {
        // Not one less: a step of nothing never ends.
        std::string_view step = std::string_view(source.text).substr(begin(j + 1), end(close - 1) - begin(j + 1));
        for (const char *change : {"({}) + 1", "({}) * 2"})
          add(Operator::LoopStep, begin(j + 1), end(close - 1), fmt::format(fmt::runtime(change), step));
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

  /// The operand that ends before token i, or begins with it.
  Span operand(size_t i, int step) const {
    size_t last = i;
    for (size_t j = i; j > 0 && j < t.size(); j += static_cast<size_t>(step)) {
      bool opens = t[j] == "(" || t[j] == "[", closes = t[j] == ")" || t[j] == "]";
      if (step > 0 ? opens : closes) {
        j = step > 0 ? t.closing(j) : opening(j);
      } else if (opens || closes || t[j] == "&&" || t[j] == "||" || t[j] == "?" || t[j] == ":" || t[j] == "," ||
                 t[j] == ";" || t[j] == "=" || t[j] == "{" || t[j] == "}") {
        break;
      }
      last = j;
    }
    return step > 0 ? Span{begin(i), end(last)} : Span{begin(last), end(i)};
  }
  size_t opening(size_t i) const {
    for (size_t j = i; j-- > 0;)
      if ((t[j] == "(" || t[j] == "[") && t.closing(j) == i)
        return j;
    return i;
  }

  /// Whether a variable of the span comes from the call's parameters, from memory, or from what comes from them.
  bool dependsOnCall(Span span) const {
    auto comes = [&](size_t i) { return t.isWord(i) && std::ranges::find(fromCall, t[i]) != fromCall.end(); };
    for (size_t i = 0; i < t.size(); ++i)
      if (span.holds(begin(i)) && (comes(i) || t[i] == "["))
        return true;
    return false;
  }
  /// The variables that do, in the order of the text: a loop's body comes after its head.
  void findWhatComesFromCall() {
    fromCall = {"params"};
    for (size_t i = 1; i + 1 < t.size(); ++i) {
      bool counts = t[i] == "=" || t[i] == "+=" || (isComparison(i) && t[i - 2] == ";");
      if (!counts || !t.isWord(i - 1))
        continue;
      size_t last = i + 1;
      while (last + 1 < t.size() && t[last + 1] != ";" && t[last + 1] != "{")
        ++last;
      if (dependsOnCall({begin(i + 1), end(last)}))
        fromCall.push_back(t[i - 1]);
    }
  }

  /// Not in the head of a loop, where it would say the same as a bound, and not of floats, which are never equal.
  void comparison(size_t i) {
    size_t before = mutants.size();
    if (t[i] == "==" || t[i] == "!=") {
      if (t.all[i + 1].kind == Token::Number && !isFloat(i + 1))
        offByOne(Operator::Compare, {begin(i + 1), end(i + 1)});
    } else if (isComparison(i) && !isFloat(i + 1) && std::ranges::find(bounds, i) == bounds.end()) {
      std::string_view s = t[i];
      add(Operator::Compare, begin(i), end(i), s.size() == 2 ? std::string(s.substr(0, 1)) : std::string(s) + "=");
    } else {
      return;
    }
    Span left = operand(i - 1, -1), right = operand(i + 1, 1);
    if (mutants.size() > before)
      mutants.back().dependsOnCall = dependsOnCall(left) || dependsOnCall(right);
    uses.insert(uses.end(), {left, right});
  }

  /// The last argument of what moves values between lanes.
  void lane(size_t i) {
    if (!(t[i].starts_with("simd_shuffle") || t[i].starts_with("simd_broadcast") || t[i].starts_with("quad_shuffle")) ||
        t[i + 1] != "(")
      return;
    auto parts = arguments(i + 1);
    if (parts.size() > 1)
      offByOne(Operator::Lane, parts.back());
  }

  /// v.x
  void component(size_t i) {
    static constexpr std::string_view kNames = "xyzw";
    if (t[i] != "." || t[i + 1].size() != 1 || kNames.find(t[i + 1][0]) == kNames.npos)
      return;
    // Within pairs: there may be no z.
    add(Operator::Component, begin(i + 1), end(i + 1), std::string(1, kNames[kNames.find(t[i + 1][0]) ^ 1]));
  }

  /// [[buffer(n)]]: changes places with the next parameter of its type.
  void binding(size_t i) {
    if (t[i] != "buffer" || t[i + 1] != "(" || t[i - 1] != "[[")
      return;
    auto type = [&](size_t at) { // of the parameter, without its name
      size_t first = at;
      while (first > 0 && t[first - 1] != "," && t[first - 1] != "(")
        --first;
      std::string words;
      for (; first + 2 < at; ++first)
        words += std::string(t[first]) + " ";
      return words;
    };
    for (size_t j = i + 4; j < t.size() && t[j] != "{"; ++j)
      if (t[j] == "buffer" && t[j - 1] == "[[" && type(j) == type(i)) {
        std::string_view between = std::string_view(source.text).substr(end(i + 2), begin(j + 2) - end(i + 2));
        add(Operator::Binding, begin(i + 2), end(j + 2), fmt::format("{}{}{}", t[j + 2], between, t[i + 2]));
        return;
      }
  }

  static bool isInteger(std::string_view word) { return word == "uint" || word == "int"; }

  /// Whether the name of token i, or of its namesakes, stands in one of the spans.
  bool standsIn(const std::vector<Span> &spans, size_t i) const {
    for (size_t j = 0; j < t.size(); ++j)
      if (t[j] == t[i] && j != i && std::ranges::any_of(spans, [&](Span span) { return span.holds(begin(j)); }))
        return true;
    return false;
  }

  /// uint at = ...; or at = ...; where `at` is part of some address or of a bound.
  void definition(size_t i) {
    bool declared = isInteger(t[i - 1]), assigned = t[i - 1] == ";" || t[i - 1] == "{" || t[i - 1] == "}";
    if (!t.isWord(i) || t[i + 1] != "=" || !(declared || assigned) || (declared && t[i - 2] == "("))
      return;
    if (assigned && !isDeclaredInteger(t[i]))
      return;
    size_t last = i + 2;
    while (last + 1 < t.size() && t[last + 1] != ";")
      ++last;
    Span value = {begin(i + 2), end(last)};
    bool address = standsIn(addresses, i);
    if (!address && !standsIn(uses, i))
      return;
    offByOne(Operator::Address, value);
    (address ? addresses : uses).push_back(value);
  }
  /// uint at;
  bool isDeclaredInteger(std::string_view name) const {
    for (size_t j = 1; j + 1 < t.size(); ++j)
      if (t[j] == name && isInteger(t[j - 1]) && t[j + 1] == ";")
        return true;
    return false;
  }

  /// Every variable and every number of an address, unless it is all of it or a subscript of its own.
  void terms(Span span) {
    auto first = std::ranges::lower_bound(t.all, span.from, {}, &Token::offset);
    for (auto i = static_cast<size_t>(first - t.all.begin()); i < t.size() && end(i) <= span.to; ++i) {
      bool all = begin(i) == span.from && end(i) == span.to;
      bool pointer = begin(i) == span.from && (t[i + 1] == "+" || all); // of a cast or a matrix
      bool inner = t[i - 1] == "[" && t[i + 1] == "]";
      if (!termsDone.insert(i).second)
        continue; // an address within another
      bool number = t.all[i].kind == Token::Number && !isFloat(i);
      bool variable = t.isWord(i) && !isSpace(t[i]) && !isInteger(t[i]) && t[i - 1] != "." && t[i - 1] != "::" &&
                      t[i + 1] != "(" && t[i + 1] != "[" && t[i + 1] != "." && t[i + 1] != "<";
      if (!all && !pointer && !inner && (number || variable))
        for (const char *step : {"+", "-"})
          add(Operator::Term, begin(i), end(i), fmt::format("({} {} 1)", t[i], step));
    }
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
  std::vector<size_t> lines = {0}; ///< where each begins
  Tokens t;
  std::vector<Mutant> mutants;
  std::vector<Span> addresses; ///< indices, offsets, and what goes into them
  std::vector<Span> uses;      ///< other places where integers matter: bounds, comparisons
  std::vector<std::string_view> fromCall;
  std::set<size_t> termsDone; ///< tokens
  std::vector<size_t> bounds; ///< comparisons in the heads of loops
};

} // namespace

const char *tq::metal::nameOf(Operator kind) {
  static constexpr const char *kNames[kOperators] = {
      "barrier-removed", "barrier-weakened", "space",     "extent",  "index", "offset",    "address", "term",
      "loop-start",      "loop-bound",       "loop-step", "compare", "lane",  "component", "binding"};
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
