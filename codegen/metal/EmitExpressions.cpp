//===- EmitExpressions.cpp - Ops that are expressions ---------------------===//
// Integers are unsigned: index and i32 are uint. A signed op casts its operands and its result. C++ computes with integers
// narrower than int as int, so results of 8 and 16 bits are cast back. Addresses: EmitMemory.cpp.

#include "codegen/metal/KernelPrinter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tq::msl {

/// Scalars for which C++ arithmetic gives int.
static bool isPromoted(Type type) {
  auto integer = dyn_cast<IntegerType>(type);
  return integer && integer.getWidth() < 32 && integer.getWidth() > 1;
}

static bool isVector(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector && vector.getNumElements() > 1;
}

Expr KernelPrinter::expression(Value value) {
  if (auto named = variables.find(value); named != variables.end())
    return {named->second};
  auto result = cast<OpResult>(value);
  return compute(result.getOwner(), result.getResultNumber());
}

Expr KernelPrinter::signedExpression(Value value) {
  Attribute constant;
  if (matchPattern(value, m_Constant(&constant)))
    return literal(cast<TypedAttr>(constant), /*isSigned=*/true);
  return call(typeName(value.getType(), /*isSigned=*/true), expression(value));
}

Expr KernelPrinter::computeOperator(Operation *op, const OperatorSpelling &spelling) {
  Type type = op->getResult(0).getType();
  Value lhs = op->getOperand(0), rhs = op->getOperand(1);
  if (type.isInteger(1)) { // bool: && and || have no bits to mix, and read better
    if (isa<arith::AndIOp>(op))
      return binary(expression(lhs), "&&", Precedence::LogicalAnd, expression(rhs), true);
    if (isa<arith::OrIOp>(op))
      return binary(expression(lhs), "||", Precedence::LogicalOr, expression(rhs), true);
    if (matchPattern(rhs, m_One()))
      return {"!" + operand(lhs, Precedence::Unary), Precedence::Unary};
    return binary(expression(lhs), "!=", Precedence::Equality, expression(rhs));
  }
  Expr result;
  IntegerAttr constant;
  if (spelling.isSigned) {
    // A shift's amount is a count in either reading.
    Expr right = isa<arith::ShRSIOp>(op) ? expression(rhs) : signedExpression(rhs);
    result = binary(signedExpression(lhs), spelling.symbol, spelling.precedence, right);
    return call(typeName(type), result);
  }
  if (isa<arith::AddIOp>(op) && matchPattern(rhs, m_Constant(&constant)) && constant.getValue().isNegative() &&
      !constant.getValue().isMinSignedValue() && !isPromoted(type)) {
    // Adding 4294967295 is what subtracting 1 has become.
    auto positive = mlir::IntegerAttr::get(constant.getType(), -constant.getValue());
    return binary(expression(lhs), "-", Precedence::Additive, literal(positive), true);
  }
  bool isInteger = isa<IntegerType, IndexType>(getElementTypeOrSelf(type));
  bool regroups = isInteger && StringRef("+-*&|^").contains(spelling.symbol) && !isPromoted(type);
  if (isPromoted(type) && isa<arith::MulIOp>(op)) // 65535 * 65535 overflows an int
    result = binary(call("uint", expression(lhs)), "*", Precedence::Multiplicative, expression(rhs));
  else
    result = binary(expression(lhs), spelling.symbol, spelling.precedence, expression(rhs), regroups);
  return isPromoted(type) ? call(typeName(type), result) : result;
}

Expr KernelPrinter::computeFunction(Operation *op, const FunctionSpelling &spelling) {
  SmallVector<Expr> arguments;
  for (Value value : op->getOperands())
    arguments.push_back(spelling.isSigned ? signedExpression(value) : expression(value));
  StringRef space = spelling.precise && !options.fastMath ? "precise::" : "";
  Expr result = call(space + spelling.function, arguments);
  return spelling.isSigned ? call(typeName(op->getResult(0).getType()), result) : result;
}

