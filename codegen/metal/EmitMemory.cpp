//===- EmitMemory.cpp - Addresses -----------------------------------------===//
// A memref is a pointer to its first element; its indices become one 32-bit offset, as a binding has fewer than 2^31 elements.

#include "codegen/metal/KernelPrinter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tq::msl {

StringRef KernelPrinter::addressSpace(Value memref) {
  auto argument = cast<BlockArgument>(memref);
  unsigned number = argument.getArgNumber(), inputs = func.getFunctionType().getNumInputs();
  if (number < inputs)
    return func.getArgAttr(number, "tq.params") ? "constant" : "device";
  return number < inputs + func.getNumWorkgroupAttributions() ? "threadgroup" : "thread";
}

Expr KernelPrinter::offset(MemRefType type, ValueRange indices) {
  Expr sum{""};
  auto add = [&](const Expr &term) {
    sum = sum.text.empty() ? term : binary(sum, "+", Precedence::Additive, term, /*regroups=*/true);
  };
  int64_t stride = type.getNumElements(), constants = 0;
  for (auto [index, size] : llvm::zip_equal(indices, type.getShape())) {
    stride /= size;
    IntegerAttr constant;
    if (matchPattern(index, m_Constant(&constant))) {
      constants += constant.getValue().getSExtValue() * stride;
      continue;
    }
    Expr term = expression(index);
    add(stride == 1 ? term : binary(term, "*", Precedence::Multiplicative, unsignedLiteral(stride), true));
  }
  if (constants != 0 && sum.text.empty())
    return unsignedLiteral(static_cast<uint32_t>(constants));
  if (constants > 0)
    add(unsignedLiteral(constants));
  if (constants < 0)
    sum = binary(sum, "-", Precedence::Additive, unsignedLiteral(-constants), true);
  return sum;
}

Expr KernelPrinter::element(Value memref, ValueRange indices) {
  Expr index = offset(cast<MemRefType>(memref.getType()), indices);
  return {variables[memref] + "[" + (index.text.empty() ? "0" : index.text) + "]"};
}

Expr KernelPrinter::pointer(Value memref, ValueRange indices) {
  Expr index = offset(cast<MemRefType>(memref.getType()), indices);
  Expr base{variables[memref]};
  // The pointer comes first, then integers, which may be summed in any order.
  return index.text.empty() ? base : binary(base, "+", Precedence::Additive, index, index.regroups);
}

Expr KernelPrinter::vectorElement(Value memref, ValueRange indices, Type type, bool isConst) {
  std::string cast = "(" + addressSpace(memref).str() + (isConst ? " const " : " ") + typeName(type) + "*)";
  return {"*" + cast + parenthesize(pointer(memref, indices), Precedence::Unary), Precedence::Unary};
}

/// Whether a 32-bit value is non-negative when read as signed. Sums and products of indices do not overflow: they stay within
/// a binding, which has fewer than 2^31 elements.
bool KernelPrinter::isNonNegative(Value value, unsigned depth) {
  if (depth > 8)
    return false;
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return constant.isNonNegative();
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    return loop && argument == loop.getInductionVar() && isNonNegative(loop.getLowerBound(), depth + 1);
  }
  Operation *op = value.getDefiningOp();
  auto all = [&](ValueRange values) {
    return llvm::all_of(values, [&](Value v) { return isNonNegative(v, depth + 1); });
  };
  if (isa<gpu::LaneIdOp, gpu::ThreadIdOp, gpu::BlockIdOp, gpu::BlockDimOp, gpu::GridDimOp, arith::IndexCastUIOp,
          arith::ExtUIOp>(op))
    return true;
  if (isa<arith::AddIOp, arith::MulIOp>(op) && value.getType().isIndex())
    return all(op->getOperands());
  if (isa<arith::DivUIOp, arith::ShRUIOp>(op))
    return isNonNegative(op->getOperand(0), depth + 1);
  if (isa<arith::MinUIOp, arith::RemUIOp, arith::AndIOp, arith::MaxSIOp>(op))
    return isNonNegative(op->getOperand(0), depth + 1) || isNonNegative(op->getOperand(1), depth + 1);
  if (isa<arith::MaxUIOp, arith::MinSIOp>(op))
    return all(op->getOperands());
  if (isa<arith::SelectOp>(op))
    return all(op->getOperands().drop_front());
  return false;
}

} // namespace tq::msl
