// RUN: tq-opt %s --tq-verify-kernels --split-input-file --verify-diagnostics
// One kernel for each way to break a rule; the rules are in codegen/metal/VerifyKernels.h.

// k1: only kernels
gpu.module @kernels {
  // expected-error @+1 {{'memref.global' op does not belong in a gpu.module; it holds kernels only (K1)}}
  memref.global "private" @table : memref<2xf32> = dense<[0.0, 1.0]>
}

// -----

// k1_helper
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{'gpu.func' op is not a kernel; inline what a kernel calls (K1)}}
  gpu.func @k1_helper(%a: memref<64xf32, #global> {llvm.noalias})  {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    gpu.return
  }
}

// -----

// k1_name
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{'gpu.func' op has a name that MSL cannot have: 'float4' is reserved or no identifier; rename it (K1)}}
  gpu.func @float4(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    gpu.return
  }
}

// -----

// k1_blocks
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{'gpu.func' op has 2 blocks; control flow is scf.for, scf.if and scf.while (K1)}}
  gpu.func @k1_blocks() kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    llvm.br ^bb1
    ^bb1:
    gpu.return
  }
}

// -----

// k2_scalar
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{'gpu.func' op argument 0 is a 'i32'; bind a memref, and read numbers from the parameter block (tq.params) (K2)}}
  gpu.func @k2_scalar(%n: i32) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {

    gpu.return
  }
}

// -----

// k2_dynamic
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op argument 0 has a dynamic size: 'memref<?xf32, #gpu.address_space<global>>'; give it the largest size that occurs (K2)}}
  gpu.func @k2_dynamic(%a: memref<?xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {

    gpu.return
  }
}

// -----

// k2_layout
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op argument 0 has a layout: 'memref<4x4xf32, strided<[8, 1]>, #gpu.address_space<global>>'; compute the index instead (K2)}}
  gpu.func @k2_layout(%a: memref<4x4xf32, strided<[8, 1]>, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {

    gpu.return
  }
}

// -----

// k2_space
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op argument 0 is not in #gpu.address_space<global>: 'memref<4xf32>' (K2)}}
  gpu.func @k2_space(%a: memref<4xf32> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {

    gpu.return
  }
}

// -----

// k2_element
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op argument 0 holds 'f64'; memory holds f32, f16, bf16, i8, i16, i32 or i64 (K2)}}
  gpu.func @k2_element(%a: memref<4xf64, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {

    gpu.return
  }
}

// -----

// k2_float8
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op argument 0 holds 'f8E4M3FN'; memory holds f32, f16, bf16, i8, i16, i32 or i64 (K2)}}
  gpu.func @k2_float8(%a: memref<4xf8E4M3FN, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {

    gpu.return
  }
}

// -----

// k2_size
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op argument 0 has 2147483648 elements; an index has 31 bits, so there are 1 to 2^31 - 1 (K2)}}
  gpu.func @k2_size(%a: memref<65536x32768xi8, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {

    gpu.return
  }
}

// -----

// k2_noalias
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op argument 0 lacks llvm.noalias; Metal takes bindings not to overlap, so bind a buffer once, for reading and writing (K2)}}
  gpu.func @k2_noalias(%a: memref<64xf32, #global>) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    gpu.return
  }
}

// -----

// k2_readonly
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op argument 0 is llvm.readonly but stored to (K2)}}
  gpu.func @k2_readonly(%a: memref<64xf32, #global> {llvm.noalias, llvm.readonly}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    gpu.return
  }
}

// -----

// k2_unwritten
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op argument 0 is never stored to, so it must be llvm.readonly (K2)}}
  gpu.func @k2_unwritten(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {

    gpu.return
  }
}

// -----

// k2_bindings
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op has 32 arguments, but Metal binds 31 buffers (K2)}}
  gpu.func @k2_bindings(%a0: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a1: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a2: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a3: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a4: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a5: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a6: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a7: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a8: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a9: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a10: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a11: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a12: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a13: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a14: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a15: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a16: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a17: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a18: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a19: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a20: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a21: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a22: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a23: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a24: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a25: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a26: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a27: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a28: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a29: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a30: memref<4xf32, #global> {llvm.noalias, llvm.readonly},
      %a31: memref<4xf32, #global> {llvm.noalias, llvm.readonly}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {

    gpu.return
  }
}

