//===- FakeCuda.h - A driver that runs MSL ----------------------*- C++ -*-===//
// What tests of CudaRunner use, with or without a GPU: a CudaDriver whose device memory is the host's, and whose launches
// run the same kernel's MSL on the checked executor, on the addresses, grids and blocks that it was given.
//===----------------------------------------------------------------------===//
#ifndef TQ_TESTS_CODEGEN_NVVM_FAKECUDA_H
#define TQ_TESTS_CODEGEN_NVVM_FAKECUDA_H

#include "tests/codegen/nvvm/CudaDriver.h"
#include "tests/metal/Executor.h"

#include <map>
#include <vector>

namespace tq::test {

/// One at a time, since the driver's functions have no object.
struct FakeCuda {
  explicit FakeCuda(metal::Library library);
  ~FakeCuda();
  CudaDriver driver;

  metal::Library library;                                     ///< the kernels that launches run
  std::map<CudaDriver::Address, std::vector<uint8_t>> memory; ///< by address
  std::vector<std::string> kernels;                           ///< of the PTX that was loaded
  int launches = 0, events = 0, modules = 0;
  std::string message; ///< why a launch or copy failed
};

} // namespace tq::test
#endif
