//===- GoodCases.h - The right kernels of cases/ and their launches -*- C++ -*-===//
// Each launch knows what the kernel must give, computed by plain loops. The same
// launches judge the kernels with seeded bugs.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_GOODCASES_H
#define TQ_TESTS_METAL_GOODCASES_H

#include "tests/metal/CaseFile.h"

#include <string>
#include <vector>

namespace tq::metal {

struct GoodCase {
  const char *file; ///< in cases/
  const char *kernel;
  Case (*launch)();
};
const std::vector<GoodCase> &goodCases();
const GoodCase &goodCase(std::string_view kernel);

/// The text of cases/FILE.
std::string caseText(const std::string &file);

template <class T> std::vector<char> bytesOf(const std::vector<T> &values) {
  auto *p = reinterpret_cast<const char *>(values.data());
  return std::vector<char>(p, p + values.size() * sizeof(T));
}
template <class T> std::vector<T> valuesOf(const std::vector<char> &bytes) {
  auto *p = reinterpret_cast<const T *>(bytes.data());
  return std::vector<T>(p, p + bytes.size() / sizeof(T));
}

} // namespace tq::metal

#endif // TQ_TESTS_METAL_GOODCASES_H
