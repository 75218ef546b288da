//===- Vector.h - Lane types of the linear micro-kernels --------*- C++ -*-===//
//
// All kernels speak 64-byte vectors: 16 rows x 4 bytes, one k-block of Layout.h. AVX-512 holds one in a register, AVX2 in
// two, NEON in four; the compiler splits them. Whatever has an exact spelling in vector extensions is written here
// once; what has not (table look-ups, byte and word dot products) is a member of `Isa`, see Isa*.h:
//
//   prefetchFar, Near    how far ahead of the read position weights are prefetched to the L2 and to the L1, 0 = not at all
//   panelBlocks          row blocks that share one tile of accumulators (register budget), 1 or 4
//   tokensI8/I16/F32     tokens of the largest tile
//   fusedLimit           int8: up to so many tokens do without a panel, tokensFused at a time
//   columnsI8/I16/F32    columns of a decoded panel of 64 rows, so that it stays in the L1 (f32: multiple of 64, others of 128)
//
//   ByteTable            byteTable(16 entries); lookup(table, index): only the low byteIndexBits (4 or 6) of an index byte count;
//                        shiftedTable(table, n), with 6: for an index whose code starts at bit n
//   select(bits, a, b)   per byte: those bits of a, the others of b
//   FloatTable           the same for f32 from 32-bit indices; `small`: the table has at most 8 entries
//   byteLevels/Step/TwiceOffset/Max   which of the LevelTable's bytes an instruction set multiplies:
//                        level ~ (byte - twiceOffset / 2) * step
//   flipWideCodes        8-bit codes must be multiplied as signed bytes (code ^ 0x80)
//   Partial              a sum of `run` dot products that may be narrower than 32 bits:
//                        begin(acc), multiplyAdd<flipped>(partial, bytes, x), end(acc, partial); maxRun(max byte, flipped)
//   WordTable, expand    16-bit levels of a k-block, in the order the instruction set likes (two vectors)
//   WordSum, addWords    their dot product with 4 activations, wordSum(...) gives rows in order
//   storePairs, dotPair  the same for panels: two columns of 16 rows in 64 bytes
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_VECTOR_H
#define TQ_CODEGEN_HOST_MICROKERNELS_VECTOR_H

// Everything must be inlined by force, sizes too: LLVM does not inline a -ffreestanding function ("no-builtins") into a
// caller without that attribute unless it is always_inline, and without it no loop below has a constant trip count.
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#include "dialect/encodings/Layout.h"
#pragma clang attribute pop
#include "codegen/host/microkernels/Microkernels.h"
#include "codegen/host/microkernels/VectorMath.h"

/// Sizes are constants once a kernel is inlined, so these loops disappear.
#define TQ_UNROLL _Pragma("clang loop unroll(full)")
#define TQ_NO_UNROLL _Pragma("clang loop unroll(disable)")

namespace tq::uk {

using u8x16 = uint8_t __attribute__((ext_vector_type(16)));
using u8x64 = uint8_t __attribute__((ext_vector_type(64)));
using s16x16 = int16_t __attribute__((ext_vector_type(16)));
using u16x16 = uint16_t __attribute__((ext_vector_type(16)));
using s16x32 = int16_t __attribute__((ext_vector_type(32)));
using u16x32 = uint16_t __attribute__((ext_vector_type(32)));

/// Bytes shifted as 16-bit words (no CPU shifts bytes): bits of the upper byte arrive in the lower one's top.
TQ_UK_FN u8x64 shiftRight(u8x64 v, int n) { return (u8x64)((u16x32)v >> (uint16_t)n); }

/// The 4 bytes (or 2 words) of consecutive activations in every 32-bit lane.
TQ_UK_FN i32x16 broadcast32(const void *p) {
  int32_t x;
  __builtin_memcpy(&x, p, 4);
  return i32x16(x);
}

/// A table for indices of `bits` bits, repeated so that the free upper bits of a 4-bit index do not matter. `second` is for the
/// two codes of a 3-bit triple whose third bit sits at bit 3.
TQ_UK_FN u8x16 repeatTable(u8x16 v, int32_t bits, bool second) {
  if (bits == 2)
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
  if (bits == 3 && second)
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7);
  if (bits == 3)
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
  return v;
}
TQ_UK_FN s16x16 repeatTable(s16x16 v, int32_t bits, bool second) {
  if (bits == 2)
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
  if (bits == 3 && second)
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7);
  if (bits == 3)
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
  return v;
}

} // namespace tq::uk
#endif
