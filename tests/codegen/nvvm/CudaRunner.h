//===- CudaRunner.h - A launch table on an NVIDIA GPU -----------*- C++ -*-===//
// As TableRunner, but kernels are PTX and have copies of all ranges in device memory: planes, pools and pages are copied
// up when first bound, the arena before and after each run.
//===----------------------------------------------------------------------===//
#ifndef TQ_TESTS_CODEGEN_NVVM_CUDARUNNER_H
#define TQ_TESTS_CODEGEN_NVVM_CUDARUNNER_H

#include "tests/codegen/gpu/TableRunner.h"
#include "tests/codegen/nvvm/CudaDriver.h"

namespace tq::test {

class CudaRunner : public TableRunner {
public:
  CudaRunner(mlir::ModuleOp scheduled, const TestWeights &weights, int64_t context, const CudaDriver &driver);
  CudaRunner(const CudaRunner &) = delete;
  ~CudaRunner() override;

  /// Compiles the module's kernels to PTX and gives them to the driver.
  Status load();

  /// The best of all launches of a kernel that moved the same bytes: the weights that it multiplies by, arena ranges
  /// whole, of a state what is in use.
  struct Rate {
    uint64_t bytes = 0;
    double seconds = 0;
  };
  std::map<std::pair<std::string, uint64_t>, Rate> rates;
  void printRates() const;

protected:
  void begin() override;
  Status execute(StepOp step, const metal::Launch &launch, metal::Statistics &statistics) override;
  void end() override;

private:
  struct Range {
    CudaDriver::Address address;
    uint64_t bytes;
  };
  /// Where a range of host memory lies on the device, which has a copy of all of [data, data + bytes) from then on.
  Result<CudaDriver::Address> onDevice(const void *data, uint64_t bytes);
  uint64_t bytesMoved(StepOp step, const metal::Launch &launch) const;

  mlir::ModuleOp module;
  const CudaDriver &driver;
  CudaDriver::Handle image = nullptr, start = nullptr, stop = nullptr;
  std::map<std::string, CudaDriver::Handle> functions;
  std::map<const uint8_t *, Range> ranges; ///< by their begin in host memory
  int32_t parameters[3] = {};
};

} // namespace tq::test
#endif
