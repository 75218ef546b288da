//===- CompileHost.h - Kernel IR to a shared object -------------*- C++ -*-===//
#ifndef TQ_CODEGEN_HOST_COMPILEHOST_H
#define TQ_CODEGEN_HOST_COMPILEHOST_H

#include "mlir/IR/BuiltinOps.h"
#include "runtime/Status.h"
#include <string>
#include <vector>

namespace tq {

/// An instruction set that host kernels are made for.
struct HostTarget {
  std::string name;                  ///< as in --cpu= and the package: x86-64-v3, x86-64-avx512, ...
  std::string isa;                   ///< of the micro-kernels: avx2, avx512, amx, neon
  std::vector<std::string> features; ///< what the runtime must find, as PackageFormat.h spells them
};

/// All of them, best first.
const std::vector<HostTarget> &hostTargets();
/// By name; "host" is the best that this machine runs. Fails with the list of names.
Result<HostTarget> findHostTarget(const std::string &name);

/// Lowers the functions of `module` (kernel IR, as build-kernels leaves it), links the micro-kernels, optimises, and writes a
/// shared object. The module is left as it is.
Status compileHost(mlir::ModuleOp module, const HostTarget &target, const std::string &output);

/// The same up to assembly, as text; for --until-after=emit.
Result<std::string> printHost(mlir::ModuleOp module, const HostTarget &target);

} // namespace tq
#endif
