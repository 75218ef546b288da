//===- VerifyOps.cpp - The rules on a kernel's ops ------------------------===//
// K6 to K15 of VerifyKernels.h.

#include "codegen/metal/Spellings.h"
#include "codegen/metal/Uniformity.h"
#include "codegen/metal/VerifyKernels.h"
#include "dialect/TQ.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tq::msl {

namespace {
class OpVerifier {
public:
  explicit OpVerifier(gpu::GPUFuncOp func) : func(func), uniformity(func) {}
  LogicalResult verify(Operation *op);

private:
  LogicalResult verifyTypes(Operation *op);
  LogicalResult verifyArithmetic(Operation *op);
  LogicalResult verifyShift(Operation *op);
  LogicalResult verifyComparison(Operation *op);
  LogicalResult verifyVectorAccess(Operation *op, Value memref, ValueRange indices, VectorType type,
                                   std::optional<uint64_t> alignment);
  LogicalResult verifyVectorOp(Operation *op);
  LogicalResult verifyControl(Operation *op, Agreement needed);
  LogicalResult verifyReduce(gpu::SubgroupReduceOp reduce);
  LogicalResult verifyShuffle(gpu::ShuffleOp shuffle);
  LogicalResult verifyMatrixAccess(Operation *op, Value memref, ValueRange indices, gpu::MMAMatrixType type,
                                   const APInt &leadDimension);
  LogicalResult verifyMatrixCompute(gpu::SubgroupMmaComputeOp compute);
  LogicalResult verifyAtomic(memref::AtomicRMWOp atomic);

  gpu::GPUFuncOp func;
  Uniformity uniformity;
};
} // namespace

//===-- K6: ops -------------------------------------------------------------------------------------------------===//

static bool hasSpelling(Operation *op) {
  StringRef name = op->getName().getStringRef();
  return findOperator(name) || findFunction(name) ||
         isa<gpu::LaneIdOp, gpu::ThreadIdOp, gpu::BlockIdOp, gpu::BlockDimOp, gpu::GridDimOp, gpu::BarrierOp,
             gpu::SubgroupReduceOp, gpu::ShuffleOp, gpu::SubgroupMmaLoadMatrixOp, gpu::SubgroupMmaStoreMatrixOp,
             gpu::SubgroupMmaComputeOp, gpu::SubgroupMmaConstantMatrixOp, gpu::ReturnOp, SubgroupBarrierOp>(op) ||
         isa<scf::ForOp, scf::IfOp, scf::WhileOp, scf::YieldOp, scf::ConditionOp>(op) ||
         isa<memref::LoadOp, memref::StoreOp, memref::AtomicRMWOp>(op) ||
         isa<vector::LoadOp, vector::StoreOp, vector::ExtractOp, vector::InsertOp, vector::BroadcastOp,
             vector::ShuffleOp, vector::FromElementsOp, vector::ToElementsOp, vector::BitCastOp>(op) ||
         isa<arith::ConstantOp, arith::CmpIOp, arith::CmpFOp, arith::SelectOp, arith::NegFOp, arith::ExtFOp,
             arith::TruncFOp, arith::SIToFPOp, arith::UIToFPOp, arith::FPToSIOp, arith::FPToUIOp, arith::ExtSIOp,
             arith::ExtUIOp, arith::TruncIOp, arith::IndexCastOp, arith::IndexCastUIOp, arith::BitcastOp>(op);
}

