//===- EmitMetal.h - Kernel IR to Metal Shading Language --------*- C++ -*-===//
#ifndef TQ_CODEGEN_METAL_EMITMETAL_H
#define TQ_CODEGEN_METAL_EMITMETAL_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h" // for users that look at the kernels, too
#include "mlir/IR/BuiltinOps.h"

namespace tq {

struct MslOptions {
  /// The language version that the text needs, and that the runtime asks Apple's compiler for.
  unsigned major = 3, minor = 1;
  /// exp, log, sin, ... in their fast versions, and the compiler's fast math left as it is.
  bool fastMath = false;
};

/// Prints every kernel of the gpu.modules in `module`, which must pass --tq-verify-kernels (they are verified here
/// again): one text, whose bytes depend on nothing but the module and the options.
mlir::LogicalResult emitMetal(mlir::ModuleOp module, llvm::raw_ostream &os, const MslOptions &options = {});

} // namespace tq
#endif
