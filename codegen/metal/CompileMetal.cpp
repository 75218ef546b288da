//===- CompileMetal.cpp - Kernel IR to what a package holds ---------------===//

#include "codegen/metal/CompileMetal.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;

using namespace tq;

Result<std::string> tq::printMetal(ModuleOp module, const MslOptions &options) {
  std::string text, failure;
  llvm::raw_string_ostream os(text);
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    if (failure.empty() && diagnostic.getSeverity() == DiagnosticSeverity::Error)
      failure = diagnostic.str();
    return success();
  });
  if (failed(emitMetal(module, os, options)))
    return Error{failure.empty() ? "the kernels cannot be printed as MSL" : failure};
  return text;
}
