// Arena offsets: multiples of 64, shared by values that do not live together; inputs and what is returned live throughout.
// RUN: tq-opt --tq-allocate-buffers %s | FileCheck %s

tq.kernel @k skeleton "rowwise" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?xi32>):
  tq.yield
}

// 8 tokens: ids and positions take 32 bytes each, a row of 64 floats 256. %b does not fit over %a, which is read when %b
// is made; %c does. The returned value of one row outlives all, and lies behind what lives with it.
// CHECK-LABEL: func.func @verify
// CHECK-SAME: tq.arena_bytes = 4480 : i64
// CHECK-SAME: tq.input_offsets = array<i64: 0, 64>
// CHECK: tq.call @k{{.*}} {label = "a", offsets = array<i64: 128>}
// CHECK: tq.call @k{{.*}} {label = "b", offsets = array<i64: 2176>}
// CHECK: tq.call @k{{.*}} {label = "c", offsets = array<i64: 128>}
// CHECK: tq.call @k{{.*}} {label = "d", offsets = array<i64: 4224>, out_rows}
func.func @verify(%ids: tensor<?xi32>, %pos: tensor<?xi32>) -> tensor<?x64xf32> attributes {tq.max_tokens = 8 : i64, tq.max_out = 1 : i64} {
  %a = tq.call @k(%ids) {label = "a"} : (tensor<?xi32>) -> tensor<?x64xf32>
  %b = tq.call @k(%a) {label = "b"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %c = tq.call @k(%b) {label = "c"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %d = tq.call @k(%b, %c) {label = "d", out_rows} : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}

// Two results of a call live together even if nobody reads them. Rows are padded to 16 floats: 3 of them take 64 bytes.
// CHECK-LABEL: func.func @unused
// CHECK-SAME: tq.arena_bytes = 256 : i64
// CHECK: offsets = array<i64: 128, 192>
func.func @unused(%ids: tensor<?xi32>, %pos: tensor<?xi32>) attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  %a:2 = tq.call @k(%ids) {label = "a"} : (tensor<?xi32>) -> (tensor<?x3xf32>, tensor<?x3xf32>)
  return
}

// A quantised row: 64 codes padded to 128, then scales and sums, padded to 64 bytes in all.
// CHECK-LABEL: func.func @integers
// CHECK: label = "a", offsets = array<i64: 0>
// CHECK: label = "b", offsets = array<i64: 192>
func.func @integers() attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  %a = tq.call @k() {label = "a"} : () -> tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>
  %b = tq.call @k(%a) {label = "b"} : (tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>) -> tensor<?x3xf32>
  return
}
