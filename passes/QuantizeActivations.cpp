//===- QuantizeActivations.cpp - Round what quantised linears read --------===//
// Before:  %y = tq.linear %x, %w : (tensor<?xKxf32>, !tq.packed<NxKxf32, #tq.affine<…>>) -> …
// After:   %q = tq.quantize %x : tensor<?xKxf32> -> tensor<?xKxf32, #tq.int<bits = 8, sums = 64>>   %y = tq.linear %q, %w
// Needs joined dequants. Float weights are left alone. One tq.quantize per value and width of sums.
// Examples: tests/passes/quantize-activations.mlir

#include "passes/Passes.h"
#include "llvm/ADT/MapVector.h"

namespace tq {
#define GEN_PASS_DEF_QUANTIZEACTIVATIONS
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

namespace {
struct QuantizeActivationsPass : tq::impl::QuantizeActivationsBase<QuantizeActivationsPass> {
  using QuantizeActivationsBase::QuantizeActivationsBase;
  void runOnOperation() override {
    if (activations != "int8" && activations != "int16" && activations != "f32") {
      getOperation().emitError() << "unknown activations '" << activations << "'; there are int8, int16, f32";
      return signalPassFailure();
    }
    if (activations == "f32")
      return;
    llvm::MapVector<Value, SmallVector<LinearOp>> consumers;
    getOperation().walk([&](LinearOp linear) {
      auto packed = dyn_cast<PackedType>(linear.getW().getType());
      if (packed && !packed.getEncoding().getLayout().isDense() && !getIntegerEncoding(linear.getX().getType()))
        consumers[linear.getX()].push_back(linear);
    });
    for (auto &[x, linears] : consumers) {
      // One quantised value serves all consumers: its sums span the narrowest group among them.
      int64_t sums = 64;
      for (LinearOp linear : linears)
        sums = std::min<int64_t>(sums, cast<PackedType>(linear.getW().getType()).getEncoding().getLayout().group);
      auto type = cast<RankedTensorType>(x.getType());
      auto encoding = tq::IntegerAttr::get(&getContext(), activations == "int8" ? 8 : 16, sums, getBasis(type));
      OpBuilder b(&getContext());
      b.setInsertionPointAfterValue(x);
      Value q =
          QuantizeOp::create(b, x.getLoc(), RankedTensorType::get(type.getShape(), type.getElementType(), encoding), x);
      for (LinearOp linear : linears)
        linear.getXMutable().assign(q);
      ++numQuantized;
    }
  }
};
} // namespace
