// Every tensor-level op survives print and parse, in its own form and in the generic one.
// RUN: tq-opt %s | tq-opt | FileCheck %s
// RUN: tq-opt --mlir-print-op-generic %s | tq-opt | FileCheck %s

tq.rotation @r0 dim 64 block 64 from "q.signs"
tq.rotation @rq dim 64 block 64 seed 137 after @r0
tq.weight @table role "embedding" : !tq.packed<96x64xf32, #tq.affine<bits = 4, group = 32>> from "embed.weight"
tq.weight @q role "attention" : !tq.packed<128x64xf32, #tq.codebook<bits = 3, group = 64>, @r0> from "q.weight" stored #tq.dense<bf16>
tq.weight @gain role "norm" : !tq.packed<64xf32, #tq.dense<f16>> from "norm.weight"
tq.weight @frequencies role "constant" : !tq.packed<2xf32, #tq.dense<f32>> values [1.0, 0.25]
tq.state @kv.0 : !tq.kv<heads = 2, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>

!kv = !tq.kv<heads = 2, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>

// CHECK-LABEL: func @weights
func.func @weights(%ids: tensor<?xi32>) -> tensor<?x64xf32> {
  // CHECK: %[[TABLE:.*]] = tq.get_weight @table : !tq.packed<96x64xf32, #tq.affine<bits = 4, group = 32>>
  %table = tq.get_weight @table : !tq.packed<96x64xf32, #tq.affine<bits = 4, group = 32>>
  // CHECK: tq.dequant %[[TABLE]] : !tq.packed<96x64xf32, #tq.affine<bits = 4, group = 32>> -> tensor<96x64xf32>
  %rows = tq.dequant %table : !tq.packed<96x64xf32, #tq.affine<bits = 4, group = 32>> -> tensor<96x64xf32>
  // CHECK: tq.embed %{{.*}}, %{{.*}} : (tensor<96x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  %x = tq.embed %rows, %ids : (tensor<96x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return %x : tensor<?x64xf32>
}

