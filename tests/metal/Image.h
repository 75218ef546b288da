//===- Image.h - A compiled text in memory ----------------------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_IMAGE_H
#define TQ_TESTS_METAL_IMAGE_H

#include "tests/metal/Build.h"
#include "tests/metal/Instrument.h"

#include <map>
#include <mutex>
#include <span>

namespace tq::metal {

using Thunk = void (*)(const uint64_t *arguments);

/// One loaded copy of the shared object. Threadgroup variables of kernels are plain variables in it, so each worker
/// has a copy of its own.
class Module {
public:
  static Result<std::unique_ptr<Module>> load(const std::string &object);
  ~Module();

  Thunk thunk(const std::string &kernel) const;
  /// Threadgroup variables, and program-scope constants (checked build only).
  std::span<const ImageVariable> statics, constants;
  void setPoison(uint8_t byte);
  bool isPoison(uintptr_t address) const { return address - reinterpret_cast<uintptr_t>(poison) < kPoisonBytes; }
  /// An address in this copy's code as an offset in the file; -1 if it is none.
  int64_t offsetOf(const void *code) const;
  bool contains(const void *code) const { return reinterpret_cast<uintptr_t>(code) - base < size; }

private:
  static constexpr size_t kPoisonBytes = 64;

  Module() = default;
  void *handle = nullptr, *poison = nullptr;
  int file = -1; ///< stays open: dlopen knows files by their names, and this one's is its number
  uintptr_t base = 0, size = 0;
};

class LibraryImage {
public:
  std::string name;
  bool checked = false;
  std::vector<Kernel> kernels;
  std::string object;
  int deviceShift = 0, threadgroupShift = 0; ///< see BuiltLibrary

  /// The copy of worker i, loaded on first use.
  Result<Module *> module(size_t worker);
  /// Where code at this offset comes from: "LINE:COLUMN" of every inlined call, innermost first, in the text only.
  std::string place(int64_t offset);
  /// The line in the text, or that of the nearest code that has one; 0 if unknown.
  int lineOf(int64_t offset);

private:
  /// What place() says of each of these offsets.
  std::vector<std::string> symbolize(const std::vector<int64_t> &offsets);

  std::mutex mutex;
  std::vector<std::unique_ptr<Module>> modules;
  std::map<int64_t, std::string> places;
};

} // namespace tq::metal

#endif // TQ_TESTS_METAL_IMAGE_H