/// What to do instead.
static StringRef hint(StringRef op) {
  StringRef answer =
      llvm::StringSwitch<StringRef>(op)
          .Case("arith.maximumf", "use arith.maxnumf")
          .Case("arith.minimumf", "use arith.minnumf")
          .Cases({"arith.ceildivui", "arith.ceildivsi", "arith.floordivsi"}, "run --arith-expand first")
          .Case("gpu.subgroup_id", "use gpu.thread_id y: blocks are (32, n, 1)")
          .Cases({"gpu.subgroup_size", "gpu.num_subgroups"}, "use a constant: blocks are (32, n, 1)")
          .Case("gpu.subgroup_broadcast", "use gpu.shuffle idx")
          .Case("gpu.rotate", "use gpu.shuffle idx")
          .Case("gpu.global_id", "compute it from gpu.block_id, gpu.thread_id y and gpu.lane_id")
          .Case("gpu.all_reduce", "use gpu.subgroup_reduce and a workgroup array")
          .Cases({"memref.alloca", "memref.alloc"}, "declare a private(...) or workgroup(...) attribution")
          .Case("gpu.dynamic_shared_memory", "declare a workgroup(...) attribution")
          .Cases({"func.call", "llvm.call", "gpu.launch_func"}, "inline it: a kernel calls nothing")
          .Cases({"scf.parallel", "scf.forall"}, "use scf.for over what gpu.block_id and gpu.lane_id leave")
          .Cases({"math.erf", "math.erfc"}, "use a polynomial")
          .Default("");
  if (answer.empty() && op.starts_with("memref."))
    return "index the argument or attribution itself";
  return answer.empty() ? "use the ops that VerifyKernels.h names" : answer;
}

//===-- K7, K12: types ------------------------------------------------------------------------------------------===//

static bool isScalar(Type type) {
  return type.isF32() || type.isF16() || type.isBF16() || type.isIndex() || type.isInteger(1) || type.isInteger(8) ||
         type.isInteger(16) || type.isInteger(32) || type.isInteger(64);
}

static bool isValueType(Type type) {
  if (isa<gpu::MMAMatrixType>(type))
    return true; // K13
  auto vector = dyn_cast<VectorType>(type);
  if (!vector)
    return isScalar(type);
  return vector.getRank() == 1 && !vector.isScalable() && llvm::is_contained({1, 2, 4}, vector.getNumElements()) &&
         isScalar(vector.getElementType()) && !vector.getElementType().isInteger(1);
}

LogicalResult OpVerifier::verifyTypes(Operation *op) {
  SmallVector<Type> types(op->getResultTypes());
  for (Region &region : op->getRegions())
    llvm::append_range(types, region.getArgumentTypes());
  for (Type type : types) {
    if (isa<gpu::MMAMatrixType>(type)) {
      auto matrix = cast<gpu::MMAMatrixType>(type);
      Type element = matrix.getElementType();
      if (matrix.getShape()[0] != 8 || matrix.getShape()[1] != 8 || !(element.isF16() || element.isF32()))
        return op->emitOpError() << "gives " << type << "; simdgroup matrices are 8x8 of f16 or f32 (K13)";
    } else if (!isValueType(type)) {
      return op->emitOpError() << "gives " << type
                               << "; values are index, i1 to i64, f32, f16, bf16 or vectors of 2 or 4 numbers (K7)";
    }
  }
  auto isOf = [&](auto predicate) {
    auto elementIs = [&](Type type) { return predicate(getElementTypeOrSelf(type)); };
    return llvm::any_of(op->getOperandTypes(), elementIs) || llvm::any_of(op->getResultTypes(), elementIs);
  };
  bool computes = findOperator(op->getName().getStringRef()) || findFunction(op->getName().getStringRef()) ||
                  isa<arith::NegFOp>(op);
  if (isOf([](Type type) { return type.isBF16(); }) &&
      (computes || isa<arith::CmpFOp, arith::SIToFPOp, arith::UIToFPOp, arith::FPToSIOp, arith::FPToUIOp>(op)))
    return op->emitOpError() << "computes with bf16; arith.extf it to f32 and arith.truncf the result (K12)";
  const FunctionSpelling *function = findFunction(op->getName().getStringRef());
  if (function && function->precise && !getElementTypeOrSelf(op->getResult(0).getType()).isF32())
    return op->emitOpError() << "is of " << op->getResult(0).getType() << "; arith.extf to f32 first (K12)";
  if (isOf([](Type type) { return type.isInteger(1); }) &&
      ((computes && !isa<arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op)) || isa<arith::SIToFPOp>(op)))
    return op->emitOpError() << "computes with i1; i1 is for logic, arith.extui it first (K7)";
  if (isa<arith::ExtFOp>(op) && !getElementTypeOrSelf(op->getResult(0).getType()).isF32())
    return op->emitOpError() << "widens to " << op->getResult(0).getType() << "; widen to f32 (K12)";
  if (auto truncate = dyn_cast<arith::TruncFOp>(op))
    if (truncate.getRoundingmode().value_or(arith::RoundingMode::to_nearest_even) !=
        arith::RoundingMode::to_nearest_even)
      return op->emitOpError() << "has a rounding mode; MSL rounds to the nearest, ties to even (K6)";
  return success();
}

