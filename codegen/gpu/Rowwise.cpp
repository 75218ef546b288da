//===- Rowwise.cpp - Launches whose threadgroups are rows -----------------===//
// Norm, rotation, embedding, merge of attention splits: a row lies in the registers of its threadgroup. Rope, tables, norms of
// heads and pointwise ops are not computed until somebody asks for an element: their consumer computes it where it needs it,
// as they cost a few operations and their operands are in the cache. Only what others than its owner read of a row in
// registers goes through threadgroup memory.

#include "codegen/gpu/Rowwise.h"
#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/gpu/WeightTile.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"
#include <numbers>
#include <numeric>

using namespace mlir;
using namespace tq;
using namespace tq::kernels;

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }
static int64_t widthOf(Value v) { return elementsPerRow(tensorOf(v)); }

/// A norm over the whole row, not over heads.
static bool isRowNorm(Operation *op) {
  auto norm = dyn_cast<RmsNormOp>(op);
  return norm && tensorOf(norm.getX()).getShape().back() == widthOf(norm.getX());
}
/// Ops whose results lie in registers.
static bool isSpreadOp(Operation *op) { return isa<EmbedOp, RotateOp, SdpaMergeOp>(op) || isRowNorm(op); }

static bool isPointwise(Operation *op) { return op && getRole(op) == Role::Pointwise; }

/// Whether elements can be asked for one by one without looking into another thread's registers: no operand is a row in
/// registers. Views have been looked through.
static bool isElementwise(Value v) {
  v = throughReshape(v);
  Operation *op = v.getDefiningOp();
  if (!op || isa<TakeRowsOp, RopeTableOp>(op))
    return true;
  if (isSpreadOp(op))
    return false;
  return llvm::all_of(op->getOperands(), [](Value operand) { return isElementwise(operand); });
}

//===-- Shapes --------------------------------------------------------------------------------------------------===//

RowShape::RowShape(Block &body) {
  int64_t widest = 0, work = 0, smallestBlock = INT64_MAX;
  auto limit = [&](int64_t elements, int64_t width) {
    auto [it, inserted] = limits.try_emplace(elements, width);
    if (!inserted)
      it->second = std::gcd(it->second, width);
  };
  for (Operation &op : body)
    for (Value result : op.getResults())
      if (auto type = dyn_cast<RankedTensorType>(result.getType()))
        work = std::max(work, elementsPerRow(type));
  for (Operation &op : body) {
    if (!isSpreadOp(&op))
      continue;
    int64_t elements = widthOf(op.getResult(0));
    widest = std::max(widest, elements);
    if (auto rotate = dyn_cast<RotateOp>(op); rotate && rotate.getBlock())
      if (int64_t points = HadamardShape(*rotate.getBlock()).points; points >= kSimd)
        smallestBlock = std::min(smallestBlock, points);
    if (auto merge = dyn_cast<SdpaMergeOp>(op))
      limit(elements, tensorOf(merge.getY()).getDimSize(2));
  }
  // One simdgroup needs no barriers. Long rows take more, for 16 elements in each thread's registers.
  int64_t elements = widest ? widest : work / 2;
  int64_t perThread = elements <= 1024 ? 32 : 16;
  while (threads * perThread < elements && threads * 2 <= std::min<int64_t>(smallestBlock, 512))
    threads *= 2;
  for (Operation &op : body)
    if (auto rotate = dyn_cast<RotateOp>(op); rotate && rotate.getBlock()) {
      int64_t points = HadamardShape(*rotate.getBlock()).points;
      limit(widthOf(rotate.getY()), points >= threads ? points / threads : 4);
    }
}

Spread RowShape::spread(int64_t elements) const {
  int64_t width = std::gcd<int64_t>(4, elements);
  if (auto it = limits.find(elements); it != limits.end())
    width = std::gcd(width, it->second);
  return {elements, width, threads};
}

//===-- Building ------------------------------------------------------------------------------------------------===//

