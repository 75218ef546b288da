// RUN: tq-opt --tq-form-launches -split-input-file -verify-diagnostics %s

func.func @foreign(%x: tensor<?x64xf32>, %c: i1) -> tensor<?x64xf32> {
  // expected-error @+1 {{no launch can hold this op: it is neither a tq op nor elementwise}}
  %y = scf.if %c -> tensor<?x64xf32> {
    scf.yield %x : tensor<?x64xf32>
  } else {
    scf.yield %x : tensor<?x64xf32>
  }
  return %y : tensor<?x64xf32>
}

// -----

// Elementwise upstream ops are welcome, but on tensors.
func.func @scalar(%x: f32) -> f32 {
  // expected-error @+1 {{no launch can hold this op: it is neither a tq op nor elementwise}}
  %y = arith.addf %x, %x : f32
  return %y : f32
}

// -----

func.func @view(%x: tensor<?x64xf32>) -> tensor<?x2x32xf32> {
  %y = tq.act silu %x : tensor<?x64xf32>
  // expected-error @+1 {{a function cannot return a view; return the value it looks at}}
  %z = tq.reshape %y : tensor<?x64xf32> -> tensor<?x2x32xf32>
  return %z : tensor<?x2x32xf32>
}

// -----

// expected-error @+1 {{must have a body of one block}}
func.func private @declaration(tensor<?x64xf32>) -> tensor<?x64xf32>

// -----

// expected-error @+1 {{must have a body of one block}}
func.func @blocks(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  llvm.br ^next
^next:
  return %x : tensor<?x64xf32>
}
