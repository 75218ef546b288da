//===- Chat.h - A conversation on the terminal ------------------*- C++ -*-===//
// Lines from standard input, answers on standard output, history kept: each
// turn renders the whole conversation through the model's template and feeds
// only the tokens that differ from what the session already holds.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_CHAT_H
#define TQ_RUNTIME_CHAT_H

#include "runtime/Generate.h"
#include "runtime/Process.h"

namespace tq {

/// Until the end of input, or Ctrl-C at the prompt; Ctrl-C during an answer
/// ends that answer. `/reset` forgets the conversation. After each answer
/// `closing` is called.
Status chat(Session &session, Sampler &sampler, const GenerateOptions &options, PackageText &text,
            StandardOutput &output, const std::function<void(const Generated &)> &closing);

} // namespace tq

#endif // TQ_RUNTIME_CHAT_H
