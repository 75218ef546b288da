// Every labelled rule of the op descriptions has a case of its name here (a symbol's case has the label as its name).
// RUN: tq-opt -split-input-file -verify-diagnostics %s

// Operands: ranked, f32 or i32, static but for the first size.

func.func @dynamic_width(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  // expected-error @+1 {{operand #0 must be a tensor of f32 whose sizes are static but for the first, but got 'tensor<?x?xf32>'}}
  %y = tq.act silu %x : tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

func.func @unranked(%x: tensor<*xf32>) -> tensor<*xf32> {
  // expected-error @+1 {{expected builtin.tensor, but found 'tensor<*xf32>'}}
  %y = tq.take_rows %x : tensor<*xf32> -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// -----

func.func @half(%x: tensor<?x64xf16>) -> tensor<?x64xf16> {
  // expected-error @+1 {{operand #0 must be a tensor of f32 whose sizes are static but for the first, but got 'tensor<?x64xf16>'}}
  %y = tq.act silu %x : tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

//===-- Weights --------------------------------------------------------------===//

tq.weight @w role "mlp" : !tq.packed<8x64xf32, #tq.dense<f16>> from "w"
func.func @get_weight_c1() {
  // expected-error @+1 {{reads @w as '!tq.packed<8x64xf32, #tq.dense<f32>>', but it is '!tq.packed<8x64xf32, #tq.dense<f16>>'}}
  %w = tq.get_weight @w : !tq.packed<8x64xf32, #tq.dense<f32>>
  return
}

// -----

func.func @get_weight_c1_absent() {
  // expected-error @+1 {{@w is no tq.weight of this module}}
  %w = tq.get_weight @w : !tq.packed<8x64xf32, #tq.dense<f32>>
  return
}

// -----

tq.weight @w role "mlp" : !tq.packed<8x64xf32, #tq.dense<f16>> from "w"
func.func @get_weight_c2() {
  // expected-error @+1 {{reads @w as 'tensor<8x64xf32>'; only a vector of that size can be, but it is '!tq.packed<8x64xf32, #tq.dense<f16>>'}}
  %w = tq.get_weight @w : tensor<8x64xf32>
  return
}

// -----

tq.weight @w role "norm" : !tq.packed<64xf32, #tq.dense<f16>> from "w"
func.func @get_weight_c2_size() {
  // expected-error @+1 {{reads @w as 'tensor<32xf32>'; only a vector of that size can be, but it is '!tq.packed<64xf32, #tq.dense<f16>>'}}
  %w = tq.get_weight @w : tensor<32xf32>
  return
}

// -----

tq.rotation @r dim 64 block 64 seed 1
func.func @get_weight_c2_signs() {
  // expected-error @+1 {{reads the signs of @r as 'tensor<32xf32>', but there are 64}}
  %w = tq.get_weight @r : tensor<32xf32>
  return
}

// -----

tq.state @kv : !tq.kv<heads = 1, k = 8, v = 8, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
func.func @get_state_c1() {
  // expected-error @+1 {{reads @kv as '!tq.kv<heads = 2, k = 8, v = 8, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>', but it is '!tq.kv<heads = 1, k = 8, v = 8, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>'}}
  %s = tq.get_state @kv : !tq.kv<heads = 2, k = 8, v = 8, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
  return
}

// -----

func.func @get_state_c1_absent() {
  // expected-error @+1 {{@kv is no tq.state of this module}}
  %s = tq.get_state @kv : !tq.kv<heads = 2, k = 8, v = 8, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
  return
}

// -----

func.func @codebook_dequant_c1(%w: !tq.packed<8x64xf32, #tq.dense<f16>>) {
  // expected-error @+1 {{needs a #tq.codebook weight, but got #tq.dense<f16>; use tq.dequant}}
  %v = tq.codebook_dequant %w : !tq.packed<8x64xf32, #tq.dense<f16>> -> tensor<8x64xf32>
  return
}

// -----

func.func @codebook_dequant_c2(%w: !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r>) {
  // expected-error @+1 {{result must keep the weight's basis, but 'tensor<8x64xf32>' differs from '!tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r>'}}
  %v = tq.codebook_dequant %w : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r> -> tensor<8x64xf32>
  return
}

// -----

func.func @dequant_c1(%w: !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>>) {
  // expected-error @+1 {{takes any encoding but a codebook; use tq.codebook_dequant}}
  %v = tq.dequant %w : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>> -> tensor<8x64xf32>
  return
}

// -----

func.func @dequant_c1_shape(%w: !tq.packed<8x64xf32, #tq.dense<f16>>) {
  // expected-error @+1 {{result must have the weight's shape, but 'tensor<64x8xf32>' differs from '!tq.packed<8x64xf32, #tq.dense<f16>>'}}
  %v = tq.dequant %w : !tq.packed<8x64xf32, #tq.dense<f16>> -> tensor<64x8xf32>
  return
}

// -----

func.func @linear_c1_activation(%x: tensor<?x32xf32>, %w: tensor<8x64xf32>) {
  // expected-error @+1 {{activation must have shape *x64, but got 'tensor<?x32xf32>'}}
  %y = tq.linear %x, %w : (tensor<?x32xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @linear_c1_result(%x: tensor<?x64xf32>, %w: tensor<8x64xf32>) {
  // expected-error @+1 {{result must have shape ?x8, but got 'tensor<?x64xf32>'}}
  %y = tq.linear %x, %w : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @linear_c1_weight(%x: tensor<?x64xf32>, %w: tensor<64xf32>) {
  // expected-error @+1 {{weight must be a matrix [out, in], but got 'tensor<64xf32>'}}
  %y = tq.linear %x, %w : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @linear_c2(%x: tensor<?x64xf32>, %w: tensor<8x64xf32, #tq.basis<@r>>) {
  // expected-error @+3 {{activation and weight must be in the same basis}}
  // expected-note @+2 {{activation: none}}
  // expected-note @+1 {{weight: r}}
  %y = tq.linear %x, %w : (tensor<?x64xf32>, tensor<8x64xf32, #tq.basis<@r>>) -> tensor<?x8xf32>
  return
}

// -----

func.func @linear_c2_signs(%x: tensor<?x64xf32, #tq.basis<@s>>, %w: !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r>) {
  // expected-error @+3 {{activation and weight must be in the same basis}}
  // expected-note @+2 {{activation: s}}
  // expected-note @+1 {{weight: r}}
  %y = tq.linear %x, %w : (tensor<?x64xf32, #tq.basis<@s>>, !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r>) -> tensor<?x8xf32>
  return
}

// -----

func.func @linear_c3(%x: tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>, %w: !tq.packed<8x64xf32, #tq.dense<f16>>) {
  // expected-error @+1 {{integer activations need a quantised weight, but got '!tq.packed<8x64xf32, #tq.dense<f16>>'}}
  %y = tq.linear %x, %w : (tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>, !tq.packed<8x64xf32, #tq.dense<f16>>) -> tensor<?x8xf32>
  return
}

// -----

func.func @linear_c3_sums(%x: tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>, %w: !tq.packed<8x64xf32, #tq.affine<bits = 4, group = 32>>) {
  // expected-error @+1 {{activation sums over 64 columns do not divide the weight's group 32}}
  %y = tq.linear %x, %w : (tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>, !tq.packed<8x64xf32, #tq.affine<bits = 4, group = 32>>) -> tensor<?x8xf32>
  return
}

// -----

func.func @embed_c1_table(%t: tensor<64xf32>, %ids: tensor<?xi32>) {
  // expected-error @+1 {{table must be a matrix [vocabulary, width], but got 'tensor<64xf32>'}}
  %y = tq.embed %t, %ids : (tensor<64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @embed_c1_ids(%t: tensor<96x64xf32>, %ids: tensor<?x2xi32>) {
  // expected-error @+1 {{ids must have shape *, but got 'tensor<?x2xi32>'}}
  %y = tq.embed %t, %ids : (tensor<96x64xf32>, tensor<?x2xi32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @embed_c1_result(%t: tensor<96x64xf32>, %ids: tensor<?xi32>) {
  // expected-error @+1 {{result must have shape *x64, but got 'tensor<?x96xf32>'}}
  %y = tq.embed %t, %ids : (tensor<96x64xf32>, tensor<?xi32>) -> tensor<?x96xf32>
  return
}

// -----

func.func @embed_c2(%t: tensor<96x64xf32, #tq.basis<@r>>, %ids: tensor<?xi32>) {
  // expected-error @+1 {{result must have the table's basis, but 'tensor<?x64xf32>' differs from 'tensor<96x64xf32, #tq.basis<@r>>'}}
  %y = tq.embed %t, %ids : (tensor<96x64xf32, #tq.basis<@r>>, tensor<?xi32>) -> tensor<?x64xf32>
  return
}

// -----

//===-- Bases ----------------------------------------------------------------===//

func.func @rotate_shape(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{operand and result must have one shape with a static last axis}}
  %y = tq.rotate %x block 32 : tensor<?x64xf32> -> tensor<?x32xf32>
  return
}

// -----

func.func @rotate_c1(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{needs a rotation ('by @r') or an explicit block, and only one of them}}
  %y = tq.rotate %x : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

tq.rotation @r dim 64 block 64 seed 1
func.func @rotate_c1_both(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{needs a rotation ('by @r') or an explicit block, and only one of them}}
  %y = tq.rotate %x by @r block 64 : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  return
}

// -----

tq.rotation @r dim 64 block 64 seed 1
func.func @rotate_c1_signs(%x: tensor<?x64xf32>, %signs: tensor<64xf32>) {
  // expected-error @+1 {{takes signs only with an explicit block}}
  %y = tq.rotate %x, %signs : tensor<64xf32> by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  return
}

// -----

func.func @rotate_c2_absent(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{@r is no tq.rotation of this module}}
  %y = tq.rotate %x by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  return
}

// -----

tq.rotation @r dim 64 block 64 seed 1
func.func @rotate_c2(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{by @r connects the bases none and r, but the types are 'tensor<?x64xf32>' and 'tensor<?x64xf32>'}}
  %y = tq.rotate %x by @r : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

tq.rotation @r dim 64 block 64 seed 1
func.func @rotate_c2_inverse(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{by @r connects the bases none and r, but the types are 'tensor<?x64xf32>' and 'tensor<?x64xf32, #tq.basis<@r>>'}}
  %y = tq.rotate %x by @r inverse : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  return
}

// -----

tq.rotation @r dim 64 block 64 seed 1
tq.rotation @q dim 64 block 64 seed 2 after @r
func.func @rotate_c2_after(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{by @q connects the bases r and q, but the types are 'tensor<?x64xf32>' and 'tensor<?x64xf32, #tq.basis<@q>>'}}
  %y = tq.rotate %x by @q : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@q>>
  return
}

// -----

tq.rotation @r dim 128 block 128 seed 1
func.func @rotate_c2_dim(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{rotates 64 columns, but @r has dimension 128}}
  %y = tq.rotate %x by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  return
}

// -----

func.func @rotate_c3(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{block 48 must be m * 2^k with m one of 1, 12, 20, 28 and divide 64}}
  %y = tq.rotate %x block 48 : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

func.func @rotate_c3_base(%x: tensor<?x72xf32>) {
  // expected-error @+1 {{block 36 must be m * 2^k with m one of 1, 12, 20, 28 and divide 72}}
  %y = tq.rotate %x block 36 : tensor<?x72xf32> -> tensor<?x72xf32>
  return
}

// -----

func.func @rotate_c3_signs(%x: tensor<?x64xf32>, %signs: tensor<32xf32>) {
  // expected-error @+1 {{signs must have shape 64, but got 'tensor<32xf32>'}}
  %y = tq.rotate %x, %signs : tensor<32xf32> block 32 : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

func.func @quantize_c1(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{result must have an #tq.int encoding, but is 'tensor<?x64xf32>'}}
  %y = tq.quantize %x : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

func.func @quantize_c1_basis(%x: tensor<?x64xf32, #tq.basis<@r>>) {
  // expected-error @+1 {{result must be the operand's shape and basis, but 'tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>' differs from 'tensor<?x64xf32, #tq.basis<@r>>'}}
  %y = tq.quantize %x : tensor<?x64xf32, #tq.basis<@r>> -> tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>
  return
}

// -----

//===-- Rows -----------------------------------------------------------------===//

func.func @rms_norm_c1(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{operand and result must be one type of two axes or more, but are 'tensor<?x64xf32>' and 'tensor<?x32xf32>'}}
  %y = tq.rms_norm %x {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> tensor<?x32xf32>
  return
}

// -----

func.func @rms_norm_c1_gain(%x: tensor<?x64xf32>, %w: tensor<32xf32>) {
  // expected-error @+1 {{gain must have shape 64, but got 'tensor<32xf32>'}}
  %y = tq.rms_norm %x, %w : tensor<32xf32> {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

func.func @rms_norm_c2(%x: tensor<?x64xf32, #tq.basis<@r>>, %w: tensor<64xf32>) {
  // expected-error @+1 {{takes no rotated value, but got basis @r; apply tq.rotate inverse first}}
  %y = tq.rms_norm %x, %w : tensor<64xf32> {eps = 1.0e-5 : f32} : tensor<?x64xf32, #tq.basis<@r>> -> tensor<?x64xf32, #tq.basis<@r>>
  return
}

// -----

func.func @rms_norm_c3(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{eps must be finite and not negative, but is -1.000000e+00}}
  %y = tq.rms_norm %x {eps = -1.0 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

func.func @reshape_c1(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{must keep the rows and the elements in each, but goes from 'tensor<?x64xf32>' to 'tensor<?x4x8xf32>'}}
  %y = tq.reshape %x : tensor<?x64xf32> -> tensor<?x4x8xf32>
  return
}

// -----

func.func @reshape_c2(%x: tensor<?x64xf32, #tq.basis<@r>>) {
  // expected-error @+1 {{takes no rotated value, but got basis @r}}
  %y = tq.reshape %x : tensor<?x64xf32, #tq.basis<@r>> -> tensor<?x4x16xf32>
  return
}

// -----

func.func @take_rows_c1(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{must keep all axes but the first, but goes from 'tensor<?x64xf32>' to 'tensor<?x32xf32>'}}
  %y = tq.take_rows %x : tensor<?x64xf32> -> tensor<?x32xf32>
  return
}

// -----

func.func @rope_table_c1_frequencies(%pos: tensor<?xi32>, %f: tensor<2x8xf32>) {
  // expected-error @+1 {{frequencies must be a vector, but got 'tensor<2x8xf32>'}}
  %c, %s = tq.rope_table %pos, %f {factor = 1.0 : f32} : (tensor<?xi32>, tensor<2x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>)
  return
}

// -----

func.func @rope_table_c1(%pos: tensor<?xi32>, %f: tensor<8xf32>) {
  // expected-error @+1 {{sin must have shape *x8, but got 'tensor<?x4xf32>'}}
  %c, %s = tq.rope_table %pos, %f {factor = 1.0 : f32} : (tensor<?xi32>, tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x4xf32>)
  return
}

// -----

func.func @rope_c1_heads(%x: tensor<?x64xf32>, %c: tensor<?x8xf32>) {
  // expected-error @+1 {{operand must have shape *x*x*, but got 'tensor<?x64xf32>'}}
  %y = tq.rope %x, %c, %c : (tensor<?x64xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @rope_c1_width(%x: tensor<?x4x8xf32>, %c: tensor<?x8xf32>) {
  // expected-error @+1 {{rotates 16 dims, but a head has 8}}
  %y = tq.rope %x, %c, %c : (tensor<?x4x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x4x8xf32>
  return
}

// -----

func.func @rope_c1_sin(%x: tensor<?x4x16xf32>, %c: tensor<?x8xf32>, %s: tensor<?x4xf32>) {
  // expected-error @+1 {{sin must have shape *x8, but got 'tensor<?x4xf32>'}}
  %y = tq.rope %x, %c, %s : (tensor<?x4x16xf32>, tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x4x16xf32>
  return
}

// -----

func.func @rope_c1_basis(%x: tensor<?x4x16xf32, #tq.basis<@r>>, %c: tensor<?x8xf32>) {
  // expected-error @+1 {{takes no rotated value, but got basis @r}}
  %y = tq.rope %x, %c, %c : (tensor<?x4x16xf32, #tq.basis<@r>>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x4x16xf32, #tq.basis<@r>>
  return
}

// -----

func.func @rope_c1_result(%x: tensor<?x4x16xf32>, %c: tensor<?x8xf32>) {
  // expected-error @+1 {{result must have the operand's type, but is 'tensor<?x64xf32>'}}
  %y = tq.rope %x, %c, %c : (tensor<?x4x16xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x64xf32>
  return
}

// -----

//===-- Pointwise ------------------------------------------------------------===//

func.func @act_basis(%x: tensor<?x64xf32, #tq.basis<@r>>) {
  // expected-error @+1 {{takes no rotated value, but got basis @r}}
  %y = tq.act silu %x : tensor<?x64xf32, #tq.basis<@r>>
  return
}

// -----

func.func @glu_basis(%x: tensor<?x64xf32, #tq.basis<@r>>) {
  // expected-error @+1 {{takes no rotated value, but got basis @r}}
  %y = tq.glu silu %x, %x : tensor<?x64xf32, #tq.basis<@r>>
  return
}

// -----

func.func @add_bias_c1_type(%x: tensor<?x64xf32>, %b: tensor<64xf32>) {
  // expected-error @+1 {{result must have the operand's type, but is 'tensor<?x32xf32>'}}
  %y = tq.add_bias %x, %b : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x32xf32>
  return
}

// -----

func.func @add_bias_c1(%x: tensor<?x64xf32>, %b: tensor<32xf32>) {
  // expected-error @+1 {{bias must have shape 64, but got 'tensor<32xf32>'}}
  %y = tq.add_bias %x, %b : (tensor<?x64xf32>, tensor<32xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @add_bias_c2(%x: tensor<?x64xf32, #tq.basis<@r>>, %b: tensor<64xf32>) {
  // expected-error @+1 {{takes no rotated value, but got basis @r}}
  %y = tq.add_bias %x, %b : (tensor<?x64xf32, #tq.basis<@r>>, tensor<64xf32>) -> tensor<?x64xf32, #tq.basis<@r>>
  return
}

// -----

//===-- Attention ------------------------------------------------------------===//

!kv = !tq.kv<heads = 2, k = 64, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
func.func @kv_append_c1_keys(%kv: !kv, %k: tensor<?x2x32xf32>, %v: tensor<?x2x32xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{keys must have shape *x2x64, but got 'tensor<?x2x32xf32>'}}
  tq.kv_append %kv, %k, %v, %pos : !kv, tensor<?x2x32xf32>, tensor<?x2x32xf32>, tensor<?xi32>
  return
}

// -----

!kv = !tq.kv<heads = 2, k = 64, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
func.func @kv_append_c1_values(%kv: !kv, %k: tensor<?x2x64xf32>, %v: tensor<?x4x32xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{values must have shape *x2x32, but got 'tensor<?x4x32xf32>'}}
  tq.kv_append %kv, %k, %v, %pos : !kv, tensor<?x2x64xf32>, tensor<?x4x32xf32>, tensor<?xi32>
  return
}

// -----

!kv = !tq.kv<heads = 2, k = 64, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
func.func @sdpa_c1_heads(%q: tensor<?x3x64xf32>, %kv: !kv, %pos: tensor<?xi32>) {
  // expected-error @+1 {{3 query heads are no multiple of the state's 2 heads}}
  %y = tq.sdpa %q, %kv, %pos {scale = 0.125 : f32} : (tensor<?x3x64xf32>, !kv, tensor<?xi32>) -> tensor<?x3x32xf32>
  return
}

// -----

!kv = !tq.kv<heads = 2, k = 64, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
func.func @sdpa_c1_queries(%q: tensor<?x4x32xf32>, %kv: !kv, %pos: tensor<?xi32>) {
  // expected-error @+1 {{queries must have shape *x*x64, but got 'tensor<?x4x32xf32>'}}
  %y = tq.sdpa %q, %kv, %pos {scale = 0.125 : f32} : (tensor<?x4x32xf32>, !kv, tensor<?xi32>) -> tensor<?x4x32xf32>
  return
}

// -----

!kv = !tq.kv<heads = 2, k = 64, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
func.func @sdpa_c1_result(%q: tensor<?x4x64xf32>, %kv: !kv, %pos: tensor<?xi32>) {
  // expected-error @+1 {{result must have shape *x4x32, but got 'tensor<?x4x64xf32>'}}
  %y = tq.sdpa %q, %kv, %pos {scale = 0.125 : f32} : (tensor<?x4x64xf32>, !kv, tensor<?xi32>) -> tensor<?x4x64xf32>
  return
}

// -----

!kv = !tq.kv<heads = 2, k = 64, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
func.func @sdpa_c2(%q: tensor<?x4x64xf32>, %kv: !kv, %pos: tensor<?xi32>) {
  // expected-error @+1 {{window must be 0 (none) or positive, but is -1}}
  %y = tq.sdpa %q, %kv, %pos {scale = 0.125 : f32, window = -1 : i64} : (tensor<?x4x64xf32>, !kv, tensor<?xi32>) -> tensor<?x4x32xf32>
  return
}

// -----

!kv = !tq.kv<heads = 2, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
func.func @sdpa_split_c1(%q: tensor<?x4x64xf32>, %kv: !kv, %pos: tensor<?xi32>) {
  // expected-error @+1 {{result must have shape *x*x4x80, but got 'tensor<?x8x4x64xf32>'}}
  %y = tq.sdpa_split %q, %kv, %pos {scale = 0.125 : f32} : (tensor<?x4x64xf32>, !kv, tensor<?xi32>) -> tensor<?x8x4x64xf32>
  return
}

// -----

func.func @sdpa_merge_c1(%p: tensor<?x8x4x64xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{partial results must be 80 wide, but are 64}}
  %y = tq.sdpa_merge %p, %pos : (tensor<?x8x4x64xf32>, tensor<?xi32>) -> tensor<?x4x64xf32>
  return
}

// -----

func.func @argmax_c1_operand(%x: tensor<?x4x16xf32>) {
  // expected-error @+1 {{operand must have shape *x*, but got 'tensor<?x4x16xf32>'}}
  %y = tq.argmax %x : (tensor<?x4x16xf32>) -> tensor<?xi32>
  return
}

// -----

func.func @argmax_c1_result(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{result must have shape ?, but got 'tensor<?x1xi32>'}}
  %y = tq.argmax %x : (tensor<?x64xf32>) -> tensor<?x1xi32>
  return
}

// -----

tq.rotation @r0 dim 64 block 64 seed 1
func.func @argmax_c2_basis(%x: tensor<?x64xf32, #tq.basis<@r0>>) {
  // expected-error @+1 {{takes no rotated value, but got basis @r0}}
  %y = tq.argmax %x : (tensor<?x64xf32, #tq.basis<@r0>>) -> tensor<?xi32>
  return
}

// -----

func.func @top_k_c1_operand(%x: tensor<64xf32>) {
  // expected-error @+1 {{operand must have shape *x*, but got 'tensor<64xf32>'}}
  %v, %i = tq.top_k %x {k = 4 : i64} : (tensor<64xf32>) -> (tensor<?x4xf32>, tensor<?x4xi32>)
  return
}

// -----

func.func @top_k_c1_values(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{values must have shape ?x4, but got 'tensor<?x5xf32>'}}
  %v, %i = tq.top_k %x {k = 4 : i64} : (tensor<?x64xf32>) -> (tensor<?x5xf32>, tensor<?x4xi32>)
  return
}

// -----

func.func @top_k_c1_indices(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{indices must have shape ?x4, but got 'tensor<?x3xi32>'}}
  %v, %i = tq.top_k %x {k = 4 : i64} : (tensor<?x64xf32>) -> (tensor<?x4xf32>, tensor<?x3xi32>)
  return
}

// -----

func.func @top_k_c2_integers(%x: tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>) {
  // expected-error @+1 {{takes plain f32 rows, but got 'tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>'}}
  %v, %i = tq.top_k %x {k = 4 : i64} : (tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>) -> (tensor<?x4xf32>, tensor<?x4xi32>)
  return
}

// -----

func.func @top_k_c3_large(%x: tensor<?x100xf32>) {
  // expected-error @+1 {{k must be 1 to 64 for rows of 100, but is 65}}
  %v, %i = tq.top_k %x {k = 65 : i64} : (tensor<?x100xf32>) -> (tensor<?x65xf32>, tensor<?x65xi32>)
  return
}

// -----

func.func @top_k_c3_row(%x: tensor<?x3xf32>) {
  // expected-error @+1 {{k must be 1 to 3 for rows of 3, but is 4}}
  %v, %i = tq.top_k %x {k = 4 : i64} : (tensor<?x3xf32>) -> (tensor<?x4xf32>, tensor<?x4xi32>)
  return
}

// -----

func.func @top_k_c3_none(%x: tensor<?x3xf32>) {
  // expected-error @+1 {{k must be 1 to 3 for rows of 3, but is 0}}
  %v, %i = tq.top_k %x {k = 0 : i64} : (tensor<?x3xf32>) -> (tensor<?x4xf32>, tensor<?x4xi32>)
  return
}
