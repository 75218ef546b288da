//===- Linear.cpp - Matrix-vector and matrix-matrix launches --------------===//
// A task is 64 rows of one output (16 for one token, so that cores finish together): the micro-kernel fills a tile
// [tokens][rows], the epilogue's pointwise ops run over it in vectors and store. Linears tied by a pointwise op (gate
// and up with their GLU) share their tasks; others stand side by side (q, k, v), each with tasks of its own.

#include "codegen/host/KernelBuilder.h"
#include "codegen/host/microkernels/Microkernels.h"

using namespace mlir;
using namespace tq;

namespace {
using Component = LinearComponent;
/// Row blocks in a task of a kernel for at most `maxRows` tokens.
int64_t taskBlocks(int64_t maxRows) { return maxRows == 1 ? 1 : TQ_LINEAR_BLOCKS; }
int64_t tasksOf(Component &component, int64_t maxRows) {
  return llvm::divideCeil(component.blocks(), taskBlocks(maxRows));
}

class LinearEmitter {
public:
  LinearEmitter(KernelBuilder &k) : k(k) {}
  void run();
  int64_t scratchBytes() const { return k.scratchTaken(); }

private:
  void block(Component &component, Value task, int64_t blocks);
  void multiply(LinearOp linear, Value task, int64_t blocks, Value tile);
  void epilogue(Component &component, Value task, int64_t blocks);
  Value operand(Value value, Value token, Value column);

  KernelBuilder &k;
  Value rows, workspace;
  SmallVector<Value> tiles;
  DenseMap<Value, Value> tileOf; // result of a linear -> tile
};

class LinearSkeleton : public Skeleton {
public:
  StringRef name() const override { return "linear"; }
  bool matches(Block &body) const override {
    return isLinearRegion(body, [](Operation *op) { return getRole(op) == Role::Pointwise; });
  }
  LaunchConfig configure(LaunchOp launch, const LaunchFacts &facts, const CostModel &model) const override {
    // The cost of a task: reading its weights, or multiplying them, whichever takes longer.
    int64_t tasks = 0;
    double bytes = 0, ops = 0;
    for (Component &component : linearComponents(launch.getBody().front())) {
      tasks += tasksOf(component, facts.kernelRows);
      for (LinearOp linear : component.linears) {
        auto packed = cast<PackedType>(linear.getW().getType());
        bytes += double(packed.getEncoding().getLayout().bytes(packed.getRows(), packed.getCols()));
        ops += 2.0 * double(packed.getRows()) * double(packed.getCols()) * double(facts.rows);
      }
    }
    double micros = std::max(bytes / model.bytesPerMicro, ops / model.opsPerMicro) / double(tasks);
    return {launchConfig(launch, facts.kernelRows), bestGrain(model, tasks, micros)};
  }
  AffineMap tasks(KernelOp kernel) const override {
    int64_t tasks = 0;
    for (Component &component : linearComponents(kernel.getBody().front()))
      tasks += tasksOf(component, maxRows(kernel));
    return AffineMap::get(0, 3, getAffineConstantExpr(tasks, kernel.getContext()));
  }
  LogicalResult build(KernelOp kernel, ModuleOp module) const override {
    KernelBuilder k(kernel, module);
    LinearEmitter emitter(k);
    emitter.run();
    k.finish(emitter.scratchBytes());
    return success();
  }
};
} // namespace

const Skeleton &tq::linearSkeleton() {
  static const LinearSkeleton skeleton;
  return skeleton;
}

void LinearEmitter::multiply(LinearOp linear, Value task, int64_t blocks, Value tile) {
  auto packed = cast<PackedType>(linear.getW().getType());
  auto xType = cast<RankedTensorType>(linear.getX().getType());
  Layout layout = packed.getEncoding().getLayout();
  int64_t cols = packed.getCols();
  auto integer = getIntegerEncoding(xType);
  Value x = k.pointer(BindingKind::Activation, throughReshape(linear.getX()));
  Value w = k.at(k.pointer(BindingKind::Stream, linear.getW()),
                 k.mul(task, taskBlocks(k.maxRows()) * layout.rowBlockBytes(cols)));
  SmallVector<Value> args{w,
                          k.pointer(BindingKind::Levels, linear.getW()),
                          x,
                          k.i64(rowStrideBytes(xType)),
                          rows,
                          k.i64(cols),
                          k.i32(int64_t(layout.kind)),
                          k.i32(layout.bits),
                          k.i32(layout.group)};
  if (integer)
    args.push_back(k.i32(integer.getSums()));
  args.append({k.i64(blocks), tile, workspace});
  StringRef name = !integer ? "linear_f32" : integer.getBits() == 8 ? "linear_i8" : "linear_i16";
  // One token: inlined, so that the tile lives in registers. Many: the code is large and the call costs nothing.
  if (k.maxRows() == 1)
    k.call(name, args);
  else
    k.callShared(name, args);
}

