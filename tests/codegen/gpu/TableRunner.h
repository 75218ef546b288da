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

//===-- How the tests judge kernels -----------------------------------------------------------------------------===//

/// Of small models: positions that fit, tokens of a chunk (which fills no tile, so that a row more would be out of bounds), and by how much of the largest logit one may be off.
constexpr int64_t kTestContext = 700, kTestChunk = 43;
constexpr double kTestTolerance = 1e-3;
/// Of transformers with codebooks: kernels for few tokens do not round level times scale to f16, as the reference does.
constexpr double kCodebookTolerance = 2e-3;

/// So many tokens through an entry point, logits of the last rows.
struct Call {
  std::string entry;
  int64_t tokens, rows;
};

/// Each entry point, few and many tokens, so that both edges of tiles occur.
std::vector<Call> everyEntry();
/// Tokens come as prompts and one by one.
std::vector<Call> conversation();

/// What is on the way to GPU kernels.
void loadGpuDialects(mlir::MLIRContext &context);
/// The launch tables and kernels of a module of the rotate phase; null if a pass fails.
mlir::OwningOpRef<mlir::ModuleOp> buildKernels(mlir::ModuleOp source, int64_t chunk, int64_t positions, int64_t maxOut);
/// The interpreter, with states rounded as the module stores them.
reference::Interpreter<double> interpreter(mlir::ModuleOp module, reference::Weights &weights);
/// Random ids of the module's vocabulary.
reference::Ids tokens(mlir::ModuleOp module, int64_t count, std::mt19937 &random);
/// Empty if no logit is off by more than the tolerance times the largest, or what is wrong. NaN is.
std::string difference(const std::vector<float> &got, const reference::Tensor<double> &want, double tolerance);
/// Whether logits of `rows` rows have the same bits in the `vocab` columns of each; what pads a row may be anything.
bool sameLogits(const std::vector<float> &a, const std::vector<float> &b, int64_t rows, int64_t vocab);

//===-- Weights -------------------------------------------------------------------------------------------------===//

/// The planes of all weights, and the numbers that they decode to.
struct TestWeights {
  std::map<std::string, std::vector<uint8_t>> planes; ///< "symbol/plane"
  reference::MapWeights numbers;
};
/// Random weights in the encodings of the module's symbols. Queries, those of @q or behind @q_norm, are `sharpness` times as
/// large: scores of 200 times the usual size overflow unless their maximum is taken off before exp.
TestWeights randomWeights(mlir::ModuleOp module, uint32_t seed, float sharpness = 1);
/// Those of a checkpoint, as a package would hold them.
TestWeights checkpointWeights(mlir::ModuleOp module, const Checkpoint &checkpoint);

//===-- Runs ----------------------------------------------------------------------------------------------------===//

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
  /// Where the step only writes, what another one has left counts as unwritten: no kernel may rely on it.
  void forgetResults(StepOp step, mlir::gpu::GPUFuncOp func);

  mlir::ModuleOp module;
  const TestWeights &weights;
  std::map<std::string, std::vector<uint8_t>> pools;
  std::vector<int32_t> pages;
  std::optional<metal::Library> library;
  bool checked;
  uint8_t unwritten = 0xff;
  int64_t position = 0;
};

/// Copies whose results must have the bits of the original's: in reverse order, and in random order with other bytes
/// where nobody has written.
std::array<TableRunner, 2> inOtherOrders(const TableRunner &forward);

} // namespace tq::test
#endif
