//===- Passes.td - Every pass of the pipeline, in order -------------------===//
#ifndef TQ_PASSES_TD
#define TQ_PASSES_TD

include "mlir/Pass/PassBase.td"

//===-- rotate --------------------------------------------------------------------------------------------------===//

def QuantizeWeights : Pass<"tq-quantize-weights", "::mlir::ModuleOp"> {
  let summary = "choose an encoding for float weights";
  let description = [{
    Before: `tq.weight @w : !tq.packed<NxKxf32, #tq.dense<bf16>>`, read by tq.dequant and tq.linear.
    After:  `tq.weight @w : !tq.packed<NxKxf32, #tq.codebook<…>, @rotation.K> stored #tq.dense<bf16>`; the linear's activation goes
    through `tq.rotate`. Only types change: codes are chosen when the package is written, tensor by tensor.
    All weights of one input width share one rotation, so that q, k and v (gate, up) read one rotated activation.
    A weight whose width the group does not divide, or under 32, stays float with a warning.
  }];
  let options = [
    Option<"weights", "weights", "std::string", "\"keep\"", "keep, f16, bf16, tq2..tq4 (rotated codebook), q2..q8 (affine)">,
    Option<"group", "group-size", "int64_t", "64", "columns that share one scale">,
    Option<"attnBits", "attn-bits", "int64_t", "0", "bits of attention weights within the family (0: as weights)">,
    Option<"mlpBits", "mlp-bits", "int64_t", "0", "bits of MLP weights within the family (0: as weights)">,
    Option<"headBits", "head-bits", "int64_t", "0", "affine bits of an untied head (0: as weights)">,
    Option<"embedBits", "embed-bits", "int64_t", "0", "affine bits of the embedding and a tied head (0: float)">,
    ListOption<"protectLayers", "protect-layers", "int64_t", "layers that stay float">,
    Option<"rotation", "rotation", "std::string", "\"hadamard\"", "hadamard or none">,
    Option<"seed", "seed", "int64_t", "42", "seed of the signs">];
  let statistics = [Statistic<"numQuantized", "num-quantized", "weights given another encoding">,
                    Statistic<"numKept", "num-kept", "matrices left as they are">];
  let dependentDialects = ["::tq::TQDialect"];
}

def EncodeStates : Pass<"tq-encode-states", "::mlir::ModuleOp"> {
  let summary = "choose how keys and values are stored";
  let description = [{
    Before: `tq.state @kv.0 : !tq.kv<…, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>`. After: the same with the encodings
    that the options name, in every handle as well.
  }];
  let options = [Option<"k", "k", "std::string", "\"f16\"", "keys: f16 or f32">,
                 Option<"v", "v", "std::string", "\"f16\"", "values: f16 or f32">];
  let dependentDialects = ["::tq::TQDialect"];
}

def ShareRotations : Pass<"tq-share-rotations", "::mlir::ModuleOp"> {
  let summary = "one tq.rotate per value and basis";
  let description = [{
    Rotation symbols with the same signs become one symbol, then equal rotations of one value become one op.
    Before: `%a = tq.rotate %x by @r0  %b = tq.rotate %x by @r1` with @r0 and @r1 of one seed. After: both users read `%a`.
  }];
  let statistics = [Statistic<"numSymbols", "num-symbols", "rotation symbols merged">,
                    Statistic<"numShared", "num-shared", "rotations removed">];
}

def FoldRotations : Pass<"tq-fold-rotations", "::mlir::ModuleOp"> {
  let summary = "cancel rotations against their inverses and drop unused ones";
  let description = [{
    Before: `%a = tq.rotate %x by @r  %b = tq.rotate %a by @r inverse`. After: `%x`. Sums of values rotated alike are rotated once.
    Rotation symbols without users go.
  }];
  let statistics = [Statistic<"numFolded", "num-folded", "rotations removed">];
}

//===-- fuse ----------------------------------------------------------------------------------------------------===//

