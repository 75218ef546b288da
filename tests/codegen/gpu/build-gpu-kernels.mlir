// One kernel of each skeleton: arguments are the bindings and the parameter block, blocks are 32 x simdgroups.
// RUN: tq-opt --tq-build-gpu-kernels %s | FileCheck %s
// RUN: tq-opt --tq-build-gpu-kernels --tq-verify-kernels %s -o /dev/null

!lw = !tq.packed<100x64xf32, #tq.layout<kind = "codebook", bits = 4, group = 64>>
!lf = !tq.packed<96x64xf32, #tq.layout<kind = "f16">>
!kv = !tq.kv<heads = 2, k = 32, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>

// CHECK-NOT: tq.kernel
// CHECK: gpu.module @kernels

// Two linears of one row: each lane reads 16 bytes of codes, partial sums meet in a butterfly, the GLU follows in the same lane.
// CHECK-LABEL: gpu.func @gate_up
// CHECK-SAME: memref<64xf32, #gpu.address_space<global>> {{{.*}}llvm.noalias, llvm.readonly, tq.name = "x"}
// CHECK-SAME: memref<1904xi32, #gpu.address_space<global>> {{{.*}}tq.name = "w"}
// CHECK-SAME: memref<16xf32, #gpu.address_space<global>> {{{.*}}tq.name = "levels"}
// CHECK-SAME: memref<112xf32, #gpu.address_space<global>> {llvm.align = 64 : i64, llvm.noalias, tq.name = "y"}
// CHECK-SAME: memref<3xi32, #gpu.address_space<global>> {{{.*}}tq.params}
// CHECK-SAME: workgroup({{.*}}memref<16xf32, #gpu.address_space<workgroup>>
// CHECK-SAME: known_block_size = array<i32: 32, 2, 1>
// CHECK-SAME: tq.comment
// CHECK: gpu.barrier
// CHECK: vector.load {{.*}} {alignment = 16 : i64} : memref<1904xi32, #gpu.address_space<global>>, vector<4xi32>
// CHECK: gpu.subgroup_reduce add {{.*}} uniform cluster(size = 8, stride = 4)
// CHECK: math.exp2
// CHECK: memref.store {{.*}} : memref<112xf32, #gpu.address_space<global>>
tq.kernel @gate_up skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>, %w: !lw, %v: !lw):
  %g = tq.linear %x, %w : (tensor<?x64xf32>, !lw) -> tensor<?x100xf32>
  %u = tq.linear %x, %v : (tensor<?x64xf32>, !lw) -> tensor<?x100xf32>
  %y = tq.glu silu %g, %u : tensor<?x100xf32>
  tq.yield %y : tensor<?x100xf32>
}

// Up to 8 rows: sums of all tokens pass through threadgroup memory; the number of tokens is a parameter.
// CHECK-LABEL: gpu.func @few_rows
// CHECK-SAME: workgroup({{.*}}memref<256xf32, #gpu.address_space<workgroup>>
// CHECK: memref.load {{.*}} : memref<3xi32, #gpu.address_space<global>>
// CHECK: scf.if
// CHECK: gpu.barrier
tq.kernel @few_rows skeleton "linear" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>, %w: !lf, %r: tensor<?x96xf32>):
  %l = tq.linear %x, %w : (tensor<?x64xf32>, !lf) -> tensor<?x96xf32>
  %y = arith.addf %r, %l : tensor<?x96xf32>
  tq.yield %y : tensor<?x96xf32>
}

// More rows: tiles in threadgroup memory, 8 x 8 matrices of f32.
// CHECK-LABEL: gpu.func @many_rows
// CHECK-SAME: known_block_size = array<i32: 32, 4, 1>
// CHECK-COUNT-8: gpu.subgroup_mma_compute
// CHECK: gpu.subgroup_mma_store_matrix
tq.kernel @many_rows skeleton "linear" {max_rows = 512 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>, %w: !lf):
  %l = tq.linear %x, %w : (tensor<?x64xf32>, !lf) -> tensor<?x96xf32>
  tq.yield %l : tensor<?x96xf32>
}

// A row in registers: decoded, normed, transformed by shuffles.
// CHECK-LABEL: gpu.func @embed_norm_rotate
// CHECK-SAME: private(
// CHECK: math.rsqrt
// CHECK: gpu.shuffle xor
tq.kernel @embed_norm_rotate skeleton "rowwise" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%table: !lf, %ids: tensor<?xi32>, %g: tensor<64xf32>, %s: tensor<64xf32>):
  %e = tq.embed %table, %ids : (!lf, tensor<?xi32>) -> tensor<?x64xf32>
  %n = tq.rms_norm %e, %g : tensor<64xf32> {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
  %r = tq.rotate %n, %s : tensor<64xf32> block 64 : tensor<?x64xf32> -> tensor<?x64xf32>
  tq.yield %e, %r : tensor<?x64xf32>, tensor<?x64xf32>
}

