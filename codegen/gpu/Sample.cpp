//===- Sample.cpp - The largest logits of a row ---------------------------===//
// tq.argmax and tq.top_k: a threadgroup per row, whose simdgroups read blocks of 128 elements in turn, 16 bytes a lane.
//
// Elements are compared as integers in the order of the floats, which has NaN and minus infinity even where fast math knows
// neither, and which simdgroups reduce in any order to one result.
//
// top_k: a simdgroup keeps the k best of its blocks sorted, one or two to a lane. What beats the last of them is inserted, in
// order of its index: 2 shuffles per register and 7 more; a block that holds nothing better costs 5. Of m elements in random
// order about k (1 + ln(m / k)) are inserted, in ascending order all. Then one simdgroup merges the lists, a list to a lane, in
// k rounds of 10 shuffles. One barrier in all. With 128,000 logits and k = 40, of which a simdgroup has 4,000: 32 blocks and some
// 220 insertions.

#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/gpu/GpuBuilder.h"

using namespace mlir;
using namespace tq;
using namespace tq::kernels;

static constexpr int64_t kWidth = 4, kBlock = kWidth * kSimd;
/// Key and index of nothing: below and behind everything.
static constexpr int64_t kBelow = INT32_MIN, kNowhere = INT32_MAX;
static constexpr int64_t kInfinity = 0x7f800000; ///< bits of an infinity
static constexpr int64_t kSize = 0x7fffffff;     ///< bits of a float without its sign

static int64_t elementsOf(Operation *root) {
  return elementsPerRow(cast<RankedTensorType>(root->getOperand(0).getType()));
}

/// Four blocks or more to each simdgroup, up to the most that a threadgroup has.
static int64_t simdgroupsFor(int64_t elements) {
  return std::clamp<int64_t>(int64_t(llvm::bit_floor(uint64_t(elements / (4 * kBlock)))), 1, 32);
}

/// The op of a body that holds nothing else but views; null if it is another body.
static Operation *rootOf(Block &body) {
  Operation *root = nullptr;
  for (Operation &op : body.without_terminator()) {
    if (isa<ReshapeOp>(op))
      continue;
    if (root || !isa<ArgmaxOp, TopKOp>(op))
      return nullptr;
    root = &op;
  }
  return root;
}

namespace {
struct Logit {
  Value key, index; ///< i32
};

class SampleEmitter {
public:
  SampleEmitter(KernelOp kernel, gpu::GPUModuleOp module, Operation *root)
      : root(root), elements(elementsOf(root)), k(kernel, module, simdgroupsFor(elements)), i32(k.b.getI32Type()) {}
  void run();

private:
  using Values = GpuBuilder::Values;
  void argmax();
  void topK(int64_t count);
  Values insertBlock(Index block, ValueRange state, int64_t count);
  Values insert(Logit entry, ValueRange list, int64_t count);
  void storeMerged(ValueRange list, int64_t count);

  /// The simdgroup's elements, a block at a time.
  Values overBlocks(ArrayRef<Value> inits, StringRef name, function_ref<Values(Index block, ValueRange)> body) {
    return k.carry("block", k.simdgroup() * kBlock, k.index(elements), k.simdgroups * kBlock, inits, name, body);
  }
  SmallVector<Logit> entriesOf(Index block);
  Value keyOf(Value x);
  Value floatOf(Value key);
  Logit best(Logit mine);
  /// Stores to the given result of the root, if the kernel gives it.
  void output(unsigned result, Value value, Index at);

  Value number(int64_t value) { return k.i32(value); }
  Value compare(arith::CmpIPredicate how, Value x, Value y) {
    return k.b.createOrFold<arith::CmpIOp>(k.loc, how, x, y);
  }
  Value greater(Value x, Value y) { return compare(arith::CmpIPredicate::sgt, x, y); }
  Value equal(Value x, Value y) { return compare(arith::CmpIPredicate::eq, x, y); }
  Value toI32(Index x) { return arith::IndexCastUIOp::create(k.b, k.loc, i32, x); }
  Value reduce(gpu::AllReduceOperation how, Value x) {
    return gpu::SubgroupReduceOp::create(k.b, k.loc, x, how, /*uniform=*/true);
  }
  Value fromLane(Value x, Value lane) {
    return gpu::ShuffleOp::create(k.b, k.loc, x, lane, number(kSimd), gpu::ShuffleMode::IDX).getShuffleResult();
  }

