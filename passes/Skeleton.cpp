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

/// The skeleton that builds a scheduled kernel; null, with an error on it, if none can.
static const Skeleton *skeletonOf(KernelOp kernel, SkeletonList skeletons) {
  const Skeleton *skeleton = findSkeleton(skeletons, kernel.getSkeleton());
  if (!skeleton)
    kernel.emitError() << "this target has no skeleton '" << kernel.getSkeleton() << "'";
  else if (!hasLaunchConfig(kernel))
    kernel.emitError() << "its configuration needs rows and max_rows; run --tq-select-kernels first";
  else if (!skeleton->matches(kernel.getBody().front()))
    kernel.emitError() << "the skeleton '" << kernel.getSkeleton() << "' cannot run this kernel";
  else
    return skeleton;
  return nullptr;
}

LogicalResult tq::buildKernels(ModuleOp module, SkeletonList skeletons) {
  for (KernelOp kernel : llvm::make_early_inc_range(module.getOps<KernelOp>())) {
    const Skeleton *skeleton = skeletonOf(kernel, skeletons);
    if (!skeleton || failed(skeleton->build(kernel, module)))
      return failure();
    kernel.erase();
  }
  return success();
}

DictionaryAttr tq::launchConfig(LaunchOp launch, int64_t maxRows) {
  Builder b(launch.getContext());
  return b.getDictionaryAttr(
      {b.getNamedAttr("rows", b.getStringAttr(launch->hasAttr("out_rows") ? "n_out" : "n_tokens")),
       b.getNamedAttr("max_rows", b.getI64IntegerAttr(maxRows))});
}

int64_t tq::maxRows(KernelOp kernel) { return kernel.getConfig().getAs<mlir::IntegerAttr>("max_rows").getInt(); }

unsigned tq::rowsParam(KernelOp kernel) {
  return kernel.getConfig().getAs<StringAttr>("rows").getValue() == "n_out" ? 2 : 0;
}

bool tq::hasLaunchConfig(KernelOp kernel) {
  DictionaryAttr config = kernel.getConfig();
  return config.getAs<StringAttr>("rows") && config.getAs<mlir::IntegerAttr>("max_rows");
}

bool tq::isFloatState(KVType state) {
  Layout::Kind kind = state.getKEncoding().getLayout().kind;
  return state.getKEncoding() == state.getVEncoding() &&
         (kind == Layout::Kind::DenseF32 || kind == Layout::Kind::DenseF16);
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

bool tq::isLinearRegion(Block &body, function_ref<bool(Operation *)> knowsPointwise) {
  auto inTile = [](Value v) { return !v.getDefiningOp<ReshapeOp>(); };
  for (Operation &op : body.without_terminator()) {
    if (auto linear = dyn_cast<LinearOp>(op)) {
      if (!isa<PackedType>(linear.getW().getType()) || !isa<BlockArgument>(linear.getW()) ||
          !isa<BlockArgument>(throughReshape(linear.getX())))
        return false;
    } else if (!isa<ReshapeOp>(op) && (!knowsPointwise(&op) || !llvm::all_of(op.getOperands(), inTile))) {
      return false;
    }
  }
  SmallVector<LinearComponent> components = linearComponents(body);
  return !components.empty() && llvm::all_of(body.getTerminator()->getOperands(), inTile) &&
         llvm::none_of(components, [](LinearComponent &component) { return component.linears.empty(); });
}
