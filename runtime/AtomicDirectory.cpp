//===- AtomicDirectory.cpp - A directory that is whole or absent ----------===//

#include "runtime/AtomicDirectory.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

using namespace tq;
namespace fs = std::filesystem;

namespace {

//===-- Removal in a signal handler ---------------------------------------===//
// Only system calls: the interrupted thread may hold any lock of the library.

struct Slot {
  std::atomic<bool> taken = false, active = false;
  char path[4096];
};
Slot slots[4];

#if defined(__linux__)
/// One pass over a flat directory.
void removeFiles(const char *path) {
  int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    return;
  // struct linux_dirent64: u64, u64, u16 record length, u8 type, name.
  alignas(8) char buffer[8192];
  long bytes;
  while ((bytes = syscall(SYS_getdents64, directory, buffer, sizeof(buffer))) > 0) {
    uint16_t length;
    for (long at = 0; at < bytes; at += length) {
      memcpy(&length, buffer + at + 16, sizeof(length));
      unlinkat(directory, buffer + at + 19, 0); // "." and ".." refuse
    }
  }
  close(directory);
}
#else
void removeFiles(const char *path) {
  std::error_code error;
  fs::remove_all(path, error);
}
#endif

void onInterrupt(int) {
  for (Slot &slot : slots) {
    if (!slot.active)
      continue;
    // Other threads may still be creating files.
    for (int i = 0; i < 100; ++i) {
      removeFiles(slot.path);
      if (rmdir(slot.path) == 0 || errno == ENOENT)
        break;
    }
  }
  constexpr char kSentence[] = "\nerror: interrupted; nothing was written\n";
  if (write(STDERR_FILENO, kSentence, sizeof(kSentence) - 1) < 0)
    _exit(1);
  _exit(1);
}

int takeSlot(const std::string &path) {
  for (int i = 0; i < int(std::size(slots)); ++i) {
    if (path.size() >= sizeof(slots[i].path) || slots[i].taken.exchange(true))
      continue;
    memcpy(slots[i].path, path.c_str(), path.size() + 1);
    slots[i].active = true;
    return i;
  }
  return -1;
}

void giveSlot(int index) {
  if (index < 0)
    return;
  slots[index].active = false;
  slots[index].taken = false;
}

//===----------------------------------------------------------------------===//

Error failure(const std::string &path, const char *what, int error) {
  return Error{fmt::format("{}: {}: {}", path, what, strerror(error))};
}

bool exists(const std::string &path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

bool isPackage(const std::string &path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && exists(path + "/manifest.json");
}

Status checkDestination(const std::string &path, bool replace) {
  if (!exists(path))
    return Status();
  if (!replace)
    return Error{path + " exists; --force replaces it"};
  if (!isPackage(path))
    return Error{path + ": refusing to replace what is not a tq package"};
  return Status();
}

Status syncPath(const fs::path &path) {
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return failure(path.string(), "cannot open", errno);
  int error = fsync(file) == 0 ? 0 : errno;
  close(file);
  // Some file systems do not sync directories.
  if (error && error != EINVAL)
    return failure(path.string(), "cannot write", error);
  return Status();
}

std::string parentOf(const std::string &path) {
  std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

/// Removes hidden directories of processes that ended without removing them:
/// those whose lock nobody holds.
void removeAbandoned(const std::string &parent, const std::string &prefix) {
  std::error_code error;
  for (const auto &entry : fs::directory_iterator(parent, error)) {
    if (!entry.path().filename().string().starts_with(prefix))
      continue;
    int lock = open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0)
      continue;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0)
      fs::remove_all(entry.path(), error);
    close(lock);
  }
}

} // namespace

Result<AtomicDirectory> AtomicDirectory::create(const std::string &destination, bool replace) {
  AtomicDirectory result;
  result.destination = destination;
  while (result.destination.size() > 1 && result.destination.ends_with('/'))
    result.destination.pop_back();
  result.replace = replace;
  TQ_TRY(checkDestination(result.destination, replace));

  fs::path path(result.destination);
  std::string parent = parentOf(result.destination);
  std::string prefix = "." + path.filename().string() + ".tmp-";
  removeAbandoned(parent, prefix);
  result.temporary = (fs::path(parent) / (prefix + std::to_string(getpid()))).string();
  if (mkdir(result.temporary.c_str(), 0777) != 0) {
    int error = errno;
    result.temporary.clear();
    return failure(destination, "cannot create", error);
  }
  result.slot = takeSlot(result.temporary);
  result.lock = open(result.temporary.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (result.lock >= 0)
    flock(result.lock, LOCK_EX | LOCK_NB);
  return result;
}

AtomicDirectory::AtomicDirectory(AtomicDirectory &&other) noexcept { *this = std::move(other); }

AtomicDirectory &AtomicDirectory::operator=(AtomicDirectory &&other) noexcept {
  std::swap(destination, other.destination);
  std::swap(temporary, other.temporary);
  std::swap(replace, other.replace);
  std::swap(lock, other.lock);
  std::swap(slot, other.slot);
  return *this;
}

AtomicDirectory::~AtomicDirectory() { discard(); }

void AtomicDirectory::discard() {
  if (!temporary.empty()) {
    std::error_code error;
    fs::remove_all(temporary, error);
    temporary.clear();
  }
  giveSlot(std::exchange(slot, -1));
  if (lock >= 0)
    close(std::exchange(lock, -1));
}

Status AtomicDirectory::commit() {
  std::error_code error;
  for (const auto &entry : fs::directory_iterator(temporary, error))
    TQ_TRY(syncPath(entry.path()));
  TQ_TRY(syncPath(temporary));
  TQ_TRY(put());
  TQ_TRY(syncPath(parentOf(destination)));
  // What was replaced is now where the new one was.
  discard();
  return Status();
}

/// Gives the directory its name.
Status AtomicDirectory::put() {
  // Somebody may have put something there since create().
  TQ_TRY(checkDestination(destination, replace));
  const char *from = temporary.c_str(), *to = destination.c_str();
  if (!exists(destination)) {
    if (rename(from, to) == 0)
      return Status();
    return failure(destination, "cannot create", errno);
  }
#if defined(__linux__) && defined(SYS_renameat2)
  constexpr unsigned kExchange = 2;
  if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, kExchange) == 0)
    return Status();
#elif defined(__APPLE__)
  if (renamex_np(from, to, RENAME_SWAP) == 0)
    return Status();
#endif
  // File systems that cannot exchange: the old one aside, the new one in. The
  // old one then takes the temporary name, to be removed with it.
  std::string aside = temporary + "-old";
  if (rename(to, aside.c_str()) != 0)
    return failure(destination, "cannot replace", errno);
  if (rename(from, to) != 0) {
    int error = errno;
    rename(aside.c_str(), to);
    return failure(destination, "cannot replace", error);
  }
  rename(aside.c_str(), from);
  return Status();
}

void AtomicDirectory::cleanUpOnInterrupt() {
  struct sigaction action = {};
  action.sa_handler = onInterrupt;
  sigfillset(&action.sa_mask);
  for (int signal : {SIGINT, SIGTERM, SIGHUP})
    sigaction(signal, &action, nullptr);
}
