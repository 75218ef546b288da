//===- Attention.cpp - Softmax attention over paged states ----------------===//
// Prefill (tq.sdpa): a task is 8 tokens of one KV head; it walks the splits of 256 keys in order and merges them.
// Decode (tq.sdpa_split): a task is one split of one KV head; tq.sdpa_merge, a row op, joins the splits in the same order,
// with the same arithmetic: results do not depend on how a prompt was chunked.

#include "codegen/host/KernelBuilder.h"
#include "codegen/host/microkernels/Microkernels.h"

using namespace mlir;
using namespace tq;

namespace {
struct Shape {
  int64_t heads, kvHeads, perKV, dk, dv, width; // width: floats of a partial result
  Shape(RankedTensorType q, KVType kv)
      : heads(q.getDimSize(1)), kvHeads(kv.getHeads()), perKV(heads / kvHeads), dk(kv.getK()), dv(kv.getV()),
        width(sdpaPartialFloats(dv)) {}
};

template <class Op> Shape shapeOf(Op op) {
  return Shape(cast<RankedTensorType>(op.getQ().getType()), cast<KVType>(op.getState().getType()));
}

Operation *rootOf(Block &body) {
  for (Operation &op : body)
    if (isa<SdpaOp, SdpaSplitOp>(op))
      return &op;
  return nullptr;
}

/// The first split that any key of position `pos` on can be in: later ones only, under a window.
Value firstSplit(KernelBuilder &k, Value pos, int64_t window) {
  if (window == 0)
    return k.i64(0);
  return k.udiv(k.max(k.sub(pos, k.i64(window - 1)), k.i64(0)), kSplitKeys);
}

template <class Op>
void callSplit(KernelBuilder &k, Op op, Value q, Value tokens, Value kvHead, Value pos, Value split, Value end,
               Value partial, Value work) {
  Shape s = shapeOf(op);
  auto kv = cast<KVType>(op.getState().getType());
  int64_t stride = rowStrideBytes(cast<RankedTensorType>(op.getQ().getType())) / 4;
  k.call("sdpa_split",
         {q, k.i64(stride), tokens, k.i64(s.perKV), k.pointer(BindingKind::Pool, op.getState()),
          k.pointer(BindingKind::PageTable), kvHead, k.i64(s.kvHeads), k.i64(s.dk), k.i64(s.dv),
          k.i32(int64_t(kv.getKEncoding().getLayout().kind)), k.toI32(pos), k.toI32(k.mul(split, kSplitKeys)),
          k.toI32(end), k.i32(op.getWindow()), k.f32(op.getScale().convertToFloat()), partial, work});
}

void buildPrefill(KernelBuilder &k, SdpaOp op) {
  Shape s = shapeOf(op);
  auto out = cast<RankedTensorType>(op.getY().getType());
  int64_t stride = rowStrideBytes(cast<RankedTensorType>(op.getQ().getType()));
  int64_t partialBytes = TQ_SDPA_TOKENS * s.perKV * s.width * 4;
  Value acc = k.takeScratch(partialBytes), part = k.takeScratch(partialBytes);
  Value work = k.takeScratch(sdpaScratchBytes(TQ_SDPA_TOKENS, s.perKV, s.dk));
  Value rows = k.rows(), q = k.pointer(BindingKind::Activation, throughReshape(op.getQ()));
  Value positions = k.pointer(BindingKind::Activation, op.getPos());
  k.loop(k.begin, k.end, 1, [&](Value task) {
    Value kvHead = k.urem(task, s.kvHeads), first = k.mul(k.udiv(task, s.kvHeads), TQ_SDPA_TOKENS);
    Value tokens = k.min(k.sub(rows, first), k.i64(TQ_SDPA_TOKENS));
    Value pos = k.toI64(k.loadI32(k.at(positions, k.mul(first, 4))));
    Value keys = k.add(pos, tokens); // those that the last of the tokens sees
    Value qBlock = k.at(k.at(q, k.mul(first, stride)), k.mul(kvHead, s.perKV * s.dk * 4));
    Value results = k.mul(tokens, s.perKV);
    k.loop(k.i64(0), results, 1, [&](Value i) { k.clearPartial(k.at(acc, k.mul(i, s.width * 4)), s.dv); });
    Value splits = k.udiv(k.add(keys, k.i64(kSplitKeys - 1)), kSplitKeys);
    k.loop(firstSplit(k, pos, op.getWindow()), splits, 1, [&](Value split) {
      Value end = k.min(keys, k.mul(k.add(split, k.i64(1)), kSplitKeys));
      callSplit(k, op, qBlock, tokens, kvHead, pos, split, end, part, work);
      k.loop(k.i64(0), results, 1, [&](Value i) {
        Value offset = k.mul(i, s.width * 4);
        k.call("sdpa_merge", {k.at(acc, offset), k.at(part, offset), k.i64(s.dv)});
      });
    });
    k.loop(k.i64(0), tokens, 1, [&](Value token) {
      Value row = k.at(k.output(0), k.mul(k.add(first, token), rowStrideBytes(out)));
      k.loop(k.i64(0), k.i64(s.perKV), 1, [&](Value head) {
        Value from = k.at(acc, k.mul(k.add(k.mul(token, s.perKV), head), s.width * 4));
        Value to = k.at(row, k.mul(k.add(k.mul(kvHead, s.perKV), head), s.dv * 4));
        k.call("sdpa_finish", {from, to, k.i64(s.dv)});
      });
    });
  });
}

void buildSplit(KernelBuilder &k, SdpaSplitOp op) {
  Shape s = shapeOf(op);
  Value work = k.takeScratch(sdpaScratchBytes(1, s.perKV, s.dk));
  Value pos = k.toI64(k.loadI32(k.pointer(BindingKind::Activation, op.getPos())));
  Value q = k.pointer(BindingKind::Activation, throughReshape(op.getQ())), keys = k.add(pos, k.i64(1));
  Value firstVisible = firstSplit(k, pos, op.getWindow());
  k.loop(k.begin, k.end, 1, [&](Value task) {
    Value kvHead = k.urem(task, s.kvHeads), split = k.udiv(task, s.kvHeads);
    Value index = k.add(k.mul(split, s.heads), k.mul(kvHead, s.perKV));
    Value partial = k.at(k.output(0), k.mul(index, s.width * 4));
    // A split before the window contributes nothing, but the merge reads it.
    k.ifThen(k.less(split, firstVisible), [&] {
      k.loop(k.i64(0), k.i64(s.perKV), 1, [&](Value i) { k.clearPartial(k.at(partial, k.mul(i, s.width * 4)), s.dv); });
    });
    k.ifThen(k.less(firstVisible, k.add(split, k.i64(1))), [&] {
      Value end = k.min(keys, k.mul(k.add(split, k.i64(1)), kSplitKeys));
      callSplit(k, op, k.at(q, k.mul(kvHead, s.perKV * s.dk * 4)), k.i64(1), kvHead, pos, split, end, partial, work);
    });
  });
}

class AttentionSkeleton : public Skeleton {
public:
  StringRef name() const override { return "attention"; }
  bool matches(Block &body) const override {
    // Nothing but one root and views of its operands: what follows attention runs by rows.
    Operation *root = rootOf(body);
    return root &&
           llvm::all_of(body.without_terminator(), [&](Operation &op) { return &op == root || isa<ReshapeOp>(op); }) &&
           llvm::all_of(root->getOperands(), [](Value v) { return isa<BlockArgument>(throughReshape(v)); }) &&
           llvm::all_of(root->getOperandTypes(),
                        [](Type type) {
                          auto kv = dyn_cast<KVType>(type);
                          return !kv || isFloatState(kv);
                        }) &&
           body.getTerminator()->getNumOperands() == 1 && body.getTerminator()->getOperand(0) == root->getResult(0);
  }
  LaunchConfig configure(LaunchOp launch, const LaunchFacts &facts, const CostModel &) const override {
    // A task reads at most 256 keys and values of one head, or multiplies 8 tokens with them: enough for a claim each.
    return {launchConfig(launch, facts.kernelRows), 1};
  }
  AffineMap tasks(KernelOp kernel) const override {
    MLIRContext *context = kernel.getContext();
    AffineExpr tokens = getAffineSymbolExpr(0, context), pos = getAffineSymbolExpr(1, context);
    Operation *root = rootOf(kernel.getBody().front());
    if (auto op = dyn_cast<SdpaOp>(root))
      return AffineMap::get(0, 3, tokens.ceilDiv(TQ_SDPA_TOKENS) * shapeOf(op).kvHeads);
    return AffineMap::get(0, 3, (pos + tokens).ceilDiv(kSplitKeys) * shapeOf(cast<SdpaSplitOp>(root)).kvHeads);
  }
  LogicalResult build(KernelOp kernel, ModuleOp module) const override {
    KernelBuilder k(kernel, module);
    Operation *root = rootOf(kernel.getBody().front());
    if (auto op = dyn_cast<SdpaOp>(root))
      buildPrefill(k, op);
    else
      buildSplit(k, cast<SdpaSplitOp>(root));
    k.finish(k.scratchTaken());
    return success();
  }
};
} // namespace

const Skeleton &tq::attentionSkeleton() {
  static const AttentionSkeleton skeleton;
  return skeleton;
}
