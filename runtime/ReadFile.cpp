//===- ReadFile.cpp - A file's bytes, or why there are none ---------------===//

#include "runtime/ReadFile.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

using namespace tq;

namespace {

Error failed(const std::string &path) { return Error{fmt::format("{}: cannot read: {}", path, strerror(errno))}; }

Error tooLarge(const std::string &path, uint64_t bytes, uint64_t limit) {
  return Error{fmt::format("{}: has at least {} bytes, but at most {} are read", path, bytes, limit)};
}

Result<std::string> readAll(int fd, const std::string &path, uint64_t limit) {
  struct stat info;
  if (fstat(fd, &info) != 0)
    return failed(path);
  // A pipe has no size, and a file of the system's may say 0.
  auto expected = static_cast<uint64_t>(std::max<off_t>(info.st_size, 0));
  if (S_ISREG(info.st_mode) && expected > limit)
    return tooLarge(path, expected, limit);
  std::string bytes;
  // One more than expected: the end is seen without growing.
  for (uint64_t room = expected + 1;; room = std::max<uint64_t>(bytes.size(), 1 << 16)) {
    size_t begin = bytes.size();
    bytes.resize(begin + room);
    while (begin < bytes.size()) {
      ssize_t count = read(fd, bytes.data() + begin, bytes.size() - begin);
      if (count < 0 && errno == EINTR)
        continue;
      if (count < 0)
        return failed(path);
      begin += static_cast<size_t>(count);
      if (begin > limit)
        return tooLarge(path, begin, limit);
      if (count == 0) {
        bytes.resize(begin);
        return bytes;
      }
    }
  }
}

} // namespace

Result<std::string> tq::readFile(const std::string &path, uint64_t limit) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return failed(path);
  auto bytes = readAll(fd, path, limit);
  close(fd);
  return bytes;
}