namespace {
class RowEmitter {
public:
  explicit RowEmitter(KernelOp kernel, gpu::GPUModuleOp module)
      : shape(kernel.getBody().front()), k(kernel, module, shape.threads / kSimd), body(kernel.getBody().front()) {}
  void run();

private:
  /// `width` neighbouring elements of a row, at `element`. For rows in this thread's registers also where they are.
  struct Place {
    Index element;
    int64_t width;
    std::optional<Index> at;
  };
  Value elements(Value v, const Place &place);
  Value input(BlockArgument arg, const Place &place);
  Value ropeElements(RopeOp rope, const Place &place);
  Value tableElement(OpResult result, Index element);
  /// The most neighbours that elements() can give at once.
  int64_t widestOf(Value v);

  Spread spreadOf(Value v) { return shape.spread(widthOf(v)); }
  /// The array of registers that holds the row; `loadRow` fills a fresh one.
  Value spreadRow(Value v);
  Value loadRow(Value v, StringRef name);
  Value newRow(Value v, StringRef name) { return rows[v] = k.registers(name, spreadOf(v).registers()); }
  /// Copies a row to threadgroup memory, if anybody asks for elements of other threads.
  void share(Value v);

  void emit(Operation &op);
  void norm(RmsNormOp norm);
  void headNorm(RmsNormOp norm);
  void rotate(RotateOp rotate);
  void embed(EmbedOp embed);
  void merge(SdpaMergeOp merge);
  void append(KVAppendOp append);
  void appendPlane(Value v, int64_t perHead, Value pool, function_ref<Index(Index head, Index i)> at);
  void storeOutput(Value v, int64_t index);
  /// A barrier behind factors that no barrier follows yet: one for head norms in a row. Before anything that may read them.
  void publishFactors();
  Value sumOverThreads(Value sum);
  Value i32At(Value v) { return elements(v, {k.index(0), 1, std::nullopt}); }

  RowShape shape;
  GpuBuilder k;
  Block &body;
  Index row{k, {}};
  DenseMap<Value, Value> rows;    // value -> its registers
  DenseMap<Value, Value> copies;  // value -> its copy in threadgroup memory
  DenseMap<Value, Value> factors; // norm over heads -> a factor for each
  bool factorsPublished = true;
};
} // namespace

Value RowEmitter::input(BlockArgument arg, const Place &place) {
  RankedTensorType type = tensorOf(arg);
  if (type.getRank() == 1 && !type.isDynamicDim(0))
    return k.load(k.memory(BindingKind::Values, arg), place.element, place.width);
  int64_t stride = rowStrideBytes(type) / 4;
  return k.load(k.memory(BindingKind::Activation, arg), row * stride + place.element, place.width);
}

int64_t RowEmitter::widestOf(Value v) {
  v = throughReshape(v);
  int64_t width = std::gcd<int64_t>(4, widthOf(v));
  Operation *op = v.getDefiningOp();
  if (!op)
    return tensorOf(v).getRank() == 1 ? std::gcd<int64_t>(4, tensorOf(v).getNumElements()) : width;
  if (isSpreadOp(op))
    return copies.contains(v) ? width : spreadOf(v).width;
  if (isa<RopeTableOp>(op))
    return 1;
  if (auto rope = dyn_cast<RopeOp>(op))
    width = std::gcd(std::gcd(width, widthOf(rope.getCos())), tensorOf(rope.getX()).getDimSize(2));
  if (auto norm = dyn_cast<RmsNormOp>(op))
    width = std::gcd(width, tensorOf(norm.getX()).getShape().back());
  for (Value operand : op->getOperands())
    if (auto type = dyn_cast<RankedTensorType>(operand.getType()); type && !type.getElementType().isInteger(32))
      width = std::gcd(width, type.getRank() == 1 ? std::gcd<int64_t>(4, type.getDimSize(0)) : widestOf(operand));
  return width;
}

