//===- CudaDriver.cpp - The few functions of CUDA's driver API ------------===//

#include "tests/codegen/nvvm/CudaDriver.h"

#include <dlfcn.h>

using namespace tq;
using namespace tq::test;

namespace {
constexpr int kNoDevice = 100;          // CUDA_ERROR_NO_DEVICE
constexpr int kMajor = 75, kMinor = 76; // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_...
constexpr int kLeastMajor = 8;          // kernels are compiled for sm_80
constexpr const char *kLibrary = "libcuda.so.1";
} // namespace

Status CudaDriver::check(const std::string &what, int result) const {
  if (result == 0)
    return {};
  const char *name = nullptr;
  if (!getErrorName || getErrorName(result, &name) != 0 || !name)
    return Error{what + ": CUDA error " + std::to_string(result)};
  return Error{what + ": " + name};
}

static Result<CudaDriver> load(void *library) {
  CudaDriver d;
  std::string missing;
  auto find = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (!function)
      missing += std::string(" ") + name;
  };
  find(d.init, "cuInit");
  find(d.deviceGetCount, "cuDeviceGetCount");
  find(d.deviceGet, "cuDeviceGet");
  find(d.deviceGetName, "cuDeviceGetName");
  find(d.deviceGetAttribute, "cuDeviceGetAttribute");
  find(d.primaryContextRetain, "cuDevicePrimaryCtxRetain");
  find(d.contextSetCurrent, "cuCtxSetCurrent");
  find(d.contextSynchronize, "cuCtxSynchronize");
  find(d.moduleLoadData, "cuModuleLoadDataEx");
  find(d.moduleUnload, "cuModuleUnload");
  find(d.moduleGetFunction, "cuModuleGetFunction");
  find(d.memAlloc, "cuMemAlloc_v2"); // cuda.h's names without _v2 mean these: the first versions had 32-bit sizes
  find(d.memFree, "cuMemFree_v2");
  find(d.copyToDevice, "cuMemcpyHtoD_v2");
  find(d.copyToHost, "cuMemcpyDtoH_v2");
  find(d.launchKernel, "cuLaunchKernel");
  find(d.eventCreate, "cuEventCreate");
  find(d.eventRecord, "cuEventRecord");
  find(d.eventElapsedTime, "cuEventElapsedTime");
  find(d.eventDestroy, "cuEventDestroy_v2");
  find(d.getErrorName, "cuGetErrorName");
  if (!missing.empty())
    return Error{std::string(kLibrary) + " lacks" + missing};
  return d;
}

Result<CudaGpu> tq::test::openCuda() {
  CudaGpu gpu;
  void *library = dlopen(kLibrary, RTLD_NOW);
  if (!library) {
    gpu.why = std::string("there is no NVIDIA driver here: ") + dlerror();
    return gpu;
  }
  TQ_TRY_ASSIGN(gpu.driver, load(library));
  const CudaDriver &d = gpu.driver;
  int count = 0, device = 0, major = 0, minor = 0, started = d.init(0);
  if (started != kNoDevice) {
    TQ_TRY(d.check("cuInit", started));
    TQ_TRY(d.check("cuDeviceGetCount", d.deviceGetCount(&count)));
  }
  if (count == 0) {
    gpu.why = "there is an NVIDIA driver, but no GPU";
    return gpu;
  }
  TQ_TRY(d.check("cuDeviceGet", d.deviceGet(&device, 0)));
  char name[256] = {};
  TQ_TRY(d.check("cuDeviceGetName", d.deviceGetName(name, sizeof(name), device)));
  TQ_TRY(d.check("cuDeviceGetAttribute", d.deviceGetAttribute(&major, kMajor, device)));
  TQ_TRY(d.check("cuDeviceGetAttribute", d.deviceGetAttribute(&minor, kMinor, device)));
  gpu.name = std::string(name) + ", sm_" + std::to_string(major) + std::to_string(minor);
  if (major < kLeastMajor) {
    gpu.why = gpu.name + " is older than sm_80, for which kernels are compiled";
    return gpu;
  }
  CudaDriver::Handle context = nullptr;
  TQ_TRY(d.check("cuDevicePrimaryCtxRetain", d.primaryContextRetain(&context, device)));
  TQ_TRY(d.check("cuCtxSetCurrent", d.contextSetCurrent(context)));
  return gpu;
}
