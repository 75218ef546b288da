//===- Passes.h - The passes between import and kernels ---------*- C++ -*-===//
#ifndef TQ_PASSES_PASSES_H
#define TQ_PASSES_PASSES_H

#include "dialect/TQ.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/Skeleton.h"

namespace tq {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"
} // namespace tq
#endif
