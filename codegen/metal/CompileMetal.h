//===- CompileMetal.h - Kernel IR to what a package holds -------*- C++ -*-===//
#ifndef TQ_CODEGEN_METAL_COMPILEMETAL_H
#define TQ_CODEGEN_METAL_COMPILEMETAL_H

#include "codegen/metal/EmitMetal.h"
#include "runtime/Status.h"
#include <string>

namespace tq {

/// All kernels of a module, as text in Metal Shading Language.
Result<std::string> printMetal(mlir::ModuleOp module, const MslOptions &options = {});

} // namespace tq
#endif
