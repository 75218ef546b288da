//===- SampleRunner.h - argmax and top_k on the executor of MSL -*- C++ -*-===//
// A kernel of codegen/gpu/Sample.cpp for rows of one length: built, verified, printed, run on rows that are each difficult in
// their own way, and compared with the reference. Results are exact.
//===----------------------------------------------------------------------===//
#ifndef TQ_TESTS_CODEGEN_GPU_SAMPLERUNNER_H
#define TQ_TESTS_CODEGEN_GPU_SAMPLERUNNER_H

#include "dialect/TQ.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "tests/metal/Executor.h"
#include "tests/reference/Ops.h"

namespace tq::test {

struct SampleCase {
  int64_t n, k; ///< k = 0: argmax
  std::string name() const;
};

/// Kernels of several cases, as one module because compiling takes longer than running.
struct Samples {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string text; ///< MSL
  mlir::gpu::GPUFuncOp kernel(const SampleCase &c) const;
};
Result<Samples> buildSamples(mlir::MLIRContext &context, llvm::ArrayRef<SampleCase> cases);

/// An order of threads, and the byte of what nobody has written: behind rows and in the results.
struct SampleOrder {
  metal::Schedule schedule;
  uint8_t unwritten;
};
extern const SampleOrder kSampleOrders[3];

class SampleRunner {
public:
  struct Output {
    std::vector<float> values;
    std::vector<int32_t> indices;
  };

  SampleRunner(const Samples &samples, const SampleCase &c);
  Result<Output> run(const metal::Library &library, const SampleOrder &order) const;
  /// Empty, or the first difference from the reference.
  std::string difference(const Output &got) const;

  int hostThreads = 2;
  double timeLimit = 10; ///< as in metal::Launch

private:
  SampleCase shape;
  uint32_t simdgroups;
  reference::Tensor<float> x, values;
  reference::Ids indices;
};

} // namespace tq::test
#endif
