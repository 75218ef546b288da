//===- Constants.cpp - What constant expressions come to ------------------===//

#include "tests/metal/Constants.h"

#include <algorithm>
#include <charconv>

namespace tq::metal {

class Evaluator {
public:
  struct Result {
    Constants::Value value;
    std::string_view missing; ///< a function constant without a value that is read
  };

  Evaluator(const Constants &constants, TokenRange range, const TemplateArguments &arguments)
      : t(constants.t), constants(constants), arguments(arguments), range(range), at(range.begin), end(range.end) {}

  Result run() {
    Result result = conditional();
    if (at == end && understood)
      return result;
    result = {};
    for (size_t i = range.begin; i < end; ++i) // whatever it is: does it mention one?
      if (t[i] == "is_function_constant_defined")
        i = t.closing(i + 1);
      else
        result.missing = either(result.missing, missing(t[i]));
    return result;
  }

  static Constants::Value number(std::string_view text) {
    while (!text.empty() && std::string_view("uUlL").find(text.back()) != std::string_view::npos)
      text.remove_suffix(1);
    int base = text.starts_with("0x") || text.starts_with("0X") ? 16 : text.starts_with("0") ? 8 : 10;
    if (base == 16)
      text.remove_prefix(2);
    int64_t value = 0;
    auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    bool whole = error == std::errc() && stop == text.data() + text.size();
    return whole && value <= (int64_t(1) << 31) ? Constants::Value(value) : std::nullopt;
  }

private:
  static constexpr int kLevels = 10;

  static std::string_view either(std::string_view a, std::string_view b) { return a.empty() ? b : a; }

  std::string_view missing(std::string_view name) const {
    auto known = constants.undefined.find(name);
    return known == constants.undefined.end() ? std::string_view() : std::string_view(known->second);
  }

  std::string_view next(size_t ahead = 0) const { return at + ahead < end ? t[at + ahead] : std::string_view(); }

  Result conditional() {
    Result condition = binary(0);
    if (next() != "?")
      return condition;
    ++at;
    Result yes = conditional();
    if (next() != ":")
      return fail();
    ++at;
    Result no = conditional();
    if (condition.value && condition.missing.empty())
      return *condition.value ? yes : no;
    return {std::nullopt, either(condition.missing, either(yes.missing, no.missing))};
  }

  /// The operator at hand if it is of this level: || && | ^ & == < shifts, sums, products.
  std::string_view operatorOf(int level) const {
    constexpr std::string_view kOperators[kLevels][4] = {
        {"||"},       {"&&"},     {"|"},          {"^"}, {"&"}, {"==", "!="}, {"<", ">", "<=", ">="},
        {"<<", ">>"}, {"+", "-"}, {"*", "/", "%"}};
    std::string_view op = next();
    if (op == ">" && next(1) == ">") // two tokens, because templates end in it
      op = ">>";
    const auto &all = kOperators[level];
    return !op.empty() && std::ranges::find(all, op) != std::end(all) ? op : std::string_view();
  }

  Result binary(int level) {
    if (level == kLevels)
      return unary();
    Result left = binary(level + 1);
    for (std::string_view op = operatorOf(level); !op.empty(); op = operatorOf(level)) {
      at += op == ">>" ? 2 : 1;
      Result right = binary(level + 1);
      bool decided =
          left.value && left.missing.empty() && ((op == "||" && *left.value) || (op == "&&" && !*left.value));
      if (decided)
        left.value = *left.value != 0;
      else
        left = {left.value && right.value ? apply(op, *left.value, *right.value) : std::nullopt,
                either(left.missing, right.missing)};
    }
    return left;
  }

