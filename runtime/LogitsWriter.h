//===- LogitsWriter.h - Logits as a safetensors file ------------*- C++ -*-===//
// token_ids i32 [T] and logits f32 [rows, vocab], for scripts. Rows go to disk
// as they come; their number is known at the end only, so the header has room
// to be filled in then.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_LOGITSWRITER_H
#define TQ_RUNTIME_LOGITSWRITER_H

#include "runtime/OutputFile.h"

#include <cstdint>
#include <span>
#include <string>

namespace tq {

class LogitsWriter {
public:
  static Result<LogitsWriter> create(const std::string &path, int64_t vocab);

  void add(std::span<const float> row);
  Status finish(std::span<const int32_t> tokenIds);

private:
  explicit LogitsWriter(OutputFile file, int64_t vocab) : file(std::move(file)), vocab(vocab) {}

  OutputFile file;
  int64_t vocab;
  int64_t rows = 0;
};

} // namespace tq

#endif // TQ_RUNTIME_LOGITSWRITER_H
