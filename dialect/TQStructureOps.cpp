//===- TQStructureOps.cpp - Symbols, launches, kernels, tables ------------===//

#include "dialect/TQ.h"
#include "dialect/encodings/Hadamard.h"

using namespace mlir;
using namespace tq;

#define GET_OP_CLASSES
#include "dialect/TQStructureOps.cpp.inc"

void TQDialect::registerStructureOps() {
  addOperations<
#define GET_OP_LIST
#include "dialect/TQStructureOps.cpp.inc"
      >();
}

LogicalResult RotationOp::verify() {
  // rotation_c1
  int64_t dim = int64_t(getDim()), block = int64_t(getBlock());
  if (dim <= 0 || block <= 0 || dim % block != 0)
    return emitOpError() << "block " << block << " does not divide the dimension " << dim;
  if (!hadamardBase(block))
    return emitOpError() << "block " << block << " is not m * 2^k with m one of 1, 12, 20, 28";
  // rotation_c2
  if (getSource().has_value() == getSeed().has_value())
    return emitOpError() << "needs signs from a tensor or from a seed, and only one of them";
  // rotation_c3
  if (FlatSymbolRefAttr after = getAfterAttr()) {
    auto first = SymbolTable::lookupNearestSymbolFrom<RotationOp>(*this, after);
    if (!first || first == *this)
      return emitOpError() << "comes after " << after << ", which is no other tq.rotation of this module";
    if (first.getDim() != getDim())
      return emitOpError() << "has dimension " << dim << ", but comes after " << after << " of dimension "
                           << int64_t(first.getDim());
  }
  return success();
}

LogicalResult StateOp::verify() {
  // state_c1
  if (isa<KVType>(getType()))
    return success();
  return emitOpError() << "has type " << getType() << ", expected a !tq.kv type";
}

LogicalResult WeightOp::verify() {
  auto type = dyn_cast<PackedType>(getType());
  if (!type)
    return emitOpError() << "has type " << getType() << ", expected a !tq.packed type";
  // weight_c1
  if (getSource().has_value() == getValues().has_value())
    return emitOpError() << "comes from the checkpoint or has values, and only one of them";
  if (getValues() && int64_t(getValues()->size()) != type.getRows() * type.getCols())
    return emitOpError() << "has " << getValues()->size() << " values, but its type holds "
                         << type.getRows() * type.getCols();
  // weight_c2
  if (FlatSymbolRefAttr basis = type.getRotation()) {
    auto rotation = SymbolTable::lookupNearestSymbolFrom<RotationOp>(*this, basis);
    if (!rotation)
      return emitOpError() << "names the basis " << basis << ", which is no tq.rotation of this module";
    if (int64_t(rotation.getDim()) != type.getCols())
      return emitOpError() << "has " << type.getCols() << " columns, but its basis " << basis << " has dimension "
                           << rotation.getDim();
  }
  return success();
}

//===-- tq.launch -----------------------------------------------------------------------------------------------===//

// tq.launch "label" (%arg = %value : type, ...) [skeleton "name" {config}] -> (types) { ... } [{attributes}]
ParseResult LaunchOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr label, skeleton;
  if (parser.parseAttribute(label))
    return failure();
  result.addAttribute("label", label);
  SmallVector<OpAsmParser::Argument> args;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SmallVector<Type> types;
  auto parseOperand = [&]() -> ParseResult {
    Type type;
    if (parser.parseArgument(args.emplace_back()) || parser.parseEqual() ||
        parser.parseOperand(operands.emplace_back()) || parser.parseColonType(type))
      return failure();
    args.back().type = type;
    types.push_back(type);
    return success();
  };
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseOperand) ||
      parser.resolveOperands(operands, types, loc, result.operands))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("skeleton"))) {
    if (parser.parseAttribute(skeleton))
      return failure();
    result.addAttribute("skeleton", skeleton);
    DictionaryAttr config;
    OptionalParseResult parsed = parser.parseOptionalAttribute(config);
    if (parsed.has_value()) {
      if (failed(*parsed))
        return failure();
      result.addAttribute("config", config);
    }
  }
  if (parser.parseOptionalArrowTypeList(result.types))
    return failure();
  Region *body = result.addRegion();
  return failure(parser.parseRegion(*body, args) || parser.parseOptionalAttrDict(result.attributes));
}

void LaunchOp::print(OpAsmPrinter &printer) {
  printer << " " << getLabelAttr() << " (";
  llvm::interleaveComma(llvm::zip(getBody().getArguments(), getInputs()), printer, [&](auto pair) {
    printer << std::get<0>(pair) << " = " << std::get<1>(pair) << " : " << std::get<1>(pair).getType();
  });
  printer << ")";
  if (getSkeletonAttr()) {
    printer << " skeleton " << getSkeletonAttr();
    if (getConfigAttr())
      printer << " " << getConfigAttr();
  }
  printer.printOptionalArrowTypeList(getResultTypes());
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
  printer.printOptionalAttrDict((*this)->getAttrs(), {"label", "skeleton", "config"});
}

LogicalResult LaunchOp::verify() {
  // launch_c1
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getInputs().getTypes())
    return emitOpError() << "has operands that differ in type from its block arguments";
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield || yield.getValues().getTypes() != getResultTypes())
    return emitOpError() << "yields values that differ in type from its results";
  // launch_c2
  StringRef root;
  for (Operation &op : block) {
    if (getRole(&op) != Role::Root)
      continue;
    if (!root.empty() && root != op.getName().getStringRef())
      return emitOpError() << "has two kinds of root, " << root << " and " << op.getName().getStringRef();
    root = op.getName().getStringRef();
  }
  return success();
}

LogicalResult KernelOp::verify() {
  if (!isa_and_nonnull<YieldOp>(getBody().front().getTerminator()))
    return emitOpError() << "must end in tq.yield";
  return success();
}

LogicalResult StepOp::verify() {
  // step_c1
  AffineMap map = getTasks();
  if (map.getNumDims() != 0 || map.getNumSymbols() != 3 || map.getNumResults() != 1)
    return emitOpError() << "tasks must be one affine result of the three parameters n_tokens, pos, n_out";
  return success();
}
