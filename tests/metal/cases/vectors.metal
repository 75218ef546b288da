#include <metal_stdlib>
using namespace metal;

struct Scale {
  float factor;
  uint count;
};

static float4 widen(half4 h) { return float4(h); }

static float summed(thread const float *a, int count) {
  float s = 0.0f;
  for (int j = 0; j < count; ++j)
    s += a[j];
  return s;
}

// out = factor * in + in.wzyx, four halves at a time; threads beyond the end have nothing to do.
kernel void axpy(device const half4 *in [[buffer(0)]], device float4 *out [[buffer(1)]],
                 constant Scale &scale [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  if (i >= scale.count)
    return;
  float acc[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  float4 v = widen(in[i]);
  for (uint j = 0; j < 4; ++j)
    acc[j] += scale.factor * v[j];
  out[i] = float4(acc[0], acc[1], acc[2], acc[3]) + v.wzyx;
}

// Integer work: unpack nibbles, divide, shift by a variable amount.
kernel void nibbles(device const uint *in [[buffer(0)]], device int *out [[buffer(1)]],
                    device const uint *divisor [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  uint word = in[i / 8];
  int nibble = int(extract_bits(word, 4 * (i % 8), 4u)) - 8;
  int scaled = nibble * 1000 / int(divisor[i % 4]);
  out[i] = scaled + int(1u << (i % 8));
}

// A private array through a pointer, first to last.
kernel void sums(device const float *in [[buffer(0)]], device float *out [[buffer(1)]],
                 uint i [[thread_position_in_grid]]) {
  float acc[6];
  for (int j = 0; j < 6; ++j)
    acc[j] = in[i * 6 + j];
  out[i] = summed(acc, 6) + summed(&acc[2], 4);
}

// A histogram with threadgroup atomics, then device atomics.
kernel void histogram(device const uchar *in [[buffer(0)]], device atomic_uint *bins [[buffer(1)]],
                      constant uint &count [[buffer(2)]], uint gid [[thread_position_in_grid]],
                      uint tid [[thread_index_in_threadgroup]]) {
  threadgroup atomic_uint local_bins[16];
  if (tid < 16)
    atomic_store_explicit(&local_bins[tid], 0, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (gid < count)
    atomic_fetch_add_explicit(&local_bins[in[gid] & 15], 1, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (tid < 16)
    atomic_fetch_add_explicit(&bins[tid], atomic_load_explicit(&local_bins[tid], memory_order_relaxed),
                              memory_order_relaxed);
}

// Lanes exchange values in every way.
kernel void lanes(device const int *in [[buffer(0)]], device int *out [[buffer(1)]],
                  uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  int v = in[i];
  out[i * 8 + 0] = simd_shuffle_xor(v, 1);
  out[i * 8 + 1] = simd_shuffle_down(v, 4);
  out[i * 8 + 2] = simd_shuffle_up(v, 4);
  out[i * 8 + 3] = simd_broadcast(v, 7);
  out[i * 8 + 4] = simd_prefix_exclusive_sum(v);
  out[i * 8 + 5] = simd_shuffle(v, 31 - lane);
  out[i * 8 + 6] = quad_sum(v) + quad_broadcast(v, 2);
  out[i * 8 + 7] = simd_max(v) - simd_min(v);
}
