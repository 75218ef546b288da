//===- Attention.cpp - Softmax attention over paged states ----------------===//
// A threadgroup of four simdgroups computes the queries that share a KV head, of one token (tq.sdpa_split: one split of 256
// keys) or of several (tq.sdpa: all splits in order). In a split each simdgroup first scores a page of 64 keys, two in a lane;
// then they take queries in turn for the softmax; then 16 value dims each, over all keys. K and V are read once for all queries.

#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/gpu/GpuBuilder.h"
#include <numbers>
#include <numeric>

using namespace mlir;
using namespace tq;
using namespace tq::kernels;

namespace {
constexpr int64_t kSimdgroups = kSplitKeys / kPageTokens;
constexpr float kLog2E = std::numbers::log2e_v<float>;

/// Queries of a threadgroup: `tokens` tokens x `heads` heads, in as many passes as a KV head has heads for.
struct Shape {
  Shape(RankedTensorType q, KVType kv, bool prefill)
      : allHeads(q.getDimSize(1)), kvHeads(kv.getHeads()), perKV(allHeads / kvHeads), dk(kv.getK()), dv(kv.getV()),
        dvp(kvPaddedWidth(dv)), width(sdpaPartialFloats(dv)) {
    // Sums of a query stay in registers, its scores and (in prefill) its output in threadgroup memory.
    int64_t most = prefill && dvp <= 128 ? 16 : 8;
    for (heads = std::min(perKV, most); perKV % heads != 0;)
      --heads;
    tokens = prefill ? std::max<int64_t>(1, most / heads) : 1;
  }
  int64_t allHeads, kvHeads, perKV, dk, dv, dvp, width, heads, tokens;
  int64_t queries() const { return tokens * heads; }
  int64_t pageElements() const { return kvPageElements(kvHeads, dk, dv); }
  int64_t headElements() const { return kvPageElements(1, dk, dv); }
};

template <class Op> Shape shapeOf(Op op) {
  return {cast<RankedTensorType>(op.getQ().getType()), cast<KVType>(op.getState().getType()), isa<SdpaOp>(op)};
}

Operation *rootOf(Block &body) {
  for (Operation &op : body)
    if (isa<SdpaOp, SdpaSplitOp>(op))
      return &op;
  return nullptr;
}

class AttentionEmitter {
public:
  template <class Op>
  AttentionEmitter(KernelOp kernel, gpu::GPUModuleOp module, Op op)
      : k(kernel, module, kSimdgroups), shape(shapeOf(op)), q(throughReshape(op.getQ())), state(op.getState()),
        pos(op.getPos()), scale(op.getScale().convertToFloat()), window(op.getWindow()) {}
  void split();
  void prefill();

private:
  using Values = GpuBuilder::Values;
  void open(Index token);
  /// The first split that a key visible from position `position` can be in.
  Index firstSplit();
  void overHeads(function_ref<void(Index firstHead)> body);
  /// Whether the heads of a group take more than one, which share threadgroup memory.
  bool severalTurns() const { return shape.perKV > shape.heads; }
  void score(Index split, Index firstHead);
  /// Scores of one query to probabilities; calls finish(query, maximum, sum).
  void softmax(function_ref<Value(Index query)> oldMaximum, function_ref<void(Index, Value, Value)> finish);
  /// Sums of probability times value; calls finish(query, first of 4 dims, sums) where these are complete.
  void values(Index split, function_ref<void(Index, Index, Value)> finish);
  Index page(Index number) { return k.toIndex(k.load(k.memory(BindingKind::PageTable), number)).named("page"); }
  Index token(int64_t query) { return min(k.index(query / shape.heads), lastToken); }

  GpuBuilder k;
  Shape shape;
  Value q, state, pos;
  float scale;
  int64_t window;
  Value scores, pool;                                                                     // scores: [queries][256]
  Index firstToken{k, {}}, lastToken{k, {}}, kvHead{k, {}}, position{k, {}}, keys{k, {}}; // keys: that any query sees
};
} // namespace

/// What all queries share, once the first token is known. Tokens of a launch have neighbouring positions.
void AttentionEmitter::open(Index first) {
  firstToken = first;
  pool = k.memory(BindingKind::Pool, state);
  scores = k.shared("scores", shape.queries() * kSplitKeys);
  position = k.toIndex(k.load(k.memory(BindingKind::Activation, pos), first)).named("position");
  keys = (position + lastToken + 1).named("keys");
}

Index AttentionEmitter::firstSplit() {
  if (window == 0)
    return k.index(0);
  return ((max(position + 1, k.index(window)) - window) / kSplitKeys).named("first_split");
}

