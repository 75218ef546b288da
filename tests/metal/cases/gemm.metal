#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;

struct Shape {
  uint m;
  uint n;
  uint k;
};

// C = A B: a 16x16 tile per simdgroup, operands through threadgroup memory.
[[max_total_threads_per_threadgroup(32)]]
kernel void gemm(device const half *a [[buffer(0)]], device const half *b [[buffer(1)]],
                 device float *c [[buffer(2)]], constant Shape &s [[buffer(3)]],
                 uint2 tg [[threadgroup_position_in_grid]], ushort lane [[thread_index_in_simdgroup]]) {
  threadgroup half as[16 * 16];
  threadgroup half bs[16 * 16];
  simdgroup_float8x8 acc[2][2];
  for (ushort i = 0; i < 2; ++i)
    for (ushort j = 0; j < 2; ++j)
      acc[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  for (uint k0 = 0; k0 < s.k; k0 += 16) {
    for (ushort i = lane; i < 256; i += 32) {
      as[i] = a[(tg.y * 16 + i / 16) * s.k + k0 + i % 16];
      bs[i] = b[(k0 + i / 16) * s.n + tg.x * 16 + i % 16];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (ushort kk = 0; kk < 16; kk += 8) {
      simdgroup_half8x8 left[2], right[2];
      for (ushort i = 0; i < 2; ++i) {
        simdgroup_load(left[i], as + i * 8 * 16 + kk, 16);
        simdgroup_load(right[i], bs + kk * 16 + i * 8, 16);
      }
      for (ushort i = 0; i < 2; ++i)
        for (ushort j = 0; j < 2; ++j)
          simdgroup_multiply_accumulate(acc[i][j], left[i], right[j], acc[i][j]);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (ushort i = 0; i < 2; ++i)
    for (ushort j = 0; j < 2; ++j)
      simdgroup_store(acc[i][j], c + (tg.y * 16 + i * 8) * s.n + tg.x * 16 + j * 8, s.n);
}
