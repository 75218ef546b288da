//===- ScheduleSteps.cpp - Launch tables ----------------------------------===//
// Before:  func.func @decode(…) { %y = tq.call @k (%x, %w) {offsets = …}  return %y }
// After:   tq.table @decode … { tq.step @k tasks affine_map<…> [#tq.arena<…>, #tq.plane<@w, "stream">, …] barrier {…} }
// A step waits only if it reads what an earlier one has written since the last barrier, or writes what one reads or writes.
// Expects allocated buffers. Examples: tests/passes/schedule-steps.mlir

#include "passes/Passes.h"
#include "passes/Skeleton.h"

namespace tq {
#define GEN_PASS_DEF_SCHEDULESTEPS
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

SmallVector<KernelBinding> tq::kernelBindings(KernelOp kernel) {
  SmallVector<KernelBinding> bindings;
  Block &body = kernel.getBody().front();
  bool states = false;
  for (BlockArgument arg : body.getArguments()) {
    if (auto packed = dyn_cast<PackedType>(arg.getType())) {
      bindings.push_back({BindingKind::Stream, arg});
      if (packed.getEncoding().getLayout().kind == Layout::Kind::Codebook)
        bindings.push_back({BindingKind::Levels, arg});
    } else if (isa<KVType>(arg.getType())) {
      bindings.push_back({BindingKind::Pool, arg});
      states = true;
    } else {
      auto tensor = cast<RankedTensorType>(arg.getType());
      bool values = tensor.getRank() == 1 && !tensor.isDynamicDim(0);
      bindings.push_back({values ? BindingKind::Values : BindingKind::Activation, arg});
    }
  }
  for (Value value : cast<YieldOp>(body.getTerminator()).getValues())
    bindings.push_back({BindingKind::Activation, value});
  if (states)
    bindings.push_back({BindingKind::PageTable, Value()});
  return bindings;
}

namespace {
/// What a step touches: an arena range or a state.
struct Access {
  int64_t begin, end; // arena bytes; for a state begin = end
  Attribute state;
  bool write;
  bool conflicts(const Access &other) const {
    if (!write && !other.write)
      return false;
    return state || other.state ? state == other.state : begin < other.end && other.begin < end;
  }
};

struct ScheduleStepsPass : tq::impl::ScheduleStepsBase<ScheduleStepsPass> {
  explicit ScheduleStepsPass(SkeletonList skeletons) : skeletons(skeletons) {}
  void runOnOperation() override {
    for (auto func : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (failed(check(func)) || failed(schedule(func)))
        return signalPassFailure();
      func.erase();
    }
  }

private:
  LogicalResult check(func::FuncOp func);
  LogicalResult check(CallOp call);
  LogicalResult schedule(func::FuncOp func);
  ArrayAttr bind(CallOp call, KernelOp kernel, SmallVectorImpl<Access> &accesses);
  ArenaAttr arena(Value value);

  SkeletonList skeletons;
  int64_t maxTokens = 1, maxOut = 1;
};
} // namespace

ArenaAttr ScheduleStepsPass::arena(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    auto offsets = arg.getOwner()->getParentOp()->getAttrOfType<DenseI64ArrayAttr>("tq.input_offsets");
    return ArenaAttr::get(&getContext(), offsets[arg.getArgNumber()], maxTokens * rowStrideBytes(type));
  }
  auto result = cast<OpResult>(value);
  auto call = cast<CallOp>(result.getOwner());
  int64_t rows = call->hasAttr("out_rows") ? maxOut : maxTokens;
  return ArenaAttr::get(&getContext(), (*call.getOffsets())[result.getResultNumber()], rows * rowStrideBytes(type));
}

