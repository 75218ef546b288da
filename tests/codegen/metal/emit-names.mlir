// RUN: tq-opt %s --emit=msl | FileCheck %s
// RUN: tq-opt %s --emit=msl --msl-version=3.2 | FileCheck %s --check-prefix=MSL32
// RUN: tq-opt %s --emit=msl --msl-version=3.2 --msl-fast-math | FileCheck %s --check-prefix=FAST
// RUN: tq-opt %s --emit=msl > %t.1 && tq-opt %s --emit=msl > %t.2 && cmp %t.1 %t.2
// RUN: tq-opt %s --emit=msl -o %t.metal && metal-check %t.metal

// CHECK:      // Metal Shading Language 3.1.
// CHECK-NEXT: #include <metal_stdlib>
// CHECK-NEXT: using namespace metal;
// CHECK-NEXT: #pragma METAL fp contract(off)
// MSL32:      // Metal Shading Language 3.2.
// MSL32:      #pragma METAL fp math_mode(safe)
// FAST-NOT:   #pragma METAL
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @names {
  // Words of C++, MSL and OpenCL C++, inputs, other variables and the kernel itself: nothing is named twice.
  // CHECK:      // Adds what
  // CHECK-NEXT: // is given.
  // CHECK-NEXT: {{\[\[}}max_total_threads_per_threadgroup(128)]]
  // CHECK-NEXT: kernel void clash(device const float* lane_1 {{\[\[}}buffer(0)]],
  // CHECK-NEXT:                   device float* global_1 {{\[\[}}buffer(1)]],
  // CHECK-NEXT:                   device float* buffer2 {{\[\[}}buffer(2)]],
  // CHECK-NEXT:                   uint simdgroup {{\[\[}}simdgroup_index_in_threadgroup]],
  // CHECK-NEXT:                   uint lane {{\[\[}}thread_index_in_simdgroup]]) {
  // CHECK-NEXT:   threadgroup float shared[4];
  // CHECK-NEXT:   threadgroup float shared_1[4];
  // CHECK-NEXT:   float array[4];
  gpu.func @clash(%a: memref<64xf32, #global> {llvm.noalias, llvm.readonly, tq.name = "lane"},
                  %b: memref<64xf32, #global> {llvm.noalias, tq.name = "global"},
                  %c: memref<64xf32, #global> {llvm.noalias})
      workgroup(%s: memref<4xf32, #wg>, %t: memref<4xf32, #wg>) private(%p: memref<4xf32, #priv>)
      kernel attributes {known_block_size = array<i32: 32, 4, 1>, tq.comment = "Adds what\nis given."} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %lane = gpu.lane_id
    %sg = gpu.thread_id y
    // CHECK-NEXT: float clash_1 = lane_1[lane];
    // CHECK-NEXT: float half_1 = lane_1[simdgroup];
    // CHECK-NEXT: float x = clash_1 + half_1;
    // CHECK-NEXT: float x_1 = clash_1 * half_1;
    // CHECK-NEXT: float v3d_model = x + x_1;
    // CHECK-NEXT: float a_b = x * x_1;
    // CHECK-NEXT: float fma_1 = x - x_1;
    // CHECK-NEXT: float v0 = fma_1 + a_b + v3d_model;
    %v0 = memref.load %a[%lane] : memref<64xf32, #global> loc("clash")
    %v1 = memref.load %a[%sg] : memref<64xf32, #global> loc("half")
    %v2 = arith.addf %v0, %v1 : f32 loc("x")
    %v3 = arith.mulf %v0, %v1 : f32 loc("x")
    %v4 = arith.addf %v2, %v3 : f32 loc("3d.model")
    %v5 = arith.mulf %v2, %v3 : f32 loc("__a.__b")
    %v6 = arith.subf %v2, %v3 : f32 loc(fused["somewhere.mlir":1:2, "fma"])
    %v7 = arith.addf %v6, %v5 : f32
    %v8 = arith.addf %v7, %v4 : f32 loc("somewhere.mlir":1:2)
    memref.store %v8, %b[%c0] : memref<64xf32, #global>
    memref.store %v8, %c[%c0] : memref<64xf32, #global>
    memref.store %v8, %s[%c0] : memref<4xf32, #wg>
    memref.store %v8, %t[%c0] : memref<4xf32, #wg>
    memref.store %v8, %p[%c0] : memref<4xf32, #priv>
    memref.store %v4, %c[%c1] : memref<64xf32, #global>
    memref.store %v5, %c[%c1] : memref<64xf32, #global>
    memref.store %v6, %c[%c1] : memref<64xf32, #global>
    // A name is free again after its block: both loops count with i, the inner one with j.
    // CHECK:      for (uint i = 0u; i < 4u; i += 1u) {
    // CHECK-NEXT:   for (uint j = 0u; j < 4u; j += 1u) {
    // CHECK-NEXT:     float y = lane_1[i + j];
    // CHECK:      for (uint i = 0u; i < 4u; i += 1u) {
    // CHECK-NEXT:   float y = lane_1[i];
    scf.for %i = %c0 to %c4 step %c1 {
      scf.for %j = %c0 to %c4 step %c1 {
        %k = arith.addi %i, %j : index
        %y = memref.load %a[%k] : memref<64xf32, #global> loc("y")
        memref.store %y, %c[%i] : memref<64xf32, #global>
        memref.store %y, %c[%j] : memref<64xf32, #global>
      }
    }
    scf.for %i = %c0 to %c4 step %c1 {
      %y = memref.load %a[%i] : memref<64xf32, #global> loc("y")
      memref.store %y, %c[%i] : memref<64xf32, #global>
      memref.store %y, %c[%c0] : memref<64xf32, #global>
    }
    gpu.return
  }
}
