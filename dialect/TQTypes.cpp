//===- TQTypes.cpp - Encodings, bases and types ---------------------------===//

#include "dialect/TQ.h"
#include "dialect/encodings/Pack.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tq;

#define GET_ATTRDEF_CLASSES
#include "dialect/TQAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialect/TQTypes.cpp.inc"

void TQDialect::registerAttributesAndTypes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/TQAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/TQTypes.cpp.inc"
      >();
}

using EmitError = llvm::function_ref<InFlightDiagnostic()>;

//===-- Encodings of weights ------------------------------------------------------------------------------------===//

static LogicalResult verifyGroup(EmitError emitError, int64_t group) {
  if (group >= 16 && group % 16 == 0)
    return success();
  return emitError() << "group must be a multiple of 16, but is " << group;
}

LogicalResult DenseAttr::verify(EmitError emitError, Type type) {
  if (type.isF32() || type.isF16() || type.isBF16())
    return success();
  return emitError() << "dense weights are f32, f16 or bf16, not " << type;
}
Layout DenseAttr::getLayout() const {
  return {getType().isF32()   ? Layout::Kind::DenseF32
          : getType().isF16() ? Layout::Kind::DenseF16
                              : Layout::Kind::DenseBF16,
          0, 0};
}
double DenseAttr::getBitsPerWeight() const { return getType().getIntOrFloatBitWidth(); }
int64_t DenseAttr::getGroupSize() const { return 0; }

LogicalResult CodebookAttr::verify(EmitError emitError, int64_t bits, int64_t group, bool ternary) {
  if (bits < 1 || bits > 4)
    return emitError() << "a codebook has 1 to 4 bits, not " << bits;
  if (ternary && bits != 2)
    return emitError() << "ternary codes take 2 bits, not " << bits;
  return verifyGroup(emitError, group);
}
Layout CodebookAttr::getLayout() const { return codebookLayout(int(getBits()), getGroup()); }
double CodebookAttr::getBitsPerWeight() const {
  // 3-bit codes are stored ten to a 32-bit word, ternary ones twenty.
  double code = getTernary() ? 1.6 : getBits() == 3 ? 3.2 : double(getBits());
  return code + 16.0 / getGroup();
}
int64_t CodebookAttr::getGroupSize() const { return getGroup(); }

LogicalResult AffineAttr::verify(EmitError emitError, int64_t bits, int64_t group) {
  if (bits < 2 || bits > 8)
    return emitError() << "affine codes have 2 to 8 bits, not " << bits;
  return verifyGroup(emitError, group);
}
Layout AffineAttr::getLayout() const { return affineLayout(int(getBits()), getGroup()); }
double AffineAttr::getBitsPerWeight() const { return double(getBits()) + 32.0 / getGroup(); }
int64_t AffineAttr::getGroupSize() const { return getGroup(); }

static std::optional<Layout::Kind> layoutKind(StringRef name) {
  return llvm::StringSwitch<std::optional<Layout::Kind>>(name)
      .Case("f32", Layout::Kind::DenseF32)
      .Case("f16", Layout::Kind::DenseF16)
      .Case("bf16", Layout::Kind::DenseBF16)
      .Case("codebook", Layout::Kind::Codebook)
      .Case("affine", Layout::Kind::Affine)
      .Default(std::nullopt);
}

LogicalResult LayoutAttr::verify(EmitError emitError, StringAttr kind, int64_t bits, int64_t group) {
  auto k = layoutKind(kind.getValue());
  if (!k)
    return emitError() << "unknown layout kind '" << kind.getValue() << "'; there are f32, f16, bf16, codebook, affine";
  if (Layout{*k, 0, 0}.isDense())
    return success();
  if (!llvm::is_contained({2, 3, 4, 6, 8}, bits) || (*k == Layout::Kind::Codebook && bits > 4))
    return emitError() << "no " << kind.getValue() << " layout of " << bits << " bits";
  if (!llvm::is_contained({16, 32, 64}, group))
    return emitError() << "layout group must be 16, 32 or 64, but is " << group;
  return success();
}
Layout LayoutAttr::getLayout() const {
  return {*layoutKind(getKind().getValue()), int32_t(getBits()), int32_t(getGroup())};
}
double LayoutAttr::getBitsPerWeight() const {
  Layout l = getLayout();
  return l.isDense() ? 8.0 * l.denseBytes() : 8.0 * l.superBytes() / (kBlockRows * kSuperCols);
}
int64_t LayoutAttr::getGroupSize() const { return getGroup(); }

