// Encodings, bases and types survive print and parse; widths and groups are checked.
// RUN: tq-opt -split-input-file -verify-diagnostics %s | FileCheck %s

// CHECK-LABEL: func @encodings
func.func @encodings(
    // CHECK: !tq.packed<64xf32, #tq.dense<f32>>
    %a: !tq.packed<64xf32, #tq.dense<f32>>,
    // CHECK: !tq.packed<8x64xf32, #tq.dense<bf16>>
    %b: !tq.packed<8x64xf32, #tq.dense<bf16>>,
    // CHECK: !tq.packed<8x64xf32, #tq.codebook<bits = 3, group = 32>, @r>
    %c: !tq.packed<8x64xf32, #tq.codebook<bits = 3, group = 32>, @r>,
    // CHECK: !tq.packed<8x64xf32, #tq.codebook<bits = 2, group = 64, ternary = true>>
    %d: !tq.packed<8x64xf32, #tq.codebook<bits = 2, group = 64, ternary = true>>,
    // CHECK: !tq.packed<4x8x64xf32, #tq.affine<bits = 6, group = 16>>
    %e: !tq.packed<4x8x64xf32, #tq.affine<bits = 6, group = 16>>,
    // CHECK: !tq.packed<8x64xf32, #tq.layout<kind = "affine", bits = 8, group = 64>>
    %f: !tq.packed<8x64xf32, #tq.layout<kind = "affine", bits = 8, group = 64>>,
    // CHECK: !tq.packed<8x64xf32, #tq.layout<kind = "f16">>
    %g: !tq.packed<8x64xf32, #tq.layout<kind = "f16">>,
    // CHECK: tensor<?x64xf32, #tq.basis<@r>>
    %h: tensor<?x64xf32, #tq.basis<@r>>,
    // CHECK: tensor<?x64xf32, #tq.int<bits = 16, sums = 32>>
    %i: tensor<?x64xf32, #tq.int<bits = 16, sums = 32>>) {
  return
}

// -----

// expected-error @+1 {{dense weights are f32, f16 or bf16, not 'f64'}}
func.func private @dense(!tq.packed<8x64xf32, #tq.dense<f64>>)

// -----

// expected-error @+1 {{a codebook has 1 to 4 bits, not 5}}
func.func private @codebook_bits(!tq.packed<8x64xf32, #tq.codebook<bits = 5, group = 64>>)

// -----

// expected-error @+1 {{ternary codes take 2 bits, not 3}}
func.func private @ternary(!tq.packed<8x64xf32, #tq.codebook<bits = 3, group = 64, ternary = true>>)

// -----

// expected-error @+1 {{group must be a multiple of 16, but is 24}}
func.func private @codebook_group(!tq.packed<8x48xf32, #tq.codebook<bits = 3, group = 24>>)

// -----

// expected-error @+1 {{affine codes have 2 to 8 bits, not 1}}
func.func private @affine_bits(!tq.packed<8x64xf32, #tq.affine<bits = 1, group = 64>>)

// -----

// expected-error @+1 {{group must be a multiple of 16, but is 0}}
func.func private @affine_group(!tq.packed<8x64xf32, #tq.affine<bits = 4, group = 0>>)

// -----

// expected-error @+1 {{unknown layout kind 'mx'; there are f32, f16, bf16, codebook, affine}}
func.func private @layout_kind(!tq.packed<8x64xf32, #tq.layout<kind = "mx", bits = 4, group = 64>>)

// -----

// expected-error @+1 {{no codebook layout of 8 bits}}
func.func private @layout_bits(!tq.packed<8x64xf32, #tq.layout<kind = "codebook", bits = 8, group = 64>>)

// -----

// expected-error @+1 {{layout group must be 16, 32 or 64, but is 128}}
func.func private @layout_group(!tq.packed<8x128xf32, #tq.layout<kind = "codebook", bits = 4, group = 128>>)

// -----

// expected-error @+1 {{a basis belongs to f32 values, not 'f16'}}
func.func private @basis_element(tensor<?x64xf16, #tq.basis<@r>>)

// -----

// expected-error @+1 {{a basis needs a static last axis}}
func.func private @basis_axis(tensor<?x?xf32, #tq.basis<@r>>)

// -----

// expected-error @+1 {{activations are quantised to 8 or 16 bits, not 4}}
func.func private @int_bits(tensor<?x64xf32, #tq.int<bits = 4, sums = 64>>)

// -----

// expected-error @+1 {{sums must span 16, 32 or 64 columns, not 128}}
func.func private @int_sums(tensor<?x64xf32, #tq.int<bits = 8, sums = 128>>)

// -----

// expected-error @+1 {{quantised activations are [tokens, columns] of f32 values}}
func.func private @int_shape(tensor<?x4x64xf32, #tq.int<bits = 8, sums = 64>>)

// -----

// expected-error @+1 {{expected an encoding of weights, but got #tq.basis<@r>}}
func.func private @packed_encoding(!tq.packed<8x64xf32, #tq.basis<@r>>)

// -----

// expected-error @+1 {{a weight has 1 to 3 axes, not 4}}
func.func private @packed_axes(!tq.packed<2x2x8x64xf32, #tq.dense<f16>>)

// -----

// expected-error @+1 {{a weight has positive sizes, but got 0}}
func.func private @packed_empty(!tq.packed<0x64xf32, #tq.dense<f16>>)

// -----

// expected-error @+1 {{the values of a weight are f32 (the encoding says how they are stored), not 'f16'}}
func.func private @packed_element(!tq.packed<8x64xf16, #tq.dense<f16>>)

// -----

// expected-error @+1 {{group size 48 does not divide the inner dimension 64}}
func.func private @packed_group(!tq.packed<8x64xf32, #tq.codebook<bits = 4, group = 48>>)

// -----

// expected-error @+1 {{heads and widths must be positive, but are 0, 64, 64}}
func.func private @kv(!tq.kv<heads = 0, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>)
