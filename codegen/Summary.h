//===- Summary.h - What tq-compile says at the end --------------*- C++ -*-===//
#ifndef TQ_CODEGEN_SUMMARY_H
#define TQ_CODEGEN_SUMMARY_H

#include "codegen/Compiler.h"
#include <string>

namespace tq {

/// Bytes that running a package takes: weights (mapped), state at the package's context, activations.
struct Footprint {
  uint64_t weights = 0, state = 0, activations = 0;
  uint64_t total() const { return weights + state + activations; }
};
Footprint footprintOf(const Manifest &manifest);

/// Bytes of memory that the machine could still give (MemAvailable).
uint64_t availableMemory();

/// "1.2 GB"; powers of ten.
std::string bytesText(uint64_t bytes);

std::string summaryText(const CompileSummary &summary, const Footprint &footprint, const CompileOptions &options,
                        double seconds, bool plan, bool fits);
std::string summaryJson(const CompileSummary &summary, const Footprint &footprint, double seconds, bool plan,
                        bool fits);

} // namespace tq
#endif
