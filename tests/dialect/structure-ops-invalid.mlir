// Labelled rules of symbols, launches and steps; symbols carry the label as their name.
// RUN: tq-opt -split-input-file -verify-diagnostics %s

// expected-error @+1 {{block 48 does not divide the dimension 64}}
tq.rotation @rotation_c1 dim 64 block 48 seed 1

// -----

// expected-error @+1 {{block 0 does not divide the dimension 64}}
tq.rotation @rotation_c1_zero dim 64 block 0 seed 1

// -----

// expected-error @+1 {{block -64 does not divide the dimension 64}}
tq.rotation @rotation_c1_negative dim 64 block -64 seed 1

// -----

// expected-error @+1 {{block 36 is not m * 2^k with m one of 1, 12, 20, 28}}
tq.rotation @rotation_c1_base dim 72 block 36 seed 1

// -----

// expected-error @+1 {{needs signs from a tensor or from a seed, and only one of them}}
tq.rotation @rotation_c2 dim 64 block 64

// -----

// expected-error @+1 {{needs signs from a tensor or from a seed, and only one of them}}
tq.rotation @rotation_c2_both dim 64 block 64 from "signs" seed 1

// -----

// expected-error @+1 {{comes after @absent, which is no other tq.rotation of this module}}
tq.rotation @rotation_c3 dim 64 block 64 seed 1 after @absent

// -----

// expected-error @+1 {{comes after @rotation_c3_self, which is no other tq.rotation of this module}}
tq.rotation @rotation_c3_self dim 64 block 64 seed 1 after @rotation_c3_self

// -----

tq.rotation @r dim 32 block 32 seed 1
// expected-error @+1 {{has dimension 64, but comes after @r of dimension 32}}
tq.rotation @rotation_c3_dim dim 64 block 64 seed 1 after @r

// -----

// expected-error @+1 {{has type 'tensor<8xf32>', expected a !tq.packed type}}
tq.weight @weight_type role "norm" : tensor<8xf32> from "w"

// -----

// expected-error @+1 {{comes from the checkpoint or has values, and only one of them}}
tq.weight @weight_c1 role "norm" : !tq.packed<2xf32, #tq.dense<f32>>

// -----

// expected-error @+1 {{comes from the checkpoint or has values, and only one of them}}
tq.weight @weight_c1_both role "norm" : !tq.packed<2xf32, #tq.dense<f32>> from "w" values [1.0, 2.0]

// -----

// expected-error @+1 {{has 3 values, but its type holds 2}}
tq.weight @weight_c1_values role "norm" : !tq.packed<2xf32, #tq.dense<f32>> values [1.0, 2.0, 3.0]

// -----

// expected-error @+1 {{names the basis @r, which is no tq.rotation of this module}}
tq.weight @weight_c2 role "mlp" : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r> from "w"

// -----

tq.rotation @r dim 32 block 32 seed 1
// expected-error @+1 {{has 64 columns, but its basis @r has dimension 32}}
tq.weight @weight_c2_dim role "mlp" : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r> from "w"

// -----

// expected-error @+1 {{has type 'tensor<8xf32>', expected a !tq.kv type}}
tq.state @state_c1 : tensor<8xf32>

// -----

func.func @launch_c1(%x: tensor<1x64xf32>) {
  // expected-error @+1 {{has operands that differ in type from its block arguments}}
  "tq.launch"(%x) <{label = "l"}> ({
  ^bb0(%a: tensor<1x32xf32>):
    tq.yield
  }) : (tensor<1x64xf32>) -> ()
  return
}

// -----

func.func @launch_c1_yield(%x: tensor<1x64xf32>) {
  // expected-error @+1 {{yields values that differ in type from its results}}
  %y = tq.launch "l" (%a = %x : tensor<1x64xf32>) -> tensor<1x32xf32> {
    tq.yield %a : tensor<1x64xf32>
  }
  return
}

// -----

!kv = !tq.kv<heads = 1, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
func.func @launch_c2(%x: tensor<1x64xf32>, %w: !tq.packed<64x64xf32, #tq.dense<f16>>, %kv: !kv, %q: tensor<1x1x64xf32>, %pos: tensor<1xi32>) {
  // expected-error @+1 {{has two kinds of root, tq.linear and tq.sdpa}}
  tq.launch "l" (%a = %x : tensor<1x64xf32>, %b = %w : !tq.packed<64x64xf32, #tq.dense<f16>>, %s = %kv : !kv, %h = %q : tensor<1x1x64xf32>, %p = %pos : tensor<1xi32>) {
    %y = tq.linear %a, %b : (tensor<1x64xf32>, !tq.packed<64x64xf32, #tq.dense<f16>>) -> tensor<1x64xf32>
    %z = tq.sdpa %h, %s, %p {scale = 1.0 : f32} : (tensor<1x1x64xf32>, !kv, tensor<1xi32>) -> tensor<1x1x64xf32>
    tq.yield
  }
  return
}

// -----

// expected-error @+1 {{must end in tq.yield}}
"tq.kernel"() <{sym_name = "kernel_end", skeleton = "rowwise", config = {}}> ({
^bb0(%x: tensor<1x64xf32>):
  %y = tq.act silu %x : tensor<1x64xf32>
}) : () -> ()

// -----

tq.table @step_c1 tokens 1 out 1 arena 64 inputs {} outputs {} {
  // expected-error @+1 {{tasks must be one affine result of the three parameters n_tokens, pos, n_out}}
  tq.step @k tasks affine_map<()[s0] -> (s0)> [] {grain = 1 : i64, label = "l"}
}
