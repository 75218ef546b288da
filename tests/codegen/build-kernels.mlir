// Kernels of each skeleton: loops over tasks around calls of micro-kernels, and a wrapper with the package's ABI.
// RUN: tq-opt --tq-build-kernels %s | FileCheck %s

!lw = !tq.packed<100x64xf32, #tq.layout<kind = "codebook", bits = 4, group = 64>>
!lf = !tq.packed<96x64xf32, #tq.layout<kind = "f16">>
!kv = !tq.kv<heads = 2, k = 32, v = 32, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
#i8 = #tq.int<bits = 8, sums = 64>

// CHECK-NOT: tq.kernel

// A task of one token is a block of 16 rows of the weight: of 100 rows, 7 tasks. Its tile is on the stack. The epilogue runs over
// vectors of 16.
// CHECK-LABEL: func.func private @gate.body
// CHECK-SAME: (%[[X:.*]]: !llvm.ptr {llvm.noalias}, %[[W:[a-z0-9]+]]: !llvm.ptr {llvm.noalias}, %[[LEVELS:[a-z0-9]+]]: !llvm.ptr {llvm.noalias}, %[[V:[a-z0-9]+]]: !llvm.ptr {llvm.noalias}, %[[VLEVELS:[a-z0-9]+]]: !llvm.ptr {llvm.noalias}, %[[Y:[a-z0-9]+]]: !llvm.ptr {llvm.noalias}, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %[[BEGIN:.*]]: i64, %[[END:.*]]: i64)
// CHECK-COUNT-2: llvm.alloca
// CHECK: scf.for
// CHECK: call @tq_linear_i8({{.*}}%[[LEVELS]], %[[X]]
// CHECK: call @tq_linear_i8({{.*}}%[[VLEVELS]], %[[X]]
// CHECK: scf.for
// CHECK: math.exp %{{.*}} : vector<16xf32>
// CHECK: llvm.store %{{.*}} : vector<16xf32>, !llvm.ptr
// CHECK-NOT: call @tq_linear_i8
// CHECK: return
// The wrapper loads the bindings: 8 bytes each.
// CHECK-LABEL: func.func @gate(
// CHECK-SAME: %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64) attributes {tq.scratch_bytes = {{[0-9]+}} : i64}
// CHECK-COUNT-6: llvm.load {{.*}} -> !llvm.ptr
// CHECK: call @gate.body
tq.kernel @gate skeleton "linear" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32, #i8>, %w: !lw, %v: !lw):
  %g = tq.linear %x, %w : (tensor<?x64xf32, #i8>, !lw) -> tensor<?x100xf32>
  %u = tq.linear %x, %v : (tensor<?x64xf32, #i8>, !lw) -> tensor<?x100xf32>
  %y = tq.glu silu %g, %u : tensor<?x100xf32>
  tq.yield %y : tensor<?x100xf32>
}

// Of several tokens: a task is 64 rows of the weight, the last one what is left; the tile is in the worker's scratch, the rows are
// read from the parameters.
// CHECK-LABEL: func.func private @up.body
// CHECK-NOT: llvm.alloca
// CHECK: call @{{.*}}linear_f32
// CHECK: arith.addf %{{.*}}, %{{.*}} : vector<16xf32>
// CHECK-LABEL: func.func @up(
tq.kernel @up skeleton "linear" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%x: tensor<?x64xf32>, %w: !lf, %r: tensor<?x96xf32>):
  %l = tq.linear %x, %w : (tensor<?x64xf32>, !lf) -> tensor<?x96xf32>
  %y = arith.addf %r, %l : tensor<?x96xf32>
  tq.yield %y : tensor<?x96xf32>
}

// Rows: one op after the other on a whole row, intermediate rows in scratch.
// CHECK-LABEL: func.func private @rows.body
// CHECK: scf.for
// CHECK: call @{{.*}}decode_row
// CHECK: call @{{.*}}rms_norm
// CHECK: call @{{.*}}rotate
// CHECK: call @{{.*}}quantize_i8
// CHECK-LABEL: func.func @rows(
tq.kernel @rows skeleton "rowwise" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%table: !lf, %ids: tensor<?xi32>, %g: tensor<64xf32>, %s: tensor<64xf32>):
  %e = tq.embed %table, %ids : (!lf, tensor<?xi32>) -> tensor<?x64xf32>
  %n = tq.rms_norm %e, %g : tensor<64xf32> {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
  %r = tq.rotate %n, %s : tensor<64xf32> block 64 : tensor<?x64xf32> -> tensor<?x64xf32>
  %q = tq.quantize %r : tensor<?x64xf32> -> tensor<?x64xf32, #i8>
  tq.yield %e, %q : tensor<?x64xf32>, tensor<?x64xf32, #i8>
}

