//===- TemporaryDirectory.h - Files of a test, and their place --*- C++ -*-===//
// Whole files and a folder for them. Without GoogleTest, because the executor of Metal kernels, a library, has both as
// well.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_TEMPORARYDIRECTORY_H
#define TQ_TESTS_TEMPORARYDIRECTORY_H

#include "runtime/Status.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

namespace tq {

/// All bytes of a file, or why it cannot be read.
inline Result<std::string> readBytes(const std::filesystem::path &path) {
  std::string bytes;
  char block[1 << 16];
  FILE *file = fopen(path.c_str(), "rb");
  while (size_t count = file ? fread(block, 1, sizeof(block), file) : 0)
    bytes.append(block, count);
  int error = file && !ferror(file) ? 0 : errno;
  if (file)
    fclose(file);
  if (error)
    return Error{path.string() + ": cannot read: " + strerror(error)};
  return bytes;
}

inline Status writeBytes(const std::filesystem::path &path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file)
    return Error{path.string() + ": cannot write: " + strerror(errno)};
  return Status();
}

/// Likewise, where the test notices what is missing: "" for a file that cannot be read.
inline std::string readWhole(const std::filesystem::path &path) {
  Result<std::string> bytes = readBytes(path);
  return bytes ? *std::move(bytes) : "";
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
