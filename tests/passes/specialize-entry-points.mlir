// One forward pass becomes the entry points decode, verify and prefill; decode splits the keys of attention.
// RUN: tq-opt --tq-specialize-entry-points %s | FileCheck %s --check-prefixes=CHECK,DEFAULT
// RUN: tq-opt --tq-specialize-entry-points="chunk=100 max-out=4 context=1000" %s | FileCheck %s --check-prefixes=CHECK,GIVEN

!kv = !tq.kv<heads = 2, k = 8, v = 16, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
tq.state @kv : !kv

// CHECK-NOT: @forward
// Splits of 256 keys; a partial result is a value (padded to 16), its maximum and its sum (16 floats).
// CHECK-LABEL: func.func @decode
// CHECK-SAME: attributes {tq.max_out = 1 : i64, tq.max_tokens = 1 : i64}
// DEFAULT: %[[P:.*]] = tq.sdpa_split %{{.*}} {scale = 2.500000e-01 : f32, window = 5 : i64} : (tensor<?x4x8xf32>, {{.*}}) -> tensor<?x16x4x32xf32>
// GIVEN: %[[P:.*]] = tq.sdpa_split %{{.*}} {scale = 2.500000e-01 : f32, window = 5 : i64} : (tensor<?x4x8xf32>, {{.*}}) -> tensor<?x4x4x32xf32>
// CHECK: %[[Y:.*]] = tq.sdpa_merge %[[P]], %{{.*}} -> tensor<?x4x16xf32>
// CHECK: return %[[Y]]
// CHECK-LABEL: func.func @verify
// DEFAULT-SAME: attributes {tq.max_out = 8 : i64, tq.max_tokens = 8 : i64}
// GIVEN-SAME: attributes {tq.max_out = 4 : i64, tq.max_tokens = 8 : i64}
// CHECK: tq.sdpa %
// CHECK-LABEL: func.func @prefill
// DEFAULT-SAME: attributes {tq.max_out = 64 : i64, tq.max_tokens = 512 : i64}
// GIVEN-SAME: attributes {tq.max_out = 4 : i64, tq.max_tokens = 100 : i64}
// CHECK: tq.sdpa %
// CHECK-NOT: @forward
func.func @forward(%q: tensor<?x4x8xf32>, %pos: tensor<?xi32>) -> tensor<?x4x16xf32> {
  %kv = tq.get_state @kv : !kv
  %y = tq.sdpa %q, %kv, %pos {scale = 0.25 : f32, window = 5 : i64} : (tensor<?x4x8xf32>, !kv, tensor<?xi32>) -> tensor<?x4x16xf32>
  return %y : tensor<?x4x16xf32>
}