// CHECK-LABEL: func.func private @positions.body
// CHECK: call @{{.*}}rope_table
// CHECK: call @{{.*}}rope
// CHECK: call @{{.*}}kv_append
// CHECK-LABEL: func.func @positions(
tq.kernel @positions skeleton "rowwise" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%pos: tensor<?xi32>, %f: tensor<16xf32>, %x: tensor<?x64xf32>, %s: !kv):
  %h = tq.reshape %x : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %cos, %sin = tq.rope_table %pos, %f {factor = 1.0 : f32} : (tensor<?xi32>, tensor<16xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>)
  %k = tq.rope %h, %cos, %sin : (tensor<?x2x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x2x32xf32>
  tq.kv_append %s, %k, %h, %pos : !kv, tensor<?x2x32xf32>, tensor<?x2x32xf32>, tensor<?xi32>
  tq.yield
}

// The last rows are read in place: n_tokens - n_out + r.
// CHECK-LABEL: func.func private @take.body
// CHECK: arith.subi
// CHECK: call @{{.*}}rms_norm
// CHECK-LABEL: func.func @take(
tq.kernel @take skeleton "rowwise" {max_rows = 8 : i64, rows = "n_out"} {
^bb0(%x: tensor<?x64xf32>):
  %t = tq.take_rows %x : tensor<?x64xf32> -> tensor<?x64xf32>
  %n = tq.rms_norm %t {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> tensor<?x64xf32>
  tq.yield %n : tensor<?x64xf32>
}

// Prefill: 8 tokens of a KV head a task, its splits in order.
// CHECK-LABEL: func.func private @attention.body
// CHECK: arith.remui
// CHECK: call @{{.*}}sdpa_split
// CHECK: call @{{.*}}sdpa_merge
// CHECK: call @{{.*}}sdpa_finish
// CHECK-LABEL: func.func @attention(
tq.kernel @attention skeleton "attention" {max_rows = 8 : i64, rows = "n_tokens"} {
^bb0(%q: tensor<?x4x32xf32>, %s: !kv, %pos: tensor<?xi32>):
  %y = tq.sdpa %q, %s, %pos {scale = 1.0 : f32} : (tensor<?x4x32xf32>, !kv, tensor<?xi32>) -> tensor<?x4x32xf32>
  tq.yield %y : tensor<?x4x32xf32>
}

// Decode: a split of a KV head a task; a window leaves earlier splits out. The merge runs by rows, in the order of the splits.
// CHECK-LABEL: func.func private @split.body
// CHECK: scf.if
// CHECK: scf.if
// CHECK: call @{{.*}}sdpa_split
// CHECK-NOT: sdpa_merge
// CHECK-LABEL: func.func @split(
tq.kernel @split skeleton "attention" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%q: tensor<?x4x32xf32>, %s: !kv, %pos: tensor<?xi32>):
  %y = tq.sdpa_split %q, %s, %pos {scale = 1.0 : f32, window = 300 : i64} : (tensor<?x4x32xf32>, !kv, tensor<?xi32>) -> tensor<?x4x4x48xf32>
  tq.yield %y : tensor<?x4x4x48xf32>
}
// CHECK-LABEL: func.func private @merge.body
// CHECK: call @{{.*}}sdpa_merge
// CHECK: call @{{.*}}sdpa_finish
tq.kernel @merge skeleton "rowwise" {max_rows = 1 : i64, rows = "n_tokens"} {
^bb0(%p: tensor<?x4x4x48xf32>, %pos: tensor<?xi32>):
  %y = tq.sdpa_merge %p, %pos : (tensor<?x4x4x48xf32>, tensor<?xi32>) -> tensor<?x4x32xf32>
  tq.yield %y : tensor<?x4x32xf32>
}
