//===- TQStructureOps.td - Symbols, launches, kernels, tables -------------===//
#ifndef TQ_STRUCTURE_OPS_TD
#define TQ_STRUCTURE_OPS_TD

include "dialect/TQTypes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===-- Symbols -------------------------------------------------------------------------------------------------===//

def TQ_RotationOp : TQ_Op<"rotation", [Symbol]> {
  let summary = "a rotation: block size and signs";
  let description = [{
    Signs come from a tensor of the checkpoint or from a seed (the generator of TurboQuant). Byte-equal signs are one
    symbol. A rotation `after` another acts on values in that basis, and its own name means both (QJL residuals rotate the
    rotated activation once more).
    (C1) dim > 0, block divides it and is m * 2^k with m in {1, 12, 20, 28}. (C2) Exactly one of `from` and `seed`.
    (C3) `after` is another rotation of the same dimension.
    ```mlir
    tq.rotation @r0 dim 768 block 384 seed 42
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$dim, I64Attr:$block, OptionalAttr<StrAttr>:$source,
                       OptionalAttr<I64Attr>:$seed, OptionalAttr<FlatSymbolRefAttr>:$after);
  let assemblyFormat = "$sym_name `dim` $dim `block` $block (`from` $source^)? (`seed` $seed^)? (`after` $after^)? attr-dict";
  let hasVerifier = 1;
}

def TQ_WeightOp : TQ_Op<"weight", [Symbol]> {
  let summary = "a weight of the checkpoint, as the package will hold it";
  let description = [{
    `from` is its path in the checkpoint. Where quantize-weights chose another encoding than the file's, `stored` is the
    file's. `values` holds constants that no file has (rope frequencies).
    (C1) Exactly one of `from` and `values`. (C2) A rotated weight names a tq.rotation of its last axis.
    ```mlir
    tq.weight @l0.q : !tq.packed<64x64xf32, #tq.codebook<bits = 4, group = 64>, @r0> from "model.layers.0.q" stored #tq.dense<bf16>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type, OptionalAttr<StrAttr>:$source,
                       OptionalAttr<TQ_EncodingInterface>:$stored, OptionalAttr<DenseF32ArrayAttr>:$values,
                       StrAttr:$role);
  let assemblyFormat = [{
    $sym_name `role` $role `:` $type (`from` $source^)? (`stored` $stored^)? (`values` $values^)? attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::tq::PackedType getPacked() { return ::llvm::cast<::tq::PackedType>(getType()); }
  }];
}

def TQ_StateOp : TQ_Op<"state", [Symbol]> {
  let summary = "memory that lives from step to step";
  let description = "(C1) The type is a !tq.kv.";
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
  let hasVerifier = 1;
}

//===-- Launches ------------------------------------------------------------------------------------------------===//

def TQ_LaunchOp : TQ_Op<"launch", [IsolatedFromAbove, SingleBlock, RecursiveMemoryEffects]> {
  let summary = "one kernel launch: a region of tensor ops that run together";
  let description = [{
    Fusion is this region, not an op. Operands are activations, weights, states and constants. Effects are those of the
    region. (C1) Block arguments have the operands' types, the yielded values the results'. (C2) At most one kind of root.
  }];
  let arguments = (ins Variadic<AnyType>:$inputs, StrAttr:$label, OptionalAttr<StrAttr>:$skeleton,
                       OptionalAttr<DictionaryAttr>:$config);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def TQ_YieldOp : TQ_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["LaunchOp", "KernelOp"]>]> {
  let summary = "the results of a launch or kernel";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

//===-- Kernels and tables --------------------------------------------------------------------------------------===//

def TQ_KernelOp : TQ_Op<"kernel", [IsolatedFromAbove, SingleBlock, Symbol]> {
  let summary = "a region that launches share, with its skeleton and configuration";
  let description = [{
    Weights are in layouts, not encodings; n_tokens is at most `max_tokens`, rows of the head at most `max_out`. The block
    arguments are the kernel's inputs, the yielded values its outputs; both become bindings in this order.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$skeleton, DictionaryAttr:$config);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `skeleton` $skeleton $config attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def TQ_CallOp : TQ_Op<"call", []> {
  let summary = "runs a kernel on values";
  let description = [{
    Between outline-kernels and schedule-steps. `offsets` are the arena offsets of the results, once allocate-buffers has run.
    Has effects: the kernel may write states.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyType>:$inputs, StrAttr:$label,
                       OptionalAttr<DenseI64ArrayAttr>:$offsets);
  let results = (outs Variadic<AnyType>:$outputs);
  let assemblyFormat = "$kernel `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)";
}

def TQ_TableOp : TQ_Op<"table", [IsolatedFromAbove, NoTerminator, SingleBlock, Symbol]> {
  let summary = "the launch table of an entry point";
  let description = [{
    `ports` name the arena ranges that the runtime writes and reads: name -> [offset, bytes, row stride in bytes].
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$max_tokens, I64Attr:$max_out, I64Attr:$arena_bytes,
                       DictionaryAttr:$inputs, DictionaryAttr:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `tokens` $max_tokens `out` $max_out `arena` $arena_bytes `inputs` $inputs `outputs` $outputs
    attr-dict-with-keyword $body
  }];
}

def TQ_StepOp : TQ_Op<"step", [HasParent<"TableOp">]> {
  let summary = "one launch of a kernel, bound to memory";
  let description = [{
    `tasks` is an affine map of the parameter block: s0 = n_tokens, s1 = pos, s2 = n_out. A step with `barrier` starts when
    everything before has finished. (C1) One result, no dims, three symbols.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, ArrayAttr:$bindings, AffineMapAttr:$tasks, I64Attr:$grain,
                       UnitAttr:$barrier, StrAttr:$label, DefaultValuedAttr<I64Attr, "0">:$weight_bytes,
                       DefaultValuedAttr<I64Attr, "0">:$flops);
  let assemblyFormat = "$kernel `tasks` $tasks $bindings (`barrier` $barrier^)? attr-dict";
  let hasVerifier = 1;
}

#endif
