//===- KernelCostTest.cpp - Costs against counting by hand ----------------===//

#include "codegen/metal/KernelCost.h"
#include "dialect/TQ.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace tq;

namespace {

/// The cost of the one kernel in `body`: arguments %x (64 f32, read), %y (64 f32, written), 64 threads.
KernelCost cost(const std::string &body, const std::string &arrays = "") {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<gpu::GPUDialect, arith::ArithDialect, math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                      vector::VectorDialect, TQDialect>();
  std::string text = R"(gpu.module @kernels { gpu.func @k(
    %x: memref<64xf32, #gpu.address_space<global>> {llvm.noalias, llvm.readonly, llvm.align = 16 : i64},
    %y: memref<64xf32, #gpu.address_space<global>> {llvm.noalias, llvm.align = 16 : i64}) )" +
                     arrays + R"( kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c5 = arith.constant 5 : index
    %lane = gpu.lane_id upper_bound 32
    %sg = gpu.thread_id y upper_bound 2
  )" + body + " gpu.return } }";
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  EXPECT_TRUE(module) << text;
  if (!module)
    return {};
  KernelCost result;
  module->walk([&](gpu::GPUFuncOp kernel) { result = costOf(kernel); });
  return result;
}

TEST(KernelCost, LoadsOfLanesAndOfSimdgroups) {
  KernelCost c = cost(R"(
    %a = memref.load %x[%lane] : memref<64xf32, #gpu.address_space<global>>
    %b = memref.load %x[%sg] : memref<64xf32, #gpu.address_space<global>>
    %s = arith.addf %a, %b : f32
    memref.store %s, %y[%lane] : memref<64xf32, #gpu.address_space<global>>)");
  EXPECT_EQ(c.threads, 64);
  EXPECT_EQ(c.readBytes, 64 * 4 + 2 * 4); // a lane each, a simdgroup each
  EXPECT_EQ(c.writtenBytes, 64 * 4);
  EXPECT_EQ(c.flops, 64);
  EXPECT_EQ(c.barriers, 0);
  EXPECT_FALSE(c.dynamicLoops);
}

TEST(KernelCost, LoopsMultiply) {
  KernelCost c = cost(R"(
    %zero = arith.constant 0.0 : f32
    %sum = scf.for %i = %c0 to %c5 step %c1 iter_args(%s = %zero) -> (f32) {
      %v = vector.load %x[%c0] {alignment = 16 : i64} : memref<64xf32, #gpu.address_space<global>>, vector<4xf32>
      %w = math.fma %v, %v, %v : vector<4xf32>
      %e = vector.extract %w[0] : f32 from vector<4xf32>
      %n = arith.addf %s, %e : f32
      gpu.barrier
      scf.yield %n : f32
    }
    memref.store %sum, %y[%lane] : memref<64xf32, #gpu.address_space<global>>)");
  EXPECT_EQ(c.readBytes, 5 * 2 * 16); // one address: each of 2 simdgroups asks once
  EXPECT_EQ(c.flops, 5 * 64 * (4 * 2 + 1));
  EXPECT_EQ(c.barriers, 5);
}

TEST(KernelCost, LoopsOfUnknownLengthAreMarked) {
  KernelCost c = cost(R"(
    scf.for %i = %c0 to %sg step %c1 {
      %v = memref.load %x[%i] : memref<64xf32, #gpu.address_space<global>>
      memref.store %v, %y[%lane] : memref<64xf32, #gpu.address_space<global>>
    })");
  EXPECT_TRUE(c.dynamicLoops);
  EXPECT_EQ(c.writtenBytes, 64 * 4);
}

TEST(KernelCost, CollectivesAndMatrices) {
  KernelCost c = cost(R"(
    %a = memref.load %x[%lane] : memref<64xf32, #gpu.address_space<global>>
    %r = gpu.subgroup_reduce add %a uniform cluster(size = 8, stride = 4) : (f32) -> f32
    %m = gpu.subgroup_mma_load_matrix %x[%c0] {leadDimension = 8 : index} : memref<64xf32, #gpu.address_space<global>> -> !gpu.mma_matrix<8x8xf32, "AOp">
    %n = gpu.subgroup_mma_load_matrix %x[%c0] {leadDimension = 8 : index} : memref<64xf32, #gpu.address_space<global>> -> !gpu.mma_matrix<8x8xf32, "BOp">
    %zero = arith.constant 0.0 : f32
    %acc = gpu.subgroup_mma_constant_matrix %zero : !gpu.mma_matrix<8x8xf32, "COp">
    %d = gpu.subgroup_mma_compute %m, %n, %acc : !gpu.mma_matrix<8x8xf32, "AOp">, !gpu.mma_matrix<8x8xf32, "BOp"> -> !gpu.mma_matrix<8x8xf32, "COp">
    gpu.subgroup_mma_store_matrix %d, %y[%c0] {leadDimension = 8 : index} : !gpu.mma_matrix<8x8xf32, "COp">, memref<64xf32, #gpu.address_space<global>>)");
  EXPECT_EQ(c.collectives, 2 * 3);                 // 3 steps of a butterfly over 8, two simdgroups
  EXPECT_EQ(c.flops, 64 * 3 + 2 * 2 * 8 * 8 * 8);  // the butterfly's additions, the products
  EXPECT_EQ(c.readBytes, 64 * 4 + 2 * 2 * 64 * 4); // lanes; two matrices of 64 numbers per simdgroup
  EXPECT_EQ(c.writtenBytes, 2 * 64 * 4);
}

TEST(KernelCost, ArraysAndRegisters) {
  KernelCost c = cost("gpu.barrier", "workgroup(%w: memref<128xf32, #gpu.address_space<workgroup>>) "
                                     "private(%p: memref<8xf32, #gpu.address_space<private>>)");
  EXPECT_EQ(c.threadgroupBytes, 512);
  EXPECT_EQ(c.registers, 8); // nothing else lives
  KernelCost live = cost(R"(
    %a = vector.load %x[%c0] {alignment = 16 : i64} : memref<64xf32, #gpu.address_space<global>>, vector<4xf32>
    %b = vector.load %x[%c0] {alignment = 16 : i64} : memref<64xf32, #gpu.address_space<global>>, vector<4xf32>
    %s = arith.addf %a, %b : vector<4xf32>
    vector.store %s, %y[%c0] {alignment = 16 : i64} : memref<64xf32, #gpu.address_space<global>>, vector<4xf32>)");
  EXPECT_EQ(live.registers, 8); // both operands
}

} // namespace
