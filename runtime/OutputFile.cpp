//===- OutputFile.cpp - A file that is whole or absent --------------------===//

#include "runtime/OutputFile.h"

#include <fmt/format.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

using namespace tq;

Result<OutputFile> OutputFile::create(const std::string &path) {
  OutputFile output;
  output.path = path;
  // Pipes and devices (/dev/stdout) cannot be replaced: written directly.
  struct stat info;
  bool special = stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
  output.temporary = special ? path : fmt::format("{}.tmp-{}", path, getpid());
  output.file = fopen(output.temporary.c_str(), "we");
  if (!output.file)
    return Error{fmt::format("{}: cannot write: {}", path, strerror(errno))};
  return output;
}

OutputFile::OutputFile(OutputFile &&other) noexcept { *this = std::move(other); }

OutputFile &OutputFile::operator=(OutputFile &&other) noexcept {
  std::swap(path, other.path);
  std::swap(temporary, other.temporary);
  std::swap(file, other.file);
  std::swap(error, other.error);
  return *this;
}

OutputFile::~OutputFile() {
  if (!file)
    return;
  fclose(file);
  if (temporary != path)
    unlink(temporary.c_str());
}

void OutputFile::write(const void *data, size_t bytes) {
  if (!error && fwrite(data, 1, bytes, file) != bytes)
    error = errno ? errno : EIO;
}

void OutputFile::rewrite(uint64_t offset, const void *data, size_t bytes) {
  if (!error && fseeko(file, static_cast<off_t>(offset), SEEK_SET) != 0)
    error = errno;
  write(data, bytes);
  if (!error && fseeko(file, 0, SEEK_END) != 0)
    error = errno;
}

Status OutputFile::commit() {
  if (fclose(std::exchange(file, nullptr)) != 0 && !error)
    error = errno;
  if (!error && temporary != path && rename(temporary.c_str(), path.c_str()) != 0)
    error = errno;
  if (!error)
    return Status();
  if (temporary != path)
    unlink(temporary.c_str());
  return Error{fmt::format("{}: cannot write: {}", path, strerror(error))};
}
