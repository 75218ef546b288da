// RUN: tq-opt %s --emit=msl --split-input-file --verify-diagnostics
// RUN: not tq-opt %s --emit=msl --msl-version=new 2>&1 | FileCheck %s
// CHECK: error: --msl-version: expected a version such as 3.1, but got 'new'
#global = #gpu.address_space<global>
gpu.module @kernels {
  gpu.func @refused(%a: memref<4xf32, #global> {llvm.noalias, llvm.readonly})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %f = arith.constant 1.0 : f32
    // expected-error @+1 {{'arith.maximumf' op has no spelling in kernels; use arith.maxnumf (K6)}}
    %m = arith.maximumf %f, %f : f32
    gpu.return
  }
}

// -----

// All kernels of a package are in one text.
gpu.module @first {
  gpu.func @same() kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    gpu.return
  }
}
gpu.module @second {
  // expected-error @+1 {{'gpu.func' op is the second kernel of this name; all kernels of a package are in one text}}
  gpu.func @same() kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    gpu.return
  }
}
