//===- Linear.cpp - Matrix-vector and matrix-matrix launches --------------===//
// What both have in common: linears tied by a pointwise op share threadgroups, others stand side by side in the grid. Up to 8
// rows go through Matvec.cpp, more through Matmul.cpp.

#include "codegen/gpu/Linear.h"
#include "codegen/gpu/BuildGpuKernels.h"

using namespace mlir;
using namespace tq;
using namespace tq::kernels;

void tq::kernels::forComponents(GpuBuilder &k, ArrayRef<Component> components, Index group,
                                function_ref<int64_t(Component &)> groups,
                                function_ref<void(Component &, Index)> body) {
  SmallVector<int64_t> starts{0};
  SmallVector<Value> isBeforeEnd;
  for (Component component : components.drop_back()) {
    starts.push_back(starts.back() + groups(component));
    isBeforeEnd.push_back(group < starts.back());
  }
  auto run = [&](size_t i, auto &self) -> void {
    Component component = components[i];
    auto own = [&] {
      body(component, i == 0 ? group : group - starts[i]);
      return GpuBuilder::Values();
    };
    auto next = [&] {
      self(i + 1, self);
      return GpuBuilder::Values();
    };
    if (i + 1 == components.size())
      own();
    else
      k.ifElse(isBeforeEnd[i], {}, own, next);
  };
  run(0, run);
}

static bool isCodebook(LinearOp linear) { return layoutOf(linear.getW()).kind == Layout::Kind::Codebook; }

SmallVector<Value> tq::kernels::levelTables(GpuBuilder &k, ArrayRef<Component> components) {
  size_t most = 0;
  for (const Component &component : components)
    most = std::max<size_t>(most, llvm::count_if(component.linears, isCodebook));
  SmallVector<Value> tables;
  for (size_t i = 0; i < most; ++i)
    tables.push_back(k.shared(i == 0 ? "lut" : "lut" + std::to_string(i + 1), 16));
  return tables;
}

SmallVector<Value> tq::kernels::stageLevels(GpuBuilder &k, Component &component, ArrayRef<Value> tables) {
  SmallVector<Value> tableOf;
  for (LinearOp linear : component.linears)
    tableOf.push_back(isCodebook(linear) ? tables[llvm::count_if(tableOf, [](Value v) { return bool(v); })] : Value());
  if (!llvm::any_of(component.linears, isCodebook))
    return tableOf;
  k.ifThen(k.thread() < 16, [&] {
    for (auto [linear, table] : llvm::zip(component.linears, tableOf))
      if (table)
        k.store(k.load(k.memory(BindingKind::Levels, linear.getW()), k.thread()), table, k.thread());
  });
  return tableOf;
}

void tq::kernels::finishRow(GpuBuilder &k, Component &component, Index token, Index column, int64_t width,
                            ArrayRef<Value> results) {
  DenseMap<Value, Value> known;
  for (auto [linear, result] : llvm::zip(component.linears, results))
    known[linear.getY()] = result;
  for (Operation *op : component.epilogue) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      if (Value value = known.lookup(operand)) {
        operands.push_back(value);
        continue;
      }
      Value source = throughReshape(operand);
      bool vector = cast<RankedTensorType>(source.getType()).getRank() == 1;
      operands.push_back(vector ? k.load(k.memory(BindingKind::Values, source), column, width)
                                : k.load(k.memory(BindingKind::Activation, source),
                                         token * GpuBuilder::stride(source) + column, width));
    }
    known[op->getResult(0)] = GpuBuilder::named(k.pointwise(op, operands), "out");
  }
  auto yield = cast<YieldOp>(k.kernel.getBody().front().getTerminator());
  for (auto [index, value] : llvm::enumerate(yield.getValues()))
    if (Value result = known.lookup(value))
      k.store(result, k.output(index), token * GpuBuilder::stride(value) + column);
}

//===-- The skeleton --------------------------------------------------------------------------------------------===//

namespace {
class LinearSkeleton : public Skeleton {
public:
  StringRef name() const override { return "linear"; }
  bool matches(Block &body) const override {
    if (!isLinearRegion(body, GpuBuilder::knowsPointwise))
      return false;
    // Integer activations are the host's.
    auto fits = [](LinearOp linear) {
      return !getIntegerEncoding(linear.getX().getType()) &&
             cast<PackedType>(linear.getW().getType()).getShape().size() == 2;
    };
    return llvm::all_of(linearComponents(body), [&](Component &component) {
      return component.linears.size() <= 2 && llvm::all_of(component.linears, [&](LinearOp linear) {
               return fits(linear) && cast<RankedTensorType>(linear.getY().getType()).getDimSize(1) == component.rows();
             });
    });
  }
  LaunchConfig configure(LaunchOp launch, const LaunchFacts &facts, const CostModel &) const override {
    // Entry points of few rows and of many have kernels of their own: the one streams weights, the other multiplies tiles.
    int64_t rows = facts.rows <= kMatvecRows ? facts.rows : facts.kernelRows;
    return {launchConfig(launch, rows), 1};
  }
  AffineMap tasks(KernelOp kernel) const override {
    MLIRContext *context = kernel.getContext();
    int64_t rows = maxRows(kernel), groups = 0;
    SmallVector<Component> components = linearComponents(kernel.getBody().front());
    for (Component &component : components)
      groups +=
          rows <= kMatvecRows ? MatvecShape(kernel).groups(component) : (component.rows() + kTileRows - 1) / kTileRows;
    AffineExpr count = getAffineConstantExpr(groups, context);
    if (rows > kMatvecRows)
      count = getAffineSymbolExpr(rowsParam(kernel), context).ceilDiv(kTileTokens) * groups;
    return AffineMap::get(0, 3, count);
  }
  LogicalResult build(KernelOp kernel, ModuleOp module) const override {
    int64_t rows = maxRows(kernel);
    gpu::GPUModuleOp gpuModule = gpuModuleOf(module);
    return rows <= kMatvecRows ? buildMatvec(kernel, gpuModule) : buildMatmul(kernel, gpuModule);
  }
};
} // namespace

const Skeleton &tq::gpuLinearSkeleton() {
  static const LinearSkeleton skeleton;
  return skeleton;
}