  Operation *root;
  int64_t elements;
  GpuBuilder k;
  Type i32;
  Index row{k, {}};
};
} // namespace

//===-- Order ---------------------------------------------------------------------------------------------------===//

/// The bits without the sign, negated where there is one: -0 is 0, and NaN becomes minus infinity.
Value SampleEmitter::keyOf(Value x) {
  Value bits = GpuBuilder::named(arith::BitcastOp::create(k.b, k.loc, i32, x), "bits");
  Value size = GpuBuilder::named(arith::AndIOp::create(k.b, k.loc, bits, number(kSize)), "size");
  Value negative = arith::SubIOp::create(k.b, k.loc, number(0), size);
  Value key = k.select(greater(number(0), bits), negative, size);
  return k.select(greater(size, number(kInfinity)), number(-kInfinity), key);
}

Value SampleEmitter::floatOf(Value key) {
  Value size = arith::SubIOp::create(k.b, k.loc, number(0), key);
  Value negative = arith::OrIOp::create(k.b, k.loc, size, number(int64_t(1) << 31));
  Value bits = k.select(greater(number(0), key), negative, key);
  return arith::BitcastOp::create(k.b, k.loc, k.b.getF32Type(), bits);
}

/// The lane's elements of a block. Rows are padded to 16 elements: a vector that begins in the row does not leave its memory.
SmallVector<Logit> SampleEmitter::entriesOf(Index block) {
  Index element = (block + k.lane() * kWidth).named("element");
  int64_t last = int64_t(llvm::alignTo(elements, kWidth)) - kWidth;
  bool isWhole = elements % kBlock == 0;
  Index from = isWhole ? element : min(element, k.index(last)).named("from");
  Value x = k.memory(BindingKind::Activation, throughReshape(root->getOperand(0)));
  Value four = GpuBuilder::named(k.load(x, row * GpuBuilder::stride(root->getOperand(0)) + from, kWidth), "logits");
  SmallVector<Logit> entries;
  for (int64_t i = 0; i < kWidth; ++i) {
    Value key = keyOf(k.at(four, i));
    if (!isWhole)
      key = k.select(element + i < elements, key, number(kBelow));
    entries.push_back({GpuBuilder::named(key, "key"), toI32(element + i)});
  }
  return entries;
}

/// The best entry of all lanes, which is then that of all lanes.
Logit SampleEmitter::best(Logit mine) {
  Value key = GpuBuilder::named(reduce(gpu::AllReduceOperation::MAXSI, mine.key), "best");
  Value index = k.select(equal(mine.key, key), mine.index, number(kNowhere));
  return {key, GpuBuilder::named(reduce(gpu::AllReduceOperation::MINUI, index), "first")};
}

void SampleEmitter::output(unsigned result, Value value, Index at) {
  for (auto [i, yielded] : llvm::enumerate(root->getBlock()->getTerminator()->getOperands()))
    if (yielded == root->getResult(result))
      k.store(value, k.output(int64_t(i)), at);
}

//===-- argmax --------------------------------------------------------------------------------------------------===//

void SampleEmitter::argmax() {
  Values mine = overBlocks({number(kBelow), number(kNowhere)}, "top", [&](Index block, ValueRange top) {
    Logit entry{top[0], top[1]};
    // Indices ascend: what is equal came later.
    for (Logit next : entriesOf(block)) {
      Value wins = greater(next.key, entry.key);
      entry = {k.select(wins, next.key, entry.key), k.select(wins, next.index, entry.index)};
    }
    return Values{entry.key, entry.index};
  });
  Logit top = best({mine[0], mine[1]});
  if (k.simdgroups == 1)
    return k.ifThen(k.lane() == 0, [&] { output(0, top.index, row); });
  Value keys = k.shared("keys", k.simdgroups, i32), indices = k.shared("indices", k.simdgroups, i32);
  k.ifThen(k.lane() == 0, [&] {
    k.store(top.key, keys, k.simdgroup());
    k.store(top.index, indices, k.simdgroup());
  });
  k.barrier();
  k.ifThen(k.simdgroup() == 0, [&] {
    // Lanes beyond the last simdgroup repeat its entry, which changes nothing.
    Index from = k.simdgroups < kSimd ? min(k.lane(), k.index(k.simdgroups - 1)).named("from") : k.lane();
    Logit all = best({k.load(keys, from), k.load(indices, from)});
    k.ifThen(k.lane() == 0, [&] { output(0, all.index, row); });
  });
}

