//===- GpuBuilder.cpp - What GPU skeletons build with ---------------------===//

#include "codegen/gpu/GpuBuilder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include <numbers>

using namespace mlir;
using namespace tq;
using namespace tq::kernels;

//===-- The function --------------------------------------------------------------------------------------------===//

static Attribute space(MLIRContext *context, gpu::AddressSpace space) {
  return gpu::AddressSpaceAttr::get(context, space);
}
static MemRefType memoryType(Type element, int64_t elements, gpu::AddressSpace where) {
  return MemRefType::get({elements}, element, MemRefLayoutAttrInterface(), space(element.getContext(), where));
}

/// A binding has fewer than 2^31 elements. Types say so where a kernel does not know how many: it serves any context.
static constexpr int64_t kAnyElements = (int64_t(1) << 31) - 64;

/// The elements that a kernel sees behind a binding.
static MemRefType bindingType(KernelOp kernel, const KernelBinding &binding) {
  Builder b(kernel.getContext());
  Type f32 = b.getF32Type();
  auto global = [](Type element, int64_t elements) { return memoryType(element, elements, gpu::AddressSpace::Global); };
  auto floatType = [&](Layout::Kind kind) -> Type {
    return kind == Layout::Kind::DenseF32   ? f32
           : kind == Layout::Kind::DenseF16 ? Type(b.getF16Type())
                                            : Type(b.getBF16Type());
  };
  switch (binding.kind) {
  case BindingKind::Stream: {
    auto packed = cast<PackedType>(binding.value.getType());
    Layout layout = packed.getEncoding().getLayout();
    int64_t bytes = layout.bytes(packed.getRows(), packed.getCols());
    return layout.isDense() ? global(floatType(layout.kind), bytes / layout.denseBytes())
                            : global(b.getI32Type(), bytes / 4);
  }
  case BindingKind::Levels:
    return global(f32, 16); // LevelTable::f32
  case BindingKind::Values:
    return global(f32, cast<RankedTensorType>(binding.value.getType()).getDimSize(0));
  case BindingKind::Pool:
    return global(floatType(cast<KVType>(binding.value.getType()).getKEncoding().getLayout().kind), kAnyElements);
  case BindingKind::PageTable:
    return global(b.getI32Type(), kAnyElements);
  case BindingKind::Activation:
    break;
  }
  auto type = cast<RankedTensorType>(binding.value.getType());
  int64_t stride = rowStrideBytes(type) / 4, rows = maxRows(kernel);
  // Rows are taken from all those of the step, of which there may be more than this launch has.
  if (llvm::any_of(binding.value.getUsers(), [](Operation *user) { return isa<TakeRowsOp>(user); }))
    rows = kAnyElements / stride;
  return global(type.getElementType().isF32() ? f32 : b.getI32Type(), rows * stride);
}

static std::string bindingName(const KernelBinding &binding, int64_t output) {
  auto arg = dyn_cast_or_null<BlockArgument>(binding.value);
  switch (binding.kind) {
  case BindingKind::Stream:
    return "w";
  case BindingKind::Levels:
    return "levels";
  case BindingKind::Pool:
    return "pool";
  case BindingKind::PageTable:
    return "pages";
  case BindingKind::Values:
  case BindingKind::Activation:
    break;
  }
  if (!arg)
    return output == 0 ? "y" : "y" + std::to_string(output);
  // What its first user calls it.
  for (OpOperand &use : arg.getUses()) {
    Operation *op = use.getOwner();
    unsigned n = use.getOperandNumber();
    if (isa<RmsNormOp>(op) && n == 1)
      return "gain";
    if (isa<RotateOp>(op) && n == 1)
      return "signs";
    if (isa<AddBiasOp>(op) && n == 1)
      return "bias";
    if (isa<EmbedOp>(op))
      return "ids";
    if (isa<RopeTableOp>(op))
      return n == 0 ? "pos" : "frequencies";
    if (isa<RopeOp>(op) && n > 0)
      return n == 1 ? "cosines" : "sines";
    if (isa<SdpaMergeOp>(op))
      return n == 0 ? "partial" : "pos";
    if (isa<SdpaOp, SdpaSplitOp>(op))
      return n == 0 ? "q" : "pos";
    if (isa<KVAppendOp>(op) && n > 0)
      return n == 1 ? "k" : n == 2 ? "v" : "pos";
    if (isa<arith::AddFOp>(op))
      return "residual";
  }
  return "x";
}

