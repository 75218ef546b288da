//===- Explain.h - What a Metal target will cost, without a Mac -*- C++ -*-===//
#ifndef TQ_CODEGEN_METAL_EXPLAIN_H
#define TQ_CODEGEN_METAL_EXPLAIN_H

#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace tq {

/// Tables for a person, from a module after build-gpu-kernels: the static cost of every kernel, how many fit a GPU core, bytes per
/// weight of the layouts, and the time of a token on each class of chip, predicted from its bandwidth.
std::string explainMetal(mlir::ModuleOp module);

} // namespace tq
#endif
