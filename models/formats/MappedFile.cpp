//===- MappedFile.cpp - A file as read-only memory ------------------------===//

#include "models/formats/MappedFile.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tq {

Result<MappedFile> MappedFile::open(const std::filesystem::path &path) {
  std::string name = path.string();
  // O_NONBLOCK: a fifo in place of a file must not hang us.
  int descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return Error{fmt::format("{}: cannot open: {}", name, std::strerror(errno))};
  struct stat info;
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    return Error{fmt::format("{}: cannot read: not a regular file", name)};
  }
  auto size = static_cast<size_t>(info.st_size);
  if (size == 0) { // mmap refuses a length of 0
    ::close(descriptor);
    return MappedFile(std::move(name), nullptr, 0);
  }
  void *address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  int mapError = errno;
  ::close(descriptor); // the mapping holds the file
  if (address == MAP_FAILED)
    return Error{fmt::format("{}: cannot map {} bytes: {}", name, size, std::strerror(mapError))};
  return MappedFile(std::move(name), static_cast<const std::byte *>(address), size);
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : name(std::move(other.name)), data(std::exchange(other.data, nullptr)), size(std::exchange(other.size, 0)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(name, other.name);
  std::swap(data, other.data);
  std::swap(size, other.size);
  return *this;
}

MappedFile::~MappedFile() {
  if (data)
    ::munmap(const_cast<std::byte *>(data), size);
}

void MappedFile::releasePages(std::span<const std::byte> bytes) {
  if (bytes.empty())
    return;
  // Whole pages around the range: the mapping is private and clean, so a
  // neighbour's bytes are merely read from the file again.
  auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  size_t intoPage = reinterpret_cast<uintptr_t>(bytes.data()) & (page - 1);
  // Advice only: a failure costs memory, not correctness.
  (void)::madvise(const_cast<std::byte *>(bytes.data()) - intoPage, bytes.size() + intoPage, MADV_DONTNEED);
}

} // namespace tq