void AttentionEmitter::overHeads(function_ref<void(Index)> body) {
  k.loop("head0", k.index(0), k.index(shape.perKV), shape.heads,
         [&](Index head) { body(kvHead * shape.perKV + head); });
}

/// q . k for 64 keys of this simdgroup, in units of log 2. A page that nobody sees is not read: it may not exist.
void AttentionEmitter::score(Index split, Index firstHead) {
  Type pair = k.f32Type(2);
  Index key = (split * kSplitKeys + k.simdgroup() * kPageTokens).named("key0");
  Index slot = (k.lane() * 2).named("slot");
  Index to = (k.simdgroup() * kPageTokens + slot).named("to");
  auto store = [&](int64_t query, Value value) { k.store(value, scores, to + query * kSplitKeys); };
  auto masked = [&] {
    for (int64_t query = 0; query < shape.queries(); ++query)
      store(query, k.constant(kMasked, pair));
    return Values();
  };
  auto visible = [&] {
    Index head = page(split * kSimdgroups + k.simdgroup()) * shape.pageElements() + kvHead * shape.headElements();
    Index keysAt = (head + slot / 16 * (shape.dk * 16) + slot % 16).named("keys_at");
    Value queries = k.memory(BindingKind::Activation, q);
    SmallVector<Index> queryAt;
    for (int64_t query = 0; query < shape.queries(); ++query)
      queryAt.push_back(
          ((firstToken + token(query)) * GpuBuilder::stride(q) + (firstHead + query % shape.heads) * shape.dk)
              .named("q_at"));
    int64_t dims = std::gcd<int64_t>(4, shape.dk);
    Values sums = k.carry(
        "d", k.index(0), k.index(shape.dk), dims, Values(shape.queries(), k.constant(0.0f, pair)), "s",
        [&](Index d, ValueRange sums) {
          Values next(sums), keys;
          for (int64_t i = 0; i < dims; ++i)
            keys.push_back(GpuBuilder::named(k.extend(k.load(pool, keysAt + d * 16 + i * 16, 2)), "key" + Twine(i)));
          for (int64_t query = 0; query < shape.queries(); ++query) {
            Value x = GpuBuilder::named(k.load(queries, queryAt[query] + d, dims), "x");
            for (int64_t i = 0; i < dims; ++i)
              next[query] = k.fma(keys[i], k.splat(k.at(x, i), 2), next[query]);
            GpuBuilder::named(next[query], "s");
          }
          return next;
        });
    for (int64_t query = 0; query < shape.queries(); ++query) {
      Index own = (position + token(query)).named("own");
      Values parts;
      for (int64_t i = 0; i < 2; ++i) {
        Index j = key + slot + i;
        Value sees = j < own + 1;
        if (window)
          sees = k.conjunction(sees, own < j + window);
        parts.push_back(k.select(sees, k.mul(k.at(sums[query], i), scale * kLog2E), k.f32(kMasked)));
      }
      store(query, k.join(parts));
    }
    return Values();
  };
  k.ifElse(key < keys, {}, visible, masked);
}

void AttentionEmitter::softmax(function_ref<Value(Index)> oldMaximum, function_ref<void(Index, Value, Value)> finish) {
  k.loop("query", k.simdgroup(), k.index(shape.queries()), kSimdgroups, [&](Index query) {
    Index first = (query * kSplitKeys + k.lane() * 4).named("at"), second = first + kSplitKeys / 2;
    Values own;
    for (Index at : {first, second}) {
      Value quad = GpuBuilder::named(k.load(scores, at, 4), "quad");
      for (int64_t i = 0; i < 4; ++i)
        own.push_back(k.at(quad, i));
    }
    Value top = own[0];
    for (Value score : ArrayRef(own).drop_front())
      top = k.maximum(top, score);
    top = GpuBuilder::named(k.reduceMax(top), "top");
    if (Value old = oldMaximum(query))
      top = GpuBuilder::named(k.maximum(top, old), "top");
    // Where no key is visible all scores are alike, and none counts.
    for (Value &score : own) {
      Value counts = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGT, score, k.f32(kMasked / 2));
      score = GpuBuilder::named(k.select(counts, k.exp2(k.sub(score, top)), k.f32(0)), "p");
    }
    k.store(k.join(ArrayRef(own).take_front(4)), scores, first);
    k.store(k.join(ArrayRef(own).drop_front(4)), scores, second);
    Value sum = k.add(k.sumOf(k.join(ArrayRef(own).take_front(4))), k.sumOf(k.join(ArrayRef(own).drop_front(4))));
    finish(query, top, GpuBuilder::named(k.reduceAdd(sum), "sum"));
  });
}