def SpecializeEntryPoints : Pass<"tq-specialize-entry-points", "::mlir::ModuleOp"> {
  let summary = "clone forward into decode, verify and prefill";
  let description = [{
    @forward becomes @decode (1 token), @verify (2..8) and @prefill (a chunk). Attributes `tq.max_tokens` and `tq.max_out`
    bound `?`. In decode, `tq.sdpa` becomes `tq.sdpa_split` + `tq.sdpa_merge`: one token alone has too few heads to keep all
    cores busy.
  }];
  let options = [Option<"chunk", "chunk", "int64_t", "512", "tokens of the prefill entry point">,
                 Option<"maxOut", "max-out", "int64_t", "64", "rows of logits a prefill step can give">,
                 Option<"context", "context", "int64_t", "4096", "most positions that the package serves">];
  let dependentDialects = ["::tq::TQDialect"];
}

def JoinDequant : Pass<"tq-join-dequant", "::mlir::ModuleOp"> {
  let summary = "linear and embed read packed weights";
  let description = [{
    Before: `%d = tq.codebook_dequant %w  %y = tq.linear %x, %d`. After: `%y = tq.linear %x, %w`. Nobody materialises a matrix.
  }];
}

def QuantizeActivations : Pass<"tq-quantize-activations", "::mlir::ModuleOp"> {
  let summary = "round the activations of quantised linear layers";
  let description = [{
    Before: `tq.linear %x, %w` with a quantised %w. After: `%q = tq.quantize %x  tq.linear %q, %w`. One tq.quantize per value, shared.
    Float weights are left alone.
  }];
  let options = [Option<"activations", "activations", "std::string", "\"int8\"", "int8, int16 or f32">];
  let statistics = [Statistic<"numQuantized", "num-quantized", "activations quantised">];
  let dependentDialects = ["::tq::TQDialect"];
}

def FormLaunches : Pass<"tq-form-launches", "::mlir::ModuleOp"> {
  let summary = "every op into a tq.launch";
  let description = [{
    Row ops (norm, rotations, quantiser, rope, append) that follow each other become one row launch; a root (linear, sdpa) takes the
    pointwise ops that follow it as epilogue. Bases have done their duty: they are checked here for the last time and
    erased, rotations get their signs as an operand.
  }];
  let statistics = [Statistic<"numLaunches", "num-launches", "launches formed">];
  let dependentDialects = ["::tq::TQDialect"];
}

def MergeProjections : Pass<"tq-merge-projections", "::mlir::ModuleOp"> {
  let summary = "launches side by side become one";
  let description = [{
    q, k and v, or gate and up with their GLU, are one launch even where their activations differ (signs). Row launches that can
    run together do.
  }];
  let statistics = [Statistic<"numMerged", "num-merged", "launches merged into another">];
}

//===-- schedule ------------------------------------------------------------------------------------------------===//

def SelectKernels : Pass<"tq-select-kernels", "::mlir::ModuleOp"> {
  let constructor = "::tq::createSelectKernels({})";
  let summary = "a skeleton and a configuration for every launch";
  let description = [{
    Takes the first of the target's skeletons that can run the launch; the skeleton chooses its configuration. The cost
    of a host launch is the larger of bytes over bandwidth and operations over throughput, plus a claim per chunk of
    tasks; it decides how many tasks a worker claims at once.
  }];
  let dependentDialects = ["::tq::TQDialect"];
}

def OutlineKernels : Pass<"tq-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "equal launches share one tq.kernel";
  let description = [{
    Weights change from encodings to layouts; launches with equal regions and configurations then call the same kernel. A model of
    32 equal layers has the kernels of one.
  }];
  let statistics = [Statistic<"numKernels", "num-kernels", "distinct kernels">];
  let dependentDialects = ["::tq::TQDialect"];
}

def AllocateBuffers : Pass<"tq-allocate-buffers", "::mlir::ModuleOp"> {
  let summary = "an arena offset for every value";
  let description = [{ First fit over lifetimes in call order; inputs and logits live throughout. Offsets are multiples of 64. }];
  let statistics = [Statistic<"arenaBytes", "arena-bytes", "largest arena">];
}

def ScheduleSteps : Pass<"tq-schedule-steps", "::mlir::ModuleOp"> {
  let constructor = "::tq::createScheduleSteps({})";
  let summary = "launch tables";
  let description = [{
    Every tq.call becomes a tq.step with its bindings; a step waits (barrier) only if it touches what an earlier one, since the last
    barrier, has written or still reads.
  }];
  let statistics = [Statistic<"numSteps", "num-steps", "steps">, Statistic<"numBarriers", "num-barriers", "barriers">];
  let dependentDialects = ["::tq::TQDialect"];
}

#endif
