//===- Matvec.cpp - Linear layers of 1 to 8 tokens ------------------------===//
// A simdgroup owns a block of 16 rows, or shares it with others that take other columns. Lanes read 16 bytes of codes each (8
// or 24 with 3 bits) and keep partial sums of 1 to 4 rows; a fixed butterfly over lanes ends the row. The sum of a row takes the
// same path whatever the number of tokens: a token's result does not depend on its neighbours.

#include "codegen/gpu/Linear.h"
#include "codegen/gpu/WeightTile.h"

using namespace mlir;
using namespace tq;
using namespace tq::kernels;

MatvecShape::MatvecShape(KernelOp kernel) {
  // With few rows a GPU is short of simdgroups; each should still have 4 superblocks to stream.
  int64_t cols = INT64_MAX;
  for (LinearOp linear : kernel.getBody().front().getOps<LinearOp>())
    cols = std::min(cols, cast<PackedType>(linear.getW().getType()).getCols());
  int64_t supers = cols / kSuperCols;
  split = supers >= 16 ? 4 : supers >= 8 ? 2 : 1;
  simdgroups = split == 1 ? 2 : 4;
}

namespace {
class MatvecEmitter {
public:
  MatvecEmitter(KernelOp kernel, gpu::GPUModuleOp module)
      : shape(kernel), k(kernel, module, shape.simdgroups), components(linearComponents(kernel.getBody().front())) {}
  void run();

private:
  using Values = GpuBuilder::Values;
  void component(Component &component, Index group);
  /// The sum of one row of each lane, for each token.
  Values multiply(LinearOp linear, Index block, Value table, int64_t tokens);
  Values multiplyQuantised(LinearOp linear, Index block, Value table, int64_t tokens);
  Values multiplyDense(LinearOp linear, Index block, int64_t tokens);
  /// Runs spans `part`, `part + split`, … of `count`, and the incomplete one at the end.
  Values overSpans(int64_t cols, int64_t spanCols, Values acc,
                   function_ref<Values(Index span, bool whole, ValueRange acc)> body);
  Values pickRow(const Values &acc, int64_t lanesPerColumn);
  /// x of token t, `count` columns from `column` on, as scalars; columns from `cols` on are 0.
  Values columnsOf(LinearOp linear, Index token, Index column, int64_t count, bool whole);
  Index tokenAt(int64_t t) { return t == 0 ? k.index(0) : min(k.index(t), lastToken); }

  MatvecShape shape;
  GpuBuilder k;
  SmallVector<Component> components;
  SmallVector<Value> tables, results; // threadgroup memory
  Index tokens{k, {}}, lastToken{k, {}}, part{k, {}};
};
} // namespace

GpuBuilder::Values MatvecEmitter::columnsOf(LinearOp linear, Index token, Index column, int64_t count, bool whole) {
  Value source = throughReshape(linear.getX()), x = k.memory(BindingKind::Activation, source);
  int64_t cols = cast<PackedType>(linear.getW().getType()).getCols(), width = std::min<int64_t>(count, 4);
  if (cols % 4 != 0 && !whole)
    width = 1;
  Values values;
  for (int64_t i = 0; i < count; i += width) {
    Index at = column + i;
    auto load = [&] { return k.load(x, token * GpuBuilder::stride(source) + at, width); };
    Value piece = whole ? load() : k.orZero(at < cols, k.f32Type(width), load);
    GpuBuilder::named(piece, "x" + Twine(i));
    for (int64_t c = 0; c < width; ++c)
      values.push_back(k.at(piece, c));
  }
  return values;
}

GpuBuilder::Values MatvecEmitter::overSpans(int64_t cols, int64_t spanCols, Values acc,
                                            function_ref<Values(Index, bool, ValueRange)> body) {
  int64_t whole = cols / spanCols;
  acc = k.carry("span", part, k.index(whole), shape.split, acc, "acc",
                [&](Index span, ValueRange sums) { return body(span, true, sums); });
  if (cols % spanCols == 0)
    return acc;
  return k.ifElse(
      part == whole % shape.split, ValueRange(acc).getTypes(), [&] { return body(k.index(whole), false, acc); },
      [&] { return acc; });
}