Expr KernelPrinter::computeComparison(Operation *op) {
  ComparisonSpelling spelling = *findComparison(op);
  auto side = [&](unsigned i) {
    return spelling.isSigned ? signedExpression(op->getOperand(i)) : expression(op->getOperand(i));
  };
  bool isEquality = spelling.symbol == "==" || spelling.symbol == "!=";
  Expr result = binary(side(0), spelling.symbol, isEquality ? Precedence::Equality : Precedence::Relational, side(1));
  return spelling.negated ? Expr{"!(" + result.text + ")", Precedence::Unary} : result;
}

Expr KernelPrinter::computeConversion(Operation *op) {
  Value value = op->getOperand(0);
  Type from = value.getType(), to = op->getResult(0).getType();
  bool fromBool = from.isInteger(1);
  auto width = [](Type type) { return type.isIndex() ? 32 : getElementTypeOrSelf(type).getIntOrFloatBitWidth(); };
  auto sameBits =
      [&] { // index and i32; a sum in i32 may wrap, so it must not be joined with the address that it is part of
        Expr expr = expression(value);
        expr.regroups = false;
        return expr;
      };
  return llvm::TypeSwitch<Operation *, Expr>(op)
      .Case<arith::SIToFPOp>([&](auto) { return call(typeName(to), signedExpression(value)); })
      .Case<arith::FPToSIOp>(
          [&](auto) { return call(typeName(to), call(typeName(to, /*isSigned=*/true), expression(value))); })
      .Case<arith::ExtSIOp, arith::IndexCastOp>([&](auto) {
        if (width(from) == width(to))
          return sameBits();
        if (width(from) > width(to))
          return call(typeName(to), expression(value));
        if (fromBool)
          return Expr{operand(value, Precedence::LogicalOr) + " ? " + literal(IntegerAttr::get(to, -1)).text + " : " +
                          literal(IntegerAttr::get(to, 0)).text,
                      Precedence::Ternary};
        return call(typeName(to), call(typeName(to, /*isSigned=*/true), signedExpression(value)));
      })
      .Case<arith::IndexCastUIOp>(
          [&](auto) { return width(from) == width(to) ? sameBits() : call(typeName(to), expression(value)); })
      .Case<arith::TruncIOp>([&](auto) {
        if (!to.isInteger(1))
          return call(typeName(to), expression(value));
        Expr bit = binary(expression(value), "&", Precedence::BitAnd, literal(IntegerAttr::get(from, 1)));
        return binary(bit, "!=", Precedence::Equality, unsignedLiteral(0));
      })
      .Case<arith::BitcastOp, vector::BitCastOp>([&](auto) {
        return typeName(from) == typeName(to) ? expression(value)
                                              : call("as_type<" + typeName(to) + ">", expression(value));
      })
      // extf, truncf, uitofp, fptoui, extui: the constructor converts.
      .Default([&](auto) { return call(typeName(to), expression(value)); });
}

/// x, y, z, w for components.
static std::string swizzle(ArrayRef<int64_t> components) {
  std::string text;
  for (int64_t component : components)
    text += "xyzw"[component];
  return text;
}

Expr KernelPrinter::computeShuffle(vector::ShuffleOp shuffle) {
  int64_t split = shuffle.getV1VectorType().getNumElements();
  ArrayRef<int64_t> mask = shuffle.getMask();
  SmallVector<Expr> parts;
  // Runs of components from one source are one swizzle.
  for (size_t begin = 0; begin < mask.size();) {
    bool second = mask[begin] >= split;
    SmallVector<int64_t> run;
    while (begin < mask.size() && (mask[begin] >= split) == second)
      run.push_back(mask[begin++] - (second ? split : 0));
    Value source = second ? shuffle.getV2() : shuffle.getV1();
    std::string text = operand(source, Precedence::Primary);
    parts.push_back({isVector(source.getType()) ? text + "." + swizzle(run) : text});
  }
  return parts.size() == 1 ? parts.front() : call(typeName(shuffle.getType()), parts);
}

