// Equal launches call one kernel, whatever their weights, labels, grains and encodings, as long as the layout is one.
// RUN: tq-opt --tq-outline-kernels %s | FileCheck %s
// RUN: tq-opt --tq-outline-kernels %s | FileCheck %s --check-prefix=COUNT

// COUNT-COUNT-5: tq.kernel
// COUNT-NOT: tq.kernel

!cb = !tq.packed<64x64xf32, #tq.codebook<bits = 4, group = 64>>
!ternary = !tq.packed<64x64xf32, #tq.codebook<bits = 2, group = 64, ternary = true>>
!two = !tq.packed<64x64xf32, #tq.codebook<bits = 2, group = 64>>
tq.weight @a role "mlp" : !cb from "a"
tq.weight @b role "mlp" : !cb from "b"
tq.weight @t role "mlp" : !ternary from "t"
tq.weight @u role "mlp" : !two from "u"

// CHECK-LABEL: func.func @decode
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
// CHECK: %[[A:.*]] = tq.get_weight @a
// CHECK: %[[B:.*]] = tq.get_weight @b
// CHECK-NOT: tq.launch
// CHECK: %[[Y:.*]] = tq.call @linear_cb4g64_n64k64(%[[X]], %[[A]]) {grain = 2 : i64, label = "layers.0"} : (tensor<?x64xf32>, !tq.packed<64x64xf32, #tq.codebook<bits = 4, group = 64>>) -> tensor<?x64xf32>
// CHECK: tq.call @linear_cb4g64_n64k64(%[[Y]], %[[B]]) {grain = 1 : i64, label = "layers.1"}
// Another configuration or another region is another kernel.
// CHECK: tq.call @linear_cb4g64_n64k64_2(
// CHECK: tq.call @linear_cb4g64_n64k64_many({{.*}} {label = "head", out_rows}
// A ternary weight and one of two bits repack to one layout.
// CHECK: tq.call @[[TWO:[a-z0-9_]+]](
// CHECK: tq.call @[[TWO]](
func.func @decode(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = tq.get_weight @a : !cb
  %b = tq.get_weight @b : !cb
  %t = tq.get_weight @t : !ternary
  %u = tq.get_weight @u : !two
  %0 = tq.launch "layers.0" (%p = %x : tensor<?x64xf32>, %q = %a : !cb) skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"} -> tensor<?x64xf32> {
    %y = tq.linear %p, %q : (tensor<?x64xf32>, !cb) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  } {grain = 2 : i64}
  %1 = tq.launch "layers.1" (%p = %0 : tensor<?x64xf32>, %q = %b : !cb) skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"} -> tensor<?x64xf32> {
    %y = tq.linear %p, %q : (tensor<?x64xf32>, !cb) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  } {grain = 1 : i64}
  %2 = tq.launch "other" (%p = %1 : tensor<?x64xf32>, %q = %b : !cb) skeleton "linear" {max_rows = 1 : i64, rows = "n_out"} -> tensor<?x64xf32> {
    %y = tq.linear %p, %q : (tensor<?x64xf32>, !cb) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  %3 = tq.launch "head" (%p = %2 : tensor<?x64xf32>, %q = %b : !cb) skeleton "linear" {max_rows = 64 : i64, rows = "n_out"} -> tensor<?x64xf32> {
    %y = tq.linear %p, %q : (tensor<?x64xf32>, !cb) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  } {out_rows}
  %4 = tq.launch "ternary" (%p = %3 : tensor<?x64xf32>, %q = %t : !ternary) skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"} -> tensor<?x64xf32> {
    %y = tq.linear %p, %q : (tensor<?x64xf32>, !ternary) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  %5 = tq.launch "two" (%p = %4 : tensor<?x64xf32>, %q = %u : !two) skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"} -> tensor<?x64xf32> {
    %y = tq.linear %p, %q : (tensor<?x64xf32>, !two) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  // CHECK: tq.call @act_many(
  %6 = tq.launch "rows" (%p = %5 : tensor<?x64xf32>) skeleton "rowwise" {max_rows = 8 : i64, rows = "n_tokens"} -> tensor<?x64xf32> {
    %y = tq.act silu %p : tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  return %6 : tensor<?x64xf32>
}

// CHECK: tq.kernel @linear_cb4g64_n64k64 skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"} {
// CHECK-NEXT: ^bb0(%[[P:.*]]: tensor<?x64xf32>, %[[Q:.*]]: !tq.packed<64x64xf32, #tq.layout<kind = "codebook", bits = 4, group = 64>>):
// CHECK-NEXT: tq.linear %[[P]], %[[Q]]
// CHECK-NEXT: tq.yield
