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
/// follows from their texts and the seed.
std::vector<Suspect> suspects(const std::vector<std::unique_ptr<Judge>> &judges, uint64_t seed = 0);

/// A mutant that survives is equivalent if
///   its machine code is the original's, unless what was changed leaves no trace there: the extent of an array, or an address
///   space, but for what is only read and may be in either;
///   a loop's bound moves where the loop has no value;
///   the sides of a comparison are equal in no call, and no parameter of a call goes into them;
///   a sum or maximum takes the value of another lane that has the same one by then;
///   a barrier is only among the threads of the only simdgroup.
Verdict examine(const Suspect &suspect);

/// Verdicts of the jobs 0 to n, each made in one of `workers` processes: the executor runs one launch at a time in each, and
/// one that dies takes nothing with it. `done` is called now and then with the number of finished jobs.
std::vector<Verdict> sweep(size_t n, int workers, const std::function<Verdict(size_t)> &job,
                           const std::function<void(size_t)> &done = nullptr);

/// Prepares the judges, their kernels built by several processes first. Empty if all is well.
std::string prepareAll(const std::vector<std::unique_ptr<Judge>> &judges, int workers);

} // namespace tq::test
#endif