/// 16 lanes of an operand of the epilogue, from column `column` (in bytes: 4 * index) of a token's row on.
Value LinearEmitter::operand(Value value, Value token, Value columnBytes) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() == 1)
    return k.loadVector(k.at(k.pointer(BindingKind::Values, value), columnBytes));
  Value base = k.at(k.pointer(BindingKind::Activation, throughReshape(value)), k.mul(token, rowStrideBytes(type)));
  return k.loadVector(k.at(base, columnBytes));
}

void LinearEmitter::epilogue(Component &component, Value task, int64_t blocks) {
  auto yield = cast<YieldOp>(k.kernel.getBody().front().getTerminator());
  k.loop(k.i64(0), rows, 1, [&](Value token) {
    for (int64_t block = 0; block < blocks; ++block) {
      Value column = k.add(k.mul(task, taskBlocks(k.maxRows()) * kBlockRows * 4), k.i64(block * kBlockRows * 4));
      DenseMap<Value, Value> vectors;
      for (LinearOp linear : component.linears)
        vectors[linear.getY()] =
            k.loadVector(k.at(k.at(tileOf[linear.getY()], block * kBlockRows * 4), k.mul(token, TQ_TILE_STRIDE * 4)));
      for (Operation *op : component.epilogue) {
        SmallVector<Value> operands;
        for (Value value : op->getOperands()) {
          Value vector = vectors.lookup(value);
          operands.push_back(vector ? vector : operand(value, token, column));
        }
        vectors[op->getResult(0)] = k.pointwise(op, operands);
      }
      for (auto [index, value] : llvm::enumerate(yield.getValues()))
        if (Value vector = vectors.lookup(value)) {
          int64_t stride = rowStrideBytes(cast<RankedTensorType>(value.getType()));
          k.storeVector(vector, k.at(k.at(k.output(index), k.mul(token, stride)), column));
        }
    }
  });
}

void LinearEmitter::block(Component &component, Value task, int64_t blocks) {
  for (auto [index, linear] : llvm::enumerate(component.linears)) {
    tileOf[linear.getY()] = tiles[index];
    multiply(linear, task, blocks, tiles[index]);
  }
  epilogue(component, task, blocks);
}

void LinearEmitter::run() {
  SmallVector<Component> components = linearComponents(k.kernel.getBody().front());
  rows = k.rows();
  // Tiles of one token fit registers once the micro-kernel is inlined; larger ones live in the worker's scratch.
  size_t most = 0;
  int64_t workspaceBytes = 0;
  for (Component &component : components) {
    most = std::max(most, component.linears.size());
    for (LinearOp linear : component.linears)
      workspaceBytes = std::max(workspaceBytes,
                                linearScratchBytes(cast<PackedType>(linear.getW().getType()).getCols(), k.maxRows()));
  }
  int64_t tileBytes = k.maxRows() * TQ_TILE_STRIDE * 4;
  for (size_t i = 0; i < most; ++i)
    tiles.push_back(k.maxRows() == 1 ? k.stack(tileBytes) : k.takeScratch(tileBytes));
  workspace = workspaceBytes ? k.takeScratch(workspaceBytes) : k.null();

  int64_t first = 0;
  for (Component &component : components) {
    int64_t inTask = taskBlocks(k.maxRows()), whole = component.blocks() / inTask, rest = component.blocks() % inTask;
    Value from = k.max(k.sub(k.begin, k.i64(first)), k.i64(0)), to = k.sub(k.end, k.i64(first));
    k.loop(from, k.min(to, k.i64(whole)), 1, [&](Value task) { block(component, task, inTask); });
    if (rest)
      k.loop(k.max(from, k.i64(whole)), k.min(to, k.i64(whole + 1)), 1,
             [&](Value task) { block(component, task, rest); });
    first += tasksOf(component, k.maxRows());
  }
}