/// A position's row is the launch's row; that of rows taken is one of the last n_out.
Value RowEmitter::elements(Value v, const Place &place) {
  v = throughReshape(v);
  if (auto arg = dyn_cast<BlockArgument>(v))
    return input(arg, place);
  if (Value copy = copies.lookup(v))
    return k.load(copy, place.element, place.width);
  if (Value registers = rows.lookup(v); registers && place.at)
    return k.load(registers, *place.at, place.width);
  Operation *op = v.getDefiningOp();
  return TypeSwitch<Operation *, Value>(op)
      .Case<TakeRowsOp>([&](TakeRowsOp take) {
        Index own = row;
        row = (k.param(Param::NTokens) - k.param(Param::NOut) + own).named("token");
        Value value = elements(take.getX(), place);
        row = own;
        return value;
      })
      .Case<RopeOp>([&](RopeOp rope) { return ropeElements(rope, place); })
      .Case<RopeTableOp>([&](RopeTableOp) { return tableElement(cast<OpResult>(v), place.element); })
      .Case<RmsNormOp>([&](RmsNormOp norm) {
        int64_t d = tensorOf(norm.getX()).getShape().back();
        Value x = elements(norm.getX(), place), factor = k.load(factors.at(v), place.element / d);
        Value y = k.mul(x, k.splat(factor, place.width));
        if (norm.getW())
          y = k.mul(y, elements(norm.getW(), {place.element % d, place.width, std::nullopt}));
        return y;
      })
      .Default([&](Operation *op) {
        SmallVector<Value> operands;
        for (Value operand : op->getOperands())
          operands.push_back(elements(operand, place));
        return k.pointwise(op, operands);
      });
}

/// Dim i < 2n of a head is x[i] cos - x[i + n] sin or x[i] cos + x[i - n] sin.
Value RowEmitter::ropeElements(RopeOp rope, const Place &place) {
  int64_t d = tensorOf(rope.getX()).getDimSize(2), n = widthOf(rope.getCos());
  Index i = (place.element % d).named("dim");
  Value lower = i < n;
  auto rotated = [&] {
    Index partner(k, k.select(lower, place.element + n, place.element - n));
    Index angle(k, k.select(lower, i, i - n));
    Value x = elements(rope.getX(), place);
    Value other = elements(rope.getX(), {partner.named("partner"), place.width, std::nullopt});
    Place atAngle{angle.named("angle"), place.width, std::nullopt};
    Value sine = elements(rope.getSin(), atAngle), cosine = elements(rope.getCos(), atAngle);
    Value term = GpuBuilder::named(k.mul(other, sine), "term");
    return k.fma(x, cosine, k.select(lower, k.negate(term), term));
  };
  if (2 * n == d)
    return rotated();
  Type type = k.f32Type(place.width);
  return k
      .ifElse(
          i < 2 * n, type, [&] { return GpuBuilder::Values{rotated()}; },
          [&] { return GpuBuilder::Values{elements(rope.getX(), place)}; })
      .front();
}

/// cos or sin of pos * frequency. The angle reaches 10^5: whole turns are taken off first, with 2 pi in three parts, so that the
/// fast functions of a GPU are exact enough.
Value RowEmitter::tableElement(OpResult result, Index element) {
  auto table = cast<RopeTableOp>(result.getOwner());
  OpBuilder &b = k.b;
  Value pos = arith::UIToFPOp::create(b, k.loc, b.getF32Type(), i32At(table.getPos()));
  Value angle = k.mul(pos, elements(table.getFrequencies(), {element, 1, std::nullopt}));
  GpuBuilder::named(angle, "angle");
  Value turns = k.fma(angle, k.f32(0.15915494f), k.f32(0.5f));
  turns = arith::SIToFPOp::create(b, k.loc, b.getF32Type(), arith::FPToSIOp::create(b, k.loc, b.getI32Type(), turns));
  GpuBuilder::named(turns, "turns");
  for (float part : {6.28125f, 0.0019350052f, 3.0199158e-7f})
    angle = k.fma(turns, k.f32(-part), angle);
  GpuBuilder::named(angle, "rest");
  Value value = result.getResultNumber() == 0 ? math::CosOp::create(b, k.loc, angle).getResult()
                                              : math::SinOp::create(b, k.loc, angle).getResult();
  float factor = table.getFactor().convertToFloat();
  return factor == 1 ? value : k.mul(value, factor);
}

