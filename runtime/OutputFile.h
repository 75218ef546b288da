//===- OutputFile.h - A file that is whole or absent ------------*- C++ -*-===//
// Written beside its destination and renamed when complete; whatever goes wrong
// is an Error that names the file.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_OUTPUTFILE_H
#define TQ_RUNTIME_OUTPUTFILE_H

#include "runtime/Status.h"

#include <cstdint>
#include <cstdio>
#include <string>

namespace tq {

class OutputFile {
public:
  static Result<OutputFile> create(const std::string &path);
  OutputFile(OutputFile &&other) noexcept;
  OutputFile &operator=(OutputFile &&other) noexcept;
  ~OutputFile(); ///< removes what was not committed

  /// Errors are kept for commit(), so that hot loops need not look.
  void write(const void *data, size_t bytes);
  /// Replaces bytes already written.
  void rewrite(uint64_t offset, const void *data, size_t bytes);
  Status commit();

private:
  OutputFile() = default;
  std::string path, temporary;
  FILE *file = nullptr;
  int error = 0;
};

} // namespace tq

#endif // TQ_RUNTIME_OUTPUTFILE_H