//===-- top_k ---------------------------------------------------------------------------------------------------===//

/// The list holds keys, then indices, register by register; slot s is register s / 32 of lane s % 32. What the entry beats moves
/// on by one. Entries come in order of their index, so equal ones stay in front.
GpuBuilder::Values SampleEmitter::insert(Logit entry, ValueRange list, int64_t count) {
  int64_t registers = llvm::divideCeil(count, kSimd);
  Value before = toI32((k.lane() + (kSimd - 1)) & (kSimd - 1)), isFirst = k.lane() == 0;
  SmallVector<Value> shifted;
  for (Value value : list)
    shifted.push_back(fromLane(value, before));
  // Lane 0 has received what lane 31 holds: the end of the register before.
  auto predecessor = [&](int64_t r, int64_t first, Value none) {
    return k.select(isFirst, r == 0 ? none : shifted[first + r - 1], shifted[first + r]);
  };
  Values keys, indices;
  for (int64_t r = 0; r < registers; ++r) {
    Value key = list[r], index = list[registers + r];
    Value keyBefore = predecessor(r, 0, number(kNowhere)), indexBefore = predecessor(r, registers, entry.index);
    Value moves = greater(entry.key, key), isBehind = greater(entry.key, keyBefore);
    keys.push_back(k.select(moves, k.select(isBehind, keyBefore, entry.key), key));
    indices.push_back(k.select(moves, k.select(isBehind, indexBefore, entry.index), index));
  }
  llvm::append_range(keys, indices);
  return keys;
}

/// State: the list, then the key of its k-th entry. While some lane has an element that beats it, the first one goes in.
GpuBuilder::Values SampleEmitter::insertBlock(Index block, ValueRange state, int64_t count) {
  OpBuilder &b = k.b;
  SmallVector<Logit> entries = entriesOf(block);
  Values inits(state);
  for (Logit entry : entries)
    inits.push_back(entry.key);
  size_t listSize = state.size() - 1, n = inits.size();
  SmallVector<Type> types(n, i32), afterTypes(n + 2, i32);
  auto loop = scf::WhileOp::create(b, k.loc, afterTypes, inits);
  OpBuilder::InsertionGuard guard(b);

  Block *before = b.createBlock(&loop.getBefore(), {}, types, SmallVector<Location>(n, k.loc));
  for (auto [i, argument] : llvm::enumerate(before->getArguments()))
    GpuBuilder::named(argument, i < state.size() ? "list" + std::to_string(i) : "key");
  Value threshold = before->getArgument(listSize);
  Logit mine{number(kBelow), number(kNowhere)};
  for (size_t i = kWidth; i-- > 0;) {
    Value key = before->getArgument(listSize + 1 + i), beats = greater(key, threshold);
    mine = {k.select(beats, key, mine.key), k.select(beats, entries[i].index, mine.index)};
  }
  Value first = GpuBuilder::named(reduce(gpu::AllReduceOperation::MINUI, mine.index), "first");
  Values passed(before->args_begin(), before->args_end());
  passed.append({mine.key, first});
  scf::ConditionOp::create(b, k.loc, compare(arith::CmpIPredicate::ne, first, number(kNowhere)), passed);

  Block *after = b.createBlock(&loop.getAfter(), {}, afterTypes, SmallVector<Location>(n + 2, k.loc));
  GpuBuilder::named(after->getArgument(n), "candidate");
  Value found = GpuBuilder::named(after->getArgument(n + 1), "found");
  // Blocks begin at multiples of 128.
  Value owner = arith::AndIOp::create(b, k.loc, arith::ShRUIOp::create(b, k.loc, found, number(2)), number(kSimd - 1));
  Logit entry{GpuBuilder::named(fromLane(after->getArgument(n), owner), "added"), found};
  Values next = insert(entry, ValueRange(after->getArguments()).take_front(listSize), count);
  next.push_back(fromLane(next[(count - 1) / kSimd], number((count - 1) % kSimd)));
  for (size_t i = 0; i < kWidth; ++i)
    next.push_back(
        k.select(equal(entries[i].index, found), number(kBelow), after->getArgument(unsigned(listSize + 1 + i))));
  scf::YieldOp::create(b, k.loc, next);
  return Values(loop.getResults().take_front(state.size()));
}

