// Every launch gets a skeleton, what its kernel must know, and how many tasks a worker claims at once.
// RUN: tq-opt --tq-select-kernels %s | FileCheck %s

!w = !tq.packed<64x64xf32, #tq.codebook<bits = 4, group = 64>>
!kv = !tq.kv<heads = 1, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
tq.weight @w role "mlp" : !w from "w"
tq.state @kv : !kv

// CHECK-LABEL: func.func @decode
// CHECK: tq.launch "rows" {{.*}} skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"}
// CHECK: } {grain = 1 : i64}
// CHECK: tq.launch "linear" {{.*}} skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"}
// CHECK: } {grain = 2 : i64}
// CHECK: tq.launch "attention" {{.*}} skeleton "attention" {max_rows = 1 : i64, rows = "n_tokens"}
// CHECK: } {grain = 1 : i64}
// One row of the head in this entry point: its kernel is that of one row.
// CHECK: tq.launch "head" {{.*}} skeleton "linear" {max_rows = 1 : i64, rows = "n_out"}
// CHECK: } {grain = 2 : i64, out_rows}
func.func @decode(%x: tensor<?x64xf32>, %q: tensor<?x1x64xf32>, %pos: tensor<?xi32>) -> (tensor<?x64xf32>, tensor<?x1x64xf32>)
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  %w = tq.get_weight @w : !w
  %kv = tq.get_state @kv : !kv
  %r = tq.launch "rows" (%a = %x : tensor<?x64xf32>) -> tensor<?x64xf32> {
    %b = tq.act silu %a : tensor<?x64xf32>
    tq.yield %b : tensor<?x64xf32>
  }
  %l = tq.launch "linear" (%a = %r : tensor<?x64xf32>, %b = %w : !w) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  %t = tq.launch "attention" (%a = %q : tensor<?x1x64xf32>, %s = %kv : !kv, %p = %pos : tensor<?xi32>) -> tensor<?x1x64xf32> {
    %b = tq.sdpa %a, %s, %p {scale = 1.0 : f32} : (tensor<?x1x64xf32>, !kv, tensor<?xi32>) -> tensor<?x1x64xf32>
    tq.yield %b : tensor<?x1x64xf32>
  }
  %h = tq.launch "head" (%a = %l : tensor<?x64xf32>, %b = %w : !w) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  } {out_rows}
  return %h, %t : tensor<?x64xf32>, tensor<?x1x64xf32>
}

// Entry points of several rows share kernels: those are made for the most of them.
// CHECK-LABEL: func.func @verify
// CHECK: skeleton "rowwise" {max_rows = 512 : i64, rows = "n_tokens"}
// CHECK: skeleton "linear" {max_rows = 64 : i64, rows = "n_out"}
func.func @verify(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {tq.max_tokens = 8 : i64, tq.max_out = 8 : i64} {
  %w = tq.get_weight @w : !w
  %r = tq.launch "rows" (%a = %x : tensor<?x64xf32>) -> tensor<?x64xf32> {
    %b = tq.act silu %a : tensor<?x64xf32>
    tq.yield %b : tensor<?x64xf32>
  }
  %h = tq.launch "head" (%a = %r : tensor<?x64xf32>, %b = %w : !w) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  } {out_rows}
  return %h : tensor<?x64xf32>
}

// Many cheap tasks are claimed several at once.
// CHECK-LABEL: func.func @prefill
// CHECK: skeleton "rowwise" {max_rows = 512 : i64, rows = "n_tokens"}
// CHECK: } {grain = {{[0-9][0-9]+}} : i64}
func.func @prefill(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {tq.max_tokens = 512 : i64, tq.max_out = 64 : i64} {
  %r = tq.launch "rows" (%a = %x : tensor<?x64xf32>) -> tensor<?x64xf32> {
    %b = tq.act silu %a : tensor<?x64xf32>
    tq.yield %b : tensor<?x64xf32>
  }
  return %r : tensor<?x64xf32>
}
