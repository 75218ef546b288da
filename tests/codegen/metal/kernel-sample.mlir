// RUN: tq-opt %s --tq-build-gpu-kernels --emit=msl | FileCheck %s
// RUN: tq-opt %s --tq-build-gpu-kernels --emit=msl -o %t.metal && metal-check %t.metal
// RUN: tq-opt %s --tq-build-gpu-kernels --emit=ptx | FileCheck %s --check-prefix=PTX
// The sampling kernels of codegen/gpu/Sample.cpp. Floats are compared as integers in their order: no NaN, no infinity for fast
// math to lose.

// CHECK:      // argmax: nx32000 -> n
// CHECK-NEXT: {{\[\[}}max_total_threads_per_threadgroup(1024)]]
// CHECK-NEXT: kernel void argmax_rows(device const float* x {{\[\[}}buffer(0)]],
// CHECK-NEXT:                         device uint* y {{\[\[}}buffer(1)]],
// CHECK-NEXT:                         constant int* params {{\[\[}}buffer(2)]],
// CHECK-NEXT:                         uint simdgroup {{\[\[}}simdgroup_index_in_threadgroup]],
// CHECK-NEXT:                         uint lane {{\[\[}}thread_index_in_simdgroup]]) {
// CHECK-NEXT:   alignas(16) threadgroup uint keys[32];
// CHECK-NEXT:   alignas(16) threadgroup uint indices[32];
// CHECK-NEXT:   uint top0 = 2147483648u;
// CHECK-NEXT:   uint top1 = 2147483647u;
// CHECK-NEXT:   for (uint block = simdgroup * 128u; block < 32000u; block += 4096u) {
// CHECK-NEXT:     uint element = block + lane * 4u;
// CHECK-NEXT:     float4 logits = *(device const float4*)(x + element);
// CHECK-NEXT:     uint bits = as_type<uint>(logits.x);
// CHECK-NEXT:     uint size = bits & 2147483647u;
// CHECK-NEXT:     uint key = int(size) > 2139095040 ? 2155872256u : int(bits) < 0 ? 0u - size : size;
// CHECK-NEXT:     uint bits_1 = as_type<uint>(logits.y);
// CHECK-NEXT:     uint size_1 = bits_1 & 2147483647u;
// CHECK-NEXT:     uint key_1 = int(size_1) > 2139095040 ? 2155872256u : int(bits_1) < 0 ? 0u - size_1 : size_1;
// CHECK-NEXT:     uint bits_2 = as_type<uint>(logits.z);
// CHECK-NEXT:     uint size_2 = bits_2 & 2147483647u;
// CHECK-NEXT:     uint key_2 = int(size_2) > 2139095040 ? 2155872256u : int(bits_2) < 0 ? 0u - size_2 : size_2;
// CHECK-NEXT:     uint bits_3 = as_type<uint>(logits.w);
// CHECK-NEXT:     uint size_3 = bits_3 & 2147483647u;
// CHECK-NEXT:     uint key_3 = int(size_3) > 2139095040 ? 2155872256u : int(bits_3) < 0 ? 0u - size_3 : size_3;
// CHECK-NEXT:     bool v0 = int(key) > int(top0);
// CHECK-NEXT:     uint v1 = v0 ? key : top0;
// CHECK-NEXT:     bool v2 = int(key_1) > int(v1);
// CHECK-NEXT:     uint v3 = v2 ? key_1 : v1;
// CHECK-NEXT:     bool v4 = int(key_2) > int(v3);
// CHECK-NEXT:     uint v5 = v4 ? key_2 : v3;
// CHECK-NEXT:     bool v6 = int(key_3) > int(v5);
// CHECK-NEXT:     top0 = v6 ? key_3 : v5;
// CHECK-NEXT:     top1 = v6 ? element + 3u : v4 ? element + 2u : v2 ? element + 1u : v0 ? element : top1;
// CHECK-NEXT:   }
// CHECK-NEXT:   uint best = top0;
// CHECK-NEXT:   best = uint(max(int(best), int(simd_shuffle_xor(best, 1u))));
// CHECK-NEXT:   best = uint(max(int(best), int(simd_shuffle_xor(best, 2u))));
// CHECK-NEXT:   best = uint(max(int(best), int(simd_shuffle_xor(best, 4u))));
// CHECK-NEXT:   best = uint(max(int(best), int(simd_shuffle_xor(best, 8u))));
// CHECK-NEXT:   best = uint(max(int(best), int(simd_shuffle_xor(best, 16u))));
// CHECK-NEXT:   uint first = top0 == best ? top1 : 2147483647u;
// CHECK-NEXT:   first = min(first, simd_shuffle_xor(first, 1u));
// CHECK-NEXT:   first = min(first, simd_shuffle_xor(first, 2u));
// CHECK-NEXT:   first = min(first, simd_shuffle_xor(first, 4u));
// CHECK-NEXT:   first = min(first, simd_shuffle_xor(first, 8u));
// CHECK-NEXT:   first = min(first, simd_shuffle_xor(first, 16u));
// CHECK-NEXT:   if (lane == 0u) {
// CHECK-NEXT:     keys[simdgroup] = best;
// CHECK-NEXT:     indices[simdgroup] = first;
// CHECK-NEXT:   }
// CHECK-NEXT:   threadgroup_barrier(mem_flags::mem_threadgroup);
// CHECK-NEXT:   if (simdgroup == 0u) {
// CHECK-NEXT:     uint v7 = keys[lane];
// CHECK-NEXT:     uint v8 = indices[lane];
// CHECK-NEXT:     uint best_1 = v7;
// CHECK-NEXT:     best_1 = uint(max(int(best_1), int(simd_shuffle_xor(best_1, 1u))));
// CHECK-NEXT:     best_1 = uint(max(int(best_1), int(simd_shuffle_xor(best_1, 2u))));
// CHECK-NEXT:     best_1 = uint(max(int(best_1), int(simd_shuffle_xor(best_1, 4u))));
// CHECK-NEXT:     best_1 = uint(max(int(best_1), int(simd_shuffle_xor(best_1, 8u))));
// CHECK-NEXT:     best_1 = uint(max(int(best_1), int(simd_shuffle_xor(best_1, 16u))));
// CHECK-NEXT:     uint first_1 = v7 == best_1 ? v8 : 2147483647u;
// CHECK-NEXT:     first_1 = min(first_1, simd_shuffle_xor(first_1, 1u));
// CHECK-NEXT:     first_1 = min(first_1, simd_shuffle_xor(first_1, 2u));
// CHECK-NEXT:     first_1 = min(first_1, simd_shuffle_xor(first_1, 4u));
// CHECK-NEXT:     first_1 = min(first_1, simd_shuffle_xor(first_1, 8u));
// CHECK-NEXT:     first_1 = min(first_1, simd_shuffle_xor(first_1, 16u));
// CHECK-NEXT:     if (lane == 0u) {
// CHECK-NEXT:       y[0] = first_1;
// CHECK-NEXT:     }
// CHECK-NEXT:   }
// CHECK-NEXT: }

