// Symbols, launches, kernels and tables survive print and parse.
// RUN: tq-opt %s | tq-opt | FileCheck %s
// RUN: tq-opt --mlir-print-op-generic %s | tq-opt | FileCheck %s

// CHECK: tq.rotation @r0 dim 768 block 384 seed 42
tq.rotation @r0 dim 768 block 384 seed 42
// CHECK: tq.rotation @r1 dim 768 block 384 from "q.signs" after @r0
tq.rotation @r1 dim 768 block 384 from "q.signs" after @r0
// CHECK: tq.weight @w role "mlp" : !tq.packed<32x768xf32, #tq.codebook<bits = 4, group = 64>, @r0> from "w" stored #tq.dense<bf16>
tq.weight @w role "mlp" : !tq.packed<32x768xf32, #tq.codebook<bits = 4, group = 64>, @r0> from "w" stored #tq.dense<bf16>
// CHECK: tq.weight @"w/qjl" role "mlp" : !tq.packed<32x768xf32, #tq.codebook<bits = 1, group = 768>, @r1> from "w/qjl"
tq.weight @"w/qjl" role "mlp" : !tq.packed<32x768xf32, #tq.codebook<bits = 1, group = 768>, @r1> from "w/qjl"
// CHECK: tq.weight @f role "constant" : !tq.packed<2xf32, #tq.dense<f32>> values [1.000000e+00, 5.000000e-01]
tq.weight @f role "constant" : !tq.packed<2xf32, #tq.dense<f32>> values [1.0, 0.5]
// CHECK: tq.state @kv.0 : !tq.kv<heads = 2, k = 64, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f32>>
tq.state @kv.0 : !tq.kv<heads = 2, k = 64, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f32>>

// CHECK-LABEL: func @launch
func.func @launch(%x: tensor<1x64xf32>, %w: !tq.packed<32x64xf32, #tq.dense<f16>>, %res: tensor<1x32xf32>) -> tensor<1x32xf32> {
  // CHECK: tq.launch "layers.0.mlp.down" (%[[A:.*]] = %{{.*}} : tensor<1x64xf32>, %[[B:.*]] = %{{.*}} : !tq.packed<32x64xf32, #tq.dense<f16>>, %[[C:.*]] = %{{.*}} : tensor<1x32xf32>) skeleton "linear" {rows = 4 : i64} -> tensor<1x32xf32> {
  %y = tq.launch "layers.0.mlp.down" (%a = %x : tensor<1x64xf32>, %b = %w : !tq.packed<32x64xf32, #tq.dense<f16>>, %c = %res : tensor<1x32xf32>) skeleton "linear" {rows = 4 : i64} -> tensor<1x32xf32> {
    // CHECK: tq.linear %[[A]], %[[B]]
    %l = tq.linear %a, %b : (tensor<1x64xf32>, !tq.packed<32x64xf32, #tq.dense<f16>>) -> tensor<1x32xf32>
    %s = arith.addf %c, %l : tensor<1x32xf32>
    // CHECK: tq.yield %{{.*}} : tensor<1x32xf32>
    tq.yield %s : tensor<1x32xf32>
  }
  // CHECK: tq.launch "idle" () {
  tq.launch "idle" () {
    tq.yield
  }
  return %y : tensor<1x32xf32>
}

// CHECK: tq.kernel @norm skeleton "rowwise" {max_rows = 1 : i64} {
tq.kernel @norm skeleton "rowwise" {max_rows = 1 : i64} {
^bb0(%x: tensor<1x64xf32>):
  %y = tq.rms_norm %x {eps = 1.0e-5 : f32} : tensor<1x64xf32> -> tensor<1x64xf32>
  tq.yield %y : tensor<1x64xf32>
}

// CHECK-LABEL: func @call
func.func @call(%x: tensor<1x64xf32>) -> tensor<1x64xf32> {
  // CHECK: tq.call @norm(%{{.*}}) {label = "layers.0.attention.norm", offsets = array<i64: 4096>} : (tensor<1x64xf32>) -> tensor<1x64xf32>
  %y = tq.call @norm(%x) {label = "layers.0.attention.norm", offsets = array<i64: 4096>} : (tensor<1x64xf32>) -> tensor<1x64xf32>
  return %y : tensor<1x64xf32>
}

// CHECK: tq.table @decode tokens 1 out 1 arena 8192 inputs {ids = [0, 4, 4]} outputs {logits = [4096, 256, 256]} {
tq.table @decode tokens 1 out 1 arena 8192 inputs {ids = [0, 4, 4]} outputs {logits = [4096, 256, 256]} {
  // CHECK: tq.step @norm tasks #{{.*}} [#tq.arena<0, 256>, #tq.plane<@w, "stream">, #tq.pool<@kv.0>, #tq.page_table] barrier {grain = 1 : i64, label = "layers.0.attention.norm"}
  tq.step @norm tasks affine_map<()[s0, s1, s2] -> (s0)> [#tq.arena<0, 256>, #tq.plane<@w, "stream">, #tq.pool<@kv.0>, #tq.page_table] barrier {grain = 1 : i64, label = "layers.0.attention.norm"}
}