  static Constants::Value apply(std::string_view op, int64_t a, int64_t b) {
    constexpr int64_t kMost = int64_t(1) << 31; // so that no step overflows
    bool shift = op == "<<" || op == ">>";
    if (((op == "/" || op == "%") && b == 0) || (shift && (a < 0 || b < 0 || b > 31)))
      return std::nullopt;
    int64_t r = op == "||"   ? a || b
                : op == "&&" ? a && b
                : op == "|"  ? a | b
                : op == "^"  ? a ^ b
                : op == "&"  ? a & b
                : op == "==" ? a == b
                : op == "!=" ? a != b
                : op == "<"  ? a < b
                : op == ">"  ? a > b
                : op == "<=" ? a <= b
                : op == ">=" ? a >= b
                : op == "<<" ? a << b
                : op == ">>" ? a >> b
                : op == "+"  ? a + b
                : op == "-"  ? a - b
                : op == "*"  ? a * b
                : op == "/"  ? a / b
                             : a % b;
    return r < -kMost || r > kMost ? std::nullopt : Constants::Value(r);
  }

  Result fail() {
    understood = false;
    return {};
  }

  Result unary() {
    if (++operands > 100) // nobody writes that many, but for the depth of this recursion
      return fail();
    if (next() == "-" || next() == "+" || next() == "!") {
      char op = t[at++][0];
      Result operand = unary();
      if (operand.value)
        operand.value = op == '-' ? -*operand.value : op == '!' ? !*operand.value : *operand.value;
      return operand;
    }
    if (next() == "(" && isInteger(next(1)) && next(2) == ")") { // (uint)8
      at += 3;
      return unary();
    }
    if (next() == "(")
      return parenthesis();
    return at < end ? operand() : fail();
  }

  Result parenthesis() {
    ++at;
    Result inner = conditional();
    if (next() != ")")
      return fail();
    ++at;
    return inner;
  }

  Result operand() {
    if (t.all[at].kind == Token::Number)
      return {number(t[at++]), {}};
    if (!t.isWord(at))
      return fail();
    if (next() == "true" || next() == "false")
      return {t[at++] == "true", {}};
    if (next() == "is_function_constant_defined" && next(1) == "(") {
      size_t close = t.closing(at + 1);
      bool isDefined = missing(t[close - 1]).empty();
      at = close + 1;
      return {isDefined, {}};
    }
    while (next(1) == "::")
      at += 2;
    std::string_view name = t[at++];
    if (next() == "(") { // uint(8), or what nobody here can tell
      Result inner = parenthesis();
      return isInteger(name) ? inner : Result{std::nullopt, inner.missing};
    }
    if (auto argument = arguments.find(name); argument != arguments.end())
      return {argument->second.value, {}};
    auto known = constants.values.find(name);
    return {known == constants.values.end() ? std::nullopt : known->second, missing(name)};
  }

  static bool isInteger(std::string_view s) {
    constexpr std::string_view kIntegers[] = {"int",     "uint",     "short",  "ushort",   "long",     "ulong",
                                              "size_t",  "unsigned", "int8_t", "uint16_t", "uint32_t", "int16_t",
                                              "int32_t", "char",     "uchar",  "uint8_t",  "bool"};
    return std::ranges::find(kIntegers, s) != std::end(kIntegers);
  }

  const Tokens &t;
  const Constants &constants;
  const TemplateArguments &arguments;
  const TokenRange range;
  size_t at, end;
  int operands = 0;
  bool understood = true;
};

Constants::Value Constants::evaluate(TokenRange range, const TemplateArguments &arguments) const {
  return Evaluator(*this, range, arguments).run().value;
}

std::string Constants::missing(TokenRange range) const {
  TemplateArguments none;
  return std::string(Evaluator(*this, range, none).run().missing);
}

Constants::Value Constants::valueOf(std::string_view literal) {
  if (literal == "true" || literal == "false")
    return literal == "true";
  if (!literal.starts_with("-"))
    return Evaluator::number(literal);
  Value value = Evaluator::number(literal.substr(1));
  return value ? Value(-*value) : value;
}

} // namespace tq::metal
