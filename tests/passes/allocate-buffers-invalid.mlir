// RUN: tq-opt --tq-allocate-buffers -split-input-file -verify-diagnostics %s

// expected-error @+1 {{has no bound for its tokens; run --tq-specialize-entry-points first}}
func.func @forward(%ids: tensor<?xi32>) {
  return
}

// -----

// expected-error @+1 {{must have a body of one block}}
func.func private @declaration(tensor<?xi32>) attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64}

// -----

// expected-error @+1 {{takes something that is no tensor: the arena holds activations only}}
func.func @decode(%n: i32) attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  return
}

// -----

func.func @decode(%ids: tensor<?xi32>) attributes {tq.max_tokens = 1 : i64, tq.max_out = 1 : i64} {
  // expected-error @+1 {{gives something that is no tensor: the arena holds activations only}}
  %n = tq.call @k(%ids) {label = "a"} : (tensor<?xi32>) -> i32
  return
}
