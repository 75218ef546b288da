// Calls become steps with their bindings; a step waits only for what it touches.
// RUN: tq-opt --tq-schedule-steps %s | FileCheck %s

!w = !tq.packed<64x64xf32, #tq.codebook<bits = 4, group = 64>>
!f = !tq.packed<64x64xf32, #tq.dense<f16>>
!lw = !tq.packed<64x64xf32, #tq.layout<kind = "codebook", bits = 4, group = 64>>
!lf = !tq.packed<64x64xf32, #tq.layout<kind = "f16">>
!kv = !tq.kv<heads = 2, k = 32, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
tq.weight @table role "embedding" : !f from "table"
tq.weight @w role "mlp" : !w from "w"
tq.weight @gain role "norm" : !tq.packed<64xf32, #tq.dense<f16>> from "gain"
tq.state @kv : !kv

tq.kernel @embed skeleton "rowwise" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%table: !lf, %ids: tensor<?xi32>):
  %y = tq.embed %table, %ids : (!lf, tensor<?xi32>) -> tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}
tq.kernel @norm skeleton "rowwise" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>, %g: tensor<64xf32>):
  %y = tq.rms_norm %x, %g : tensor<64xf32> {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}
tq.kernel @linear skeleton "linear" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>, %w: !lw):
  %y = tq.linear %x, %w : (tensor<?x64xf32>, !lw) -> tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}
tq.kernel @append skeleton "rowwise" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%s: !kv, %k: tensor<?x64xf32>, %pos: tensor<?xi32>):
  %h = tq.reshape %k : tensor<?x64xf32> -> tensor<?x2x32xf32>
  tq.kv_append %s, %h, %h, %pos : !kv, tensor<?x2x32xf32>, tensor<?x2x32xf32>, tensor<?xi32>
  tq.yield
}
tq.kernel @sdpa skeleton "attention" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%q: tensor<?x64xf32>, %s: !kv, %pos: tensor<?xi32>):
  %h = tq.reshape %q : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %y = tq.sdpa %h, %s, %pos {scale = 1.0 : f32} : (tensor<?x2x32xf32>, !kv, tensor<?xi32>) -> tensor<?x2x32xf32>
  tq.yield %y : tensor<?x2x32xf32>
}
tq.kernel @head skeleton "rowwise" {max_rows = 2 : i64, rows = "n_out"} {
^bb0(%x: tensor<?x2x32xf32>):
  %y = tq.take_rows %x : tensor<?x2x32xf32> -> tensor<?x2x32xf32>
  tq.yield %y : tensor<?x2x32xf32>
}

// CHECK-DAG: #[[TOKENS:.*]] = affine_map<()[s0, s1, s2] -> (s0)>
// CHECK-DAG: #[[ONE:.*]] = affine_map<()[s0, s1, s2] -> (1)>
// CHECK-DAG: #[[BLOCKS:.*]] = affine_map<()[s0, s1, s2] -> ((s0 ceildiv 8) * 2)>
// CHECK-DAG: #[[OUT:.*]] = affine_map<()[s0, s1, s2] -> (s2)>

// Ports are offset, bytes, bytes from row to row.
// CHECK-NOT: func.func
// CHECK: tq.table @verify tokens 8 out 2 arena 10880 inputs {ids = array<i64: 0, 32, 4>, pos = array<i64: 64, 32, 4>} outputs {logits = array<i64: 10368, 512, 256>} {
// The first step has nothing to wait for.
// CHECK-NEXT: tq.step @embed tasks #[[TOKENS]] [#tq.plane<@table, "stream">, #tq.arena<0, 32>, #tq.arena<128, 2048>] {grain = 4 : i64, label = "embed"}
// CHECK-NEXT: tq.step @norm tasks #[[TOKENS]] [#tq.arena<128, 2048>, #tq.plane<@gain, "values">, #tq.arena<2176, 2048>] barrier {grain = 1 : i64, label = "norm"}
// Two planes of a codebook weight; 2 * 64 * 64 operations a token.
// CHECK-NEXT: tq.step @linear tasks #[[ONE]] [#tq.arena<2176, 2048>, #tq.plane<@w, "stream">, #tq.plane<@w, "levels">, #tq.arena<4224, 2048>] barrier {flops = 8192 : i64, grain = 1 : i64, label = "q", weight_bytes = {{[0-9]+}} : i64}
// Reads what the last one reads and writes elsewhere: no barrier.
// CHECK-NEXT: tq.step @linear {{.*}}#tq.arena<6272, 2048>] {flops
// CHECK-NEXT: tq.step @append tasks #[[TOKENS]] [#tq.pool<@kv>, #tq.arena<6272, 2048>, #tq.arena<64, 32>, #tq.page_table] barrier
// The reader of a state waits for its writer.
// CHECK-NEXT: tq.step @sdpa tasks #[[BLOCKS]] [#tq.arena<4224, 2048>, #tq.pool<@kv>, #tq.arena<64, 32>, #tq.arena<8320, 2048>, #tq.page_table] barrier
// CHECK-NEXT: tq.step @head tasks #[[OUT]] [#tq.arena<8320, 2048>, #tq.arena<10368, 512>] barrier {grain = 1 : i64, label = "head"}
func.func @verify(%ids: tensor<?xi32>, %pos: tensor<?xi32>) -> tensor<?x2x32xf32>
    attributes {tq.max_tokens = 8 : i64, tq.max_out = 2 : i64, tq.arena_bytes = 10880 : i64, tq.input_offsets = array<i64: 0, 64>} {
  %t = tq.get_weight @table : !f
  %g = tq.get_weight @gain : tensor<64xf32>
  %w = tq.get_weight @w : !w
  %kv = tq.get_state @kv : !kv
  %e = tq.call @embed(%t, %ids) {label = "embed", grain = 4 : i64, offsets = array<i64: 128>} : (!f, tensor<?xi32>) -> tensor<?x64xf32>
  %n = tq.call @norm(%e, %g) {label = "norm", offsets = array<i64: 2176>} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %q = tq.call @linear(%n, %w) {label = "q", offsets = array<i64: 4224>} : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
  %k = tq.call @linear(%n, %w) {label = "k", offsets = array<i64: 6272>} : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
  tq.call @append(%kv, %k, %pos) {label = "append", offsets = array<i64>} : (!kv, tensor<?x64xf32>, tensor<?xi32>) -> ()
  %a = tq.call @sdpa(%q, %kv, %pos) {label = "attention", offsets = array<i64: 8320>} : (tensor<?x64xf32>, !kv, tensor<?xi32>) -> tensor<?x2x32xf32>
  %h = tq.call @head(%a) {label = "head", out_rows, offsets = array<i64: 10368>} : (tensor<?x2x32xf32>) -> tensor<?x2x32xf32>
  return %h : tensor<?x2x32xf32>
}

// A buffer that is used again: whoever writes it waits for those that read it.
// CHECK: tq.table @reuse
// CHECK-NEXT: tq.step @linear {{.*}}#tq.arena<128, 256>] {flops
// CHECK-NEXT: tq.step @linear {{.*}}#tq.arena<384, 256>] barrier
// CHECK-NEXT: tq.step @linear {{.*}}#tq.arena<128, 256>] barrier
func.func @reuse(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 640, 64>} {
  %w = tq.get_weight @w : !w
  %a = tq.call @linear(%x, %w) {label = "a", offsets = array<i64: 128>} : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
  %b = tq.call @linear(%a, %w) {label = "b", offsets = array<i64: 384>} : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
  %c = tq.call @linear(%x, %w) {label = "c", offsets = array<i64: 128>} : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
  return %c : tensor<?x64xf32>
}
