// RUN: tq-opt %s --emit=msl | FileCheck %s
// RUN: tq-opt %s --emit=msl -o %t.metal && metal-check %t.metal
// Parentheses: what the grouping needs and what compilers warn about, no more. And what may be printed later than it stands.
#global = #gpu.address_space<global>
gpu.module @expressions {
  // CHECK-LABEL: kernel void grouping(
  gpu.func @grouping(%in: memref<8xi32, #global> {llvm.noalias, llvm.readonly, tq.name = "in"},
                     %out: memref<64xi32, #global> {llvm.noalias, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %m1 = arith.constant -1 : i32
    %a = memref.load %in[%c0] : memref<8xi32, #global> loc("a")
    %b = memref.load %in[%c1] : memref<8xi32, #global> loc("b")
    %c = memref.load %in[%c2] : memref<8xi32, #global> loc("c")
    // CHECK:      out[0] = a + b - c;
    // CHECK-NEXT: out[0] = a + b - c;
    // CHECK-NEXT: out[0] = a - (b - c);
    // CHECK-NEXT: out[0] = a - (b + c);
    // CHECK-NEXT: out[0] = a * b / c;
    // CHECK-NEXT: out[0] = a * (b / c);
    // CHECK-NEXT: out[0] = a / (b / c);
    // CHECK-NEXT: out[0] = a * (b / c * a);
    // CHECK-NEXT: out[0] = a * b * c;
    // CHECK-NEXT: out[0] = (a + b) * c;
    // CHECK-NEXT: out[0] = a + b * c;
    // CHECK-NEXT: out[0] = (a + b) << c;
    // CHECK-NEXT: out[0] = a * b << c;
    // CHECK-NEXT: out[0] = a << (b << c);
    // CHECK-NEXT: out[0] = a >> b & c;
    // CHECK-NEXT: out[0] = a >> (b & c);
    // CHECK-NEXT: out[0] = a | b | c;
    // CHECK-NEXT: out[0] = a | (b & c);
    // CHECK-NEXT: out[0] = a ^ (b & c);
    // CHECK-NEXT: out[0] = (a | b) & c;
    // CHECK-NEXT: out[0] = (a ^ b) | c;
    // CHECK-NEXT: out[0] = a - 1u;
    // CHECK-NEXT: out[0] = a + b - 1u;
    // CHECK-NEXT: out[0] = uint(int(a) >> uint(int(b) >> c));
    // CHECK-NEXT: out[0] = (a & b) == c ? a : a < b ? b : c;
    // CHECK-NEXT: out[0] = (a < b ? a : b) + c;
    %0 = arith.subi %b, %c : i32
    %1 = arith.addi %a, %0 : i32
    memref.store %1, %out[%c0] : memref<64xi32, #global>
    %2 = arith.addi %a, %b : i32
    %3 = arith.subi %2, %c : i32
    memref.store %3, %out[%c0] : memref<64xi32, #global>
    %4 = arith.subi %b, %c : i32
    %5 = arith.subi %a, %4 : i32
    memref.store %5, %out[%c0] : memref<64xi32, #global>
    %6 = arith.addi %b, %c : i32
    %7 = arith.subi %a, %6 : i32
    memref.store %7, %out[%c0] : memref<64xi32, #global>
    %8 = arith.muli %a, %b : i32
    %9 = arith.divui %8, %c : i32
    memref.store %9, %out[%c0] : memref<64xi32, #global>
    %10 = arith.divui %b, %c : i32
    %11 = arith.muli %a, %10 : i32
    memref.store %11, %out[%c0] : memref<64xi32, #global>
    %12 = arith.divui %b, %c : i32
    %13 = arith.divui %a, %12 : i32
    memref.store %13, %out[%c0] : memref<64xi32, #global>
    %14 = arith.divui %b, %c : i32
    %15 = arith.muli %14, %a : i32
    %16 = arith.muli %a, %15 : i32
    memref.store %16, %out[%c0] : memref<64xi32, #global>
    %17 = arith.muli %b, %c : i32
    %18 = arith.muli %a, %17 : i32
    memref.store %18, %out[%c0] : memref<64xi32, #global>
    %19 = arith.addi %a, %b : i32
    %20 = arith.muli %19, %c : i32
    memref.store %20, %out[%c0] : memref<64xi32, #global>
    %21 = arith.muli %b, %c : i32
    %22 = arith.addi %a, %21 : i32
    memref.store %22, %out[%c0] : memref<64xi32, #global>
    %23 = arith.addi %a, %b : i32
    %24 = arith.shli %23, %c : i32
    memref.store %24, %out[%c0] : memref<64xi32, #global>
    %25 = arith.muli %a, %b : i32
    %26 = arith.shli %25, %c : i32
    memref.store %26, %out[%c0] : memref<64xi32, #global>
    %27 = arith.shli %b, %c : i32
    %28 = arith.shli %a, %27 : i32
    memref.store %28, %out[%c0] : memref<64xi32, #global>
    %29 = arith.shrui %a, %b : i32
    %30 = arith.andi %29, %c : i32
    memref.store %30, %out[%c0] : memref<64xi32, #global>
    %31 = arith.andi %b, %c : i32
    %32 = arith.shrui %a, %31 : i32
    memref.store %32, %out[%c0] : memref<64xi32, #global>
    %33 = arith.ori %b, %c : i32
    %34 = arith.ori %a, %33 : i32
    memref.store %34, %out[%c0] : memref<64xi32, #global>
    %35 = arith.andi %b, %c : i32
    %36 = arith.ori %a, %35 : i32
    memref.store %36, %out[%c0] : memref<64xi32, #global>
    %37 = arith.andi %b, %c : i32
    %38 = arith.xori %a, %37 : i32
    memref.store %38, %out[%c0] : memref<64xi32, #global>
    %39 = arith.ori %a, %b : i32
    %40 = arith.andi %39, %c : i32
    memref.store %40, %out[%c0] : memref<64xi32, #global>
    %41 = arith.xori %a, %b : i32
    %42 = arith.ori %41, %c : i32
    memref.store %42, %out[%c0] : memref<64xi32, #global>
    %43 = arith.addi %a, %m1 : i32
    memref.store %43, %out[%c0] : memref<64xi32, #global>
    %44 = arith.addi %b, %m1 : i32
    %45 = arith.addi %a, %44 : i32
    memref.store %45, %out[%c0] : memref<64xi32, #global>
    %46 = arith.shrsi %b, %c : i32
    %47 = arith.shrsi %a, %46 : i32
    memref.store %47, %out[%c0] : memref<64xi32, #global>
    %48 = arith.andi %a, %b : i32
    %49 = arith.cmpi eq, %48, %c : i32
    %50 = arith.cmpi ult, %a, %b : i32
    %51 = arith.select %50, %b, %c : i32
    %52 = arith.select %49, %a, %51 : i32
    memref.store %52, %out[%c0] : memref<64xi32, #global>
    %53 = arith.cmpi ult, %a, %b : i32
    %54 = arith.select %53, %a, %b : i32
    %55 = arith.addi %54, %c : i32
    memref.store %55, %out[%c0] : memref<64xi32, #global>
    gpu.return
  }

  // Sums of floats are never regrouped; two minus signs never meet.
  // CHECK-LABEL: kernel void float_grouping(
  gpu.func @float_grouping(%in: memref<8xf32, #global> {llvm.noalias, llvm.readonly, tq.name = "in"},
                           %out: memref<64xf32, #global> {llvm.noalias, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %minus = arith.constant -2.0 : f32
    %a = memref.load %in[%c0] : memref<8xf32, #global> loc("a")
    %b = memref.load %in[%c1] : memref<8xf32, #global> loc("b")
    // CHECK:      out[0] = a + (b + a);
    // CHECK-NEXT: out[0] = a * (b * a);
    // CHECK-NEXT: out[0] = a - -2.0f;
    // CHECK-NEXT: out[0] = -(-a);
    // CHECK-NEXT: out[0] = -(a + b);
    // CHECK-NEXT: out[0] = a - -b;
    // CHECK-NEXT: out[0] = -a * b;
    %0 = arith.addf %b, %a : f32
    %1 = arith.addf %a, %0 : f32
    memref.store %1, %out[%c0] : memref<64xf32, #global>
    %2 = arith.mulf %b, %a : f32
    %3 = arith.mulf %a, %2 : f32
    memref.store %3, %out[%c0] : memref<64xf32, #global>
    %4 = arith.subf %a, %minus : f32
    memref.store %4, %out[%c0] : memref<64xf32, #global>
    %5 = arith.negf %a : f32
    %6 = arith.negf %5 : f32
    memref.store %6, %out[%c0] : memref<64xf32, #global>
    %7 = arith.addf %a, %b : f32
    %8 = arith.negf %7 : f32
    memref.store %8, %out[%c0] : memref<64xf32, #global>
    %9 = arith.negf %b : f32
    %10 = arith.subf %a, %9 : f32
    memref.store %10, %out[%c0] : memref<64xf32, #global>
    %11 = arith.negf %a : f32
    %12 = arith.mulf %11, %b : f32
    memref.store %12, %out[%c0] : memref<64xf32, #global>
    gpu.return
  }

  // Constants are exact: the fewest digits that read back as the same bits.
  // CHECK-LABEL: kernel void literals(
  gpu.func @literals(%f: memref<64xf32, #global> {llvm.noalias, tq.name = "f"},
                     %h: memref<64xf16, #global> {llvm.noalias, tq.name = "h"},
                     %b: memref<64xbf16, #global> {llvm.noalias, tq.name = "b"},
                     %w: memref<64xi32, #global> {llvm.noalias, tq.name = "w"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    // CHECK:      f[0] = 0.1f;
    // CHECK-NEXT: f[0] = 1.0f;
    // CHECK-NEXT: f[0] = -0.0f;
    // CHECK-NEXT: f[0] = 1e-05f;
    // CHECK-NEXT: f[0] = 3.4028235e+38f;
    // CHECK-NEXT: f[0] = 1e-45f;
    // CHECK-NEXT: f[0] = 16777216.0f;
    // CHECK-NEXT: f[0] = as_type<float>(0xff800000u);
    // CHECK-NEXT: f[0] = as_type<float>(0x7fc00000u);
    // CHECK-NEXT: h[0] = 0.1h;
    // CHECK-NEXT: h[0] = 65504.0h;
    // CHECK-NEXT: h[0] = 6e-08h;
    // CHECK-NEXT: h[0] = as_type<half>(ushort(0x7c00u));
    // CHECK-NEXT: b[0] = bfloat(3.14f);
    // CHECK-NEXT: w[0] = 4294967295u;
    %f0 = arith.constant 0.1 : f32
    memref.store %f0, %f[%c0] : memref<64xf32, #global>
    %f1 = arith.constant 1.0 : f32
    memref.store %f1, %f[%c0] : memref<64xf32, #global>
    %f2 = arith.constant -0.0 : f32
    memref.store %f2, %f[%c0] : memref<64xf32, #global>
    %f3 = arith.constant 1.0e-5 : f32
    memref.store %f3, %f[%c0] : memref<64xf32, #global>
    %f4 = arith.constant 0x7F7FFFFF : f32
    memref.store %f4, %f[%c0] : memref<64xf32, #global>
    %f5 = arith.constant 0x00000001 : f32
    memref.store %f5, %f[%c0] : memref<64xf32, #global>
    %f6 = arith.constant 16777216.0 : f32
    memref.store %f6, %f[%c0] : memref<64xf32, #global>
    %f7 = arith.constant 0xFF800000 : f32
    memref.store %f7, %f[%c0] : memref<64xf32, #global>
    %f8 = arith.constant 0x7FC00000 : f32
    memref.store %f8, %f[%c0] : memref<64xf32, #global>
    %h0 = arith.constant 0.1 : f16
    memref.store %h0, %h[%c0] : memref<64xf16, #global>
    %h1 = arith.constant 65504.0 : f16
    memref.store %h1, %h[%c0] : memref<64xf16, #global>
    %h2 = arith.constant 0x0001 : f16
    memref.store %h2, %h[%c0] : memref<64xf16, #global>
    %h3 = arith.constant 0x7C00 : f16
    memref.store %h3, %h[%c0] : memref<64xf16, #global>
    %b0 = arith.constant 3.14 : bf16
    memref.store %b0, %b[%c0] : memref<64xbf16, #global>
    %w0 = arith.constant -1 : i32
    memref.store %w0, %w[%c0] : memref<64xi32, #global>
    gpu.return
  }

  // A load is printed where it is used unless something is stored, or another thread comes by, in between.
  // CHECK-LABEL: kernel void loads(
  gpu.func @loads(%x: memref<64xf32, #global> {llvm.noalias, tq.name = "x"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c8 = arith.constant 8 : index
    %one = arith.constant 1.0 : f32
    %lane = gpu.lane_id
    // CHECK:      x[1u] = x[0] + 1.0f;
    %a = memref.load %x[%c0] : memref<64xf32, #global>
    %a1 = arith.addf %a, %one : f32
    memref.store %a1, %x[%c1] : memref<64xf32, #global>
    // CHECK-NEXT: float b = x[0];
    // CHECK-NEXT: x[0] = 1.0f;
    // CHECK-NEXT: x[1u] = b + 1.0f;
    %b = memref.load %x[%c0] : memref<64xf32, #global> loc("b")
    memref.store %one, %x[%c0] : memref<64xf32, #global>
    %b1 = arith.addf %b, %one : f32
    memref.store %b1, %x[%c1] : memref<64xf32, #global>
    // CHECK-NEXT: float c = x[0];
    // CHECK-NEXT: threadgroup_barrier
    // CHECK-NEXT: x[1u] = c;
    %c = memref.load %x[%c0] : memref<64xf32, #global> loc("c")
    gpu.barrier
    memref.store %c, %x[%c1] : memref<64xf32, #global>
    // A sum that is pure may wait; the load in it must not.
    // CHECK-NEXT: float d = x[0];
    // CHECK-NEXT: for (uint i = 0u; i < 8u; i += 1u) {
    // CHECK-NEXT:   x[i] = 1.0f;
    // CHECK-NEXT: }
    // CHECK-NEXT: x[1u] = d + 1.0f;
    %d = memref.load %x[%c0] : memref<64xf32, #global> loc("d")
    %d1 = arith.addf %d, %one : f32
    scf.for %i = %c0 to %c8 step %c1 {
      memref.store %one, %x[%i] : memref<64xf32, #global>
    }
    memref.store %d1, %x[%c1] : memref<64xf32, #global>
    // What a loop needs every time is computed before it.
    // CHECK-NEXT: float e = x[0] * 1.0f;
    // CHECK-NEXT: for (uint i = 0u; i < 8u; i += 1u) {
    // CHECK-NEXT:   x[i] = e;
    // CHECK-NEXT: }
    %e0 = memref.load %x[%c0] : memref<64xf32, #global>
    %e = arith.mulf %e0, %one : f32 loc("e")
    scf.for %i = %c0 to %c8 step %c1 {
      memref.store %e, %x[%i] : memref<64xf32, #global>
    }
    // Indices: an offset that is known is one number, and 32-bit sums that may wrap keep to themselves.
    // CHECK-NEXT: x[lane + 2u] = x[lane];
    %l2 = arith.addi %lane, %c2 : index
    %f = memref.load %x[%lane] : memref<64xf32, #global>
    memref.store %f, %x[%l2] : memref<64xf32, #global>
    gpu.return
  }

  // CHECK-LABEL: kernel void offsets(
  gpu.func @offsets(%x: memref<4x8x16xf32, #global> {llvm.noalias, llvm.readonly, llvm.align = 16 : i64, tq.name = "x"},
                    %out: memref<64xf32, #global> {llvm.noalias, llvm.align = 16 : i64, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c3 = arith.constant 3 : index
    %c4 = arith.constant 4 : index
    %lane = gpu.lane_id
    %l1 = arith.addi %lane, %c1 : index
    // CHECK:      out[0] = x[(lane + 1u) * 128u + lane * 16u + lane + 1u];
    // CHECK-NEXT: out[0] = x[lane * 16u + 131u];
    // CHECK-NEXT: out[0] = x[436u];
    // CHECK-NEXT: *(device float4*)out = *(device const float4*)(x + lane * 16u + 132u);
    %i0 = arith.addi %lane, %c1 : index
    %i1 = arith.addi %lane, %c1 : index
    %e0 = memref.load %x[%i0, %lane, %i1] : memref<4x8x16xf32, #global>
    memref.store %e0, %out[%c0] : memref<64xf32, #global>
    %e1 = memref.load %x[%c1, %lane, %c3] : memref<4x8x16xf32, #global>
    memref.store %e1, %out[%c0] : memref<64xf32, #global>
    %e2 = memref.load %x[%c3, %c3, %c4] : memref<4x8x16xf32, #global>
    memref.store %e2, %out[%c0] : memref<64xf32, #global>
    %v = vector.load %x[%c1, %lane, %c4] {alignment = 16 : i64} : memref<4x8x16xf32, #global>, vector<4xf32>
    vector.store %v, %out[%c0] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
    gpu.return
  }
}
