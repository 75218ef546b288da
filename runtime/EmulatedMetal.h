//===- EmulatedMetal.h - The executor of Metal kernels ----------*- C++ -*-===//
// Runs the MSL text of a package on the CPU, one fiber per GPU thread: slow, for
// checking kernels without a Mac. It is a library of its own, built with the
// tests and loaded when asked for.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_EMULATEDMETAL_H
#define TQ_RUNTIME_EMULATEDMETAL_H

#include "runtime/Device.h"
#include "runtime/Package.h"

#include <memory>

namespace tq {

struct EmulatedMetalOptions {
  int threads = 0;      ///< 0: physical cores
  bool checked = false; ///< find races, accesses out of bounds, divergent barriers
};

/// `package` must outlive the device. Fails if the library is missing, or
/// clang++-22, which compiles the text.
Result<std::unique_ptr<Device>> loadEmulatedMetal(const Package &package, const EmulatedMetalOptions &options);

/// What the library exports, under kEmulatedMetalEntry. Null: `failure` says why.
using CreateEmulatedMetal = Device *(*)(const Package *package, const EmulatedMetalOptions *options, Error *failure);
inline constexpr const char *kEmulatedMetalEntry = "tq_create_emulated_metal";
inline constexpr const char *kEmulatedMetalLibrary = "libtq-metal-emulated.so";

} // namespace tq

#endif // TQ_RUNTIME_EMULATEDMETAL_H
