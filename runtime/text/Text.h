//===- Text.h - Tokenizer, streaming, chat template -----------------------===//
// C++ over tq_text.h, which says what each function does.
//
//   auto tokenizer = tq::Tokenizer::open(json, config, chatTemplate);
//   if (!tokenizer) return fail(tokenizer.message());
//   auto ids = tokenizer->encode("Once upon", /*addSpecialTokens=*/true);
//   auto stream = tokenizer->stream(/*skipSpecialTokens=*/true);
//   while (...)
//     print(stream->push(id));
//   print(stream->flush());
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_TEXT_TEXT_H
#define TQ_RUNTIME_TEXT_TEXT_H

#include "runtime/Status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct tq_text_tokenizer;
struct tq_text_stream;

namespace tq {

/// Text that grows id by id.
class TokenStream {
public:
  Result<std::string> push(uint32_t id);
  Result<std::string> flush();

private:
  friend class Tokenizer;
  struct Close {
    void operator()(tq_text_stream *stream) const;
  };
  explicit TokenStream(tq_text_stream *stream) : handle(stream) {}
  std::unique_ptr<tq_text_stream, Close> handle;
};

/// Immutable after open; safe to share between threads.
class Tokenizer {
public:
  /// Contents of tokenizer.json, tokenizer_config.json, chat_template.jinja.
  static Result<Tokenizer> open(std::string_view tokenizerJson,
                                std::optional<std::string_view> tokenizerConfig = std::nullopt,
                                std::optional<std::string_view> chatTemplate = std::nullopt);

  Result<std::vector<uint32_t>> encode(std::string_view text, bool addSpecialTokens) const;
  Result<std::string> decode(std::span<const uint32_t> ids, bool skipSpecialTokens) const;
  Result<TokenStream> stream(bool skipSpecialTokens) const;

  bool hasChatTemplate() const;
  /// `request`: the JSON object described in tq_text.h. Encode the result
  /// without adding special tokens.
  Result<std::string> applyChatTemplate(std::string_view request) const;

private:
  struct Close {
    void operator()(tq_text_tokenizer *tokenizer) const;
  };
  explicit Tokenizer(tq_text_tokenizer *tokenizer) : handle(tokenizer) {}
  std::unique_ptr<tq_text_tokenizer, Close> handle;
};

} // namespace tq

#endif // TQ_RUNTIME_TEXT_TEXT_H