static void describe(raw_ostream &os, Type type) {
  auto shape = [&](ArrayRef<int64_t> sizes) {
    llvm::interleave(
        sizes, [&](int64_t size) { ShapedType::isDynamic(size) ? os << "n" : os << size; }, [&] { os << "x"; });
  };
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    shape(tensor.getShape());
  if (auto packed = dyn_cast<PackedType>(type)) {
    Layout layout = packed.getEncoding().getLayout();
    shape(packed.getShape());
    const char *kinds[] = {"f32", "f16", "bf16", "codebook", "affine"};
    os << " " << kinds[int(layout.kind)];
    if (!layout.isDense())
      os << " of " << layout.bits << " bits, groups of " << layout.group;
  }
  if (auto kv = dyn_cast<KVType>(type))
    os << "kv " << kv.getHeads() << "x" << kv.getK() << "+" << kv.getV()
       << (kv.getKEncoding().getLayout().kind == Layout::Kind::DenseF32 ? " f32" : " f16");
}

/// A line for each op: "linear: nx256, 768x256 codebook of 4 bits, groups of 64 -> nx768".
static std::string comment(KernelOp kernel) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (isa<ReshapeOp>(op))
      continue;
    os << (text.empty() ? "" : "\n") << op.getName().stripDialect() << ": ";
    llvm::interleave(op.getOperandTypes(), [&](Type type) { describe(os, type); }, [&] { os << ", "; });
    if (op.getNumResults())
      os << " -> ";
    llvm::interleave(op.getResultTypes(), [&](Type type) { describe(os, type); }, [&] { os << ", "; });
  }
  return text;
}

gpu::GPUModuleOp tq::kernels::gpuModuleOf(ModuleOp module) {
  for (auto gpuModule : module.getOps<gpu::GPUModuleOp>())
    return gpuModule;
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  return gpu::GPUModuleOp::create(b, module.getLoc(), "kernels");
}

GpuBuilder::GpuBuilder(KernelOp kernel, gpu::GPUModuleOp module, int64_t simdgroups)
    : b(module.getContext()), loc(UnknownLoc::get(module.getContext())), kernel(kernel), simdgroups(simdgroups),
      bindings(kernelBindings(kernel)) {
  b.setInsertionPointToEnd(module.getBody());
  SmallVector<Type> types;
  for (const KernelBinding &binding : bindings)
    types.push_back(bindingType(kernel, binding));
  types.push_back(memoryType(b.getI32Type(), kParamCount, gpu::AddressSpace::Global));
  func = gpu::GPUFuncOp::create(b, kernel.getLoc(), kernel.getSymName(), b.getFunctionType(types, {}));
  func->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  func.setKnownBlockSizeAttr(b.getDenseI32ArrayAttr({int32_t(kSimd), int32_t(simdgroups), 1}));
  func->setAttr("tq.comment", b.getStringAttr(comment(kernel)));

  int64_t outputs = 0;
  llvm::StringMap<int> taken;
  auto annotate = [&](unsigned i, std::string name, bool readonly) {
    if (int count = taken[name]++)
      name += std::to_string(count + 1);
    func.setArgAttr(i, "tq.name", b.getStringAttr(name));
    func.getArgument(i).setLoc(NameLoc::get(b.getStringAttr(name)));
    func.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
    if (readonly)
      func.setArgAttr(i, LLVM::LLVMDialect::getReadonlyAttrName(), b.getUnitAttr());
    // Pools are aligned as arena ranges are, sections to more.
    func.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(),
                    b.getI64IntegerAttr(i < bindings.size() ? kArenaAlignment : 4));
  };
  for (auto [i, binding] : llvm::enumerate(bindings)) {
    auto arg = dyn_cast_or_null<BlockArgument>(binding.value);
    bool output = binding.value && !arg;
    bool written =
        output || (arg && llvm::any_of(arg.getUsers(), [](Operation *user) { return getRole(user) == Role::State; }) &&
                   binding.kind == BindingKind::Pool);
    annotate(i, bindingName(binding, output ? outputs : 0), !written);
    outputs += output;
  }
  annotate(bindings.size(), "params", true);
  func.setArgAttr(bindings.size(), "tq.params", b.getUnitAttr());

  b.setInsertionPointToStart(&func.getBody().front());
  laneId = named(gpu::LaneIdOp::create(b, loc, b.getIndexAttr(kSimd)), "lane");
  groupId = named(gpu::BlockIdOp::create(b, loc, gpu::Dimension::x), "group");
  if (simdgroups == 1) {
    simdgroupId = index(0);
    threadId = laneId;
    return;
  }
  simdgroupId = named(gpu::ThreadIdOp::create(b, loc, gpu::Dimension::y, b.getIndexAttr(simdgroups)), "simdgroup");
  threadId = (simdgroup() * kSimd + lane()).named("tid"); // `thread` is a word of Metal
}

