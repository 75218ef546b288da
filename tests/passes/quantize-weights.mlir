// Which weights get which encoding, and what becomes of the graph around them.
// RUN: tq-opt --tq-quantize-weights="weights=tq4" %s | FileCheck %s --check-prefixes=CHECK,TQ4
// RUN: tq-opt --tq-quantize-weights="weights=tq3 rotation=none group-size=32" %s | FileCheck %s --check-prefixes=CHECK,PLAIN
// RUN: tq-opt --tq-quantize-weights="weights=q4" %s | FileCheck %s --check-prefixes=CHECK,Q4
// RUN: tq-opt --tq-quantize-weights="weights=f16" %s | FileCheck %s --check-prefixes=CHECK,F16
// RUN: tq-opt --tq-quantize-weights="weights=bf16" %s | FileCheck %s --check-prefixes=CHECK,KEEP
// RUN: tq-opt --tq-quantize-weights %s | FileCheck %s --check-prefixes=CHECK,KEEP
// RUN: tq-opt --tq-quantize-weights="weights=tq4 attn-bits=2 mlp-bits=3 head-bits=8 embed-bits=6" %s | FileCheck %s --check-prefixes=CHECK,BITS
// RUN: tq-opt --tq-quantize-weights="weights=q8 protect-layers=0,7 seed=7" %s | FileCheck %s --check-prefixes=CHECK,PROTECT
// RUN: tq-opt --tq-quantize-weights="weights=tq2 protect-layers=7 seed=7" %s | FileCheck %s --check-prefix=SEED

// Signs come from the seed; the block is the largest m * 2^k that divides the width.
// TQ4: tq.rotation @rotation.128 dim 128 block 128 seed 42
// SEED: tq.rotation @rotation.64 dim 64 block 64 seed 7
// PLAIN-NOT: tq.rotation
// Q4-NOT: tq.rotation
// F16-NOT: tq.rotation

// TQ4: tq.weight @embed role "embedding" : !tq.packed<96x64xf32, #tq.dense<bf16>> from "embed"{{$}}
// Q4: tq.weight @embed role "embedding" : !tq.packed<96x64xf32, #tq.dense<bf16>> from "embed"{{$}}
// F16: tq.weight @embed role "embedding" : !tq.packed<96x64xf32, #tq.dense<f16>> from "embed" stored #tq.dense<bf16>
// KEEP: tq.weight @embed role "embedding" : !tq.packed<96x64xf32, #tq.dense<bf16>> from "embed"{{$}}
// BITS: tq.weight @embed role "embedding" : !tq.packed<96x64xf32, #tq.affine<bits = 6, group = 64>> from "embed" stored #tq.dense<bf16>
tq.weight @embed role "embedding" : !tq.packed<96x64xf32, #tq.dense<bf16>> from "embed"
// Norm gains are vectors and stay.
// CHECK: tq.weight @norm role "norm" : !tq.packed<64xf32, #tq.dense<bf16>> from "layers.0.norm"{{$}}
tq.weight @norm role "norm" : !tq.packed<64xf32, #tq.dense<bf16>> from "layers.0.norm"
// TQ4: tq.weight @q role "attention" : !tq.packed<64x64xf32, #tq.codebook<bits = 4, group = 64>, @rotation.64> from "layers.0.q" stored #tq.dense<bf16>
// PLAIN: tq.weight @q role "attention" : !tq.packed<64x64xf32, #tq.codebook<bits = 3, group = 32>> from "layers.0.q" stored #tq.dense<bf16>
// Q4: tq.weight @q role "attention" : !tq.packed<64x64xf32, #tq.affine<bits = 4, group = 64>> from "layers.0.q" stored #tq.dense<bf16>
// F16: tq.weight @q role "attention" : !tq.packed<64x64xf32, #tq.dense<f16>> from "layers.0.q" stored #tq.dense<bf16>
// KEEP: tq.weight @q role "attention" : !tq.packed<64x64xf32, #tq.dense<bf16>> from "layers.0.q"{{$}}
// BITS: tq.weight @q role "attention" : !tq.packed<64x64xf32, #tq.codebook<bits = 2, group = 64>, @rotation.64>
// PROTECT: tq.weight @q role "attention" : !tq.packed<64x64xf32, #tq.dense<bf16>> from "layers.0.q"{{$}}
tq.weight @q role "attention" : !tq.packed<64x64xf32, #tq.dense<bf16>> from "layers.0.q"
tq.weight @k role "attention" : !tq.packed<64x64xf32, #tq.dense<bf16>> from "layers.0.k"
// BITS: tq.weight @up role "mlp" : !tq.packed<128x64xf32, #tq.codebook<bits = 3, group = 64>, @rotation.64>
// PROTECT: tq.weight @up role "mlp" : !tq.packed<128x64xf32, #tq.affine<bits = 8, group = 64>> from "layers.1.up" stored #tq.dense<bf16>
tq.weight @up role "mlp" : !tq.packed<128x64xf32, #tq.dense<bf16>> from "layers.1.up"
// TQ4: tq.weight @down role "mlp" : !tq.packed<64x128xf32, #tq.codebook<bits = 4, group = 64>, @rotation.128>
tq.weight @down role "mlp" : !tq.packed<64x128xf32, #tq.dense<bf16>> from "layers.1.down"
// What the checkpoint has quantised stays as it is.
// CHECK: tq.weight @done role "mlp" : !tq.packed<64x64xf32, #tq.affine<bits = 4, group = 32>> from "layers.1.done"{{$}}
tq.weight @done role "mlp" : !tq.packed<64x64xf32, #tq.affine<bits = 4, group = 32>> from "layers.1.done"
// An untied head: as --weights, or affine with head-bits.
// TQ4: tq.weight @head role "head" : !tq.packed<96x64xf32, #tq.codebook<bits = 4, group = 64>, @rotation.64>
// BITS: tq.weight @head role "head" : !tq.packed<96x64xf32, #tq.affine<bits = 8, group = 64>> from "head" stored #tq.dense<bf16>
// PROTECT: tq.weight @head role "head" : !tq.packed<96x64xf32, #tq.affine<bits = 8, group = 64>>
tq.weight @head role "head" : !tq.packed<96x64xf32, #tq.dense<bf16>> from "head"

