//===- TQOps.td - Tensor-level ops ----------------------------------------===//
#ifndef TQ_OPS_TD
#define TQ_OPS_TD

include "dialect/TQTypes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

/// The one dynamic size is dimension 0 of an activation: the tokens of the step.
class TQ_TensorOf<Type element, string what> : Type<And<[
    RankedTensorOf<[element]>.predicate, CPred<"::tq::isTokenTensor($_self)">]>,
    "a tensor of " # what # " whose sizes are static but for the first", "::mlir::RankedTensorType">;
def TQ_IdTensor : TQ_TensorOf<I32, "i32">;
def TQ_FloatTensor : TQ_TensorOf<F32, "f32">;
def TQ_Packed : Type<CPred<"::llvm::isa<::tq::PackedType>($_self)">, "a packed weight">;
def TQ_KV : Type<CPred<"::llvm::isa<::tq::KVType>($_self)">, "a key/value state">;
def TQ_WeightOperand : AnyTypeOf<[TQ_Packed, TQ_FloatTensor], "a packed weight or a dequantised one">;

class TQ_FusionOp<string mnemonic, string role, list<Trait> traits = []>
    : TQ_Op<mnemonic, traits # [DeclareOpInterfaceMethods<TQ_FusionInterface>]> {
  let extraClassDefinition = "::tq::Role $cppClass::getRole() { return ::tq::Role::" # role # "; }";
}

//===-- Weights -------------------------------------------------------------------------------------------------===//

def TQ_GetWeightOp : TQ_FusionOp<"get_weight", "Free", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a weight by its symbol";
  let description = [{
    (C1) A matrix is a `!tq.packed` value of the symbol's type, whose basis is erased where launches form. (C2) A vector
    may also be read as `tensor<nxf32>`: vectors are norm gains, biases and frequencies, which packages hold as f32, and
    the signs of a tq.rotation.
    ```mlir
    %w = tq.get_weight @l0.q : !tq.packed<64x64xf32, #tq.dense<f16>>
    %g = tq.get_weight @l0.norm : tensor<64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$symbol);
  let results = (outs TQ_WeightOperand:$weight);
  let assemblyFormat = "$symbol attr-dict `:` type($weight)";
}

def TQ_GetStateOp : TQ_FusionOp<"get_state", "Free", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the handle of a state";
  let description = "(C1) The symbol is a tq.state of the result's type.";
  let arguments = (ins FlatSymbolRefAttr:$symbol);
  let results = (outs TQ_KV:$state);
  let assemblyFormat = "$symbol attr-dict `:` type($state)";
}

def TQ_CodebookDequantOp : TQ_FusionOp<"codebook_dequant", "Free", [Pure]> {
  let summary = "levels[code] * scale, in the basis of the weight";
  let description = [{
    (C1) The operand's encoding is `#tq.codebook`. (C2) The result has the logical shape, and the basis if there is one.
  }];
  let arguments = (ins TQ_Packed:$packed);
  let results = (outs TQ_FloatTensor:$values);
  let assemblyFormat = "$packed attr-dict `:` type($packed) `->` type($values)";
  let hasVerifier = 1;
}

def TQ_DequantOp : TQ_FusionOp<"dequant", "Free", [Pure]> {
  let summary = "the values of a weight in any encoding but a codebook";
  let description = "(C1) As tq.codebook_dequant: logical shape and basis; the encoding is another.";
  let arguments = (ins TQ_Packed:$packed);
  let results = (outs TQ_FloatTensor:$values);
  let assemblyFormat = "$packed attr-dict `:` type($packed) `->` type($values)";
  let hasVerifier = 1;
}