LayoutAttr tq::getLayoutAttr(MLIRContext *context, const Layout &layout) {
  static constexpr const char *names[] = {"f32", "f16", "bf16", "codebook", "affine"};
  return LayoutAttr::get(context, StringAttr::get(context, names[int(layout.kind)]), layout.bits, layout.group);
}

//===-- Encodings of activations --------------------------------------------------------------------------------===//

LogicalResult BasisAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType, EmitError emitError) const {
  if (!elementType.isF32())
    return emitError() << "a basis belongs to f32 values, not " << elementType;
  if (shape.empty() || ShapedType::isDynamic(shape.back()))
    return emitError() << "a basis needs a static last axis";
  return success();
}

LogicalResult tq::IntegerAttr::verify(EmitError emitError, int64_t bits, int64_t sums, FlatSymbolRefAttr) {
  if (bits != 8 && bits != 16)
    return emitError() << "activations are quantised to 8 or 16 bits, not " << bits;
  if (sums != 16 && sums != 32 && sums != 64)
    return emitError() << "sums must span 16, 32 or 64 columns, not " << sums;
  return success();
}

LogicalResult tq::IntegerAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType, EmitError emitError) const {
  if (shape.size() != 2 || !elementType.isF32())
    return emitError() << "quantised activations are [tokens, columns] of f32 values";
  return success();
}

//===-- Types ---------------------------------------------------------------------------------------------------===//

// `<` 4096x2048xf32 `,` encoding (`,` @rotation)? `>`
Type PackedType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type element;
  Attribute encoding;
  FlatSymbolRefAttr rotation;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseDimensionList(shape, /*allowDynamic=*/false) || parser.parseType(element) ||
      parser.parseComma() || parser.parseAttribute(encoding))
    return {};
  if (succeeded(parser.parseOptionalComma()) && parser.parseAttribute(rotation))
    return {};
  if (parser.parseGreater())
    return {};
  auto enc = dyn_cast<EncodingAttrInterface>(encoding);
  if (!enc) {
    parser.emitError(loc) << "expected an encoding of weights, but got " << encoding;
    return {};
  }
  return parser.getChecked<PackedType>(loc, parser.getContext(), shape, element, enc, rotation);
}

void PackedType::print(AsmPrinter &printer) const {
  printer << "<";
  for (int64_t dim : getShape())
    printer << dim << "x";
  printer << getElementType() << ", " << getEncoding();
  if (getRotation())
    printer << ", " << getRotation();
  printer << ">";
}

LogicalResult PackedType::verify(EmitError emitError, ArrayRef<int64_t> shape, Type elementType,
                                 EncodingAttrInterface encoding, FlatSymbolRefAttr) {
  if (shape.empty() || shape.size() > 3)
    return emitError() << "a weight has 1 to 3 axes, not " << shape.size();
  for (int64_t dim : shape)
    if (dim <= 0)
      return emitError() << "a weight has positive sizes, but got " << dim;
  if (!elementType.isF32())
    return emitError() << "the values of a weight are f32 (the encoding says how they are stored), not " << elementType;
  int64_t group = encoding.getGroupSize();
  if (group && shape.back() % group != 0)
    return emitError() << "group size " << group << " does not divide the inner dimension " << shape.back();
  return success();
}

int64_t PackedType::getRows() const {
  int64_t rows = 1;
  for (int64_t dim : getShape().drop_back())
    rows *= dim;
  return rows;
}

LogicalResult KVType::verify(EmitError emitError, int64_t heads, int64_t k, int64_t v, EncodingAttrInterface kEncoding,
                             EncodingAttrInterface vEncoding) {
  if (heads <= 0 || k <= 0 || v <= 0)
    return emitError() << "heads and widths must be positive, but are " << heads << ", " << k << ", " << v;
  return success();
}
