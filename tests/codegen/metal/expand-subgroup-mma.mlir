// RUN: tq-opt %s --tq-expand-subgroup-mma --canonicalize --cse | FileCheck %s
// Two values per lane: lane l holds row l / 4, columns 2 (l % 4) and the next.
#global = #gpu.address_space<global>
gpu.module @matrices {
  // CHECK-LABEL: gpu.func @halves
  gpu.func @halves(%a: memref<16x24xf16, #global> {llvm.noalias, llvm.readonly},
                   %out: memref<256xf32, #global> {llvm.noalias}, %m: index)
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %zero = arith.constant 0.0 : f32
    // CHECK-DAG: %[[C2:.*]] = arith.constant 2 : index
    // CHECK-DAG: %[[C4:.*]] = arith.constant 4 : index
    // CHECK-DAG: %[[C16:.*]] = arith.constant 16 : index
    // CHECK-NOT: mma
    // CHECK: scf.for {{.*}} iter_args(%[[SUM:.*]] = %{{.*}}) -> (vector<2xf32>)
    %acc0 = gpu.subgroup_mma_constant_matrix %zero : !gpu.mma_matrix<8x8xf32, "COp">
    %acc = scf.for %i = %c0 to %c2 step %c1 iter_args(%s = %acc0) -> !gpu.mma_matrix<8x8xf32, "COp"> {
      // A row of the matrix is a row of the array: the row counts along the first axis.
      // CHECK: %[[LANE:.*]] = gpu.lane_id upper_bound 32
      // CHECK: %[[ROW:.*]] = arith.divui %[[LANE]], %[[C4]]
      // CHECK: %[[PAIR:.*]] = arith.remui %[[LANE]], %[[C4]]
      // CHECK: %[[COLUMN:.*]] = arith.muli %[[PAIR]], %[[C2]]
      // CHECK: %[[R:.*]] = arith.addi %{{.*}}, %[[ROW]]
      // CHECK: memref.load %{{.*}}[%[[R]], %[[COLUMN]]]
      %l = gpu.subgroup_mma_load_matrix %a[%m, %c0] {leadDimension = 24 : index} : memref<16x24xf16, #global> -> !gpu.mma_matrix<8x8xf16, "AOp">
      // CHECK: %[[ACROSS:.*]] = arith.addi %{{.*}}, %[[COLUMN]]
      // CHECK: memref.load %{{.*}}[%[[ACROSS]], %[[ROW]]]
      %r = gpu.subgroup_mma_load_matrix %a[%m, %c0] {leadDimension = 24 : index, transpose} : memref<16x24xf16, #global> -> !gpu.mma_matrix<8x8xf16, "BOp">
      // Four words of A's row, eight of B's columns, sixteen products in the order of k.
      // CHECK-COUNT-12: gpu.shuffle idx {{.*}} : i32
      // CHECK: math.fma
      // CHECK-NOT: gpu.shuffle
      %n = gpu.subgroup_mma_compute %l, %r, %s : !gpu.mma_matrix<8x8xf16, "AOp">, !gpu.mma_matrix<8x8xf16, "BOp"> -> !gpu.mma_matrix<8x8xf32, "COp">
      scf.yield %n : !gpu.mma_matrix<8x8xf32, "COp">
    }
    // No axis has this stride: the row is part of the offset.
    // CHECK: %[[OFF:.*]] = arith.muli %{{.*}}, %[[C16]]
    // CHECK: memref.store
    gpu.subgroup_mma_store_matrix %acc, %out[%m] {leadDimension = 16 : index} : !gpu.mma_matrix<8x8xf32, "COp">, memref<256xf32, #global>
    gpu.return
  }
}
