//===- KernelBuilder.cpp - What host skeletons build with -----------------===//

#include "codegen/host/KernelBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace tq;

static LLVM::LLVMPointerType pointerType(MLIRContext *context) { return LLVM::LLVMPointerType::get(context); }

KernelBuilder::KernelBuilder(KernelOp kernel, ModuleOp module)
    : b(module.getContext()), loc(kernel.getLoc()), kernel(kernel), module(module), bindings(kernelBindings(kernel)) {
  b.setInsertionPointToEnd(module.getBody());
  Type pointer = pointerType(b.getContext()), word = b.getI64Type();
  SmallVector<Type> types(bindings.size() + 2, pointer); // bindings, params, scratch
  types.append({word, word});
  inner = func::FuncOp::create(b, loc, (kernel.getSymName() + ".body").str(), b.getFunctionType(types, {}));
  inner.setPrivate();
  for (size_t i = 0; i < bindings.size(); ++i)
    inner.setArgAttr(i, "llvm.noalias", b.getUnitAttr());
  Block *entry = inner.addEntryBlock();
  b.setInsertionPointToStart(entry);
  size_t n = bindings.size();
  params = entry->getArgument(n);
  scratch = entry->getArgument(n + 1);
  begin = entry->getArgument(n + 2);
  end = entry->getArgument(n + 3);
}

void KernelBuilder::finish(int64_t scratchBytes) {
  func::ReturnOp::create(b, loc);
  b.setInsertionPointToEnd(module.getBody());
  Type pointer = pointerType(b.getContext()), word = b.getI64Type();
  auto wrapper =
      func::FuncOp::create(b, loc, kernel.getSymName(), b.getFunctionType({pointer, pointer, pointer, word, word}, {}));
  wrapper->setAttr(kScratchBytesAttr, b.getI64IntegerAttr(scratchBytes));
  Block *entry = wrapper.addEntryBlock();
  b.setInsertionPointToStart(entry);
  SmallVector<Value> args;
  for (size_t i = 0; i < bindings.size(); ++i)
    args.push_back(LLVM::LoadOp::create(b, loc, pointer, at(entry->getArgument(0), 8 * int64_t(i))));
  args.append({entry->getArgument(1), entry->getArgument(2), entry->getArgument(3), entry->getArgument(4)});
  func::CallOp::create(b, loc, inner, args);
  func::ReturnOp::create(b, loc);
}

//===-- Scalars -------------------------------------------------------------------------------------------------===//

Value KernelBuilder::i64(int64_t value) { return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value)); }
Value KernelBuilder::i32(int64_t value) { return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value)); }
Value KernelBuilder::f32(float value) { return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value)); }
Value KernelBuilder::null() { return LLVM::ZeroOp::create(b, loc, pointerType(b.getContext())); }
Value KernelBuilder::add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
Value KernelBuilder::sub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
Value KernelBuilder::mul(Value x, int64_t y) {
  return y == 1 ? x : arith::MulIOp::create(b, loc, x, i64(y)).getResult();
}
Value KernelBuilder::min(Value x, Value y) { return arith::MinSIOp::create(b, loc, x, y); }
Value KernelBuilder::max(Value x, Value y) { return arith::MaxSIOp::create(b, loc, x, y); }
Value KernelBuilder::udiv(Value x, int64_t y) {
  return y == 1 ? x : arith::DivUIOp::create(b, loc, x, i64(y)).getResult();
}
Value KernelBuilder::urem(Value x, int64_t y) { return arith::RemUIOp::create(b, loc, x, i64(y)); }
Value KernelBuilder::less(Value x, Value y) { return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y); }
Value KernelBuilder::toI32(Value x) { return arith::TruncIOp::create(b, loc, b.getI32Type(), x); }
Value KernelBuilder::toI64(Value x) { return arith::ExtSIOp::create(b, loc, b.getI64Type(), x); }

Value KernelBuilder::param(Param which) { return toI64(loadI32(at(params, 4 * int64_t(which)))); }

int64_t KernelBuilder::maxRows() { return tq::maxRows(kernel); }

Value KernelBuilder::rows() {
  if (maxRows() == 1)
    return i64(1);
  return param(Param(rowsParam(kernel)));
}

//===-- Memory --------------------------------------------------------------------------------------------------===//

Value KernelBuilder::at(Value pointer, Value bytes) {
  return LLVM::GEPOp::create(b, loc, pointerType(b.getContext()), b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{bytes});
}
Value KernelBuilder::at(Value pointer, int64_t bytes) { return bytes == 0 ? pointer : at(pointer, i64(bytes)); }

Value KernelBuilder::takeScratch(int64_t bytes) {
  Value p = at(scratch, scratchOffset);
  scratchOffset += llvm::alignTo(bytes, 64);
  return p;
}

Value KernelBuilder::stack(int64_t bytes) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&inner.getBody().front());
  return LLVM::AllocaOp::create(b, loc, pointerType(b.getContext()), b.getI8Type(), i64(bytes), /*alignment=*/64);
}

Value KernelBuilder::loadI32(Value pointer) { return LLVM::LoadOp::create(b, loc, b.getI32Type(), pointer, 4); }
Value KernelBuilder::loadVector(Value pointer) {
  return LLVM::LoadOp::create(b, loc, VectorType::get({kLanes}, b.getF32Type()), pointer, /*alignment=*/4);
}
void KernelBuilder::storeVector(Value vector, Value pointer) { LLVM::StoreOp::create(b, loc, vector, pointer, 4); }

//===-- Control -------------------------------------------------------------------------------------------------===//

