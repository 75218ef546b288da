//===- tq_runtime.h - Run a compiled language model, from C ---------------===//
//   tq_model *model;
//   if (tq_open("story.tqpkg", NULL, &model) != TQ_OK)
//     return complain(tq_last_error());
//   tq_session *session;
//   tq_session_open(model, NULL, &session);
//   tq_feed(session, prompt, prompt_length);
//   int32_t token;
//   while (tq_sample(session, &token) == TQ_OK && !tq_is_end(model, token))
//     tq_feed(session, &token, 1);
//   tq_session_close(session);
//   tq_close(model);
//
// Every function that can fail returns a tq_status; tq_last_error() then gives
// a sentence. A model may be used by several threads; a session, which owns its
// worker threads, by one at a time. Nothing here writes to the terminal or ends
// the process.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_TQ_RUNTIME_H
#define TQ_RUNTIME_TQ_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tq_model tq_model;
typedef struct tq_session tq_session;

typedef enum tq_status {
  TQ_OK = 0,
  /// A null pointer, or a number outside its range.
  TQ_ERROR_ARGUMENT = 1,
  /// The package is missing, damaged, of another version, or not a package.
  TQ_ERROR_PACKAGE = 2,
  /// No target of the package runs on this machine, or memory is short.
  TQ_ERROR_DEVICE = 3,
  /// The tokens do not fit the context, or are not in the vocabulary. The
  /// session is as before.
  TQ_ERROR_TOKENS = 4,
  /// There are no logits: nothing was fed since the session began or was
  /// rewound.
  TQ_ERROR_NO_LOGITS = 5,
} tq_status;

/// Why the last function of this thread failed; "" if none has. Valid until the
/// next call from this thread.
const char *tq_last_error(void);

/// "0.1.0"
const char *tq_version(void);

//===-- Model -------------------------------------------------------------===//

typedef struct tq_open_options {
  int verify;  ///< hash the weights even above 1 GiB
  int threads; ///< for that, up to 1024; 0: 2
} tq_open_options;

/// Opens, checks and maps a package. `options` may be null.
tq_status tq_open(const char *path, const tq_open_options *options, tq_model **model);
/// After all its sessions. Null is fine.
void tq_close(tq_model *model);

int64_t tq_vocab(const tq_model *model);
/// Most positions that a session can have.
int64_t tq_max_context(const tq_model *model);
/// 1 if the token ends a text.
int tq_is_end(const tq_model *model, int32_t token);
/// The token that begins a text, or -1.
int32_t tq_bos(const tq_model *model);

//===-- Session -----------------------------------------------------------===//

typedef struct tq_session_options {
  int64_t context; ///< positions; 0: all that the package allows
  int64_t chunk;   ///< most tokens per step; 0: the package's largest
  int threads;     ///< up to 1024; 0: physical cores
  const char *cpu; ///< name of a target; null: the best that runs here
} tq_session_options;

/// A new sequence. `options` may be null.
tq_status tq_session_open(tq_model *model, const tq_session_options *options, tq_session **session);
void tq_session_close(tq_session *session);

/// Appends tokens and computes the logits after the last of them.
tq_status tq_feed(tq_session *session, const int32_t *tokens, size_t count);
/// Those logits, [vocab]; null before the first feed. Valid until the next.
const float *tq_logits(const tq_session *session);
/// Tokens in the sequence.
int64_t tq_position(const tq_session *session);
/// Forgets the tokens from `position` on; the next feed goes there.
tq_status tq_rewind(tq_session *session, int64_t position);

//===-- Sampling ----------------------------------------------------------===//

typedef struct tq_sampling {
  double temperature;        ///< 0: the best token; up to 1e6
  int64_t top_k;             ///< 0: all
  double top_p;              ///< 1: all
  double min_p;              ///< 0: all
  double repetition_penalty; ///< 1: none; 0.001 to 1000
  int64_t repetition_context;
  int64_t min_tokens;
  uint64_t seed;
} tq_sampling;

/// The package's defaults, seed 0.
tq_sampling tq_default_sampling(const tq_model *model);
/// Begins anew with these settings; without it the defaults hold.
tq_status tq_set_sampling(tq_session *session, const tq_sampling *sampling);
/// Draws a token from the present logits. It is not fed.
tq_status tq_sample(tq_session *session, int32_t *token);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // TQ_RUNTIME_TQ_RUNTIME_H