//===-- K11, K14: arithmetic ------------------------------------------------------------------------------------===//

LogicalResult OpVerifier::verifyShift(Operation *op) {
  Type type = getElementTypeOrSelf(op->getResult(0).getType());
  unsigned width = type.isIndex() ? 32 : type.getIntOrFloatBitWidth();
  Attribute constant;
  if (!matchPattern(op->getOperand(1), m_Constant(&constant)))
    return success();
  SmallVector<APInt> amounts;
  if (auto amount = dyn_cast<mlir::IntegerAttr>(constant))
    amounts.push_back(amount.getValue());
  else if (auto elements = dyn_cast<DenseIntElementsAttr>(constant))
    llvm::append_range(amounts, elements.getValues<APInt>());
  for (const APInt &amount : amounts)
    if (amount.uge(width))
      return op->emitOpError() << "shifts " << width << " bits by " << amount.getZExtValue()
                               << ", which has no defined result (K11)";
  return success();
}

LogicalResult OpVerifier::verifyComparison(Operation *op) {
  Type type = op->getOperand(0).getType();
  if (isa<VectorType>(type))
    return op->emitOpError() << "compares " << type << "; extract and compare the components (K14)";
  if (!findComparison(op))
    return op->emitOpError() << "has predicate '"
                             << arith::stringifyCmpFPredicate(cast<arith::CmpFOp>(op).getPredicate())
                             << "', which no operator of C++ has; use oeq, une, olt, ole, ogt or oge (K14)";
  auto compare = dyn_cast<arith::CmpIOp>(op);
  if (compare && type.isInteger(1) && compare.getPredicate() != arith::CmpIPredicate::eq &&
      compare.getPredicate() != arith::CmpIPredicate::ne)
    return op->emitOpError() << "orders i1; i1 is for logic (K7)";
  return success();
}

//===-- K8: vectors ---------------------------------------------------------------------------------------------===//

/// The value modulo `modulus`, where the IR shows it.
static std::optional<int64_t> residue(Value value, int64_t modulus, unsigned depth = 0) {
  if (depth > 12)
    return std::nullopt;
  auto wrap = [&](int64_t number) { return (number % modulus + modulus) % modulus; };
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return wrap(constant.getSExtValue());
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    if (loop && argument == loop.getInductionVar() && residue(loop.getStep(), modulus, depth + 1) == 0)
      return residue(loop.getLowerBound(), modulus, depth + 1);
    return std::nullopt;
  }
  Operation *op = value.getDefiningOp();
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(op))
    return residue(op->getOperand(0), modulus, depth + 1);
  if (isa<arith::ShLIOp>(op)) {
    if (matchPattern(op->getOperand(1), m_ConstantInt(&constant)) && constant.ult(31) &&
        (int64_t(1) << constant.getZExtValue()) % modulus == 0)
      return 0;
    return std::nullopt;
  }
  if (!isa<arith::AddIOp, arith::SubIOp, arith::MulIOp>(op))
    return std::nullopt;
  std::optional<int64_t> a = residue(op->getOperand(0), modulus, depth + 1);
  std::optional<int64_t> b = residue(op->getOperand(1), modulus, depth + 1);
  if (isa<arith::MulIOp>(op) && (a == 0 || b == 0))
    return 0;
  if (!a || !b)
    return std::nullopt;
  return wrap(isa<arith::AddIOp>(op) ? *a + *b : isa<arith::SubIOp>(op) ? *a - *b : *a * *b);
}

