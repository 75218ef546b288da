//===- MappedFile.h - A file as read-only memory --------------------------===//

#ifndef TQ_MODELS_FORMATS_MAPPEDFILE_H
#define TQ_MODELS_FORMATS_MAPPEDFILE_H

#include "runtime/Status.h"

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace tq {

/// The bytes keep their address when the object moves.
class MappedFile {
public:
  static Result<MappedFile> open(const std::filesystem::path &path);

  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data, size}; }
  std::string_view text() const { return {reinterpret_cast<const char *>(data), size}; }
  const std::string &path() const { return name; }

  /// Drops these bytes of a mapped file from the resident set; they stay
  /// readable. (Bytes of ordinary memory would be zeroed.)
  static void releasePages(std::span<const std::byte> bytes);

private:
  MappedFile(std::string name, const std::byte *data, size_t size) : name(std::move(name)), data(data), size(size) {}

  std::string name;
  const std::byte *data = nullptr; // null for an empty file
  size_t size = 0;
};

} // namespace tq

#endif // TQ_MODELS_FORMATS_MAPPEDFILE_H
