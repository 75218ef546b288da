// What quantised linear layers read is rounded, once per value; float weights are left alone.
// RUN: tq-opt --tq-quantize-activations %s | FileCheck %s --check-prefixes=CHECK,INT8
// RUN: tq-opt --tq-quantize-activations=activations=int16 %s | FileCheck %s --check-prefixes=CHECK,INT16
// RUN: tq-opt --tq-quantize-activations=activations=f32 %s | FileCheck %s --check-prefix=F32

// F32-NOT: tq.quantize
tq.rotation @r dim 64 block 64 seed 1

// CHECK-LABEL: func @rotated
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32, #tq.basis<@r>>
// INT8: %[[Q:.*]] = tq.quantize %[[X]] : tensor<?x64xf32, #tq.basis<@r>> -> tensor<?x64xf32, #tq.int<bits = 8, sums = 64, rotation = @r>>
// INT16: %[[Q:.*]] = tq.quantize %[[X]] : tensor<?x64xf32, #tq.basis<@r>> -> tensor<?x64xf32, #tq.int<bits = 16, sums = 64, rotation = @r>>
// CHECK-NOT: tq.quantize
// CHECK: tq.linear %[[Q]]
// CHECK: tq.linear %[[Q]]
func.func @rotated(%x: tensor<?x64xf32, #tq.basis<@r>>, %w: !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %y = tq.linear %x, %w : (tensor<?x64xf32, #tq.basis<@r>>, !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r>) -> tensor<?x8xf32>
  %z = tq.linear %x, %w : (tensor<?x64xf32, #tq.basis<@r>>, !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>, @r>) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// Sums of codes span the narrowest group of all readers.
// CHECK-LABEL: func @groups
// CHECK: tq.quantize %{{.*}} -> tensor<?x64xf32, #tq.int<bits = {{8|16}}, sums = 32>>
// CHECK-NOT: tq.quantize
func.func @groups(%x: tensor<?x64xf32>, %v: !tq.packed<8x64xf32, #tq.affine<bits = 4, group = 64>>, %w: !tq.packed<8x64xf32, #tq.affine<bits = 4, group = 32>>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %y = tq.linear %x, %v : (tensor<?x64xf32>, !tq.packed<8x64xf32, #tq.affine<bits = 4, group = 64>>) -> tensor<?x8xf32>
  %z = tq.linear %x, %w : (tensor<?x64xf32>, !tq.packed<8x64xf32, #tq.affine<bits = 4, group = 32>>) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: func @mixed
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>
// CHECK: %[[Q:.*]] = tq.quantize %[[X]]
// CHECK: tq.linear %[[X]], %{{.*}}#tq.dense<f16>
// CHECK: tq.linear %[[Q]], %{{.*}}#tq.affine
func.func @mixed(%x: tensor<?x64xf32>, %f: !tq.packed<8x64xf32, #tq.dense<f16>>, %q: !tq.packed<8x64xf32, #tq.affine<bits = 8, group = 64>>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %y = tq.linear %x, %f : (tensor<?x64xf32>, !tq.packed<8x64xf32, #tq.dense<f16>>) -> tensor<?x8xf32>
  %z = tq.linear %x, %q : (tensor<?x64xf32>, !tq.packed<8x64xf32, #tq.affine<bits = 8, group = 64>>) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// Running the pass again changes nothing.
// CHECK-LABEL: func @already
// CHECK-NOT: tq.quantize
func.func @already(%x: tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>, %w: !tq.packed<8x64xf32, #tq.affine<bits = 4, group = 64>>) -> tensor<?x8xf32> {
  %y = tq.linear %x, %w : (tensor<?x64xf32, #tq.int<bits = 8, sums = 64>>, !tq.packed<8x64xf32, #tq.affine<bits = 4, group = 64>>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
