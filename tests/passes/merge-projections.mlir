// Launches side by side become one: projections of one activation, gate and up with their GLU, rows that can run together.
// RUN: tq-opt --tq-merge-projections %s | FileCheck %s

!w = !tq.packed<64x64xf32, #tq.dense<f16>>
!kv = !tq.kv<heads = 1, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
tq.weight @q role "attention" : !w from "q"
tq.weight @k role "attention" : !w from "k"
tq.weight @v role "attention" : !w from "v"
tq.state @kv : !kv

// CHECK-LABEL: func @siblings
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
// CHECK: %[[Y:.*]]:3 = tq.launch "q" (%[[A:.*]] = %[[X]] : tensor<?x64xf32>, %[[WQ:.*]] = %{{.*}} : {{.*}}, %[[WK:.*]] = %{{.*}} : {{.*}}, %[[WV:.*]] = %{{.*}} : {{.*}}) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
// CHECK-NEXT: tq.linear %[[A]], %[[WQ]]
// CHECK-NEXT: tq.linear %[[A]], %[[WK]]
// CHECK-NEXT: tq.linear %[[A]], %[[WV]]
// CHECK-NEXT: tq.yield
// CHECK: return %[[Y]]#0, %[[Y]]#1, %[[Y]]#2
func.func @siblings(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %wq = tq.get_weight @q : !w
  %q = tq.launch "q" (%a = %x : tensor<?x64xf32>, %b = %wq : !w) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  %wk = tq.get_weight @k : !w
  %k = tq.launch "k" (%a = %x : tensor<?x64xf32>, %b = %wk : !w) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  %wv = tq.get_weight @v : !w
  %v = tq.launch "v" (%a = %x : tensor<?x64xf32>, %b = %wv : !w) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  return %q, %k, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}

// Activations of one launch, but different signs: still one.
// CHECK-LABEL: func @other_signs
// CHECK: %[[R:.*]]:2 = tq.launch "rotate"
// CHECK: tq.launch "q" (%[[A:.*]] = %[[R]]#0 : {{.*}}, %{{.*}} = %{{.*}} : {{.*}}, %[[B:.*]] = %[[R]]#1 : {{.*}}, %{{.*}} = {{.*}}) -> (tensor<?x64xf32>, tensor<?x64xf32>)
// CHECK-NEXT: tq.linear %[[A]]
// CHECK-NEXT: tq.linear %[[B]]
// CHECK-NOT: tq.launch
func.func @other_signs(%x: tensor<?x64xf32>, %s: tensor<64xf32>, %t: tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %r:2 = tq.launch "rotate" (%a = %x : tensor<?x64xf32>, %b = %s : tensor<64xf32>, %c = %t : tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
    %y = tq.rotate %a, %b : tensor<64xf32> block 64 : tensor<?x64xf32> -> tensor<?x64xf32>
    %z = tq.rotate %a, %c : tensor<64xf32> block 64 : tensor<?x64xf32> -> tensor<?x64xf32>
    tq.yield %y, %z : tensor<?x64xf32>, tensor<?x64xf32>
  }
  %wq = tq.get_weight @q : !w
  %wk = tq.get_weight @k : !w
  %q = tq.launch "q" (%a = %r#0 : tensor<?x64xf32>, %b = %wq : !w) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  %k = tq.launch "k" (%a = %r#1 : tensor<?x64xf32>, %b = %wk : !w) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  return %q, %k : tensor<?x64xf32>, tensor<?x64xf32>
}

// The gate is read only in the epilogue of up: no value of it leaves the launch.
// CHECK-LABEL: func @glu
// CHECK: %[[Y:.*]] = tq.launch "gate" {{.*}} -> tensor<?x64xf32> {
// CHECK-NEXT: %[[GATE:.*]] = tq.linear
// CHECK-NEXT: %[[UP:.*]] = tq.linear
// CHECK-NEXT: %[[GLU:.*]] = tq.glu silu %[[GATE]], %[[UP]]
// CHECK-NEXT: tq.yield %[[GLU]]
// CHECK: return %[[Y]]
func.func @glu(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %wg = tq.get_weight @q : !w
  %wu = tq.get_weight @k : !w
  %gate = tq.launch "gate" (%a = %x : tensor<?x64xf32>, %b = %wg : !w) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  %up = tq.launch "up" (%a = %x : tensor<?x64xf32>, %b = %wu : !w, %g = %gate : tensor<?x64xf32>) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    %z = tq.glu silu %g, %y : tensor<?x64xf32>
    tq.yield %z : tensor<?x64xf32>
  }
  return %up : tensor<?x64xf32>
}

