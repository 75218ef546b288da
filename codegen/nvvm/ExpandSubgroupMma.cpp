//===- ExpandSubgroupMma.cpp - 8x8 matrices as two values per lane --------===//
// Before:  %d = gpu.subgroup_mma_compute %a, %b, %c : !gpu.mma_matrix<8x8xf16, "AOp">, ...
// After:   vector<2xf16> per lane, gpu.shuffle idx for the row of A and the columns of B that a lane needs, math.fma in f32
// NVVM knows 16x16 matrices only. Exact: a sum goes through k = 0 .. 7 in f32. Slow: 12 shuffles a product in f16, 24 in f32.
// Lane l holds row l / 4, columns 2 (l % 4) and the next.
// Examples: tests/codegen/metal/expand-subgroup-mma.mlir

#include "codegen/nvvm/CompileNvvm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Transforms/DialectConversion.h"

using namespace mlir;
using namespace tq;

namespace {
Value constantIndex(OpBuilder &b, Location loc, int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }

/// Row and first column of this lane.
std::pair<Value, Value> position(OpBuilder &b, Location loc) {
  Value lane = gpu::LaneIdOp::create(b, loc, b.getIndexAttr(32));
  Value four = constantIndex(b, loc, 4), two = constantIndex(b, loc, 2);
  Value row = arith::DivUIOp::create(b, loc, lane, four);
  Value pair = arith::RemUIOp::create(b, loc, lane, four);
  return {row, arith::MulIOp::create(b, loc, pair, two)};
}

/// The indices of element (row, column + i) of a matrix that starts at `indices`.
SmallVector<Value> elementIndices(OpBuilder &b, Location loc, MemRefType type, ValueRange indices,
                                  int64_t leadDimension, bool transpose, std::pair<Value, Value> at, int64_t i) {
  Value column = at.second;
  if (i)
    column = arith::AddIOp::create(b, loc, column, constantIndex(b, loc, i));
  Value row = transpose ? column : at.first, across = transpose ? at.first : column;
  SmallVector<Value> result(indices);
  // Where an axis has the leading dimension as its stride, the row counts along it; else all is one offset.
  int64_t stride = 1, axis = type.getRank() - 1;
  while (axis >= 0 && (axis == type.getRank() - 1 || stride != leadDimension))
    stride *= type.getDimSize(axis--);
  if (axis < 0 || stride != leadDimension) {
    axis = type.getRank() - 1;
    row = arith::MulIOp::create(b, loc, row, constantIndex(b, loc, leadDimension));
  }
  result.back() = arith::AddIOp::create(b, loc, result.back(), across);
  result[axis] = arith::AddIOp::create(b, loc, result[axis], row);
  return result;
}

struct ExpandLoad : OpConversionPattern<gpu::SubgroupMmaLoadMatrixOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(gpu::SubgroupMmaLoadMatrixOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    auto at = position(b, loc);
    Value parts[2];
    for (int i : {0, 1})
      parts[i] = memref::LoadOp::create(b, loc, adaptor.getSrcMemref(),
                                        elementIndices(b, loc, cast<MemRefType>(op.getSrcMemref().getType()),
                                                       adaptor.getIndices(), op.getLeadDimension().getZExtValue(),
                                                       op.getTranspose().value_or(false), at, i));
    auto type = cast<VectorType>(getTypeConverter()->convertType(op.getRes().getType()));
    b.replaceOpWithNewOp<vector::FromElementsOp>(op, type, ValueRange(parts));
    return success();
  }
};

struct ExpandStore : OpConversionPattern<gpu::SubgroupMmaStoreMatrixOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(gpu::SubgroupMmaStoreMatrixOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    auto at = position(b, loc);
    for (int i : {0, 1}) {
      Value part = vector::ExtractOp::create(b, loc, adaptor.getSrc(), i);
      memref::StoreOp::create(b, loc, part, adaptor.getDstMemref(),
                              elementIndices(b, loc, cast<MemRefType>(op.getDstMemref().getType()),
                                             adaptor.getIndices(), op.getLeadDimension().getZExtValue(),
                                             op.getTranspose().value_or(false), at, i));
    }
    b.eraseOp(op);
    return success();
  }
};

struct ExpandConstant : OpConversionPattern<gpu::SubgroupMmaConstantMatrixOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(gpu::SubgroupMmaConstantMatrixOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Type type = getTypeConverter()->convertType(op.getRes().getType());
    b.replaceOpWithNewOp<vector::BroadcastOp>(op, type, adaptor.getValue());
    return success();
  }
};

struct ExpandCompute : OpConversionPattern<gpu::SubgroupMmaComputeOp> {
  using OpConversionPattern::OpConversionPattern;

