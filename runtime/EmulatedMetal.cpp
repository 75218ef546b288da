//===- EmulatedMetal.cpp - The executor of Metal kernels ------------------===//

#include "runtime/EmulatedMetal.h"

#include "runtime/Process.h"

#include <fmt/format.h>

#include <dlfcn.h>
#include <unistd.h>

#include <filesystem>

using namespace tq;
namespace fs = std::filesystem;

Result<std::unique_ptr<Device>> tq::loadEmulatedMetal(const Package &package, const EmulatedMetalOptions &options) {
  fs::path own = fs::path(ownExecutable()).parent_path();
  std::string path = (own.parent_path() / "lib" / kEmulatedMetalLibrary).string();
  if (access(path.c_str(), R_OK) != 0)
    return Error{
        fmt::format("cannot use device metal-emulated: there is no {}; run ./dev build, which builds all", path)};
  // Stays loaded until the process ends: the device's code is in it.
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return Error{fmt::format("cannot use device metal-emulated: {}", dlerror())};
  auto create = reinterpret_cast<CreateEmulatedMetal>(dlsym(library, kEmulatedMetalEntry));
  if (!create)
    return Error{fmt::format("cannot use device metal-emulated: {} is of another version", path)};
  Error failure;
  Device *device = create(&package, &options, &failure);
  if (!device)
    return failure;
  return std::unique_ptr<Device>(device);
}
