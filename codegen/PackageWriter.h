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
  int64_t context = 0;
  unsigned threads = 0; ///< 0: all cores
  Progress progress;
};

/// A device's own module, scheduled and with its kernels built, and what it is compiled for.
struct Build {
  std::string device; ///< host | metal
  mlir::ModuleOp module;
  std::string activations;       ///< for the manifest
  std::vector<HostTarget> hosts; ///< of device host: the runtime takes the first that runs
};

/// The manifest: sections without hashes, the states of `model` (after the phase rotate), the tables of the builds.
/// Targets share sections and states. Reads no weight.
Result<Manifest> planPackage(mlir::ModuleOp model, const std::vector<Build> &builds, const Weights &weights,
                             const Checkpoint &checkpoint, const ModelConfig &config, const PackageOptions &options);

/// Writes the package: kernels, weights, tokenizer, manifest. Atomic.
Result<Manifest> writePackage(Manifest plan, const std::vector<Build> &builds, const Weights &weights,
                              const Checkpoint &checkpoint, const PackageOptions &options);

} // namespace tq
#endif
