//===- GpuFixture.h - Modules on their way to GPU kernels -------*- C++ -*-===//
#ifndef TQ_TESTS_CODEGEN_GPU_GPUFIXTURE_H
#define TQ_TESTS_CODEGEN_GPU_GPUFIXTURE_H

#include "dialect/TQ.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "models/Checkpoint.h"
#include "tests/reference/Interpreter.h"

#include <gtest/gtest.h>
#include <random>

namespace tq::test {

class GpuFixture : public testing::Test {
protected:
  /// So many tokens through an entry point, logits of the last rows.
  struct Call {
    std::string entry;
    int64_t tokens, rows;
  };

  GpuFixture();

  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &source);
  /// The bundled model's module after the rotate phase.
  mlir::OwningOpRef<mlir::ModuleOp> import(const Checkpoint &checkpoint, const std::string &weights);
  /// The launch tables and kernels of a module of the rotate phase.
  mlir::OwningOpRef<mlir::ModuleOp> schedule(mlir::ModuleOp source, int64_t chunk, int64_t positions, int64_t maxOut);
  /// The judge: states rounded as the module stores them.
  reference::Interpreter<double> interpreter(mlir::ModuleOp module, reference::Weights &weights);
  /// Random ids of the module's vocabulary.
  reference::Ids tokens(mlir::ModuleOp module, int64_t count, std::mt19937 &random);
  void compare(const std::vector<float> &got, const reference::Tensor<double> &want);

  double tolerance = 1e-3;
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
};

} // namespace tq::test
#endif