void GpuBuilder::finish() {
  gpu::ReturnOp::create(b, loc);
  // What nobody asked for: ids, constants that folded, loads of a parameter.
  bool changed = true;
  while (changed) {
    changed = false;
    func.walk([&](Operation *op) {
      if (isOpTriviallyDead(op)) {
        op->erase();
        changed = true;
      }
    });
  }
}

Index GpuBuilder::lane() { return {*this, laneId}; }
Index GpuBuilder::simdgroup() { return {*this, simdgroupId}; }
Index GpuBuilder::group() { return {*this, groupId}; }
Index GpuBuilder::thread() { return {*this, threadId}; }

Value GpuBuilder::named(Value value, const Twine &name) {
  auto loc = NameLoc::get(StringAttr::get(value.getContext(), name));
  if (Operation *op = value.getDefiningOp())
    op->setLoc(loc);
  else
    value.setLoc(loc);
  return value;
}

//===-- Indices -------------------------------------------------------------------------------------------------===//

Index Index::named(StringRef name) const {
  GpuBuilder::named(value, name);
  return *this;
}
std::optional<int64_t> Index::constant() const {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  return std::nullopt;
}

namespace tq::kernels {
Index operator+(Index x, Index y) { return {*x.k, x.k->b.createOrFold<arith::AddIOp>(x.k->loc, x.value, y.value)}; }
Index operator-(Index x, Index y) { return {*x.k, x.k->b.createOrFold<arith::SubIOp>(x.k->loc, x.value, y.value)}; }
Index operator*(Index x, Index y) { return {*x.k, x.k->b.createOrFold<arith::MulIOp>(x.k->loc, x.value, y.value)}; }
Index operator/(Index x, Index y) { return {*x.k, x.k->b.createOrFold<arith::DivUIOp>(x.k->loc, x.value, y.value)}; }
Index operator%(Index x, Index y) { return {*x.k, x.k->b.createOrFold<arith::RemUIOp>(x.k->loc, x.value, y.value)}; }
Index operator^(Index x, Index y) { return {*x.k, x.k->b.createOrFold<arith::XOrIOp>(x.k->loc, x.value, y.value)}; }
Index operator+(Index x, int64_t y) { return x + x.k->index(y); }
Index operator-(Index x, int64_t y) { return x - x.k->index(y); }
Index operator*(Index x, int64_t y) { return y == 0 ? x.k->index(0) : x * x.k->index(y); }
Index operator/(Index x, int64_t y) { return x / x.k->index(y); }
Index operator%(Index x, int64_t y) { return y == 1 ? x.k->index(0) : x % x.k->index(y); }
Index operator^(Index x, int64_t y) { return x ^ x.k->index(y); }
Index operator&(Index x, int64_t y) {
  return {*x.k, x.k->b.createOrFold<arith::AndIOp>(x.k->loc, x.value, x.k->index(y))};
}
Value operator<(Index x, Index y) {
  return x.k->b.createOrFold<arith::CmpIOp>(x.k->loc, arith::CmpIPredicate::ult, x.value, y.value);
}
Value operator<(Index x, int64_t y) { return x < x.k->index(y); }
Value operator==(Index x, int64_t y) {
  return x.k->b.createOrFold<arith::CmpIOp>(x.k->loc, arith::CmpIPredicate::eq, x.value, x.k->index(y));
}
Index min(Index x, Index y) { return {*x.k, x.k->b.createOrFold<arith::MinUIOp>(x.k->loc, x.value, y.value)}; }
Index max(Index x, Index y) { return {*x.k, x.k->b.createOrFold<arith::MaxUIOp>(x.k->loc, x.value, y.value)}; }
} // namespace tq::kernels

//===-- Constants, parameters -----------------------------------------------------------------------------------===//

