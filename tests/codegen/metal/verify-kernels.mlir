// RUN: tq-opt %s --tq-verify-kernels | FileCheck %s
// What the rules allow although it looks like what they refuse.
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // All threads agree on blocks, parameters, constants and what is loaded from such places; barriers may depend on them.
  // CHECK: gpu.func @uniform_control
  gpu.func @uniform_control(%params: memref<8xi32, #global> {llvm.readonly, tq.params},
                            %a: memref<64xf32, #global> {llvm.noalias})
      workgroup(%s: memref<64xf32, #wg>)
      kernel attributes {known_block_size = array<i32: 32, 32, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %f = arith.constant 1.0 : f32
    %lane = gpu.lane_id
    %group = gpu.block_id x
    %n32 = memref.load %params[%c0] : memref<8xi32, #global>
    %n = arith.index_castui %n32 : i32 to index
    scf.for %i = %group to %n step %c1 {
      %e = memref.load %s[%i] : memref<64xf32, #wg>
      %p = arith.cmpf ogt, %e, %f : f32
      scf.if %p {
        gpu.barrier
      }
      memref.store %f, %a[%lane] : memref<64xf32, #global>
    }
    %last = scf.while (%k = %c0) : (index) -> index {
      %p = arith.cmpi ult, %k, %n : index
      scf.condition(%p) %k : index
    } do {
    ^bb0(%k: index):
      gpu.barrier
      %next = arith.addi %k, %c1 : index
      scf.yield %next : index
    }
    gpu.return
  }

  // Within a simdgroup, gpu.thread_id y, whole reductions and broadcasts are one value: lanes stay together.
  // CHECK: gpu.func @subgroup_control
  gpu.func @subgroup_control(%a: memref<64xf32, #global> {llvm.noalias, llvm.align = 16 : i64})
      kernel attributes {known_block_size = array<i32: 32, 4, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %i0 = arith.constant 0 : i32
    %i32 = arith.constant 32 : i32
    %f = arith.constant 1.0 : f32
    %lane = gpu.lane_id
    %sg = gpu.thread_id y
    scf.for %i = %sg to %c4 step %c1 {
      %e = memref.load %a[%lane] : memref<64xf32, #global>
      %sum = gpu.subgroup_reduce add %e uniform : (f32) -> f32
      %p = arith.cmpf ogt, %sum, %f : f32
      scf.if %p {
        tq.subgroup_barrier
        %first, %ok = gpu.shuffle idx %e, %i0, %i32 : f32
        %q = arith.cmpf ogt, %first, %f : f32
        scf.if %q {
          %m = gpu.subgroup_reduce maxnumf %first uniform cluster(size = 4, stride = 8) : (f32) -> f32
          memref.store %m, %a[%lane] : memref<64xf32, #global>
        }
      }
      // An index of which nothing is known is taken to be aligned.
      %v = vector.load %a[%lane] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
      %i4 = arith.muli %i, %c4 : index
      vector.store %v, %a[%i4] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
    }
    gpu.return
  }
}
