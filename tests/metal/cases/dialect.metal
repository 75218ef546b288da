// Legal MSL of many kinds: what engines write must compile. Run by LanguageTest.
#include <metal_stdlib>
#include <metal_simdgroup>
#include <metal_atomic>
#include <metal_math>
using namespace metal;

#define SIMD_SIZE 32
#define FOR_UNROLL(x) _Pragma("clang loop unroll(full)") for (x)

typedef half4 h4;
using f4 = float4;
typedef struct {
  uint n;
  float scale;
  packed_float3 offset;
} Args;

enum Mode : uint { kPlain = 0, kDouble = 1 };

constant constexpr int kTile = 4;
constant float4 kTable[2] = {float4(1, 2, 3, 4), float4(0.5)};
constant uchar kBytes[4] = {1, 2, 3, 4};

struct Block {
  half d;
  uchar qs[16];
};

template <typename T> struct Pair {
  T first, second;
  T sum() const { return first + second; }
};

template <typename T, int N> inline T total(const thread vec<T, N> &v) {
  T s = T(0);
  for (int i = 0; i < N; ++i)
    s += v[i];
  return s;
}

template <typename T4, typename U4> METAL_FUNC T4 convert_to(U4 v) { return (T4)v; }
template <typename T> static T twice(T x) { return x * T(2); }
template <typename type4x4> void unpack(device const Block *b, short il, thread type4x4 &reg) {
  device const uchar *q = b->qs + 8 * il;
  for (int i = 0; i < 16; ++i)
    reg[i / 4][i % 4] = b->d * ((q[i / 2] >> (4 * (i % 2))) & 0xF);
}
static inline void store(device float *p, float v) { *p = v; }
static inline float load(constant float *p) { return *p; }
static float read(threadgroup const float *p, uint i) { return p[i]; }

[[kernel, max_total_threads_per_threadgroup(64)]] void everything(
    device const half *in [[buffer(0)]], device float *out [[buffer(1)]], constant Args &args [[buffer(2)]],
    device const Block *blocks [[buffer(3)]], device bfloat *brain [[buffer(4)]], constant bool &flag [[buffer(5)]],
    device packed_float3 *packed [[buffer(6)]], threadgroup float *scratch [[threadgroup(0)]],
    ushort3 gid3 [[thread_position_in_grid]], uint3 tg [[threadgroup_position_in_grid]],
    ushort3 tp [[thread_position_in_threadgroup]], uint tid [[thread_index_in_threadgroup]],
    ushort lane [[thread_index_in_simdgroup]], uint sg [[simdgroup_index_in_threadgroup]],
    uint3 ntg [[threadgroups_per_grid]], uint3 tpt [[threads_per_threadgroup]], uint3 grid [[threads_per_grid]],
    uint nsg [[simdgroups_per_threadgroup]], uint width [[threads_per_simdgroup]],
    uint quad [[quadgroup_index_in_threadgroup]], uint ql [[thread_index_in_quadgroup]]) {
  const Args mine = args;
  uint i = gid3.x;
  float r = 0.0;
  threadgroup float fixed_part[SIMD_SIZE * 2];

  // vectors: constructors, conversions, swizzles, comparisons
  float4 v = float4(1, 2, float2(3, 4));
  v = metal::float4(v.xy, v.zw);
  v.xy = v.yx;
  v.rgb *= 2.0f;
  h4 h = h4(v);
  half2 h2 = half2(h.x, 1.0h);
  f4 f = f4(h) + (float4)h + convert_to<float4>(h);
  v = max(v, 0.5f) + clamp(f, 0.0f, 8.0f) + mix(v, f, 0.5f) + kTable[i & 1];
  v = select(v, f, v < f);
  bool4 less = v < f;
  if (any(less) || all(v > 0.0f))
    r += 1;
  r += dot(v, f) + length(v.xyz) + total(v) + twice(r) + vec<float, 4>(1, 2, 3, 4).w;
  int4 iv = int4(v) / 2;
  uint3 uv = uint3(1, 2, 3) << 1u;
  uchar4 bytes = as_type<uchar4>(0x01020304u);
  r += iv.x + uv.y + bytes.w + as_type<float>(0x3f800000u);
  float4x4 m;
  unpack(blocks, 0, m);
  r += (m * v).x + m[1][2];
  packed[i] = packed_float3(v.xyz);
  r += packed[i].x + float3(packed[i]).y + mine.offset[1];
  array<float, 4> arr;
  for (int j = 0; j < kTile; ++j)
    arr[j] = float(j);
  r += arr[2] + arr.size();
  Pair<float> pair = {1.0f, 2.0f};
  r += pair.sum();

  // scalars
  half s = 0.5h;
  s = fma(s, 2.0h, s) * 2;
  bfloat b = bfloat(r);
  brain[i] = b * b + 1.0bf;
  r += pow(2.0f, 3) + precise::exp(0.1f) + fast::tanh(0.2f) + rsqrt(4.0f) + log2(8.0f) + fabs(-1.0f);
  r += popcount(i) + clz(i | 1u) + ctz(8u) + extract_bits(i, 2, 3) + insert_bits(i, 1u, 2, 3) + rotate(i, 3u);
  r += isnan(r) ? FLT_MAX : M_PI_F;
  r += flag ? 1.0f : -INFINITY * 0.0f + 2;
  Mode mode = kDouble;
  switch (mode) {
  case kPlain:
    break;
  default:
    r *= 1.5;
  }

  // lanes
  scratch[tid] = r;
  fixed_part[tid] = r;
  threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
  r += read(scratch, (tid + 1) % (tpt.x * tpt.y)) + fixed_part[tid ^ 1];
  simdgroup_barrier(mem_flags::mem_none);
  r += simd_sum(r) + simd_product(1.0f) + simd_shuffle_rotate_down(r, 1) + simd_broadcast_first(r);
  r += simd_and(7u) + simd_or(i) + simd_xor(i) + simd_prefix_inclusive_sum(1u);
  r += simd_all(true) + simd_any(false) + quad_max(r) + quad_shuffle_xor(r, 1);
  r += popcount((uint)(ulong)simd_ballot(lane < 4)) + (simd_is_first() ? 1 : 0);
  float4 vs = simd_sum(v);
  r += vs.x + simd_shuffle_and_fill_up(r, 0.0f, 2);

  FOR_UNROLL (int j = 0; j < 4; ++j)
    r += kBytes[j];
#pragma unroll
  for (int j = 0; j < 2; ++j)
    r += j;
  do
    r -= 1;
  while (r > 1e30f);
  store(out + i, r + load(&args.scale) + sg + nsg + width + quad + ql + tp.x + tg.x + ntg.x + grid.x);
}
