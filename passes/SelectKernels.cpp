//===- SelectKernels.cpp - A skeleton and a configuration per launch ------===//
// Before:  %y = tq.launch "layers.0.o" (…) { … }
// After:   %y = tq.launch "layers.0.o" (…) skeleton "linear" {max_rows = 1, rows = "n_tokens"} { … } {grain = 4}
// Examples: tests/passes/select-kernels.mlir

#include "passes/Passes.h"
#include "passes/Skeleton.h"

namespace tq {
#define GEN_PASS_DEF_SELECTKERNELS
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

double tq::chunkedCost(const CostModel &model, int64_t tasks, double microsPerTask, int64_t grain) {
  int64_t chunks = (tasks + grain - 1) / grain;
  int64_t perWorker = (chunks + model.workers - 1) / model.workers;
  // The last chunk of the busiest worker may be short, hence the min. Workers neither start nor run alike: on average the
  // others wait for half a chunk of the last one.
  return double(std::min(perWorker * grain, tasks)) * microsPerTask + double(perWorker) * model.claimMicros +
         (chunks > 1 ? 0.5 * double(grain) * microsPerTask : 0.0);
}

int64_t tq::bestGrain(const CostModel &model, int64_t tasks, double microsPerTask) {
  int64_t best = 1;
  for (int64_t grain = 1; grain <= tasks; grain *= 2)
    // Where costs are within a percent prefer the smaller grain: it balances better when a core is busy elsewhere.
    if (chunkedCost(model, tasks, microsPerTask, grain) < 0.99 * chunkedCost(model, tasks, microsPerTask, best))
      best = grain;
  return best;
}

namespace {
struct SelectKernelsPass : tq::impl::SelectKernelsBase<SelectKernelsPass> {
  SelectKernelsPass(SkeletonList skeletons, CostModel model) : skeletons(skeletons), model(model) {}
  void runOnOperation() override {
    // Kernels for several rows serve every entry point that has several.
    int64_t manyTokens = 1, manyOut = 1;
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (auto tokens = func->getAttrOfType<mlir::IntegerAttr>("tq.max_tokens"))
        manyTokens = std::max(manyTokens, tokens.getInt());
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (auto out = func->getAttrOfType<mlir::IntegerAttr>("tq.max_out"))
        manyOut = std::max(manyOut, out.getInt());
    Builder b(&getContext());
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      auto tokens = func->getAttrOfType<mlir::IntegerAttr>("tq.max_tokens");
      auto out = func->getAttrOfType<mlir::IntegerAttr>("tq.max_out");
      if (!tokens || !out) {
        func.emitError() << "has no bound for its tokens; run --tq-specialize-entry-points first";
        return signalPassFailure();
      }
      WalkResult result = func.walk([&](LaunchOp launch) {
        bool head = launch->hasAttr("out_rows");
        LaunchFacts facts;
        facts.rows = head ? out.getInt() : tokens.getInt();
        facts.kernelRows = facts.rows == 1 ? 1 : head ? manyOut : manyTokens;
        for (const Skeleton *skeleton : skeletons)
          if (skeleton->matches(launch.getBody().front())) {
            launch.setSkeleton(skeleton->name());
            LaunchConfig chosen = skeleton->configure(launch, facts, model);
            launch.setConfigAttr(chosen.config);
            launch->setAttr("grain", b.getI64IntegerAttr(chosen.grain));
            return WalkResult::advance();
          }
        InFlightDiagnostic error = launch.emitError() << "no skeleton of this target can run the launch";
        for (Operation &op : launch.getBody().front())
          if (getRole(&op) == Role::Root) {
            error << " of " << op.getName();
            break;
          }
        for (Value input : launch.getInputs())
          if (auto state = input.getDefiningOp<GetStateOp>())
            if (auto kv = dyn_cast<KVType>(state.getType()); kv && !isFloatState(kv))
              error << "; state " << state.getSymbolAttr() << " holds keys as " << kv.getKEncoding()
                    << " and values as " << kv.getVEncoding()
                    << ", but kernels need both as f16 or both as f32: choose with k and v of --tq-encode-states";
        return WalkResult::interrupt();
      });
      if (result.wasInterrupted())
        return signalPassFailure();
    }
  }

private:
  SkeletonList skeletons;
  CostModel model;
};
} // namespace

std::unique_ptr<Pass> tq::createSelectKernels(SkeletonList skeletons, CostModel model) {
  return std::make_unique<SelectKernelsPass>(skeletons, model);
}
