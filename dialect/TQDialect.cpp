//===- TQDialect.cpp - Registration and shared helpers --------------------===//

#include "dialect/TQ.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tq;

#include "dialect/TQDialect.cpp.inc"

#include "dialect/TQEnums.cpp.inc"

#include "dialect/TQAttrInterfaces.cpp.inc"
#include "dialect/TQOpInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "dialect/TQOps.cpp.inc"
// The two families define the same static helpers; keep them in separate scopes of a translation unit.

void TQDialect::initialize() {
  registerAttributesAndTypes();
  addOperations<
#define GET_OP_LIST
#include "dialect/TQOps.cpp.inc"
      >();
  registerStructureOps();
  registerKernelOps();
}

bool tq::isTokenTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() > 0 && llvm::none_of(tensor.getShape().drop_front(), ShapedType::isDynamic);
}

FlatSymbolRefAttr tq::getBasis(Type type) {
  if (auto packed = dyn_cast<PackedType>(type))
    return packed.getRotation();
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return {};
  if (auto basis = dyn_cast_or_null<BasisAttr>(tensor.getEncoding()))
    return basis.getRotation();
  if (auto integer = dyn_cast_or_null<tq::IntegerAttr>(tensor.getEncoding()))
    return integer.getRotation();
  return {};
}

RankedTensorType tq::withBasis(RankedTensorType type, FlatSymbolRefAttr rotation) {
  Attribute encoding;
  if (auto integer = getIntegerEncoding(type))
    encoding = tq::IntegerAttr::get(type.getContext(), integer.getBits(), integer.getSums(), rotation);
  else if (rotation)
    encoding = BasisAttr::get(type.getContext(), rotation);
  return RankedTensorType::get(type.getShape(), type.getElementType(), encoding);
}

RankedTensorType tq::eraseBasis(RankedTensorType type) { return withBasis(type, {}); }

tq::IntegerAttr tq::getIntegerEncoding(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? dyn_cast_or_null<tq::IntegerAttr>(tensor.getEncoding()) : tq::IntegerAttr();
}

std::optional<Role> tq::getRole(Operation *op) {
  if (auto fusion = dyn_cast<FusionOpInterface>(op))
    return fusion.getRole();
  if (op->hasTrait<OpTrait::ConstantLike>())
    return Role::Free;
  auto isTensor = [](Type type) { return isa<RankedTensorType>(type); };
  if (op->hasTrait<OpTrait::Elementwise>() && llvm::all_of(op->getOperandTypes(), isTensor) &&
      llvm::all_of(op->getResultTypes(), isTensor))
    return Role::Pointwise;
  return std::nullopt;
}

int64_t tq::elementsPerRow(RankedTensorType type) {
  int64_t n = 1;
  for (int64_t dim : type.getShape().drop_front())
    n *= dim;
  return n;
}

int64_t tq::rowStrideBytes(RankedTensorType type) {
  int64_t n = elementsPerRow(type);
  if (auto integer = getIntegerEncoding(type))
    return PackedActivation::rowBytes(n, integer.getBits() / 8, integer.getSums());
  if (type.getRank() == 1)
    return 4; // ids and positions: one i32 a token
  return (n + 15) / 16 * 64;
}