// -----

// k3_type
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op argument 0 is the parameter block: it must be a memref<Nxi32> with llvm.readonly that memref.load alone reads, but is 'memref<8xf32, #gpu.address_space<global>>' (K3)}}
  gpu.func @k3_type(%p: memref<8xf32, #global> {llvm.readonly, tq.params}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {

    gpu.return
  }
}

// -----

// k3_second
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op argument 1 is a second parameter block; there is one (K3)}}
  gpu.func @k3_second(%p: memref<8xi32, #global> {llvm.readonly, tq.params}, %q: memref<8xi32, #global> {llvm.readonly, tq.params}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {

    gpu.return
  }
}

// -----

// k4_missing
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op needs known_block_size = array<i32: 32, n, 1> with n from 1 to 32: one simdgroup per row of threads (K4)}}
  gpu.func @k4_missing(%a: memref<64xf32, #global> {llvm.noalias}) kernel {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    gpu.return
  }
}

// -----

// k4_shape
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op needs known_block_size = array<i32: 32, n, 1> with n from 1 to 32: one simdgroup per row of threads (K4)}}
  gpu.func @k4_shape(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    gpu.return
  }
}

// -----

// k4_threads
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op needs known_block_size = array<i32: 32, n, 1> with n from 1 to 32: one simdgroup per row of threads (K4)}}
  gpu.func @k4_threads(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 33, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    gpu.return
  }
}

// -----

// k5_bytes
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op has 32784 bytes of threadgroup memory, but there are 32768; use smaller tiles (K5)}}
  gpu.func @k5_bytes(%a: memref<64xf32, #global> {llvm.noalias}) workgroup(%s: memref<8190xf32, #wg>, %t: memref<3xi8, #wg>, %u: memref<8xf16, #wg> {llvm.align = 16 : i64}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    gpu.return
  }
}

// -----

// k5_space
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op workgroup array 0 is not in #gpu.address_space<workgroup>: 'memref<8xf32, 3>' (K5)}}
  gpu.func @k5_space(%a: memref<64xf32, #global> {llvm.noalias}) workgroup(%s: memref<8xf32, 3>) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    gpu.return
  }
}

// -----

// k5_private
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{op private array 0 holds 'i1'; memory holds f32, f16, bf16, i8, i16, i32 or i64 (K5)}}
  gpu.func @k5_private(%a: memref<64xf32, #global> {llvm.noalias}) private(%s: memref<8xi1, #priv>) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    gpu.return
  }
}

// -----

// k6_maximum
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k6_maximum(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'arith.maximumf' op has no spelling in kernels; use arith.maxnumf (K6)}}
    %m = arith.maximumf %f, %f : f32
    gpu.return
  }
}

// -----

// k6_minimum
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k6_minimum(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'arith.minimumf' op has no spelling in kernels; use arith.minnumf (K6)}}
    %m = arith.minimumf %f, %f : f32
    gpu.return
  }
}

// -----

// k6_alloca
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k6_alloca(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'memref.alloca' op has no spelling in kernels; declare a private(...) or workgroup(...) attribution (K6)}}
    %m = memref.alloca() : memref<4xf32, #priv>
    gpu.return
  }
}

// -----

// k6_subview
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k6_subview(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'memref.subview' op has no spelling in kernels; index the argument or attribution itself (K6)}}
    %m = memref.subview %a[4] [4] [1] : memref<64xf32, #global> to memref<4xf32, strided<[1], offset: 4>, #global>
    gpu.return
  }
}

// -----

// k6_call
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  // expected-error @+1 {{'func.func' op does not belong in a gpu.module; it holds kernels only (K1)}}
  func.func private @f()
  gpu.func @k6_call(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'func.call' op has no spelling in kernels; inline it: a kernel calls nothing (K6)}}
    func.call @f() : () -> ()
    gpu.return
  }
}

// -----

// k6_parallel
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k6_parallel(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'scf.parallel' op has no spelling in kernels; use scf.for over what gpu.block_id and gpu.lane_id leave (K6)}}
    scf.parallel (%i) = (%c0) to (%c1) step (%c1) {
    }
    gpu.return
  }
}