/// Lanes that differ in `unit` hold parts of the same rows. After the butterfly each of them has all sums; lane l keeps row
/// l / rowParts of its own, so that 16 lanes hold the 16 rows of the block.
GpuBuilder::Values MatvecEmitter::pickRow(const Values &acc, int64_t rowParts) {
  Values sums;
  int64_t rows = kBlockRows / rowParts;
  Index mine = (k.lane() / rowParts % rows).named("mine");
  for (Value value : acc) {
    Value picked;
    for (int64_t i = 0; i < rows; ++i) {
      Value sum = GpuBuilder::named(k.reduceAdd(k.at(value, i), kSimd / rowParts, rowParts), "sum");
      picked = picked ? k.select(mine == i, sum, picked) : sum;
    }
    sums.push_back(GpuBuilder::named(picked, "dot"));
  }
  return sums;
}

GpuBuilder::Values MatvecEmitter::multiplyQuantised(LinearOp linear, Index block, Value table, int64_t tokens) {
  Layout layout = layoutOf(linear.getW());
  int64_t cols = cast<PackedType>(linear.getW().getType()).getCols();
  WeightTile tile(k, linear.getW(), LaneMap::widestSpan(layout), table);
  Type type = k.f32Type(tile.map.rows);
  Values acc(tokens, k.constant(0.0f, type));
  acc = overSpans(cols, tile.map.spanCols, acc, [&](Index span, bool whole, ValueRange sums) {
    Values next(sums);
    tile.read(block, span);
    Index column = (span * tile.map.spanCols + tile.unit * tile.map.unitCols).named("k0");
    for (int64_t c = 0; c < tile.map.unitCols; c += 8) {
      SmallVector<Values> x;
      for (int64_t t = 0; t < tokens; ++t)
        x.push_back(columnsOf(linear, tokenAt(t), column + c, 8, whole));
      tile.multiply(c, x, next);
    }
    return next;
  });
  return pickRow(acc, tile.map.rowParts());
}

/// Elements of a column are 16 neighbours: 4 lanes take 4 rows each, 8 of them one column each.
GpuBuilder::Values MatvecEmitter::multiplyDense(LinearOp linear, Index block, int64_t tokens) {
  constexpr int64_t kRows = 4, kParts = kBlockRows / kRows, kColumns = kSimd / kParts, kSpan = 64;
  int64_t cols = cast<PackedType>(linear.getW().getType()).getCols();
  Value stream = k.memory(BindingKind::Stream, linear.getW());
  Index row = (k.lane() % kParts * kRows).named("row0"), own = (k.lane() / kParts).named("own");
  Values acc(tokens, k.constant(0.0f, k.f32Type(kRows)));
  acc = overSpans(cols, kSpan, acc, [&](Index span, bool whole, ValueRange sums) {
    Values next(sums);
    Index first = (span * kSpan + own).named("k0");
    int64_t steps = whole ? kSpan / kColumns : (cols % kSpan + kColumns - 1) / kColumns;
    for (int64_t i = 0; i < steps; ++i) {
      Index column = first + i * kColumns;
      auto step = [&](ValueRange sums) {
        Values next(sums);
        Value w = k.extend(k.load(stream, block * (cols * kBlockRows) + column * kBlockRows + row, kRows));
        GpuBuilder::named(w, "w");
        for (int64_t t = 0; t < tokens; ++t) {
          Value x = columnsOf(linear, tokenAt(t), column, 1, true).front();
          next[t] = GpuBuilder::named(k.fma(w, k.splat(x, kRows), next[t]), "sum");
        }
        return next;
      };
      bool inside = whole || i * kColumns + kColumns <= cols % kSpan;
      next =
          inside
              ? step(next)
              : k.ifElse(column < cols, ValueRange(next).getTypes(), [&] { return step(next); }, [&] { return next; });
    }
    return next;
  });
  return pickRow(acc, kParts);
}

GpuBuilder::Values MatvecEmitter::multiply(LinearOp linear, Index block, Value table, int64_t tokens) {
  return layoutOf(linear.getW()).isDense() ? multiplyDense(linear, block, tokens)
                                           : multiplyQuantised(linear, block, table, tokens);
}

