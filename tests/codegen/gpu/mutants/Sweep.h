//===- Sweep.h - Many mutants, on all cores ---------------------*- C++ -*-===//
#ifndef TQ_TESTS_CODEGEN_GPU_MUTANTS_SWEEP_H
#define TQ_TESTS_CODEGEN_GPU_MUTANTS_SWEEP_H

#include "tests/codegen/gpu/mutants/Judge.h"

#include <functional>

namespace tq::test {

struct Suspect {
  const Judge *judge = nullptr;
  const metal::KernelSource *kernel = nullptr;
  metal::Mutant mutant;
  std::string label() const { return judge->name + "/" + kernel->name + ":" + std::to_string(mutant.line); }
};

/// All mutants of the judges' kernels. The first n of them are a sample spread over operators, models and kernels; which ones
/// follows from their texts alone.
std::vector<Suspect> suspects(const std::vector<std::unique_ptr<Judge>> &judges);

/// A mutant that survives is equivalent if its machine code is the original's, and its address space, if that is what was
/// changed, is one that Metal permits there as well; or if a loop's bound moves where the loop has no value,
/// or if the sides of a comparison are equal in no call.
Verdict examine(const Suspect &suspect);

/// Verdicts of the jobs 0 to n, each made in one of `workers` processes: the executor runs one launch at a time in each, and
/// one that dies takes nothing with it. `done` is called now and then with the number of finished jobs.
std::vector<Verdict> sweep(size_t n, int workers, const std::function<Verdict(size_t)> &job,
                           const std::function<void(size_t)> &done = nullptr);

/// Prepares the judges, their kernels built by several processes first. Empty if all is well.
std::string prepareAll(const std::vector<std::unique_ptr<Judge>> &judges, int workers);

} // namespace tq::test
#endif
