//===- Matmul.cpp - Linear layers of many tokens --------------------------===//
// A threadgroup computes 32 tokens x 64 rows, 64 columns at a time: its simdgroups decode a row block each to threadgroup
// memory, transposed so that a lane's neighbouring rows are one store, and multiply 8 x 8 tiles of f32. Rows of x beyond
// n_tokens may hold anything: they enter as zeros.

#include "codegen/gpu/Linear.h"
#include "codegen/gpu/WeightTile.h"

using namespace mlir;
using namespace tq;
using namespace tq::kernels;

namespace {
/// Row strides in threadgroup memory: 16 bytes more than the row, so that a column does not hit one bank.
constexpr int64_t kXStride = kTileCols + 4, kWStride = kTileRows + 4;
constexpr int64_t kTokenTiles = kTileTokens / 8, kRowTiles = kBlockRows / 8, kResults = kTokenTiles * kRowTiles;

class MatmulEmitter {
public:
  MatmulEmitter(KernelOp kernel, gpu::GPUModuleOp module)
      : k(kernel, module, kMatmulSimdgroups), components(linearComponents(kernel.getBody().front())) {}
  void run();

private:
  using Values = GpuBuilder::Values;
  void component(Component &component, Index rowTile);
  /// Appends each linear's 32 x 16 results of this simdgroup as 8 x 8 matrices, tokens first. The linears have the same x.
  void multiply(MutableArrayRef<LinearOp> linears, Index block, ArrayRef<Value> levels, Values &products);
  void stageTokens(LinearOp linear, Index firstColumn);
  void stageWeights(LinearOp linear, Index block, Index step, WeightTile *tile);
  Values multiplyTiles(const Values &acc);
  void finish(Component &component, Index rowTile);

  gpu::MMAMatrixType matrix(StringRef operand) { return gpu::MMAMatrixType::get({8, 8}, k.b.getF32Type(), operand); }
  Value loadMatrix(Value memory, Index at, int64_t stride, StringRef operand) {
    return gpu::SubgroupMmaLoadMatrixOp::create(k.b, k.loc, matrix(operand), memory, ValueRange{at},
                                                k.b.getIndexAttr(stride), UnitAttr());
  }

  GpuBuilder k;
  SmallVector<Component> components;
  SmallVector<Value> tables;
  Value xs, ws; // [tokens][columns], [columns][rows]
  Index tokens{k, {}}, firstToken{k, {}};
};
} // namespace

void MatmulEmitter::stageTokens(LinearOp linear, Index firstColumn) {
  Value source = throughReshape(linear.getX()), x = k.memory(BindingKind::Activation, source);
  int64_t cols = cast<PackedType>(linear.getW().getType()).getCols();
  constexpr int64_t kQuads = kTileCols / 4;
  Index quad = (k.thread() % kQuads * 4).named("quad"), own = (k.thread() / kQuads).named("own");
  int64_t step = k.threads() / kQuads;
  k.unrolled("i", kTileTokens / step, [&](Index i) {
    Index row = (own + i * step).named("row"), token = firstToken + row, column = firstColumn + quad;
    Index at = token * GpuBuilder::stride(source) + column;
    Value inside = token < tokens;
    Value values;
    if (cols % 4 == 0) {
      if (cols % kTileCols != 0)
        inside = k.conjunction(inside, column < cols);
      values = k.orZero(inside, k.f32Type(4), [&] { return k.load(x, at, 4); });
    } else {
      SmallVector<Value> parts;
      for (int64_t c = 0; c < 4; ++c)
        parts.push_back(
            k.orZero(k.conjunction(inside, column + c < cols), k.f32Type(1), [&] { return k.load(x, at + c); }));
      values = k.join(parts);
    }
    k.store(GpuBuilder::named(values, "value"), xs, row * kXStride + quad);
  });
}

