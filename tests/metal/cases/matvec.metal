#include <metal_stdlib>
using namespace metal;

struct Params {
  uint rows;
  uint columns;
};

constant float kCodebook[8] = {-1.75f, -1.0f, -0.5f, -0.25f, 0.25f, 0.5f, 1.0f, 1.75f};

static inline float decode(uint word, uint i, threadgroup const float *table) {
  return table[(word >> (3 * i)) & 7u];
}

static inline float total(float v) { return simd_sum(v); }

// y = W x with eight 3-bit codes to a word; two simdgroups, a row each.
kernel void matvec(device const uint *w [[buffer(0)]], device const float *x [[buffer(1)]],
                   device float *y [[buffer(2)]], constant Params &p [[buffer(3)]],
                   threadgroup float *table [[threadgroup(0)]], uint tg [[threadgroup_position_in_grid]],
                   uint tid [[thread_index_in_threadgroup]], uint sg [[simdgroup_index_in_threadgroup]],
                   uint lane [[thread_index_in_simdgroup]]) {
  if (tid < 8)
    table[tid] = kCodebook[tid];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const uint row = tg * 2 + sg;
  const uint words = p.columns / 8;
  float sum = 0.0f;
  for (uint b = lane; b < words; b += 32) {
    uint word = w[row * words + b];
    for (uint i = 0; i < 8; ++i)
      sum = fma(decode(word, i, table), x[b * 8 + i], sum);
  }
  sum = simd_sum(sum);
  if (lane == 0)
    y[row] = sum;
}
