//===- Compiler.h - All phases, from a checkpoint to a package --*- C++ -*-===//
#ifndef TQ_CODEGEN_COMPILER_H
#define TQ_CODEGEN_COMPILER_H

#include "codegen/PackageWriter.h"
#include "mlir/IR/OwningOpRef.h"
#include "passes/Pipelines.h"

namespace tq {

/// Phases as --until-after and --dump-phases name them, in order. "emit" is kernels in LLVM's hands, "package" all of it.
inline constexpr const char *kPhases[] = {"import", "rotate", "fuse", "schedule", "kernels", "emit", "package"};

struct CompileOptions {
  std::string model;      ///< checkpoint directory
  PackageOptions package; ///< output, force, threads, progress; context 0: the model's
  PipelineOptions pipeline;
  ScaleRule scale = ScaleRule::Search;
  std::vector<std::string> devices; ///< host, metal; empty: host
  std::vector<std::string> cpus;    ///< of device host: HostTarget names; empty: host
  std::string untilAfter;           ///< a phase of kPhases; empty: all
  std::string dumpDirectory;        ///< numbered .mlir files, one per phase; empty: none
  std::string continueFrom;         ///< a dumped file to start from instead of importing; empty: none
};

/// What the closing summary says.
struct CompileSummary {
  Manifest manifest;
  uint64_t kernels = 0; ///< distinct ones, over all entry points
  uint64_t checkpointBytes = 0;
  std::map<std::string, uint64_t> weightsByRole; ///< numbers, in matrices
  bool floatOnly = false;                        ///< no weight is quantised
};

class Compiler {
public:
  explicit Compiler(CompileOptions options);
  ~Compiler();

  /// Reads headers and configuration; runs the passes and builds kernel IR. Nothing is written, no weight is read.
  Result<CompileSummary> plan();
  /// plan(), then machine code and the package.
  Result<CompileSummary> compile();
  /// Static costs and predicted times of the Metal target, as text. Nothing is written, no weight is read.
  Result<std::string> explain();
  /// Stops after options.untilAfter; returns the IR as text (assembly after emit).
  Result<std::string> print();
  /// Warnings of the passes, in order.
  const std::vector<std::string> &warnings() const { return warningList; }

private:
  Status open();
  Status runUntil(const std::string &phase);
  Status phase(mlir::ModuleOp module, const std::string &name, llvm::function_ref<void(mlir::OpPassManager &)> build);
  Status dump(mlir::ModuleOp module, const std::string &name);
  mlir::LogicalResult collect(mlir::Diagnostic &diagnostic);

  CompileOptions options;
  mlir::MLIRContext context;
  std::optional<Checkpoint> checkpoint;
  ModelConfig config;
  mlir::OwningOpRef<mlir::ModuleOp> model;                      // up to the phase rotate
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> deviceModules; // from then on, one of each build
  std::vector<Build> builds;
  std::optional<Weights> weights;
  std::vector<std::string> warningList;
  std::string firstError;
};

} // namespace tq
#endif
