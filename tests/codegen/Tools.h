//===- Tools.h - tq-compile and tq-run as scripts see them ------*- C++ -*-===//

#ifndef TQ_TESTS_CODEGEN_TOOLS_H
#define TQ_TESTS_CODEGEN_TOOLS_H

#include "tests/models/TestFiles.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sys/wait.h>

namespace tq::test {

struct Outcome {
  int code; ///< -1: ended by a signal
  std::string out, err;
};

/// Runs a command line through the shell. TQ_TOOLS comes from CMake.
inline Outcome shell(const std::string &command) {
  TempDir directory;
  std::string line =
      "( " + command + " ) </dev/null >" + (directory / "out").string() + " 2>" + (directory / "err").string();
  int status = std::system(line.c_str());
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return {code > 128 ? -1 : code, readFile(directory / "out"), readFile(directory / "err")};
}

inline Outcome compile(const fs::path &model, const fs::path &package, const std::string &flags = "") {
  return shell(TQ_TOOLS "/tq-compile " + model.string() + " -o " + package.string() + " " + flags);
}
inline Outcome run(const fs::path &package, const std::string &flags) {
  return shell(TQ_TOOLS "/tq-run " + package.string() + " " + flags);
}

/// Names in a directory, hidden ones included.
inline std::vector<std::string> list(const fs::path &directory) {
  std::vector<std::string> names;
  for (const auto &entry : fs::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

/// Exit code 1, one sentence on stderr that holds `message`, nothing on stdout.
inline void expectError(const Outcome &outcome, const std::string &message) {
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  std::string last = outcome.err;
  for (size_t end; last.starts_with("warning: ") && (end = last.find('\n')) != std::string::npos;)
    last.erase(0, end + 1);
  EXPECT_TRUE(last.starts_with("error: ")) << outcome.err;
  EXPECT_LE(std::ranges::count(last, '\n'), 1) << outcome.err;
  EXPECT_CONTAINS(last, message);
}

/// What --logits wrote, or an expected.safetensors.
struct Values {
  explicit Values(const fs::path &path) : tensors(readTensors(path)) {}
  std::vector<float> floats(const std::string &name) { return as<float>(tensorNamed(tensors, name)); }
  std::vector<int32_t> ids(const std::string &name) {
    Tensor &tensor = tensorNamed(tensors, name);
    if (tensor.dtype == "I32")
      return as<int32_t>(tensor);
    std::vector<int64_t> wide = as<int64_t>(tensor);
    return {wide.begin(), wide.end()};
  }

private:
  template <class T> static std::vector<T> as(const Tensor &tensor) {
    std::vector<T> values(tensor.bytes.size() / sizeof(T));
    std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(T));
    return values;
  }
  std::vector<Tensor> tensors;
};

inline std::string join(const std::vector<int32_t> &ids) {
  std::string text;
  for (int32_t id : ids)
    text += (text.empty() ? "" : ",") + std::to_string(id);
  return text;
}

/// Largest difference; infinity where sizes differ or a value is no number.
inline double largestDifference(std::span<const float> got, std::span<const float> want) {
  if (got.size() != want.size())
    return INFINITY;
  double largest = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    double difference = std::abs(double(got[i]) - double(want[i]));
    largest = std::isfinite(difference) ? std::max(largest, difference) : INFINITY;
  }
  return largest;
}
inline double largestValue(std::span<const float> values) {
  double largest = 0;
  for (float value : values)
    largest = std::max(largest, std::abs(double(value)));
  return largest;
}

} // namespace tq::test

#endif // TQ_TESTS_CODEGEN_TOOLS_H