//===-- Rows in registers ---------------------------------------------------------------------------------------===//

Value RowEmitter::spreadRow(Value v) {
  v = throughReshape(v);
  if (Value registers = rows.lookup(v))
    return registers;
  Value registers = loadRow(v, "x");
  return rows[v] = registers;
}

Value RowEmitter::loadRow(Value v, StringRef name) {
  Spread s = spreadOf(v);
  Value registers = k.registers(name, s.registers());
  k.unrolled("r", s.chunks(), [&](Index r) {
    Index element = ((r * s.threads + k.thread()) * s.width).named("e");
    auto copy = [&] { k.store(elements(v, {element, s.width, r * s.width}), registers, r * s.width); };
    if (s.isWhole()) {
      copy();
    } else {
      k.ifElse(
          element < s.elements, {}, [&] { return copy(), GpuBuilder::Values(); },
          [&] {
            Type type = k.f32Type(s.width);
            k.store(k.constant(0.0f, type), registers, r * s.width);
            return GpuBuilder::Values();
          });
    }
  });
  return registers;
}

void RowEmitter::share(Value v) {
  v = throughReshape(v);
  Operation *op = v.getDefiningOp();
  if (!op || copies.contains(v))
    return;
  if (!isSpreadOp(op)) {
    for (Value operand : op->getOperands())
      if (isa<RankedTensorType>(operand.getType()))
        share(operand);
    return;
  }
  Value registers = spreadRow(v), copy = k.shared("row", widthOf(v));
  overRow(k, spreadOf(v),
          [&](Index at, Index element) { k.store(k.load(registers, at, spreadOf(v).width), copy, element); });
  k.barrier();
  factorsPublished = true;
  copies[v] = copy;
}

void RowEmitter::publishFactors() {
  if (!factorsPublished)
    k.barrier();
  factorsPublished = true;
}

/// The sum of a value of each thread: a butterfly over lanes, then one after the other over simdgroups.
Value RowEmitter::sumOverThreads(Value sum) {
  Value total = GpuBuilder::named(k.reduceAdd(sum), "total");
  if (k.simdgroups == 1)
    return total;
  Value sums = k.shared("sums", k.simdgroups);
  k.ifThen(k.lane() == 0, [&] { k.store(total, sums, k.simdgroup()); });
  k.barrier();
  return k
      .carry(
          "s", k.index(1), k.index(k.simdgroups), 1, k.load(sums, k.index(0)), "total",
          [&](Index s, ValueRange total) { return GpuBuilder::Values{k.add(total[0], k.load(sums, s))}; },
          /*unroll=*/true)
      .front();
}

/// 1 / sqrt(sum of squares / n + eps)
static Value normFactor(GpuBuilder &k, Value squares, int64_t n, APFloat eps) {
  Value mean = k.fma(squares, k.f32(1.0f / float(n)), k.f32(eps.convertToFloat()));
  return GpuBuilder::named(math::RsqrtOp::create(k.b, k.loc, mean), "factor");
}

void RowEmitter::norm(RmsNormOp norm) {
  Spread s = spreadOf(norm.getX());
  Value x = spreadRow(norm.getX());
  Type type = k.f32Type(s.width);
  Value squares = k.carry(
                       "r", k.index(0), k.index(s.chunks()), 1, k.constant(0.0f, type), "squares",
                       [&](Index r, ValueRange sum) {
                         Value chunk = GpuBuilder::named(k.load(x, r * s.width, s.width), "chunk");
                         return GpuBuilder::Values{k.fma(chunk, chunk, sum[0])};
                       },
                       /*unroll=*/true)
                      .front();
  Value factor = normFactor(k, sumOverThreads(k.sumOf(squares)), s.elements, norm.getEps());
  Value y = newRow(norm.getY(), "normed");
  overRow(k, s, [&](Index at, Index element) {
    Value value = k.mul(k.load(x, at, s.width), k.splat(factor, s.width));
    if (norm.getW())
      value = k.mul(value, elements(norm.getW(), {element, s.width, std::nullopt}));
    k.store(value, y, at);
  });
}