void MatmulEmitter::stageWeights(LinearOp linear, Index block, Index step, WeightTile *tile) {
  Index rows = (k.simdgroup() * kBlockRows).named("rows");
  if (tile) {
    tile->read(block, step);
    Index to = (tile->unit * (tile->map.unitCols * kWStride) + rows + tile->firstRow).named("to");
    for (int64_t c = 0; c < tile->map.unitCols; ++c)
      k.store(tile->weight(c), ws, to + c * kWStride);
    return;
  }
  constexpr int64_t kParts = kBlockRows / 4, kColumns = kSimd / kParts;
  int64_t cols = cast<PackedType>(linear.getW().getType()).getCols();
  Value stream = k.memory(BindingKind::Stream, linear.getW());
  Index row = (k.lane() % kParts * 4).named("row0"), own = (k.lane() / kParts).named("own");
  k.unrolled("i", kTileCols / kColumns, [&](Index i) {
    Index inTile = (own + i * kColumns).named("c"), column = step * kTileCols + inTile;
    auto load = [&] { return k.extend(k.load(stream, block * (cols * kBlockRows) + column * kBlockRows + row, 4)); };
    Value values = cols % kTileCols == 0 ? load() : k.orZero(column < cols, k.f32Type(4), load);
    k.store(GpuBuilder::named(values, "weights"), ws, inTile * kWStride + rows + row);
  });
}

GpuBuilder::Values MatmulEmitter::multiplyTiles(const Values &acc) {
  return k.carry(
      "kk", k.index(0), k.index(kTileCols), 8, acc, "acc",
      [&](Index kk, ValueRange sums) {
        Values next(sums), b;
        for (int64_t j = 0; j < kRowTiles; ++j)
          b.push_back(GpuBuilder::named(
              loadMatrix(ws, kk * kWStride + k.simdgroup() * kBlockRows + j * 8, kWStride, "BOp"), "b" + Twine(j)));
        for (int64_t i = 0; i < kTokenTiles; ++i) {
          Value a = GpuBuilder::named(loadMatrix(xs, kk + i * 8 * kXStride, kXStride, "AOp"), "a");
          for (int64_t j = 0; j < kRowTiles; ++j) {
            Value &c = next[i * kRowTiles + j];
            c = GpuBuilder::named(
                gpu::SubgroupMmaComputeOp::create(k.b, k.loc, c.getType(), a, b[j], c, UnitAttr(), UnitAttr()), "c");
          }
        }
        return next;
      },
      /*unroll=*/true);
}

void MatmulEmitter::multiply(MutableArrayRef<LinearOp> linears, Index block, ArrayRef<Value> levels, Values &products) {
  auto packed = cast<PackedType>(linears.front().getW().getType());
  SmallVector<std::optional<WeightTile>> tiles;
  for (auto [linear, table] : llvm::zip(linears, levels))
    if (layoutOf(linear.getW()).isDense())
      tiles.emplace_back();
    else
      tiles.emplace_back(std::in_place, k, linear.getW(), kTileCols, table);
  Value zero = gpu::SubgroupMmaConstantMatrixOp::create(k.b, k.loc, matrix("COp"), k.f32(0));
  Values acc(linears.size() * kResults, GpuBuilder::named(zero, "zero"));
  int64_t steps = (packed.getCols() + kTileCols - 1) / kTileCols;
  acc = k.carry("step", k.index(0), k.index(steps), 1, acc, "acc", [&](Index step, ValueRange sums) {
    // All have multiplied what lies there, and written their part of the tables.
    if (steps > 1 || !products.empty() || llvm::any_of(levels, [](Value table) { return bool(table); }))
      k.barrier();
    stageTokens(linears.front(), step * kTileCols);
    Values next;
    for (auto [l, linear] : llvm::enumerate(linears)) {
      // The columns of `ws` that a simdgroup multiplies are its own.
      if (l > 0)
        k.simdgroupBarrier();
      stageWeights(linear, block, step, tiles[l] ? &*tiles[l] : nullptr);
      if (l > 0)
        k.simdgroupBarrier();
      else
        k.barrier();
      llvm::append_range(next, multiplyTiles(Values(sums.slice(l * kResults, kResults))));
    }
    return next;
  });
  llvm::append_range(products, acc);
}

