//===- Fixture.h - Tensors that the formats' own tools wrote --------------===//

#ifndef TQ_TESTS_DIALECT_ENCODINGS_FIXTURE_H
#define TQ_TESTS_DIALECT_ENCODINGS_FIXTURE_H

#include "models/Checkpoint.h"
#include "models/formats/MappedFile.h"
#include "models/formats/Safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace tq::test {

inline std::filesystem::path dataPath(const std::string &path) { return std::filesystem::path(TQ_TEST_DATA) / path; }

/// All tensors of one safetensors file. Ends the test program if there is no
/// such file: a missing fixture must not pass.
class Fixture {
public:
  explicit Fixture(const std::string &path)
      : file(unwrap(MappedFile::open(dataPath(path)))), tensors(unwrap(parseSafetensors(file.bytes(), file.path()))) {}

  const RawTensor *find(const std::string &name) const {
    for (const RawTensor &tensor : tensors)
      if (tensor.name == name)
        return &tensor;
    return nullptr;
  }
  const std::vector<RawTensor> &all() const { return tensors; }

  template <class T> std::vector<T> values(const std::string &name) const {
    const RawTensor *tensor = find(name);
    if (!tensor || tensor->bytes.size() % sizeof(T) != 0) {
      ADD_FAILURE() << file.path() << ": no tensor " << name;
      return {};
    }
    std::vector<T> result(tensor->bytes.size() / sizeof(T));
    std::memcpy(result.data(), tensor->bytes.data(), tensor->bytes.size());
    return result;
  }

  template <class T> static T unwrap(Result<T> result) {
    if (!result.ok()) {
      std::fprintf(stderr, "%s\n", result.message().c_str());
      std::abort();
    }
    return *std::move(result);
  }

private:
  MappedFile file;
  std::vector<RawTensor> tensors;
};

inline Checkpoint openCheckpoint(const std::string &path) { return Fixture::unwrap(Checkpoint::open(dataPath(path))); }

/// Directories of tests/data/turboquant.
inline std::vector<std::string> turboQuantCases() {
  std::vector<std::string> cases;
  for (const auto &entry : std::filesystem::directory_iterator(dataPath("turboquant")))
    if (entry.is_directory())
      cases.push_back("turboquant/" + entry.path().filename().string());
  std::sort(cases.begin(), cases.end());
  return cases;
}

/// `expected.safetensors` has 32 rows of a matrix, of the first 2 of stacked
/// ones. The row of `weight` that belongs to row `i` of such a tensor.
inline int64_t sourceRow(const WeightSource &weight, const RawTensor &sample, int64_t i) {
  if (weight.shape.size() < 3)
    return i;
  int64_t perMatrix = sample.shape[1];
  return i / perMatrix * weight.shape[1] + i % perMatrix;
}

inline std::vector<float> normalValues(int64_t count, uint32_t seed, float deviation = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(random);
  return values;
}

} // namespace tq::test

#endif // TQ_TESTS_DIALECT_ENCODINGS_FIXTURE_H
