//===- Rowwise.cpp - Launches whose tasks are tokens ----------------------===//
// Norm, rotation, quantiser, rope, append, embedding, merge of attention splits, and pointwise ops between them: one row
// after the other, each op on a whole row, intermediate rows in the worker's scratch.

#include "codegen/host/KernelBuilder.h"
#include "codegen/host/microkernels/Microkernels.h"

using namespace mlir;
using namespace tq;

namespace {
/// Builds the body of one row.
class RowEmitter {
public:
  RowEmitter(KernelBuilder &k) : k(k) {}
  LogicalResult run();

private:
  LogicalResult emit(Operation &op);
  Value rowOf(Value value);
  Value input(BlockArgument arg);
  Value target(Value result);
  void merge(SdpaMergeOp op);
  void pointwise(Operation &op);
  static int64_t width(Value v) { return elementsPerRow(cast<RankedTensorType>(v.getType())); }
  static std::tuple<int64_t, int64_t, int64_t> layout(PackedType packed) {
    Layout l = packed.getEncoding().getLayout();
    return {int64_t(l.kind), l.bits, l.group};
  }

  KernelBuilder &k;
  Value row;                    // index of the row
  DenseMap<Value, Value> known; // value -> pointer to its row
};

class RowwiseSkeleton : public Skeleton {
public:
  StringRef name() const override { return "rowwise"; }
  bool matches(Block &body) const override {
    return llvm::none_of(body, [](Operation &op) {
      auto append = dyn_cast<KVAppendOp>(op);
      return getRole(&op) == Role::Root || (append && !isFloatState(cast<KVType>(append.getState().getType())));
    });
  }
  LaunchConfig configure(LaunchOp launch, const LaunchFacts &facts, const CostModel &model) const override {
    int64_t elements = 0;
    for (Operation &op : launch.getBody().front())
      for (Value result : op.getResults())
        if (auto type = dyn_cast<RankedTensorType>(result.getType()))
          elements += elementsPerRow(type);
    return {launchConfig(launch, facts.kernelRows),
            bestGrain(model, facts.rows, double(elements) / model.rowOpsPerMicro)};
  }
  AffineMap tasks(KernelOp kernel) const override {
    return AffineMap::get(0, 3, getAffineSymbolExpr(rowsParam(kernel), kernel.getContext()));
  }
  LogicalResult build(KernelOp kernel, ModuleOp module) const override {
    KernelBuilder k(kernel, module);
    if (failed(RowEmitter(k).run()))
      return failure();
    k.finish(k.scratchTaken());
    return success();
  }
};
} // namespace

const Skeleton &tq::rowwiseSkeleton() {
  static const RowwiseSkeleton skeleton;
  return skeleton;
}

/// The row of an activation operand. A vector (gain, bias) is the same for all rows.
Value RowEmitter::input(BlockArgument arg) {
  auto type = dyn_cast<RankedTensorType>(arg.getType());
  if (!type)
    return Value();
  if (!type.isDynamicDim(0))
    return k.pointer(BindingKind::Values, arg);
  return k.at(k.pointer(BindingKind::Activation, arg), k.mul(row, rowStrideBytes(type)));
}

Value RowEmitter::rowOf(Value value) {
  value = throughReshape(value);
  if (Value pointer = known.lookup(value))
    return pointer;
  return known[value] = input(cast<BlockArgument>(value));
}

/// Where a result goes: to the output if it is yielded, else to scratch.
Value RowEmitter::target(Value result) {
  auto type = cast<RankedTensorType>(result.getType());
  auto yield = cast<YieldOp>(k.kernel.getBody().front().getTerminator());
  for (auto [index, value] : llvm::enumerate(yield.getValues()))
    if (throughReshape(value) == result)
      return known[result] = k.at(k.output(index), k.mul(row, rowStrideBytes(type)));
  return known[result] = k.takeScratch(rowStrideBytes(type));
}

void RowEmitter::merge(SdpaMergeOp op) {
  auto partial = cast<RankedTensorType>(op.getPartial().getType());
  auto out = cast<RankedTensorType>(op.getY().getType());
  int64_t heads = out.getDimSize(1), dv = out.getDimSize(2), width = partial.getDimSize(3);
  Value from = rowOf(op.getPartial()), to = target(op.getY());
  Value acc = k.takeScratch(width * 4);
  Value pos = k.toI64(k.loadI32(rowOf(op.getPos())));
  Value splits = k.udiv(k.add(pos, k.i64(kSplitKeys)), kSplitKeys); // ceil((pos + 1) / split)
  k.loop(k.i64(0), k.i64(heads), 1, [&](Value head) {
    k.clearPartial(acc, dv);
    k.loop(k.i64(0), splits, 1, [&](Value split) {
      Value index = k.add(k.mul(split, heads), head);
      k.call("sdpa_merge", {acc, k.at(from, k.mul(index, width * 4)), k.i64(dv)});
    });
    k.call("sdpa_finish", {acc, k.at(to, k.mul(head, dv * 4)), k.i64(dv)});
  });
}

/// A loop over vectors; rows are padded to whole ones.
void RowEmitter::pointwise(Operation &op) {
  SmallVector<Value> sources;
  for (Value operand : op.getOperands())
    sources.push_back(rowOf(operand));
  Value to = target(op.getResult(0));
  k.loop(k.i64(0), k.i64(llvm::alignTo(width(op.getResult(0)), kLanes) * 4), kLanes * 4, [&](Value offset) {
    SmallVector<Value> vectors;
    for (Value source : sources)
      vectors.push_back(k.loadVector(k.at(source, offset)));
    k.storeVector(k.pointwise(&op, vectors), k.at(to, offset));
  });
}

