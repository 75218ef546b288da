// Every op goes into a launch: rows that follow each other share one, a root takes the pointwise ops behind it.
// RUN: tq-opt --tq-form-launches %s | FileCheck %s

!kv = !tq.kv<heads = 2, k = 32, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
!w = !tq.packed<64x64xf32, #tq.codebook<bits = 4, group = 64>, @r>
tq.rotation @r dim 64 block 32 seed 1
tq.weight @w role "mlp" : !w from "w"
tq.weight @gain role "norm" : !tq.packed<64xf32, #tq.dense<f32>> from "gain"
tq.state @kv : !kv

// A norm and its rotation are one launch of rows, the linear layer and the residual another. Bases are gone, the rotation
// has its signs and block.
// CHECK-LABEL: func @layer
// CHECK-SAME: (%[[H:.*]]: tensor<?x64xf32>)
// CHECK-DAG: %[[SIGNS:.*]] = tq.get_weight @r : tensor<64xf32>
// CHECK-DAG: %[[GAIN:.*]] = tq.get_weight @gain : tensor<64xf32>
// CHECK-DAG: %[[W:.*]] = tq.get_weight @w : !tq.packed<64x64xf32, #tq.codebook<bits = 4, group = 64>>
// CHECK: %[[R:.*]] = tq.launch "norm" (%[[A:.*]] = %[[H]] : tensor<?x64xf32>, %[[B:.*]] = %[[GAIN]] : tensor<64xf32>, %[[C:.*]] = %[[SIGNS]] : tensor<64xf32>) -> tensor<?x64xf32> {
// CHECK-NEXT: %[[N:.*]] = tq.rms_norm %[[A]], %[[B]]
// CHECK-NEXT: %[[T:.*]] = tq.rotate %[[N]], %[[C]] : tensor<64xf32> block 32 : tensor<?x64xf32> -> tensor<?x64xf32>
// CHECK-NEXT: tq.yield %[[T]]
// CHECK: %[[S:.*]] = tq.launch "up" (%[[X:.*]] = %[[R]] : tensor<?x64xf32>, %[[V:.*]] = %[[W]] : {{.*}}, %[[D:.*]] = %[[H]] : tensor<?x64xf32>) -> tensor<?x64xf32> {
// CHECK-NEXT: %[[Y:.*]] = tq.linear %[[X]], %[[V]]
// CHECK-NEXT: %[[Z:.*]] = arith.addf %[[D]], %[[Y]]
// CHECK-NEXT: tq.yield %[[Z]]
// CHECK: return %[[S]]
func.func @layer(%h: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %g = tq.get_weight @gain : tensor<64xf32>
  %n = tq.rms_norm %h, %g : tensor<64xf32> {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> tensor<?x64xf32> loc("norm")
  %r = tq.rotate %n by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  %w = tq.get_weight @w : !w
  %y = tq.linear %r, %w : (tensor<?x64xf32, #tq.basis<@r>>, !w) -> tensor<?x64xf32> loc("up")
  %s = arith.addf %h, %y : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// Views are cloned into the launches that read them; a state orders its writer and its reader.
// CHECK-LABEL: func @attention
// CHECK-SAME: (%[[Q:.*]]: tensor<?x64xf32>, %[[K:.*]]: tensor<?x64xf32>, %[[POS:.*]]: tensor<?xi32>)
// CHECK: %[[KV:.*]] = tq.get_state @kv
// CHECK: tq.launch {{.*}} = %[[KV]] :
// CHECK: tq.reshape
// CHECK: tq.kv_append
// CHECK: tq.yield{{$}}
// CHECK: %[[A:.*]] = tq.launch {{.*}} = %[[KV]] : {{.*}} -> tensor<?x2x32xf32> {
// CHECK-NEXT: tq.reshape
// CHECK-NEXT: tq.sdpa
// CHECK-NEXT: tq.yield
// Not an epilogue: what follows attention runs by rows, on a view of its result.
// CHECK: tq.launch {{.*}} = %[[A]] : tensor<?x2x32xf32>{{.*}} {
// CHECK-NEXT: tq.reshape
// CHECK-NEXT: tq.act silu
func.func @attention(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32> {
  %qh = tq.reshape %q : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %kh = tq.reshape %k : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %kv = tq.get_state @kv : !kv
  tq.kv_append %kv, %kh, %kh, %pos : !kv, tensor<?x2x32xf32>, tensor<?x2x32xf32>, tensor<?xi32>
  %a = tq.sdpa %qh, %kv, %pos {scale = 1.0 : f32} : (tensor<?x2x32xf32>, !kv, tensor<?xi32>) -> tensor<?x2x32xf32>
  %f = tq.reshape %a : tensor<?x2x32xf32> -> tensor<?x64xf32>
  %g = tq.act silu %f : tensor<?x64xf32>
  return %g : tensor<?x64xf32>
}

// From take_rows on, rows are those of the head: launches say so, and do not mix with those of all tokens.
// CHECK-LABEL: func @head
// CHECK: %[[N:.*]] = tq.launch {{.*}} {
// CHECK-NEXT: tq.act silu
// CHECK-NEXT: tq.yield
// CHECK-NEXT: }{{$}}
// CHECK: %[[L:.*]] = tq.launch {{.*}} = %[[N]]
// CHECK-NEXT: tq.take_rows
// CHECK-NEXT: tq.rms_norm
// CHECK-NEXT: tq.yield
// CHECK-NEXT: } {out_rows}
// CHECK: tq.launch {{.*}} = %[[L]]
// CHECK-NEXT: tq.linear
// CHECK-NEXT: tq.yield
// CHECK-NEXT: } {out_rows}
func.func @head(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %h = tq.act silu %x : tensor<?x64xf32>
  %t = tq.take_rows %h : tensor<?x64xf32> -> tensor<?x64xf32>
  %n = tq.rms_norm %t {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
  %w = tq.get_weight @plain : !tq.packed<64x64xf32, #tq.dense<f16>>
  %y = tq.linear %n, %w : (tensor<?x64xf32>, !tq.packed<64x64xf32, #tq.dense<f16>>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
tq.weight @plain role "head" : !tq.packed<64x64xf32, #tq.dense<f16>> from "plain"

// A quantiser is a row op: one launch before the linear layer, not once per task of it.
// CHECK-LABEL: func @quantised
// CHECK: tq.launch {{.*}} -> tensor<?x64xf32, #tq.int<bits = 8, sums = 64>> {
// CHECK-NEXT: tq.rotate
// CHECK-NEXT: tq.quantize {{.*}} -> tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>
// CHECK: tq.launch
// CHECK-NEXT: tq.linear
func.func @quantised(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %r = tq.rotate %x by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  %q = tq.quantize %r : tensor<?x64xf32, #tq.basis<@r>> -> tensor<?x64xf32, #tq.int<bits = 8, sums = 64, rotation = @r>>
  %w = tq.get_weight @w : !w
  %y = tq.linear %q, %w : (tensor<?x64xf32, #tq.int<bits = 8, sums = 64, rotation = @r>>, !w) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// Rows of logits are too long to be kept for a second op: each reads them in a launch of its own, and nothing joins.
// CHECK-LABEL: func @sampling
// CHECK: tq.launch
// CHECK-NEXT: tq.linear
// CHECK-NEXT: tq.yield
// CHECK: tq.launch
// CHECK-NEXT: tq.argmax
// CHECK-NEXT: tq.yield
// CHECK: tq.launch
// CHECK-NEXT: tq.top_k
// CHECK-NEXT: tq.yield
// CHECK: tq.launch
// CHECK-NEXT: tq.act
func.func @sampling(%x: tensor<?x64xf32>) -> (tensor<?xi32>, tensor<?x4xf32>, tensor<?x4xi32>) {
  %w = tq.get_weight @plain : !tq.packed<64x64xf32, #tq.dense<f16>>
  %y = tq.linear %x, %w : (tensor<?x64xf32>, !tq.packed<64x64xf32, #tq.dense<f16>>) -> tensor<?x64xf32>
  %a = tq.argmax %y : (tensor<?x64xf32>) -> tensor<?xi32>
  %v, %i = tq.top_k %y {k = 4 : i64} : (tensor<?x64xf32>) -> (tensor<?x4xf32>, tensor<?x4xi32>)
  %s = tq.act sigmoid %v : tensor<?x4xf32>
  return %a, %s, %i : tensor<?xi32>, tensor<?x4xf32>, tensor<?x4xi32>
}