// -----

// k6_subgroup_id
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k6_subgroup_id(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'gpu.subgroup_id' op has no spelling in kernels; use gpu.thread_id y: blocks are (32, n, 1) (K6)}}
    %s = gpu.subgroup_id : index
    gpu.return
  }
}

// -----

// k6_erf
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k6_erf(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'math.erf' op has no spelling in kernels; use a polynomial (K6)}}
    %m = math.erf %f : f32
    gpu.return
  }
}

// -----

// k6_other
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k6_other(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'math.sinh' op has no spelling in kernels; use the ops that VerifyKernels.h names (K6)}}
    %m = math.sinh %f : f32
    gpu.return
  }
}

// -----

// k6_reduce
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k6_reduce(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'gpu.subgroup_reduce' op reduces with 'mul'; use add, maxnumf, minnumf, maxsi, minsi, maxui or minui (K6)}}
    %m = gpu.subgroup_reduce mul %f uniform : (f32) -> f32
    gpu.return
  }
}

// -----

// k6_rounding
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k6_rounding(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'arith.truncf' op has a rounding mode; MSL rounds to the nearest, ties to even (K6)}}
    %m = arith.truncf %f toward_zero : f32 to f16
    gpu.return
  }
}

// -----

// k7_double
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k7_double(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'arith.constant' op gives 'f64'; values are index, i1 to i64, f32, f16, bf16 or vectors of 2 or 4 numbers (K7)}}
    %m = arith.constant 1.0 : f64
    gpu.return
  }
}

// -----

// k7_wide
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k7_wide(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'arith.constant' op gives 'vector<8xf32>'; values are index, i1 to i64, f32, f16, bf16 or vectors of 2 or 4 numbers (K7)}}
    %m = arith.constant dense<1.0> : vector<8xf32>
    gpu.return
  }
}

// -----

// k7_three
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k7_three(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'vector.broadcast' op gives 'vector<3xf32>'; values are index, i1 to i64, f32, f16, bf16 or vectors of 2 or 4 numbers (K7)}}
    %m = vector.broadcast %f : f32 to vector<3xf32>
    gpu.return
  }
}

// -----

// k7_bool
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k7_bool(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %t = arith.constant true
    // expected-error @+1 {{'arith.addi' op computes with i1; i1 is for logic, arith.extui it first (K7)}}
    %m = arith.addi %t, %t : i1
    gpu.return
  }
}

// -----

// k7_bool_order
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k7_bool_order(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %t = arith.constant true
    // expected-error @+1 {{'arith.cmpi' op orders i1; i1 is for logic (K7)}}
    %m = arith.cmpi ult, %t, %t : i1
    gpu.return
  }
}

// -----

// k8_missing
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k8_missing(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'vector.load' op needs {alignment = 16 : i64}, the natural one of 'vector<4xf32>' (K8)}}
    %m = vector.load %a[%c0] : memref<64xf32, #global>, vector<4xf32>
    gpu.return
  }
}

// -----

// k8_array
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k8_array(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'vector.load' op is aligned to 16 bytes, but its array to 4; declare llvm.align there (K8)}}
    %m = vector.load %a[%c0] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
    gpu.return
  }
}

// -----

// k8_offset
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k8_offset(%a: memref<64xf32, #global> {llvm.noalias, llvm.align = 16 : i64}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %c4 = arith.constant 4 : index
    %four = arith.muli %lane, %c4 : index
    %off = arith.addi %four, %c1 : index
    // expected-error @+1 {{'vector.load' op starts 1 elements after a multiple of 4, so it is not aligned to 16 bytes (K8)}}
    %m = vector.load %a[%off] {alignment = 16 : i64} : memref<64xf32, #global>, vector<4xf32>
    gpu.return
  }
}

// -----

// k8_row
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k8_row(%a: memref<64xf32, #global> {llvm.noalias}, %b: memref<4x5xf32, #global> {llvm.noalias, llvm.readonly, llvm.align = 8 : i64}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'vector.load' op starts 1 elements after a multiple of 2, so it is not aligned to 8 bytes (K8)}}
    %m = vector.load %b[%c1, %c0] {alignment = 8 : i64} : memref<4x5xf32, #global>, vector<2xf32>
    gpu.return
  }
}

