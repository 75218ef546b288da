//===- LogitsWriter.cpp - Logits as a safetensors file --------------------===//
// Format: u64 length of the header, the header (JSON, padded with spaces), data.
// Little-endian, as is every machine we run on.
//===----------------------------------------------------------------------===//

#include "runtime/LogitsWriter.h"

#include <fmt/format.h>

#include <bit>

using namespace tq;

static_assert(std::endian::native == std::endian::little);

namespace {
// Two entries with 20-digit numbers take 240.
constexpr size_t kHeaderBytes = 504; // data then begins at 512
} // namespace

Result<LogitsWriter> LogitsWriter::create(const std::string &path, int64_t vocab) {
  TQ_TRY_ASSIGN(OutputFile file, OutputFile::create(path));
  LogitsWriter writer(std::move(file), vocab);
  std::string blank(sizeof(uint64_t) + kHeaderBytes, ' ');
  writer.file.write(blank.data(), blank.size());
  return writer;
}

void LogitsWriter::add(std::span<const float> row) {
  file.write(row.data(), row.size_bytes());
  ++rows;
}

Status LogitsWriter::finish(std::span<const int32_t> tokenIds) {
  uint64_t logitsBytes = uint64_t(rows) * vocab * sizeof(float);
  file.write(tokenIds.data(), tokenIds.size_bytes());
  std::string header =
      fmt::format(R"({{"logits":{{"dtype":"F32","shape":[{},{}],"data_offsets":[0,{}]}},)"
                  R"("token_ids":{{"dtype":"I32","shape":[{}],"data_offsets":[{},{}]}}}})",
                  rows, vocab, logitsBytes, tokenIds.size(), logitsBytes, logitsBytes + tokenIds.size_bytes());
  header.resize(kHeaderBytes, ' ');
  uint64_t length = kHeaderBytes;
  file.rewrite(0, &length, sizeof(length));
  file.rewrite(sizeof(length), header.data(), header.size());
  return file.commit();
}