LogicalResult RowEmitter::emit(Operation &op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<ReshapeOp>([](auto) { return success(); })
      .Case<TakeRowsOp>([&](TakeRowsOp take) {
        // No copy: row r of the result is row n_tokens - n_out + r of the operand.
        auto arg = dyn_cast<BlockArgument>(throughReshape(take.getX()));
        if (!arg)
          return take.emitError() << "needs rows that another launch has written", failure();
        Value first = k.sub(k.param(Param::NTokens), k.param(Param::NOut));
        known[take.getY()] = k.at(k.pointer(BindingKind::Activation, arg),
                                  k.mul(k.add(first, row), rowStrideBytes(cast<RankedTensorType>(arg.getType()))));
        return success();
      })
      .Case<EmbedOp>([&](EmbedOp embed) -> LogicalResult {
        auto packed = dyn_cast<PackedType>(embed.getTable().getType());
        if (!packed)
          return embed.emitError() << "reads a table that is not packed; run --tq-join-dequant first", failure();
        auto [kind, bits, group] = layout(packed);
        Value id = k.toI64(k.loadI32(rowOf(embed.getIds())));
        k.call("decode_row",
               {k.pointer(BindingKind::Stream, embed.getTable()), k.pointer(BindingKind::Levels, embed.getTable()), id,
                k.i64(packed.getCols()), k.i32(kind), k.i32(bits), k.i32(group), target(embed.getY())});
        return success();
      })
      .Case<RmsNormOp>([&](RmsNormOp norm) {
        int64_t n = cast<RankedTensorType>(norm.getX().getType()).getShape().back();
        Value from = rowOf(norm.getX()), w = norm.getW() ? rowOf(norm.getW()) : k.null(), to = target(norm.getY());
        Value eps = k.f32(norm.getEps().convertToFloat());
        k.loop(k.i64(0), k.i64(width(norm.getX()) / n), 1, [&](Value head) {
          Value offset = k.mul(head, n * 4);
          k.call("rms_norm", {k.at(from, offset), w, k.at(to, offset), k.i64(n), eps});
        });
        return success();
      })
      .Case<RotateOp>([&](RotateOp rotate) -> LogicalResult {
        if (!rotate.getBlock())
          return rotate.emitError() << "has no explicit block; run --tq-form-launches first", failure();
        Value from = rowOf(rotate.getX()), signs = rotate.getSigns() ? rowOf(rotate.getSigns()) : k.null();
        k.call("rotate", {from, signs, target(rotate.getY()), k.i64(width(rotate.getX())), k.i64(*rotate.getBlock()),
                          k.i32(rotate.getInverse()), k.takeScratch(*rotate.getBlock() * 4)});
        return success();
      })
      .Case<QuantizeOp>([&](QuantizeOp quantize) {
        auto integer = getIntegerEncoding(quantize.getY().getType());
        Value from = rowOf(quantize.getX());
        k.call(integer.getBits() == 8 ? "quantize_i8" : "quantize_i16",
               {from, k.i64(width(quantize.getX())), k.i32(integer.getSums()), target(quantize.getY())});
        return success();
      })
      .Case<RopeTableOp>([&](RopeTableOp table) {
        Value pos = k.loadI32(rowOf(table.getPos())), frequencies = rowOf(table.getFrequencies());
        Value cos = target(table.getCos()), sin = target(table.getSin());
        k.call("rope_table",
               {pos, frequencies, k.i64(width(table.getCos())), k.f32(table.getFactor().convertToFloat()), cos, sin});
        return success();
      })
      .Case<RopeOp>([&](RopeOp rope) {
        auto type = cast<RankedTensorType>(rope.getX().getType());
        Value x = rowOf(rope.getX()), cos = rowOf(rope.getCos()), sin = rowOf(rope.getSin());
        k.call("rope", {x, cos, sin, target(rope.getY()), k.i64(type.getDimSize(1)), k.i64(type.getDimSize(2)),
                        k.i64(width(rope.getCos()))});
        return success();
      })
      .Case<KVAppendOp>([&](KVAppendOp append) {
        auto kv = cast<KVType>(append.getState().getType());
        k.call("kv_append",
               {rowOf(append.getK()), rowOf(append.getV()), k.pointer(BindingKind::Pool, append.getState()),
                k.pointer(BindingKind::PageTable), k.loadI32(rowOf(append.getPos())), k.i64(kv.getHeads()),
                k.i64(kv.getK()), k.i64(kv.getV()), k.i32(int64_t(kv.getKEncoding().getLayout().kind))});
        return success();
      })
      .Case<SdpaMergeOp>([&](SdpaMergeOp op) {
        merge(op);
        return success();
      })
      .Default([&](Operation *other) -> LogicalResult {
        if (getRole(other) != Role::Pointwise)
          return other->emitError() << "the rowwise skeleton has no code for this op", failure();
        pointwise(*other);
        return success();
      });
}

LogicalResult RowEmitter::run() {
  LogicalResult result = success();
  k.loop(k.begin, k.end, 1, [&](Value index) {
    row = index;
    for (Operation &op : k.kernel.getBody().front().without_terminator())
      if (failed(result) || failed(emit(op)))
        result = failure();
  });
  return result;
}
