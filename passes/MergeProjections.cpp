//===- MergeProjections.cpp - Launches side by side become one ------------===//
// Before:  %q = tq.launch (%x, %wq) { tq.linear }   %k = tq.launch (%x, %wk) { tq.linear }
// After:   %q, %k = tq.launch (%x, %wq, %wk) { tq.linear; tq.linear }
// Two linear launches merge if neither needs the other, or if the second reads the first only in its epilogue (gate, then
// up with the GLU). Two row launches merge whenever all else the second needs is there: their tasks are tokens, and a
// token's later ops see its earlier ones.
// Examples: tests/passes/merge-projections.mlir

#include "passes/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace tq {
#define GEN_PASS_DEF_MERGEPROJECTIONS
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

static bool isLinear(LaunchOp launch) {
  return llvm::any_of(launch.getBody().front(), [](Operation &op) { return isa<LinearOp>(op); });
}
static bool hasRoot(LaunchOp launch) {
  return llvm::any_of(launch.getBody().front(), [](Operation &op) { return getRole(&op) == Role::Root; });
}

/// Whether every use of `a`'s results in `b` is a pointwise op on a whole tile: b then needs no barrier after a.
static bool readsOnlyInEpilogue(LaunchOp a, LaunchOp b) {
  for (auto [input, arg] : llvm::zip(b.getInputs(), b.getBody().getArguments()))
    if (input.getDefiningOp() == a)
      for (Operation *user : arg.getUsers())
        if (getRole(user) != Role::Pointwise || arg.getType() != user->getResult(0).getType())
          return false;
  return true;
}

/// The launch (or other op) that makes the activation of the first linear; null if that is an argument of the function.
static Operation *activationSource(LaunchOp launch) {
  LinearOp first = *launch.getBody().front().getOps<LinearOp>().begin();
  auto arg = dyn_cast<BlockArgument>(first.getX());
  return arg ? launch.getInputs()[arg.getArgNumber()].getDefiningOp() : nullptr;
}

static bool touchesState(LaunchOp launch) {
  return llvm::any_of(launch.getInputs(), [](Value v) { return isa<KVType>(v.getType()); });
}

/// Whether `b` can run where `a` stands. Both are in one block, a first.
static bool canMerge(LaunchOp a, LaunchOp b) {
  if (a->hasAttr("out_rows") != b->hasAttr("out_rows"))
    return false;
  bool dependent = false;
  for (Value input : b.getInputs()) {
    Operation *def = input.getDefiningOp();
    if (def == a)
      dependent = true;
    else if (def && def->getBlock() == a->getBlock() && !isa<GetWeightOp, GetStateOp>(def) && !def->isBeforeInBlock(a))
      return false;
  }
  if (isLinear(a) && isLinear(b))
    return activationSource(a) == activationSource(b) && (!dependent || readsOnlyInEpilogue(a, b));
  if (hasRoot(a) || hasRoot(b))
    return false;
  if (!touchesState(b))
    return true;
  // A state op must not pass another launch that touches a state.
  for (Operation *op = a->getNextNode(); op != b; op = op->getNextNode())
    if (auto between = dyn_cast<LaunchOp>(op); between && touchesState(between))
      return false;
  return true;
}

static LaunchOp merge(LaunchOp a, LaunchOp b) {
  OpBuilder builder(a);
  llvm::SetVector<Value> inputs(a.getInputs().begin(), a.getInputs().end());
  for (Value input : b.getInputs())
    if (input.getDefiningOp() != a)
      inputs.insert(input);
  // Weights and handles of b may be read below a.
  for (Value input : b.getInputs())
    if (Operation *def = input.getDefiningOp();
        def && isa<GetWeightOp, GetStateOp>(def) && def->getBlock() == a->getBlock() && !def->isBeforeInBlock(a))
      def->moveBefore(a);

  Block *body = new Block;
  IRMapping map;
  for (Value input : inputs)
    map.map(input, body->addArgument(input.getType(), input.getLoc()));
  builder.setInsertionPointToStart(body);
  auto clone = [&](LaunchOp launch) {
    for (auto [input, arg] : llvm::zip(launch.getInputs(), launch.getBody().getArguments()))
      map.map(arg, map.lookup(input));
    for (Operation &op : launch.getBody().front().without_terminator())
      builder.clone(op, map);
    auto yield = cast<YieldOp>(launch.getBody().front().getTerminator());
    for (auto [result, value] : llvm::zip(launch.getResults(), yield.getValues()))
      map.map(result, map.lookup(value));
  };
  clone(a);
  clone(b);
  SmallVector<Value> oldResults, yielded;
  for (Value result : a.getResults())
    if (llvm::any_of(result.getUsers(), [&](Operation *user) { return user != b; })) {
      oldResults.push_back(result);
      yielded.push_back(map.lookup(result));
    }
  for (Value result : b.getResults()) {
    oldResults.push_back(result);
    yielded.push_back(map.lookup(result));
  }
  YieldOp::create(builder, b.getLoc(), yielded);

  builder.setInsertionPoint(a);
  auto merged =
      LaunchOp::create(builder, FusedLoc::get(a.getContext(), {a.getLoc(), b.getLoc()}), TypeRange(ValueRange(yielded)),
                       inputs.getArrayRef(), a.getLabelAttr(), StringAttr(), DictionaryAttr());
  merged.getBody().push_back(body);
  if (a->hasAttr("out_rows"))
    merged->setAttr("out_rows", builder.getUnitAttr());
  for (auto [old, result] : llvm::zip(oldResults, merged.getResults()))
    old.replaceAllUsesWith(result);
  b.erase();
  a.erase();
  return merged;
}

namespace {
struct MergeProjectionsPass : tq::impl::MergeProjectionsBase<MergeProjectionsPass> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      for (Block &block : func.getBody())
        while (mergeOnce(block))
          ++numMerged;
  }

private:
  // Only launches near each other can be siblings: a window, and going on near the last merge, keep the comparisons
  // linear in the depth of the model. (The list of launches is made anew for each merge, which costs nothing beside.)
  static constexpr int kWindow = 8;
  SmallVector<LaunchOp> launches;

  bool mergeOnce(Block &block) {
    launches = llvm::to_vector(block.getOps<LaunchOp>());
    for (size_t i = start; i < launches.size(); ++i)
      for (size_t j = i + 1; j < std::min(launches.size(), i + kWindow); ++j)
        if (canMerge(launches[i], launches[j])) {
          merge(launches[i], launches[j]);
          start = i > kWindow ? i - kWindow : 0;
          return true;
        }
    start = 0;
    return false;
  }
  size_t start = 0;
};
} // namespace
