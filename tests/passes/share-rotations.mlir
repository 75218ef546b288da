// Equal rotation symbols become the first of them, in types, too; then equal rotations of one value become one op.
// RUN: tq-opt --tq-share-rotations %s | FileCheck %s

// CHECK: tq.rotation @a dim 64 block 64 seed 1
// CHECK-NOT: @b
// CHECK: tq.rotation @other dim 64 block 64 seed 2
// CHECK-NEXT: tq.rotation @a2 dim 64 block 64 seed 3 after @a
// CHECK-NOT: @b2
tq.rotation @a dim 64 block 64 seed 1
tq.rotation @b dim 64 block 64 seed 1
tq.rotation @other dim 64 block 64 seed 2
tq.rotation @a2 dim 64 block 64 seed 3 after @a
// Equal to @a2 only once @b is @a.
tq.rotation @b2 dim 64 block 64 seed 3 after @b
// CHECK: tq.weight @w role "mlp" : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @a> from "w"
tq.weight @w role "mlp" : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @b> from "w"

// CHECK-LABEL: func @symbols
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
// CHECK: %[[P:.*]] = tq.rotate %[[X]] by @a : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@a>>
// CHECK-NOT: tq.rotate
// CHECK: %[[W:.*]] = tq.get_weight @w : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @a>
// CHECK: tq.linear %[[P]], %[[W]]
// CHECK: return %[[P]]
func.func @symbols(%x: tensor<?x64xf32>) -> (tensor<?x64xf32, #tq.basis<@a>>, tensor<?x8xf32>) {
  %p = tq.rotate %x by @a : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@a>>
  %q = tq.rotate %x by @b : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@b>>
  %w = tq.get_weight @w : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @b>
  %y = tq.linear %q, %w : (tensor<?x64xf32, #tq.basis<@b>>, !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @b>) -> tensor<?x8xf32>
  return %p, %y : tensor<?x64xf32, #tq.basis<@a>>, tensor<?x8xf32>
}

// CHECK-LABEL: func @chain
// CHECK: %[[A:.*]] = tq.rotate %{{.*}} by @a
// CHECK-NEXT: %[[A2:.*]] = tq.rotate %[[A]] by @a2
// CHECK-NEXT: return %[[A2]], %[[A2]]
func.func @chain(%x: tensor<?x64xf32>) -> (tensor<?x64xf32, #tq.basis<@a2>>, tensor<?x64xf32, #tq.basis<@b2>>) {
  %a = tq.rotate %x by @a : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@a>>
  %a2 = tq.rotate %a by @a2 : tensor<?x64xf32, #tq.basis<@a>> -> tensor<?x64xf32, #tq.basis<@a2>>
  %b = tq.rotate %x by @b : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@b>>
  %b2 = tq.rotate %b by @b2 : tensor<?x64xf32, #tq.basis<@b>> -> tensor<?x64xf32, #tq.basis<@b2>>
  return %a2, %b2 : tensor<?x64xf32, #tq.basis<@a2>>, tensor<?x64xf32, #tq.basis<@b2>>
}

// Other signs, another value, another direction: not the same.
// CHECK-LABEL: func @different
// CHECK-COUNT-3: tq.rotate
func.func @different(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>)
    -> (tensor<?x64xf32, #tq.basis<@a>>, tensor<?x64xf32, #tq.basis<@other>>, tensor<?x64xf32, #tq.basis<@a>>) {
  %p = tq.rotate %x by @a : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@a>>
  %q = tq.rotate %x by @other : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@other>>
  %r = tq.rotate %y by @a : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@a>>
  return %p, %q, %r : tensor<?x64xf32, #tq.basis<@a>>, tensor<?x64xf32, #tq.basis<@other>>, tensor<?x64xf32, #tq.basis<@a>>
}
