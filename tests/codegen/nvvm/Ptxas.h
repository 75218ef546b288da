//===- Ptxas.h - NVIDIA's assembler, for tests ------------------*- C++ -*-===//
#ifndef TQ_TESTS_CODEGEN_NVVM_PTXAS_H
#define TQ_TESTS_CODEGEN_NVVM_PTXAS_H

#include "runtime/Status.h"
#include <string>
#include <vector>

namespace tq::test {

/// The program: in `folder`, where ./dev setup puts it, else in one of those that `path` lists.
Result<std::string> findPtxas(const std::string &folder, const std::string &path);

/// Assembles all kernels of a text for a chip. An error is "kernel NAME: what ptxas says" for each of its complaints.
Status assemble(const std::string &ptxas, const std::string &text, const std::string &chip);

/// The names of a text's kernels, in order.
std::vector<std::string> kernelsOf(const std::string &text);

} // namespace tq::test
#endif
