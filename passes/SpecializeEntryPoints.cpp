//===- SpecializeEntryPoints.cpp - decode, verify and prefill -------------===//
// Before:  func.func @forward(%ids, %pos)
// After:   @decode (1 token), @verify (up to 8), @prefill (up to `chunk`), with attributes tq.max_tokens and tq.max_out.
//          In decode: %y = tq.sdpa …  ->  %p = tq.sdpa_split …   %y = tq.sdpa_merge %p
// A prefill has heads x tokens to spread over cores, a single token only its KV heads: decode splits the keys as well.
// Examples: tests/passes/specialize-entry-points.mlir

#include "passes/Passes.h"

namespace tq {
#define GEN_PASS_DEF_SPECIALIZEENTRYPOINTS
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

namespace {
struct SpecializeEntryPointsPass : tq::impl::SpecializeEntryPointsBase<SpecializeEntryPointsPass> {
  using SpecializeEntryPointsBase::SpecializeEntryPointsBase;
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto forward = module.lookupSymbol<func::FuncOp>("forward");
    if (!forward) {
      module.emitError("has no func.func @forward to specialise");
      return signalPassFailure();
    }
    if (chunk < 1 || maxOut < 1 || context < 1) {
      module.emitError("chunk, max-out and context must be positive");
      return signalPassFailure();
    }
    OpBuilder b(forward);
    struct Entry {
      StringRef name;
      int64_t tokens;
    };
    for (Entry entry : {Entry{"decode", 1}, Entry{"verify", 8}, Entry{"prefill", chunk}}) {
      auto func = cast<func::FuncOp>(b.clone(*forward));
      func.setName(entry.name);
      func->setAttr("tq.max_tokens", b.getI64IntegerAttr(entry.tokens));
      func->setAttr("tq.max_out", b.getI64IntegerAttr(std::min<int64_t>(entry.tokens, maxOut)));
      if (entry.tokens == 1)
        func.walk([&](SdpaOp sdpa) { split(sdpa); });
    }
    forward.erase();
  }

private:
  void split(SdpaOp sdpa) {
    OpBuilder b(sdpa);
    auto q = cast<RankedTensorType>(sdpa.getQ().getType());
    auto kv = cast<KVType>(sdpa.getState().getType());
    int64_t splits = (context + kSplitKeys - 1) / kSplitKeys;
    auto type = RankedTensorType::get({q.getDimSize(0), splits, q.getDimSize(1), sdpaPartialFloats(kv.getV())},
                                      q.getElementType());
    Value partial = SdpaSplitOp::create(b, sdpa.getLoc(), type, sdpa.getQ(), sdpa.getState(), sdpa.getPos(),
                                        sdpa.getScaleAttr(), sdpa.getWindowAttr());
    Value y = SdpaMergeOp::create(b, sdpa.getLoc(), sdpa.getType(), partial, sdpa.getPos());
    sdpa.replaceAllUsesWith(y);
    sdpa.erase();
  }
};
} // namespace
