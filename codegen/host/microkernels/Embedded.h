//===- Embedded.h - Micro-kernel bitcode inside the compiler ----*- C++ -*-===//
#ifndef TQ_CODEGEN_HOST_MICROKERNELS_EMBEDDED_H
#define TQ_CODEGEN_HOST_MICROKERNELS_EMBEDDED_H

#include <cstddef>
#include <span>
#include <string_view>

namespace tq {

/// LLVM bitcode of all functions of Microkernels.h for "avx2", "avx512", "amx" or "neon"; empty for any other name.
std::span<const std::byte> microkernelBitcode(std::string_view isa);

/// The flags of that bitcode as llc spells them: a CPU to pass as target-cpu and features to add.
struct MicrokernelTarget {
  std::string_view triple, cpu, features;
};
MicrokernelTarget microkernelTarget(std::string_view isa);

} // namespace tq
#endif
