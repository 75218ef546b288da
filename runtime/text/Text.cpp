//===- Text.cpp - Tokenizer, streaming, chat template ---------------------===//

#include "runtime/text/Text.h"
#include "runtime/text/tq_text.h"

using namespace tq;

namespace {

/// A buffer that the library fills and we free.
class Buffer {
public:
  Buffer() = default;
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  ~Buffer() { tq_text_free(buffer.data); }

  tq_text_buffer *out() { return &buffer; }
  std::string take() const { return std::string(view()); }
  Error error() const { return Error{buffer.size ? take() : "text library failed"}; }

private:
  // A null pointer with a size of 0 is a valid string_view.
  std::string_view view() const { return {buffer.data, buffer.size}; }
  tq_text_buffer buffer = {nullptr, 0};
};

/// For functions that give text: f(text, error).
template <class F> Result<std::string> textOf(F f) {
  Buffer text, error;
  if (!f(text.out(), error.out()))
    return error.error();
  return text.take();
}

} // namespace

void TokenStream::Close::operator()(tq_text_stream *stream) const { tq_text_stream_close(stream); }

Result<std::string> TokenStream::push(uint32_t id) {
  return textOf(
      [&](tq_text_buffer *text, tq_text_buffer *error) { return tq_text_stream_push(handle.get(), id, text, error); });
}

Result<std::string> TokenStream::flush() {
  return textOf(
      [&](tq_text_buffer *text, tq_text_buffer *error) { return tq_text_stream_flush(handle.get(), text, error); });
}

void Tokenizer::Close::operator()(tq_text_tokenizer *tokenizer) const { tq_text_close(tokenizer); }

Result<Tokenizer> Tokenizer::open(std::string_view tokenizerJson, std::optional<std::string_view> tokenizerConfig,
                                  std::optional<std::string_view> chatTemplate) {
  // Null means "not given" to the library, so an empty file needs an address.
  auto pointer = [](const std::optional<std::string_view> &file) {
    return !file ? nullptr : file->data() ? file->data() : "";
  };
  auto size = [](const std::optional<std::string_view> &file) { return file ? file->size() : 0; };
  tq_text_tokenizer *tokenizer = nullptr;
  Buffer error;
  if (!tq_text_open(tokenizerJson.data(), tokenizerJson.size(), pointer(tokenizerConfig), size(tokenizerConfig),
                    pointer(chatTemplate), size(chatTemplate), &tokenizer, error.out()))
    return error.error();
  return Tokenizer(tokenizer);
}

Result<std::vector<uint32_t>> Tokenizer::encode(std::string_view text, bool addSpecialTokens) const {
  uint32_t *ids = nullptr;
  size_t count = 0;
  Buffer error;
  if (!tq_text_encode(handle.get(), text.data(), text.size(), addSpecialTokens, &ids, &count, error.out()))
    return error.error();
  std::vector<uint32_t> result(ids, ids + count);
  tq_text_free(ids);
  return result;
}

Result<std::string> Tokenizer::decode(std::span<const uint32_t> ids, bool skipSpecialTokens) const {
  return textOf([&](tq_text_buffer *text, tq_text_buffer *error) {
    return tq_text_decode(handle.get(), ids.data(), ids.size(), skipSpecialTokens, text, error);
  });
}

Result<TokenStream> Tokenizer::stream(bool skipSpecialTokens) const {
  tq_text_stream *stream = nullptr;
  Buffer error;
  if (!tq_text_stream_open(handle.get(), skipSpecialTokens, &stream, error.out()))
    return error.error();
  return TokenStream(stream);
}

bool Tokenizer::hasChatTemplate() const { return tq_text_has_chat_template(handle.get()); }

Result<std::string> Tokenizer::applyChatTemplate(std::string_view request) const {
  return textOf([&](tq_text_buffer *text, tq_text_buffer *error) {
    return tq_text_apply_chat_template(handle.get(), request.data(), request.size(), text, error);
  });
}
