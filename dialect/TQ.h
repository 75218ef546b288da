//===- TQ.h - The tq dialect ------------------------------------*- C++ -*-===//
#ifndef TQ_DIALECT_TQ_H
#define TQ_DIALECT_TQ_H

#include "dialect/encodings/Layout.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialect/TQDialect.h.inc"
#include "dialect/TQEnums.h.inc"

namespace tq {
/// Whether the type is a ranked tensor of one axis or more whose sizes are static, perhaps except the first.
bool isTokenTensor(mlir::Type type);
} // namespace tq

#include "dialect/TQAttrInterfaces.h.inc"
#include "dialect/TQOpInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialect/TQAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialect/TQTypes.h.inc"
#define GET_OP_CLASSES
#include "dialect/TQOps.h.inc"
#define GET_OP_CLASSES
#include "dialect/TQStructureOps.h.inc"
#define GET_OP_CLASSES
#include "dialect/TQKernelOps.h.inc"

namespace tq {

/// The rotation of a value's last axis: of a tensor's #tq.basis or #tq.int encoding or of a packed weight; null if none.
mlir::FlatSymbolRefAttr getBasis(mlir::Type type);
/// The same tensor type without its basis (an integer encoding keeps its widths).
mlir::RankedTensorType eraseBasis(mlir::RankedTensorType type);
mlir::RankedTensorType withBasis(mlir::RankedTensorType type, mlir::FlatSymbolRefAttr rotation);
/// The integer encoding of a quantised activation, or null.
IntegerAttr getIntegerEncoding(mlir::Type type);

/// The role of any op in launch formation. Elementwise upstream ops are pointwise, constants free; nullopt for the rest.
std::optional<Role> getRole(mlir::Operation *op);

/// The largest k of tq.top_k.
inline constexpr int64_t kMostTopK = 64;

/// The layout attribute for a kernel layout, and back.
LayoutAttr getLayoutAttr(mlir::MLIRContext *context, const Layout &layout);

/// Elements of one row (all dimensions but 0), and bytes from one row to the next in an arena: f32 rows are padded to 16
/// elements so that vector tails may write, packed activations to 64 bytes.
int64_t elementsPerRow(mlir::RankedTensorType type);
int64_t rowStrideBytes(mlir::RankedTensorType type);

} // namespace tq
#endif