// -----

// k8_one
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k8_one(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'vector.load' op moves one element; use memref.load or memref.store (K8)}}
    %m = vector.load %a[%c0] {alignment = 4 : i64} : memref<64xf32, #global>, vector<1xf32>
    gpu.return
  }
}

// -----

// k8_poison
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k8_poison(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %v = vector.broadcast %f : f32 to vector<2xf32>
    // expected-error @+1 {{'vector.shuffle' op has poison components; name each one (K8)}}
    %m = vector.shuffle %v, %v [0, -1] : vector<2xf32>, vector<2xf32>
    gpu.return
  }
}

// -----

// k9_not_uniform
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_not_uniform(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'gpu.subgroup_reduce' op is not marked `uniform`; all lanes must take part (K9)}}
    %m = gpu.subgroup_reduce add %f : (f32) -> f32
    gpu.return
  }
}

// -----

// k9_barrier_lane
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_barrier_lane(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %p = arith.cmpi eq, %lane, %c0 : index
    // expected-note @+1 {{they part ways here}}
    scf.if %p {
    // expected-error @+1 {{'gpu.barrier' op may be reached by some threads of the threadgroup and not by others; move it out of the condition (K9)}}
    gpu.barrier
    }
    gpu.return
  }
}

// -----

// k9_barrier_simdgroup
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_barrier_simdgroup(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %p = arith.cmpi eq, %y, %c0 : index
    // expected-note @+1 {{they part ways here}}
    scf.if %p {
    // expected-error @+1 {{'gpu.barrier' op may be reached by some threads of the threadgroup and not by others; move it out of the condition (K9)}}
    gpu.barrier
    }
    gpu.return
  }
}

// -----

// k9_barrier_count
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_barrier_count(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-note @+1 {{they part ways here}}
    scf.for %i = %c0 to %lane step %c1 {
    // expected-error @+1 {{'gpu.barrier' op may be reached by some threads of the threadgroup and not by others; move it out of the condition (K9)}}
    gpu.barrier
    }
    gpu.return
  }
}

// -----

// k9_barrier_loaded
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_barrier_loaded(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %e = memref.load %a[%lane] : memref<64xf32, #global>
    %p = arith.cmpf ogt, %e, %f : f32
    // expected-note @+1 {{they part ways here}}
    scf.if %p {
    // expected-error @+1 {{'gpu.barrier' op may be reached by some threads of the threadgroup and not by others; move it out of the condition (K9)}}
    gpu.barrier
    }
    gpu.return
  }
}

// -----

// k9_barrier_private
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_barrier_private(%a: memref<64xf32, #global> {llvm.noalias}) private(%s: memref<4xi32, #priv>) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    memref.store %i1, %s[%c0] : memref<4xi32, #priv>
    %e = memref.load %s[%c0] : memref<4xi32, #priv>
    %p = arith.cmpi eq, %e, %i1 : i32
    // expected-note @+1 {{they part ways here}}
    scf.if %p {
    // expected-error @+1 {{'gpu.barrier' op may be reached by some threads of the threadgroup and not by others; move it out of the condition (K9)}}
    gpu.barrier
    }
    gpu.return
  }
}

// -----

// k9_barrier_reduced
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_barrier_reduced(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %e = memref.load %a[%lane] : memref<64xf32, #global>
    %sum = gpu.subgroup_reduce add %e uniform : (f32) -> f32
    %p = arith.cmpf ogt, %sum, %f : f32
    // expected-note @+1 {{they part ways here}}
    scf.if %p {
    // expected-error @+1 {{'gpu.barrier' op may be reached by some threads of the threadgroup and not by others; move it out of the condition (K9)}}
    gpu.barrier
    }
    gpu.return
  }
}

// -----

// k9_barrier_carried
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_barrier_carried(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %last = scf.for %i = %c0 to %lane step %c1 iter_args(%k = %c0) -> index {
    scf.yield %i : index
    }
    %p = arith.cmpi eq, %last, %c0 : index
    // expected-note @+1 {{they part ways here}}
    scf.if %p {
    // expected-error @+1 {{'gpu.barrier' op may be reached by some threads of the threadgroup and not by others; move it out of the condition (K9)}}
    gpu.barrier
    }
    gpu.return
  }
}

