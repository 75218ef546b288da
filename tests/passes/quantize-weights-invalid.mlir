// RUN: not tq-opt --tq-quantize-weights="weights=q9" %s 2>&1 | FileCheck %s --check-prefix=CHOICE
// RUN: not tq-opt --tq-quantize-weights="weights=tq1" %s 2>&1 | FileCheck %s --check-prefix=CODEBOOK
// RUN: not tq-opt --tq-quantize-weights="weights=tq4 rotation=givens" %s 2>&1 | FileCheck %s --check-prefix=ROTATION
// RUN: not tq-opt --tq-quantize-weights="weights=tq4 group-size=48" %s 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not tq-opt --tq-quantize-weights="weights=tq4 attn-bits=5" %s 2>&1 | FileCheck %s --check-prefix=ATTN
// RUN: not tq-opt --tq-quantize-weights="weights=q4 mlp-bits=9" %s 2>&1 | FileCheck %s --check-prefix=MLP
// RUN: not tq-opt --tq-quantize-weights="weights=tq4 embed-bits=1" %s 2>&1 | FileCheck %s --check-prefix=EMBED
// RUN: not tq-opt --tq-quantize-weights="weights=tq4 head-bits=-1" %s 2>&1 | FileCheck %s --check-prefix=HEAD
// RUN: not tq-opt --tq-quantize-weights="weights=tq4 head-bits=4" %s 2>&1 | FileCheck %s --check-prefix=TIED
// RUN: not tq-opt --tq-quantize-weights="weights=f16 attn-bits=4" %s 2>&1 | FileCheck %s --check-prefix=FAMILY
// RUN: not tq-opt --tq-join-dequant --tq-quantize-weights="weights=tq4" %s 2>&1 | FileCheck %s --check-prefix=JOINED

// CHOICE: error: weights must be one of keep, f16, bf16, tq2, tq3, tq4, q2 .. q8, but is q9
// CODEBOOK: error: weights must be one of {{.*}}, but is tq1
// ROTATION: error: rotation must be hadamard or none, but is givens
// GROUP: error: group-size must be 16, 32, 64 or 128, but is 48
// ATTN: error: attn-bits must be 2 to 4 for weights tq4, but is 5
// MLP: error: mlp-bits must be 2 to 8 for weights q4, but is 9
// EMBED: error: embed-bits must be 2 to 8, but is 1
// HEAD: error: head-bits must be 2 to 8, but is -1
// TIED: error: head-bits has no effect here: the head is tied to the embedding; use embed-bits
// FAMILY: error: attn-bits needs weights tq2..tq4 or q2..q8, but weights is f16
// JOINED: error: reads @q directly; run --tq-quantize-weights before --tq-join-dequant

tq.weight @q role "attention" : !tq.packed<64x64xf32, #tq.dense<bf16>> from "layers.0.q"
func.func @forward(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = tq.get_weight @q : !tq.packed<64x64xf32, #tq.dense<bf16>>
  %d = tq.dequant %w : !tq.packed<64x64xf32, #tq.dense<bf16>> -> tensor<64x64xf32>
  %y = tq.linear %x, %d : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
