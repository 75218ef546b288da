// RUN: tq-opt %s --emit=msl | FileCheck %s
// RUN: tq-opt %s --emit=msl --msl-fast-math | FileCheck %s --check-prefix=FAST
// RUN: tq-opt %s --emit=msl -o %t.metal && metal-check %t.metal
// RUN: tq-opt %s --emit=ptx -o /dev/null
// Every op has one spelling.
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @ops {
  // CHECK-LABEL: kernel void integers(device const uint* a {{\[\[}}buffer(0)]],
  // CHECK-NEXT:  device uint* out {{\[\[}}buffer(1)]],
  // CHECK-NEXT:  uint lane {{\[\[}}thread_index_in_simdgroup]]) {
  gpu.func @integers(%a: memref<64xi32, #global> {llvm.noalias, llvm.readonly, tq.name = "a"},
                     %out: memref<64xi32, #global> {llvm.noalias, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %lane = gpu.lane_id
    %x = memref.load %a[%c0] : memref<64xi32, #global> loc("x")
    %y = memref.load %a[%lane] : memref<64xi32, #global> loc("y")
    // CHECK:      uint x = a[0];
    // CHECK-NEXT: uint y = a[lane];
    // CHECK-NEXT: out[lane] = x + y;
    // CHECK-NEXT: out[lane] = x - y;
    // CHECK-NEXT: out[lane] = x * y;
    // CHECK-NEXT: out[lane] = x / y;
    // CHECK-NEXT: out[lane] = x % y;
    // CHECK-NEXT: out[lane] = uint(int(x) / int(y));
    // CHECK-NEXT: out[lane] = uint(int(x) % int(y));
    // CHECK-NEXT: out[lane] = x & y;
    // CHECK-NEXT: out[lane] = x | y;
    // CHECK-NEXT: out[lane] = x ^ y;
    // CHECK-NEXT: out[lane] = x << y;
    // CHECK-NEXT: out[lane] = x >> y;
    // CHECK-NEXT: out[lane] = uint(int(x) >> y);
    // CHECK-NEXT: out[lane] = max(x, y);
    // CHECK-NEXT: out[lane] = min(x, y);
    // CHECK-NEXT: out[lane] = uint(max(int(x), int(y)));
    // CHECK-NEXT: out[lane] = uint(min(int(x), int(y)));
    // CHECK-NEXT: out[lane] = uint(abs(int(x)));
    // CHECK-NEXT: out[lane] = popcount(x);
    %r0 = arith.addi %x, %y : i32
    memref.store %r0, %out[%lane] : memref<64xi32, #global>
    %r1 = arith.subi %x, %y : i32
    memref.store %r1, %out[%lane] : memref<64xi32, #global>
    %r2 = arith.muli %x, %y : i32
    memref.store %r2, %out[%lane] : memref<64xi32, #global>
    %r3 = arith.divui %x, %y : i32
    memref.store %r3, %out[%lane] : memref<64xi32, #global>
    %r4 = arith.remui %x, %y : i32
    memref.store %r4, %out[%lane] : memref<64xi32, #global>
    %r5 = arith.divsi %x, %y : i32
    memref.store %r5, %out[%lane] : memref<64xi32, #global>
    %r6 = arith.remsi %x, %y : i32
    memref.store %r6, %out[%lane] : memref<64xi32, #global>
    %r7 = arith.andi %x, %y : i32
    memref.store %r7, %out[%lane] : memref<64xi32, #global>
    %r8 = arith.ori %x, %y : i32
    memref.store %r8, %out[%lane] : memref<64xi32, #global>
    %r9 = arith.xori %x, %y : i32
    memref.store %r9, %out[%lane] : memref<64xi32, #global>
    %r10 = arith.shli %x, %y : i32
    memref.store %r10, %out[%lane] : memref<64xi32, #global>
    %r11 = arith.shrui %x, %y : i32
    memref.store %r11, %out[%lane] : memref<64xi32, #global>
    %r12 = arith.shrsi %x, %y : i32
    memref.store %r12, %out[%lane] : memref<64xi32, #global>
    %r13 = arith.maxui %x, %y : i32
    memref.store %r13, %out[%lane] : memref<64xi32, #global>
    %r14 = arith.minui %x, %y : i32
    memref.store %r14, %out[%lane] : memref<64xi32, #global>
    %r15 = arith.maxsi %x, %y : i32
    memref.store %r15, %out[%lane] : memref<64xi32, #global>
    %r16 = arith.minsi %x, %y : i32
    memref.store %r16, %out[%lane] : memref<64xi32, #global>
    %r17 = math.absi %x : i32
    memref.store %r17, %out[%lane] : memref<64xi32, #global>
    %r18 = math.ctpop %x : i32
    memref.store %r18, %out[%lane] : memref<64xi32, #global>
    gpu.return
  }

  // C++ computes narrow integers as int: results are cast back, and a product is taken in uint.
  // CHECK-LABEL: kernel void narrow(
  gpu.func @narrow(%a: memref<64xi16, #global> {llvm.noalias, llvm.readonly, tq.name = "a"},
                   %b: memref<64xi8, #global> {llvm.noalias, llvm.readonly, tq.name = "b"},
                   %c: memref<64xi64, #global> {llvm.noalias, tq.name = "c"},
                   %out: memref<64xi16, #global> {llvm.noalias, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %k = arith.constant 7 : i16
    %minus = arith.constant -3 : i16
    %x = memref.load %a[%c0] : memref<64xi16, #global> loc("x")
    %y = memref.load %a[%c1] : memref<64xi16, #global> loc("y")
    %z = memref.load %b[%c1] : memref<64xi8, #global> loc("z")
    // CHECK:      ushort x = a[0];
    // CHECK-NEXT: ushort y = a[1u];
    // CHECK-NEXT: uchar z = b[1u];
    // CHECK-NEXT: out[0] = ushort(ushort(x + y) >> ushort(7u));
    // CHECK-NEXT: out[0] = ushort(uint(x) * y);
    // CHECK-NEXT: out[0] = ushort(short(x) / short(-3));
    // CHECK-NEXT: out[0] = max(x, ushort(7u));
    // CHECK-NEXT: out[0] = ushort(z);
    // CHECK-NEXT: out[0] = ushort(short(char(z)));
    // CHECK-NEXT: c[0] = ulong(x);
    // CHECK-NEXT: c[0] = ulong(long(short(x))) + 5ul;
    %s = arith.addi %x, %y : i16
    %r0 = arith.shrui %s, %k : i16
    memref.store %r0, %out[%c0] : memref<64xi16, #global>
    %r1 = arith.muli %x, %y : i16
    memref.store %r1, %out[%c0] : memref<64xi16, #global>
    %r2 = arith.divsi %x, %minus : i16
    memref.store %r2, %out[%c0] : memref<64xi16, #global>
    %r3 = arith.maxui %x, %k : i16
    memref.store %r3, %out[%c0] : memref<64xi16, #global>
    %r4 = arith.extui %z : i8 to i16
    memref.store %r4, %out[%c0] : memref<64xi16, #global>
    %r5 = arith.extsi %z : i8 to i16
    memref.store %r5, %out[%c0] : memref<64xi16, #global>
    %r6 = arith.extui %x : i16 to i64
    memref.store %r6, %c[%c0] : memref<64xi64, #global>
    %wide = arith.extsi %x : i16 to i64
    %five = arith.constant 5 : i64
    %r7 = arith.addi %wide, %five : i64
    memref.store %r7, %c[%c0] : memref<64xi64, #global>
    gpu.return
  }

  // CHECK-LABEL: kernel void floats(
  // FAST-LABEL: kernel void floats(
  gpu.func @floats(%a: memref<64xf32, #global> {llvm.noalias, llvm.readonly, tq.name = "a"},
                   %out: memref<64xf32, #global> {llvm.noalias, tq.name = "out"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %x = memref.load %a[%c0] : memref<64xf32, #global> loc("x")
    %y = memref.load %a[%c1] : memref<64xf32, #global> loc("y")
    // CHECK:      out[0] = x + y;
    // CHECK-NEXT: out[0] = x - y;
    // CHECK-NEXT: out[0] = x * y;
    // CHECK-NEXT: out[0] = x / y;
    // CHECK-NEXT: out[0] = -x;
    // CHECK-NEXT: out[0] = fmax(x, y);
    // CHECK-NEXT: out[0] = fmin(x, y);
    // CHECK-NEXT: out[0] = fma(x, y, x);
    // CHECK-NEXT: out[0] = fabs(x);
    // CHECK-NEXT: out[0] = floor(x);
    // CHECK-NEXT: out[0] = ceil(x);
    // CHECK-NEXT: out[0] = trunc(x);
    // CHECK-NEXT: out[0] = rint(x);
    // CHECK-NEXT: out[0] = precise::exp(x);
    // CHECK-NEXT: out[0] = precise::exp2(x);
    // CHECK-NEXT: out[0] = precise::log(x);
    // CHECK-NEXT: out[0] = precise::log2(x);
    // CHECK-NEXT: out[0] = precise::rsqrt(x);
    // CHECK-NEXT: out[0] = precise::sqrt(x);
    // CHECK-NEXT: out[0] = precise::sin(x);
    // CHECK-NEXT: out[0] = precise::cos(x);
    // CHECK-NEXT: out[0] = precise::tanh(x);
    // CHECK-NEXT: out[0] = precise::pow(x, y);
    // FAST:       out[0] = exp(x);
    // FAST:       out[0] = pow(x, y);
    %r0 = arith.addf %x, %y : f32
    memref.store %r0, %out[%c0] : memref<64xf32, #global>
    %r1 = arith.subf %x, %y : f32
    memref.store %r1, %out[%c0] : memref<64xf32, #global>
    %r2 = arith.mulf %x, %y : f32
    memref.store %r2, %out[%c0] : memref<64xf32, #global>
    %r3 = arith.divf %x, %y : f32
    memref.store %r3, %out[%c0] : memref<64xf32, #global>
    %r4 = arith.negf %x : f32
    memref.store %r4, %out[%c0] : memref<64xf32, #global>
    %r5 = arith.maxnumf %x, %y : f32
    memref.store %r5, %out[%c0] : memref<64xf32, #global>
    %r6 = arith.minnumf %x, %y : f32
    memref.store %r6, %out[%c0] : memref<64xf32, #global>
    %r7 = math.fma %x, %y, %x : f32
    memref.store %r7, %out[%c0] : memref<64xf32, #global>
    %r8 = math.absf %x : f32
    memref.store %r8, %out[%c0] : memref<64xf32, #global>
    %r9 = math.floor %x : f32
    memref.store %r9, %out[%c0] : memref<64xf32, #global>
    %r10 = math.ceil %x : f32
    memref.store %r10, %out[%c0] : memref<64xf32, #global>
    %r11 = math.trunc %x : f32
    memref.store %r11, %out[%c0] : memref<64xf32, #global>
    %r12 = math.roundeven %x : f32
    memref.store %r12, %out[%c0] : memref<64xf32, #global>
    %r13 = math.exp %x : f32
    memref.store %r13, %out[%c0] : memref<64xf32, #global>
    %r14 = math.exp2 %x : f32
    memref.store %r14, %out[%c0] : memref<64xf32, #global>
    %r15 = math.log %x : f32
    memref.store %r15, %out[%c0] : memref<64xf32, #global>
    %r16 = math.log2 %x : f32
    memref.store %r16, %out[%c0] : memref<64xf32, #global>
    %r17 = math.rsqrt %x : f32
    memref.store %r17, %out[%c0] : memref<64xf32, #global>
    %r18 = math.sqrt %x : f32
    memref.store %r18, %out[%c0] : memref<64xf32, #global>
    %r19 = math.sin %x : f32
    memref.store %r19, %out[%c0] : memref<64xf32, #global>
    %r20 = math.cos %x : f32
    memref.store %r20, %out[%c0] : memref<64xf32, #global>
    %r21 = math.tanh %x : f32
    memref.store %r21, %out[%c0] : memref<64xf32, #global>
    %r22 = math.powf %x, %y : f32
    memref.store %r22, %out[%c0] : memref<64xf32, #global>
    gpu.return
  }

  // CHECK-LABEL: kernel void conversions(
  gpu.func @conversions(%h: memref<64xf16, #global> {llvm.noalias, tq.name = "h"},
                        %b: memref<64xbf16, #global> {llvm.noalias, tq.name = "b"},
                        %f: memref<64xf32, #global> {llvm.noalias, tq.name = "f"},
                        %w: memref<64xi32, #global> {llvm.noalias, tq.name = "w"},
                        %n: memref<64xi8, #global> {llvm.noalias, tq.name = "n"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    // CHECK:      f[0] = float(h[0]);
    // CHECK-NEXT: f[0] = float(b[0]);
    // CHECK-NEXT: h[0] = half(f[0]);
    // CHECK-NEXT: b[0] = bfloat(f[0]);
    // CHECK-NEXT: f[0] = float(w[0]);
    // CHECK-NEXT: f[0] = float(int(w[0]));
    // CHECK-NEXT: f[0] = float(char(n[0]));
    // CHECK-NEXT: w[0] = uint(f[0]);
    // CHECK-NEXT: w[0] = uint(int(f[0]));
    // CHECK-NEXT: n[0] = uchar(w[0]);
    // CHECK-NEXT: f[0] = as_type<float>(w[0]);
    // CHECK-NEXT: bool low = (w[0] & 1u) != 0u;
    // CHECK-NEXT: w[0] = uint(low);
    // CHECK-NEXT: w[0] = low ? 4294967295u : 0u;
    // CHECK-NEXT: f[0] = float(low);
    %h0 = memref.load %h[%c0] : memref<64xf16, #global>
    %r0 = arith.extf %h0 : f16 to f32
    memref.store %r0, %f[%c0] : memref<64xf32, #global>
    %b0 = memref.load %b[%c0] : memref<64xbf16, #global>
    %r1 = arith.extf %b0 : bf16 to f32
    memref.store %r1, %f[%c0] : memref<64xf32, #global>
    %f0 = memref.load %f[%c0] : memref<64xf32, #global>
    %r2 = arith.truncf %f0 : f32 to f16
    memref.store %r2, %h[%c0] : memref<64xf16, #global>
    %f1 = memref.load %f[%c0] : memref<64xf32, #global>
    %r3 = arith.truncf %f1 : f32 to bf16
    memref.store %r3, %b[%c0] : memref<64xbf16, #global>
    %w0 = memref.load %w[%c0] : memref<64xi32, #global>
    %r4 = arith.uitofp %w0 : i32 to f32
    memref.store %r4, %f[%c0] : memref<64xf32, #global>
    %w1 = memref.load %w[%c0] : memref<64xi32, #global>
    %r5 = arith.sitofp %w1 : i32 to f32
    memref.store %r5, %f[%c0] : memref<64xf32, #global>
    %n0 = memref.load %n[%c0] : memref<64xi8, #global>
    %r6 = arith.sitofp %n0 : i8 to f32
    memref.store %r6, %f[%c0] : memref<64xf32, #global>
    %f2 = memref.load %f[%c0] : memref<64xf32, #global>
    %r7 = arith.fptoui %f2 : f32 to i32
    memref.store %r7, %w[%c0] : memref<64xi32, #global>
    %f3 = memref.load %f[%c0] : memref<64xf32, #global>
    %r8 = arith.fptosi %f3 : f32 to i32
    memref.store %r8, %w[%c0] : memref<64xi32, #global>
    %w2 = memref.load %w[%c0] : memref<64xi32, #global>
    %r9 = arith.trunci %w2 : i32 to i8
    memref.store %r9, %n[%c0] : memref<64xi8, #global>
    %w3 = memref.load %w[%c0] : memref<64xi32, #global>
    %r10 = arith.bitcast %w3 : i32 to f32
    memref.store %r10, %f[%c0] : memref<64xf32, #global>
    %w4 = memref.load %w[%c0] : memref<64xi32, #global>
    %low = arith.trunci %w4 : i32 to i1 loc("low")
    %r11 = arith.extui %low : i1 to i32
    memref.store %r11, %w[%c0] : memref<64xi32, #global>
    %r12 = arith.extsi %low : i1 to i32
    memref.store %r12, %w[%c0] : memref<64xi32, #global>
    %r13 = arith.uitofp %low : i1 to f32
    memref.store %r13, %f[%c0] : memref<64xf32, #global>
    gpu.return
  }

  // CHECK-LABEL: kernel void comparisons(
  gpu.func @comparisons(%w: memref<64xi32, #global> {llvm.noalias, llvm.readonly, tq.name = "w"},
                        %f: memref<64xf32, #global> {llvm.noalias, tq.name = "f"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %minus = arith.constant -5 : i32
    %true = arith.constant true
    %x = memref.load %w[%c0] : memref<64xi32, #global> loc("x")
    %y = memref.load %w[%c1] : memref<64xi32, #global> loc("y")
    %a = memref.load %f[%c0] : memref<64xf32, #global> loc("a")
    %b = memref.load %f[%c1] : memref<64xf32, #global> loc("b")
    // CHECK:      f[0] = x == y ? a : b;
    // CHECK-NEXT: f[0] = x != y ? a : b;
    // CHECK-NEXT: f[0] = x < y ? a : b;
    // CHECK-NEXT: f[0] = x <= y ? a : b;
    // CHECK-NEXT: f[0] = x > y ? a : b;
    // CHECK-NEXT: f[0] = x >= y ? a : b;
    // CHECK-NEXT: f[0] = int(x) < int(y) ? a : b;
    // CHECK-NEXT: f[0] = int(x) >= -5 ? a : b;
    // CHECK-NEXT: f[0] = a == b ? a : b;
    // CHECK-NEXT: f[0] = a != b ? a : b;
    // CHECK-NEXT: f[0] = a < b ? a : b;
    // CHECK-NEXT: f[0] = a <= b ? a : b;
    // CHECK-NEXT: f[0] = !(a <= b) ? a : b;
    // CHECK-NEXT: f[0] = a > b && x < y ? a : b;
    // CHECK-NEXT: f[0] = a > b || !(x < y) ? a : b;
    // CHECK-NEXT: f[0] = (a > b) != (x < y) ? a : b;
    %p0 = arith.cmpi eq, %x, %y : i32
    %r0 = arith.select %p0, %a, %b : f32
    memref.store %r0, %f[%c0] : memref<64xf32, #global>
    %p1 = arith.cmpi ne, %x, %y : i32
    %r1 = arith.select %p1, %a, %b : f32
    memref.store %r1, %f[%c0] : memref<64xf32, #global>
    %p2 = arith.cmpi ult, %x, %y : i32
    %r2 = arith.select %p2, %a, %b : f32
    memref.store %r2, %f[%c0] : memref<64xf32, #global>
    %p3 = arith.cmpi ule, %x, %y : i32
    %r3 = arith.select %p3, %a, %b : f32
    memref.store %r3, %f[%c0] : memref<64xf32, #global>
    %p4 = arith.cmpi ugt, %x, %y : i32
    %r4 = arith.select %p4, %a, %b : f32
    memref.store %r4, %f[%c0] : memref<64xf32, #global>
    %p5 = arith.cmpi uge, %x, %y : i32
    %r5 = arith.select %p5, %a, %b : f32
    memref.store %r5, %f[%c0] : memref<64xf32, #global>
    %p6 = arith.cmpi slt, %x, %y : i32
    %r6 = arith.select %p6, %a, %b : f32
    memref.store %r6, %f[%c0] : memref<64xf32, #global>
    %p7 = arith.cmpi sge, %x, %minus : i32
    %r7 = arith.select %p7, %a, %b : f32
    memref.store %r7, %f[%c0] : memref<64xf32, #global>
    %p8 = arith.cmpf oeq, %a, %b : f32
    %r8 = arith.select %p8, %a, %b : f32
    memref.store %r8, %f[%c0] : memref<64xf32, #global>
    %p9 = arith.cmpf une, %a, %b : f32
    %r9 = arith.select %p9, %a, %b : f32
    memref.store %r9, %f[%c0] : memref<64xf32, #global>
    %p10 = arith.cmpf olt, %a, %b : f32
    %r10 = arith.select %p10, %a, %b : f32
    memref.store %r10, %f[%c0] : memref<64xf32, #global>
    %p11 = arith.cmpf ole, %a, %b : f32
    %r11 = arith.select %p11, %a, %b : f32
    memref.store %r11, %f[%c0] : memref<64xf32, #global>
    %p12 = arith.cmpf ugt, %a, %b : f32
    %r12 = arith.select %p12, %a, %b : f32
    memref.store %r12, %f[%c0] : memref<64xf32, #global>
    %g13 = arith.cmpf ogt, %a, %b : f32
    %l13 = arith.cmpi ult, %x, %y : i32
    %p13 = arith.andi %g13, %l13 : i1
    %r13 = arith.select %p13, %a, %b : f32
    memref.store %r13, %f[%c0] : memref<64xf32, #global>
    %g14 = arith.cmpf ogt, %a, %b : f32
    %l14 = arith.cmpi ult, %x, %y : i32
    %n14 = arith.xori %l14, %true : i1
    %p14 = arith.ori %g14, %n14 : i1
    %r14 = arith.select %p14, %a, %b : f32
    memref.store %r14, %f[%c0] : memref<64xf32, #global>
    %g15 = arith.cmpf ogt, %a, %b : f32
    %l15 = arith.cmpi ult, %x, %y : i32
    %p15 = arith.xori %g15, %l15 : i1
    %r15 = arith.select %p15, %a, %b : f32
    memref.store %r15, %f[%c0] : memref<64xf32, #global>
    gpu.return
  }

  // CHECK-LABEL: kernel void vectors(
  // CHECK:       alignas(16) threadgroup float tile[64];
  // CHECK-NEXT:  alignas(8) half mine[8];
  gpu.func @vectors(%x: memref<64xf16, #global> {llvm.noalias, llvm.readonly, llvm.align = 16 : i64, tq.name = "x"},
                    %w: memref<64xi32, #global> {llvm.noalias, llvm.readonly, llvm.align = 16 : i64, tq.name = "w"},
                    %out: memref<64xf32, #global> {llvm.noalias, llvm.align = 16 : i64, tq.name = "out"})
      workgroup(%tile: memref<64xf32, #wg> {llvm.align = 16 : i64, tq.name = "tile"})
      private(%mine: memref<8xf16, #priv> {llvm.align = 8 : i64, tq.name = "mine"})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c4 = arith.constant 4 : index
    %lane = gpu.lane_id
    %i = arith.muli %lane, %c4 : index
    %j = arith.remui %lane, %c4 : index
    // CHECK: half4 h = *(device const half4*)(x + lane * 4u);
    %h = vector.load %x[%i] {alignment = 8 : i64} : memref<64xf16, #global>, vector<4xf16> loc("h")
    // CHECK-NEXT: *(thread half4*)(mine + 4u) = h;
    vector.store %h, %mine[%c4] {alignment = 8 : i64} : memref<8xf16, #priv>, vector<4xf16>
    // CHECK-NEXT: float4 f = float4(h);
    %f = arith.extf %h : vector<4xf16> to vector<4xf32> loc("f")
    // CHECK-NEXT: *(threadgroup float4*)tile = fma(f, float4(2.0f), float4(0.0f, 1.0f, 2.0f, 3.0f));
    %two = arith.constant dense<2.0> : vector<4xf32>
    %ramp = arith.constant dense<[0.0, 1.0, 2.0, 3.0]> : vector<4xf32>
    %g = math.fma %f, %two, %ramp : vector<4xf32>
    vector.store %g, %tile[%c0] {alignment = 16 : i64} : memref<64xf32, #wg>, vector<4xf32>
    // CHECK-NEXT: out[0] = f.y + f[lane % 4u];
    %e0 = vector.extract %f[1] : f32 from vector<4xf32>
    %e1 = vector.extract %f[%j] : f32 from vector<4xf32>
    %r0 = arith.addf %e0, %e1 : f32
    memref.store %r0, %out[%c0] : memref<64xf32, #global>
    // CHECK-NEXT: float4 g = f;
    // CHECK-NEXT: g.z = 1.0f;
    // CHECK-NEXT: g[lane % 4u] = 2.0f;
    // CHECK-NEXT: *(device float4*)out = g;
    %one = arith.constant 1.0 : f32
    %v2 = arith.constant 2.0 : f32
    %in0 = vector.insert %one, %f[2] : f32 into vector<4xf32> loc("g")
    %k = arith.remui %lane, %c4 : index
    %in1 = vector.insert %v2, %in0[%k] : f32 into vector<4xf32>
    vector.store %in1, %out[%c0] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
    // CHECK-NEXT: *(device float4*)out = f.wzyx;
    %s0 = vector.shuffle %f, %f [3, 2, 1, 0] : vector<4xf32>, vector<4xf32>
    vector.store %s0, %out[%c0] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
    // CHECK-NEXT: float4 b = float4(f.x);
    // CHECK-NEXT: *(device float4*)out = float4(f.xy, b.zw);
    // CHECK-NEXT: *(device float2*)out = f.yw;
    %e2 = vector.extract %f[0] : f32 from vector<4xf32>
    %b = vector.broadcast %e2 : f32 to vector<4xf32> loc("b")
    %s1 = vector.shuffle %f, %b [0, 1, 6, 7] : vector<4xf32>, vector<4xf32>
    vector.store %s1, %out[%c0] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
    %s2 = vector.shuffle %f, %f [1, 3] : vector<4xf32>, vector<4xf32>
    vector.store %s2, %out[%c0] {alignment = 8 : i64} : memref<64xf32, #global>, vector<2xf32>
    // CHECK-NEXT: *(device float4*)out = float4(f.w, f.z, 1.0f, 2.0f);
    %t:4 = vector.to_elements %f : vector<4xf32>
    %joined = vector.from_elements %t#3, %t#2, %one, %v2 : vector<4xf32>
    vector.store %joined, %out[%c0] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
    // A word is two halves.
    // CHECK-NEXT: *(device float2*)out = float2(as_type<half2>(w[lane]));
    %word = memref.load %w[%lane] : memref<64xi32, #global>
    %word1 = vector.broadcast %word : i32 to vector<1xi32>
    %pair = vector.bitcast %word1 : vector<1xi32> to vector<2xf16>
    %wide = arith.extf %pair : vector<2xf16> to vector<2xf32>
    vector.store %wide, %out[%c0] {alignment = 8 : i64} : memref<64xf32, #global>, vector<2xf32>
    // CHECK-NEXT: uint4 words = *(device const uint4*)w;
    // CHECK-NEXT: *(device float4*)out = float4(words >> uint4(4u) & uint4(15u));
    // CHECK-NEXT: *(device float4*)out = float4(int4(words));
    // CHECK-NEXT: *(device float4*)out = as_type<float4>(words);
    %words = vector.load %w[%c0] {alignment = 16 : i64} : memref<64xi32, #global>, vector<4xi32> loc("words")
    %four = arith.constant dense<4> : vector<4xi32>
    %mask = arith.constant dense<15> : vector<4xi32>
    %shifted = arith.shrui %words, %four : vector<4xi32>
    %nibbles = arith.andi %shifted, %mask : vector<4xi32>
    %n0 = arith.uitofp %nibbles : vector<4xi32> to vector<4xf32>
    vector.store %n0, %out[%c0] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
    %n1 = arith.sitofp %words : vector<4xi32> to vector<4xf32>
    vector.store %n1, %out[%c0] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
    %n2 = arith.bitcast %words : vector<4xi32> to vector<4xf32>
    vector.store %n2, %out[%c0] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
    gpu.return
  }

  // CHECK-LABEL: kernel void collectives(device float* out {{\[\[}}buffer(0)]],
  // CHECK-NEXT: device uint* counts {{\[\[}}buffer(1)]],
  // CHECK-NEXT: constant int* params {{\[\[}}buffer(2)]],
  // CHECK-NEXT: uint3 group {{\[\[}}threadgroup_position_in_grid]],
  // CHECK-NEXT: uint3 groups {{\[\[}}threadgroups_per_grid]],
  // CHECK-NEXT: uint simdgroup {{\[\[}}simdgroup_index_in_threadgroup]],
  // CHECK-NEXT: uint lane {{\[\[}}thread_index_in_simdgroup]]) {
  gpu.func @collectives(%out: memref<64xf32, #global> {llvm.noalias, tq.name = "out"},
                        %counts: memref<4xi32, #global> {llvm.noalias, tq.name = "counts"},
                        %params: memref<8xi32, #global> {llvm.readonly, tq.params, tq.name = "params"})
      kernel attributes {known_block_size = array<i32: 32, 4, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %i3 = arith.constant 3 : i32
    %i16 = arith.constant 16 : i32
    %i32 = arith.constant 32 : i32
    %lane = gpu.lane_id
    %x = gpu.thread_id x
    %y = gpu.thread_id y
    %z = gpu.thread_id z
    %bx = gpu.block_id x
    %by = gpu.block_id y
    %gz = gpu.grid_dim z
    %dy = gpu.block_dim y
    // CHECK-NEXT: float a = out[lane];
    %a = memref.load %out[%lane] : memref<64xf32, #global> loc("a")
    // CHECK-NEXT: uint n = uint(params[1u]);
    %n = memref.load %params[%c1] : memref<8xi32, #global> loc("n")
    // CHECK-NEXT: float sum = a;
    // CHECK-NEXT: sum += simd_shuffle_xor(sum, 1u);
    // CHECK-NEXT: sum += simd_shuffle_xor(sum, 2u);
    // CHECK-NEXT: sum += simd_shuffle_xor(sum, 4u);
    // CHECK-NEXT: sum += simd_shuffle_xor(sum, 8u);
    // CHECK-NEXT: sum += simd_shuffle_xor(sum, 16u);
    %sum = gpu.subgroup_reduce add %a uniform : (f32) -> f32 loc("sum")
    // CHECK-NEXT: float total = simd_sum(a);
    %total = gpu.subgroup_reduce add %a uniform {tq.any_order} : (f32) -> f32 loc("total")
    // CHECK-NEXT: float most = a;
    // CHECK-NEXT: most = fmax(most, simd_shuffle_xor(most, 1u));
    // CHECK-NEXT: most = fmax(most, simd_shuffle_xor(most, 2u));
    %most = gpu.subgroup_reduce maxnumf %a uniform cluster(size = 4) : (f32) -> f32 loc("most")
    // CHECK-NEXT: uint least = n;
    // CHECK-NEXT: least = uint(min(int(least), int(simd_shuffle_xor(least, 16u))));
    %least = gpu.subgroup_reduce minsi %n uniform cluster(size = 2, stride = 16) : (i32) -> i32 loc("least")
    // CHECK-NEXT: float s0 = simd_shuffle_xor(a, 3u);
    // CHECK-NEXT: float s1 = simd_shuffle_up(a, 3u);
    // CHECK-NEXT: float s2 = simd_shuffle_down(a, 16u);
    // CHECK-NEXT: float s3 = simd_shuffle(a, least);
    %s0, %p0 = gpu.shuffle xor %a, %i3, %i32 : f32 loc("s0")
    %s1, %p1 = gpu.shuffle up %a, %i3, %i32 : f32 loc("s1")
    %s2, %p2 = gpu.shuffle down %a, %i16, %i32 : f32 loc("s2")
    %s3, %p3 = gpu.shuffle idx %a, %least, %i32 : f32 loc("s3")
    // CHECK-NEXT: simdgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
    tq.subgroup_barrier
    // CHECK-NEXT: threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
    gpu.barrier
    // CHECK-NEXT: out[lane] = sum + total + (most + s0) + (s1 + s2) + s3;
    %t0 = arith.addf %sum, %total : f32
    %t1 = arith.addf %most, %s0 : f32
    %t2 = arith.addf %s1, %s2 : f32
    %t3 = arith.addf %t0, %t1 : f32
    %t4 = arith.addf %t3, %t2 : f32
    %t5 = arith.addf %t4, %s3 : f32
    memref.store %t5, %out[%x] : memref<64xf32, #global>
    // CHECK-NEXT: atomic_fetch_add_explicit((device atomic_uint*)counts, n, memory_order_relaxed);
    %o0 = memref.atomic_rmw addi %n, %counts[%c0] : (i32, memref<4xi32, #global>) -> i32
    // CHECK-NEXT: uint old = uint(atomic_fetch_max_explicit((device atomic_int*)(counts + 1u), int(n), memory_order_relaxed));
    %o1 = memref.atomic_rmw maxs %n, %counts[%c1] : (i32, memref<4xi32, #global>) -> i32 loc("old")
    // CHECK-NEXT: atomic_fetch_add_explicit((device atomic_float*)out, a, memory_order_relaxed);
    %o2 = memref.atomic_rmw addf %a, %out[%c0] : (f32, memref<64xf32, #global>) -> f32
    // CHECK-NEXT: out[group.x + group.y * groups.z] = float(simdgroup + 4u + 0u + old);
    %q0 = arith.muli %by, %gz : index
    %q1 = arith.addi %bx, %q0 : index
    %q2 = arith.addi %y, %dy : index
    %q3 = arith.addi %q2, %z : index
    %q4 = arith.index_castui %q3 : index to i32
    %q5 = arith.addi %q4, %o1 : i32
    %q6 = arith.uitofp %q5 : i32 to f32
    memref.store %q6, %out[%q1] : memref<64xf32, #global>
    gpu.return
  }
}
