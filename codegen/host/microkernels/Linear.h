//===- Linear.h - Products of packed weights and activations ----*- C++ -*-===//
//
// Everything above the primitives of `Isa` (Vector.h). Two shapes:
//
//   few tokens    the codes are decoded in registers and multiplied at once; one pass over the weights (one token, int8 up
//                 to Isa::fusedLimit)
//   more tokens   a panel of at most 64 rows x Isa::columns* is decoded to the L1 (`scratch`), then tiles of
//                 tokens x rows run over it; scales are applied once per scale group, into the output tile
//
// Both do the same floating-point operations in the same order, so results do not depend on the number of tokens.
// Arguments such as kind, bits and group are constants once inlined; nothing here depends on that but speed.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_LINEAR_H
#define TQ_CODEGEN_HOST_MICROKERNELS_LINEAR_H

#include "codegen/host/microkernels/LinearF32.h"
#include "codegen/host/microkernels/LinearI16.h"
#include "codegen/host/microkernels/LinearI8.h"

extern "C" {

TQ_UK_INLINE void TQ_UK(linear_f32)(const void *w, const void *levels, const float *x, int64_t xRowBytes, int64_t m,
                                    int64_t k, int32_t kind, int32_t bits, int32_t group, int64_t nb, float *tile,
                                    void *scratch) {
  tq::uk::linearF32(w, levels, x, xRowBytes, m, k, kind, bits, group, nb, tile, scratch);
}

TQ_UK_INLINE void TQ_UK(linear_i8)(const void *w, const void *levels, const void *x, int64_t xRowBytes, int64_t m,
                                   int64_t k, int32_t kind, int32_t bits, int32_t group, int32_t sumGroup, int64_t nb,
                                   float *tile, void *scratch) {
  tq::uk::linearI8(w, levels, x, xRowBytes, m, k, kind, bits, group, sumGroup, nb, tile, scratch);
}

TQ_UK_INLINE void TQ_UK(linear_i16)(const void *w, const void *levels, const void *x, int64_t xRowBytes, int64_t m,
                                    int64_t k, int32_t kind, int32_t bits, int32_t group, int32_t sumGroup, int64_t nb,
                                    float *tile, void *scratch) {
  tq::uk::linearI16(w, levels, x, xRowBytes, m, k, kind, bits, group, sumGroup, nb, tile, scratch);
}

TQ_UK_INLINE void TQ_UK(decode_row)(const void *w, const void *levels, int64_t row, int64_t k, int32_t kind,
                                    int32_t bits, int32_t group, float *out) {
  tq::uk::decodeRow(w, levels, row, k, kind, bits, group, out);
}
}
#endif
