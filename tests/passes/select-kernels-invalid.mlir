// RUN: tq-opt --tq-select-kernels -split-input-file -verify-diagnostics %s

// expected-error @+1 {{has no bound for its tokens; run --tq-specialize-entry-points first}}
func.func @forward(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  return %x : tensor<?x64xf32>
}

// -----

// A row op would be paid by every task of the root.
func.func @norm_before_linear(%x: tensor<?x64xf32>, %w: !tq.packed<64x64xf32, #tq.dense<f16>>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  // expected-error @+1 {{no skeleton of this target can run the launch}}
  %y = tq.launch "l" (%a = %x : tensor<?x64xf32>, %b = %w : !tq.packed<64x64xf32, #tq.dense<f16>>) -> tensor<?x64xf32> {
    %n = tq.rms_norm %a {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
    %l = tq.linear %n, %b : (tensor<?x64xf32>, !tq.packed<64x64xf32, #tq.dense<f16>>) -> tensor<?x64xf32>
    tq.yield %l : tensor<?x64xf32>
  }
  return %y : tensor<?x64xf32>
}

// -----

// A matrix of values: nobody materialises one.
func.func @values(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  // expected-error @+1 {{no skeleton of this target can run the launch}}
  %y = tq.launch "l" (%a = %x : tensor<?x64xf32>, %b = %w : tensor<64x64xf32>) -> tensor<?x64xf32> {
    %l = tq.linear %a, %b : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    tq.yield %l : tensor<?x64xf32>
  }
  return %y : tensor<?x64xf32>
}

// -----

// A pointwise op with no linear layer in its tile.
func.func @stranger(%x: tensor<?x64xf32>, %w: !tq.packed<64x64xf32, #tq.dense<f16>>) -> (tensor<?x64xf32>, tensor<?x64xf32>)
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  // expected-error @+1 {{no skeleton of this target can run the launch}}
  %y:2 = tq.launch "l" (%a = %x : tensor<?x64xf32>, %b = %w : !tq.packed<64x64xf32, #tq.dense<f16>>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
    %l = tq.linear %a, %b : (tensor<?x64xf32>, !tq.packed<64x64xf32, #tq.dense<f16>>) -> tensor<?x64xf32>
    %s = tq.act silu %a : tensor<?x64xf32>
    tq.yield %l, %s : tensor<?x64xf32>, tensor<?x64xf32>
  }
  return %y#0, %y#1 : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

!kv = !tq.kv<heads = 1, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
func.func @attention_epilogue(%q: tensor<?x1x64xf32>, %kv: !kv, %pos: tensor<?xi32>) -> tensor<?x1x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  // expected-error @+1 {{no skeleton of this target can run the launch}}
  %y = tq.launch "a" (%a = %q : tensor<?x1x64xf32>, %s = %kv : !kv, %p = %pos : tensor<?xi32>) -> tensor<?x1x64xf32> {
    %b = tq.sdpa %a, %s, %p {scale = 1.0 : f32} : (tensor<?x1x64xf32>, !kv, tensor<?xi32>) -> tensor<?x1x64xf32>
    %c = tq.act silu %b : tensor<?x1x64xf32>
    tq.yield %c : tensor<?x1x64xf32>
  }
  return %y : tensor<?x1x64xf32>
}

// -----

// The host has no sampling kernels: its sampler is the runtime's.
func.func @sampling(%x: tensor<?x64xf32>) -> tensor<?xi32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  // expected-error @+1 {{no skeleton of this target can run the launch of tq.argmax}}
  %y = tq.launch "a" (%a = %x : tensor<?x64xf32>) -> tensor<?xi32> {
    %b = tq.argmax %a : (tensor<?x64xf32>) -> tensor<?xi32>
    tq.yield %b : tensor<?xi32>
  }
  return %y : tensor<?xi32>
}