/// The results lie in `ws`, one linear after the other, [tokens][rows].
void MatmulEmitter::finish(Component &component, Index rowTile) {
  constexpr int64_t kQuads = kTileRows / 4;
  int64_t width = component.rows() % 4 == 0 ? 4 : 1, step = k.threads() / kQuads;
  Index quad = (k.thread() % kQuads * 4).named("quad"), own = (k.thread() / kQuads).named("own");
  Index firstColumn = (rowTile * kTileRows + quad).named("column");
  k.unrolled("i", kTileTokens / step, [&](Index i) {
    Index inTile = (own + i * step).named("t"), token = (firstToken + inTile).named("token");
    for (int64_t c = 0; c < 4; c += width) {
      Index column = firstColumn + c;
      Value inside = token < tokens;
      if (component.rows() % kTileRows != 0)
        inside = k.conjunction(inside, column < component.rows());
      k.ifThen(inside, [&] {
        SmallVector<Value> results;
        for (size_t l = 0; l < component.linears.size(); ++l)
          results.push_back(GpuBuilder::named(
              k.load(ws, inTile * kWStride + quad + (int64_t(l) * kTileTokens * kWStride + c), width), "dot"));
        finishRow(k, component, token, column, width, results);
      });
    }
  });
}

void MatmulEmitter::component(Component &component, Index rowTile) {
  SmallVector<Value> levels = stageLevels(k, component, tables);
  Index own = (rowTile * kMatmulSimdgroups + k.simdgroup()).named("block");
  // Rows beyond the weight: the last block again, which nobody stores.
  Index block = component.blocks() % kMatmulSimdgroups == 0 ? own : min(own, k.index(component.blocks() - 1));
  block.named("block");
  Values products;
  MutableArrayRef<LinearOp> linears = component.linears;
  for (size_t first = 0, last; first < linears.size(); first = last) {
    last = first + 1;
    while (last < linears.size() && linears[last].getX() == linears[first].getX())
      ++last;
    multiply(linears.slice(first, last - first), block, ArrayRef(levels).slice(first, last - first), products);
  }
  k.simdgroupBarrier(); // as above
  for (auto [i, product] : llvm::enumerate(products)) {
    // One linear's tokens after the other's.
    int64_t row = int64_t(i) / kRowTiles * 8, column = int64_t(i) % kRowTiles * 8;
    gpu::SubgroupMmaStoreMatrixOp::create(k.b, k.loc, product, ws,
                                          ValueRange{k.simdgroup() * kBlockRows + (row * kWStride + column)},
                                          k.b.getIndexAttr(kWStride), UnitAttr());
  }
  k.barrier();
  finish(component, rowTile);
}

void MatmulEmitter::run() {
  tables = levelTables(k, components);
  xs = k.shared("xs", kTileTokens * kXStride);
  ws = k.shared("ws", kTileCols * kWStride);
  tokens = k.rows();
  Index tokenTiles = ((tokens + (kTileTokens - 1)) / kTileTokens).named("token_tiles");
  // Neighbouring threadgroups share weights.
  firstToken = (k.group() % tokenTiles * kTileTokens).named("token0");
  forComponents(
      k, components, (k.group() / tokenTiles).named("row_tile"),
      [](Component &component) { return (component.rows() + kTileRows - 1) / kTileRows; },
      [&](Component &part, Index rowTile) { component(part, rowTile); });
  k.finish();
}

LogicalResult tq::kernels::buildMatmul(KernelOp kernel, gpu::GPUModuleOp module) {
  MatmulEmitter(kernel, module).run();
  return success();
}
