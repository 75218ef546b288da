//===- FakeCuda.cpp - A driver that runs MSL ------------------------------===//

#include "tests/codegen/nvvm/FakeCuda.h"
#include "tests/codegen/nvvm/Ptxas.h"

#include <algorithm>
#include <cstring>

using namespace tq;
using namespace tq::test;

namespace {
using Address = CudaDriver::Address;
using Handle = CudaDriver::Handle;
enum Code { Success = 0, InvalidValue = 1, NotFound = 500, LaunchFailed = 719 };
FakeCuda *fake = nullptr;

/// Host memory behind an address, and how many bytes follow it; {nullptr, 0} outside of all allocations.
std::pair<uint8_t *, uint64_t> at(Address address) {
  auto after = fake->memory.upper_bound(address);
  if (after == fake->memory.begin())
    return {nullptr, 0};
  auto &[begin, bytes] = *std::prev(after);
  uint64_t offset = address - begin;
  return offset < bytes.size() ? std::pair(bytes.data() + offset, bytes.size() - offset)
                               : std::pair<uint8_t *, uint64_t>(nullptr, 0);
}

int fail(int error, const std::string &message) {
  fake->message = message;
  return error;
}

int moduleLoadData(Handle *module, const void *image, unsigned, int *, void **) {
  fake->kernels = kernelsOf(static_cast<const char *>(image));
  ++fake->modules;
  *module = fake;
  return Success;
}
int moduleGetFunction(Handle *function, Handle, const char *name) {
  auto found = std::find(fake->kernels.begin(), fake->kernels.end(), name);
  if (found == fake->kernels.end())
    return fail(NotFound, std::string("there is no kernel ") + name);
  *function = &*found;
  return Success;
}
int memAlloc(Address *address, size_t bytes) {
  if (bytes == 0)
    return fail(InvalidValue, "an allocation of no bytes");
  std::vector<uint8_t> block(bytes, 0xfe);
  *address = reinterpret_cast<uintptr_t>(block.data());
  fake->memory.emplace(*address, std::move(block)); // moving a vector keeps its address
  return Success;
}
int memFree(Address address) { return fake->memory.erase(address) ? int(Success) : fail(InvalidValue, "freed twice"); }

int copyToDevice(Address to, const void *from, size_t bytes) {
  auto [data, size] = at(to);
  if (bytes > size)
    return fail(InvalidValue, "a copy beyond its range");
  std::memcpy(data, from, bytes);
  return Success;
}
int copyToHost(void *to, Address from, size_t bytes) {
  auto [data, size] = at(from);
  if (bytes > size)
    return fail(InvalidValue, "a copy beyond its range");
  std::memcpy(to, data, bytes);
  return Success;
}

int launchKernel(Handle function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                 unsigned blockZ, unsigned, Handle, void **arguments, void **) {
  const std::string &name = *static_cast<std::string *>(function);
  const metal::Kernel *kernel = fake->library.find(name);
  if (!kernel)
    return fail(NotFound, "no MSL for " + name);
  metal::Launch launch;
  launch.threadgroups = {gridX, gridY, gridZ};
  launch.threadsPerThreadgroup = {blockX, blockY, blockZ};
  launch.hostThreads = 1;
  int count = 0; // how many arguments the kernel takes; the driver, too, reads as many
  for (const metal::Parameter &parameter : kernel->parameters)
    count += parameter.kind == metal::Parameter::Buffer;
  for (int i = 0; i < count; ++i) {
    Address address = *static_cast<Address *>(arguments[i]);
    auto [data, size] = at(address);
    for (int j = 0; j < count; ++j) // ranges of one allocation end where the next begins
      if (Address other = *static_cast<Address *>(arguments[j]); other > address)
        size = std::min<uint64_t>(size, other - address);
    launch.buffers.push_back({i, data, size});
  }
  ++fake->launches;
  Status status = fake->library.run(name, launch);
  return status.ok() ? int(Success) : fail(LaunchFailed, status.message());
}

int eventCreate(Handle *event, unsigned) { return *event = &++fake->events, Success; }
int eventRecord(Handle, Handle) { return Success; }
int eventElapsedTime(float *milliseconds, Handle, Handle) { return *milliseconds = 0.5f, Success; }
int eventDestroy(Handle) { return --fake->events, Success; }
int moduleUnload(Handle) { return --fake->modules, Success; }
int synchronize() { return Success; }
int getErrorName(int, const char **name) { return *name = fake->message.c_str(), Success; }
} // namespace

FakeCuda::FakeCuda(metal::Library library) : library(std::move(library)) {
  fake = this;
  driver.moduleLoadData = moduleLoadData;
  driver.moduleUnload = moduleUnload;
  driver.moduleGetFunction = moduleGetFunction;
  driver.memAlloc = memAlloc;
  driver.memFree = memFree;
  driver.copyToDevice = copyToDevice;
  driver.copyToHost = copyToHost;
  driver.launchKernel = launchKernel;
  driver.contextSynchronize = synchronize;
  driver.eventCreate = eventCreate;
  driver.eventRecord = eventRecord;
  driver.eventElapsedTime = eventElapsedTime;
  driver.eventDestroy = eventDestroy;
  driver.getErrorName = getErrorName;
}
FakeCuda::~FakeCuda() { fake = nullptr; }
