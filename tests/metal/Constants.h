//===- Constants.h - What constant expressions come to ----------*- C++ -*-===//
// Indices and limits in attributes, of which clang takes no notice, and what
// becomes of constants when function constants have no value.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_CONSTANTS_H
#define TQ_TESTS_METAL_CONSTANTS_H

#include "tests/metal/Lexer.h"

#include <map>
#include <optional>

namespace tq::metal {

/// What a template's parameter stands for.
struct TemplateArgument {
  std::string text;
  std::optional<int64_t> value; ///< of an integer
};
using TemplateArguments = std::map<std::string, TemplateArgument, std::less<>>;

/// The integer constants of a text. Of expressions it understands numbers, constants, casts, operators, ?: and
/// is_function_constant_defined.
class Constants {
public:
  using Value = std::optional<int64_t>;

  explicit Constants(const Tokens &tokens) : t(tokens) {}

  /// A name that is declared more than once with different values stands for none.
  void add(std::string_view name, Value value) {
    auto [known, isNew] = values.emplace(name, value);
    if (!isNew && known->second != value)
      known->second.reset();
  }
  /// `name` has no value because the function constant `missing` has none.
  void addUndefined(std::string_view name, std::string_view missing) { undefined.emplace(name, missing); }

  /// Nothing if the expression is more than the above, or a step leaves 32 bits.
  Value evaluate(TokenRange range, const TemplateArguments &arguments = {}) const;
  /// The function constant without a value that the expression depends on; empty if there is none. An arm of ?:, &&
  /// and || that is not taken is not read.
  std::string missing(TokenRange range) const;
  /// A literal such as "3", "-1" or "true"; nothing if it is no integer.
  static Value valueOf(std::string_view literal);

private:
  friend class Evaluator;
  const Tokens &t;
  std::map<std::string, Value, std::less<>> values;
  std::map<std::string, std::string, std::less<>> undefined; ///< name: missing
};

} // namespace tq::metal

#endif // TQ_TESTS_METAL_CONSTANTS_H