LogicalResult OpVerifier::verifyVectorAccess(Operation *op, Value memref, ValueRange indices, VectorType type,
                                             std::optional<uint64_t> alignment) {
  int64_t count = type.getNumElements(), bytes = count * type.getElementTypeBitWidth() / 8;
  if (count == 1)
    return op->emitOpError() << "moves one element; use memref.load or memref.store (K8)";
  if (!alignment || int64_t(*alignment) != bytes)
    return op->emitOpError() << "needs {alignment = " << bytes << " : i64}, the natural one of " << type << " (K8)";
  int64_t known = alignmentOf(func, cast<BlockArgument>(memref));
  if (known < bytes)
    return op->emitOpError() << "is aligned to " << bytes << " bytes, but its array to " << known
                             << "; declare llvm.align there (K8)";
  auto array = cast<MemRefType>(memref.getType());
  int64_t stride = array.getNumElements();
  std::optional<int64_t> offset = 0;
  for (auto [index, size] : llvm::zip_equal(indices, array.getShape())) {
    stride /= size;
    std::optional<int64_t> part = stride % count == 0 ? 0 : residue(index, count);
    offset = offset && part ? std::optional((*offset + *part * stride) % count) : std::nullopt;
  }
  if (offset && *offset)
    return op->emitOpError() << "starts " << *offset << " elements after a multiple of " << count
                             << ", so it is not aligned to " << bytes << " bytes (K8)";
  return success();
}

LogicalResult OpVerifier::verifyVectorOp(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<vector::LoadOp>([&](vector::LoadOp load) {
        return verifyVectorAccess(op, load.getBase(), load.getIndices(), load.getVectorType(), load.getAlignment());
      })
      .Case<vector::StoreOp>([&](vector::StoreOp store) {
        return verifyVectorAccess(op, store.getBase(), store.getIndices(), store.getVectorType(), store.getAlignment());
      })
      .Case<vector::ExtractOp, vector::InsertOp>([&](auto access) -> LogicalResult {
        bool isComponent = access.getNumIndices() == 1;
        if (isComponent && !access.hasDynamicPosition())
          isComponent = access.getStaticPosition()[0] >= 0;
        if (!isComponent)
          return op->emitOpError() << "does not name one component (K8)";
        if constexpr (std::is_same_v<decltype(access), vector::InsertOp>)
          if (access.getDestVectorType().getNumElements() == 1)
            return op->emitOpError() << "inserts into a vector of one element; use vector.from_elements (K8)";
        return success();
      })
      .Case<vector::BroadcastOp>([&](vector::BroadcastOp broadcast) -> LogicalResult {
        if (isa<VectorType>(broadcast.getSourceType()))
          return op->emitOpError() << "broadcasts a vector; broadcast a scalar (K8)";
        return success();
      })
      .Case<vector::ShuffleOp>([&](vector::ShuffleOp shuffle) -> LogicalResult {
        if (llvm::any_of(shuffle.getMask(), [](int64_t lane) { return lane < 0; }))
          return op->emitOpError() << "has poison components; name each one (K8)";
        return success();
      })
      .Default([](Operation *) { return success(); });
}

//===-- K9, K10: collectives ------------------------------------------------------------------------------------===//

LogicalResult OpVerifier::verifyControl(Operation *op, Agreement needed) {
  if (uniformity.ofControl(op) <= needed)
    return success();
  bool isWide = needed == Agreement::Threadgroup;
  InFlightDiagnostic error = op->emitOpError() << "may be reached by some "
                                               << (isWide ? "threads of the threadgroup" : "lanes of the simdgroup")
                                               << " and not by others; move it out of the condition (K9)";
  if (Operation *condition = uniformity.divergence(op, needed))
    error.attachNote(condition->getLoc()) << "they part ways here";
  return error;
}

