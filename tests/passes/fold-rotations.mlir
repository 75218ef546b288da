// Rotations cancel against their inverses, sums of values rotated alike are rotated once, symbols without users go.
// RUN: tq-opt --tq-fold-rotations %s | FileCheck %s

// CHECK: tq.rotation @used dim 64 block 64 seed 1
// CHECK-NOT: @unused
// A weight's type is a use, and so is what comes `after`.
// CHECK: tq.rotation @first dim 64 block 64 seed 4
// CHECK-NEXT: tq.rotation @second dim 64 block 64 seed 5 after @first
tq.rotation @used dim 64 block 64 seed 1
tq.rotation @unused dim 64 block 64 seed 2
tq.rotation @first dim 64 block 64 seed 4
tq.rotation @second dim 64 block 64 seed 5 after @first
tq.weight @w role "mlp" : !tq.packed<8x64xf32, #tq.codebook<bits = 1, group = 64>, @second> from "w"

// CHECK-LABEL: func @there_and_back
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
// CHECK-NEXT: return %[[X]]
func.func @there_and_back(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = tq.rotate %x by @unused : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@unused>>
  %b = tq.rotate %a by @unused inverse : tensor<?x64xf32, #tq.basis<@unused>> -> tensor<?x64xf32>
  return %b : tensor<?x64xf32>
}

// CHECK-LABEL: func @sum
// CHECK: %[[S:.*]] = arith.addf
// CHECK-NEXT: %[[R:.*]] = tq.rotate %[[S]] by @used
// CHECK-NEXT: return %[[R]]
func.func @sum(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>) -> tensor<?x64xf32, #tq.basis<@used>> {
  %a = tq.rotate %x by @used : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@used>>
  %b = tq.rotate %y by @used : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@used>>
  %s = arith.addf %a, %b : tensor<?x64xf32, #tq.basis<@used>>
  return %s : tensor<?x64xf32, #tq.basis<@used>>
}

// Nothing but rotations is touched.
// CHECK-LABEL: func @alone
// CHECK-COUNT-2: tq.act
func.func @alone(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %a = tq.act silu %x : tensor<?x64xf32>
  %b = tq.act silu %x : tensor<?x64xf32>
  return %a, %b : tensor<?x64xf32>, tensor<?x64xf32>
}
