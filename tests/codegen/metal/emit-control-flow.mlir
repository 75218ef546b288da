// RUN: tq-opt %s --emit=msl | FileCheck %s
// RUN: tq-opt %s --emit=msl -o %t.metal && metal-check %t.metal
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
gpu.module @control {
  // Variables of a loop change together: what is still read is assigned last, a swap goes through a third variable.
  // CHECK-LABEL: kernel void parallel_assignment(
  gpu.func @parallel_assignment(%out: memref<64xi32, #global> {llvm.noalias, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %i0 = arith.constant 0 : i32
    %i1 = arith.constant 1 : i32
    // CHECK:      uint a = 0u;
    // CHECK-NEXT: uint b = 1u;
    // CHECK-NEXT: for (uint i = 0u; i < 8u; i += 1u) {
    // CHECK-NEXT:   uint next_a = b;
    // CHECK-NEXT:   b = a + b;
    // CHECK-NEXT:   a = next_a;
    // CHECK-NEXT: }
    // CHECK-NEXT: out[0] = a;
    // CHECK-NEXT: out[1u] = b;
    %a, %b = scf.for %i = %c0 to %c8 step %c1 iter_args(%x = %i0, %y = %i1) -> (i32, i32) {
      %s = arith.addi %x, %y : i32
      scf.yield %y, %s : i32, i32
    } {tq.names = ["a", "b"]}
    memref.store %a, %out[%c0] : memref<64xi32, #global>
    memref.store %b, %out[%c1] : memref<64xi32, #global>
    // CHECK-NEXT: uint p = 0u;
    // CHECK-NEXT: uint q = 1u;
    // CHECK-NEXT: uint r = 0u;
    // CHECK-NEXT: for (uint i = 0u; i < 8u; i += 1u) {
    // CHECK-NEXT:   r = p + q;
    // CHECK-NEXT:   p = q + 1u;
    // CHECK-NEXT:   q = q * 2u;
    // CHECK-NEXT: }
    // CHECK-NEXT: out[0] = p + q + r;
    %i2 = arith.constant 2 : i32
    %p, %q, %r = scf.for %i = %c0 to %c8 step %c1 iter_args(%x = %i0, %y = %i1, %z = %i0) -> (i32, i32, i32) {
      %n0 = arith.addi %y, %i1 : i32
      %n1 = arith.muli %y, %i2 : i32
      %n2 = arith.addi %x, %y : i32
      scf.yield %n0, %n1, %n2 : i32, i32, i32
    } {tq.names = ["p", "q", "r"]}
    %t0 = arith.addi %p, %q : i32
    %t1 = arith.addi %t0, %r : i32
    memref.store %t1, %out[%c0] : memref<64xi32, #global>
    gpu.return
  }

  // One accumulator through nested loops is one variable.
  // CHECK-LABEL: kernel void nested_sum(
  gpu.func @nested_sum(%x: memref<8x8xf32, #global> {llvm.noalias, llvm.readonly, tq.name = "x"},
                       %out: memref<64xf32, #global> {llvm.noalias, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %zero = arith.constant 0.0 : f32
    // CHECK:      float sum = 0.0f;
    // CHECK-NEXT: for (uint row = 0u; row < 8u; row += 1u) {
    // CHECK-NEXT:   #pragma clang loop unroll(full)
    // CHECK-NEXT:   for (uint i = 0u; i < 8u; i += 1u) {
    // CHECK-NEXT:     sum = sum + x[row * 8u + i];
    // CHECK-NEXT:   }
    // CHECK-NEXT: }
    // CHECK-NEXT: out[0] = sum;
    %sum = scf.for %i = %c0 to %c8 step %c1 iter_args(%s = %zero) -> f32 {
      %inner = scf.for %j = %c0 to %c8 step %c1 iter_args(%t = %s) -> f32 {
        %e = memref.load %x[%i, %j] : memref<8x8xf32, #global>
        %n = arith.addf %t, %e : f32
        scf.yield %n : f32
      } {tq.unroll}
      scf.yield %inner : f32
    } {tq.name = "row", tq.names = ["sum"]}
    memref.store %sum, %out[%c0] : memref<64xf32, #global>
    gpu.return
  }

  // Bounds are signed in the IR. What may be negative is compared as int.
  // CHECK-LABEL: kernel void bounds(
  gpu.func @bounds(%params: memref<8xi32, #global> {llvm.readonly, tq.params, tq.name = "params"},
                   %out: memref<64xi32, #global> {llvm.noalias, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c3 = arith.constant 3 : index
    %i0 = arith.constant 0 : i32
    %n = memref.load %params[%c0] : memref<8xi32, #global>
    // CHECK: for (uint i = 0u; int(i) < int(n); i += 1u) {
    %signed = arith.index_cast %n : i32 to index loc("n")
    scf.for %i = %c0 to %signed step %c1 {
      memref.store %i0, %out[%i] : memref<64xi32, #global>
    }
    // CHECK: for (uint i = 0u; i < count; i += 1u) {
    %m = memref.load %params[%c1] : memref<8xi32, #global> loc("count")
    %unsigned = arith.index_castui %m : i32 to index
    scf.for %i = %c0 to %unsigned step %c1 {
      memref.store %i0, %out[%i] : memref<64xi32, #global>
    }
    // CHECK: for (uint i = 0u; int(i) < int(count - 3u); i += 1u) {
    %less = arith.subi %unsigned, %c3 : index
    scf.for %i = %c0 to %less step %c1 {
      memref.store %i0, %out[%i] : memref<64xi32, #global>
    }
    // CHECK: for (uint i = count; i < count * 4u; i += 3u) {
    %c4 = arith.constant 4 : index
    %more = arith.muli %unsigned, %c4 : index
    scf.for %i = %unsigned to %more step %c3 {
      memref.store %i0, %out[%i] : memref<64xi32, #global>
    }
    // CHECK: for (uint i = 0u; i < v0; i += 1u) {
    %any = arith.subi %unsigned, %c1 : index
    scf.for unsigned %i = %c0 to %any step %c1 {
      %v = arith.index_cast %any : index to i32
      memref.store %v, %out[%i] : memref<64xi32, #global>
    }
    gpu.return
  }

  // CHECK-LABEL: kernel void branches(
  gpu.func @branches(%out: memref<64xf32, #global> {llvm.noalias, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c8 = arith.constant 8 : index
    %lane = gpu.lane_id
    %one = arith.constant 1.0 : f32
    %p = arith.cmpi ult, %lane, %c8 : index
    // CHECK:      float y;
    // CHECK-NEXT: uint y_1;
    // CHECK-NEXT: if (lane < 8u) {
    // CHECK-NEXT:   y = out[lane];
    // CHECK-NEXT:   y_1 = lane * 8u;
    // CHECK-NEXT: } else {
    // CHECK-NEXT:   out[0] = 1.0f;
    // CHECK-NEXT:   y = 1.0f;
    // CHECK-NEXT:   y_1 = 0u;
    // CHECK-NEXT: }
    // CHECK-NEXT: out[y_1] = y;
    %y, %k = scf.if %p -> (f32, index) {
      %e = memref.load %out[%lane] : memref<64xf32, #global>
      %l8 = arith.muli %lane, %c8 : index
      scf.yield %e, %l8 : f32, index
    } else {
      memref.store %one, %out[%c0] : memref<64xf32, #global>
      scf.yield %one, %c0 : f32, index
    } loc("y")
    memref.store %y, %out[%k] : memref<64xf32, #global>
    // CHECK-NEXT: if (!(y < 1.0f)) {
    // CHECK-NEXT:   out[0] = y;
    // CHECK-NEXT: }
    %q = arith.cmpf uge, %y, %one : f32
    scf.if %q {
      memref.store %y, %out[%c0] : memref<64xf32, #global>
    } else {
    }
    gpu.return
  }

  // A branch alone in an else is a condition more; with other statements, or with results, it is not.
  // CHECK-LABEL: kernel void chain(
  gpu.func @chain(%out: memref<64xi32, #global> {llvm.noalias, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %i0 = arith.constant 0 : i32
    %i1 = arith.constant 1 : i32
    %c4 = arith.constant 4 : index
    %c8 = arith.constant 8 : index
    %c16 = arith.constant 16 : index
    %lane = gpu.lane_id
    // CHECK:      bool v0 = lane < 4u;
    // CHECK-NEXT: bool v1 = lane < 8u;
    // CHECK-NEXT: bool v2 = lane < 16u;
    %below4 = arith.cmpi ult, %lane, %c4 : index
    %below8 = arith.cmpi ult, %lane, %c8 : index
    %below16 = arith.cmpi ult, %lane, %c16 : index
    // CHECK-NEXT: if (v0) {
    // CHECK-NEXT:   out[lane] = 0u;
    // CHECK-NEXT: } else if (v1) {
    // CHECK-NEXT:   out[lane] = 1u;
    // CHECK-NEXT: } else {
    // CHECK-NEXT:   out[lane + 8u] = 1u;
    // CHECK-NEXT:   if (v2) {
    // CHECK-NEXT:     out[lane] = 0u;
    // CHECK-NEXT:   }
    // CHECK-NEXT: }
    scf.if %below4 {
      memref.store %i0, %out[%lane] : memref<64xi32, #global>
    } else {
      scf.if %below8 {
        memref.store %i1, %out[%lane] : memref<64xi32, #global>
      } else {
        %behind = arith.addi %lane, %c8 : index
        memref.store %i1, %out[%behind] : memref<64xi32, #global>
        scf.if %below16 {
          memref.store %i0, %out[%lane] : memref<64xi32, #global>
        }
      }
    }
    // CHECK-NEXT: uint v3 = lane + 4u;
    // CHECK-NEXT: if (v0) {
    // CHECK-NEXT:   out[v3] = 0u;
    // CHECK-NEXT: } else if (v2) {
    // CHECK-NEXT:   out[v3] = 1u;
    // CHECK-NEXT: }
    %other = arith.addi %lane, %c4 : index
    scf.if %below4 {
      memref.store %i0, %out[%other] : memref<64xi32, #global>
    } else {
      scf.if %below16 {
        memref.store %i1, %out[%other] : memref<64xi32, #global>
      }
    }
    // CHECK-NEXT: uint v4;
    // CHECK-NEXT: if (v1) {
    // CHECK-NEXT:   v4 = 0u;
    // CHECK-NEXT: } else {
    // CHECK-NEXT:   uint v5;
    // CHECK-NEXT:   if (v2) {
    // CHECK-NEXT:     v5 = 1u;
    // CHECK-NEXT:   } else {
    // CHECK-NEXT:     v5 = 0u;
    // CHECK-NEXT:   }
    // CHECK-NEXT:   v4 = v5;
    // CHECK-NEXT: }
    // CHECK-NEXT: out[lane] = v4;
    %value = scf.if %below8 -> (i32) {
      scf.yield %i0 : i32
    } else {
      %inner = scf.if %below16 -> (i32) {
        scf.yield %i1 : i32
      } else {
        scf.yield %i0 : i32
      }
      scf.yield %inner : i32
    }
    memref.store %value, %out[%lane] : memref<64xi32, #global>
    gpu.return
  }

  // CHECK-LABEL: kernel void search(
  gpu.func @search(%x: memref<64xi32, #global> {llvm.noalias, llvm.readonly, tq.name = "x"},
                   %out: memref<64xi32, #global> {llvm.noalias, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %i0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : index
    %c64 = arith.constant 64 : index
    // CHECK:      uint i = 0u;
    // CHECK-NEXT: uint value;
    // CHECK-NEXT: while (true) {
    // CHECK-NEXT:   uint item = x[i];
    // CHECK-NEXT:   value = item;
    // CHECK-NEXT:   if (!(i < 64u && item != 0u)) {
    // CHECK-NEXT:     break;
    // CHECK-NEXT:   }
    // CHECK-NEXT:   i = i + 1u;
    // CHECK-NEXT: }
    // CHECK-NEXT: out[i] = value;
    %where, %what = scf.while (%i = %c0) : (index) -> (index, i32) {
      %item = memref.load %x[%i] : memref<64xi32, #global> loc("item")
      %inside = arith.cmpi ult, %i, %c64 : index
      %other = arith.cmpi ne, %item, %i0 : i32
      %go = arith.andi %inside, %other : i1
      scf.condition(%go) %i, %item : index, i32
    } do {
    ^bb0(%j: index, %item: i32 loc("value")):
      %next = arith.addi %j, %c1 : index
      scf.yield %next : index
    } attributes {tq.names = ["i"]}
    memref.store %what, %out[%where] : memref<64xi32, #global>
    gpu.return
  }
}
