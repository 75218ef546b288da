//===- CudaDriver.h - The few functions of CUDA's driver API ----*- C++ -*-===//
// Declared here and found at run time: building needs no CUDA. Types are those of cuda.h: handles are pointers, addresses
// on the device 64 bits, results 0 or an error number.
#ifndef TQ_TESTS_CODEGEN_NVVM_CUDADRIVER_H
#define TQ_TESTS_CODEGEN_NVVM_CUDADRIVER_H

#include "runtime/Status.h"
#include <cstddef>
#include <cstdint>
#include <string>

namespace tq::test {

struct CudaDriver {
  using Address = unsigned long long;
  using Handle = void *; ///< context, module, function, stream, event

  int (*init)(unsigned flags) = nullptr;
  int (*deviceGetCount)(int *count) = nullptr;
  int (*deviceGet)(int *device, int ordinal) = nullptr;
  int (*deviceGetName)(char *name, int length, int device) = nullptr;
  int (*deviceGetAttribute)(int *value, int attribute, int device) = nullptr;
  int (*primaryContextRetain)(Handle *context, int device) = nullptr;
  int (*contextSetCurrent)(Handle context) = nullptr;
  int (*contextSynchronize)() = nullptr;
  int (*moduleLoadData)(Handle *module, const void *image, unsigned count, int *options, void **values) = nullptr;
  int (*moduleUnload)(Handle module) = nullptr;
  int (*moduleGetFunction)(Handle *function, Handle module, const char *name) = nullptr;
  int (*memAlloc)(Address *address, size_t bytes) = nullptr;
  int (*memFree)(Address address) = nullptr;
  int (*copyToDevice)(Address to, const void *from, size_t bytes) = nullptr;
  int (*copyToHost)(void *to, Address from, size_t bytes) = nullptr;
  int (*launchKernel)(Handle function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                      unsigned blockZ, unsigned sharedBytes, Handle stream, void **arguments, void **extra) = nullptr;
  int (*eventCreate)(Handle *event, unsigned flags) = nullptr;
  int (*eventRecord)(Handle event, Handle stream) = nullptr;
  int (*eventElapsedTime)(float *milliseconds, Handle start, Handle stop) = nullptr;
  int (*eventDestroy)(Handle event) = nullptr;
  int (*getErrorName)(int error, const char **name) = nullptr;

  /// An Error "WHAT: CUDA_ERROR_..." unless the result is 0.
  Status check(const std::string &what, int result) const;
};

/// The driver, with its first GPU's context made current. Where there is no GPU to test with, `why` says what is
/// missing. Anything that is there but does not work is an Error.
struct CudaGpu {
  CudaDriver driver;
  std::string name, why;
};
Result<CudaGpu> openCuda();

} // namespace tq::test
#endif