// -----

// k9_barrier_while
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_barrier_while(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-note @+1 {{they part ways here}}
    %last = scf.while (%k = %lane) : (index) -> index {
    %p = arith.cmpi ult, %k, %c1 : index
    scf.condition(%p) %k : index
    } do {
    ^bb0(%k: index):
    // expected-error @+1 {{'gpu.barrier' op may be reached by some threads of the threadgroup and not by others; move it out of the condition (K9)}}
    gpu.barrier
    scf.yield %k : index
    }
    gpu.return
  }
}

// -----

// k9_subgroup_barrier
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_subgroup_barrier(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %p = arith.cmpi eq, %lane, %c0 : index
    // expected-note @+1 {{they part ways here}}
    scf.if %p {
    // expected-error @+1 {{'tq.subgroup_barrier' op may be reached by some lanes of the simdgroup and not by others; move it out of the condition (K9)}}
    tq.subgroup_barrier
    }
    gpu.return
  }
}

// -----

// k9_reduce
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_reduce(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %p = arith.cmpi eq, %lane, %c0 : index
    // expected-note @+1 {{they part ways here}}
    scf.if %p {
    // expected-error @+1 {{'gpu.subgroup_reduce' op may be reached by some lanes of the simdgroup and not by others; move it out of the condition (K9)}}
    %m = gpu.subgroup_reduce add %f uniform : (f32) -> f32
    }
    gpu.return
  }
}

// -----

// k9_shuffle
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k9_shuffle(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %e = memref.load %a[%lane] : memref<64xf32, #global>
    %part = gpu.subgroup_reduce add %e uniform cluster(size = 8) : (f32) -> f32
    %p = arith.cmpf ogt, %part, %f : f32
    // expected-note @+1 {{they part ways here}}
    scf.if %p {
    // expected-error @+1 {{'gpu.shuffle' op may be reached by some lanes of the simdgroup and not by others; move it out of the condition (K9)}}
    %m, %v = gpu.shuffle xor %f, %i1, %i32 : f32
    }
    gpu.return
  }
}

// -----

// k10_half
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k10_half(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %h = arith.constant 1.0 : f16
    // expected-error @+1 {{'gpu.subgroup_reduce' op reduces 'f16'; shuffles move 32 bits: convert to f32 or i32 (K10)}}
    %m = gpu.subgroup_reduce add %h uniform : (f16) -> f16
    gpu.return
  }
}

// -----

// k10_cluster
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k10_cluster(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'gpu.subgroup_reduce' op has a cluster of 8 lanes with stride 8, but a simdgroup has 32 lanes (K10)}}
    %m = gpu.subgroup_reduce add %f uniform cluster(size = 8, stride = 8) : (f32) -> f32
    gpu.return
  }
}

// -----

// k10_vector
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k10_vector(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %v = vector.broadcast %f : f32 to vector<2xf32>
    // expected-error @+1 {{'gpu.shuffle' op moves 'vector<2xf32>'; shuffles move 32 bits: convert or bitcast to f32 or i32 (K10)}}
    %m, %p = gpu.shuffle xor %v, %i1, %i32 : vector<2xf32>
    gpu.return
  }
}

// -----

// k10_width
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k10_width(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'gpu.shuffle' op has a width other than the constant 32 (K10)}}
    %m, %p = gpu.shuffle xor %f, %i1, %i1 : f32
    gpu.return
  }
}

// -----

// k10_offset
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k10_offset(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'gpu.shuffle' op has offset 32, but a simdgroup has 32 lanes (K10)}}
    %m, %p = gpu.shuffle xor %f, %i32, %i32 : f32
    gpu.return
  }
}

// -----

// k10_differs
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k10_differs(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %l = arith.index_castui %lane : index to i32
    // expected-error @+1 {{'gpu.shuffle' op has an offset that differs between lanes; use mode idx (K10)}}
    %m, %p = gpu.shuffle down %f, %l, %i32 : f32
    gpu.return
  }
}

