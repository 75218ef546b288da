// RUN: tq-opt --tq-join-dequant -split-input-file -verify-diagnostics %s

func.func @returned(%w: !tq.packed<8x64xf32, #tq.dense<f16>>) -> tensor<8x64xf32> {
  // expected-error @+1 {{the values of a weight are used outside of tq.linear and tq.embed; no kernel materialises them}}
  %d = tq.dequant %w : !tq.packed<8x64xf32, #tq.dense<f16>> -> tensor<8x64xf32>
  return %d : tensor<8x64xf32>
}

// -----

// As an activation they are used, too.
func.func @multiplied(%w: !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>>) -> tensor<8x8xf32> {
  // expected-error @+1 {{the values of a weight are used outside of tq.linear and tq.embed; no kernel materialises them}}
  %d = tq.codebook_dequant %w : !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>> -> tensor<8x64xf32>
  %y = tq.linear %d, %w : (tensor<8x64xf32>, !tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 64>>) -> tensor<8x8xf32>
  return %y : tensor<8x8xf32>
}