// Rope needs no memory of its own: whoever stores an element computes it. The pool is written, so it is not readonly.
// CHECK-LABEL: gpu.func @rope_append
// CHECK-SAME: {llvm.align = 64 : i64, llvm.noalias, tq.name = "pool"}
// CHECK-NOT: workgroup(
// CHECK: math.cos
// CHECK: memref.store {{.*}}xf16, #gpu.address_space<global>>
tq.kernel @rope_append skeleton "rowwise" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%pos: tensor<?xi32>, %f: tensor<16xf32>, %x: tensor<?x64xf32>, %s: !kv):
  %h = tq.reshape %x : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %cos, %sin = tq.rope_table %pos, %f {factor = 1.0 : f32} : (tensor<?xi32>, tensor<16xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>)
  %k = tq.rope %h, %cos, %sin : (tensor<?x2x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x2x32xf32>
  tq.kv_append %s, %k, %h, %pos : !kv, tensor<?x2x32xf32>, tensor<?x2x32xf32>, tensor<?xi32>
  tq.yield
}

// CHECK-LABEL: gpu.func @attend_split
// CHECK-SAME: known_block_size = array<i32: 32, 4, 1>
// CHECK: gpu.subgroup_reduce maxnumf
// CHECK: math.exp2
tq.kernel @attend_split skeleton "attention" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%q: tensor<?x4x32xf32>, %s: !kv, %pos: tensor<?xi32>):
  %p = tq.sdpa_split %q, %s, %pos {scale = 0.25 : f32} : (tensor<?x4x32xf32>, !kv, tensor<?xi32>) -> tensor<?x4x4x48xf32>
  tq.yield %p : tensor<?x4x4x48xf32>
}

// CHECK-LABEL: gpu.func @attend
tq.kernel @attend skeleton "attention" {max_rows = 512 : i64, rows = "n_tokens"} {
^bb0(%q: tensor<?x4x32xf32>, %s: !kv, %pos: tensor<?xi32>):
  %y = tq.sdpa %q, %s, %pos {scale = 0.25 : f32} : (tensor<?x4x32xf32>, !kv, tensor<?xi32>) -> tensor<?x4x32xf32>
  tq.yield %y : tensor<?x4x32xf32>
}

// A kernel is named after its op; `rotate` is a function of Metal.
// CHECK-LABEL: gpu.func @rotate_rows(
tq.kernel @rotate_rows skeleton "rowwise" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.rotate %x block 64 : tensor<?x64xf32> -> tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}
// CHECK-LABEL: gpu.func @rotate_rows2(
tq.kernel @rotate skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  %y = tq.rotate %x block 64 : tensor<?x64xf32> -> tensor<?x64xf32>
  tq.yield %y : tensor<?x64xf32>
}

// The whole threadgroup reads a row of logits; one barrier, and no float is compared.
// CHECK-LABEL: gpu.func @argmax_rows(
// CHECK-SAME: memref<1xi32, #gpu.address_space<global>>
// CHECK-SAME: workgroup(
// CHECK-SAME: known_block_size = array<i32: 32, 32, 1>
// CHECK-NOT: arith.cmpf
// CHECK: gpu.subgroup_reduce maxsi {{.*}} uniform : (i32) -> i32
// CHECK: gpu.subgroup_reduce minui {{.*}} uniform : (i32) -> i32
// CHECK: gpu.barrier
// CHECK-NOT: gpu.barrier
tq.kernel @argmax skeleton "sample" {max_rows = 1 : i64, rows = "n_out"} {
^bb0(%x: tensor<?x32000xf32>):
  %i = tq.argmax %x : (tensor<?x32000xf32>) -> tensor<?xi32>
  tq.yield %i : tensor<?xi32>
}

// A short row is that of one simdgroup, which needs no barrier. Values that nobody wants are not stored.
// CHECK-LABEL: gpu.func @top_k(
// CHECK-SAME: memref<128xi32, #gpu.address_space<global>>
// CHECK-SAME: known_block_size = array<i32: 32, 1, 1>
// CHECK-NOT: gpu.barrier
// CHECK: scf.while
// CHECK: gpu.shuffle idx
// CHECK-COUNT-1: memref.store
// CHECK-NOT: memref.store
tq.kernel @top_k skeleton "sample" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>):
  %v, %i = tq.top_k %x {k = 5 : i64} : (tensor<?x64xf32>) -> (tensor<?x5xf32>, tensor<?x5xi32>)
  tq.yield %i : tensor<?x5xi32>
}