/// Simdgroups take heads in turn; a head's elements lie in its lanes.
void RowEmitter::headNorm(RmsNormOp norm) {
  if (!isa<BlockArgument>(throughReshape(norm.getX())))
    publishFactors();
  share(norm.getX());
  int64_t d = tensorOf(norm.getX()).getShape().back(), heads = widthOf(norm.getX()) / d;
  Value factor = k.shared("factors", heads);
  k.loop("head", k.simdgroup(), k.index(heads), k.simdgroups, [&](Index head) {
    Value squares = k.carry("i", k.lane(), k.index(d), kSimd, k.f32(0), "squares", [&](Index i, ValueRange sum) {
                       Value x = GpuBuilder::named(elements(norm.getX(), {head * d + i, 1, std::nullopt}), "x");
                       return GpuBuilder::Values{k.fma(x, x, sum[0])};
                     }).front();
    Value total = GpuBuilder::named(k.reduceAdd(squares), "total");
    Value value = normFactor(k, total, d, norm.getEps());
    k.ifThen(k.lane() == 0, [&] { k.store(value, factor, head); });
  });
  factors[norm.getY()] = factor;
  factorsPublished = false;
}

void RowEmitter::rotate(RotateOp rotate) {
  Spread s = spreadOf(rotate.getX());
  Value y = rows[rotate.getY()] = loadRow(throughReshape(rotate.getX()), "rotated");
  Value signs = rotate.getSigns() ? k.memory(BindingKind::Values, rotate.getSigns()) : Value();
  rotateRow(k, s, y, signs, *rotate.getBlock(), rotate.getInverse());
}

void RowEmitter::embed(EmbedOp embed) {
  Spread s = spreadOf(embed.getY());
  Index id = k.toIndex(i32At(embed.getIds())).named("id");
  Value y = newRow(embed.getY(), "embedded");
  k.unrolled("r", s.chunks(), [&](Index r) {
    Index element = ((r * s.threads + k.thread()) * s.width).named("e");
    auto decode = [&] {
      SmallVector<Value> values;
      for (int64_t i = 0; i < s.width; ++i)
        values.push_back(decodeElement(k, embed.getTable(), id, (element + i).named("column")));
      return k.join(values);
    };
    // Norms must see zeros behind the row.
    Value values = s.isWhole() ? decode() : k.orZero(element < s.elements, k.f32Type(s.width), decode);
    k.store(GpuBuilder::named(values, "row"), y, r * s.width);
  });
}

/// Every chunk walks the splits twice: the largest score first, then the weighted sum in order.
void RowEmitter::merge(SdpaMergeOp merge) {
  auto partial = cast<BlockArgument>(throughReshape(merge.getPartial()));
  int64_t dv = tensorOf(merge.getY()).getDimSize(2), heads = tensorOf(merge.getY()).getDimSize(1);
  int64_t width = tensorOf(merge.getPartial()).getDimSize(3), dvp = kvPaddedWidth(dv);
  constexpr float kLog2E = std::numbers::log2e_v<float>;
  Spread s = spreadOf(merge.getY());
  Index pos = k.toIndex(i32At(merge.getPos())).named("position");
  Index splits = ((pos + kSplitKeys) / kSplitKeys).named("splits");
  Value y = newRow(merge.getY(), "merged");
  auto compute = [&](Index at, Index element) {
    Index head = (element / dv).named("head"), first = (head * width).named("first");
    auto part = [&](Index split, Index offset, int64_t count) {
      return elements(partial, {split * (heads * width) + first + offset, count, std::nullopt});
    };
    Value top = k.carry("split", k.index(0), splits, 1, k.f32(kMasked), "top", [&](Index split, ValueRange top) {
                   return GpuBuilder::Values{k.maximum(top[0], part(split, k.index(dvp), 1))};
                 }).front();
    Type type = k.f32Type(s.width);
    SmallVector<Value> inits{k.constant(0.0f, type), k.f32(0)};
    GpuBuilder::Values sums = k.carry("split", k.index(0), splits, 1, inits, "sum", [&](Index split, ValueRange sum) {
      Value weight = k.exp2(k.mul(k.sub(part(split, k.index(dvp), 1), top), kLog2E));
      GpuBuilder::named(weight, "weight");
      Value o = k.fma(k.splat(weight, s.width), part(split, element % dv, s.width), sum[0]);
      return GpuBuilder::Values{o, k.fma(weight, part(split, k.index(dvp + 1), 1), sum[1])};
    });
    k.store(arith::DivFOp::create(k.b, k.loc, sums[0], k.splat(sums[1], s.width)), y, at);
  };
  overRow(k, s, compute);
}