// CHECK-LABEL: func @forward
// CHECK-SAME: (%[[IDS:.*]]: tensor<?xi32>, %[[X:.*]]: tensor<?x64xf32>)
func.func @forward(%ids: tensor<?xi32>, %x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  // A table is read by rows, never rotated; with embed-bits its values come from tq.dequant as before.
  // CHECK: %[[TABLE:.*]] = tq.get_weight @embed
  // CHECK: %[[VALUES:.*]] = tq.dequant %[[TABLE]]
  // CHECK: tq.embed %[[VALUES]], %[[IDS]] : (tensor<96x64xf32>
  %table = tq.get_weight @embed : !tq.packed<96x64xf32, #tq.dense<bf16>>
  %values = tq.dequant %table : !tq.packed<96x64xf32, #tq.dense<bf16>> -> tensor<96x64xf32>
  %e = tq.embed %values, %ids : (tensor<96x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  // TQ4: %[[WQ:.*]] = tq.get_weight @q : !tq.packed<64x64xf32, #tq.codebook<bits = 4, group = 64>, @rotation.64>
  // TQ4: %[[DQ:.*]] = tq.codebook_dequant %[[WQ]] : {{.*}} -> tensor<64x64xf32, #tq.basis<@rotation.64>>
  // TQ4: %[[XQ:.*]] = tq.rotate %[[X]] by @rotation.64 : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@rotation.64>>
  // TQ4: tq.linear %[[XQ]], %[[DQ]]
  // PLAIN: %[[DQ:.*]] = tq.codebook_dequant
  // PLAIN-NOT: tq.rotate
  // PLAIN: tq.linear %[[X]], %[[DQ]]
  // Q4: %[[DQ:.*]] = tq.dequant {{.*}} #tq.affine
  // Q4-NOT: tq.rotate
  // Q4: tq.linear %[[X]], %[[DQ]]
  // KEEP: %[[DQ:.*]] = tq.dequant {{.*}} !tq.packed<64x64xf32, #tq.dense<bf16>>
  // KEEP: tq.linear %[[X]], %[[DQ]]
  // PROTECT: tq.dequant {{.*}} !tq.packed<64x64xf32, #tq.dense<bf16>>
  %wq = tq.get_weight @q : !tq.packed<64x64xf32, #tq.dense<bf16>>
  %dq = tq.dequant %wq : !tq.packed<64x64xf32, #tq.dense<bf16>> -> tensor<64x64xf32>
  %q = tq.linear %x, %dq : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  // One rotation symbol for the width: share-rotations makes one op of this and the last.
  // TQ4: tq.rotate %[[X]] by @rotation.64
  %wk = tq.get_weight @k : !tq.packed<64x64xf32, #tq.dense<bf16>>
  %dk = tq.dequant %wk : !tq.packed<64x64xf32, #tq.dense<bf16>> -> tensor<64x64xf32>
  %k = tq.linear %x, %dk : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %wup = tq.get_weight @up : !tq.packed<128x64xf32, #tq.dense<bf16>>
  %dup = tq.dequant %wup : !tq.packed<128x64xf32, #tq.dense<bf16>> -> tensor<128x64xf32>
  %up = tq.linear %k, %dup : (tensor<?x64xf32>, tensor<128x64xf32>) -> tensor<?x128xf32>
  // TQ4: tq.rotate %{{.*}} by @rotation.128 : tensor<?x128xf32>
  %wdown = tq.get_weight @down : !tq.packed<64x128xf32, #tq.dense<bf16>>
  %ddown = tq.dequant %wdown : !tq.packed<64x128xf32, #tq.dense<bf16>> -> tensor<64x128xf32>
  %down = tq.linear %up, %ddown : (tensor<?x128xf32>, tensor<64x128xf32>) -> tensor<?x64xf32>
  return %e, %q, %down : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}
