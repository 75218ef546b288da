// The encoding of keys and values, in the state and in every handle of it.
// RUN: tq-opt --tq-encode-states="k=f32 v=f32" %s | FileCheck %s --check-prefixes=CHECK,F32
// RUN: tq-opt --tq-encode-states="k=f16 v=f16" %s | FileCheck %s --check-prefixes=CHECK,F16

!kv = !tq.kv<heads = 2, k = 32, v = 16, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
// F32: tq.state @kv : !tq.kv<heads = 2, k = 32, v = 16, kEncoding = #tq.dense<f32>, vEncoding = #tq.dense<f32>>
// F16: tq.state @kv : !tq.kv<heads = 2, k = 32, v = 16, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
tq.state @kv : !kv
// Weights are not states.
// CHECK: tq.weight @w role "mlp" : !tq.packed<64x64xf32, #tq.dense<f16>>
tq.weight @w role "mlp" : !tq.packed<64x64xf32, #tq.dense<f16>> from "w"

// CHECK-LABEL: func @forward
// F32: %[[S:.*]] = tq.get_state @kv : !tq.kv<heads = 2, k = 32, v = 16, kEncoding = #tq.dense<f32>, vEncoding = #tq.dense<f32>>
// F32: tq.launch {{.*}} = %[[S]] : !tq.kv<heads = 2, k = 32, v = 16, kEncoding = #tq.dense<f32>, vEncoding = #tq.dense<f32>>
// F16-NOT: kEncoding = #tq.dense<f32>
func.func @forward(%k: tensor<?x2x32xf32>, %v: tensor<?x2x16xf32>, %pos: tensor<?xi32>) {
  %s = tq.get_state @kv : !kv
  tq.launch "append" (%a = %s : !kv, %b = %k : tensor<?x2x32xf32>, %c = %v : tensor<?x2x16xf32>, %d = %pos : tensor<?xi32>) {
    tq.kv_append %a, %b, %c, %d : !kv, tensor<?x2x32xf32>, tensor<?x2x16xf32>, tensor<?xi32>
    tq.yield
  }
  return
}
