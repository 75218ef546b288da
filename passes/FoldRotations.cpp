//===- FoldRotations.cpp - Cancel rotations against their inverses --------===//
// Before:  %a = tq.rotate %x by @r   %b = tq.rotate %a by @r inverse
// After:   %x
// Applies the folds and canonicalisations of tq.rotate (dialect/Canonicalize.cpp) alone, then drops rotations nobody names.
// Examples: tests/passes/fold-rotations.mlir

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"

namespace tq {
#define GEN_PASS_DEF_FOLDROTATIONS
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

namespace {
struct FoldRotationsPass : tq::impl::FoldRotationsBase<FoldRotationsPass> {
  void runOnOperation() override {
    int64_t before = count();
    RewritePatternSet patterns(&getContext());
    RotateOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    numFolded += before - count();

    AttrTypeWalker walker;
    DenseSet<Attribute> named;
    walker.addWalk([&](FlatSymbolRefAttr symbol) { named.insert(symbol); });
    getOperation().walk([&](Operation *op) {
      walker.walk(op->getAttrDictionary());
      for (Type type : op->getResultTypes())
        walker.walk(type);
    });
    for (RotationOp rotation : llvm::make_early_inc_range(getOperation().getOps<RotationOp>()))
      if (!named.contains(FlatSymbolRefAttr::get(rotation.getSymNameAttr())))
        rotation.erase();
  }

private:
  int64_t count() {
    int64_t n = 0;
    getOperation().walk([&](RotateOp) { ++n; });
    return n;
  }
};
} // namespace