Expr KernelPrinter::computeIndexOp(Operation *op) {
  return llvm::TypeSwitch<Operation *, Expr>(op)
      .Case<gpu::LaneIdOp>([&](auto) { return Expr{lane}; })
      .Case<gpu::ThreadIdOp>([&](gpu::ThreadIdOp id) {
        switch (id.getDimension()) {
        case gpu::Dimension::x: // blocks are (32, n, 1)
          return Expr{lane};
        case gpu::Dimension::y:
          return Expr{simdgroup};
        case gpu::Dimension::z:
          return unsignedLiteral(0);
        }
        llvm_unreachable("three dimensions");
      })
      .Case<gpu::BlockDimOp>([&](gpu::BlockDimOp dim) {
        ArrayRef<int32_t> size = *func.getKnownBlockSize();
        return unsignedLiteral(size[static_cast<unsigned>(dim.getDimension())]);
      })
      .Case<gpu::BlockIdOp>([&](gpu::BlockIdOp id) {
        return Expr{groupIsVector ? group + "." + gpu::stringifyDimension(id.getDimension()).str() : group};
      })
      .Case<gpu::GridDimOp>([&](gpu::GridDimOp dim) {
        return Expr{groupIsVector ? groups + "." + gpu::stringifyDimension(dim.getDimension()).str() : groups};
      });
}

Expr KernelPrinter::compute(Operation *op, unsigned result) {
  if (const OperatorSpelling *spelling = findOperator(op->getName().getStringRef()))
    return computeOperator(op, *spelling);
  if (const FunctionSpelling *spelling = findFunction(op->getName().getStringRef()))
    return computeFunction(op, *spelling);
  auto component = [&](Value vector, int64_t index) {
    Expr base{operand(vector, Precedence::Primary)};
    if (isVector(vector.getType()))
      base.text += "." + swizzle(index);
    return base;
  };
  return llvm::TypeSwitch<Operation *, Expr>(op)
      .Case<arith::ConstantOp>([](auto constant) { return literal(constant.getValue()); })
      .Case<arith::NegFOp>([&](auto negate) {
        std::string text = operand(negate.getOperand(), Precedence::Unary);
        return Expr{text.front() == '-' ? "-(" + text + ")" : "-" + text, Precedence::Unary};
      })
      .Case<arith::CmpIOp, arith::CmpFOp>([&](auto) { return computeComparison(op); })
      .Case<arith::SelectOp>([&](arith::SelectOp select) {
        return Expr{operand(select.getCondition(), Precedence::LogicalOr) + " ? " +
                        operand(select.getTrueValue(), Precedence::LogicalOr) + " : " +
                        operand(select.getFalseValue(), Precedence::Ternary),
                    Precedence::Ternary};
      })
      .Case<gpu::LaneIdOp, gpu::ThreadIdOp, gpu::BlockDimOp, gpu::BlockIdOp, gpu::GridDimOp>(
          [&](auto) { return computeIndexOp(op); })
      .Case<memref::LoadOp>([&](memref::LoadOp load) {
        Expr value = element(load.getMemref(), load.getIndices());
        return addressSpace(load.getMemref()) == "constant" ? call("uint", value) : value; // the block holds ints
      })
      .Case<vector::LoadOp>(
          [&](vector::LoadOp load) { return vectorElement(load.getBase(), load.getIndices(), load.getType(), true); })
      .Case<vector::ExtractOp>([&](vector::ExtractOp extract) {
        if (!extract.hasDynamicPosition())
          return component(extract.getSource(), extract.getStaticPosition()[0]);
        return Expr{operand(extract.getSource(), Precedence::Primary) + "[" +
                    expression(extract.getDynamicPosition()[0]).text + "]"};
      })
      .Case<vector::ToElementsOp>([&](auto split) { return component(split.getSource(), result); })
      .Case<vector::FromElementsOp>([&](vector::FromElementsOp join) {
        if (join.getElements().size() == 1)
          return expression(join.getElements()[0]);
        SmallVector<Expr> parts;
        for (Value value : join.getElements())
          parts.push_back(expression(value));
        return call(typeName(join.getType()), parts);
      })
      .Case<vector::BroadcastOp>([&](vector::BroadcastOp broadcast) {
        Expr value = expression(broadcast.getSource());
        return isVector(broadcast.getType()) ? call(typeName(broadcast.getType()), value) : value;
      })
      .Case<vector::ShuffleOp>([&](auto shuffle) { return computeShuffle(shuffle); })
      .Default([&](auto) { return computeConversion(op); });
}

} // namespace tq::msl
