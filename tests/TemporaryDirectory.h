//===- TemporaryDirectory.h - Files of a test, and their place --*- C++ -*-===//
// Whole files and a folder for them. Without GoogleTest, because the executor of Metal kernels, a library, has both as
// well.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_TEMPORARYDIRECTORY_H
#define TQ_TESTS_TEMPORARYDIRECTORY_H

#include "runtime/Status.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <unistd.h>

namespace tq {

inline Status writeBytes(const std::filesystem::path &path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file)
    return Error{path.string() + ": cannot write: " + strerror(errno)};
  return Status();
}

/// For tests, which notice what is missing: "" for a file that cannot be read.
inline std::string readWhole(const std::filesystem::path &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void writeWhole(const std::filesystem::path &path, std::string_view bytes) { (void)writeBytes(path, bytes); }

/// A directory that goes with the object.
class TemporaryDirectory {
public:
  TemporaryDirectory() {
    std::error_code error;
    std::filesystem::path parent = std::filesystem::temp_directory_path(error);
    std::string pattern = ((error ? "/tmp" : parent) / "tq-test-XXXXXX").string();
    if (mkdtemp(pattern.data()))
      directory = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code error;
    if (ok())
      std::filesystem::remove_all(directory, error);
  }
  TemporaryDirectory(const TemporaryDirectory &) = delete;
  TemporaryDirectory &operator=(const TemporaryDirectory &) = delete;

  /// Whether there is one: a disk may be full.
  bool ok() const { return !directory.empty(); }
  std::string path(const std::string &name = "") const { return name.empty() ? directory : directory + "/" + name; }

private:
  std::string directory;
};

} // namespace tq

#endif // TQ_TESTS_TEMPORARYDIRECTORY_H
