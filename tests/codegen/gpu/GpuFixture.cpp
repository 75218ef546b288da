//===- GpuFixture.cpp - Modules on their way to GPU kernels ---------------===//

#include "tests/codegen/gpu/GpuFixture.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "models/Import.h"
#include "passes/Pipelines.h"

using namespace mlir;
using namespace tq;
using namespace tq::test;

GpuFixture::GpuFixture() {
  loadGpuDialects(context);
  context.printOpOnDiagnostic(false);
}

OwningOpRef<ModuleOp> GpuFixture::parse(const std::string &source) {
  return parseSourceString<ModuleOp>(source, &context);
}

OwningOpRef<ModuleOp> GpuFixture::import(const Checkpoint &checkpoint, const std::string &weights) {
  auto config = ModelConfig::of(checkpoint);
  auto module = importModel(context, checkpoint, *config);
  EXPECT_TRUE(module.ok()) << module.message();
  PipelineOptions options;
  options.weights.weights = weights;
  PassManager pm(&context);
  buildRotatePhase(pm, options);
  EXPECT_TRUE(succeeded(pm.run(**module)));
  return std::move(*module);
}

OwningOpRef<ModuleOp> GpuFixture::schedule(ModuleOp source, int64_t chunk, int64_t positions, int64_t maxOut) {
  OwningOpRef<ModuleOp> module = buildKernels(source, chunk, positions, maxOut);
  EXPECT_TRUE(module) << "the module cannot be scheduled";
  return module;
}

void GpuFixture::compare(const std::vector<float> &got, const reference::Tensor<double> &want) {
  // Kernels of few tokens do not round level * scale of a codebook to f16; a layer's attention multiplies that.
  EXPECT_EQ(difference(got, want, tolerance), "");
}
