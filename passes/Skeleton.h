//===- Skeleton.h - What a target can run -----------------------*- C++ -*-===//
//
// A skeleton turns the region of a launch into a kernel: it knows the loops and the tasks, asks layouts for values and
// clones pointwise ops into its tiles. Each target has a handful, one file each (codegen/host/, codegen/gpu/).
//
//===----------------------------------------------------------------------===//
#ifndef TQ_PASSES_SKELETON_H
#define TQ_PASSES_SKELETON_H

#include "dialect/TQ.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tq {

/// Where a kernel argument comes from. Bindings are the kernel's block arguments, then its results, then the page table
/// if a state is among them; a packed codebook weight takes two (stream, levels).
enum class BindingKind { Stream, Levels, Values, Activation, Pool, PageTable };
struct KernelBinding {
  BindingKind kind;
  mlir::Value value; ///< block argument or yielded value; null for the page table
};
llvm::SmallVector<KernelBinding> kernelBindings(KernelOp kernel);

/// What a skeleton is told about the rows of a launch (tokens, or rows of the head): the most of this entry point, and the
/// most that the kernel must take. Entry points of several tokens share kernels, so the latter is the largest of them.
struct LaunchFacts {
  int64_t rows = 1;
  int64_t kernelRows = 1;
};

/// What select-kernels writes down: `config` becomes part of the kernel, `grain` belongs to the launch.
struct LaunchConfig {
  mlir::DictionaryAttr config;
  int64_t grain = 1; ///< tasks that a worker claims at once
};

/// The configuration that the kernels of all targets have: `rows`, the parameter that counts them, and `max_rows`.
mlir::DictionaryAttr launchConfig(LaunchOp launch, int64_t maxRows);
/// The most rows that a kernel takes.
int64_t maxRows(KernelOp kernel);
/// The parameter that counts a kernel's rows, by its number in Skeleton::tasks and in the parameter block.
unsigned rowsParam(KernelOp kernel);
/// Whether both are written down in it.
bool hasLaunchConfig(KernelOp kernel);

/// Whether keys and values are stored alike, as f16 or f32: what kernels of every target read and write.
bool isFloatState(KVType state);

/// Looks through views.
mlir::Value throughReshape(mlir::Value value);

/// Linears that share tasks, with the pointwise ops behind them: gate and up with their GLU. Others stand side by side
/// (q, k, v).
struct LinearComponent {
  llvm::SmallVector<LinearOp> linears;
  llvm::SmallVector<mlir::Operation *> epilogue;
  int64_t rows() { return mlir::cast<mlir::RankedTensorType>(linears.front().getY().getType()).getDimSize(1); }
  int64_t blocks() { return Layout::rowBlocks(rows()); }
};
/// Those of a region; one without linears is pointwise ops that belong to none.
llvm::SmallVector<LinearComponent> linearComponents(mlir::Block &body);
/// Whether a region is nothing but linears, whose weights and activations come from outside, and pointwise ops that the
/// target knows, each behind a linear. They follow their linears tile by tile, so views cannot stand between.
bool isLinearRegion(mlir::Block &body, llvm::function_ref<bool(mlir::Operation *)> knowsPointwise);

/// Facts of the machine that costs are reckoned with. The defaults describe two cores of a server CPU; only ratios matter.
struct CostModel {
  int64_t workers = 2;
  double bytesPerMicro = 12e3; ///< streaming read of one worker
  double opsPerMicro = 200e3;  ///< multiply-adds times two, quantised linear layer, one worker
  double rowOpsPerMicro = 2e3; ///< elements of row ops
  double claimMicros = 0.05;   ///< taking one chunk of tasks
};

/// The cost in microseconds of `tasks` equal tasks claimed `grain` at a time: the slowest worker's share, and the claims.
double chunkedCost(const CostModel &model, int64_t tasks, double microsPerTask, int64_t grain);
/// The grain (a power of two) of least cost.
int64_t bestGrain(const CostModel &model, int64_t tasks, double microsPerTask);

class Skeleton {
public:
  virtual ~Skeleton() = default;
  /// Lower case, as in `tq.kernel … skeleton "linear"`.
  virtual llvm::StringRef name() const = 0;
  /// Whether it can run a region, of a launch or a kernel.
  virtual bool matches(mlir::Block &body) const = 0;
  virtual LaunchConfig configure(LaunchOp launch, const LaunchFacts &facts, const CostModel &model) const = 0;
  /// Tasks of a launch as an affine map of s0 = n_tokens, s1 = pos, s2 = n_out.
  virtual mlir::AffineMap tasks(KernelOp kernel) const = 0;
  /// Adds the function of the kernel, of its name and with the target's ABI, to `module`.
  virtual mlir::LogicalResult build(KernelOp kernel, mlir::ModuleOp module) const = 0;
};

/// The skeletons of a target, in order of preference.
using SkeletonList = llvm::ArrayRef<const Skeleton *>;
const Skeleton *findSkeleton(SkeletonList skeletons, llvm::StringRef name);
/// Replaces every tq.kernel by what its skeleton builds; fails, with an error on the kernel, where none can.
mlir::LogicalResult buildKernels(mlir::ModuleOp module, SkeletonList skeletons);

std::unique_ptr<mlir::Pass> createSelectKernels(SkeletonList skeletons, CostModel model = {});
std::unique_ptr<mlir::Pass> createScheduleSteps(SkeletonList skeletons);

} // namespace tq
#endif
