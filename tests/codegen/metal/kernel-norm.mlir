// RUN: tq-opt %s --emit=msl | FileCheck %s
// RUN: tq-opt %s --emit=msl -o %t.metal && metal-check %t.metal
// RUN: tq-opt %s --emit=ptx | FileCheck %s --check-prefix=PTX
// An RMS norm over rows of 1024: vectors of four, a sum over the simdgroup, then over the threadgroup.

// PTX:     .visible .entry rms_norm_n1024(
// PTX-NOT: .local
// PTX:     ld.global.nc.v4
// PTX:     bar.sync
// PTX:     rsqrt.approx.f32
// PTX-NOT: __nv_
// PTX-NOT: .local
// PTX:     ret;

#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
gpu.module @norm {
  gpu.func @rms_norm_n1024(
      %x: memref<512x1024xf32, #global> {llvm.noalias, llvm.readonly, llvm.align = 16 : i64, tq.name = "x"},
      %weight: memref<1024xf16, #global> {llvm.noalias, llvm.readonly, llvm.align = 8 : i64, tq.name = "weight"},
      %y: memref<512x1024xf16, #global> {llvm.noalias, llvm.align = 8 : i64, tq.name = "y"},
      %params: memref<8xi32, #global> {llvm.readonly, tq.params, tq.name = "params"})
      workgroup(%partial: memref<8xf32, #wg> {tq.name = "partial"})
      kernel attributes {known_block_size = array<i32: 32, 8, 1>, tq.comment = "y = x / rms(x) * weight, one row per threadgroup"} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %c8 = arith.constant 8 : index
    %c32 = arith.constant 32 : index
    %c128 = arith.constant 128 : index
    %zero = arith.constant 0.0 : f32
    %scale = arith.constant 9.765625e-4 : f32
    %eps = arith.constant 1.0e-5 : f32
    %lane = gpu.lane_id upper_bound 32
    %sg = gpu.thread_id y upper_bound 8
    %row = gpu.block_id x upper_bound 512
    %n32 = memref.load %params[%c0] : memref<8xi32, #global>
    %n = arith.index_castui %n32 : i32 to index
    %exists = arith.cmpi ult, %row, %n : index
    // CHECK:      // y = x / rms(x) * weight, one row per threadgroup
    // CHECK-NEXT: {{\[\[}}max_total_threads_per_threadgroup(256)]]
    // CHECK-NEXT: kernel void rms_norm_n1024(device const float* x {{\[\[}}buffer(0)]],
    // CHECK-NEXT:                            device const half* weight {{\[\[}}buffer(1)]],
    // CHECK-NEXT:                            device half* y {{\[\[}}buffer(2)]],
    // CHECK-NEXT:                            constant int* params {{\[\[}}buffer(3)]],
    // CHECK-NEXT:                            uint group {{\[\[}}threadgroup_position_in_grid]],
    // CHECK-NEXT:                            uint simdgroup {{\[\[}}simdgroup_index_in_threadgroup]],
    // CHECK-NEXT:                            uint lane {{\[\[}}thread_index_in_simdgroup]]) {
    // CHECK-NEXT:   threadgroup float partial[8];
    // CHECK-NEXT:   if (group < uint(params[0])) {
    scf.if %exists {
      // CHECK-NEXT: uint first = simdgroup * 128u + lane * 4u;
      // CHECK-NEXT: float4 v = *(device const float4*)(x + group * 1024u + first);
      // CHECK-NEXT: float sum = fma(v.w, v.w, fma(v.z, v.z, fma(v.y, v.y, v.x * v.x)));
      // CHECK-NEXT: sum += simd_shuffle_xor(sum, 1u);
      // CHECK-NEXT: sum += simd_shuffle_xor(sum, 2u);
      // CHECK-NEXT: sum += simd_shuffle_xor(sum, 4u);
      // CHECK-NEXT: sum += simd_shuffle_xor(sum, 8u);
      // CHECK-NEXT: sum += simd_shuffle_xor(sum, 16u);
      %s128 = arith.muli %sg, %c128 : index
      %l4 = arith.muli %lane, %c4 : index
      %i = arith.addi %s128, %l4 : index loc("first")
      %v = vector.load %x[%row, %i] {alignment = 16 : i64} : memref<512x1024xf32, #global>, vector<4xf32> loc("v")
      %e:4 = vector.to_elements %v : vector<4xf32>
      %q0 = arith.mulf %e#0, %e#0 : f32
      %q1 = math.fma %e#1, %e#1, %q0 : f32
      %q2 = math.fma %e#2, %e#2, %q1 : f32
      %q3 = math.fma %e#3, %e#3, %q2 : f32
      %sum = gpu.subgroup_reduce add %q3 uniform : (f32) -> f32 loc("sum")
      // CHECK-NEXT: if (lane == 0u) {
      // CHECK-NEXT:   partial[simdgroup] = sum;
      // CHECK-NEXT: }
      // CHECK-NEXT: threadgroup_barrier(mem_flags::mem_threadgroup);
      %first = arith.cmpi eq, %lane, %c0 : index
      scf.if %first {
        memref.store %sum, %partial[%sg] : memref<8xf32, #wg>
      }
      gpu.barrier
      // CHECK-NEXT: float total = 0.0f;
      // CHECK-NEXT: #pragma clang loop unroll(full)
      // CHECK-NEXT: for (uint i = 0u; i < 8u; i += 1u) {
      // CHECK-NEXT:   total = total + partial[i];
      // CHECK-NEXT: }
      %total = scf.for %s = %c0 to %c8 step %c1 iter_args(%t = %zero) -> f32 {
        %p = memref.load %partial[%s] : memref<8xf32, #wg>
        %next = arith.addf %t, %p : f32
        scf.yield %next : f32
      } {tq.unroll, tq.names = ["total"]}
      // CHECK-NEXT: *(device half4*)(y + group * 1024u + first) = half4(v * float4(precise::rsqrt(fma(total, 0.0009765625f, 1e-05f))) * float4(*(device const half4*)(weight + first)));
      %mean = math.fma %total, %scale, %eps : f32
      %inv = math.rsqrt %mean : f32
      %inv4 = vector.broadcast %inv : f32 to vector<4xf32>
      %normed = arith.mulf %v, %inv4 : vector<4xf32>
      %w16 = vector.load %weight[%i] {alignment = 8 : i64} : memref<1024xf16, #global>, vector<4xf16>
      %w = arith.extf %w16 : vector<4xf16> to vector<4xf32>
      %out = arith.mulf %normed, %w : vector<4xf32>
      %out16 = arith.truncf %out : vector<4xf32> to vector<4xf16>
      vector.store %out16, %y[%row, %i] {alignment = 8 : i64} : memref<512x1024xf16, #global>, vector<4xf16>
    }
    gpu.return
  }
}