/// Whether the earlier passes have done their part.
LogicalResult ScheduleStepsPass::check(func::FuncOp func) {
  for (StringRef name : {"tq.arena_bytes", "tq.max_tokens", "tq.max_out"})
    if (!func->getAttrOfType<mlir::IntegerAttr>(name))
      return func.emitError() << "has no arena; run --tq-allocate-buffers first";
  auto offsets = func->getAttrOfType<DenseI64ArrayAttr>("tq.input_offsets");
  if (!llvm::hasSingleElement(func.getBody()) || !offsets || func.getNumArguments() != 2 || offsets.size() != 2 ||
      func.getNumResults() != 1)
    return func.emitError() << "must take ids and positions and give logits";
  auto isValue = [](Value v) { return isa<BlockArgument>(v) || v.getDefiningOp<CallOp>(); };
  for (Operation &op : func.getBody().front()) {
    if (auto call = dyn_cast<CallOp>(op)) {
      if (failed(check(call)))
        return failure();
    } else if (isa<func::ReturnOp>(op) ? !isValue(op.getOperand(0)) : !isa<GetWeightOp, GetStateOp>(op)) {
      return op.emitError() << "is no call of a kernel; run --tq-outline-kernels first";
    }
  }
  return success();
}

LogicalResult ScheduleStepsPass::check(CallOp call) {
  auto kernel = SymbolTable::lookupNearestSymbolFrom<KernelOp>(call, call.getKernelAttr());
  if (!kernel)
    return call.emitError() << call.getKernelAttr() << " is no tq.kernel of this module";
  const Skeleton *skeleton = findSkeleton(skeletons, kernel.getSkeleton());
  if (!skeleton)
    return call.emitError() << "this target has no skeleton '" << kernel.getSkeleton() << "'";
  Block &body = kernel.getBody().front();
  if (!skeleton->matches(body) || !hasLaunchConfig(kernel))
    return call.emitError() << "the skeleton '" << kernel.getSkeleton() << "' cannot run kernel "
                            << call.getKernelAttr();
  auto yield = cast<YieldOp>(body.getTerminator());
  for (Value value : yield.getValues())
    if (isa<BlockArgument>(value))
      return call.emitError() << "kernel " << call.getKernel()
                              << " yields one of its operands, a copy that nobody made";
  if (!call.getOffsets() || call.getOffsets()->size() != call.getNumResults())
    return call.emitError() << "has no arena offsets; run --tq-allocate-buffers first";
  if (body.getNumArguments() != call.getInputs().size() || yield.getValues().getTypes() != call.getResultTypes())
    return call.emitError() << "has operands or results that kernel " << call.getKernelAttr() << " has not";
  for (auto [index, input, arg] : llvm::enumerate(call.getInputs(), body.getArguments())) {
    auto tensor = dyn_cast<RankedTensorType>(arg.getType());
    bool weight = isa<PackedType>(arg.getType()) || (tensor && tensor.getRank() == 1 && !tensor.isDynamicDim(0));
    Operation *def = input.getDefiningOp();
    if (weight   ? !isa_and_nonnull<GetWeightOp>(def)
        : tensor ? def && !isa<CallOp>(def)
                 : !isa_and_nonnull<GetStateOp>(def) || input.getType() != arg.getType())
      return call.emitError() << "operand #" << index << " must come from "
                              << (weight   ? "tq.get_weight"
                                  : tensor ? "a kernel or the function"
                                           : "tq.get_state");
  }
  return success();
}

/// The bindings of a call, and what they touch.
ArrayAttr ScheduleStepsPass::bind(CallOp call, KernelOp kernel, SmallVectorImpl<Access> &accesses) {
  MLIRContext *context = &getContext();
  SmallVector<Attribute> bindings;
  auto writesState = [](BlockArgument arg) {
    return llvm::any_of(arg.getUsers(), [](Operation *user) { return getRole(user) == Role::State; });
  };
  auto plane = [&](Value actual, StringRef name) -> Attribute {
    auto get = actual.getDefiningOp<GetWeightOp>();
    return PlaneAttr::get(context, get.getSymbolAttr(), StringAttr::get(context, name));
  };
  auto addArena = [&](Value value, bool write) {
    ArenaAttr range = arena(value);
    bindings.push_back(range);
    accesses.push_back({range.getOffset(), range.getOffset() + range.getBytes(), {}, write});
  };
  int64_t results = 0;
  for (KernelBinding binding : kernelBindings(kernel)) {
    auto arg = dyn_cast_or_null<BlockArgument>(binding.value);
    switch (binding.kind) {
    case BindingKind::Stream:
      bindings.push_back(plane(call.getInputs()[arg.getArgNumber()], "stream"));
      break;
    case BindingKind::Levels:
      bindings.push_back(plane(call.getInputs()[arg.getArgNumber()], "levels"));
      break;
    case BindingKind::Values:
      bindings.push_back(plane(call.getInputs()[arg.getArgNumber()], "values"));
      break;
    case BindingKind::Pool: {
      auto state = call.getInputs()[arg.getArgNumber()].getDefiningOp<GetStateOp>().getSymbolAttr();
      bindings.push_back(PoolAttr::get(context, state));
      accesses.push_back({0, 0, state, writesState(arg)});
      break;
    }
    case BindingKind::PageTable:
      bindings.push_back(PageTableAttr::get(context));
      break;
    case BindingKind::Activation:
      if (arg)
        addArena(call.getInputs()[arg.getArgNumber()], false);
      else
        addArena(call.getResults()[results++], true);
      break;
    }
  }
  return ArrayAttr::get(context, bindings);
}

