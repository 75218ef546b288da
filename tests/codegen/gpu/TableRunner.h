//===- TableRunner.h - A launch table on the executor of MSL ----*- C++ -*-===//
// What a runtime does, in small: planes of weights, an arena, pools and a page table in memory, and steps in order. Whatever
// nobody has written yet is NaN, pages are in random order, and ranges are exactly as large as the table says.
//===----------------------------------------------------------------------===//
#ifndef TQ_TESTS_CODEGEN_GPU_TABLERUNNER_H
#define TQ_TESTS_CODEGEN_GPU_TABLERUNNER_H

#include "dialect/TQ.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "tests/metal/Executor.h"
#include "tests/reference/Interpreter.h"

#include <random>

namespace tq::test {

/// The planes of all weights, and the numbers that they decode to.
struct TestWeights {
  std::map<std::string, std::vector<uint8_t>> planes; ///< "symbol/plane"
  reference::MapWeights numbers;
};
/// Random weights in the encodings of the module's symbols.
TestWeights randomWeights(mlir::ModuleOp module, uint32_t seed);
/// Those of a checkpoint, as a package would hold them.
TestWeights checkpointWeights(mlir::ModuleOp module, const Checkpoint &checkpoint);

class TableRunner {
public:
  /// `scheduled` has tables and kernels, `context` positions fit the pools.
  TableRunner(mlir::ModuleOp scheduled, const TestWeights &weights, int64_t context, bool checked = true);
  /// Empty if all is well.
  std::string compile();
  /// Logits of the last `rows` rows. An error is thrown as std::runtime_error.
  std::vector<float> run(llvm::StringRef entry, const reference::Ids &ids, int64_t rows);
  void rewind(int64_t to) { position = to; }
  /// From now on, what nobody has written holds this byte, in pools and in the arena: a comparison hides a NaN that it should
  /// not have met, but not a large number.
  void fillUnwritten(uint8_t byte);
  virtual ~TableRunner() = default;

  metal::Schedule schedule;
  /// Kernels that come from another library than that of `text`.
  std::map<std::string, metal::Library> replaced;
  int hostThreads = 2;
  double timeLimit = 10;                  ///< as in metal::Launch
  std::string text;                       ///< MSL
  double seconds = 0;                     ///< spent in kernels
  std::map<std::string, double> byKernel; ///< likewise
  uint64_t accesses = 0;

protected:
  /// A device with memory of its own overrides these: the arena is complete, run one step, the arena is wanted back.
  /// Buffers of a launch are the step's bindings and then the three parameters.
  virtual void begin() {}
  virtual Status execute(StepOp step, const metal::Launch &launch, metal::Statistics &statistics);
  virtual void end() {}

  std::vector<uint8_t> arena;

private:
  metal::BufferBinding bind(mlir::Attribute binding, int index);
  void runStep(StepOp step, int32_t (&params)[3]);

  mlir::ModuleOp module;
  const TestWeights &weights;
  std::map<std::string, std::vector<uint8_t>> pools;
  std::vector<int32_t> pages;
  std::optional<metal::Library> library;
  bool checked;
  uint8_t unwritten = 0xff;
  int64_t position = 0;
};

/// Whether logits of `rows` rows have the same bits in the `vocab` columns of each; what pads a row may be anything.
bool sameLogits(const std::vector<float> &a, const std::vector<float> &b, int64_t rows, int64_t vocab);

} // namespace tq::test
#endif