Index GpuBuilder::index(int64_t value) { return {*this, arith::ConstantIndexOp::create(b, loc, value)}; }
Value GpuBuilder::i32(int64_t value) { return constant(value, b.getI32Type()); }
Value GpuBuilder::f32(float value) { return constant(value, b.getF32Type()); }

Value GpuBuilder::constant(float value, Type type) {
  TypedAttr scalar = b.getFloatAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector, Attribute(scalar)));
  return arith::ConstantOp::create(b, loc, scalar);
}

Value GpuBuilder::constant(int64_t value, Type type) {
  Type element = getElementTypeOrSelf(type);
  auto scalar = mlir::IntegerAttr::get(element, APInt(element.getIntOrFloatBitWidth(), uint64_t(value), false, true));
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector, Attribute(scalar)));
  return arith::ConstantOp::create(b, loc, scalar);
}

Index GpuBuilder::param(Param which) {
  Value params = func.getArgument(bindings.size());
  Value value = memref::LoadOp::create(b, loc, params, ValueRange{index(int64_t(which))});
  const char *names[] = {"n_tokens", "pos", "n_out"};
  return toIndex(named(value, names[int(which)])).named(names[int(which)]);
}

int64_t GpuBuilder::maxRows() { return tq::maxRows(kernel); }

Index GpuBuilder::rows() {
  if (maxRows() == 1)
    return index(1);
  return param(Param(rowsParam(kernel)));
}

//===-- Memory --------------------------------------------------------------------------------------------------===//

Value GpuBuilder::memory(BindingKind kind, Value value) {
  for (auto [i, binding] : llvm::enumerate(bindings))
    if (binding.kind == kind && binding.value == value)
      return func.getArgument(i);
  llvm_unreachable("the kernel has no such binding");
}

Value GpuBuilder::output(int64_t index) {
  int64_t first = llvm::count_if(
      bindings, [&](const KernelBinding &binding) { return isa_and_nonnull<BlockArgument>(binding.value); });
  return func.getArgument(first + index);
}

Value GpuBuilder::shared(StringRef name, int64_t elements, Type element) {
  MemRefType type = memoryType(element ? element : b.getF32Type(), elements, gpu::AddressSpace::Workgroup);
  Value array = func.addWorkgroupAttribution(type, NameLoc::get(b.getStringAttr(name)));
  unsigned i = func.getNumWorkgroupAttributions() - 1;
  func.setWorkgroupAttributionAttr(i, "tq.name", b.getStringAttr(name));
  func.setWorkgroupAttributionAttr(i, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(16));
  return array;
}

Value GpuBuilder::registers(StringRef name, int64_t elements) {
  MemRefType type = memoryType(b.getF32Type(), elements, gpu::AddressSpace::Private);
  Value array = func.addPrivateAttribution(type, NameLoc::get(b.getStringAttr(name)));
  unsigned i = func.getNumPrivateAttributions() - 1;
  func.setPrivateAttributionAttr(i, "tq.name", b.getStringAttr(name));
  func.setPrivateAttributionAttr(i, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(16));
  return array;
}

Value GpuBuilder::load(Value memory, Index at, int64_t width) {
  Type element = cast<MemRefType>(memory.getType()).getElementType();
  if (width == 1)
    return memref::LoadOp::create(b, loc, memory, ValueRange{at});
  OperationState state(loc, vector::LoadOp::getOperationName());
  vector::LoadOp::build(b, state, VectorType::get({width}, element), memory, ValueRange{at});
  auto load = cast<vector::LoadOp>(b.create(state));
  load.setAlignment(width * element.getIntOrFloatBitWidth() / 8);
  return load;
}

void GpuBuilder::store(Value value, Value memory, Index at) {
  auto vector = dyn_cast<VectorType>(value.getType());
  if (!vector) {
    memref::StoreOp::create(b, loc, value, memory, ValueRange{at});
    return;
  }
  auto store = vector::StoreOp::create(b, loc, value, memory, ValueRange{at});
  store.setAlignment(vector.getNumElements() * vector.getElementTypeBitWidth() / 8);
}

void GpuBuilder::barrier() { gpu::BarrierOp::create(b, loc); }
void GpuBuilder::simdgroupBarrier() { SubgroupBarrierOp::create(b, loc); }

//===-- Arithmetic ----------------------------------------------------------------------------------------------===//