//===-- States and outputs --------------------------------------------------------------------------------------===//

void RowEmitter::appendPlane(Value v, int64_t perHead, Value pool, function_ref<Index(Index, Index)> at) {
  Type type = cast<MemRefType>(pool.getType()).getElementType();
  k.loop("e", k.thread(), k.index(widthOf(v)), k.threads(), [&](Index e) {
    Value x = elements(v, {e, 1, std::nullopt});
    k.store(k.truncate(x, type), pool, at((e / perHead).named("head"), (e % perHead).named("i")));
  });
}

/// Into the page of the position: K [64 / 16][dk][16], V [dvp / 16][64][16] for each head (Layout.h).
void RowEmitter::append(KVAppendOp append) {
  auto kv = cast<KVType>(append.getState().getType());
  share(append.getK());
  share(append.getV());
  int64_t dk = kv.getK(), dv = kv.getV(), perHead = kvPageElements(1, dk, dv);
  Value pool = k.memory(BindingKind::Pool, append.getState());
  Index pos = k.toIndex(i32At(append.getPos())).named("position");
  Index page = k.toIndex(k.load(k.memory(BindingKind::PageTable), pos / kPageTokens)).named("page");
  Index slot = (pos % kPageTokens).named("slot"), first = (page * (kv.getHeads() * perHead)).named("first");
  appendPlane(append.getK(), dk, pool,
              [&](Index head, Index i) { return first + head * perHead + slot / 16 * (dk * 16) + i * 16 + slot % 16; });
  appendPlane(append.getV(), dv, pool, [&](Index head, Index i) {
    return first + head * perHead + i / 16 * (kPageTokens * 16) + slot * 16 + i % 16 + kvKeyElements(dk);
  });
}

void RowEmitter::storeOutput(Value v, int64_t index) {
  Value to = k.output(index);
  Index first = row * GpuBuilder::stride(v);
  Value source = throughReshape(v);
  bool spread = rows.contains(source) || !isElementwise(source);
  if (spread) {
    Value registers = spreadRow(source);
    Spread s = spreadOf(source);
    overRow(k, s, [&](Index at, Index element) { k.store(k.load(registers, at, s.width), to, first + element); });
    return;
  }
  int64_t width = widestOf(source), count = widthOf(v);
  k.loop("e", k.thread() * width, k.index(count), k.threads() * width,
         [&](Index e) { k.store(elements(source, {e, width, std::nullopt}), to, first + e); });
}

void RowEmitter::emit(Operation &op) {
  if (isSpreadOp(&op) || isa<KVAppendOp>(op))
    publishFactors();
  TypeSwitch<Operation *>(&op)
      .Case<RmsNormOp>([&](RmsNormOp op) { isRowNorm(op) ? norm(op) : headNorm(op); })
      .Case<RotateOp>([&](RotateOp op) { rotate(op); })
      .Case<EmbedOp>([&](EmbedOp op) { embed(op); })
      .Case<SdpaMergeOp>([&](SdpaMergeOp op) { merge(op); })
      .Case<KVAppendOp>([&](KVAppendOp op) { append(op); })
      .Case<RopeOp>([&](RopeOp op) { share(op.getX()); })
      .Default([&](Operation *op) {
        // A sum that several read is computed once; others are part of their reader.
        if (isPointwise(op) && (!isElementwise(op->getResult(0)) || !op->getResult(0).hasOneUse())) {
          publishFactors();
          spreadRow(op->getResult(0));
        }
      });
}

