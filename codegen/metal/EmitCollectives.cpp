//===- EmitCollectives.cpp - Reductions, matrices, atomics, components ----===//
// Statements that are more than an assignment: what a simdgroup does together, and what changes a variable in place.

#include "codegen/metal/KernelPrinter.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tq::msl {

void KernelPrinter::takeOver(Value result, Value value) {
  Operation *op = result.getDefiningOp();
  bool isLastReader = value.hasOneUse() && isNamed(value) && value.getParentBlock() == op->getBlock();
  if (isLastReader) {
    variables[result] = variables[value];
    return;
  }
  std::string text = expression(value).text;
  declare(result) << " = " << text << ";\n";
}

/// The sum over a cluster is a butterfly: after the step with mask m, every lane holds the result of the lanes that differ from it
/// in no bit above m. The order is fixed, and the same that the shuffles of the other back ends have.
void KernelPrinter::printReduce(gpu::SubgroupReduceOp reduce) {
  if (reduce.use_empty())
    return;
  Type type = reduce.getType();
  StringRef function, anyOrder;
  bool isSigned = false, isSum = false;
  switch (reduce.getOp()) {
  case gpu::AllReduceOperation::ADD:
    isSum = true;
    anyOrder = "simd_sum";
    break;
  case gpu::AllReduceOperation::MAXNUMF:
    function = "fmax", anyOrder = "simd_max";
    break;
  case gpu::AllReduceOperation::MINNUMF:
    function = "fmin", anyOrder = "simd_min";
    break;
  case gpu::AllReduceOperation::MAXSI:
    isSigned = true;
    [[fallthrough]];
  case gpu::AllReduceOperation::MAXUI:
    function = "max", anyOrder = "simd_max";
    break;
  case gpu::AllReduceOperation::MINSI:
    isSigned = true;
    [[fallthrough]];
  default: // MINUI: verify-kernels lets no other through
    function = "min", anyOrder = "simd_min";
    break;
  }
  std::string value = expression(reduce.getValue()).text;
  uint32_t size = reduce.getClusterSize().value_or(32), stride = reduce.getClusterStride();
  if (reduce->hasAttr("tq.any_order") && size == 32 && !isSigned) {
    declare(reduce.getResult()) << " = " << anyOrder << "(" << value << ");\n";
    return;
  }
  declare(reduce.getResult()) << " = " << value << ";\n";
  const std::string &name = variables[reduce.getResult()];
  std::string cast = isSigned ? typeName(type, true) : "";
  auto asSigned = [&](const std::string &text) { return isSigned ? cast + "(" + text + ")" : text; };
  for (uint32_t mask = stride; mask < stride * size; mask *= 2) {
    std::string other = "simd_shuffle_xor(" + name + ", " + llvm::utostr(mask) + "u)";
    if (isSum)
      line() << name << " += " << other << ";\n";
    else
      line() << name << " = " << (isSigned ? typeName(type) + "(" : "") << function << "(" << asSigned(name) << ", "
             << asSigned(other) << ")" << (isSigned ? ")" : "") << ";\n";
  }
}

void KernelPrinter::printInsert(vector::InsertOp insert) {
  if (insert.use_empty())
    return;
  std::string value = expression(insert.getValueToStore()).text, component;
  if (insert.hasDynamicPosition())
    component = "[" + expression(insert.getDynamicPosition()[0]).text + "]";
  else
    component = std::string(".") + "xyzw"[insert.getStaticPosition()[0]];
  takeOver(insert.getResult(), insert.getDest());
  line() << variables[insert.getResult()] << component << " = " << value << ";\n";
}

void KernelPrinter::printAtomic(memref::AtomicRMWOp atomic) {
  Type type = atomic.getType();
  StringRef function;
  bool isSigned = false;
  switch (atomic.getKind()) {
  case arith::AtomicRMWKind::addf:
  case arith::AtomicRMWKind::addi:
    function = "add";
    break;
  case arith::AtomicRMWKind::maxs:
    isSigned = true;
    [[fallthrough]];
  case arith::AtomicRMWKind::maxu:
    function = "max";
    break;
  case arith::AtomicRMWKind::mins:
    isSigned = true;
    [[fallthrough]];
  case arith::AtomicRMWKind::minu:
    function = "min";
    break;
  case arith::AtomicRMWKind::andi:
    function = "and";
    break;
  default: // ori: verify-kernels lets no other through
    function = "or";
    break;
  }
  std::string atomicType = "atomic_" + typeName(type, isSigned);
  std::string target = "(" + addressSpace(atomic.getMemref()).str() + " " + atomicType + "*)" +
                       parenthesize(pointer(atomic.getMemref(), atomic.getIndices()), Precedence::Unary);
  std::string value = isSigned ? signedExpression(atomic.getValue()).text : expression(atomic.getValue()).text;
  std::string text =
      "atomic_fetch_" + function.str() + "_explicit(" + target + ", " + value + ", memory_order_relaxed)";
  if (atomic.use_empty())
    line() << text << ";\n";
  else
    declare(atomic.getResult()) << " = " << (isSigned ? typeName(type) + "(" + text + ")" : text) << ";\n";
}

//===-- matrices ------------------------------------------------------------------------------------------------===//

/// Elements from one row to the next, and how a transposed access ends the argument list.
static std::string rows(const APInt &leadDimension, bool transpose) {
  return llvm::utostr(leadDimension.getZExtValue()) + "u" + (transpose ? ", ulong2(0), true" : "");
}

void KernelPrinter::printMatrixLoad(gpu::SubgroupMmaLoadMatrixOp load) {
  if (load.use_empty())
    return;
  std::string source = pointer(load.getSrcMemref(), load.getIndices()).text;
  declare(load.getRes()) << ";\n";
  line() << "simdgroup_load(" << variables[load.getRes()] << ", " << source << ", "
         << rows(load.getLeadDimension(), load.getTranspose().value_or(false)) << ");\n";
}

void KernelPrinter::printMatrixStore(gpu::SubgroupMmaStoreMatrixOp store) {
  std::string target = pointer(store.getDstMemref(), store.getIndices()).text;
  line() << "simdgroup_store(" << expression(store.getSrc()).text << ", " << target << ", "
         << rows(store.getLeadDimension(), store.getTranspose().value_or(false)) << ");\n";
}

void KernelPrinter::printMatrixCompute(gpu::SubgroupMmaComputeOp compute) {
  if (compute.use_empty())
    return;
  std::string a = expression(compute.getOpA()).text, b = expression(compute.getOpB()).text;
  std::string c = expression(compute.getOpC()).text;
  if (compute.getOpC().hasOneUse() && compute.getOpC().getParentBlock() == compute->getBlock())
    takeOver(compute.getRes(), compute.getOpC());
  else
    declare(compute.getRes()) << ";\n";
  line() << "simdgroup_multiply_accumulate(" << variables[compute.getRes()] << ", " << a << ", " << b << ", " << c
         << ");\n";
}

} // namespace tq::msl
