// RUN: tq-opt --tq-build-kernels -split-input-file -verify-diagnostics %s

// expected-error @+1 {{this target has no skeleton 'convolution'}}
tq.kernel @k skeleton "convolution" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}

// -----

// expected-error @+1 {{its configuration needs rows and max_rows; run --tq-select-kernels first}}
tq.kernel @k skeleton "rowwise" {max_rows = 1 : i64} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}

// -----

// expected-error @+1 {{the skeleton 'linear' cannot run this kernel}}
tq.kernel @k skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}

// -----

tq.kernel @k skeleton "rowwise" {max_rows = 1 : i64, rows = "n_out"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  // expected-error @+1 {{needs rows that another launch has written}}
  %t = tq.take_rows %y : tensor<?x64xf32> -> tensor<?x64xf32>
  tq.yield %t : tensor<?x64xf32>
}

// -----

tq.kernel @k skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%table: tensor<96x64xf32>, %ids: tensor<?xi32>):
  // expected-error @+1 {{reads a table that is not packed; run --tq-join-dequant first}}
  %e = tq.embed %table, %ids : (tensor<96x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  tq.yield %e : tensor<?x64xf32>
}

// -----

tq.rotation @r dim 64 block 64 seed 1
tq.kernel @k skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  // expected-error @+1 {{has no explicit block; run --tq-form-launches first}}
  %r = tq.rotate %x by @r : tensor<?x64xf32> -> tensor<?x64xf32, #tq.basis<@r>>
  tq.yield %r : tensor<?x64xf32, #tq.basis<@r>>
}

// -----

tq.weight @w role "norm" : !tq.packed<64xf32, #tq.dense<f16>> from "w"
tq.kernel @k skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  // expected-error @+1 {{the rowwise skeleton has no code for this op}}
  %w = tq.get_weight @w : tensor<64xf32>
  %y = tq.add_bias %x, %w : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}

// -----

!kv = !tq.kv<heads = 2, k = 32, v = 32, kEncoding = #tq.dense<bf16>, vEncoding = #tq.dense<bf16>>
// expected-error @+1 {{the skeleton 'rowwise' cannot run this kernel}}
tq.kernel @k skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%s: !kv, %k: tensor<?x2x32xf32>, %pos: tensor<?xi32>):
  tq.kv_append %s, %k, %k, %pos : !kv, tensor<?x2x32xf32>, tensor<?x2x32xf32>, tensor<?xi32>
  tq.yield
}

// -----

!kv = !tq.kv<heads = 2, k = 32, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f32>>
// expected-error @+1 {{the skeleton 'attention' cannot run this kernel}}
tq.kernel @k skeleton "attention" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%q: tensor<?x2x32xf32>, %s: !kv, %pos: tensor<?xi32>):
  %y = tq.sdpa %q, %s, %pos {scale = 1.0 : f32} : (tensor<?x2x32xf32>, !kv, tensor<?xi32>) -> tensor<?x2x32xf32>
  tq.yield %y : tensor<?x2x32xf32>
}
