// RUN: tq-opt %s --tq-build-gpu-kernels --emit=msl | FileCheck %s
// RUN: tq-opt %s --tq-build-gpu-kernels --emit=msl -o %t.metal && metal-check %t.metal
// RUN: tq-opt %s --tq-build-gpu-kernels --emit=ptx | FileCheck %s --check-prefix=PTX
// A matvec over a 3-bit codebook as the linear skeleton builds it: no code straddles two words, and each word is read once.

// CHECK:      // linear: nx2048, 2048x2048 codebook of 3 bits, groups of 64 -> nx2048
// CHECK-NEXT: // addf: nx2048, nx2048 -> nx2048
// CHECK-NEXT: {{\[\[}}max_total_threads_per_threadgroup(128)]]
// CHECK-NEXT: kernel void linear_cb3g64_n2048k2048_addf(device const float* x {{\[\[}}buffer(0)]],
// CHECK-NEXT:                                           device const uint* w {{\[\[}}buffer(1)]],
// CHECK-NEXT:                                           device const float* levels {{\[\[}}buffer(2)]],
// CHECK-NEXT:                                           device const float* residual {{\[\[}}buffer(3)]],
// CHECK-NEXT:                                           device float* y {{\[\[}}buffer(4)]],
// CHECK-NEXT:                                           constant int* params {{\[\[}}buffer(5)]],
// CHECK-NEXT:                                           uint group {{\[\[}}threadgroup_position_in_grid]],
// CHECK-NEXT:                                           uint simdgroup {{\[\[}}simdgroup_index_in_threadgroup]],
// CHECK-NEXT:                                           uint lane {{\[\[}}thread_index_in_simdgroup]]) {
// CHECK-NEXT:   alignas(16) threadgroup float lut[16];
// CHECK-NEXT:   alignas(16) threadgroup float sums[64];
// CHECK-NEXT:   uint tid = simdgroup * 32u + lane;
// CHECK-NEXT:   uint part = simdgroup % 4u;
// CHECK-NEXT:   if (tid < 16u) {
// CHECK-NEXT:     lut[tid] = levels[tid];
// CHECK-NEXT:   }
// CHECK-NEXT:   threadgroup_barrier(mem_flags::mem_threadgroup);
// CHECK-NEXT:   uint block = group + simdgroup / 4u;
// CHECK-NEXT:   uint row0 = lane % 8u * 2u;
// CHECK-NEXT:   uint unit = lane / 8u;
// CHECK-NEXT:   float2 acc = float2(0.0f);
// CHECK-NEXT:   for (uint span = part; span < 16u; span += 4u) {
// A superblock is 832 bytes: f16 scales of 2 groups x 16 rows, then codes of 128 columns.
// CHECK-NEXT:     uint base = block * 3328u + span * 208u;
// CHECK-NEXT:     uint v0 = base + 16u;
// A unit of 32 columns is three byte vectors, A, B and C, of 64 bytes each; a lane has 2 rows of them.
// CHECK-NEXT:     uint2 words = *(device const uint2*)(w + v0 + unit * 48u + row0);
// CHECK-NEXT:     uint2 words1 = *(device const uint2*)(w + v0 + unit * 48u + row0 + 16u);
// CHECK-NEXT:     uint2 words2 = *(device const uint2*)(w + v0 + unit * 48u + row0 + 32u);
// CHECK-NEXT:     float2 scale = float2(as_type<half2>(w[base + unit / 2u * 8u + row0 / 2u]));
// CHECK-NEXT:     uint k0 = span * 128u + unit * 32u;
// CHECK-NEXT:     float4 x0 = *(device const float4*)(x + k0);
// CHECK-NEXT:     float4 x4 = *(device const float4*)(x + k0 + 4u);
// k-blocks 0 and 1 lie in A at bits 0 and 3,
// CHECK-NEXT:     uint2 code = words & uint2(7u);
// CHECK-NEXT:     uint2 code_1 = words >> uint2(8u) & uint2(7u);
// CHECK-NEXT:     float2 dot_1 = fma(float2(lut[code_1.x], lut[code_1.y]), float2(x0.y), float2(lut[code.x], lut[code.y]) * float2(x0.x));
// CHECK-NEXT:     uint2 code_2 = words >> uint2(16u) & uint2(7u);
// CHECK-NEXT:     uint2 code_3 = words >> uint2(24u) & uint2(7u);
// CHECK-NEXT:     float2 dot_2 = fma(float2(lut[code_3.x], lut[code_3.y]), float2(x0.w), fma(float2(lut[code_2.x], lut[code_2.y]), float2(x0.z), dot_1));
// CHECK-NEXT:     uint2 code_4 = words >> uint2(3u) & uint2(7u);
// CHECK-NEXT:     uint2 code_5 = words >> uint2(11u) & uint2(7u);
// CHECK-NEXT:     float2 dot_3 = fma(float2(lut[code_5.x], lut[code_5.y]), float2(x4.y), fma(float2(lut[code_4.x], lut[code_4.y]), float2(x4.x), dot_2));
// CHECK-NEXT:     uint2 code_6 = words >> uint2(19u) & uint2(7u);
// CHECK-NEXT:     uint2 code_7 = words >> uint2(27u) & uint2(7u);
// CHECK-NEXT:     float2 dot_4 = fma(float2(lut[code_7.x], lut[code_7.y]), float2(x4.w), fma(float2(lut[code_6.x], lut[code_6.y]), float2(x4.z), dot_3));
// CHECK-NEXT:     uint v1 = k0 + 8u;
// CHECK-NEXT:     float4 x0_1 = *(device const float4*)(x + v1);
// CHECK-NEXT:     float4 x4_1 = *(device const float4*)(x + v1 + 4u);
// 2 and 3 in B,
// CHECK-NEXT:     uint2 code_8 = words1 & uint2(7u);
// CHECK-NEXT:     uint2 code_9 = words1 >> uint2(8u) & uint2(7u);
// CHECK-NEXT:     float2 dot_5 = fma(float2(lut[code_9.x], lut[code_9.y]), float2(x0_1.y), float2(lut[code_8.x], lut[code_8.y]) * float2(x0_1.x));
// CHECK-NEXT:     uint2 code_10 = words1 >> uint2(16u) & uint2(7u);
// CHECK-NEXT:     uint2 code_11 = words1 >> uint2(24u) & uint2(7u);
// CHECK-NEXT:     float2 dot_6 = fma(float2(lut[code_11.x], lut[code_11.y]), float2(x0_1.w), fma(float2(lut[code_10.x], lut[code_10.y]), float2(x0_1.z), dot_5));
// CHECK-NEXT:     uint2 code_12 = words1 >> uint2(3u) & uint2(7u);
// CHECK-NEXT:     uint2 code_13 = words1 >> uint2(11u) & uint2(7u);
// CHECK-NEXT:     float2 dot_7 = fma(float2(lut[code_13.x], lut[code_13.y]), float2(x4_1.y), fma(float2(lut[code_12.x], lut[code_12.y]), float2(x4_1.x), dot_6));
// CHECK-NEXT:     uint2 code_14 = words1 >> uint2(19u) & uint2(7u);
// CHECK-NEXT:     uint2 code_15 = words1 >> uint2(27u) & uint2(7u);
// CHECK-NEXT:     float2 dot_8 = fma(float2(lut[code_15.x], lut[code_15.y]), float2(x4_1.w), fma(float2(lut[code_14.x], lut[code_14.y]), float2(x4_1.z), dot_7));
// CHECK-NEXT:     uint v2 = k0 + 16u;
// CHECK-NEXT:     float4 x0_2 = *(device const float4*)(x + v2);
// CHECK-NEXT:     float4 x4_2 = *(device const float4*)(x + v2 + 4u);
// 4 and 5 in C at bits 0 and 4,
// CHECK-NEXT:     uint2 code_16 = words2 & uint2(7u);
// CHECK-NEXT:     uint2 code_17 = words2 >> uint2(8u) & uint2(7u);
// CHECK-NEXT:     float2 dot_9 = fma(float2(lut[code_17.x], lut[code_17.y]), float2(x0_2.y), float2(lut[code_16.x], lut[code_16.y]) * float2(x0_2.x));
// CHECK-NEXT:     uint2 code_18 = words2 >> uint2(16u) & uint2(7u);
// CHECK-NEXT:     uint2 code_19 = words2 >> uint2(24u) & uint2(7u);
// CHECK-NEXT:     float2 dot_10 = fma(float2(lut[code_19.x], lut[code_19.y]), float2(x0_2.w), fma(float2(lut[code_18.x], lut[code_18.y]), float2(x0_2.z), dot_9));
// CHECK-NEXT:     uint2 code_20 = words2 >> uint2(4u) & uint2(7u);
// CHECK-NEXT:     uint2 code_21 = words2 >> uint2(12u) & uint2(7u);
// CHECK-NEXT:     float2 dot_11 = fma(float2(lut[code_21.x], lut[code_21.y]), float2(x4_2.y), fma(float2(lut[code_20.x], lut[code_20.y]), float2(x4_2.x), dot_10));
// CHECK-NEXT:     uint2 code_22 = words2 >> uint2(20u) & uint2(7u);
// CHECK-NEXT:     uint2 code_23 = words2 >> uint2(28u) & uint2(7u);
// CHECK-NEXT:     float2 dot_12 = fma(float2(lut[code_23.x], lut[code_23.y]), float2(x4_2.w), fma(float2(lut[code_22.x], lut[code_22.y]), float2(x4_2.z), dot_11));
// CHECK-NEXT:     uint v3 = k0 + 24u;
// CHECK-NEXT:     float4 x0_3 = *(device const float4*)(x + v3);
// CHECK-NEXT:     float4 x4_3 = *(device const float4*)(x + v3 + 4u);
// 6 and 7 in the upper two bits of A and B and in bits 3 and 7 of C.
// CHECK-NEXT:     uint2 code_24 = (words >> uint2(6u) & uint2(3u)) | (words2 >> uint2(1u) & uint2(4u));
// CHECK-NEXT:     uint2 code_25 = (words >> uint2(14u) & uint2(3u)) | (words2 >> uint2(9u) & uint2(4u));
// CHECK-NEXT:     float2 dot_13 = fma(float2(lut[code_25.x], lut[code_25.y]), float2(x0_3.y), float2(lut[code_24.x], lut[code_24.y]) * float2(x0_3.x));
// CHECK-NEXT:     uint2 code_26 = (words >> uint2(22u) & uint2(3u)) | (words2 >> uint2(17u) & uint2(4u));
// CHECK-NEXT:     uint2 code_27 = (words >> uint2(30u) & uint2(3u)) | (words2 >> uint2(25u) & uint2(4u));
// CHECK-NEXT:     float2 dot_14 = fma(float2(lut[code_27.x], lut[code_27.y]), float2(x0_3.w), fma(float2(lut[code_26.x], lut[code_26.y]), float2(x0_3.z), dot_13));
// CHECK-NEXT:     uint2 code_28 = (words1 >> uint2(6u) & uint2(3u)) | (words2 >> uint2(5u) & uint2(4u));
// CHECK-NEXT:     uint2 code_29 = (words1 >> uint2(14u) & uint2(3u)) | (words2 >> uint2(13u) & uint2(4u));
// CHECK-NEXT:     float2 dot_15 = fma(float2(lut[code_29.x], lut[code_29.y]), float2(x4_3.y), fma(float2(lut[code_28.x], lut[code_28.y]), float2(x4_3.x), dot_14));
// CHECK-NEXT:     uint2 code_30 = (words1 >> uint2(22u) & uint2(3u)) | (words2 >> uint2(21u) & uint2(4u));
// CHECK-NEXT:     uint2 code_31 = (words1 >> uint2(30u) & uint2(3u)) | (words2 >> uint2(29u) & uint2(4u));
// CHECK-NEXT:     float2 dot_16 = fma(float2(lut[code_31.x], lut[code_31.y]), float2(x4_3.w), fma(float2(lut[code_30.x], lut[code_30.y]), float2(x4_3.z), dot_15));
// CHECK-NEXT:     acc = fma(dot_16, scale, fma(dot_12, scale, fma(dot_8, scale, fma(dot_4, scale, acc))));
// CHECK-NEXT:   }
// Units meet in a butterfly of fixed order, the four simdgroups of a block of rows in threadgroup memory; the residual is added there.
// CHECK-NEXT:   float sum = acc.x;
// CHECK-NEXT:   sum += simd_shuffle_xor(sum, 8u);
// CHECK-NEXT:   sum += simd_shuffle_xor(sum, 16u);
// CHECK-NEXT:   float sum_1 = acc.y;
// CHECK-NEXT:   sum_1 += simd_shuffle_xor(sum_1, 8u);
// CHECK-NEXT:   sum_1 += simd_shuffle_xor(sum_1, 16u);
// CHECK-NEXT:   if (lane < 16u) {
// CHECK-NEXT:     sums[simdgroup * 16u + lane % 8u * 2u + lane / 8u] = lane / 8u % 2u == 1u ? sum_1 : sum;
// CHECK-NEXT:   }
// CHECK-NEXT:   threadgroup_barrier(mem_flags::mem_threadgroup);
// CHECK-NEXT:   uint row = block * 16u + lane;
// CHECK-NEXT:   if (lane < 16u) {
// CHECK-NEXT:     for (uint token = part; token < 1u; token += 4u) {
// CHECK-NEXT:       uint first = simdgroup / 4u * 4u;
// CHECK-NEXT:       float v4 = sums[(first + token) * 16u + lane] + sums[(first + 1u + token) * 16u + lane] + sums[(first + 2u + token) * 16u + lane];
// CHECK-NEXT:       y[token * 2048u + row] = residual[token * 2048u + row] + (v4 + sums[(first + 3u + token) * 16u + lane]);
// CHECK-NEXT:     }
// CHECK-NEXT:   }
// CHECK-NEXT: }

// PTX:     .visible .entry linear_cb3g64_n2048k2048_addf(
// PTX:     .maxntid 32, 4, 1
// PTX-NOT: .local
// PTX:     ld.global.nc.v2
// PTX:     shfl.sync.bfly.b32
// PTX-NOT: .local
// PTX:     ret;

!w = !tq.packed<2048x2048xf32, #tq.layout<kind = "codebook", bits = 3, group = 64>>
tq.kernel @linear_cb3g64_n2048k2048_addf skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x2048xf32>, %w: !w, %h: tensor<?x2048xf32>):
  %l = tq.linear %x, %w : (tensor<?x2048xf32>, !w) -> tensor<?x2048xf32>
  %y = arith.addf %h, %l : tensor<?x2048xf32>
  tq.yield %y : tensor<?x2048xf32>
}