LogicalResult OpVerifier::verifyReduce(gpu::SubgroupReduceOp reduce) {
  using Op = gpu::AllReduceOperation;
  if (!reduce.getUniform())
    return reduce.emitOpError() << "is not marked `uniform`; all lanes must take part (K9)";
  Type type = reduce.getType();
  if (!type.isF32() && !type.isInteger(32))
    return reduce.emitOpError() << "reduces " << type << "; shuffles move 32 bits: convert to f32 or i32 (K10)";
  if (!llvm::is_contained({Op::ADD, Op::MAXNUMF, Op::MINNUMF, Op::MAXSI, Op::MINSI, Op::MAXUI, Op::MINUI},
                          reduce.getOp()))
    return reduce.emitOpError() << "reduces with '" << gpu::stringifyAllReduceOperation(reduce.getOp())
                                << "'; use add, maxnumf, minnumf, maxsi, minsi, maxui or minui (K6)";
  if (uint64_t(reduce.getClusterSize().value_or(32)) * reduce.getClusterStride() > 32)
    return reduce.emitOpError() << "has a cluster of " << *reduce.getClusterSize() << " lanes with stride "
                                << reduce.getClusterStride() << ", but a simdgroup has 32 lanes (K10)";
  return verifyControl(reduce, Agreement::Simdgroup);
}

LogicalResult OpVerifier::verifyShuffle(gpu::ShuffleOp shuffle) {
  Type type = shuffle.getValue().getType();
  if (!type.isF32() && !type.isInteger(32))
    return shuffle.emitOpError() << "moves " << type
                                 << "; shuffles move 32 bits: convert or bitcast to f32 or i32 (K10)";
  APInt width, offset;
  if (!matchPattern(shuffle.getWidth(), m_ConstantInt(&width)) || width != 32)
    return shuffle.emitOpError() << "has a width other than the constant 32 (K10)";
  if (matchPattern(shuffle.getOffset(), m_ConstantInt(&offset)) && offset.uge(32))
    return shuffle.emitOpError() << "has offset " << offset.getSExtValue() << ", but a simdgroup has 32 lanes (K10)";
  if (shuffle.getMode() != gpu::ShuffleMode::IDX && uniformity.of(shuffle.getOffset()) == Agreement::None)
    return shuffle.emitOpError() << "has an offset that differs between lanes; use mode idx (K10)";
  if (!shuffle.getValid().use_empty())
    return shuffle.emitOpError() << "has a validity that is used; compare the lane instead (K10)";
  return verifyControl(shuffle, Agreement::Simdgroup);
}

//===-- K13: matrices -------------------------------------------------------------------------------------------===//

LogicalResult OpVerifier::verifyMatrixAccess(Operation *op, Value memref, ValueRange indices, gpu::MMAMatrixType type,
                                             const APInt &leadDimension) {
  auto array = cast<MemRefType>(memref.getType());
  auto space = dyn_cast_or_null<gpu::AddressSpaceAttr>(array.getMemorySpace());
  if (!space || space.getValue() == gpu::AddressSpace::Private)
    return op->emitOpError() << "is of a private array; matrices are in device or threadgroup memory (K13)";
  if (array.getElementType() != type.getElementType())
    return op->emitOpError() << "has a matrix of " << type.getElementType() << " in an array of "
                             << array.getElementType() << "; they must be the same (K13)";
  if (leadDimension.ult(8))
    return op->emitOpError() << "has a leading dimension of " << leadDimension.getZExtValue()
                             << ", but a row has 8 elements (K13)";
  if (llvm::any_of(indices, [&](Value index) { return uniformity.of(index) == Agreement::None; }))
    return op->emitOpError() << "has an index that differs between lanes; the simdgroup moves one matrix (K13)";
  return verifyControl(op, Agreement::Simdgroup);
}

LogicalResult OpVerifier::verifyMatrixCompute(gpu::SubgroupMmaComputeOp compute) {
  if (compute.getATranspose() || compute.getBTranspose())
    return compute.emitOpError() << "transposes an operand; transpose when loading it (K13)";
  auto element = [](Value matrix) { return cast<gpu::MMAMatrixType>(matrix.getType()).getElementType(); };
  Type a = element(compute.getOpA()), b = element(compute.getOpB()), c = element(compute.getOpC());
  if (a != b || (c != a && !c.isF32()))
    return compute.emitOpError() << "multiplies " << a << " by " << b << " into " << c
                                 << "; the factors must be alike, the sum like them or f32 (K13)";
  return verifyControl(compute, Agreement::Simdgroup);
}

