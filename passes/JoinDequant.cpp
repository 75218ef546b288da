//===- JoinDequant.cpp - Linear and embed read packed weights -------------===//
// Before:  %d = tq.codebook_dequant %w   %y = tq.linear %x, %d
// After:   %y = tq.linear %x, %w
// Examples: tests/passes/join-dequant.mlir

#include "passes/Passes.h"

namespace tq {
#define GEN_PASS_DEF_JOINDEQUANT
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

namespace {
struct JoinDequantPass : tq::impl::JoinDequantBase<JoinDequantPass> {
  void runOnOperation() override {
    SmallVector<Operation *> dequants;
    getOperation().walk([&](Operation *op) {
      if (isa<DequantOp, CodebookDequantOp>(op))
        dequants.push_back(op);
    });
    for (Operation *dequant : dequants) {
      dequant->getResult(0).replaceUsesWithIf(dequant->getOperand(0), [](OpOperand &use) {
        return (isa<LinearOp>(use.getOwner()) && use.getOperandNumber() == 1) ||
               (isa<EmbedOp>(use.getOwner()) && use.getOperandNumber() == 0);
      });
      if (dequant->use_empty()) {
        dequant->erase();
        continue;
      }
      dequant->emitError()
          << "the values of a weight are used outside of tq.linear and tq.embed; no kernel materialises them";
      return signalPassFailure();
    }
  }
};
} // namespace
