// RUN: tq-opt %s --emit=msl --msl-version=3.0 --verify-diagnostics
// RUN: sed '/expected-error/d' %s | tq-opt --emit=msl | FileCheck %s
#global = #gpu.address_space<global>
gpu.module @kernels {
  // CHECK: device bfloat* buffer0
  // expected-error @+1 {{'gpu.func' op uses bf16, which needs MSL 3.1, but the text is to be MSL 3.0; raise --msl-version}}
  gpu.func @bfloat_buffer(%a: memref<4xbf16, #global> {llvm.noalias})
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %e = memref.load %a[%c0] : memref<4xbf16, #global>
    memref.store %e, %a[%c1] : memref<4xbf16, #global>
    gpu.return
  }
}
