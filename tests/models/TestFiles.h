//===- TestFiles.h - Checkpoints for tests: copies, edits, made-up ones ---===//

#ifndef TQ_TESTS_MODELS_TESTFILES_H
#define TQ_TESTS_MODELS_TESTFILES_H

#include "models/Checkpoint.h"
#include "models/formats/Json.h"
#include "tests/TemporaryDirectory.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace tq::test {

namespace fs = std::filesystem;

/// tests/data/<path>; TQ_TEST_DATA comes from CMake.
inline fs::path data(const std::string &path) { return fs::path(TQ_TEST_DATA) / path; }

inline std::string readFile(const fs::path &path) { return readWhole(path); }
inline void writeFile(const fs::path &path, std::string_view text) { writeWhole(path, text); }

/// A directory that disappears with the object, and names in it as paths.
class TempDir {
  TemporaryDirectory directory;

public:
  TempDir() { fs::permissions(path, fs::perms(0755)); } // some tests read it as another user
  /// A writable copy of the files in tests/data/<source>.
  explicit TempDir(const std::string &source) : TempDir() {
    for (const auto &entry : fs::directory_iterator(data(source)))
      writeFile(path / entry.path().filename(), readFile(entry.path()));
  }

  fs::path operator/(const std::string &name) const { return path / name; }

  const fs::path path = directory.path();
};

struct Tensor {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

template <class T> std::string bytesOf(const std::vector<T> &values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// Header text and data, with the length in front.
inline std::string safetensors(std::string_view header, std::string_view bytes) {
  uint64_t length = header.size();
  std::string file(reinterpret_cast<const char *>(&length), 8);
  return file.append(header).append(bytes);
}

inline std::string safetensors(const std::vector<Tensor> &tensors) {
  nlohmann::json header = nlohmann::json::object();
  std::string bytes;
  for (const Tensor &tensor : tensors) {
    size_t begin = bytes.size();
    bytes += tensor.bytes;
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, bytes.size()}}};
  }
  return safetensors(header.dump(), bytes);
}

inline nlohmann::json readJson(const fs::path &path) { return nlohmann::json::parse(readFile(path), nullptr, false); }

/// All tensors of a file, to be edited and written back.
inline std::vector<Tensor> readTensors(const fs::path &path) {
  std::string file = readFile(path);
  uint64_t length;
  std::memcpy(&length, file.data(), 8);
  auto header = nlohmann::json::parse(file.substr(8, length), nullptr, false);
  std::vector<Tensor> tensors;
  for (const auto &[name, entry] : header.items()) {
    if (name == "__metadata__")
      continue;
    uint64_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    tensors.push_back({name, entry["dtype"], entry["shape"], file.substr(8 + length + begin, end - begin)});
  }
  return tensors;
}

inline Tensor &tensorNamed(std::vector<Tensor> &tensors, const std::string &name) {
  for (Tensor &tensor : tensors)
    if (tensor.name == name)
      return tensor;
  ADD_FAILURE() << name << " not in the fixture";
  return tensors.front();
}

/// The message of a failed result, which must read as one of ours.
template <class T> std::string messageOf(const Result<T> &result) {
  if (result.ok())
    return "no error";
  const std::string &message = result.message();
  EXPECT_FALSE(message.empty());
  EXPECT_NE(message.back(), '.') << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  return message;
}

} // namespace tq::test

#define EXPECT_CONTAINS(text, part)                                                                                    \
  do {                                                                                                                 \
    const std::string &tqText = (text);                                                                                \
    EXPECT_NE(tqText.find(part), std::string::npos) << "message: " << tqText;                                          \
  } while (false)

#endif // TQ_TESTS_MODELS_TESTFILES_H
