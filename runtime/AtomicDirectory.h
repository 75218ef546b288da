//===- AtomicDirectory.h - A directory that is whole or absent --*- C++ -*-===//
//   TQ_TRY_ASSIGN(auto directory, AtomicDirectory::create("x.tqpkg", force));
//   ... write files into directory.path() ...
//   TQ_TRY(directory.commit());
//
// Files are written to a hidden directory beside the destination, synced and
// renamed as a whole. Without commit() nothing stays; a package in the way is
// replaced in one step, and nothing but a package ever is. What a killed
// process left behind is removed by the next one with the same destination.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_ATOMICDIRECTORY_H
#define TQ_RUNTIME_ATOMICDIRECTORY_H

#include "runtime/Status.h"

#include <string>

namespace tq {

class AtomicDirectory {
public:
  /// `replace`: a package (a directory with a manifest.json) may be in the way.
  static Result<AtomicDirectory> create(const std::string &destination, bool replace);
  AtomicDirectory(AtomicDirectory &&other) noexcept;
  AtomicDirectory &operator=(AtomicDirectory &&other) noexcept;
  ~AtomicDirectory();

  /// Where to write.
  const std::string &path() const { return temporary; }
  Status commit();

  /// From now on Ctrl-C, SIGTERM and SIGHUP remove what is not committed, say
  /// so, and end the process with exit code 1.
  static void cleanUpOnInterrupt();

private:
  AtomicDirectory() = default;
  Status put();
  void discard();

  std::string destination, temporary;
  bool replace = false;
  int lock = -1; // of the temporary directory, while its process lives
  int slot = -1; // for the signal handler
};

} // namespace tq

#endif // TQ_RUNTIME_ATOMICDIRECTORY_H
