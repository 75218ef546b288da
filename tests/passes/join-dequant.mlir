// Linear layers and embeddings read packed weights; nobody materialises a matrix.
// RUN: tq-opt --tq-join-dequant %s | FileCheck %s

// CHECK-NOT: dequant
tq.rotation @r dim 64 block 64 seed 1
tq.weight @w role "mlp" : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r> from "w"
tq.weight @table role "embedding" : !tq.packed<96x64xf32, #tq.dense<f16>> from "table"

// CHECK-LABEL: func @forward
// CHECK: %[[W:.*]] = tq.get_weight @w
// CHECK: tq.linear %{{.*}}, %[[W]] : (tensor<?x64xf32, #tq.basis<@r>>, !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r>) -> tensor<?x8xf32>
// CHECK: %[[T:.*]] = tq.get_weight @table
// CHECK: %[[E:.*]] = tq.embed %[[T]], %{{.*}} : (!tq.packed<96x64xf32, #tq.dense<f16>>, tensor<?xi32>) -> tensor<?x64xf32>
// A tied head reads the table, too.
// CHECK: tq.linear %[[E]], %[[T]]
func.func @forward(%x: tensor<?x64xf32, #tq.basis<@r>>, %ids: tensor<?xi32>) -> (tensor<?x8xf32>, tensor<?x96xf32>) {
  %w = tq.get_weight @w : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r>
  %d = tq.codebook_dequant %w : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r> -> tensor<8x64xf32, #tq.basis<@r>>
  %y = tq.linear %x, %d : (tensor<?x64xf32, #tq.basis<@r>>, tensor<8x64xf32, #tq.basis<@r>>) -> tensor<?x8xf32>
  %t = tq.get_weight @table : !tq.packed<96x64xf32, #tq.dense<f16>>
  %v = tq.dequant %t : !tq.packed<96x64xf32, #tq.dense<f16>> -> tensor<96x64xf32>
  %e = tq.embed %v, %ids : (tensor<96x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  %l = tq.linear %e, %v : (tensor<?x64xf32>, tensor<96x64xf32>) -> tensor<?x96xf32>
  return %y, %l : tensor<?x8xf32>, tensor<?x96xf32>
}
