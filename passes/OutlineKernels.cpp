//===- OutlineKernels.cpp - Equal launches share one tq.kernel ------------===//
// Before:  %y = tq.launch "layers.0.o" (%a = %x : …, %w = %wo : !tq.packed<…, #tq.codebook<…>>) skeleton "linear" {…} { … }
// After:   tq.kernel @linear_… skeleton "linear" {…} { ^(%a, %w : !tq.packed<…, #tq.layout<…>>): … }
//          %y = tq.call @linear_… (%x, %wo) {label = "layers.0.o"}
// Two launches share a kernel iff their regions, with encodings replaced by layouts, print alike. Expects selected kernels.
// Examples: tests/passes/outline-kernels.mlir

#include "passes/Passes.h"
#include "llvm/ADT/StringMap.h"

namespace tq {
#define GEN_PASS_DEF_OUTLINEKERNELS
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

static Type toLayout(Type type) {
  auto packed = dyn_cast<PackedType>(type);
  if (!packed)
    return type;
  return PackedType::get(type.getContext(), packed.getShape(), packed.getElementType(),
                         getLayoutAttr(type.getContext(), packed.getEncoding().getLayout()), {});
}

static std::string layoutName(Layout layout) {
  switch (layout.kind) {
  case Layout::Kind::DenseF32:
    return "f32";
  case Layout::Kind::DenseF16:
    return "f16";
  case Layout::Kind::DenseBF16:
    return "bf16";
  case Layout::Kind::Codebook:
    return "cb" + std::to_string(layout.bits) + "g" + std::to_string(layout.group);
  case Layout::Kind::Affine:
    return "q" + std::to_string(layout.bits) + "g" + std::to_string(layout.group);
  }
  return "";
}

/// "linear_cb4g64_int8_n2048k2048_addf_many": a trace reads without a lookup. Not unique by itself.
static std::string kernelName(LaunchOp launch) {
  SmallVector<std::string> parts;
  auto add = [&](std::string part) {
    if (!llvm::is_contained(parts, part))
      parts.push_back(std::move(part));
  };
  for (Operation &op : launch.getBody().front()) {
    if (auto linear = dyn_cast<LinearOp>(op)) {
      auto packed = dyn_cast<PackedType>(linear.getW().getType());
      if (!packed)
        continue;
      add("linear_" + layoutName(packed.getEncoding().getLayout()));
      if (auto integer = getIntegerEncoding(linear.getX().getType()))
        add("int" + std::to_string(integer.getBits()));
      add("n" + std::to_string(packed.getRows()) + "k" + std::to_string(packed.getCols()));
    } else if (!isa<YieldOp, ReshapeOp>(op)) {
      StringRef name = op.getName().stripDialect();
      add(name.str());
    }
  }
  if (parts.size() > 8)
    parts.resize(8);
  std::string name = llvm::join(parts, "_");
  int64_t m = cast<mlir::IntegerAttr>(launch.getConfigAttr().get("max_rows")).getInt();
  return m == 1 ? name : name + "_many";
}

namespace {
struct OutlineKernelsPass : tq::impl::OutlineKernelsBase<OutlineKernelsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<LaunchOp> launches;
    module.walk([&](LaunchOp launch) { launches.push_back(launch); });
    llvm::StringMap<FlatSymbolRefAttr> kernels; // by text
    for (LaunchOp launch : launches) {
      if (!launch.getSkeletonAttr() || !launch.getConfigAttr() ||
          !launch.getConfigAttr().getAs<mlir::IntegerAttr>("max_rows")) {
        launch.emitError() << "has no skeleton; run --tq-select-kernels first";
        return signalPassFailure();
      }
      OpBuilder b(launch);
      auto kernel = outline(launch);
      std::string text;
      llvm::raw_string_ostream os(text);
      kernel.print(os, OpPrintingFlags().useLocalScope().elideLargeElementsAttrs());
      FlatSymbolRefAttr &symbol = kernels[text];
      if (symbol) {
        kernel.erase();
      } else {
        std::string name = kernelName(launch);
        for (int i = 2; module.lookupSymbol(name); ++i)
          name = kernelName(launch) + "_" + std::to_string(i);
        kernel.setSymName(name);
        symbol = FlatSymbolRefAttr::get(&getContext(), name);
        ++numKernels;
      }
      auto call = CallOp::create(b, launch.getLoc(), launch.getResultTypes(), symbol, launch.getInputs(),
                                 launch.getLabelAttr(), DenseI64ArrayAttr());
      for (StringRef name : {"out_rows", "grain"})
        if (Attribute attr = launch->getAttr(name))
          call->setAttr(name, attr);
      launch.replaceAllUsesWith(call.getResults());
      launch.erase();
    }
  }

private:
  KernelOp outline(LaunchOp launch) {
    OpBuilder b(&getContext());
    b.setInsertionPointToEnd(getOperation().getBody());
    auto kernel = KernelOp::create(b, UnknownLoc::get(&getContext()), "", launch.getSkeletonAttr().getValue(),
                                   launch.getConfigAttr());
    IRMapping map;
    launch.getBody().cloneInto(&kernel.getBody(), map);
    kernel.getBody().walk([](Block *block) {
      for (BlockArgument arg : block->getArguments())
        arg.setType(toLayout(arg.getType()));
    });
    return kernel;
  }
};
} // namespace
