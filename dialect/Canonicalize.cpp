//===- Canonicalize.cpp - Folds that need no context ----------------------===//
// Before:  %r = tq.rotate %x by @r    %y = tq.rotate %r by @r inverse
// After:   %x
// Exact up to rounding: the rotation is orthogonal.
// Examples: tests/dialect/canonicalize.mlir

#include "dialect/TQ.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace tq;

OpFoldResult RotateOp::fold(FoldAdaptor) {
  auto inner = getX().getDefiningOp<RotateOp>();
  if (!inner || inner.getInverse() == getInverse() || inner.getX().getType() != getY().getType())
    return {};
  bool same = inner.getRotationAttr() == getRotationAttr() && inner.getBlockAttr() == getBlockAttr() &&
              inner.getSigns() == getSigns();
  return same ? inner.getX() : Value();
}

namespace {
/// A sum of rotated values is the rotated sum: one rotation is paid instead of two.
///   %a = tq.rotate %x by @r   %b = tq.rotate %y by @r   %s = arith.addf %a, %b
///   ->  %t = arith.addf %x, %y   %s = tq.rotate %t by @r
struct RotateOfSum : OpRewritePattern<arith::AddFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::AddFOp add, PatternRewriter &rewriter) const override {
    auto a = add.getLhs().getDefiningOp<RotateOp>(), b = add.getRhs().getDefiningOp<RotateOp>();
    if (!a || !b || !a->hasOneUse() || !b->hasOneUse() || a->getAttrDictionary() != b->getAttrDictionary() ||
        a.getSigns() != b.getSigns() || a.getX().getType() != b.getX().getType())
      return failure();
    Value sum = arith::AddFOp::create(rewriter, add.getLoc(), a.getX(), b.getX());
    rewriter.replaceOpWithNewOp<RotateOp>(add, TypeRange(add.getType()),
                                          ValueRange(a.getSigns() ? ValueRange{sum, a.getSigns()} : ValueRange{sum}),
                                          a->getAttrs());
    return success();
  }
};
} // namespace

void RotateOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<RotateOfSum>(context);
}
