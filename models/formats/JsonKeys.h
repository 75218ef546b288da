//===- JsonKeys.h - Typed, range-checked members of a JSON object ---------===//

#ifndef TQ_MODELS_FORMATS_JSONKEYS_H
#define TQ_MODELS_FORMATS_JSONKEYS_H

#include "models/formats/Json.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace tq {

/// Typed access to one object. The first problem is kept, as "<file>: <key>:
/// <sentence>", and every later read still gives a value, so that the reading
/// code can stay straight and ask status() at the end. An absent or null member
/// is no problem unless the name says "required".
class JsonKeys {
public:
  /// `prefix` stands before every key in messages ("rope_scaling.").
  JsonKeys(const nlohmann::json &object, std::string file, std::string prefix = "")
      : object(object), file(std::move(file)), prefix(std::move(prefix)) {}

  Status status() const { return problem.empty() ? Status() : Error{problem}; }

  /// Null if absent or JSON null.
  const nlohmann::json *find(std::string_view key) const { return jsonMember(object, key); }
  /// Present, and JSON null.
  bool isNull(std::string_view key) const;

  /// A whole number in [low, high].
  std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high);
  int64_t requiredInteger(std::string_view key, int64_t low, int64_t high);
  /// A number in [low, high], so never NaN.
  std::optional<double> number(std::string_view key, double low, double high);
  double requiredNumber(std::string_view key, double low, double high);
  std::optional<bool> boolean(std::string_view key);
  std::string string(std::string_view key, std::string_view fallback);
  /// A token id in [0, high] or a list of them; appends those not yet in `ids`.
  void tokenIds(std::string_view key, int64_t high, std::vector<int64_t> &ids);

  void fail(std::string_view key, std::string_view text);
  /// "expected <wanted>, but got <the value>"; the member exists.
  void failValue(std::string_view key, std::string_view wanted);

private:
  const nlohmann::json &object;
  std::string file, prefix;
  std::string problem;
};

} // namespace tq

#endif // TQ_MODELS_FORMATS_JSONKEYS_H