LogicalResult ScheduleStepsPass::schedule(func::FuncOp func) {
  maxTokens = func->getAttrOfType<mlir::IntegerAttr>("tq.max_tokens").getInt();
  maxOut = func->getAttrOfType<mlir::IntegerAttr>("tq.max_out").getInt();
  OpBuilder b(func);
  auto port = [&](Value value) -> Attribute {
    ArenaAttr range = arena(value);
    return b.getDenseI64ArrayAttr(
        {range.getOffset(), range.getBytes(), rowStrideBytes(cast<RankedTensorType>(value.getType()))});
  };
  SmallVector<NamedAttribute> inputs, outputs;
  const StringRef names[] = {"ids", "pos"};
  for (auto [name, arg] : llvm::zip(names, func.getArguments()))
    inputs.push_back(b.getNamedAttr(name, port(arg)));
  Operation *ret = func.getBody().front().getTerminator();
  outputs.push_back(b.getNamedAttr("logits", port(ret->getOperand(0))));

  auto table = TableOp::create(b, func.getLoc(), func.getName(), maxTokens, maxOut,
                               func->getAttrOfType<mlir::IntegerAttr>("tq.arena_bytes").getInt(),
                               b.getDictionaryAttr(inputs), b.getDictionaryAttr(outputs));
  Block *body = &table.getBody().emplaceBlock();
  b.setInsertionPointToStart(body);
  SmallVector<Access> pending; // since the last barrier
  for (CallOp call : func.getBody().front().getOps<CallOp>()) {
    auto kernel = SymbolTable::lookupNearestSymbolFrom<KernelOp>(call, call.getKernelAttr());
    const Skeleton *skeleton = findSkeleton(skeletons, kernel.getSkeleton());
    SmallVector<Access> accesses;
    ArrayAttr bindings = bind(call, kernel, accesses);
    bool barrier = llvm::any_of(accesses, [&](const Access &access) {
      return llvm::any_of(pending, [&](const Access &earlier) { return access.conflicts(earlier); });
    });
    if (barrier) {
      pending.clear();
      ++numBarriers;
    }
    pending.append(accesses);
    int64_t weightBytes = 0, flops = 0;
    for (LinearOp linear : kernel.getBody().front().getOps<LinearOp>()) {
      auto packed = cast<PackedType>(linear.getW().getType());
      weightBytes += packed.getEncoding().getLayout().bytes(packed.getRows(), packed.getCols());
      flops += 2 * packed.getRows() * packed.getCols();
    }
    auto grain = call->getAttrOfType<mlir::IntegerAttr>("grain");
    StepOp::create(b, call.getLoc(), call.getKernelAttr(), bindings, AffineMapAttr::get(skeleton->tasks(kernel)),
                   grain ? grain : b.getI64IntegerAttr(1), barrier ? b.getUnitAttr() : UnitAttr(), call.getLabelAttr(),
                   b.getI64IntegerAttr(weightBytes), b.getI64IntegerAttr(flops));
    ++numSteps;
  }
  return success();
}

std::unique_ptr<Pass> tq::createScheduleSteps(SkeletonList skeletons) {
  return std::make_unique<ScheduleStepsPass>(skeletons);
}
