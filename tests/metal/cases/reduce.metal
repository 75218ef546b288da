#include <metal_stdlib>
using namespace metal;

// out[g] = sum over the threadgroup's slice, through a tree in threadgroup memory.
kernel void tree_sum(device const float *in [[buffer(0)]], device float *out [[buffer(1)]],
                     uint gid [[thread_position_in_grid]], uint tid [[thread_index_in_threadgroup]],
                     uint tg [[threadgroup_position_in_grid]], uint size [[threads_per_threadgroup]]) {
  threadgroup float part[256];
  part[tid] = in[gid];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint step = size / 2; step > 0; step /= 2) {
    if (tid < step)
      part[tid] += part[tid + step];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (tid == 0)
    out[tg] = part[0];
}

// Softmax of one row per threadgroup, with a simd reduction inside and threadgroup memory across simdgroups.
kernel void softmax(device const float *in [[buffer(0)]], device float *out [[buffer(1)]],
                    constant uint &columns [[buffer(2)]], uint row [[threadgroup_position_in_grid]],
                    uint tid [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]],
                    uint sg [[simdgroup_index_in_threadgroup]], uint sgs [[simdgroups_per_threadgroup]],
                    uint threads [[threads_per_threadgroup]]) {
  threadgroup float shared[32];
  device const float *x = in + row * columns;
  float most = -1e30f;
  for (uint i = tid; i < columns; i += threads)
    most = max(most, x[i]);
  most = simd_max(most);
  if (lane == 0)
    shared[sg] = most;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  most = simd_max(lane < sgs ? shared[lane] : -1e30f);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float sum = 0.0f;
  for (uint i = tid; i < columns; i += threads)
    sum += exp(x[i] - most);
  sum = simd_sum(sum);
  if (lane == 0)
    shared[sg] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  sum = simd_sum(lane < sgs ? shared[lane] : 0.0f);
  for (uint i = tid; i < columns; i += threads)
    out[row * columns + i] = exp(x[i] - most) / sum;
}
