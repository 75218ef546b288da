//===- Package.cpp - Open, check and map a package ------------------------===//

#include "runtime/Package.h"

#include "runtime/Manifest.h"
#include "runtime/Thread.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <numeric>

using namespace tq;

namespace {

constexpr size_t kHugePage = 2 << 20;
/// A 32-layer model's manifest is about 1 MB.
constexpr uint64_t kMaxManifestBytes = 256ull << 20;

struct FileDescriptor {
  int fd;
  ~FileDescriptor() {
    if (fd >= 0)
      close(fd);
  }
};

/// Maps a whole regular file; an empty one gives no data.
Result<std::span<const std::byte>> mapFile(const std::string &path, const std::string &message) {
  FileDescriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat info;
  if (file.fd < 0 || fstat(file.fd, &info) != 0) {
    if (errno == ENOENT)
      return Error{message + " is missing; recompile with tq-compile"};
    return Error{fmt::format("{}: cannot open: {}", message, strerror(errno))};
  }
  if (!S_ISREG(info.st_mode))
    return Error{message + " is not a regular file"};
  if (info.st_size == 0)
    return std::span<const std::byte>();
  size_t bytes = static_cast<size_t>(info.st_size);
  // At a 2 MiB boundary the large folios of the page cache (the compiler writes in such pieces) are mapped as huge pages:
  // a matrix-vector product is 10 % faster than through 4 KiB pages.
  size_t reserved = bytes + kHugePage;
  void *reservation = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void *data = MAP_FAILED;
  if (reservation != MAP_FAILED) {
    auto *begin = static_cast<std::byte *>(reservation);
    size_t before = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), mapped = (bytes + page - 1) / page * page;
    data = mmap(begin + before, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, file.fd, 0);
    if (before)
      munmap(begin, before);
    munmap(begin + before + (data == MAP_FAILED ? 0 : mapped), reserved - before - (data == MAP_FAILED ? 0 : mapped));
  }
  if (data == MAP_FAILED)
    return Error{fmt::format("{}: cannot map {} bytes: {}", message, bytes, strerror(errno))};
#if defined(__linux__)
  // Such folios also for what comes from the disk.
  madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return std::span(static_cast<const std::byte *>(data), bytes);
}

struct Unmapper {
  std::span<const std::byte> bytes;
  ~Unmapper() {
    if (!bytes.empty())
      munmap(const_cast<std::byte *>(bytes.data()), bytes.size());
  }
};

bool isZero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes[0] == std::byte(0) && memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

uint64_t roundUp(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

std::string titleOf(std::string path) {
  while (path.size() > 1 && path.ends_with('/'))
    path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

} // namespace

Package::Package(Package &&other) noexcept { *this = std::move(other); }

Package &Package::operator=(Package &&other) noexcept {
  // Swapped, so that `other` unmaps what this package held.
  std::swap(directory, other.directory);
  std::swap(title, other.title);
  std::swap(contents, other.contents);
  std::swap(mappings, other.mappings);
  std::swap(sections, other.sections);
  return *this;
}

Package::~Package() {
  for (const Mapping &mapping : mappings)
    Unmapper unmapper{{mapping.data, mapping.bytes}};
}

Result<Package> Package::open(const std::string &path, const OpenOptions &options) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0)
    return Error{fmt::format("{}: cannot open: {}", path, strerror(errno))};
  if (!S_ISDIR(info.st_mode))
    return Error{path + ": not a directory; a tq package is a directory that "
                        "tq-compile writes"};
  Package package;
  package.directory = path;
  package.title = titleOf(path);
  const std::string &title = package.title;

  std::string manifestPath = package.filePath("manifest.json");
  if (stat(manifestPath.c_str(), &info) != 0 && errno == ENOENT)
    return Error{path + ": not a tq package: it has no manifest.json"};
  TQ_TRY_ASSIGN(auto text, mapFile(manifestPath, title + ": manifest.json"));
  {
    Unmapper unmapper{text};
    if (text.size() > kMaxManifestBytes)
      return Error{fmt::format("{}: manifest.json has {} bytes, at most {} are "
                               "read",
                               title, text.size(), kMaxManifestBytes)};
    TQ_TRY_ASSIGN(package.contents, parseManifest({reinterpret_cast<const char *>(text.data()), text.size()}, title));
  }
  TQ_TRY(package.checkFiles());
  TQ_TRY(package.map());
  if (options.verify || package.weightBytes() <= kHashAtOpenBytes)
    TQ_TRY(package.checkWeights(std::max(options.threads, 1)));
  return package;
}