// A list of 40 in two registers a lane; the ragged end of the row is masked; 32 lists are merged after the only barrier.
// CHECK:      // top_k: nx50257 -> nx40, nx40
// CHECK-NEXT: {{\[\[}}max_total_threads_per_threadgroup(1024)]]
// CHECK-NEXT: kernel void top_k(device const float* x {{\[\[}}buffer(0)]],
// CHECK-NEXT:                   device float* y {{\[\[}}buffer(1)]],
// CHECK-NEXT:                   device uint* y1 {{\[\[}}buffer(2)]],
// CHECK-NEXT:                   constant int* params {{\[\[}}buffer(3)]],
// CHECK-NEXT:                   uint group {{\[\[}}threadgroup_position_in_grid]],
// CHECK-NEXT:                   uint simdgroup {{\[\[}}simdgroup_index_in_threadgroup]],
// CHECK-NEXT:                   uint lane {{\[\[}}thread_index_in_simdgroup]]) {
// CHECK-NEXT:   alignas(16) threadgroup uint keys[1280];
// CHECK-NEXT:   alignas(16) threadgroup uint indices[1280];
// CHECK-NEXT:   uint list0 = 2147483648u;
// CHECK-NEXT:   uint list1 = 2147483648u;
// CHECK-NEXT:   uint list2 = 2147483647u;
// CHECK-NEXT:   uint list3 = 2147483647u;
// CHECK-NEXT:   uint list4 = 2147483648u;
// CHECK-NEXT:   for (uint block = simdgroup * 128u; block < 50257u; block += 4096u) {
// CHECK-NEXT:     uint element = block + lane * 4u;
// CHECK-NEXT:     float4 logits = *(device const float4*)(x + group * 50272u + min(element, 50256u));
// CHECK-NEXT:     uint bits = as_type<uint>(logits.x);
// CHECK-NEXT:     uint size = bits & 2147483647u;
// CHECK-NEXT:     uint bits_1 = as_type<uint>(logits.y);
// CHECK-NEXT:     uint size_1 = bits_1 & 2147483647u;
// CHECK-NEXT:     uint v0 = element + 1u;
// CHECK-NEXT:     uint bits_2 = as_type<uint>(logits.z);
// CHECK-NEXT:     uint size_2 = bits_2 & 2147483647u;
// CHECK-NEXT:     uint v1 = element + 2u;
// CHECK-NEXT:     uint bits_3 = as_type<uint>(logits.w);
// CHECK-NEXT:     uint size_3 = bits_3 & 2147483647u;
// CHECK-NEXT:     uint v2 = element + 3u;
// CHECK-NEXT:     uint list0_1 = list0;
// CHECK-NEXT:     uint list1_1 = list1;
// CHECK-NEXT:     uint list2_1 = list2;
// CHECK-NEXT:     uint list3_1 = list3;
// CHECK-NEXT:     uint list4_1 = list4;
// CHECK-NEXT:     uint key = element < 50257u ? (int(size) > 2139095040 ? 2155872256u : int(bits) < 0 ? 0u - size : size) : 2147483648u;
// CHECK-NEXT:     uint key_1 = element + 1u < 50257u ? (int(size_1) > 2139095040 ? 2155872256u : int(bits_1) < 0 ? 0u - size_1 : size_1) : 2147483648u;
// CHECK-NEXT:     uint key_2 = element + 2u < 50257u ? (int(size_2) > 2139095040 ? 2155872256u : int(bits_2) < 0 ? 0u - size_2 : size_2) : 2147483648u;
// CHECK-NEXT:     uint key_3 = element + 3u < 50257u ? (int(size_3) > 2139095040 ? 2155872256u : int(bits_3) < 0 ? 0u - size_3 : size_3) : 2147483648u;
// CHECK-NEXT:     uint candidate;
// CHECK-NEXT:     uint found;
// CHECK-NEXT:     while (true) {
// CHECK-NEXT:       bool v3 = int(key_3) > int(list4_1);
// CHECK-NEXT:       bool v4 = int(key_2) > int(list4_1);
// CHECK-NEXT:       bool v5 = int(key_1) > int(list4_1);
// CHECK-NEXT:       bool v6 = int(key) > int(list4_1);
// CHECK-NEXT:       uint first = v6 ? element : v5 ? v0 : v4 ? v1 : v3 ? v2 : 2147483647u;
// CHECK-NEXT:       first = min(first, simd_shuffle_xor(first, 1u));
// CHECK-NEXT:       first = min(first, simd_shuffle_xor(first, 2u));
// CHECK-NEXT:       first = min(first, simd_shuffle_xor(first, 4u));
// CHECK-NEXT:       first = min(first, simd_shuffle_xor(first, 8u));
// CHECK-NEXT:       first = min(first, simd_shuffle_xor(first, 16u));
// CHECK-NEXT:       candidate = v6 ? key : v5 ? key_1 : v4 ? key_2 : v3 ? key_3 : 2147483648u;
// CHECK-NEXT:       found = first;
// CHECK-NEXT:       if (!(first != 2147483647u)) {
// CHECK-NEXT:         break;
// CHECK-NEXT:       }
// CHECK-NEXT:       uint added = simd_shuffle(candidate, found >> 2u & 31u);
// CHECK-NEXT:       uint v7 = lane + 31u & 31u;
// CHECK-NEXT:       bool v8 = lane == 0u;
// CHECK-NEXT:       uint v9 = simd_shuffle(list0_1, v7);
// CHECK-NEXT:       uint v10 = simd_shuffle(list1_1, v7);
// CHECK-NEXT:       uint v11 = simd_shuffle(list2_1, v7);
// CHECK-NEXT:       uint v12 = simd_shuffle(list3_1, v7);
// CHECK-NEXT:       uint v13 = v8 ? 2147483647u : v9;
// CHECK-NEXT:       bool v14 = int(added) > int(list0_1);
// CHECK-NEXT:       bool v15 = int(added) > int(v13);
// CHECK-NEXT:       uint v16 = v8 ? v9 : v10;
// CHECK-NEXT:       bool v17 = int(added) > int(list1_1);
// CHECK-NEXT:       bool v18 = int(added) > int(v16);
// CHECK-NEXT:       uint v19 = v17 ? (v18 ? v16 : added) : list1_1;
// CHECK-NEXT:       uint v20 = simd_shuffle(v19, 7u);
// CHECK-NEXT:       list0_1 = v14 ? (v15 ? v13 : added) : list0_1;
// CHECK-NEXT:       list1_1 = v19;
// CHECK-NEXT:       list2_1 = v14 ? (v15 ? (v8 ? found : v11) : found) : list2_1;
// CHECK-NEXT:       list3_1 = v17 ? (v18 ? (v8 ? v11 : v12) : found) : list3_1;
// CHECK-NEXT:       list4_1 = v20;
// CHECK-NEXT:       key = element == found ? 2147483648u : key;
// CHECK-NEXT:       key_1 = v0 == found ? 2147483648u : key_1;
// CHECK-NEXT:       key_2 = v1 == found ? 2147483648u : key_2;
// CHECK-NEXT:       key_3 = v2 == found ? 2147483648u : key_3;
// CHECK-NEXT:     }
// CHECK-NEXT:     list0 = list0_1;
// CHECK-NEXT:     list1 = list1_1;
// CHECK-NEXT:     list2 = list2_1;
// CHECK-NEXT:     list3 = list3_1;
// CHECK-NEXT:     list4 = list4_1;
// CHECK-NEXT:   }
// CHECK-NEXT:   uint slot = simdgroup * 40u + lane;
// CHECK-NEXT:   keys[slot] = list0;
// CHECK-NEXT:   indices[slot] = list2;
// CHECK-NEXT:   uint v21 = lane + 32u;
// CHECK-NEXT:   uint slot_1 = simdgroup * 40u + v21;
// CHECK-NEXT:   if (v21 < 40u) {
// CHECK-NEXT:     keys[slot_1] = list1;
// CHECK-NEXT:     indices[slot_1] = list3;
// CHECK-NEXT:   }
// CHECK-NEXT:   threadgroup_barrier(mem_flags::mem_threadgroup);
// CHECK-NEXT:   if (simdgroup == 0u) {
// CHECK-NEXT:     uint head = lane * 40u;
// CHECK-NEXT:     uint head0 = keys[head];
// CHECK-NEXT:     uint head1 = indices[head];
// CHECK-NEXT:     uint head2 = head;
// CHECK-NEXT:     for (uint rank = 0u; rank < 40u; rank += 1u) {
// CHECK-NEXT:       uint best = head0;
// CHECK-NEXT:       best = uint(max(int(best), int(simd_shuffle_xor(best, 1u))));
// CHECK-NEXT:       best = uint(max(int(best), int(simd_shuffle_xor(best, 2u))));
// CHECK-NEXT:       best = uint(max(int(best), int(simd_shuffle_xor(best, 4u))));
// CHECK-NEXT:       best = uint(max(int(best), int(simd_shuffle_xor(best, 8u))));
// CHECK-NEXT:       best = uint(max(int(best), int(simd_shuffle_xor(best, 16u))));
// CHECK-NEXT:       uint first = head0 == best ? head1 : 2147483647u;
// CHECK-NEXT:       first = min(first, simd_shuffle_xor(first, 1u));
// CHECK-NEXT:       first = min(first, simd_shuffle_xor(first, 2u));
// CHECK-NEXT:       first = min(first, simd_shuffle_xor(first, 4u));
// CHECK-NEXT:       first = min(first, simd_shuffle_xor(first, 8u));
// CHECK-NEXT:       first = min(first, simd_shuffle_xor(first, 16u));
// CHECK-NEXT:       uint v22;
// CHECK-NEXT:       uint v23;
// CHECK-NEXT:       uint v24;
// CHECK-NEXT:       if (head1 == first) {
// CHECK-NEXT:         y[group * 48u + rank] = as_type<float>(int(best) < 0 ? 0u - best | 2147483648u : best);
// CHECK-NEXT:         y1[group * 48u + rank] = first;
// CHECK-NEXT:         uint next = min(head2 + 1u, 1279u);
// CHECK-NEXT:         v22 = keys[next];
// CHECK-NEXT:         v23 = indices[next];
// CHECK-NEXT:         v24 = next;
// CHECK-NEXT:       } else {
// CHECK-NEXT:         v22 = head0;
// CHECK-NEXT:         v23 = head1;
// CHECK-NEXT:         v24 = head2;
// CHECK-NEXT:       }
// CHECK-NEXT:       head0 = v22;
// CHECK-NEXT:       head1 = v23;
// CHECK-NEXT:       head2 = v24;
// CHECK-NEXT:     }
// CHECK-NEXT:   }
// CHECK-NEXT: }

// The lists stay in registers, and shuffles need no memory.
// PTX:     .visible .entry argmax_rows(
// PTX:     .maxntid 32, 32, 1
// PTX:     ld.global.nc.v4
// PTX:     shfl.sync.bfly.b32
// PTX:     bar.sync
// PTX:     .visible .entry top_k(
// PTX-NOT: .local
// PTX:     shfl.sync.idx.b32
// PTX:     ret;

tq.kernel @argmax skeleton "sample" {max_rows = 1 : i64, rows = "n_out"} {
^bb0(%x: tensor<?x32000xf32>):
  %i = tq.argmax %x : (tensor<?x32000xf32>) -> tensor<?xi32>
  tq.yield %i : tensor<?xi32>
}

tq.kernel @top_k skeleton "sample" {max_rows = 8 : i64, rows = "n_out"} {
^bb0(%x: tensor<?x50257xf32>):
  %v, %i = tq.top_k %x {k = 40 : i64} : (tensor<?x50257xf32>) -> (tensor<?x40xf32>, tensor<?x40xi32>)
  tq.yield %v, %i : tensor<?x40xf32>, tensor<?x40xi32>
}
