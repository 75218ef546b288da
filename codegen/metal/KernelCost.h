//===- KernelCost.h - What a GPU kernel costs, read off its IR --*- C++ -*-===//
#ifndef TQ_CODEGEN_METAL_KERNELCOST_H
#define TQ_CODEGEN_METAL_KERNELCOST_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace tq {

/// Of one threadgroup, all its threads together. Loops whose trip count depends on the step (positions, tokens) count as one
/// iteration, and both arms of a condition are counted: an upper bound but for those loops.
struct KernelCost {
  int64_t threads = 0;
  int64_t readBytes = 0;    ///< asked of device memory; an address that a simdgroup's lanes share counts once
  int64_t writtenBytes = 0; ///< to device memory
  int64_t flops = 0;        ///< a fused multiply-add is two, a function one
  int64_t integerOps = 0;
  int64_t barriers = 0;    ///< of the threadgroup
  int64_t collectives = 0; ///< shuffles and reductions, per simdgroup
  int64_t threadgroupBytes = 0;
  int64_t registers = 0; ///< 32-bit words that a thread holds at once, estimated from the lifetimes of values
  bool dynamicLoops = false;
};

KernelCost costOf(mlir::gpu::GPUFuncOp kernel);

} // namespace tq
#endif
