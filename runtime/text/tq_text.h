//===- tq_text.h - Tokenizer and chat template, C interface ---------------===//
// What a checkpoint says in tokenizer.json, tokenizer_config.json and
// chat_template.jinja, done by the Hugging Face `tokenizers` crate and by
// `minijinja` (a Rust static library, runtime/text/src). C++ code uses Text.h.
//
// - Text is UTF-8, given as pointer and size, never as a C string: U+0000 is a
//   character like any other. An empty text may be a null pointer.
// - A function that can fail returns 1, or 0 and a sentence in `error`
//   (lower case, no final full stop; template errors are the template's own
//   words). `error` may be null. On success `error` is {null, 0}.
// - What a function returns in a tq_text_buffer or in `ids` belongs to the
//   caller, who gives it to tq_text_free. Buffers are not zero-terminated.
// - All input is checked, damaged files included: nothing here aborts, and no
//   panic leaves the library. Inputs above 256 MiB are refused.
// - A tokenizer is immutable: any number of threads may use one. A stream
//   belongs to one thread at a time.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_TEXT_TQ_TEXT_H
#define TQ_RUNTIME_TEXT_TQ_TEXT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tq_text_tokenizer tq_text_tokenizer;
typedef struct tq_text_stream tq_text_stream;

typedef struct tq_text_buffer {
  char *data;
  size_t size;
} tq_text_buffer;

/// Frees what a function below returned; null is fine.
void tq_text_free(void *data);

//===----------------------------------------------------------------------===//
// Tokenizer
//===----------------------------------------------------------------------===//

/// Reads the contents of tokenizer.json and, where not null, of
/// tokenizer_config.json (names of special tokens, chat template) and of
/// chat_template.jinja (which wins over a template in the config). A template
/// that does not parse is reported when it is used, not here. A vocabulary of
/// 150,000 tokens takes about 0.4 s: load it beside the weights.
/// Truncation and padding settings of the file are ignored.
int tq_text_open(const char *tokenizer_json, size_t tokenizer_json_size, const char *tokenizer_config,
                 size_t tokenizer_config_size, const char *chat_template, size_t chat_template_size,
                 tq_text_tokenizer **result, tq_text_buffer *error);

/// Null is fine. Streams of this tokenizer stay usable.
void tq_text_close(tq_text_tokenizer *tokenizer);

/// Text to ids. add_special_tokens: BOS and the like, as the file's
/// post-processor adds them; use 0 for a rendered chat template, which has
/// them already. Text that spells a special token becomes that token.
int tq_text_encode(const tq_text_tokenizer *tokenizer, const char *text, size_t text_size, int add_special_tokens,
                   uint32_t **ids, size_t *count, tq_text_buffer *error);

/// Ids to text, all at once. Incomplete characters become U+FFFD, ids outside
/// the vocabulary nothing.
int tq_text_decode(const tq_text_tokenizer *tokenizer, const uint32_t *ids, size_t count, int skip_special_tokens,
                   tq_text_buffer *text, tq_text_buffer *error);

//===----------------------------------------------------------------------===//
// Chat template
//===----------------------------------------------------------------------===//

int tq_text_has_chat_template(const tq_text_tokenizer *tokenizer);

/// Renders the chat template. `request` is a JSON object:
///   messages               list of objects, not empty; required
///   tools, documents       null when absent
///   add_generation_prompt  false when absent
///   now                    "2026-02-03T14:05:09", what strftime_now sees; the
///                          present local time when absent
/// and any other key, which the template sees as a variable (enable_thinking,
/// ...; a key such as bos_token replaces the tokenizer's). Where a checkpoint
/// has several templates, "tool_use" is taken for requests with tools, and
/// "default" otherwise.
int tq_text_apply_chat_template(const tq_text_tokenizer *tokenizer, const char *request, size_t request_size,
                                tq_text_buffer *text, tq_text_buffer *error);

//===----------------------------------------------------------------------===//
// Streaming
//===----------------------------------------------------------------------===//

int tq_text_stream_open(const tq_text_tokenizer *tokenizer, int skip_special_tokens, tq_text_stream **result,
                        tq_text_buffer *error);

/// Takes the next id; `text` is what may be shown now, often nothing. Whole
/// characters only, and nothing shown is ever taken back.
int tq_text_stream_push(tq_text_stream *stream, uint32_t id, tq_text_buffer *text, tq_text_buffer *error);

/// What is left at the end; incomplete bytes become U+FFFD. All pieces together
/// equal tq_text_decode of all ids. The stream is then ready for a new text.
int tq_text_stream_flush(tq_text_stream *stream, tq_text_buffer *text, tq_text_buffer *error);

/// Null is fine.
void tq_text_stream_close(tq_text_stream *stream);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // TQ_RUNTIME_TEXT_TQ_TEXT_H
