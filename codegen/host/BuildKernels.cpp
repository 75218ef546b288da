//===- BuildKernels.cpp - Every tq.kernel gets a body in kernel IR --------===//
// Before:  tq.kernel @k skeleton "linear" {…} { tq.linear …; arith.addf … }
// After:   func.func @k(%bindings, %params, %scratch, %begin, %end) {tq.scratch_bytes} and func.func private @k.body, in
//          func, scf, arith, math and vector ops around calls of micro-kernels. tq.table stays, the regions go.
// Examples: tests/codegen/build-kernels.mlir

#include "codegen/host/KernelBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace tq;

SkeletonList tq::hostSkeletons() {
  static const Skeleton *skeletons[] = {&linearSkeleton(), &attentionSkeleton(), &rowwiseSkeleton()};
  return skeletons;
}

namespace {
struct BuildKernelsPass : PassWrapper<BuildKernelsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(BuildKernelsPass)
  explicit BuildKernelsPass(SkeletonList skeletons) : skeletons(skeletons) {}
  StringRef getArgument() const override { return "tq-build-kernels"; }
  StringRef getDescription() const override { return "a body in kernel IR for every tq.kernel"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<func::FuncDialect, scf::SCFDialect, arith::ArithDialect, math::MathDialect, vector::VectorDialect,
                    LLVM::LLVMDialect>();
  }
  void runOnOperation() override {
    if (failed(buildKernels(getOperation(), skeletons)))
      signalPassFailure();
  }

private:
  SkeletonList skeletons;
};
} // namespace

std::unique_ptr<Pass> tq::createBuildKernels(SkeletonList skeletons) {
  return std::make_unique<BuildKernelsPass>(skeletons);
}
