//===- BuildGpuKernels.cpp - Every tq.kernel becomes a gpu.func -----------===//
// Before:  tq.kernel @k skeleton "linear" {…} { tq.linear …; arith.addf … }
// After:   gpu.module @kernels { gpu.func @k(%bindings…, %params) kernel {…} }, in upstream gpu, scf, arith, math, vector and
//          memref ops, of the form that --tq-verify-kernels wants. tq.table stays, the regions go.
// Examples: tests/codegen/gpu/build-gpu-kernels.mlir

#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/gpu/GpuBuilder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace tq;

SkeletonList tq::gpuSkeletons() {
  static const Skeleton *skeletons[] = {&gpuLinearSkeleton(), &gpuAttentionSkeleton(), &gpuRowwiseSkeleton(),
                                        &gpuSampleSkeleton()};
  return skeletons;
}

namespace {
struct BuildGpuKernelsPass : PassWrapper<BuildGpuKernelsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(BuildGpuKernelsPass)
  explicit BuildGpuKernelsPass(SkeletonList skeletons) : skeletons(skeletons) {}
  StringRef getArgument() const override { return "tq-build-gpu-kernels"; }
  StringRef getDescription() const override { return "a gpu.func for every tq.kernel"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<gpu::GPUDialect, scf::SCFDialect, arith::ArithDialect, math::MathDialect, vector::VectorDialect,
                    memref::MemRefDialect, LLVM::LLVMDialect>();
  }
  /// Kernels are functions in the text of a language that has, say, a `rotate` of its own: a name of one word gets another.
  static LogicalResult rename(KernelOp kernel) {
    auto module = kernel->getParentOfType<ModuleOp>();
    gpu::GPUModuleOp gpuModule = kernels::gpuModuleOf(module);
    std::string base = (kernel.getSymName() + "_rows").str(), name = base;
    for (int i = 2; module.lookupSymbol(name) || gpuModule.lookupSymbol(name); ++i)
      name = base + std::to_string(i);
    if (failed(SymbolTable::replaceAllSymbolUses(kernel, StringAttr::get(kernel.getContext(), name), module)))
      return kernel.emitError() << "cannot be renamed to '" << name << "'";
    kernel.setSymName(name);
    return success();
  }
  static LogicalResult prepare(KernelOp kernel) {
    for (Operation &op : kernel.getBody().front())
      if (isa<QuantizeOp>(op))
        return op.emitError() << "GPU kernels compute with f32 activations; compile with --activations=f32";
    return kernel.getSymName().contains('_') ? success() : rename(kernel);
  }
  void runOnOperation() override {
    for (KernelOp kernel : getOperation().getOps<KernelOp>())
      if (failed(prepare(kernel)))
        return signalPassFailure();
    if (failed(buildKernels(getOperation(), skeletons)))
      signalPassFailure();
  }

private:
  SkeletonList skeletons;
};
} // namespace

std::unique_ptr<Pass> tq::createBuildGpuKernels(SkeletonList skeletons) {
  return std::make_unique<BuildGpuKernelsPass>(skeletons);
}
