//===- OpenEncodingTest.cpp - An encoding that tq has never heard of ------===//
// A dialect of the test's own has an encoding that repacks to an existing layout. No pass, skeleton or type asks which it is:
// its weights run through the kernels of the built-in one.

#include "codegen/host/KernelBuilder.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipelines.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace tq;

namespace {

/// Say, codes of four bits in the order of another tool. Its repack gives the layout of `#tq.affine<bits = 4, group = 32>`.
class ShuffledAttr
    : public Attribute::AttrBase<ShuffledAttr, Attribute, AttributeStorage, EncodingAttrInterface::Trait> {
public:
  using Base::Base;
  static constexpr StringLiteral name = "toy.shuffled";
  Layout getLayout() const { return tq::AffineAttr::get(getContext(), 4, 32).getLayout(); }
  double getBitsPerWeight() const { return 4.5; }
  int64_t getGroupSize() const { return 32; }
};

class ToyDialect : public Dialect {
public:
  explicit ToyDialect(MLIRContext *context) : Dialect(getDialectNamespace(), context, TypeID::get<ToyDialect>()) {
    addAttributes<ShuffledAttr>();
  }
  static constexpr StringLiteral getDialectNamespace() { return StringLiteral("toy"); }
  Attribute parseAttribute(DialectAsmParser &parser, Type) const override {
    return parser.parseKeyword("shuffled") ? Attribute() : Attribute(ShuffledAttr::get(getContext()));
  }
  void printAttribute(Attribute, DialectAsmPrinter &printer) const override { printer << "shuffled"; }
};

constexpr const char *kBuiltIn = "#tq.affine<bits = 4, group = 32>", *kToy = "#toy.shuffled";

/// Two linear layers, in encodings $0 and $1, between an embedding and a head.
constexpr const char *kModel = R"(
!w0 = !tq.packed<64x64xf32, $0>
!w1 = !tq.packed<64x64xf32, $1>
!t = !tq.packed<96x64xf32, #tq.dense<f16>>
tq.weight @table role "embedding" : !t from "table"
tq.weight @w0 role "mlp" : !w0 from "w0"
tq.weight @w1 role "mlp" : !w1 from "w1"
func.func @forward(%ids: tensor<?xi32>, %pos: tensor<?xi32>) -> tensor<?x96xf32> {
  %t = tq.get_weight @table : !t
  %tv = tq.dequant %t : !t -> tensor<96x64xf32>
  %e = tq.embed %tv, %ids : (tensor<96x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  %a = tq.get_weight @w0 : !w0
  %av = tq.dequant %a : !w0 -> tensor<64x64xf32>
  %x = tq.linear %e, %av : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %b = tq.get_weight @w1 : !w1
  %bv = tq.dequant %b : !w1 -> tensor<64x64xf32>
  %y = tq.linear %x, %bv : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %h = tq.take_rows %y : tensor<?x64xf32> -> tensor<?x64xf32>
  %l = tq.linear %h, %tv : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  return %l : tensor<?x96xf32>
})";

class OpenEncoding : public testing::Test {
protected:
  OpenEncoding() {
    DialectRegistry registry;
    registry.insert<TQDialect, func::FuncDialect, arith::ArithDialect, ToyDialect>();
    createBuildKernels(hostSkeletons())->getDependentDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  OwningOpRef<ModuleOp> parse(StringRef first, StringRef second) {
    std::string text = kModel;
    for (auto [hole, value] : {std::pair<StringRef, StringRef>{"$0", first}, {"$1", second}})
      text.replace(text.find(hole.str()), hole.size(), value.str());
    return parseSourceString<ModuleOp>(text, &context);
  }
  /// All phases between import and kernels.
  OwningOpRef<ModuleOp> schedule(StringRef first, StringRef second) {
    OwningOpRef<ModuleOp> module = parse(first, second);
    PassManager pm(&context);
    buildRotatePhase(pm, {});
    buildFusePhase(pm, {});
    buildSchedulePhase(pm, {}, hostSkeletons());
    EXPECT_TRUE(module && succeeded(pm.run(*module)));
    return module;
  }
  /// The kernels as text, and who calls them.
  static std::string kernels(ModuleOp module) {
    std::string text;
    llvm::raw_string_ostream os(text);
    for (KernelOp kernel : module.getOps<KernelOp>())
      os << kernel << "\n";
    return text;
  }
  static StringRef kernelOf(ModuleOp module, StringRef entry, StringRef weight) {
    StringRef name;
    module.lookupSymbol<TableOp>(entry).walk([&](StepOp step) {
      for (Attribute binding : step.getBindings())
        if (auto plane = dyn_cast<PlaneAttr>(binding); plane && plane.getSymbol().getValue() == weight)
          name = step.getKernel();
    });
    return name;
  }

  MLIRContext context{MLIRContext::Threading::DISABLED};
};

TEST_F(OpenEncoding, SharesTheKernelOfItsLayout) {
  OwningOpRef<ModuleOp> builtIn = schedule(kBuiltIn, kBuiltIn), mixed = schedule(kBuiltIn, kToy),
                        toy = schedule(kToy, kToy);
  std::string want = kernels(*builtIn);
  EXPECT_NE(want, "");
  EXPECT_EQ(kernels(*mixed), want);
  EXPECT_EQ(kernels(*toy), want);
  for (StringRef entry : {"decode", "verify", "prefill"}) {
    EXPECT_NE(kernelOf(*mixed, entry, "w0"), "");
    EXPECT_EQ(kernelOf(*mixed, entry, "w0"), kernelOf(*mixed, entry, "w1"));
  }
  // The weight itself still says what the checkpoint holds: whoever writes the package asks its encoding.
  EXPECT_TRUE(isa<ShuffledAttr>(mixed->lookupSymbol<WeightOp>("w1").getPacked().getEncoding()));
}

TEST_F(OpenEncoding, GoesThroughToKernelIr) {
  auto built = [&](StringRef first, StringRef second) {
    OwningOpRef<ModuleOp> module = schedule(first, second);
    PassManager pm(&context);
    pm.addPass(createBuildKernels(hostSkeletons()));
    EXPECT_TRUE(succeeded(pm.run(*module)));
    std::string text;
    llvm::raw_string_ostream os(text);
    for (auto func : module->getOps<func::FuncOp>())
      os << func << "\n";
    return text;
  };
  EXPECT_EQ(built(kBuiltIn, kToy), built(kBuiltIn, kBuiltIn));
}

TEST_F(OpenEncoding, SurvivesPrintAndParse) {
  OwningOpRef<ModuleOp> module = parse(kToy, kBuiltIn);
  ASSERT_TRUE(module);
  std::string text, again;
  llvm::raw_string_ostream(text) << *module;
  OwningOpRef<ModuleOp> second = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(second);
  llvm::raw_string_ostream(again) << *second;
  EXPECT_EQ(again, text);
  EXPECT_NE(text.find("#toy.shuffled"), std::string::npos);
}

} // namespace
