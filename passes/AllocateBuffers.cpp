//===- AllocateBuffers.cpp - An arena offset for every value --------------===//
// Before:  %y = tq.call @k (%x) {label = "…"}
// After:   %y = tq.call @k (%x) {label = "…", offsets = array<i64: 4096>}, and tq.arena_bytes, tq.input_offsets on the function
// First fit over lifetimes in call order. A value lives from its call to its last user; inputs and returned values live
// throughout. No value shares bytes with another that is alive in the same call, so bindings never overlap.
// Examples: tests/passes/allocate-buffers.mlir

#include "passes/Passes.h"

namespace tq {
#define GEN_PASS_DEF_ALLOCATEBUFFERS
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

namespace {
struct Range {
  int64_t offset, bytes;
  int64_t first, last; // calls during which it is alive
};

class Arena {
public:
  int64_t allocate(int64_t bytes, int64_t first, int64_t last) {
    bytes = llvm::alignTo(bytes, 64);
    SmallVector<Range> alive;
    for (const Range &range : ranges)
      if (range.first <= last && first <= range.last)
        alive.push_back(range);
    llvm::sort(alive, [](const Range &a, const Range &b) { return a.offset < b.offset; });
    int64_t offset = 0;
    for (const Range &range : alive) {
      if (offset + bytes <= range.offset)
        break;
      offset = std::max(offset, range.offset + range.bytes);
    }
    ranges.push_back({offset, bytes, first, last});
    size = std::max(size, offset + bytes);
    return offset;
  }
  int64_t size = 0;

private:
  SmallVector<Range> ranges;
};

struct AllocateBuffersPass : tq::impl::AllocateBuffersBase<AllocateBuffersPass> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (failed(allocate(func)))
        return signalPassFailure();
  }

private:
  LogicalResult allocate(func::FuncOp func) {
    auto maxTokens = func->getAttrOfType<mlir::IntegerAttr>("tq.max_tokens");
    auto maxOut = func->getAttrOfType<mlir::IntegerAttr>("tq.max_out");
    if (!maxTokens || !maxOut)
      return func.emitError() << "has no bound for its tokens; run --tq-specialize-entry-points first";
    if (!llvm::hasSingleElement(func.getBody()))
      return func.emitError() << "must have a body of one block";
    Block &block = func.getBody().front();
    DenseMap<Operation *, int64_t> time;
    int64_t now = 0;
    for (Operation &op : block)
      time[&op] = now++;
    int64_t tokens = maxTokens.getInt(), out = maxOut.getInt();
    auto isTensor = [](Value value) { return isa<RankedTensorType>(value.getType()); };
    if (!llvm::all_of(block.getArguments(), isTensor))
      return func.emitError() << "takes something that is no tensor: the arena holds activations only";

    Arena arena;
    Builder b(&getContext());
    SmallVector<int64_t> inputs;
    for (BlockArgument arg : block.getArguments())
      inputs.push_back(arena.allocate(tokens * rowStrideBytes(cast<RankedTensorType>(arg.getType())), 0, now));
    for (CallOp call : block.getOps<CallOp>()) {
      if (!llvm::all_of(call.getResults(), isTensor))
        return call.emitError() << "gives something that is no tensor: the arena holds activations only";
      SmallVector<int64_t> offsets;
      for (Value result : call.getResults()) {
        int64_t last = time[call];
        for (Operation *user : result.getUsers())
          last = std::max(last, time[user]);
        int64_t rows = call->hasAttr("out_rows") ? out : tokens;
        offsets.push_back(
            arena.allocate(rows * rowStrideBytes(cast<RankedTensorType>(result.getType())), time[call], last));
      }
      call.setOffsetsAttr(b.getDenseI64ArrayAttr(offsets));
    }
    func->setAttr("tq.arena_bytes", b.getI64IntegerAttr(arena.size));
    func->setAttr("tq.input_offsets", b.getDenseI64ArrayAttr(inputs));
    if (uint64_t(arena.size) > arenaBytes)
      arenaBytes = arena.size;
    return success();
  }
};
} // namespace