// CHECK-LABEL: func @rotated_linear
func.func @rotated_linear(%x: tensor<?x64xf32>) -> tensor<?x128xf32> {
  // CHECK: tq.rotate %{{.*}} by @r0 : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r0>>
  %r = tq.rotate %x by @r0 : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r0>>
  %q = tq.get_weight @q : !tq.packed<128x64xf32, #tq.codebook<bits = 3, group = 64>, @r0>
  // CHECK: tq.codebook_dequant %{{.*}} : !tq.packed<128x64xf32, #tq.codebook<bits = 3, group = 64>, @r0> -> tensor<128x64xf32, #tq.basis<@r0>>
  %w = tq.codebook_dequant %q : !tq.packed<128x64xf32, #tq.codebook<bits = 3, group = 64>, @r0> -> tensor<128x64xf32, #tq.basis<@r0>>
  // CHECK: tq.linear %{{.*}}, %{{.*}} : (tensor<?x64xf32, #tq.basis<@r0>>, tensor<128x64xf32, #tq.basis<@r0>>) -> tensor<?x128xf32>
  %y = tq.linear %r, %w : (tensor<?x64xf32, #tq.basis<@r0>>, tensor<128x64xf32, #tq.basis<@r0>>) -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// CHECK-LABEL: func @rotations
func.func @rotations(%x: tensor<?x64xf32>, %signs: tensor<64xf32>) -> tensor<?x64xf32> {
  %a = tq.rotate %x by @r0 : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r0>>
  // CHECK: tq.rotate %{{.*}} by @rq : tensor<?x64xf32, #tq.basis<@r0>> -> tensor<?x64xf32, #tq.basis<@rq>>
  %b = tq.rotate %a by @rq : tensor<?x64xf32, #tq.basis<@r0>> -> tensor<?x64xf32, #tq.basis<@rq>>
  // CHECK: tq.rotate %{{.*}} by @rq inverse : tensor<?x64xf32, #tq.basis<@rq>> -> tensor<?x64xf32, #tq.basis<@r0>>
  %c = tq.rotate %b by @rq inverse : tensor<?x64xf32, #tq.basis<@rq>> -> tensor<?x64xf32, #tq.basis<@r0>>
  %d = tq.rotate %c by @r0 inverse : tensor<?x64xf32, #tq.basis<@r0>> -> tensor<?x64xf32>
  // CHECK: tq.rotate %{{.*}}, %{{.*}} : tensor<64xf32> block 32 : tensor<?x64xf32> -> tensor<?x64xf32>
  %e = tq.rotate %d, %signs : tensor<64xf32> block 32 : tensor<?x64xf32> -> tensor<?x64xf32>
  // CHECK: tq.rotate %{{.*}} block 16 inverse : tensor<?x64xf32> -> tensor<?x64xf32>
  %f = tq.rotate %e block 16 inverse : tensor<?x64xf32> -> tensor<?x64xf32>
  return %f : tensor<?x64xf32>
}

// CHECK-LABEL: func @integers
func.func @integers(%x: tensor<?x64xf32, #tq.basis<@r0>>, %w: !tq.packed<32x64xf32, #tq.layout<kind = "codebook", bits = 4, group = 64>, @r0>) -> tensor<?x32xf32> {
  // CHECK: tq.quantize %{{.*}} : tensor<?x64xf32, #tq.basis<@r0>> -> tensor<?x64xf32, #tq.int<bits = 8, sums = 64, rotation = @r0>>
  %q = tq.quantize %x : tensor<?x64xf32, #tq.basis<@r0>> -> tensor<?x64xf32, #tq.int<bits = 8, sums = 64, rotation = @r0>>
  %y = tq.linear %q, %w : (tensor<?x64xf32, #tq.int<bits = 8, sums = 64, rotation = @r0>>, !tq.packed<32x64xf32, #tq.layout<kind = "codebook", bits = 4, group = 64>, @r0>) -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// CHECK-LABEL: func @rows
func.func @rows(%x: tensor<?x64xf32>, %h: tensor<?x2x4xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32> {
  // CHECK: %[[GAIN:.*]] = tq.get_weight @gain : tensor<64xf32>
  %gain = tq.get_weight @gain : tensor<64xf32>
  // CHECK: tq.rms_norm %{{.*}}, %[[GAIN]] : tensor<64xf32> {eps = 9.99999974E-6 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
  %n = tq.rms_norm %x, %gain : tensor<64xf32> {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
  // CHECK: tq.rms_norm %{{[^,]*}} {eps = 0.000000e+00 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
  %m = tq.rms_norm %n {eps = 0.0 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
  // CHECK: tq.reshape %{{.*}} : tensor<?x64xf32> -> tensor<?x4x16xf32>
  %s = tq.reshape %m : tensor<?x64xf32> -> tensor<?x4x16xf32>
  %j = tq.reshape %s : tensor<?x4x16xf32> -> tensor<?x64xf32>
  %frequencies = tq.get_weight @frequencies : tensor<2xf32>
  // CHECK: tq.rope_table %{{.*}}, %{{.*}} {factor = 1.000000e+00 : f32} : (tensor<?xi32>, tensor<2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>)
  %cos, %sin = tq.rope_table %pos, %frequencies {factor = 1.0 : f32} : (tensor<?xi32>, tensor<2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>)
  // CHECK: tq.rope %{{.*}}, %{{.*}}, %{{.*}} : (tensor<?x2x4xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2x4xf32>
  %p = tq.rope %h, %cos, %sin : (tensor<?x2x4xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2x4xf32>
  // CHECK: tq.take_rows %{{.*}} : tensor<?x64xf32> -> tensor<?x64xf32>
  %t = tq.take_rows %j : tensor<?x64xf32> -> tensor<?x64xf32>
  return %t : tensor<?x64xf32>
}

// CHECK-LABEL: func @pointwise
func.func @pointwise(%x: tensor<?x64xf32>, %bias: tensor<64xf32>) -> tensor<?x64xf32> {
  // CHECK: tq.act gelu_tanh %{{.*}} : tensor<?x64xf32>
  %a = tq.act gelu_tanh %x : tensor<?x64xf32>
  // CHECK: tq.glu silu %{{.*}}, %{{.*}} : tensor<?x64xf32>
  %g = tq.glu silu %a, %x : tensor<?x64xf32>
  // CHECK: tq.add_bias %{{.*}}, %{{.*}} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %b = tq.add_bias %g, %bias : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return %b : tensor<?x64xf32>
}

// CHECK-LABEL: func @attention
func.func @attention(%q: tensor<?x4x64xf32>, %k: tensor<?x2x64xf32>, %v: tensor<?x2x64xf32>, %pos: tensor<?xi32>) -> (tensor<?x4x64xf32>, tensor<?x4x64xf32>) {
  // CHECK: %[[KV:.*]] = tq.get_state @kv.0 : !tq.kv<heads = 2, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
  %kv = tq.get_state @kv.0 : !kv
  // CHECK: tq.kv_append %[[KV]], %{{.*}}, %{{.*}}, %{{.*}} : !tq.kv<
  tq.kv_append %kv, %k, %v, %pos : !kv, tensor<?x2x64xf32>, tensor<?x2x64xf32>, tensor<?xi32>
  // CHECK: tq.sdpa %{{.*}}, %[[KV]], %{{.*}} {scale = 1.250000e-01 : f32, window = 8 : i64} : (tensor<?x4x64xf32>, !tq.kv<{{.*}}>, tensor<?xi32>) -> tensor<?x4x64xf32>
  %y = tq.sdpa %q, %kv, %pos {scale = 0.125 : f32, window = 8 : i64} : (tensor<?x4x64xf32>, !kv, tensor<?xi32>) -> tensor<?x4x64xf32>
  // CHECK: %[[PARTIAL:.*]] = tq.sdpa_split %{{.*}}, %[[KV]], %{{.*}} {scale = 1.250000e-01 : f32} : {{.*}} -> tensor<?x8x4x80xf32>
  %partial = tq.sdpa_split %q, %kv, %pos {scale = 0.125 : f32} : (tensor<?x4x64xf32>, !kv, tensor<?xi32>) -> tensor<?x8x4x80xf32>
  // CHECK: tq.sdpa_merge %[[PARTIAL]], %{{.*}} : (tensor<?x8x4x80xf32>, tensor<?xi32>) -> tensor<?x4x64xf32>
  %z = tq.sdpa_merge %partial, %pos : (tensor<?x8x4x80xf32>, tensor<?xi32>) -> tensor<?x4x64xf32>
  return %y, %z : tensor<?x4x64xf32>, tensor<?x4x64xf32>
}

// CHECK-LABEL: func @sampling
func.func @sampling(%x: tensor<?x100xf32>) -> (tensor<?xi32>, tensor<?x64xf32>, tensor<?x64xi32>) {
  // CHECK: tq.argmax %{{.*}} : (tensor<?x100xf32>) -> tensor<?xi32>
  %a = tq.argmax %x : (tensor<?x100xf32>) -> tensor<?xi32>
  // CHECK: tq.top_k %{{.*}} {k = 64 : i64} : (tensor<?x100xf32>) -> (tensor<?x64xf32>, tensor<?x64xi32>)
  %v, %i = tq.top_k %x {k = 64 : i64} : (tensor<?x100xf32>) -> (tensor<?x64xf32>, tensor<?x64xi32>)
  return %a, %v, %i : tensor<?xi32>, tensor<?x64xf32>, tensor<?x64xi32>
}
