//===- PackageWriter.h - A scheduled module to a package --------*- C++ -*-===//
#ifndef TQ_CODEGEN_PACKAGEWRITER_H
#define TQ_CODEGEN_PACKAGEWRITER_H

#include "codegen/Weights.h"
#include "codegen/host/CompileHost.h"
#include "models/Config.h"
#include "runtime/PackageFormat.h"
#include <functional>

namespace tq {

/// Called while weights are written: bytes done and in all.
using Progress = std::function<void(uint64_t done, uint64_t total, const std::string &what)>;

struct PackageOptions {
  std::string output;
  bool force = false;
  std::string activations; ///< for the manifest
  int64_t context = 0;
  unsigned threads = 0; ///< 0: all cores
  Progress progress;
};

/// The manifest of a scheduled module: sections without hashes, states, tables. Reads no weight.
Result<Manifest> planPackage(mlir::ModuleOp scheduled, const Weights &weights, const Checkpoint &checkpoint,
                             const ModelConfig &config, const PackageOptions &options,
                             const std::vector<HostTarget> &targets);

/// Writes the package: kernels of `built` (functions, after build-kernels), weights, tokenizer, manifest. Atomic.
Result<Manifest> writePackage(Manifest plan, mlir::ModuleOp built, const Weights &weights, const Checkpoint &checkpoint,
                              const PackageOptions &options, const std::vector<HostTarget> &targets);

} // namespace tq
#endif
