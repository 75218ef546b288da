// RUN: tq-opt --tq-outline-kernels -split-input-file -verify-diagnostics %s

func.func @decode(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @+1 {{has no skeleton; run --tq-select-kernels first}}
  %0 = tq.launch "rows" (%p = %x : tensor<?x64xf32>) -> tensor<?x64xf32> {
    %y = tq.act silu %p : tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @decode(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @+1 {{has no skeleton; run --tq-select-kernels first}}
  %0 = tq.launch "rows" (%p = %x : tensor<?x64xf32>) skeleton "rowwise" {rows = "n_tokens"} -> tensor<?x64xf32> {
    %y = tq.act silu %p : tensor<?x64xf32>
    tq.yield %y : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}