void MatvecEmitter::component(Component &component, Index group) {
  SmallVector<Value> levels = stageLevels(k, component, tables);
  if (llvm::any_of(levels, [](Value table) { return bool(table); }))
    k.barrier();
  Index own = (group * shape.blocksPerGroup() + k.simdgroup() / shape.split).named("own_block");
  Index block = component.blocks() % shape.blocksPerGroup() == 0
                    ? own.named("block")
                    : min(own, k.index(component.blocks() - 1)).named("block");
  // The lane's row of the block, see pickRow.
  auto rowsPerLane = [](LinearOp linear) {
    Layout layout = layoutOf(linear.getW());
    return layout.isDense() ? 4 : LaneMap(layout, LaneMap::widestSpan(layout)).rows;
  };
  auto rowOf = [&](LinearOp linear) {
    int64_t rows = rowsPerLane(linear), parts = kBlockRows / rows;
    return k.lane() % parts * rows + k.lane() / parts;
  };
  auto guard = [&](Index row) {
    Value inside = k.lane() < kBlockRows;
    if (component.rows() % kBlockRows != 0 || component.blocks() % shape.blocksPerGroup() != 0)
      inside = k.conjunction(inside, row < component.rows());
    return inside;
  };
  // Lanes of different layouts hold different rows; then, and with several tokens or parts, results go through memory.
  bool alike = llvm::all_equal(llvm::map_range(component.linears, rowsPerLane));
  if (k.maxRows() == 1 && shape.split == 1 && alike) {
    SmallVector<Value> sums;
    for (auto [linear, table] : llvm::zip(component.linears, levels))
      sums.push_back(multiply(linear, block, table, 1).front());
    Index row = (own * kBlockRows + rowOf(component.linears.front())).named("row");
    k.ifThen(guard(row), [&] { finishRow(k, component, k.index(0), row, 1, sums); });
    return;
  }

  int64_t most = k.maxRows();
  while (results.size() < component.linears.size())
    results.push_back(k.shared(results.empty() ? "sums" : "sums" + std::to_string(results.size() + 1),
                               shape.simdgroups * most * kBlockRows));
  auto slot = [&](Index simdgroup, Index token) { return (simdgroup * most + token) * kBlockRows; };
  auto compute = [&](int64_t count) {
    for (auto [i, linear] : llvm::enumerate(component.linears)) {
      Values sums = multiply(linear, block, levels[i], count);
      k.ifThen(k.lane() < kBlockRows, [&, i = i, linear = linear] {
        for (int64_t t = 0; t < count; ++t)
          k.store(sums[t], results[i], slot(k.simdgroup(), k.index(t)) + rowOf(linear));
      });
    }
  };
  // Tokens that do not exist cost as much as others: a second version of the loop serves half as many.
  if (most > 4)
    k.ifElse(tokens < 5, {}, [&] { return compute(4), Values(); }, [&] { return compute(most), Values(); });
  else
    compute(most);
  k.barrier();

  Index row = (own * kBlockRows + k.lane()).named("row");
  k.ifThen(guard(row), [&] {
    k.loop("token", part, tokens, shape.split, [&](Index token) {
      Index first = (k.simdgroup() / shape.split * shape.split).named("first");
      SmallVector<Value> sums;
      for (size_t i = 0; i < component.linears.size(); ++i) {
        Value sum;
        for (int64_t s = 0; s < shape.split; ++s) {
          Value value = k.load(results[i], slot(first + s, token) + k.lane());
          sum = sum ? k.add(sum, value) : value;
        }
        sums.push_back(GpuBuilder::named(sum, "dot"));
      }
      finishRow(k, component, token, row, 1, sums);
    });
  });
}

void MatvecEmitter::run() {
  tables = levelTables(k, components);
  tokens = k.rows();
  part = shape.split == 1 ? k.index(0) : (k.simdgroup() % shape.split).named("part");
  if (k.maxRows() > 1)
    lastToken = (tokens - 1).named("last");
  forComponents(
      k, components, k.group(), [&](Component &component) { return shape.groups(component); },
      [&](Component &part, Index group) { component(part, group); });
  k.finish();
}

LogicalResult tq::kernels::buildMatvec(KernelOp kernel, gpu::GPUModuleOp module) {
  MatvecEmitter(kernel, module).run();
  return success();
}
