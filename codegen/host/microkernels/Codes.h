//===- Codes.h - Packed codes and scales in registers ------------*- C++ -*-===//
//
// How the bytes of a superblock (dialect/encodings/Layout.h) become codes, 64 columns of 16 rows at a time.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_CODES_H
#define TQ_CODEGEN_HOST_MICROKERNELS_CODES_H

#include "codegen/host/microkernels/Vector.h"

namespace tq::uk {
namespace {

/// k-blocks in one decoding step: half a group of 64 columns, the period of the 3-bit triples.
inline constexpr int kHalfBlocks = 8;

/// Where in its byte the code of k-block i of 8 starts; 3-bit ones that halfIndices puts together: 0.
TQ_UK_FN int codeShift(int32_t bits, int i) {
  return bits == 2 ? i % 4 * 2 : bits == 3 ? (i < 4 ? i % 2 * 3 : 0) : bits == 4 ? i % 2 * 4 : 0;
}
/// That code in the low bits, unless a look-up that sees `indexBits` bits of its index reaches it where it is.
TQ_UK_FN u8x64 codeIndex(u8x64 v, int32_t bits, int i, int indexBits) {
  const int shift = codeShift(bits, i);
  return shift + bits <= indexBits ? v : shiftRight(v, shift);
}

/// Look-up indices of 8 k-blocks: the low `bits` bits are the code (see codeIndex), bits above are rubbish; k-blocks 6 and 7 at
/// 3 bits have the code in bits 0, 1 and 3 and rubbish in bit 2. Bits 6 and 8 give exact codes.
TQ_UK_FN void halfIndices(const uint8_t *codes, int32_t bits, int half, int indexBits, u8x64 (&out)[kHalfBlocks]) {
  if (bits == 2) {
    TQ_UNROLL for (int i = 0; i < 8; ++i) out[i] =
        codeIndex(load<u8x64>(codes + (half * 2 + i / 4) * 64), bits, i, indexBits);
  } else if (bits == 3) {
    u8x64 a = load<u8x64>(codes + half * 192), b = load<u8x64>(codes + half * 192 + 64),
          c = load<u8x64>(codes + half * 192 + 128);
    u8x64 c4 = shiftRight(c, 4);
    TQ_UNROLL for (int i = 0; i < 4; ++i) out[i] = codeIndex(i < 2 ? a : b, bits, i, indexBits);
    out[4] = c;
    out[5] = c4;
    out[6] = Isa::select((uint8_t)8, c, shiftRight(a, 6));
    out[7] = Isa::select((uint8_t)8, c4, shiftRight(b, 6));
  } else if (bits == 4) {
    TQ_UNROLL for (int i = 0; i < 8; ++i) out[i] =
        codeIndex(load<u8x64>(codes + (half * 4 + i / 2) * 64), bits, i, indexBits);
  } else if (bits == 6) {
    TQ_UNROLL for (int i = 0; i < 8; ++i) {
      u8x64 low = load<u8x64>(codes + (half * 4 + i / 2) * 64), high = load<u8x64>(codes + (8 + half * 2 + i / 4) * 64);
      u8x64 top = i % 4 == 0   ? (u8x64)((u16x32)high << (uint16_t)4)
                  : i % 4 == 1 ? (u8x64)((u16x32)high << (uint16_t)2)
                  : i % 4 == 2 ? high
                               : shiftRight(high, 2);
      out[i] = (shiftRight(low, i % 2 * 4) & (uint8_t)15) | (top & (uint8_t)0x30);
    }
  } else {
    TQ_UNROLL for (int i = 0; i < 8; ++i) out[i] = load<u8x64>(codes + (half * 8 + i) * 64);
  }
}

/// Exact codes of 8 k-blocks.
TQ_UK_FN void halfCodes(const uint8_t *codes, int32_t bits, int half, u8x64 (&out)[kHalfBlocks]) {
  halfIndices(codes, bits, half, /*indexBits=*/0, out);
  if (bits == 3) {
    TQ_UNROLL for (int i = 0; i < 6; ++i) out[i] &= (uint8_t)7;
    TQ_UNROLL for (int i = 6; i < 8; ++i) out[i] = (out[i] & (uint8_t)3) | (shiftRight(out[i], 1) & (uint8_t)4);
  } else if (bits < 6) {
    TQ_UNROLL for (int i = 0; i < 8; ++i) out[i] &= (uint8_t)(bits == 2 ? 3 : 15);
  }
}

TQ_UK_FN bool isCodebook(int32_t kind) { return kind == int32_t(Layout::Kind::Codebook); }
TQ_UK_FN bool isAffine(int32_t kind) { return kind == int32_t(Layout::Kind::Affine); }

/// 16 stored scales as f32.
TQ_UK_FN f32x16 loadScales(const uint8_t *p) { return loadWiden((const _Float16 *)p); }

/// Where the scales of group of 64 columns `half` (0 or 1) of a superblock start, and its codes.
struct Super {
  const uint8_t *scales, *biases, *codes;
};
TQ_UK_FN Super superHalf(const uint8_t *super, const Layout &l, int half) {
  int64_t perHalf = kGroupCols / l.group * kBlockRows * 2;
  bool affine = l.kind == Layout::Kind::Affine;
  return {super + half * perHalf, super + (affine ? 2 * perHalf : 0) + half * perHalf,
          super + l.headerBytes() + half * l.groupBytes()};
}

/// The line at p is read now: asks for those that follow at the two distances.
TQ_UK_FN void prefetchLine(const uint8_t *p) {
  if constexpr (Isa::prefetchFar > 0)
    __builtin_prefetch(p + Isa::prefetchFar, 0, 2);
  if constexpr (Isa::prefetchNear > 0)
    __builtin_prefetch(p + Isa::prefetchNear, 0, 3);
}
TQ_UK_FN void prefetchAhead(const uint8_t *p, int64_t bytes) {
  TQ_UNROLL for (int64_t i = 0; i < bytes; i += 64) prefetchLine(p + i);
}

/// Unpacks 64 columns of codes to one byte vector per k-block.
TQ_UK_FN void unpackCodes(const uint8_t *codes, int32_t bits, uint8_t *out) {
  TQ_UNROLL for (int h = 0; h < 2; ++h) {
    u8x64 v[kHalfBlocks];
    halfCodes(codes, bits, h, v);
    TQ_UNROLL for (int i = 0; i < kHalfBlocks; ++i) store(out + (h * kHalfBlocks + i) * 64, v[i]);
  }
}

} // namespace
} // namespace tq::uk
#endif
