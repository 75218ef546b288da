// RUN: tq-opt %s --emit=msl | FileCheck %s
// RUN: tq-opt %s --emit=msl -o %t.metal && metal-check %t.metal
// RUN: tq-opt %s --emit=ptx | FileCheck %s --check-prefix=PTX
// C = A * B^T in 8x8 tiles: B through threadgroup memory with padded rows, an accumulator that stays in one variable.

// PTX:     .visible .entry matmul_m32_n32_k64(
// PTX-NOT: .local
// PTX:     shfl.sync.idx.b32
// PTX:     fma.rn.f32
// PTX-NOT: .local
// PTX:     ret;

#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
gpu.module @matmul {
  gpu.func @matmul_m32_n32_k64(
      %a: memref<32x64xf16, #global> {llvm.noalias, llvm.readonly, llvm.align = 16 : i64, tq.name = "a"},
      %b: memref<32x64xf16, #global> {llvm.noalias, llvm.readonly, llvm.align = 16 : i64, tq.name = "b"},
      %c: memref<32x32xf32, #global> {llvm.noalias, llvm.align = 16 : i64, tq.name = "c"})
      workgroup(%tile: memref<32x12xf16, #wg> {llvm.align = 8 : i64, tq.name = "tile"})
      kernel attributes {known_block_size = array<i32: 32, 4, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c4 = arith.constant 4 : index
    %c8 = arith.constant 8 : index
    %c32 = arith.constant 32 : index
    %c64 = arith.constant 64 : index
    %zero = arith.constant 0.0 : f32
    %lane = gpu.lane_id upper_bound 32
    %sg = gpu.thread_id y upper_bound 4
    %block = gpu.block_id x upper_bound 4
    %s32 = arith.muli %sg, %c32 : index
    %t = arith.addi %s32, %lane : index loc("t")
    %n = arith.muli %sg, %c8 : index loc("n")
    %m = arith.muli %block, %c8 : index loc("m")
    // CHECK:      alignas(8) threadgroup half tile[384];
    // CHECK-NEXT: uint t = simdgroup * 32u + lane;
    // CHECK-NEXT: uint n = simdgroup * 8u;
    // CHECK-NEXT: uint m = group * 8u;
    // CHECK-NEXT: simdgroup_float8x8 acc = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    // CHECK-NEXT: for (uint k = 0u; k < 64u; k += 8u) {
    %acc0 = gpu.subgroup_mma_constant_matrix %zero : !gpu.mma_matrix<8x8xf32, "COp"> loc("acc")
    %acc = scf.for %k = %c0 to %c64 step %c8 iter_args(%s = %acc0) -> !gpu.mma_matrix<8x8xf32, "COp"> {
      // CHECK-NEXT: threadgroup_barrier(mem_flags::mem_threadgroup);
      // CHECK-NEXT: if (t < 64u) {
      // CHECK-NEXT:   uint r = t / 2u;
      // CHECK-NEXT:   uint k4 = t % 2u * 4u;
      // CHECK-NEXT:   *(threadgroup half4*)(tile + r * 12u + k4) = *(device const half4*)(b + r * 64u + k + k4);
      // CHECK-NEXT: }
      // CHECK-NEXT: threadgroup_barrier(mem_flags::mem_threadgroup);
      gpu.barrier
      %loads = arith.cmpi ult, %t, %c64 : index
      scf.if %loads {
        %r = arith.divui %t, %c2 : index loc("r")
        %h = arith.remui %t, %c2 : index
        %k4 = arith.muli %h, %c4 : index loc("k4")
        %kk = arith.addi %k, %k4 : index
        %v = vector.load %b[%r, %kk] {alignment = 8 : i64} : memref<32x64xf16, #global>, vector<4xf16>
        vector.store %v, %tile[%r, %k4] {alignment = 8 : i64} : memref<32x12xf16, #wg>, vector<4xf16>
      }
      gpu.barrier
      // CHECK-NEXT: simdgroup_half8x8 left;
      // CHECK-NEXT: simdgroup_load(left, a + m * 64u + k, 64u);
      // CHECK-NEXT: simdgroup_half8x8 right;
      // CHECK-NEXT: simdgroup_load(right, tile + n * 12u, 12u, ulong2(0), true);
      // CHECK-NEXT: simdgroup_multiply_accumulate(acc, left, right, acc);
      // CHECK-NEXT: }
      %left = gpu.subgroup_mma_load_matrix %a[%m, %k] {leadDimension = 64 : index} : memref<32x64xf16, #global> -> !gpu.mma_matrix<8x8xf16, "AOp"> loc("left")
      %right = gpu.subgroup_mma_load_matrix %tile[%n, %c0] {leadDimension = 12 : index, transpose} : memref<32x12xf16, #wg> -> !gpu.mma_matrix<8x8xf16, "BOp"> loc("right")
      %next = gpu.subgroup_mma_compute %left, %right, %s : !gpu.mma_matrix<8x8xf16, "AOp">, !gpu.mma_matrix<8x8xf16, "BOp"> -> !gpu.mma_matrix<8x8xf32, "COp">
      scf.yield %next : !gpu.mma_matrix<8x8xf32, "COp">
    } {tq.name = "k"}
    // CHECK-NEXT: simdgroup_store(acc, c + m * 32u + n, 32u);
    gpu.subgroup_mma_store_matrix %acc, %c[%m, %n] {leadDimension = 32 : index} : !gpu.mma_matrix<8x8xf32, "COp">, memref<32x32xf32, #global>
    gpu.return
  }
}
