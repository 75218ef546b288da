//===- IsaAmx.h - AVX-512 with AMX int8 for long prompts --------*- C++ -*-===//
//
// A panel's [k-block][row][4] bytes are what tdpbsud takes as its second operand, so AMX needs no layout of its own. One tile
// product covers one scale group of 16 rows x 16 tokens; its 1 KB of sums goes through memory to be scaled with
// AVX-512, which is what bounds the speed. Everything else is AVX-512's.
//
// The process must have asked for tile data: arch_prctl(ARCH_REQ_XCOMP_PERM = 0x1023, 18).
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_ISAAMX_H
#define TQ_CODEGEN_HOST_MICROKERNELS_ISAAMX_H

#define TQ_UK_AMX
#include "codegen/host/microkernels/IsaAvx512.h"
#ifdef TQ_UK_PORTABLE
#include "codegen/host/microkernels/AmxShim.h"
#endif

namespace tq::uk {
namespace {

struct Isa : Avx512 {
  static constexpr bool hasTiles = true;
  /// Tokens and row blocks of one call of dotTiles.
  static constexpr int tileTokens = 32, tileBlocks = 2;

  struct alignas(64) TileConfig {
    uint8_t palette, startRow, reserved[14];
    uint16_t bytesPerRow[16];
    uint8_t rows[16];
  };
  /// Tiles 0..3 sums, 4 and 5 activations of 16 tokens, 6 and 7 weights of 16 rows.
  TQ_UK_FN void startTiles(int32_t group) {
    TileConfig c = {};
    c.palette = 1;
    for (int i = 0; i < 8; ++i) {
      c.bytesPerRow[i] = uint16_t(i == 4 || i == 5 ? group : 64);
      c.rows[i] = uint8_t(i >= 6 ? group / 4 : 16);
    }
    _tile_loadconfig(&c);
  }
  TQ_UK_FN void stopTiles() { _tile_release(); }

  /// out[32 tokens][32 rows] = dot products over one scale group; weights of a k-block are wStride bytes apart.
  TQ_UK_FN void dotTiles(const char *x, int64_t xStride, const uint8_t *w, int64_t wStride, int32_t *out) {
    _tile_loadd(4, x, xStride);
    _tile_loadd(6, w, wStride);
    _tile_zero(0);
    _tile_dpbsud(0, 4, 6);
    _tile_loadd(7, w + 64, wStride);
    _tile_zero(1);
    _tile_dpbsud(1, 4, 7);
    _tile_loadd(5, x + 16 * xStride, xStride);
    _tile_zero(2);
    _tile_dpbsud(2, 5, 6);
    _tile_zero(3);
    _tile_dpbsud(3, 5, 7);
    _tile_stored(0, out, 128);
    _tile_stored(1, out + 16, 128);
    _tile_stored(2, out + 16 * 32, 128);
    _tile_stored(3, out + 16 * 32 + 16, 128);
  }
};

} // namespace
} // namespace tq::uk
#endif
