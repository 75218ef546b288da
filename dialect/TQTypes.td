//===- TQTypes.td - Encodings, bases and types ----------------------------===//
#ifndef TQ_TYPES_TD
#define TQ_TYPES_TD

include "dialect/TQInterfaces.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/TensorEncoding.td"

class TQ_Attr<string name, string attrMnemonic, list<Trait> traits = []> : AttrDef<TQ_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

//===-- Encodings of weights ------------------------------------------------------------------------------------===//

def TQ_DenseAttr : TQ_Attr<"Dense", "dense", [DeclareAttrInterfaceMethods<TQ_EncodingInterface>]> {
  let summary = "plain floats";
  let parameters = (ins "::mlir::Type":$type);
  let assemblyFormat = "`<` $type `>`";
  let genVerifyDecl = 1;
}

def TQ_CodebookAttr : TQ_Attr<"Codebook", "codebook", [DeclareAttrInterfaceMethods<TQ_EncodingInterface>]> {
  let summary = "levels[code] * scale(row, group)";
  let description = [{
    `bits` (1..4) is the width of a code, `group` the columns that share one f16 scale, `ternary` that the tensor has 3
    levels stored in base 3. The levels themselves differ from tensor to tensor and are data. TurboQuant is this encoding
    with the Lloyd-Max levels of N(0, 1) in a rotated basis (arXiv 2504.19874).
  }];
  let parameters = (ins "int64_t":$bits, "int64_t":$group, DefaultValuedParameter<"bool", "false">:$ternary);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def TQ_AffineAttr : TQ_Attr<"Affine", "affine", [DeclareAttrInterfaceMethods<TQ_EncodingInterface>]> {
  let summary = "code * scale(row, group) + bias(row, group)";
  let parameters = (ins "int64_t":$bits, "int64_t":$group);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def TQ_LayoutAttr : TQ_Attr<"Layout", "layout", [DeclareAttrInterfaceMethods<TQ_EncodingInterface>]> {
  let summary = "what a kernel eats, whatever the checkpoint held";
  let description = [{ See `dialect/encodings/Layout.h`. `kind` is one of f32, f16, bf16, codebook, affine. }];
  let parameters = (ins "::mlir::StringAttr":$kind, DefaultValuedParameter<"int64_t", "0">:$bits,
                        DefaultValuedParameter<"int64_t", "0">:$group);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

//===-- Encodings of activations --------------------------------------------------------------------------------===//

def TQ_BasisAttr : TQ_Attr<"Basis", "basis", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "the last axis is rotated by this tq.rotation";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$rotation);
  let assemblyFormat = "`<` $rotation `>`";
}

def TQ_IntegerAttr : TQ_Attr<"Integer", "int", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "rows quantised at run time to 8 or 16 bits";
  let description = [{
    One f32 scale per 64 columns; sums of the codes over `sums` columns stand beside them, for weights whose codes have
    an offset (`PackedActivation` in `dialect/encodings/Layout.h`). `rotation` is the basis, as in `#tq.basis`.
  }];
  let parameters = (ins "int64_t":$bits, "int64_t":$sums, OptionalParameter<"::mlir::FlatSymbolRefAttr">:$rotation);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

//===-- Types ---------------------------------------------------------------------------------------------------===//

class TQ_Type<string name, string typeMnemonic> : TypeDef<TQ_Dialect, name> { let mnemonic = typeMnemonic; }

def TQ_PackedType : TQ_Type<"Packed", "packed"> {
  let summary = "a weight in an encoding";
  let description = [{
    A logical shape plus an encoding, and the basis of the last axis if it is rotated:
    `!tq.packed<4096x2048xf32, #tq.codebook<bits = 4, group = 64>, @r0>`. Not a builtin tensor: upstream ops take any
    tensor encoding without a word, but refuse a foreign type.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$elementType,
                        "::tq::EncodingAttrInterface":$encoding, OptionalParameter<"::mlir::FlatSymbolRefAttr">:$rotation);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRows() const;
    int64_t getCols() const { return getShape().back(); }
  }];
}

def TQ_KVType : TQ_Type<"KV", "kv"> {
  let summary = "a paged key/value state of one layer";
  let parameters = (ins "int64_t":$heads, "int64_t":$k, "int64_t":$v, "::tq::EncodingAttrInterface":$kEncoding,
                        "::tq::EncodingAttrInterface":$vEncoding);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

//===-- Bindings of a launch table ------------------------------------------------------------------------------===//

def TQ_ArenaAttr : TQ_Attr<"Arena", "arena"> {
  let summary = "a byte range of the activation arena";
  let parameters = (ins "int64_t":$offset, "int64_t":$bytes);
  let assemblyFormat = "`<` $offset `,` $bytes `>`";
}
def TQ_PlaneAttr : TQ_Attr<"Plane", "plane"> {
  let summary = "a plane of a weight: stream, levels, or values of a vector";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$symbol, "::mlir::StringAttr":$plane);
  let assemblyFormat = "`<` $symbol `,` $plane `>`";
}
def TQ_PoolAttr : TQ_Attr<"Pool", "pool"> {
  let summary = "the page pool of a state";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$symbol);
  let assemblyFormat = "`<` $symbol `>`";
}
def TQ_PageTableAttr : TQ_Attr<"PageTable", "page_table"> {
  let summary = "the page table that all states share";
}

#endif
