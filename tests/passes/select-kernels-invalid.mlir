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

// -----

// Micro-kernels read and write pages of f16 or f32: another state would be read as one of these, beyond its pages.
!kv = !tq.kv<heads = 1, k = 64, v = 64, kEncoding = #tq.dense<bf16>, vEncoding = #tq.dense<bf16>>
tq.state @kv.0 : !kv
func.func @attention_bf16(%q: tensor<?x1x64xf32>, %pos: tensor<?xi32>) -> tensor<?x1x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  %kv = tq.get_state @kv.0 : !kv
  // expected-error @+1 {{no skeleton of this target can run the launch of tq.sdpa; state @kv.0 holds keys as #tq.dense<bf16> and values as #tq.dense<bf16>, but kernels need both as f16 or both as f32: choose with k and v of --tq-encode-states}}
  %y = tq.launch "a" (%a = %q : tensor<?x1x64xf32>, %s = %kv : !kv, %p = %pos : tensor<?xi32>) -> tensor<?x1x64xf32> {
    %b = tq.sdpa %a, %s, %p {scale = 1.0 : f32} : (tensor<?x1x64xf32>, !kv, tensor<?xi32>) -> tensor<?x1x64xf32>
    tq.yield %b : tensor<?x1x64xf32>
  }
  return %y : tensor<?x1x64xf32>
}

// -----

!kv = !tq.kv<heads = 1, k = 64, v = 64, kEncoding = #tq.codebook<bits = 4, group = 64>, vEncoding = #tq.codebook<bits = 4, group = 64>>
tq.state @kv.7 : !kv
func.func @append_codebook(%k: tensor<?x1x64xf32>, %pos: tensor<?xi32>) -> tensor<?x1x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  %kv = tq.get_state @kv.7 : !kv
  // expected-error @+1 {{no skeleton of this target can run the launch; state @kv.7 holds keys as #tq.codebook<bits = 4, group = 64>}}
  tq.launch "a" (%a = %k : tensor<?x1x64xf32>, %s = %kv : !kv, %p = %pos : tensor<?xi32>) {
    tq.kv_append %s, %a, %a, %p : !kv, tensor<?x1x64xf32>, tensor<?x1x64xf32>, tensor<?xi32>
    tq.yield
  }
  return %k : tensor<?x1x64xf32>
}

// -----

!kv = !tq.kv<heads = 1, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f32>>
tq.state @kv.0 : !kv
func.func @append_mixed(%k: tensor<?x1x64xf32>, %pos: tensor<?xi32>) -> tensor<?x1x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  %kv = tq.get_state @kv.0 : !kv
  // expected-error @+1 {{state @kv.0 holds keys as #tq.dense<f16> and values as #tq.dense<f32>}}
  tq.launch "a" (%a = %k : tensor<?x1x64xf32>, %s = %kv : !kv, %p = %pos : tensor<?xi32>) {
    tq.kv_append %s, %a, %a, %p : !kv, tensor<?x1x64xf32>, tensor<?x1x64xf32>, tensor<?xi32>
    tq.yield
  }
  return %k : tensor<?x1x64xf32>
}
