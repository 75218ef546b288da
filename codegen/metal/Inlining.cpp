//===- Inlining.cpp - Which values are printed where they are used --------===//
// The text evaluates an inlined value later than the IR does. That is harmless for what is pure: its operands are immutable, or
// variables of a loop that change only when the body has ended. It matters for loads, which must not pass a store or a barrier.

#include "codegen/metal/KernelPrinter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace tq::msl {

static bool isLoad(Operation *op) { return isa<memref::LoadOp, vector::LoadOp>(op); }

bool KernelPrinter::isExpression(Operation *op) {
  if (isa<gpu::ShuffleOp, vector::InsertOp, gpu::SubgroupMmaConstantMatrixOp, gpu::SubgroupMmaComputeOp>(op))
    return false;
  return op->getNumRegions() == 0 && op->getNumResults() > 0 && (isLoad(op) || isMemoryEffectFree(op)) &&
         !isa<gpu::SubgroupReduceOp>(op);
}

/// Whether memory may differ after the op, or other threads may have come by.
static bool mayWrite(Operation *op) {
  if (op->getNumRegions())
    return op
        ->walk([&](Operation *inner) {
          return inner != op && mayWrite(inner) ? WalkResult::interrupt() : WalkResult::advance();
        })
        .wasInterrupted();
  if (isLoad(op) || isa<gpu::SubgroupMmaLoadMatrixOp>(op) || op->hasTrait<OpTrait::IsTerminator>())
    return false;
  return !isMemoryEffectFree(op);
}

static Operation *enclosingLoop(Operation *op) {
  Operation *parent = op->getParentOp();
  while (parent && !isa<scf::ForOp, scf::WhileOp, gpu::GPUFuncOp>(parent))
    parent = parent->getParentOp();
  return parent;
}

/// Whether the op costs nothing, so that it may be printed many times as long as its operand is short.
static bool isFree(Operation *op) {
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(op)) {
    auto width = [](Type type) { return type.isIndex() ? 32 : type.getIntOrFloatBitWidth(); };
    return width(op->getOperand(0).getType()) == width(op->getResult(0).getType());
  }
  if (auto extract = dyn_cast<vector::ExtractOp>(op))
    return !extract.hasDynamicPosition();
  if (auto broadcast = dyn_cast<vector::BroadcastOp>(op))
    return broadcast.getResultVectorType().getNumElements() == 1;
  return isa<vector::ToElementsOp>(op);
}

/// Ops that print an operand more than once.
static bool repeatsOperands(Operation *op) { return isa<vector::ShuffleOp, vector::ToElementsOp>(op); }

OpOperand &KernelPrinter::evaluatingUse(Operation *op) {
  OpOperand *use = &*op->use_begin();
  while (isExpression(use->getOwner()) && use->getOwner()->hasOneUse() && isInlined(use->getOwner()))
    use = &*use->getOwner()->use_begin();
  return *use;
}

bool KernelPrinter::isInlined(Operation *op) {
  if (auto found = inlined.find(op); found != inlined.end())
    return found->second;
  auto decide = [&] {
    if (isa<gpu::LaneIdOp, gpu::ThreadIdOp, gpu::BlockIdOp, gpu::BlockDimOp, gpu::GridDimOp>(op))
      return true;
    if (op->hasTrait<OpTrait::ConstantLike>())
      return !isa<VectorType>(op->getResult(0).getType()) || op->hasOneUse() ||
             cast<DenseElementsAttr>(cast<arith::ConstantOp>(op).getValue()).isSplat();
    if (isFree(op)) {
      Value source = op->getOperand(0);
      if (isNamed(source) || (source.getDefiningOp() && source.getDefiningOp()->hasTrait<OpTrait::ConstantLike>()))
        return true;
      if (isa<vector::ToElementsOp>(op))
        return true; // its operand is named, as it is repeated
    }
    if (!op->hasOneUse())
      return false;
    if (repeatsOperands(*op->user_begin()))
      return false;
    OpOperand &use = evaluatingUse(op);
    Operation *point = use.getOwner();
    if (enclosingLoop(point) != enclosingLoop(op))
      return false;
    if (!isLoad(op))
      return true;
    // A loop's bound and step are evaluated once in the IR and every time in the text.
    if (isa<scf::ForOp>(point) && (use.getOperandNumber() == 1 || use.getOperandNumber() == 2))
      return false;
    if (point->getBlock() != op->getBlock())
      return false;
    for (Operation *between = op->getNextNode(); between != point; between = between->getNextNode())
      if (mayWrite(between))
        return false;
    return true;
  };
  bool result = decide();
  inlined[op] = result;
  return result;
}

bool KernelPrinter::reads(Value value, Value variable) {
  if (value == variable)
    return true;
  if (isNamed(value))
    return isNamed(variable) && variables[value] == variables[variable];
  Operation *op = value.getDefiningOp();
  return op && llvm::any_of(op->getOperands(), [&](Value operand) { return reads(operand, variable); });
}

} // namespace tq::msl
