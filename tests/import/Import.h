//===- Import.h - An imported checkpoint, for tests -----------------------===//
#ifndef TQ_TESTS_IMPORT_IMPORT_H
#define TQ_TESTS_IMPORT_IMPORT_H

#include "dialect/TQ.h"
#include "mlir/IR/MLIRContext.h"
#include "models/Import.h"
#include "tests/models/TestFiles.h"

namespace tq::test {

/// Opens and imports a directory; `problem` says why not.
struct Imported {
  explicit Imported(const fs::path &directory) {
    Result<Checkpoint> opened = Checkpoint::open(directory);
    if (!opened.ok()) {
      problem = opened.message();
      return;
    }
    checkpoint = std::make_unique<Checkpoint>(*std::move(opened));
    Result<ModelConfig> parsed = ModelConfig::of(*checkpoint);
    if (!parsed.ok()) {
      problem = parsed.message();
      return;
    }
    config = *parsed;
    mlir::ScopedDiagnosticHandler collect(&context, [&](mlir::Diagnostic &diagnostic) {
      diagnostics += diagnostic.str();
      return mlir::success();
    });
    Result<mlir::OwningOpRef<mlir::ModuleOp>> result = importModel(context, *checkpoint, config);
    if (result.ok())
      module = *std::move(result);
    else
      problem = messageOf(result);
  }

  bool ok() const { return problem.empty(); }
  std::string text() {
    std::string result;
    llvm::raw_string_ostream stream(result);
    module->print(stream);
    return result;
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  std::unique_ptr<Checkpoint> checkpoint;
  ModelConfig config;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string problem, diagnostics;
};

} // namespace tq::test
#endif
