//===- CompileNvvm.h - Kernel IR to PTX -------------------------*- C++ -*-===//
// The same gpu.modules that are printed as MSL, compiled for a SIMD-32 GPU that tests may find where there is no Apple one.
#ifndef TQ_CODEGEN_NVVM_COMPILENVVM_H
#define TQ_CODEGEN_NVVM_COMPILENVVM_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/Status.h"
#include <string>

namespace tq {

/// The text of all kernels of all gpu.modules, which must pass --tq-verify-kernels. Kernel arguments are the bindings' addresses,
/// in order. No CUDA tool is needed; `module` is left as it is.
Result<std::string> compileToPtx(mlir::ModuleOp module, const std::string &chip = "sm_80");

/// --tq-expand-subgroup-mma
std::unique_ptr<mlir::Pass> createExpandSubgroupMma();
void registerExpandSubgroupMma();

/// What convert-gpu-to-nvvm asks of the dialects' extensions; before the context loads them.
void registerNvvmExtensions(mlir::DialectRegistry &registry);

/// PTX math without CUDA's libdevice: LLVM IR that defines the __nv_* functions which the conversion calls.
extern const char *const kNvvmMath;

} // namespace tq
#endif