/// Merges the sorted lists of all simdgroups: each lane holds the head of one.
void SampleEmitter::storeMerged(ValueRange list, int64_t count) {
  int64_t registers = llvm::divideCeil(count, kSimd);
  Value keys = k.shared("keys", k.simdgroups * count, i32), indices = k.shared("indices", k.simdgroups * count, i32);
  for (int64_t r = 0; r < registers; ++r) {
    Index slot = k.lane() + r * kSimd, at = (k.simdgroup() * count + slot).named("slot");
    auto store = [&] {
      k.store(list[r], keys, at);
      k.store(list[registers + r], indices, at);
    };
    if ((r + 1) * kSimd <= count)
      store();
    else
      k.ifThen(slot < count, store);
  }
  k.barrier();
  k.ifThen(k.simdgroup() == 0, [&] {
    int64_t last = k.simdgroups * count - 1;
    Index own = k.lane() * count;
    Index begin = (k.simdgroups < kSimd ? min(own, k.index(last)) : own).named("head");
    Value hasList = k.simdgroups < kSimd ? k.lane() < k.simdgroups : Value();
    auto head = [&](Value memory, Value none) {
      Value value = k.load(memory, begin);
      return hasList ? k.select(hasList, value, none) : value;
    };
    SmallVector<Value> heads{head(keys, number(kBelow)), head(indices, number(kNowhere)), begin};
    k.carry("rank", k.index(0), k.index(count), 1, heads, "head", [&](Index rank, ValueRange head) {
      Logit top = best({head[0], head[1]});
      auto advance = [&] {
        output(0, floatOf(top.key), (row * GpuBuilder::stride(root->getResult(0)) + rank).named("at"));
        output(1, top.index, row * GpuBuilder::stride(root->getResult(1)) + rank);
        // After the last round nobody looks at a head: what follows the list's end may be read, and must exist.
        Index next = min(Index(k, head[2]) + 1, k.index(last)).named("next");
        return Values{k.load(keys, next), k.load(indices, next), next};
      };
      return k.ifElse(equal(head[1], top.index), TypeRange{i32, i32, k.b.getIndexType()}, advance,
                      [&] { return Values(head); });
    });
  });
}

void SampleEmitter::topK(int64_t count) {
  int64_t registers = llvm::divideCeil(count, kSimd);
  SmallVector<Value> state(registers, number(kBelow));
  state.append(registers, number(kNowhere));
  state.push_back(number(kBelow));
  Values list =
      overBlocks(state, "list", [&](Index block, ValueRange state) { return insertBlock(block, state, count); });
  if (k.simdgroups > 1)
    return storeMerged(list, count);
  for (int64_t r = 0; r < registers; ++r) {
    Index slot = k.lane() + r * kSimd;
    k.ifThen(slot < count, [&] {
      output(0, floatOf(list[r]), row * GpuBuilder::stride(root->getResult(0)) + slot);
      output(1, list[registers + r], row * GpuBuilder::stride(root->getResult(1)) + slot);
    });
  }
}

void SampleEmitter::run() {
  row = k.maxRows() == 1 ? k.index(0) : k.group().named("row");
  if (auto op = dyn_cast<TopKOp>(root))
    topK(int64_t(op.getK()));
  else
    argmax();
  k.finish();
}

//===-- The skeleton --------------------------------------------------------------------------------------------===//

namespace {
class SampleSkeleton : public Skeleton {
public:
  StringRef name() const override { return "sample"; }
  bool matches(Block &body) const override {
    Operation *root = rootOf(body);
    return root && isa<BlockArgument>(throughReshape(root->getOperand(0))) &&
           llvm::all_of(body.getTerminator()->getOperands(), [&](Value v) { return v.getDefiningOp() == root; });
  }
  LaunchConfig configure(LaunchOp launch, const LaunchFacts &facts, const CostModel &) const override {
    return {launchConfig(launch, facts.kernelRows), 1};
  }
  AffineMap tasks(KernelOp kernel) const override {
    return AffineMap::get(0, 3, getAffineSymbolExpr(rowsParam(kernel), kernel.getContext()));
  }
  LogicalResult build(KernelOp kernel, ModuleOp module) const override {
    SampleEmitter(kernel, gpuModuleOf(module), rootOf(kernel.getBody().front())).run();
    return success();
  }
};
} // namespace

const Skeleton &tq::gpuSampleSkeleton() {
  static const SampleSkeleton skeleton;
  return skeleton;
}