// A linear layer that multiplies what another gives needs all of it: two launches.
// CHECK-LABEL: func @chain
// CHECK-COUNT-2: tq.launch
func.func @chain(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %wg = tq.get_weight @q : !w
  %wu = tq.get_weight @k : !w
  %one = tq.launch "one" (%a = %x : tensor<?x64xf32>, %b = %wg : !w) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  %two = tq.launch "two" (%a = %one : tensor<?x64xf32>, %b = %wu : !w) -> tensor<?x64xf32> {
    %y = tq.linear %a, %b : (tensor<?x64xf32>, !w) -> tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  return %two : tensor<?x64xf32>
}

// Rows: a token's later ops see its earlier ones. Rows of the head are others.
// CHECK-LABEL: func @rows
// CHECK: tq.launch "first"
// CHECK-NEXT: tq.act silu
// CHECK-NEXT: tq.act relu2
// CHECK-NEXT: tq.yield
// CHECK-NEXT: }{{$}}
// CHECK: tq.launch "head"
// CHECK: } {out_rows}
func.func @rows(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %y = tq.launch "first" (%a = %x : tensor<?x64xf32>) -> tensor<?x64xf32> {
    %b = tq.act silu %a : tensor<?x64xf32>
    tq.yield %b : tensor<?x64xf32>
  }
  %z = tq.launch "second" (%a = %y : tensor<?x64xf32>) -> tensor<?x64xf32> {
    %b = tq.act relu2 %a : tensor<?x64xf32>
    tq.yield %b : tensor<?x64xf32>
  }
  %t = tq.launch "head" (%a = %z : tensor<?x64xf32>) -> tensor<?x64xf32> {
    %b = tq.take_rows %a : tensor<?x64xf32> -> tensor<?x64xf32>
    tq.yield %b : tensor<?x64xf32>
  } {out_rows}
  return %z, %t : tensor<?x64xf32>, tensor<?x64xf32>
}

// What writes a state does not pass what reads it.
// CHECK-LABEL: func @states
// CHECK: tq.launch "norm"
// CHECK: tq.launch "attention"
// CHECK: tq.launch "append"
func.func @states(%x: tensor<?x64xf32>, %k: tensor<?x1x64xf32>, %pos: tensor<?xi32>) -> (tensor<?x64xf32>, tensor<?x1x64xf32>) {
  %kv = tq.get_state @kv : !kv
  %n = tq.launch "norm" (%a = %x : tensor<?x64xf32>) -> tensor<?x64xf32> {
    %b = tq.act silu %a : tensor<?x64xf32>
    tq.yield %b : tensor<?x64xf32>
  }
  %y = tq.launch "attention" (%a = %k : tensor<?x1x64xf32>, %s = %kv : !kv, %p = %pos : tensor<?xi32>) -> tensor<?x1x64xf32> {
    %b = tq.sdpa %a, %s, %p {scale = 1.0 : f32} : (tensor<?x1x64xf32>, !kv, tensor<?xi32>) -> tensor<?x1x64xf32>
    tq.yield %b : tensor<?x1x64xf32>
  }
  tq.launch "append" (%a = %k : tensor<?x1x64xf32>, %s = %kv : !kv, %p = %pos : tensor<?xi32>) {
    tq.kv_append %s, %a, %a, %p : !kv, tensor<?x1x64xf32>, tensor<?x1x64xf32>, tensor<?xi32>
    tq.yield
  }
  return %n, %y : tensor<?x64xf32>, tensor<?x1x64xf32>
}
