//===- GpuFixture.cpp - Modules on their way to GPU kernels ---------------===//

#include "tests/codegen/gpu/GpuFixture.h"
#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/metal/VerifyKernels.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "models/Import.h"
#include "passes/Pipelines.h"
#include <cmath>

using namespace mlir;
using namespace tq;
using namespace tq::test;

GpuFixture::GpuFixture() {
  DialectRegistry registry;
  registry.insert<TQDialect, func::FuncDialect, arith::ArithDialect>();
  createBuildGpuKernels(gpuSkeletons())->getDependentDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
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
  OwningOpRef<ModuleOp> module = cast<ModuleOp>(source->clone());
  PipelineOptions options;
  options.activations.activations = "f32";
  options.entryPoints.chunk = chunk;
  options.entryPoints.context = positions;
  options.entryPoints.maxOut = maxOut;
  PassManager pm(&context);
  buildFusePhase(pm, options);
  buildSchedulePhase(pm, options, gpuSkeletons());
  pm.addPass(createBuildGpuKernels(gpuSkeletons()));
  EXPECT_TRUE(succeeded(pm.run(*module)));
  return module;
}

reference::Interpreter<double> GpuFixture::interpreter(ModuleOp module, reference::Weights &weights) {
  reference::Interpreter<double> result(module, weights);
  for (auto state : module.getOps<StateOp>())
    result.roundStates = cast<KVType>(state.getType()).getKEncoding().getLayout().kind == Layout::Kind::DenseF16;
  return result;
}

reference::Ids GpuFixture::tokens(ModuleOp module, int64_t count, std::mt19937 &random) {
  int64_t vocab = (*module.getOps<WeightOp>().begin()).getPacked().getRows();
  reference::Ids ids(count);
  for (int32_t &id : ids)
    id = int32_t(random() % uint64_t(vocab));
  return ids;
}

void GpuFixture::compare(const std::vector<float> &got, const reference::Tensor<double> &want) {
  size_t stride = got.size() / size_t(want.rows());
  double largest = 0, error = 0;
  for (int64_t r = 0; r < want.rows(); ++r)
    for (int64_t c = 0; c < want.rowSize(); ++c) {
      double difference = std::abs(double(got[size_t(r) * stride + size_t(c)]) - want.row(r)[c]);
      largest = std::max(largest, std::abs(want.row(r)[c]));
      error = difference <= error ? error : difference; // NaN stays
    }
  // Kernels of few tokens do not round level * scale of a codebook to f16; a layer's attention multiplies that.
  EXPECT_TRUE(error <= tolerance * largest) << "error " << error << ", largest " << largest;
}