Value GpuBuilder::add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
Value GpuBuilder::sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
Value GpuBuilder::mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
Value GpuBuilder::negate(Value x) { return arith::NegFOp::create(b, loc, x); }
Value GpuBuilder::fma(Value x, Value y, Value z) { return math::FmaOp::create(b, loc, x, y, z); }
Value GpuBuilder::maximum(Value x, Value y) { return arith::MaxNumFOp::create(b, loc, x, y); }
Value GpuBuilder::exp2(Value x) { return math::Exp2Op::create(b, loc, x); }
Value GpuBuilder::select(Value condition, Value x, Value y) {
  return b.createOrFold<arith::SelectOp>(loc, condition, x, y);
}
Value GpuBuilder::conjunction(Value x, Value y) { return !x ? y : !y ? x : b.createOrFold<arith::AndIOp>(loc, x, y); }

static Type withElement(Type type, Type element) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
}
Value GpuBuilder::extend(Value x) {
  if (getElementTypeOrSelf(x.getType()).isF32())
    return x;
  return arith::ExtFOp::create(b, loc, withElement(x.getType(), b.getF32Type()), x);
}
Value GpuBuilder::truncate(Value x, Type type) {
  return type.isF32() ? x : arith::TruncFOp::create(b, loc, withElement(x.getType(), type), x).getResult();
}
Type GpuBuilder::f32Type(int64_t width) {
  return width == 1 ? Type(b.getF32Type()) : VectorType::get({width}, b.getF32Type());
}
Value GpuBuilder::splat(Value x, int64_t width) {
  return width == 1 ? x : vector::BroadcastOp::create(b, loc, VectorType::get({width}, x.getType()), x).getResult();
}
Value GpuBuilder::at(Value vector, int64_t component) {
  return isa<VectorType>(vector.getType()) ? vector::ExtractOp::create(b, loc, vector, component).getResult() : vector;
}
Value GpuBuilder::join(ArrayRef<Value> components) {
  if (components.size() == 1)
    return components.front();
  auto type = VectorType::get({int64_t(components.size())}, components.front().getType());
  return vector::FromElementsOp::create(b, loc, type, components);
}
Value GpuBuilder::sumOf(Value vector) {
  auto type = dyn_cast<VectorType>(vector.getType());
  if (!type)
    return vector;
  Value low = add(at(vector, 0), at(vector, 1));
  return type.getNumElements() == 2 ? low : add(low, add(at(vector, 2), at(vector, 3)));
}
Index GpuBuilder::toIndex(Value i32) { return {*this, arith::IndexCastUIOp::create(b, loc, b.getIndexType(), i32)}; }

Value GpuBuilder::reduceAdd(Value x, int64_t size, int64_t stride) {
  std::optional<uint32_t> cluster;
  if (size != kSimd)
    cluster = uint32_t(size);
  if (size == 1)
    return x;
  return gpu::SubgroupReduceOp::create(b, loc, x, gpu::AllReduceOperation::ADD, /*uniform=*/true, cluster,
                                       uint32_t(cluster ? stride : 1));
}
Value GpuBuilder::reduceMax(Value x) {
  return gpu::SubgroupReduceOp::create(b, loc, x, gpu::AllReduceOperation::MAXNUMF, /*uniform=*/true);
}
Value GpuBuilder::shuffleXor(Value x, int64_t mask) {
  return gpu::ShuffleOp::create(b, loc, x, int32_t(mask), int32_t(kSimd), gpu::ShuffleMode::XOR).getShuffleResult();
}

//===-- Control flow --------------------------------------------------------------------------------------------===//

void GpuBuilder::loop(StringRef name, Index from, Index to, int64_t step, function_ref<void(Index)> body) {
  carry(name, from, to, step, {}, {}, [&](Index i, ValueRange) {
    body(i);
    return Values();
  });
}

void GpuBuilder::unrolled(StringRef name, int64_t count, function_ref<void(Index)> body) {
  if (count == 1)
    return body(index(0));
  carry(
      name, index(0), index(count), 1, {}, {},
      [&](Index i, ValueRange) {
        body(i);
        return Values();
      },
      /*unroll=*/true);
}

