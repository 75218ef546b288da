//===- TQInterfaces.td - What ops and encodings say about themselves ------===//
#ifndef TQ_INTERFACES_TD
#define TQ_INTERFACES_TD

include "dialect/TQDialect.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/AttrTypeBase.td"

def TQ_Role : I32EnumAttr<"Role", "what an op is to launch formation", [
    I32EnumAttrCase<"Root", 0, "root">,           // owns a launch: linear, sdpa, top_k
    I32EnumAttrCase<"Pointwise", 1, "pointwise">, // element by element on equal shapes: joins any launch
    I32EnumAttrCase<"Row", 2, "row">,             // needs a whole row of one token
    I32EnumAttrCase<"State", 3, "state">,         // row op that writes a state
    I32EnumAttrCase<"Free", 4, "free">]> {        // no code: handles and views, cloned into every user's launch
  let cppNamespace = "::tq";
}

def TQ_Activation : I32EnumAttr<"Activation", "activation function", [
    I32EnumAttrCase<"Silu", 0, "silu">, I32EnumAttrCase<"GeluTanh", 1, "gelu_tanh">, I32EnumAttrCase<"Relu2", 2, "relu2">,
    I32EnumAttrCase<"Sigmoid", 3, "sigmoid">]> {
  let cppNamespace = "::tq";
  let genSpecializedAttr = 0;
}
def TQ_ActivationAttr : EnumAttr<TQ_Dialect, TQ_Activation, "activation">;

def TQ_FusionInterface : OpInterface<"FusionOpInterface"> {
  let cppNamespace = "::tq";
  let description = [{
    Says what an op is when launches are formed. Ops of upstream dialects that are elementwise count as pointwise
    (see `tq::getRole`).
  }];
  let methods = [InterfaceMethod<"The role of this op.", "::tq::Role", "getRole">];
}

def TQ_EncodingInterface : AttrInterface<"EncodingAttrInterface"> {
  let cppNamespace = "::tq";
  let description = [{
    How a weight's values are stored in a checkpoint. Encodings are open: what passes and kernels need of one is only
    the layout that it repacks to.
  }];
  let methods = [
    InterfaceMethod<"The kernel layout this encoding repacks to.", "::tq::Layout", "getLayout">,
    InterfaceMethod<"Bits per weight in the checkpoint, scales included.", "double", "getBitsPerWeight">,
    InterfaceMethod<"Columns that share a scale; 0 for dense encodings.", "int64_t", "getGroupSize">];
}

#endif