/// A lane has 4 of 16 dims and every 8th key.
void AttentionEmitter::values(Index split, function_ref<void(Index, Index, Value)> finish) {
  Type quad = k.f32Type(4);
  Index dim = (k.lane() % 4 * 4).named("dim"), own = (k.lane() / 4).named("own");
  k.loop("block", k.simdgroup(), k.index(shape.dvp / 16), kSimdgroups, [&](Index block) {
    Values zeros(shape.queries(), k.constant(0.0f, quad));
    Index first = (split * kSplitKeys).named("key0");
    // Pages up to the last key that anybody sees.
    Index pages = min((keys - first + (kPageTokens - 1)) / kPageTokens, k.index(kSimdgroups)).named("pages_seen");
    Values sums = k.carry("p", k.index(0), pages, 1, zeros, "o", [&](Index p, ValueRange sums) {
      Index head = page(split * kSimdgroups + p) * shape.pageElements() + kvHead * shape.headElements() +
                   kvKeyElements(shape.dk);
      Index from = (head + block * (kPageTokens * 16) + own * 16 + dim).named("values_at");
      return k.carry("i", k.index(0), k.index(kPageTokens), kSimd / 4, sums, "o", [&](Index i, ValueRange sums) {
        Values next(sums);
        Index key = (p * kPageTokens + i + own).named("key");
        // A slot that was never written may hold anything, and 0 times that is not 0.
        Value v = k.extend(k.load(pool, from + i * 16, 4));
        v = GpuBuilder::named(k.select(first + key < keys, v, k.constant(0.0f, quad)), "value");
        for (int64_t query = 0; query < shape.queries(); ++query) {
          Value weight = k.load(scores, key + query * kSplitKeys);
          next[query] = GpuBuilder::named(k.fma(k.splat(weight, 4), v, next[query]), "o");
        }
        return next;
      });
    });
    for (int64_t query = 0; query < shape.queries(); ++query) {
      Values total;
      for (int64_t i = 0; i < 4; ++i)
        total.push_back(GpuBuilder::named(k.reduceAdd(k.at(sums[query], i), kSimd / 4, 4), "total"));
      k.ifThen(own == 0, [&] { finish(k.index(query), (block * 16 + dim).named("dims"), k.join(total)); });
    }
  });
}

//===-- Decode --------------------------------------------------------------------------------------------------===//

void AttentionEmitter::split() {
  lastToken = k.index(0);
  open(k.index(0));
  Index split = (k.group() / shape.kvHeads).named("split");
  kvHead = (k.group() % shape.kvHeads).named("kv_head");
  Value partial = k.output(0);
  overHeads([&](Index firstHead) {
    auto resultAt = [&](Index query) { return (split * shape.allHeads + firstHead + query) * shape.width; };
    auto run = [&] {
      if (severalTurns())
        k.barrier();
      score(split, firstHead);
      k.barrier();
      softmax([](Index) { return Value(); },
              [&](Index query, Value top, Value sum) {
                k.ifThen(k.lane() == 0, [&] {
                  Index at = (resultAt(query) + shape.dvp).named("at");
                  k.store(k.mul(top, 1 / kLog2E), partial, at);
                  k.store(sum, partial, at + 1);
                });
              });
      k.barrier();
      values(split, [&](Index query, Index dim, Value sums) { k.store(sums, partial, resultAt(query) + dim); });
      return Values();
    };
    if (window == 0) {
      run();
      return;
    }
    // A split before the window contributes nothing, but the merge reads it.
    auto clear = [&] {
      k.loop("i", k.thread(), k.index(shape.heads * shape.width), k.threads(), [&](Index i) {
        Value isMaximum = i % shape.width == shape.dvp;
        k.store(k.select(isMaximum, k.f32(kMasked), k.f32(0)), partial, resultAt(k.index(0)) + i);
      });
      return Values();
    };
    k.ifElse(split < firstSplit(), {}, clear, run);
  });
  k.finish();
}

//===-- Prefill -------------------------------------------------------------------------------------------------===//

