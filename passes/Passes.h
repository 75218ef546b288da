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

/// What is wrong with the options, whatever the model: a sentence that begins with an option's name; empty if nothing.
std::string faultOf(const QuantizeWeightsOptions &options);
} // namespace tq
#endif
