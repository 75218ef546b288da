//===- Judge.h - Would the tests notice another kernel? ---------*- C++ -*-===//
// Kernels run as the tests run them: on the checked executor in several schedules, against the interpreter or the reference.
// One kernel comes from a text of its own, which may have a fault.
//===----------------------------------------------------------------------===//
#ifndef TQ_TESTS_CODEGEN_GPU_MUTANTS_JUDGE_H
#define TQ_TESTS_CODEGEN_GPU_MUTANTS_JUDGE_H

#include "mlir/IR/MLIRContext.h"
#include "tests/metal/Executor.h"
#include "tests/metal/Mutate.h"

#include <memory>

namespace tq::test {

struct Verdict {
  enum Kind { Pending, Survived, Equivalent, Compile, Checker, Order, Result, Crash } kind = Pending;
  std::string message;
};
const char *nameOf(Verdict::Kind kind);

class Judge {
public:
  explicit Judge(std::string name) : name(std::move(name)) {}
  virtual ~Judge() = default;

  /// Builds and runs the kernels as they are; once. Empty if all is well, or what is not.
  virtual std::string prepare() = 0;
  /// Those that are run.
  const std::vector<metal::KernelSource> &kernels() const { return sources; }
  /// What the tests say of `text` in a kernel's place; Survived if nothing.
  Verdict judge(const metal::KernelSource &kernel, const std::string &text) const;

  const std::string name;

protected:
  /// What is found in the kernel; a message without its name says that something else went wrong.
  static Verdict finding(Verdict::Kind kind, const std::string &kernel, const std::string &message);

  std::vector<metal::KernelSource> sources;

private:
  /// The kernel comes from `library`.
  virtual Verdict run(const std::string &kernel, const metal::Library &library) const = 0;
};

/// Those with such names: one for each of a few small models, and "sample" for argmax and top_k.
std::vector<std::unique_ptr<Judge>> makeJudges(mlir::MLIRContext &context, const std::string &names = ".*");

} // namespace tq::test
#endif