void AttentionEmitter::prefill() {
  Index rows = k.rows();
  kvHead = (k.group() % shape.kvHeads).named("kv_head");
  Index first = (k.group() / shape.kvHeads * shape.tokens).named("token0");
  lastToken = (min(rows - first, k.index(shape.tokens)) - 1).named("last");
  open(first);
  Value outputs = k.shared("outputs", shape.queries() * shape.dvp);
  Value tops = k.shared("tops", shape.queries()), sums = k.shared("sums", shape.queries());
  Value shrinks = k.shared("shrinks", shape.queries());
  Index splits = ((keys + (kSplitKeys - 1)) / kSplitKeys).named("splits");
  overHeads([&](Index firstHead) {
    if (severalTurns())
      k.barrier();
    k.loop("i", k.thread(), k.index(shape.queries() * shape.dvp), k.threads(),
           [&](Index i) { k.store(k.f32(0), outputs, i); });
    k.ifThen(k.thread() < shape.queries(), [&] {
      k.store(k.f32(kMasked), tops, k.thread());
      k.store(k.f32(0), sums, k.thread());
    });
    k.loop("split", firstSplit(), splits, 1, [&](Index split) {
      k.barrier();
      score(split, firstHead);
      k.barrier();
      softmax([&](Index query) { return GpuBuilder::named(k.load(tops, query), "old"); },
              [&](Index query, Value top, Value sum) {
                k.simdgroupBarrier(); // all lanes have read the old maximum
                k.ifThen(k.lane() == 0, [&] {
                  Value shrink = GpuBuilder::named(k.exp2(k.sub(k.load(tops, query), top)), "shrink");
                  k.store(shrink, shrinks, query);
                  k.store(k.fma(k.load(sums, query), shrink, sum), sums, query);
                  k.store(top, tops, query);
                });
              });
      k.barrier();
      values(split, [&](Index query, Index dim, Value part) {
        Index at = query * shape.dvp + dim;
        Value shrink = k.splat(k.load(shrinks, query), 4);
        k.store(k.fma(k.load(outputs, at, 4), shrink, part), outputs, at);
      });
    });
    k.barrier();
    int64_t width = std::gcd<int64_t>(4, shape.dv),
            stride = GpuBuilder::stride(cast<YieldOp>(k.kernel.getBody().front().getTerminator()).getValues().front());
    k.loop("i", k.thread() * width, k.index(shape.queries() * shape.dv), k.threads() * width, [&](Index i) {
      Index query = (i / shape.dv).named("query"), dim = (i % shape.dv).named("dim");
      Index t = (query / shape.heads).named("t");
      k.ifThen(t < lastToken + 1, [&] {
        Value o = k.load(outputs, query * shape.dvp + dim, width), sum = k.splat(k.load(sums, query), width);
        Index to = (firstToken + t) * stride + (firstHead + query % shape.heads) * shape.dv + dim;
        k.store(arith::DivFOp::create(k.b, k.loc, o, sum), k.output(0), to);
      });
    });
  });
  k.finish();
}

//===-- The skeleton --------------------------------------------------------------------------------------------===//

namespace {
class AttentionSkeleton : public Skeleton {
public:
  StringRef name() const override { return "attention"; }
  bool matches(Block &body) const override {
    // Nothing but one root and views of its operands: what follows attention runs by rows.
    Operation *root = rootOf(body);
    if (!root || body.getTerminator()->getNumOperands() != 1 ||
        throughReshape(body.getTerminator()->getOperand(0)) != root->getResult(0))
      return false;
    auto fits = [](Value v) {
      auto kv = dyn_cast<KVType>(v.getType());
      return !kv ||
             (kv.getKEncoding() == kv.getVEncoding() && kv.getKEncoding().getLayout().isDense() && kv.getV() <= 256);
    };
    return llvm::all_of(body.without_terminator(), [&](Operation &op) { return &op == root || isa<ReshapeOp>(op); }) &&
           llvm::all_of(root->getOperands(), [&](Value v) { return isa<BlockArgument>(throughReshape(v)) && fits(v); });
  }
  LaunchConfig configure(LaunchOp launch, const LaunchFacts &facts, const CostModel &) const override {
    return {launchConfig(launch, facts.kernelRows), 1};
  }
  AffineMap tasks(KernelOp kernel) const override {
    MLIRContext *context = kernel.getContext();
    AffineExpr tokens = getAffineSymbolExpr(0, context), pos = getAffineSymbolExpr(1, context);
    Operation *root = rootOf(kernel.getBody().front());
    if (auto op = dyn_cast<SdpaOp>(root))
      return AffineMap::get(0, 3, tokens.ceilDiv(shapeOf(op).tokens) * shapeOf(op).kvHeads);
    return AffineMap::get(0, 3, (pos + tokens).ceilDiv(kSplitKeys) * shapeOf(cast<SdpaSplitOp>(root)).kvHeads);
  }
  LogicalResult build(KernelOp kernel, ModuleOp module) const override {
    Operation *root = rootOf(kernel.getBody().front());
    gpu::GPUModuleOp gpuModule = gpuModuleOf(module);
    if (auto op = dyn_cast<SdpaOp>(root))
      AttentionEmitter(kernel, gpuModule, op).prefill();
    else
      AttentionEmitter(kernel, gpuModule, cast<SdpaSplitOp>(root)).split();
    return success();
  }
};
} // namespace

const Skeleton &tq::gpuAttentionSkeleton() {
  static const AttentionSkeleton skeleton;
  return skeleton;
}