GpuBuilder::Values GpuBuilder::carry(StringRef name, Index from, Index to, int64_t step, ValueRange inits,
                                     StringRef valueName, function_ref<Values(Index, ValueRange)> body, bool unroll) {
  std::optional<int64_t> first = from.constant(), last = to.constant();
  if (first && last && *first + step >= *last) // at most once
    return *first < *last ? body(from, inits) : Values(inits);
  auto loop = scf::ForOp::create(b, loc, from, to, index(step), inits);
  if (unroll)
    loop->setAttr("tq.unroll", b.getUnitAttr());
  named(loop.getInductionVar(), name);
  for (auto [i, arg] : llvm::enumerate(loop.getRegionIterArgs()))
    named(arg, inits.size() == 1 ? valueName.str() : (valueName + Twine(i)).str());
  OpBuilder::InsertionGuard guard(b);
  Block *block = loop.getBody();
  if (!block->empty() && block->back().hasTrait<OpTrait::IsTerminator>())
    block->back().erase();
  b.setInsertionPointToEnd(block);
  Values results = body({*this, loop.getInductionVar()}, loop.getRegionIterArgs());
  scf::YieldOp::create(b, loc, results);
  return Values(loop.getResults());
}

void GpuBuilder::ifThen(Value condition, function_ref<void()> body) {
  if (matchPattern(condition, m_One()))
    return body();
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&branch.getThenRegion().front());
  body();
}

GpuBuilder::Values GpuBuilder::ifElse(Value condition, TypeRange types, function_ref<Values()> yes,
                                      function_ref<Values()> no) {
  if (matchPattern(condition, m_One()))
    return yes();
  auto branch = scf::IfOp::create(b, loc, types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (auto [region, body] : {std::pair{&branch.getThenRegion(), yes}, std::pair{&branch.getElseRegion(), no}}) {
    Block &block = region->front();
    if (!block.empty() && block.back().hasTrait<OpTrait::IsTerminator>())
      block.back().erase();
    b.setInsertionPointToEnd(&block);
    scf::YieldOp::create(b, loc, body());
  }
  return Values(branch.getResults());
}

Value GpuBuilder::orZero(Value condition, Type type, function_ref<Value()> body) {
  return ifElse(condition, type, [&] { return Values{body()}; }, [&] { return Values{constant(0.0f, type)}; }).front();
}

//===-- Pointwise -----------------------------------------------------------------------------------------------===//

static constexpr float kLog2E = std::numbers::log2e_v<float>;

/// 1 / (1 + 2^(-x log2 e)); the exponent is kept small enough for the sum to be finite.
Value GpuBuilder::sigmoid(Value x) {
  Value exponent = arith::MinNumFOp::create(b, loc, mul(x, -kLog2E), constant(126.0f, x.getType()));
  Value one = constant(1.0f, x.getType());
  return arith::DivFOp::create(b, loc, one, add(one, exp2(exponent)));
}

Value GpuBuilder::activation(Activation kind, Value x) {
  switch (kind) {
  case Activation::Sigmoid:
    return sigmoid(x);
  case Activation::Silu:
    return mul(x, sigmoid(x));
  case Activation::Relu2: {
    Value r = maximum(x, constant(0.0f, x.getType()));
    return mul(r, r);
  }
  case Activation::GeluTanh: { // x * sigmoid(2 * sqrt(2 / pi) * (x + 0.044715 x^3))
    Value x3 = mul(mul(x, x), x);
    Value u = fma(constant(0.044715f, x.getType()), x3, x);
    return mul(x, sigmoid(mul(u, 1.5957691216f)));
  }
  }
  llvm_unreachable("all activations are handled");
}

/// Ops that the printers of all targets can spell, on f32.
bool GpuBuilder::knowsPointwise(Operation *op) {
  return op->getNumResults() == 1 && cast<RankedTensorType>(op->getResult(0).getType()).getElementType().isF32() &&
         isa<ActOp, GluOp, AddBiasOp, arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp, arith::NegFOp,
             arith::MaxNumFOp, arith::MinNumFOp>(op);
}

Value GpuBuilder::pointwise(Operation *op, ArrayRef<Value> v) {
  if (auto act = dyn_cast<ActOp>(op))
    return activation(act.getKind(), v[0]);
  if (auto glu = dyn_cast<GluOp>(op))
    return mul(activation(glu.getKind(), v[0]), v[1]);
  if (isa<AddBiasOp>(op))
    return add(v[0], v[1]);
  OperationState state(loc, op->getName());
  state.addOperands(v);
  state.addTypes(v[0].getType());
  return b.create(state)->getResult(0);
}
