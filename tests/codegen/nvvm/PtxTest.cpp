//===- PtxTest.cpp - Kernel IR to PTX that NVIDIA's assembler takes -------===//
// The bundled model's GPU kernels as tq-compile builds them for Metal, and those of the Metal tests, through
// the way to PTX and through ptxas. What they compute: GpuKernelsTest on the executor, CudaKernelsTest on a GPU.

#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/nvvm/CompileNvvm.h"
#include "dialect/TQ.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipelines.h"
#include "tests/codegen/Tools.h"
#include "tests/codegen/nvvm/Ptxas.h"

using namespace mlir;
using namespace tq;
using namespace tq::test;

namespace {
class Ptx : public testing::Test {
protected:
  Ptx() {
    DialectRegistry registry;
    registry.insert<TQDialect, func::FuncDialect, arith::ArithDialect, scf::SCFDialect, vector::VectorDialect,
                    math::MathDialect, memref::MemRefDialect, gpu::GPUDialect, LLVM::LLVMDialect>();
    createBuildGpuKernels(gpuSkeletons())->getDependentDialects(registry);
    registerNvvmExtensions(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.printOpOnDiagnostic(false);
  }

  void SetUp() override {
#ifndef __linux__
    GTEST_SKIP() << "there is no ptxas for this system";
#endif
    const char *path = std::getenv("PATH");
    auto found = findPtxas(TQ_PTXAS_FOLDER, path ? path : "");
    ASSERT_TRUE(found.ok()) << found.message();
    ptxas = *found;
  }

  /// All kernels of a module, built first where they are still tq.kernel, for each chip. Later chips take the PTX of
  /// earlier ones, and that is how a driver uses it.
  void check(const std::string &source, std::initializer_list<const char *> chips) {
    auto module = parseSourceString<ModuleOp>(source, &context);
    ASSERT_TRUE(module);
    if (!module->getOps<KernelOp>().empty()) {
      PassManager pm(&context);
      pm.addPass(createBuildGpuKernels(gpuSkeletons()));
      ASSERT_TRUE(succeeded(pm.run(*module)));
    }
    std::vector<std::string> kernels;
    module->walk([&](gpu::GPUFuncOp func) { kernels.push_back(func.getName().str()); });
    ASSERT_FALSE(kernels.empty());
    auto text = compileToPtx(*module);
    ASSERT_TRUE(text.ok()) << text.message();
    EXPECT_EQ(kernelsOf(*text), kernels);
    for (const char *chip : chips) {
      Status status = assemble(ptxas, *text, chip);
      EXPECT_TRUE(status.ok()) << status.message();
    }
  }

  std::string ptxas;
  MLIRContext context{MLIRContext::Threading::DISABLED};
};

//===-- The bundled model ---------------------------------------------------------------------------------------===//

class PtxModel : public Ptx, public testing::WithParamInterface<const char *> {};

TEST_P(PtxModel, Assembles) {
  std::string weights = GetParam();
  Outcome outcome = shell(TQ_TOOLS "/tq-compile " + data("tinystories-3.7m").string() +
                          " --target=metal --until-after=kernels --weights=" + weights);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  // Assembling takes most of the time: the second chip once.
  if (weights == "tq4")
    check(outcome.out, {"sm_80", "sm_90"});
  else
    check(outcome.out, {"sm_80"});
}
INSTANTIATE_TEST_SUITE_P(Weights, PtxModel, testing::Values("keep", "tq4", "tq3", "q4"),
                         [](const auto &info) { return std::string(info.param); });

//===-- Those of Metal tests ------------------------------------------------------------------------------------===//

// Not those that are to be refused, and not the matrices whose arguments no kernel may have.
TEST_F(Ptx, MetalTests) {
  int count = 0;
  for (const std::string &name : list(TQ_METAL_TESTS)) {
    if (!name.ends_with(".mlir") || name.ends_with("-invalid.mlir") || name == "expand-subgroup-mma.mlir")
      continue;
    SCOPED_TRACE(name);
    check(readFile(fs::path(TQ_METAL_TESTS) / name), {"sm_80", "sm_90"});
    ++count;
  }
  EXPECT_GE(count, 8);
}

//===-- The assembler -------------------------------------------------------------------------------------------===//

TEST(FindPtxas, MissingIsAnError) {
  TempDir empty;
  EXPECT_EQ(findPtxas(empty.path.string(), "").message(), "ptxas is missing: run ./dev setup");
  writeFile(empty / "ptxas", "");
  EXPECT_EQ(findPtxas("/nonexistent", empty.path.string()).message(), "ptxas is missing: run ./dev setup");
  fs::permissions(empty / "ptxas", fs::perms::owner_exec, fs::perm_options::add);
  EXPECT_EQ(*findPtxas("/nonexistent", ":" + empty.path.string()), (empty / "ptxas").string());
}

TEST_F(Ptx, ErrorsNameTheKernel) {
  std::string text = ".version 7.0\n.target sm_80\n.address_size 64\n"
                     ".visible .entry good()\n{\n  ret;\n}\n"
                     ".visible .entry bad()\n{\n  add.f32 %r1, %r2, 0;\n  ret;\n}\n";
  EXPECT_EQ(kernelsOf(text), (std::vector<std::string>{"good", "bad"}));
  Status status = assemble(ptxas, text, "sm_80");
  ASSERT_FALSE(status.ok());
  EXPECT_CONTAINS(status.message(), "kernel bad: ptxas ");
  EXPECT_CONTAINS(status.message(), "%r1");
  EXPECT_EQ(status.message().find("kernel good"), std::string::npos);
}
} // namespace
