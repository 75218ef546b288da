//===- GpuFixture.h - Modules on their way to GPU kernels -------*- C++ -*-===//
#ifndef TQ_TESTS_CODEGEN_GPU_GPUFIXTURE_H
#define TQ_TESTS_CODEGEN_GPU_GPUFIXTURE_H

#include "dialect/TQ.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "models/Checkpoint.h"
#include "tests/codegen/gpu/TableRunner.h"

#include <gtest/gtest.h>

namespace tq::test {

class GpuFixture : public testing::Test {
protected:
  GpuFixture();

  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &source);
  /// The bundled model's module after the rotate phase.
  mlir::OwningOpRef<mlir::ModuleOp> import(const Checkpoint &checkpoint, const std::string &weights);
  /// The launch tables and kernels of a module of the rotate phase.
  mlir::OwningOpRef<mlir::ModuleOp> schedule(mlir::ModuleOp source, int64_t chunk, int64_t positions, int64_t maxOut);
  void compare(const std::vector<float> &got, const reference::Tensor<double> &want);

  double tolerance = kTestTolerance;
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
};

} // namespace tq::test
#endif
