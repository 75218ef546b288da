//===- PackageText.cpp - A package's tokenizer and chat template ----------===//

#include "runtime/PackageText.h"

#include <fmt/format.h>

#if TQ_TEXT
#include "runtime/ReadFile.h"
#include "runtime/text/Text.h"

#include <optional>
#endif

using namespace tq;

#if TQ_TEXT

bool tq::hasTextSupport() { return true; }

struct PackageText::Parts {
  std::string title;
  Tokenizer tokenizer;
  TokenStream stream;
};

PackageText::PackageText(std::unique_ptr<Parts> parts) : parts(std::move(parts)) {}
PackageText::PackageText(PackageText &&) noexcept = default;
PackageText::~PackageText() = default;

namespace {

/// The contents of a file, if the package has it.
Result<std::optional<std::string>> readOptional(const Package &package, const std::string &name) {
  if (!package.hasFile(name))
    return std::optional<std::string>();
  TQ_TRY_ASSIGN(std::string text, readFile(package.filePath(name), kMaxTextBytes));
  return std::optional(std::move(text));
}

Error named(const std::string &title, const Error &error) { return Error{title + ": " + error.message}; }

} // namespace

Result<PackageText> PackageText::open(const Package &package) {
  TQ_TRY_ASSIGN(auto json, readOptional(package, "tokenizer.json"));
  if (!json)
    return Error{fmt::format("{}: cannot read or write text: the package has "
                             "no tokenizer.json; use --token-ids",
                             package.name())};
  TQ_TRY_ASSIGN(auto config, readOptional(package, "tokenizer_config.json"));
  TQ_TRY_ASSIGN(auto chatTemplate, readOptional(package, "chat_template.jinja"));
  auto tokenizer = Tokenizer::open(*json, config, chatTemplate);
  if (!tokenizer)
    return named(package.name(), tokenizer.error());
  auto stream = tokenizer->stream(/*skipSpecialTokens=*/true);
  if (!stream)
    return named(package.name(), stream.error());
  return PackageText(std::unique_ptr<Parts>(new Parts{package.name(), std::move(*tokenizer), std::move(*stream)}));
}

Result<std::vector<int32_t>> PackageText::encode(std::string_view text, bool special) const {
  auto ids = parts->tokenizer.encode(text, special);
  if (!ids)
    return named(parts->title, ids.error());
  return std::vector<int32_t>(ids->begin(), ids->end());
}

Result<std::string> PackageText::push(int32_t token) { return parts->stream.push(static_cast<uint32_t>(token)); }
Result<std::string> PackageText::flush() { return parts->stream.flush(); }

bool PackageText::hasChatTemplate() const { return parts->tokenizer.hasChatTemplate(); }

Result<std::string> PackageText::applyChatTemplate(std::string_view request) const {
  auto text = parts->tokenizer.applyChatTemplate(request);
  if (!text)
    return named(parts->title, text.error());
  return text;
}

#else // TQ_TEXT

bool tq::hasTextSupport() { return false; }

struct PackageText::Parts {};
PackageText::PackageText(std::unique_ptr<Parts> parts) : parts(std::move(parts)) {}
PackageText::PackageText(PackageText &&) noexcept = default;
PackageText::~PackageText() = default;

static Error absent() {
  return Error{"cannot read or write text: tq-run was built without tokenizers "
               "(TQ_TEXT=OFF); use --token-ids"};
}

Result<PackageText> PackageText::open(const Package &) { return absent(); }
Result<std::vector<int32_t>> PackageText::encode(std::string_view, bool) const { return absent(); }
Result<std::string> PackageText::push(int32_t) { return absent(); }
Result<std::string> PackageText::flush() { return absent(); }
bool PackageText::hasChatTemplate() const { return false; }
Result<std::string> PackageText::applyChatTemplate(std::string_view) const { return absent(); }

#endif // TQ_TEXT
