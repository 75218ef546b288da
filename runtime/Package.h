//===- Package.h - Open, check and map a package ----------------*- C++ -*-===//
//   TQ_TRY_ASSIGN(tq::Package package, tq::Package::open("story.tqpkg"));
//   package.manifest().model.vocab; package.section(3).data();
//
// open() checks everything that damage could have touched before anybody uses
// it: sizes and hashes of the listed files, sections within their weight file,
// zero bytes between sections and, up to kHashAtOpenBytes or with `verify`, the
// hashes of the sections themselves.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_PACKAGE_H
#define TQ_RUNTIME_PACKAGE_H

#include "runtime/Device.h"
#include "runtime/Status.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tq {

struct OpenOptions {
  bool verify = false; ///< hash the weights whatever their size
  int threads = 2;     ///< that hash
};

class Package {
public:
  static Result<Package> open(const std::string &path, const OpenOptions &options = {});
  Package(Package &&other) noexcept;
  Package &operator=(Package &&other) noexcept;
  ~Package();

  const Manifest &manifest() const { return contents; }
  const std::string &path() const { return directory; }
  /// The directory's name, for messages: "story.tqpkg".
  const std::string &name() const { return title; }

  /// What a launch's binding points to, with the given memory. Weights are mapped read-only.
  std::span<std::byte> bound(const Binding &binding, const Memory &memory) const;
  /// The mapped bytes of manifest().sections[index].
  std::span<const std::byte> section(size_t index) const { return sections[index]; }
  /// Full path of a file of the package.
  std::string filePath(const std::string &file) const { return directory + "/" + file; }
  bool hasFile(const std::string &file) const;
  uint64_t weightBytes() const;

  /// Other entry points for a target, for a self-test, which runs launches one by one; before a device is made. Their
  /// steps must be copies of the target's.
  void replaceEntries(size_t target, std::vector<Entry> entries) {
    contents.targets[target].entries = std::move(entries);
  }

private:
  Package() = default;
  Status map();
  Status checkFiles() const;
  Status checkWeights(int threads) const;

  struct Mapping {
    std::string file;
    const std::byte *data = nullptr;
    uint64_t bytes = 0;
  };
  std::string directory, title;
  Manifest contents;
  std::vector<Mapping> mappings;
  std::vector<std::span<const std::byte>> sections;
};

} // namespace tq

#endif // TQ_RUNTIME_PACKAGE_H