// -----

// k10_valid
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k10_valid(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'gpu.shuffle' op has a validity that is used; compare the lane instead (K10)}}
    %m, %p = gpu.shuffle down %f, %i1, %i32 : f32
    %r = arith.select %p, %m, %f : f32
    gpu.return
  }
}

// -----

// k11_scalar
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k11_scalar(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'arith.shrui' op shifts 32 bits by 32, which has no defined result (K11)}}
    %m = arith.shrui %i1, %i32 : i32
    gpu.return
  }
}

// -----

// k11_vector
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k11_vector(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %v = arith.constant dense<[3, 16]> : vector<2xi16>
    // expected-error @+1 {{'arith.shli' op shifts 16 bits by 16, which has no defined result (K11)}}
    %m = arith.shli %v, %v : vector<2xi16>
    gpu.return
  }
}

// -----

// k12_add
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k12_add(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %b = arith.constant 1.0 : bf16
    // expected-error @+1 {{'arith.addf' op computes with bf16; arith.extf it to f32 and arith.truncf the result (K12)}}
    %m = arith.addf %b, %b : bf16
    gpu.return
  }
}

// -----

// k12_convert
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k12_convert(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'arith.uitofp' op computes with bf16; arith.extf it to f32 and arith.truncf the result (K12)}}
    %m = arith.uitofp %i1 : i32 to bf16
    gpu.return
  }
}

// -----

// k12_half
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k12_half(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %h = arith.constant 1.0 : f16
    // expected-error @+1 {{'math.exp' op is of 'f16'; arith.extf to f32 first (K12)}}
    %m = math.exp %h : f16
    gpu.return
  }
}

// -----

// k13_shape
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k13_shape(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'gpu.subgroup_mma_constant_matrix' op gives '!gpu.mma_matrix<16x16xf32, "COp">'; simdgroup matrices are 8x8 of f16 or f32 (K13)}}
    %m = gpu.subgroup_mma_constant_matrix %f : !gpu.mma_matrix<16x16xf32, "COp">
    gpu.return
  }
}

// -----

// k13_element
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k13_element(%a: memref<64xf32, #global> {llvm.noalias}, %h: memref<8x8xf16, #global> {llvm.noalias, llvm.readonly}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'gpu.subgroup_mma_load_matrix' op has a matrix of 'f32' in an array of 'f16'; they must be the same (K13)}}
    %m = gpu.subgroup_mma_load_matrix %h[%c0, %c0] {leadDimension = 8 : index} : memref<8x8xf16, #global> -> !gpu.mma_matrix<8x8xf32, "COp">
    gpu.return
  }
}

// -----

// k13_lead
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k13_lead(%a: memref<64xf32, #global> {llvm.noalias}, %h: memref<64x8xf32, #global> {llvm.noalias, llvm.readonly}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'gpu.subgroup_mma_load_matrix' op has a leading dimension of 4, but a row has 8 elements (K13)}}
    %m = gpu.subgroup_mma_load_matrix %h[%c0, %c0] {leadDimension = 4 : index} : memref<64x8xf32, #global> -> !gpu.mma_matrix<8x8xf32, "COp">
    gpu.return
  }
}

// -----

// k13_lane
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k13_lane(%a: memref<64xf32, #global> {llvm.noalias}, %h: memref<64x8xf32, #global> {llvm.noalias, llvm.readonly}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'gpu.subgroup_mma_load_matrix' op has an index that differs between lanes; the simdgroup moves one matrix (K13)}}
    %m = gpu.subgroup_mma_load_matrix %h[%lane, %c0] {leadDimension = 8 : index} : memref<64x8xf32, #global> -> !gpu.mma_matrix<8x8xf32, "COp">
    gpu.return
  }
}

// -----