  /// The two values of lane `from`, in f32. Halves travel as one word.
  static std::pair<Value, Value> fetch(OpBuilder &b, Location loc, Value pair, Value from) {
    Value width = arith::ConstantIntOp::create(b, loc, 32, 32);
    auto shuffle = [&](Value value) -> Value {
      return gpu::ShuffleOp::create(b, loc, value, from, width, gpu::ShuffleMode::IDX).getShuffleResult();
    };
    auto type = cast<VectorType>(pair.getType());
    if (type.getElementType().isF16()) {
      auto word = VectorType::get({1}, b.getI32Type());
      Value bits = vector::ExtractOp::create(b, loc, vector::BitCastOp::create(b, loc, word, pair).getResult(), 0);
      Value moved = vector::BroadcastOp::create(b, loc, word, shuffle(bits));
      Value halves = vector::BitCastOp::create(b, loc, type, moved);
      Value wide = arith::ExtFOp::create(b, loc, VectorType::get({2}, b.getF32Type()), halves);
      return {vector::ExtractOp::create(b, loc, wide, 0), vector::ExtractOp::create(b, loc, wide, 1)};
    }
    Value first = vector::ExtractOp::create(b, loc, pair, 0), second = vector::ExtractOp::create(b, loc, pair, 1);
    first = shuffle(first);
    return {first, shuffle(second)};
  }

  LogicalResult matchAndRewrite(gpu::SubgroupMmaComputeOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value index = gpu::LaneIdOp::create(b, loc, b.getIndexAttr(32));
    Value lane = arith::IndexCastUIOp::create(b, loc, b.getI32Type(), index);
    auto constant = [&](int64_t value) -> Value { return arith::ConstantIntOp::create(b, loc, value, 32); };
    Value pair = arith::AndIOp::create(b, loc, lane, constant(3));
    Value firstOfRow = arith::SubIOp::create(b, loc, lane, pair);

    SmallVector<Value> a; // this lane's row of A
    for (int p = 0; p < 4; ++p) {
      auto [first, second] = fetch(b, loc, adaptor.getOpA(), arith::AddIOp::create(b, loc, firstOfRow, constant(p)));
      a.append({first, second});
    }
    Type f32 = b.getF32Type();
    bool isHalf = cast<VectorType>(adaptor.getOpC().getType()).getElementType().isF16();
    Value sums[2];
    for (int i : {0, 1}) {
      sums[i] = vector::ExtractOp::create(b, loc, adaptor.getOpC(), i);
      if (isHalf)
        sums[i] = arith::ExtFOp::create(b, loc, f32, sums[i]);
    }
    for (int k = 0; k < 8; ++k) { // row k of B, at this lane's columns
      auto [first, second] = fetch(b, loc, adaptor.getOpB(), arith::AddIOp::create(b, loc, pair, constant(4 * k)));
      sums[0] = math::FmaOp::create(b, loc, a[k], first, sums[0]);
      sums[1] = math::FmaOp::create(b, loc, a[k], second, sums[1]);
    }
    if (isHalf)
      for (Value &sum : sums)
        sum = arith::TruncFOp::create(b, loc, b.getF16Type(), sum);
    b.replaceOpWithNewOp<vector::FromElementsOp>(op, cast<VectorType>(adaptor.getOpC().getType()), ValueRange(sums));
    return success();
  }
};

struct ExpandSubgroupMmaPass : PassWrapper<ExpandSubgroupMmaPass, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandSubgroupMmaPass)
  StringRef getArgument() const override { return "tq-expand-subgroup-mma"; }
  StringRef getDescription() const override { return "8x8 matrices as two values per lane and shuffles"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, math::MathDialect, memref::MemRefDialect, vector::VectorDialect>();
  }
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    TypeConverter types;
    types.addConversion([](Type type) { return type; });
    types.addConversion([](gpu::MMAMatrixType type) -> std::optional<Type> {
      if (type.getShape() != ArrayRef<int64_t>{8, 8})
        return type;
      return VectorType::get({2}, type.getElementType());
    });
    auto isExpanded = [&](Operation *op) { return types.isLegal(op); };
    ConversionTarget target(*context);
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    target.addDynamicallyLegalOp<gpu::SubgroupMmaLoadMatrixOp, gpu::SubgroupMmaStoreMatrixOp, gpu::SubgroupMmaComputeOp,
                                 gpu::SubgroupMmaConstantMatrixOp>(isExpanded);
    RewritePatternSet patterns(context);
    patterns.add<ExpandLoad, ExpandStore, ExpandConstant, ExpandCompute>(types, context);
    scf::populateSCFStructuralTypeConversionsAndLegality(types, patterns, target);
    if (failed(applyPartialConversion(getOperation(), target, std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace

std::unique_ptr<Pass> tq::createExpandSubgroupMma() { return std::make_unique<ExpandSubgroupMmaPass>(); }
void tq::registerExpandSubgroupMma() { PassRegistration<ExpandSubgroupMmaPass>(); }
