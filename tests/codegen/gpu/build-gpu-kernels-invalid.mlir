// RUN: tq-opt --tq-build-gpu-kernels -split-input-file -verify-diagnostics %s

// expected-error @+1 {{this target has no skeleton 'convolution'}}
tq.kernel @a_kernel skeleton "convolution" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}

// -----

// expected-error @+1 {{its configuration needs rows and max_rows; run --tq-select-kernels first}}
tq.kernel @a_kernel skeleton "rowwise" {max_rows = 1 : i64} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}

// -----

#i8 = #tq.int<bits = 8, sums = 64>
tq.kernel @a_kernel skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  // expected-error @+1 {{GPU kernels compute with f32 activations; compile with --activations=f32}}
  %y = tq.quantize %x : tensor<?x64xf32> -> tensor<?x64xf32, #i8>
  tq.yield %y : tensor<?x64xf32, #i8>
}

// -----

#i8 = #tq.int<bits = 8, sums = 64>
!w = !tq.packed<96x64xf32, #tq.layout<kind = "affine", bits = 4, group = 64>>
// expected-error @+1 {{the skeleton 'linear' cannot run this kernel}}
tq.kernel @a_kernel skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32, #i8>, %w: !w):
  %y = tq.linear %x, %w : (tensor<?x64xf32, #i8>, !w) -> tensor<?x96xf32>
  tq.yield %y : tensor<?x96xf32>
}

// -----

// expected-error @+1 {{the skeleton 'rowwise' cannot run this kernel}}
tq.kernel @a_kernel skeleton "rowwise" {max_rows = 1 : i64, rows = "n_out"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  %t = tq.take_rows %y : tensor<?x64xf32> -> tensor<?x64xf32>
  tq.yield %t : tensor<?x64xf32>
}

// -----

// Sampling takes rows as another launch has written them.
// expected-error @+1 {{the skeleton 'sample' cannot run this kernel}}
tq.kernel @a_kernel skeleton "sample" {max_rows = 1 : i64, rows = "n_out"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  %i = tq.argmax %y : (tensor<?x64xf32>) -> tensor<?xi32>
  tq.yield %i : tensor<?xi32>
}