Status Package::checkFiles() const {
  for (const File &file : contents.files) {
    std::string message = title + ": " + file.name;
    TQ_TRY_ASSIGN(auto bytes, mapFile(filePath(file.name), message));
    Unmapper unmapper{bytes};
    if (bytes.size() != file.bytes)
      return Error{fmt::format("{} has {} bytes, but the manifest says {}; "
                               "recompile with tq-compile",
                               message, bytes.size(), file.bytes)};
    if (hashBytes(bytes) != file.hash)
      return Error{message + " is damaged: its hash differs from the "
                             "manifest's; recompile with tq-compile"};
  }
  return Status();
}

Status Package::map() {
  std::map<std::string, uint64_t> ends;
  for (const Section &section : contents.sections)
    ends[section.file] = std::max(ends[section.file], section.offset + section.bytes);
  for (const auto &[file, end] : ends) {
    std::string message = title + ": " + file;
    TQ_TRY_ASSIGN(auto bytes, mapFile(filePath(file), message));
    mappings.push_back({file, bytes.data(), bytes.size()});
    // A writer may or may not fill the last section up to the alignment.
    if (bytes.size() != end && bytes.size() != roundUp(end, kSectionAlignment))
      return Error{fmt::format("{} has {} bytes, but its sections end at {}; "
                               "recompile with tq-compile",
                               message, bytes.size(), end)};
    // Read-ahead for a cold cache.
    madvise(const_cast<std::byte *>(bytes.data()), bytes.size(), MADV_WILLNEED);
  }
  for (const Section &section : contents.sections) {
    auto mapping = std::ranges::find(mappings, section.file, &Mapping::file);
    sections.emplace_back(mapping->data + section.offset, section.bytes);
  }
  return Status();
}

Status Package::checkWeights(int threads) const {
  // Between sections, and after the last, there must be zeros.
  std::vector<size_t> order(sections.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [&](size_t a, size_t b) { return sections[a].data() < sections[b].data(); });
  for (const Mapping &mapping : mappings) {
    const std::byte *end = mapping.data;
    auto gap = [&](const std::byte *until) { return isZero({end, static_cast<size_t>(until - end)}); };
    bool clean = true;
    for (size_t index : order) {
      if (contents.sections[index].file != mapping.file)
        continue;
      clean &= gap(sections[index].data());
      end = sections[index].data() + sections[index].size();
    }
    if (!clean || !gap(mapping.data + mapping.bytes))
      return Error{fmt::format("{}: {} is damaged: the bytes between its "
                               "sections are not zero; recompile with "
                               "tq-compile",
                               title, mapping.file)};
  }

  // Largest first, so that no thread is left with a large one at the end.
  std::ranges::sort(order, [&](size_t a, size_t b) { return sections[a].size() > sections[b].size(); });
  std::atomic<size_t> next = 0, damaged = SIZE_MAX;
  auto work = [&] {
    for (size_t i; (i = next++) < order.size();) {
      size_t index = order[i];
      if (hashBytes(sections[index]) == contents.sections[index].hash)
        continue;
      // The lowest index is reported, whichever thread was first.
      size_t seen = damaged;
      while (index < seen && !damaged.compare_exchange_weak(seen, index)) {
      }
    }
  };
  {
    std::vector<Thread> helpers(threads - 1);
    for (Thread &helper : helpers)
      helper.start(work);
    work();
  }
  if (damaged == SIZE_MAX)
    return Status();
  const Section &section = contents.sections[damaged];
  return Error{fmt::format("{}: {} is damaged: the hash of {} differs from the "
                           "manifest's; recompile with tq-compile",
                           title, section.file, printable(section.name))};
}

bool Package::hasFile(const std::string &file) const {
  return std::ranges::any_of(contents.files, [&](const File &candidate) { return candidate.name == file; });
}

std::span<std::byte> Package::bound(const Binding &binding, const Memory &memory) const {
  auto all = [](const Buffer &buffer) { return std::span(buffer.data, buffer.bytes); };
  switch (binding.kind) {
  case Binding::Kind::Arena:
    return {memory.arena.data + binding.offset, binding.bytes};
  case Binding::Kind::Section:
    // The ABI has one type for all.
    return {const_cast<std::byte *>(sections[binding.offset].data()), sections[binding.offset].size()};
  case Binding::Kind::State:
    return all(memory.states[binding.offset]);
  case Binding::Kind::PageTable:
    break;
  }
  return all(memory.pageTable);
}

uint64_t Package::weightBytes() const {
  uint64_t bytes = 0;
  for (const auto &section : sections)
    bytes += section.size();
  return bytes;
}