//===-- K15: atomics --------------------------------------------------------------------------------------------===//

LogicalResult OpVerifier::verifyAtomic(memref::AtomicRMWOp atomic) {
  using Kind = arith::AtomicRMWKind;
  auto space = dyn_cast_or_null<gpu::AddressSpaceAttr>(cast<MemRefType>(atomic.getMemref().getType()).getMemorySpace());
  bool isDevice = space && space.getValue() == gpu::AddressSpace::Global;
  bool isShared = space && space.getValue() == gpu::AddressSpace::Workgroup;
  Type type = atomic.getType();
  if (type.isF32() && atomic.getKind() == Kind::addf && isDevice)
    return success();
  if (type.isInteger(32) && (isDevice || isShared) &&
      llvm::is_contained({Kind::addi, Kind::maxs, Kind::maxu, Kind::mins, Kind::minu, Kind::andi, Kind::ori},
                         atomic.getKind()))
    return success();
  return atomic.emitOpError() << "is " << arith::stringifyAtomicRMWKind(atomic.getKind()) << " of " << type
                              << "; MSL has add, min, max, and, or of i32, and addf of f32 in device memory (K15)";
}

LogicalResult OpVerifier::verify(Operation *op) {
  if (failed(verifyTypes(op)))
    return failure();
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<arith::ShLIOp, arith::ShRUIOp, arith::ShRSIOp>([&](auto) { return verifyShift(op); })
      .Case<arith::CmpIOp, arith::CmpFOp>([&](auto) { return verifyComparison(op); })
      .Case<gpu::BarrierOp>([&](auto) { return verifyControl(op, Agreement::Threadgroup); })
      .Case<SubgroupBarrierOp>([&](auto) { return verifyControl(op, Agreement::Simdgroup); })
      .Case<gpu::SubgroupReduceOp>([&](auto reduce) { return verifyReduce(reduce); })
      .Case<gpu::ShuffleOp>([&](auto shuffle) { return verifyShuffle(shuffle); })
      .Case<gpu::SubgroupMmaLoadMatrixOp>([&](gpu::SubgroupMmaLoadMatrixOp load) {
        return verifyMatrixAccess(op, load.getSrcMemref(), load.getIndices(),
                                  cast<gpu::MMAMatrixType>(load.getRes().getType()), load.getLeadDimension());
      })
      .Case<gpu::SubgroupMmaStoreMatrixOp>([&](gpu::SubgroupMmaStoreMatrixOp store) {
        return verifyMatrixAccess(op, store.getDstMemref(), store.getIndices(),
                                  cast<gpu::MMAMatrixType>(store.getSrc().getType()), store.getLeadDimension());
      })
      .Case<gpu::SubgroupMmaComputeOp>([&](auto compute) { return verifyMatrixCompute(compute); })
      .Case<gpu::SubgroupMmaConstantMatrixOp>([&](auto) { return verifyControl(op, Agreement::Simdgroup); })
      .Case<memref::AtomicRMWOp>([&](auto atomic) { return verifyAtomic(atomic); })
      .Default([&](auto) { return verifyVectorOp(op); });
}

LogicalResult verifyOps(gpu::GPUFuncOp func) {
  // Ops first: the analysis of what agrees is about a kernel that holds known ops only.
  bool isValid = true;
  func.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (hasSpelling(op))
      return WalkResult::advance();
    isValid = false;
    op->emitOpError() << "has no spelling in kernels; " << hint(op->getName().getStringRef()) << " (K6)";
    return WalkResult::skip();
  });
  if (!isValid)
    return failure();
  OpVerifier verifier(func);
  func.getBody().walk([&](Operation *op) { isValid &= succeeded(verifier.verify(op)); });
  return success(isValid);
}

} // namespace tq::msl