def TQ_LinearOp : TQ_FusionOp<"linear", "Root", [Pure]> {
  let summary = "y[t, n] = sum over k of x[t, k] * w[n, k]";
  let description = [{
    Accumulates in f32. (C1) x is [?, K], w is [N, K], the result [?, N]. (C2) x and w have the same basis, or none. (C3) An
    integer activation needs a packed, quantised weight, and sums over at most the weight's group.
    ```mlir
    %y = tq.linear %x, %w : (tensor<?x64xf32, #tq.basis<@r>>, tensor<96x64xf32, #tq.basis<@r>>) -> tensor<?x96xf32>
    ```
  }];
  let arguments = (ins TQ_FloatTensor:$x, TQ_WeightOperand:$w);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$x `,` $w attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def TQ_EmbedOp : TQ_FusionOp<"embed", "Row", [Pure]> {
  let summary = "rows of a table by id";
  let description = "(C1) table is [V, H], ids [?], the result [?, H]. (C2) The result has the table's basis.";
  let arguments = (ins TQ_WeightOperand:$table, TQ_IdTensor:$ids);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$table `,` $ids attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===-- Bases ---------------------------------------------------------------------------------------------------===//

def TQ_RotateOp : TQ_FusionOp<"rotate", "Row", [Pure]> {
  let summary = "blockwise Hadamard transform of the last axis, after random signs";
  let description = [{
    Forward: H (signs * x) per block, inverse: signs * (H^T x), with H = H_m (x) H_{2^k} / sqrt(block), m in {1, 12, 20, 28}.
    Orthogonal: inverse after forward is the identity, and a linear layer does not change when both its activation and
    the input axis of its weight are rotated.
    Before launches form, the rotation is a symbol and part of the types; inside a launch the bases have been checked and
    erased, and signs and block are explicit.
    (C1) Exactly one of `by @rotation` and `block`; signs only with `block`. (C2) `by`: forward goes from the
    basis that the rotation comes `after` (usually none) to `#tq.basis<@rotation>`, inverse back. (C3) block divides the last axis and is m * 2^k.
    ```mlir
    %r = tq.rotate %x by @r0 : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r0>>
    ```
  }];
  let arguments = (ins TQ_FloatTensor:$x, Optional<TQ_FloatTensor>:$signs, OptionalAttr<FlatSymbolRefAttr>:$rotation,
                       OptionalAttr<I64Attr>:$block, UnitAttr:$inverse);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = [{
    $x (`,` $signs^ `:` type($signs))? (`by` $rotation^)? (`block` $block^)? (`inverse` $inverse^)? attr-dict
    `:` type($x) `->` type($y)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def TQ_QuantizeOp : TQ_FusionOp<"quantize", "Row", [Pure]> {
  let summary = "rounds rows to 8 or 16 bits, one scale per 64 columns";
  let description = "(C1) The result has the operand's shape and an `#tq.int` encoding whose rotation is the operand's basis.";
  let arguments = (ins TQ_FloatTensor:$x);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
  let hasVerifier = 1;
}

//===-- Rows ----------------------------------------------------------------------------------------------------===//

def TQ_RmsNormOp : TQ_FusionOp<"rms_norm", "Row", [Pure]> {
  let summary = "w * x / sqrt(mean(x^2) + eps) over the last axis";
  let description = [{
    (C1) x and the result have one type; w, if present, is a vector of the last axis. (C2) Only a weightless norm keeps a
    basis: a gain does not commute with a rotation. (C3) eps is finite and not negative.
  }];
  let arguments = (ins TQ_FloatTensor:$x, Optional<TQ_FloatTensor>:$w, F32Attr:$eps);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$x (`,` $w^ `:` type($w))? attr-dict `:` type($x) `->` type($y)";
  let hasVerifier = 1;
}

def TQ_ReshapeOp : TQ_FusionOp<"reshape", "Free", [Pure]> {
  let summary = "the same rows, their elements regrouped";
  let description = [{
    `tensor<?x2048xf32>` to `tensor<?x32x64xf32>` and back. `tensor.expand_shape` would want the number of tokens as an
    operand. (C1) Both have a dynamic dimension 0 and as many elements per row. (C2) No basis.
  }];
  let arguments = (ins TQ_FloatTensor:$x);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def TQ_TakeRowsOp : TQ_FusionOp<"take_rows", "Row", [Pure]> {
  let summary = "the last n_out rows";
  let description = "Feeds the head: only the rows whose logits are wanted. From here on `?` is n_out. (C1) One type.";
  let arguments = (ins TQ_FloatTensor:$x);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
  let hasVerifier = 1;
}

def TQ_RopeTableOp : TQ_FusionOp<"rope_table", "Row", [Pure]> {
  let summary = "cos and sin of position * frequency, times the attention factor";
  let description = "(C1) frequencies [n], positions [?], results [?, n]. All scaling (llama3, YaRN) is in the frequencies.";
  let arguments = (ins TQ_IdTensor:$pos, TQ_FloatTensor:$frequencies, F32Attr:$factor);
  let results = (outs TQ_FloatTensor:$cos, TQ_FloatTensor:$sin);
  let assemblyFormat = "$pos `,` $frequencies attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def TQ_RopeOp : TQ_FusionOp<"rope", "Row", [Pure]> {
  let summary = "rotates the first 2n dims of every head by position, half-split pairs (i, i + n)";
  let description = "(C1) x is [?, heads, d], cos and sin are [?, n] with 2n <= d; the result has x's type, without basis.";
  let arguments = (ins TQ_FloatTensor:$x, TQ_FloatTensor:$cos, TQ_FloatTensor:$sin);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$x `,` $cos `,` $sin attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===-- Pointwise -----------------------------------------------------------------------------------------------===//

def TQ_ActOp : TQ_FusionOp<"act", "Pointwise", [Pure, SameOperandsAndResultType]> {
  let summary = "an activation function";
  let arguments = (ins TQ_FloatTensor:$x, TQ_ActivationAttr:$kind);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$kind $x attr-dict `:` type($x)";
  let hasVerifier = 1;
}

def TQ_GluOp : TQ_FusionOp<"glu", "Pointwise", [Pure, SameOperandsAndResultType]> {
  let summary = "act(gate) * up";
  let arguments = (ins TQ_FloatTensor:$gate, TQ_FloatTensor:$up, TQ_ActivationAttr:$kind);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$kind $gate `,` $up attr-dict `:` type($gate)";
  let hasVerifier = 1;
}

def TQ_AddBiasOp : TQ_FusionOp<"add_bias", "Pointwise", [Pure]> {
  let summary = "adds a vector to every row";
  let description = "(C1) x is [?, n], bias [n], the result has x's type. (C2) No basis.";
  let arguments = (ins TQ_FloatTensor:$x, TQ_FloatTensor:$bias);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$x `,` $bias attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===-- Attention -----------------------------------------------------------------------------------------------===//

def TQ_KVAppendOp : TQ_FusionOp<"kv_append", "State", []> {
  let summary = "stores keys and values of the step's tokens in the state's encoding";
  let description = "(C1) k is [?, heads, dk], v [?, heads, dv] as the state's type says; pos is [?].";
  let arguments = (ins Arg<TQ_KV, "the state", [MemWrite]>:$state, TQ_FloatTensor:$k, TQ_FloatTensor:$v, TQ_IdTensor:$pos);
  let assemblyFormat = "$state `,` $k `,` $v `,` $pos attr-dict `:` type(operands)";
  let hasVerifier = 1;
}

def TQ_SdpaOp : TQ_FusionOp<"sdpa", "Root", []> {
  let summary = "causal softmax attention over a key/value state";
  let description = [{
    q is [?, heads, dk], the result [?, heads, dv]; query head h reads KV head h / (heads / kv heads). A key j is seen from
    position p iff j <= p and (window = 0 or p - j < window). Softmax in f32.
    (C1) heads is a multiple of the state's heads, dk and dv are the state's. (C2) window >= 0.
  }];
  let arguments = (ins TQ_FloatTensor:$q, Arg<TQ_KV, "the state", [MemRead]>:$state, TQ_IdTensor:$pos, F32Attr:$scale,
                       DefaultValuedAttr<I64Attr, "0">:$window);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$q `,` $state `,` $pos attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def TQ_SdpaSplitOp : TQ_FusionOp<"sdpa_split", "Root", []> {
  let summary = "attention of one token over fixed splits of the keys, unmerged";
  let description = [{
    The flash-decoding half of `tq.sdpa`: `splits` partial results of dv values, a maximum and a sum per head, so that all
    cores work at any context. (C1) as tq.sdpa; the result is [?, splits, heads, partial width].
  }];
  let arguments = (ins TQ_FloatTensor:$q, Arg<TQ_KV, "the state", [MemRead]>:$state, TQ_IdTensor:$pos, F32Attr:$scale,
                       DefaultValuedAttr<I64Attr, "0">:$window);
  let results = (outs TQ_FloatTensor:$partial);
  let assemblyFormat = "$q `,` $state `,` $pos attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def TQ_SdpaMergeOp : TQ_FusionOp<"sdpa_merge", "Row", [Pure]> {
  let summary = "joins the partial results of tq.sdpa_split, in order";
  let description = "(C1) partial is [?, splits, heads, partial width], the result [?, heads, dv].";
  let arguments = (ins TQ_FloatTensor:$partial, TQ_IdTensor:$pos);
  let results = (outs TQ_FloatTensor:$y);
  let assemblyFormat = "$partial `,` $pos attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===-- Sampling ------------------------------------------------------------------------------------------------===//

def TQ_ArgmaxOp : TQ_FusionOp<"argmax", "Root", [Pure]> {
  let summary = "where the largest element of each row is";
  let description = [{
    Of equal elements the first; NaN counts as minus infinity, as in the runtime's sampler, and -0 equals 0. A root and no row
    op: a row of logits is too long for what rowwise kernels keep in registers.
    (C1) x is [?, n], the result [?]. (C2) x is plain f32: neither in a basis nor quantised.
    ```mlir
    %token = tq.argmax %logits : (tensor<?x32000xf32>) -> tensor<?xi32>
    ```
  }];
  let arguments = (ins TQ_FloatTensor:$x);
  let results = (outs TQ_IdTensor:$indices);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def TQ_TopKOp : TQ_FusionOp<"top_k", "Root", [Pure]> {
  let summary = "the k largest elements of each row and where they are, in descending order";
  let description = [{
    The order is that of tq.argmax: of equal elements the first comes first. A NaN among the k is given as minus infinity.
    (C1) x is [?, n], the results [?, k]. (C2) x is plain f32: neither in a basis nor quantised. (C3) k is 1 to 64 and at
    most n: GPU kernels keep the k best of a part of the row in two registers of each lane.
    ```mlir
    %values, %tokens = tq.top_k %logits {k = 40 : i64} : (tensor<?x32000xf32>) -> (tensor<?x40xf32>, tensor<?x40xi32>)
    ```
  }];
  let arguments = (ins TQ_FloatTensor:$x, I64Attr:$k);
  let results = (outs TQ_FloatTensor:$values, TQ_IdTensor:$indices);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif
