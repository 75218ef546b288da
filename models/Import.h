//===- Import.h - From a checkpoint to a module of tq ops -------*- C++ -*-===//
#ifndef TQ_MODELS_IMPORT_H
#define TQ_MODELS_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "models/Checkpoint.h"
#include "models/Config.h"
#include "runtime/Status.h"

namespace tq {

/// The meaning of a checkpoint as `func.func @forward(%ids, %pos)`, with weights, rotations and states as symbols that
/// point into it; nothing is loaded. The module has been verified. Its attribute `tq.model` holds
///   {type, vocab, hidden, intermediate, layers, heads, kv_heads, head_dim, context, parameters, tied, eos, bos}.
/// Tensors that the model does not use are named in a warning.
Result<mlir::OwningOpRef<mlir::ModuleOp>> importModel(mlir::MLIRContext &context, const Checkpoint &checkpoint,
                                                      const ModelConfig &config);

} // namespace tq
#endif
