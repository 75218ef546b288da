// RUN: tq-opt --canonicalize %s | FileCheck %s

tq.rotation @r dim 64 block 64 from "q.signs"
tq.rotation @s dim 64 block 64 from "k.signs"

// CHECK-LABEL: func @rotate_there_and_back
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
// CHECK-NEXT: return %[[X]]
func.func @rotate_there_and_back(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = tq.rotate %x by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  %b = tq.rotate %a by @r inverse : tensor<?x64xf32, #tq.basis<@r>> -> tensor<?x64xf32>
  return %b : tensor<?x64xf32>
}

// CHECK-LABEL: func @rotate_back_and_there
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32, #tq.basis<@r>>)
// CHECK-NEXT: return %[[X]]
func.func @rotate_back_and_there(%x: tensor<?x64xf32, #tq.basis<@r>>) -> tensor<?x64xf32, #tq.basis<@r>> {
  %a = tq.rotate %x by @r inverse : tensor<?x64xf32, #tq.basis<@r>> -> tensor<?x64xf32>
  %b = tq.rotate %a by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  return %b : tensor<?x64xf32, #tq.basis<@r>>
}

// Other signs, so another basis: both are needed.
// CHECK-LABEL: func @rotate_by_another
// CHECK: tq.rotate %{{.*}} by @r inverse
// CHECK: tq.rotate %{{.*}} by @s
func.func @rotate_by_another(%x: tensor<?x64xf32, #tq.basis<@r>>) -> tensor<?x64xf32, #tq.basis<@s>> {
  %a = tq.rotate %x by @r inverse : tensor<?x64xf32, #tq.basis<@r>> -> tensor<?x64xf32>
  %b = tq.rotate %a by @s : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@s>>
  return %b : tensor<?x64xf32, #tq.basis<@s>>
}

// CHECK-LABEL: func @rotate_explicit
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>
// CHECK-NEXT: return %[[X]]
func.func @rotate_explicit(%x: tensor<?x64xf32>, %signs: tensor<64xf32>) -> tensor<?x64xf32> {
  %a = tq.rotate %x, %signs : tensor<64xf32> block 32 : tensor<?x64xf32> -> tensor<?x64xf32>
  %b = tq.rotate %a, %signs : tensor<64xf32> block 32 inverse : tensor<?x64xf32> -> tensor<?x64xf32>
  return %b : tensor<?x64xf32>
}

// Two forward rotations are not the identity: H is symmetric for some sizes only, and the signs stand on one side.
// CHECK-LABEL: func @rotate_twice
// CHECK-COUNT-2: tq.rotate
func.func @rotate_twice(%x: tensor<?x64xf32>, %signs: tensor<64xf32>) -> tensor<?x64xf32> {
  %a = tq.rotate %x, %signs : tensor<64xf32> block 32 : tensor<?x64xf32> -> tensor<?x64xf32>
  %b = tq.rotate %a, %signs : tensor<64xf32> block 32 : tensor<?x64xf32> -> tensor<?x64xf32>
  return %b : tensor<?x64xf32>
}

// CHECK-LABEL: func @rotate_other_block
// CHECK-COUNT-2: tq.rotate
func.func @rotate_other_block(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = tq.rotate %x block 32 : tensor<?x64xf32> -> tensor<?x64xf32>
  %b = tq.rotate %a block 16 inverse : tensor<?x64xf32> -> tensor<?x64xf32>
  return %b : tensor<?x64xf32>
}

// CHECK-LABEL: func @rotated_sum
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[Y:.*]]: tensor<?x64xf32>)
// CHECK-NEXT: %[[SUM:.*]] = arith.addf %[[X]], %[[Y]] : tensor<?x64xf32>
// CHECK-NEXT: %[[R:.*]] = tq.rotate %[[SUM]] by @r
// CHECK-NEXT: return %[[R]]
func.func @rotated_sum(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>) -> tensor<?x64xf32, #tq.basis<@r>> {
  %a = tq.rotate %x by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  %b = tq.rotate %y by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  %s = arith.addf %a, %b : tensor<?x64xf32, #tq.basis<@r>>
  return %s : tensor<?x64xf32, #tq.basis<@r>>
}

// One of the rotations is needed anyway: nothing would be saved.
// CHECK-LABEL: func @rotated_sum_shared
// CHECK-COUNT-2: tq.rotate
// CHECK: arith.addf
func.func @rotated_sum_shared(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>) -> (tensor<?x64xf32, #tq.basis<@r>>, tensor<?x64xf32, #tq.basis<@r>>) {
  %a = tq.rotate %x by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  %b = tq.rotate %y by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  %s = arith.addf %a, %b : tensor<?x64xf32, #tq.basis<@r>>
  return %s, %a : tensor<?x64xf32, #tq.basis<@r>>, tensor<?x64xf32, #tq.basis<@r>>
}

// CHECK-LABEL: func @rotated_sum_mixed
// CHECK: tq.rotate %{{.*}} block 32 :
// CHECK: tq.rotate %{{.*}} block 32 inverse
// CHECK: arith.addf
func.func @rotated_sum_mixed(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = tq.rotate %x block 32 : tensor<?x64xf32> -> tensor<?x64xf32>
  %b = tq.rotate %y block 32 inverse : tensor<?x64xf32> -> tensor<?x64xf32>
  %s = arith.addf %a, %b : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// CHECK-LABEL: func @reshape_back
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
// CHECK-NEXT: return %[[X]]
func.func @reshape_back(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = tq.reshape %x : tensor<?x64xf32> -> tensor<?x4x16xf32>
  %b = tq.reshape %a : tensor<?x4x16xf32> -> tensor<?x64xf32>
  return %b : tensor<?x64xf32>
}

// CHECK-LABEL: func @reshape_to_itself
// CHECK-NOT: tq.reshape
func.func @reshape_to_itself(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = tq.reshape %x : tensor<?x64xf32> -> tensor<?x64xf32>
  return %a : tensor<?x64xf32>
}

// States are written: nothing is dropped though no result is used.
// CHECK-LABEL: func @append_stays
// CHECK: tq.kv_append
func.func @append_stays(%kv: !tq.kv<heads = 1, k = 8, v = 8, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>, %k: tensor<?x1x8xf32>, %pos: tensor<?xi32>) {
  tq.kv_append %kv, %k, %k, %pos : !tq.kv<heads = 1, k = 8, v = 8, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>, tensor<?x1x8xf32>, tensor<?x1x8xf32>, tensor<?xi32>
  return
}
