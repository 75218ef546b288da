// Widths that a group does not divide, or that are too narrow, stay float: the model compiles all the same.
// RUN: tq-opt --tq-quantize-weights="weights=tq4" -verify-diagnostics %s | FileCheck %s

// CHECK: tq.weight @odd role "mlp" : !tq.packed<64x80xf32, #tq.dense<bf16>> from "odd"{{$}}
// expected-warning @+1 {{odd stays float: group size 64 does not divide its width 80}}
tq.weight @odd role "mlp" : !tq.packed<64x80xf32, #tq.dense<bf16>> from "odd"
// CHECK: tq.weight @narrow role "attention" : !tq.packed<64x16xf32, #tq.dense<bf16>> from "narrow"{{$}}
// expected-warning @+1 {{narrow stays float: its width 16 is under 32}}
tq.weight @narrow role "attention" : !tq.packed<64x16xf32, #tq.dense<bf16>> from "narrow"
// CHECK: tq.weight @wide role "attention" : !tq.packed<64x64xf32, #tq.codebook
tq.weight @wide role "attention" : !tq.packed<64x64xf32, #tq.dense<bf16>> from "wide"
