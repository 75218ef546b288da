//===- CudaRunner.cpp - A launch table on an NVIDIA GPU -------------------===//

#include "tests/codegen/nvvm/CudaRunner.h"
#include "codegen/host/microkernels/Microkernels.h"
#include "codegen/nvvm/CompileNvvm.h"

#include <cstdio>
#include <cstring>
#include <stdexcept>

using namespace mlir;
using namespace tq;
using namespace tq::test;

CudaRunner::CudaRunner(ModuleOp scheduled, const TestWeights &weights, int64_t context, const CudaDriver &driver)
    : TableRunner(scheduled, weights, context), module(scheduled), driver(driver) {}

CudaRunner::~CudaRunner() { // errors come too late to matter
  for (auto &[data, range] : ranges)
    driver.memFree(range.address);
  for (CudaDriver::Handle event : {start, stop})
    if (event)
      driver.eventDestroy(event);
  if (image)
    driver.moduleUnload(image);
}

Status CudaRunner::load() {
  TQ_TRY_ASSIGN(std::string ptx, compileToPtx(module));
  std::string log(8192, '\0');
  // CU_JIT_ERROR_LOG_BUFFER, and _SIZE_BYTES, whose value travels in the pointer.
  int options[] = {5, 6};
  void *values[] = {log.data(), reinterpret_cast<void *>(uintptr_t(log.size()))};
  if (Status status =
          driver.check("cuModuleLoadDataEx", driver.moduleLoadData(&image, ptx.c_str(), 2, options, values));
      !status.ok())
    return Error{status.message() + ": " + log.c_str()};
  for (auto kernels : module.getOps<gpu::GPUModuleOp>())
    for (auto func : kernels.getOps<gpu::GPUFuncOp>()) {
      std::string name = func.getName().str();
      TQ_TRY(
          driver.check("cuModuleGetFunction " + name, driver.moduleGetFunction(&functions[name], image, name.c_str())));
    }
  TQ_TRY(driver.check("cuEventCreate", driver.eventCreate(&start, 0)));
  return driver.check("cuEventCreate", driver.eventCreate(&stop, 0));
}

Result<CudaDriver::Address> CudaRunner::onDevice(const void *data, uint64_t bytes) {
  auto *begin = static_cast<const uint8_t *>(data);
  auto after = ranges.upper_bound(begin);
  if (after != ranges.begin()) {
    auto &[first, range] = *std::prev(after);
    if (begin + bytes <= first + range.bytes)
      return range.address + CudaDriver::Address(begin - first);
    if (begin < first + range.bytes)
      return Error{"a binding reaches beyond its range"};
  }
  Range range = {0, bytes};
  TQ_TRY(driver.check("cuMemAlloc of " + std::to_string(bytes) + " bytes", driver.memAlloc(&range.address, bytes)));
  ranges[begin] = range;
  TQ_TRY(driver.check("cuMemcpyHtoD", driver.copyToDevice(range.address, data, bytes)));
  return range.address;
}

void CudaRunner::begin() {
  auto address = onDevice(arena.data(), arena.size()); // the first time, this copies
  Status status = address.ok() ? driver.check("cuMemcpyHtoD", driver.copyToDevice(*address, arena.data(), arena.size()))
                               : Status(address.error());
  if (!status.ok())
    throw std::runtime_error(status.message());
}

void CudaRunner::end() {
  CudaDriver::Address address = ranges.at(arena.data()).address;
  if (Status status = driver.check("cuMemcpyDtoH", driver.copyToHost(arena.data(), address, arena.size()));
      !status.ok())
    throw std::runtime_error(status.message());
}

uint64_t CudaRunner::bytesMoved(StepOp step, const metal::Launch &launch) const {
  auto weights = step->getAttrOfType<mlir::IntegerAttr>("weight_bytes");
  uint64_t bytes = weights ? uint64_t(weights.getInt()) : 0;
  auto *params = static_cast<const int32_t *>(launch.buffers.back().data);
  uint64_t positions = uint64_t(params[0]) + uint64_t(params[1]);
  uint64_t pageTable = 0;
  for (auto [i, binding] : llvm::enumerate(step.getBindings()))
    if (isa<PageTableAttr>(binding))
      pageTable = launch.buffers[i].bytes;
  for (auto [i, binding] : llvm::enumerate(step.getBindings())) {
    if (isa<ArenaAttr>(binding))
      bytes += launch.buffers[i].bytes;
    else if (isa<PoolAttr>(binding) && pageTable)
      bytes += launch.buffers[i].bytes * positions / (pageTable / 4 * kPageTokens);
  }
  return bytes;
}

Status CudaRunner::execute(StepOp step, const metal::Launch &launch, metal::Statistics &) {
  std::string name = step.getKernel().str();
  // Bindings stay where they are; the parameters are new each time.
  std::vector<CudaDriver::Address> addresses;
  for (const metal::BufferBinding &buffer : llvm::ArrayRef(launch.buffers).drop_back()) {
    TQ_TRY_ASSIGN(CudaDriver::Address address, onDevice(buffer.data, buffer.bytes));
    addresses.push_back(address);
  }
  const metal::BufferBinding &params = launch.buffers.back();
  if (params.bytes != sizeof(parameters))
    return Error{"expected three parameters"};
  std::memcpy(parameters, params.data, sizeof(parameters));
  TQ_TRY_ASSIGN(CudaDriver::Address block, onDevice(parameters, sizeof(parameters)));
  TQ_TRY(driver.check("cuMemcpyHtoD", driver.copyToDevice(block, parameters, sizeof(parameters))));
  addresses.push_back(block);
  std::vector<void *> arguments; // the driver wants the address of each argument
  for (CudaDriver::Address &address : addresses)
    arguments.push_back(&address);
  const auto &grid = launch.threadgroups, &threads = launch.threadsPerThreadgroup;
  TQ_TRY(driver.check("cuEventRecord", driver.eventRecord(start, nullptr)));
  TQ_TRY(driver.check("cuLaunchKernel " + name,
                      driver.launchKernel(functions.at(name), grid[0], grid[1], grid[2], threads[0], threads[1],
                                          threads[2], 0, nullptr, arguments.data(), nullptr)));
  TQ_TRY(driver.check("cuEventRecord", driver.eventRecord(stop, nullptr)));
  TQ_TRY(driver.check(name, driver.contextSynchronize()));
  float milliseconds = 0;
  TQ_TRY(driver.check("cuEventElapsedTime", driver.eventElapsedTime(&milliseconds, start, stop)));
  uint64_t bytes = bytesMoved(step, launch);
  auto [rate, isNew] = rates.try_emplace({name, bytes}, Rate{bytes, milliseconds * 1e-3});
  if (!isNew)
    rate->second.seconds = std::min(rate->second.seconds, milliseconds * 1e-3);
  return {};
}

void CudaRunner::printRates() const {
  for (auto &[key, rate] : rates)
    std::printf("%9.1f GB/s %9.1f us  %s\n", double(rate.bytes) / rate.seconds * 1e-9, rate.seconds * 1e6,
                key.first.c_str());
}
