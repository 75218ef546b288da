//===- Judge.h - Would the tests notice another kernel? ---------*- C++ -*-===//
// A small model as GpuKernelsTest runs it: its launch tables on the checked executor in several schedules, against the
// interpreter of tq IR. One kernel comes from a text of its own, which may have a fault; the others are the model's.
//===----------------------------------------------------------------------===//
#ifndef TQ_TESTS_CODEGEN_GPU_MUTANTS_JUDGE_H
#define TQ_TESTS_CODEGEN_GPU_MUTANTS_JUDGE_H

#include "tests/codegen/gpu/TableRunner.h"
#include "tests/metal/Mutate.h"

namespace tq::test {

struct Call {
  std::string entry;
  int64_t tokens, rows;
};

struct JudgedModel {
  const char *name;
  std::string source; ///< tq IR
  std::vector<Call> calls;
  int64_t maxOut;
};
/// Every skeleton, in small: linear layers of each family of encodings, transformers with and without rotations and head norms.
std::vector<JudgedModel> judgedModels();

struct Verdict {
  enum Kind { Pending, Survived, Equivalent, Compile, Checker, Order, Result, Crash } kind = Pending;
  std::string message;
};
const char *nameOf(Verdict::Kind kind);

class Judge {
public:
  Judge(mlir::MLIRContext &context, const JudgedModel &model);

  /// Builds and runs the model as it is; once. Empty if all is well, or what is not.
  std::string prepare();
  /// Those that the calls launch.
  const std::vector<metal::KernelSource> &kernels() const { return sources; }
  /// What the tests say of `text` in a kernel's place; Survived if nothing.
  Verdict judge(const metal::KernelSource &kernel, const std::string &text) const;

  const std::string name;

private:
  std::string difference(const std::vector<float> &got, const reference::Tensor<double> &want) const;

  mlir::MLIRContext &context;
  JudgedModel model;
  mlir::OwningOpRef<mlir::ModuleOp> scheduled;
  TestWeights weights;
  std::vector<metal::KernelSource> sources;
  std::map<std::string, size_t> firstCall;         ///< by kernel
  std::vector<TableRunner> before;                 ///< each call
  std::vector<reference::Ids> ids;                 ///< likewise
  std::vector<reference::Tensor<double>> expected; ///< likewise
};

} // namespace tq::test
#endif