void KernelBuilder::loop(Value from, Value to, int64_t step, llvm::function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(b, loc, from, to, i64(step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

void KernelBuilder::call(StringRef name, ArrayRef<Value> args) {
  std::string symbol = ("tq_" + name).str();
  auto type = b.getFunctionType(ValueRange(args).getTypes(), {});
  if (!module.lookupSymbol(symbol)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    func::FuncOp::create(b, loc, symbol, type).setPrivate();
  }
  func::CallOp::create(b, loc, symbol, TypeRange(), args);
}

void KernelBuilder::callShared(StringRef name, ArrayRef<Value> args) {
  std::string symbol = ("shared." + name).str();
  SmallVector<Value> passed;
  for (Value arg : args) {
    Attribute constant;
    if (arg.getDefiningOp<LLVM::ZeroOp>()) { // a constant, too, but not a number
      symbol += ".null";
    } else if (matchPattern(arg, m_Constant(&constant))) {
      llvm::raw_string_ostream os(symbol);
      os << ".";
      if (auto number = dyn_cast<FloatAttr>(constant))
        os << number.getValue().bitcastToAPInt().getZExtValue(); // exact, and fit for a symbol
      else
        os << cast<mlir::IntegerAttr>(constant).getInt();
    } else {
      symbol += ".x"; // other places for the constants are another function
      passed.push_back(arg);
    }
  }
  if (!module.lookupSymbol(symbol)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    auto function = func::FuncOp::create(b, loc, symbol, b.getFunctionType(ValueRange(passed).getTypes(), {}));
    function.setPrivate();
    Block *entry = function.addEntryBlock();
    b.setInsertionPointToStart(entry);
    SmallVector<Value> inner;
    unsigned next = 0;
    for (Value arg : args) {
      Operation *def = arg.getDefiningOp();
      bool constant = def && (def->hasTrait<OpTrait::ConstantLike>() || isa<LLVM::ZeroOp>(def));
      inner.push_back(constant ? b.clone(*def)->getResult(0) : Value(entry->getArgument(next++)));
    }
    call(name, inner);
    func::ReturnOp::create(b, loc);
  }
  func::CallOp::create(b, loc, symbol, TypeRange(), passed);
}

void KernelBuilder::clearPartial(Value partial, int64_t dv) {
  SmallVector<float> neutral(kLanes, 0.0f); // max, sum, padding
  neutral[0] = -std::numeric_limits<float>::infinity();
  auto type = VectorType::get({kLanes}, b.getF32Type());
  Value vector = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<float>(neutral)));
  storeVector(vector, at(partial, int64_t(llvm::alignTo(dv, kLanes)) * 4));
}

Value KernelBuilder::pointer(BindingKind kind, Value value) {
  for (auto [index, binding] : llvm::enumerate(bindings))
    if (binding.kind == kind && binding.value == value)
      return inner.getArgument(index);
  if (kind == BindingKind::Levels) // of a weight without a codebook
    return null();
  llvm_unreachable("the kernel has no such binding");
}

Value KernelBuilder::output(int64_t index) {
  int64_t first = llvm::count_if(
      bindings, [&](const KernelBinding &binding) { return isa_and_nonnull<BlockArgument>(binding.value); });
  return inner.getArgument(first + index);
}

//===-- Pointwise -----------------------------------------------------------------------------------------------===//

Value KernelBuilder::splat(float value) {
  auto type = VectorType::get({kLanes}, b.getF32Type());
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, value));
}

Value KernelBuilder::activation(Activation kind, Value x) {
  auto sigmoid = [&](Value v) -> Value {
    Value e = math::ExpOp::create(b, loc, arith::NegFOp::create(b, loc, v));
    return arith::DivFOp::create(b, loc, splat(1), arith::AddFOp::create(b, loc, splat(1), e));
  };
  switch (kind) {
  case Activation::Sigmoid:
    return sigmoid(x);
  case Activation::Silu: { // x / (1 + exp(-x))
    Value e = math::ExpOp::create(b, loc, arith::NegFOp::create(b, loc, x));
    return arith::DivFOp::create(b, loc, x, arith::AddFOp::create(b, loc, splat(1), e));
  }
  case Activation::Relu2: {
    Value r = arith::MaximumFOp::create(b, loc, x, splat(0));
    return arith::MulFOp::create(b, loc, r, r);
  }
  case Activation::GeluTanh: { // x * sigmoid(2 * sqrt(2 / pi) * (x + 0.044715 x^3))
    Value x3 = arith::MulFOp::create(b, loc, arith::MulFOp::create(b, loc, x, x), x);
    Value u = arith::AddFOp::create(b, loc, x, arith::MulFOp::create(b, loc, splat(0.044715f), x3));
    return arith::MulFOp::create(b, loc, x, sigmoid(arith::MulFOp::create(b, loc, splat(1.5957691216f), u)));
  }
  }
  llvm_unreachable("all activations are handled");
}

Value KernelBuilder::pointwise(Operation *op, ArrayRef<Value> v) {
  if (auto act = dyn_cast<ActOp>(op))
    return activation(act.getKind(), v[0]);
  if (auto glu = dyn_cast<GluOp>(op))
    return arith::MulFOp::create(b, loc, activation(glu.getKind(), v[0]), v[1]);
  if (isa<AddBiasOp>(op))
    return arith::AddFOp::create(b, loc, v[0], v[1]);
  OperationState state(loc, op->getName());
  state.addOperands(v);
  state.addTypes(VectorType::get({kLanes}, b.getF32Type()));
  state.addAttributes(op->getAttrs());
  return b.create(state)->getResult(0);
}