// k13_transpose
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k13_transpose(%a: memref<64xf32, #global> {llvm.noalias}, %h: memref<64x8xf32, #global> {llvm.noalias, llvm.readonly}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %p = gpu.subgroup_mma_load_matrix %h[%c0, %c0] {leadDimension = 8 : index} : memref<64x8xf32, #global> -> !gpu.mma_matrix<8x8xf32, "AOp">
    %q = gpu.subgroup_mma_load_matrix %h[%c0, %c0] {leadDimension = 8 : index} : memref<64x8xf32, #global> -> !gpu.mma_matrix<8x8xf32, "BOp">
    %z = gpu.subgroup_mma_constant_matrix %f : !gpu.mma_matrix<8x8xf32, "COp">
    // expected-error @+1 {{'gpu.subgroup_mma_compute' op transposes an operand; transpose when loading it (K13)}}
    %r = gpu.subgroup_mma_compute %p, %q, %z {b_transpose} : !gpu.mma_matrix<8x8xf32, "AOp">, !gpu.mma_matrix<8x8xf32, "BOp"> -> !gpu.mma_matrix<8x8xf32, "COp">
    gpu.return
  }
}

// -----

// k13_accumulator
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k13_accumulator(%a: memref<64xf32, #global> {llvm.noalias}, %h: memref<64x8xf32, #global> {llvm.noalias, llvm.readonly}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %p = gpu.subgroup_mma_load_matrix %h[%c0, %c0] {leadDimension = 8 : index} : memref<64x8xf32, #global> -> !gpu.mma_matrix<8x8xf32, "AOp">
    %q = gpu.subgroup_mma_load_matrix %h[%c0, %c0] {leadDimension = 8 : index} : memref<64x8xf32, #global> -> !gpu.mma_matrix<8x8xf32, "BOp">
    %z = gpu.subgroup_mma_constant_matrix %f : !gpu.mma_matrix<8x8xf32, "COp">
    %half = arith.constant 0.0 : f16
    %w = gpu.subgroup_mma_constant_matrix %half : !gpu.mma_matrix<8x8xf16, "COp">
    // expected-error @+1 {{'gpu.subgroup_mma_compute' op multiplies 'f32' by 'f32' into 'f16'; the factors must be alike, the sum like them or f32 (K13)}}
    %r = gpu.subgroup_mma_compute %p, %q, %w : !gpu.mma_matrix<8x8xf32, "AOp">, !gpu.mma_matrix<8x8xf32, "BOp"> -> !gpu.mma_matrix<8x8xf16, "COp">
    gpu.return
  }
}

// -----

// k14_vector
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k14_vector(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    %v = arith.constant dense<1.0> : vector<2xf32>
    // expected-error @+1 {{'arith.cmpf' op gives 'vector<2xi1>'; values are index, i1 to i64, f32, f16, bf16 or vectors of 2 or 4 numbers (K7)}}
    %m = arith.cmpf olt, %v, %v : vector<2xf32>
    gpu.return
  }
}

// -----

// k14_predicate
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k14_predicate(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'arith.cmpf' op has predicate 'one', which no operator of C++ has; use oeq, une, olt, ole, ogt or oge (K14)}}
    %m = arith.cmpf one, %f, %f : f32
    gpu.return
  }
}

// -----

// k15_kind
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k15_kind(%a: memref<64xf32, #global> {llvm.noalias}) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'memref.atomic_rmw' op is mulf of 'f32'; MSL has add, min, max, and, or of i32, and addf of f32 in device memory (K15)}}
    %m = memref.atomic_rmw mulf %f, %a[%c0] : (f32, memref<64xf32, #global>) -> f32
    gpu.return
  }
}

// -----

// k15_space
#global = #gpu.address_space<global>
#wg = #gpu.address_space<workgroup>
#priv = #gpu.address_space<private>
gpu.module @kernels {
  gpu.func @k15_space(%a: memref<64xf32, #global> {llvm.noalias}) workgroup(%s: memref<4xf32, #wg>) kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %lane = gpu.lane_id
    %y = gpu.thread_id y
    %f = arith.constant 1.0 : f32
    %i1 = arith.constant 1 : i32
    %i32 = arith.constant 32 : i32
    memref.store %f, %a[%c0] : memref<64xf32, #global>
    // expected-error @+1 {{'memref.atomic_rmw' op is addf of 'f32'; MSL has add, min, max, and, or of i32, and addf of f32 in device memory (K15)}}
    %m = memref.atomic_rmw addf %f, %s[%c0] : (f32, memref<4xf32, #wg>) -> f32
    gpu.return
  }
}
