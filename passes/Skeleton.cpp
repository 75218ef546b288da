//===- Skeleton.cpp - What the skeletons of all targets share -------------===//

#include "passes/Skeleton.h"
#include "llvm/ADT/EquivalenceClasses.h"

using namespace mlir;
using namespace tq;

const Skeleton *tq::findSkeleton(SkeletonList skeletons, StringRef name) {
  for (const Skeleton *skeleton : skeletons)
    if (skeleton->name() == name)
      return skeleton;
  return nullptr;
}

const Skeleton *tq::skeletonOf(KernelOp kernel, SkeletonList skeletons) {
  const Skeleton *skeleton = findSkeleton(skeletons, kernel.getSkeleton());
  DictionaryAttr config = kernel.getConfig();
  if (!skeleton)
    kernel.emitError() << "this target has no skeleton '" << kernel.getSkeleton() << "'";
  else if (!config.getAs<StringAttr>("rows") || !config.getAs<mlir::IntegerAttr>("max_rows"))
    kernel.emitError() << "its configuration needs rows and max_rows; run --tq-select-kernels first";
  else if (!skeleton->matches(kernel.getBody().front()))
    kernel.emitError() << "the skeleton '" << kernel.getSkeleton() << "' cannot run this kernel";
  else
    return skeleton;
  return nullptr;
}

DictionaryAttr tq::launchConfig(LaunchOp launch, int64_t maxRows) {
  Builder b(launch.getContext());
  return b.getDictionaryAttr(
      {b.getNamedAttr("rows", b.getStringAttr(launch->hasAttr("out_rows") ? "n_out" : "n_tokens")),
       b.getNamedAttr("max_rows", b.getI64IntegerAttr(maxRows))});
}

Value tq::throughReshape(Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getX();
  return value;
}

SmallVector<LinearComponent> tq::linearComponents(Block &body) {
  llvm::EquivalenceClasses<Operation *> classes;
  auto belongs = [](Operation *op) { return op && (isa<LinearOp>(op) || getRole(op) == Role::Pointwise); };
  for (Operation &op : body) {
    if (!belongs(&op))
      continue;
    classes.insert(&op);
    if (getRole(&op) == Role::Pointwise)
      for (Value operand : op.getOperands())
        if (Operation *def = throughReshape(operand).getDefiningOp(); belongs(def))
          classes.unionSets(&op, def);
  }
  SmallVector<LinearComponent> components;
  DenseMap<Operation *, size_t> index;
  for (Operation &op : body) {
    if (!belongs(&op))
      continue;
    auto [it, inserted] = index.try_emplace(classes.getLeaderValue(&op), components.size());
    if (inserted)
      components.emplace_back();
    if (auto linear = dyn_cast<LinearOp>(op))
      components[it->second].linears.push_back(linear);
    else
      components[it->second].epilogue.push_back(&op);
  }
  return components;
}
