// RUN: tq-opt --tq-schedule-steps -split-input-file -verify-diagnostics %s

// expected-error @+1 {{has no arena; run --tq-allocate-buffers first}}
func.func @decode(%ids: tensor<?xi32>, %pos: tensor<?xi32>) -> tensor<?xi32> {
  return %ids : tensor<?xi32>
}

// -----

// expected-error @+1 {{must take ids and positions and give logits}}
func.func @decode(%ids: tensor<?xi32>) -> tensor<?xi32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 0>} {
  return %ids : tensor<?xi32>
}

// -----

func.func @decode(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 0, 256>} {
  // expected-error @+1 {{is no call of a kernel; run --tq-outline-kernels first}}
  %y = tq.act silu %x : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @decode(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 0, 256>} {
  // expected-error @+1 {{@k is no tq.kernel of this module}}
  %y = tq.call @k(%x) {label = "k", offsets = array<i64: 512>} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

tq.kernel @k skeleton "convolution" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}
func.func @decode(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 0, 256>} {
  // expected-error @+1 {{this target has no skeleton 'convolution'}}
  %y = tq.call @k(%x) {label = "k", offsets = array<i64: 512>} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

tq.kernel @k skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}
func.func @decode(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 0, 256>} {
  // expected-error @+1 {{the skeleton 'linear' cannot run kernel @k}}
  %y = tq.call @k(%x) {label = "k", offsets = array<i64: 512>} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

tq.kernel @k skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  tq.yield %x : tensor<?x64xf32>
}
func.func @decode(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 0, 256>} {
  // expected-error @+1 {{kernel k yields one of its operands, a copy that nobody made}}
  %y = tq.call @k(%x) {label = "k", offsets = array<i64: 512>} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

tq.kernel @k skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}
func.func @decode(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 0, 256>} {
  // expected-error @+1 {{has no arena offsets; run --tq-allocate-buffers first}}
  %y = tq.call @k(%x) {label = "k"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

tq.kernel @k skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}
func.func @decode(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 0, 256>} {
  // expected-error @+1 {{has operands or results that kernel @k has not}}
  %y = tq.call @k(%x, %pos) {label = "k", offsets = array<i64: 512>} : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

tq.kernel @k skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>, %g: tensor<64xf32>):
  %y = tq.add_bias %x, %g : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}
func.func @decode(%x: tensor<?x64xf32>, %g: tensor<64xf32>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 0, 256>} {
  // expected-error @+1 {{operand #1 must come from tq.get_weight}}
  %y = tq.call @k(%x, %g) {label = "k", offsets = array<i64: 512>} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

tq.weight @gain role "norm" : !tq.packed<64xf32, #tq.dense<f16>> from "gain"
tq.kernel @k skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.act silu %x : tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}
func.func @decode(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 0, 256>} {
  %g = tq.get_weight @gain : tensor<64xf32>
  // expected-error @+1 {{operand #0 must come from a kernel or the function}}
  %y = tq.call @k(%g) {label = "k", offsets = array<i64: 512>} : (tensor<64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

!kv = !tq.kv<heads = 1, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
tq.kernel @k skeleton "attention" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%q: tensor<?x1x64xf32>, %s: !kv, %pos: tensor<?xi32>):
  %y = tq.sdpa %q, %s, %pos {scale = 1.0 : f32} : (tensor<?x1x64xf32>, !kv, tensor<?xi32>) -> tensor<?x1x64xf32>
  tq.yield %y : tensor<?x1x64xf32>
}
func.func @decode(%x: tensor<?x1x64xf32>, %pos: tensor<?xi32>) -> tensor<?x1x64xf32>
    attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64, tq.arena_bytes = 1024 : i64, tq.input_offsets = array<i64: 0, 256>} {
  // expected-error @+1 {{operand #1 must come from tq.get_state}}
  %y = tq.call @k(%x, %x, %pos) {label = "k", offsets = array<i64: 512>} : (tensor<?x1x64xf32>, tensor<?x1x64xf32>, tensor<?xi32>) -> tensor<?x1x64xf32>
  return %y : tensor<?x1x64xf32>
}