void RowEmitter::run() {
  row = k.maxRows() == 1 ? k.index(0) : k.group().named("row");
  for (Operation &op : body.without_terminator())
    emit(op);
  publishFactors();
  for (auto [index, value] : llvm::enumerate(body.getTerminator()->getOperands()))
    storeOutput(value, int64_t(index));
  k.finish();
}

//===-- The skeleton --------------------------------------------------------------------------------------------===//

namespace {
class RowwiseSkeleton : public Skeleton {
public:
  StringRef name() const override { return "rowwise"; }
  bool matches(Block &body) const override {
    RowShape shape(body);
    int64_t bytes = 0;
    for (Operation &op : body.without_terminator())
      if (!matchesOp(op, shape, bytes))
        return false;
    return bytes <= kThreadgroupBytes - 1024; // sums of norms
  }
  LaunchConfig configure(LaunchOp launch, const LaunchFacts &facts, const CostModel &) const override {
    return {launchConfig(launch, facts.kernelRows), 1};
  }
  AffineMap tasks(KernelOp kernel) const override {
    return AffineMap::get(0, 3, getAffineSymbolExpr(rowsParam(kernel), kernel.getContext()));
  }
  LogicalResult build(KernelOp kernel, ModuleOp module) const override {
    RowEmitter(kernel, gpuModuleOf(module)).run();
    return success();
  }

private:
  /// Whether there is code for the op, and how much threadgroup memory it takes.
  static bool matchesOp(Operation &op, const RowShape &shape, int64_t &bytes) {
    auto fromOutside = [](Value v) { return isa<BlockArgument>(throughReshape(v)); };
    auto shared = [&](Value v) {
      v = throughReshape(v);
      if (!isElementwise(v))
        bytes += widthOf(v) * 4;
    };
    if (llvm::any_of(op.getOperandTypes(), [](Type type) { return bool(getIntegerEncoding(type)); }))
      return false;
    return TypeSwitch<Operation *, bool>(&op)
        .Case<ReshapeOp>([](auto) { return true; })
        .Case<TakeRowsOp>([&](TakeRowsOp take) { return fromOutside(take.getX()); })
        .Case<EmbedOp>([&](EmbedOp embed) {
          auto packed = dyn_cast<PackedType>(embed.getTable().getType());
          return packed && packed.getShape().size() == 2 && fromOutside(embed.getIds());
        })
        .Case<RmsNormOp>([&](RmsNormOp norm) {
          if (!isRowNorm(norm)) {
            shared(norm.getX());
            bytes += llvm::alignTo(widthOf(norm.getX()) / tensorOf(norm.getX()).getShape().back() * 4, 16);
          }
          return !norm.getW() || fromOutside(norm.getW());
        })
        .Case<RotateOp>([&](RotateOp rotate) {
          if (!rotate.getBlock() || (rotate.getSigns() && !fromOutside(rotate.getSigns())))
            return false;
          bytes += rotationBytes(shape.spread(widthOf(rotate.getX())), *rotate.getBlock());
          return true;
        })
        .Case<RopeTableOp>(
            [&](RopeTableOp table) { return fromOutside(table.getPos()) && fromOutside(table.getFrequencies()); })
        .Case<RopeOp>([&](RopeOp rope) {
          shared(rope.getX());
          return isElementwise(rope.getCos()) && isElementwise(rope.getSin());
        })
        .Case<KVAppendOp>([&](KVAppendOp append) {
          auto kv = cast<KVType>(append.getState().getType());
          shared(append.getK());
          shared(append.getV());
          return kv.getKEncoding() == kv.getVEncoding() && kv.getKEncoding().getLayout().isDense() &&
                 fromOutside(append.getPos());
        })
        .Case<SdpaMergeOp>(
            [&](SdpaMergeOp merge) { return fromOutside(merge.getPartial()) && fromOutside(merge.getPos()); })
        .Default([](Operation *op) { return GpuBuilder::knowsPointwise(op); });
  }
};
} // namespace

const Skeleton &tq::gpuRowwiseSkeleton() {
  static const RowwiseSkeleton skeleton;
  return skeleton;
}
