//===- Json.h - JSON from files nobody has checked ------------------------===//

#ifndef TQ_MODELS_FORMATS_JSON_H
#define TQ_MODELS_FORMATS_JSON_H

#include "runtime/Printable.h"
#include "runtime/Status.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace tq {

enum class DuplicateKeys { KeepLast, Refuse };

/// Parses a whole text whose outermost value must be an object. Throws
/// nothing; errors name `file`, line, column and reason. Depth is limited
/// (nlohmann-json destroys and prints values recursively, so '[' * 200000
/// would end on the stack).
Result<nlohmann::json> parseJsonObject(std::string_view text, std::string_view file, DuplicateKeys duplicates);

/// The member, or null if absent or JSON null.
const nlohmann::json *jsonMember(const nlohmann::json &object, std::string_view key);
/// The member if it is a string, else `fallback`.
std::string_view jsonString(const nlohmann::json &object, std::string_view key, std::string_view fallback);

/// A value as one short line for a message.
std::string jsonPreview(const nlohmann::json &value);

} // namespace tq

#endif // TQ_MODELS_FORMATS_JSON_H
