//===- AmxShim.h - The AMX functions in plain C++ ---------------*- C++ -*-===//
//
// For tests on CPUs without AMX. As strict as the hardware about the tile configuration: sizes come from it, and using a tile
// before _tile_loadconfig traps.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_AMXSHIM_H
#define TQ_CODEGEN_HOST_MICROKERNELS_AMXSHIM_H

#include <stdint.h>

namespace {

struct AmxState {
  bool configured;
  uint16_t bytesPerRow[8];
  uint8_t rows[8];
  uint8_t data[8][16][64];
};
thread_local AmxState amx;

inline void amxCheck(bool ok) {
  if (!ok)
    __builtin_trap();
}
inline void _tile_loadconfig(const void *config) {
  const uint8_t *c = (const uint8_t *)config;
  amxCheck(c[0] == 1 && c[1] == 0);
  amx = {};
  amx.configured = true;
  for (int i = 0; i < 8; ++i) {
    __builtin_memcpy(&amx.bytesPerRow[i], c + 16 + 2 * i, 2);
    amx.rows[i] = c[48 + i];
    amxCheck(amx.bytesPerRow[i] <= 64 && amx.rows[i] <= 16);
  }
}
inline void _tile_release() { amx.configured = false; }
inline void _tile_zero(int t) {
  amxCheck(amx.configured);
  __builtin_memset(amx.data[t], 0, sizeof(amx.data[t]));
}
inline void _tile_loadd(int t, const void *base, int64_t stride) {
  _tile_zero(t);
  for (int r = 0; r < amx.rows[t]; ++r)
    __builtin_memcpy(amx.data[t][r], (const char *)base + r * stride, amx.bytesPerRow[t]);
}
inline void _tile_stored(int t, void *base, int64_t stride) {
  amxCheck(amx.configured);
  for (int r = 0; r < amx.rows[t]; ++r)
    __builtin_memcpy((char *)base + r * stride, amx.data[t][r], amx.bytesPerRow[t]);
}
/// d += signed bytes of a x unsigned bytes of b.
inline void _tile_dpbsud(int d, int a, int b) {
  amxCheck(amx.configured && amx.rows[d] == amx.rows[a] && amx.bytesPerRow[d] == amx.bytesPerRow[b] &&
           amx.bytesPerRow[a] == 4 * amx.rows[b]);
  for (int m = 0; m < amx.rows[d]; ++m)
    for (int n = 0; n < amx.bytesPerRow[d] / 4; ++n) {
      int32_t sum;
      __builtin_memcpy(&sum, &amx.data[d][m][4 * n], 4);
      for (int k = 0; k < amx.bytesPerRow[a]; ++k)
        sum += (int8_t)amx.data[a][m][k] * (int32_t)amx.data[b][k / 4][4 * n + k % 4];
      __builtin_memcpy(&amx.data[d][m][4 * n], &sum, 4);
    }
}

} // namespace
#endif
