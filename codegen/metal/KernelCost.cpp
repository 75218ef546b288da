//===- KernelCost.cpp - What a GPU kernel costs, read off its IR ----------===//

#include "codegen/metal/KernelCost.h"
#include "codegen/metal/Uniformity.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace tq;

namespace {
constexpr int64_t kLanes = 32;

int64_t bitsOf(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getNumElements() * bitsOf(vector.getElementType());
  if (auto matrix = dyn_cast<gpu::MMAMatrixType>(type)) // 64 elements over 32 lanes
    return 2 * bitsOf(matrix.getElementType());
  return type.isIndex() ? 32 : type.isIntOrFloat() ? std::max(1u, type.getIntOrFloatBitWidth()) : 0;
}
int64_t elementsOf(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? vector.getNumElements() : 1;
}

bool isDevice(Type type) {
  auto memref = dyn_cast<MemRefType>(type);
  auto space = memref ? dyn_cast_or_null<gpu::AddressSpaceAttr>(memref.getMemorySpace()) : nullptr;
  return space && space.getValue() == gpu::AddressSpace::Global;
}

class Counter {
public:
  Counter(gpu::GPUFuncOp func) : func(func), uniformity(func) {}
  KernelCost run();

private:
  void count(Block &block, int64_t times);
  void count(Operation &op, int64_t times);
  /// Lanes of the threadgroup that ask for different addresses.
  int64_t addresses(OperandRange indices) const;
  int64_t pressure(Block &block, const llvm::SetVector<Value> &outside);
  static int64_t words(Value value);

  gpu::GPUFuncOp func;
  msl::Uniformity uniformity;
  KernelCost cost;
};
} // namespace

int64_t Counter::addresses(OperandRange indices) const {
  auto most = msl::Agreement::Threadgroup;
  for (Value index : indices)
    most = std::max(most, uniformity.of(index));
  // Simdgroups that agree ask once each: the cache sees them one after the other.
  return most == msl::Agreement::None ? cost.threads : cost.threads / kLanes;
}

void Counter::count(Operation &op, int64_t times) {
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    std::optional<llvm::APInt> trips = loop.getStaticTripCount();
    cost.dynamicLoops |= !trips;
    return count(*loop.getBody(), times * (trips ? trips->getSExtValue() : 1));
  }
  cost.dynamicLoops |= isa<scf::WhileOp>(op);
  if (isa<scf::IfOp, scf::WhileOp>(op)) {
    for (Region &region : op.getRegions())
      for (Block &block : region)
        count(block, times);
    return;
  }
  int64_t simdgroups = cost.threads / kLanes;
  if (isa<gpu::BarrierOp>(op)) {
    cost.barriers += times;
  } else if (isa<gpu::ShuffleOp>(op)) {
    cost.collectives += times * simdgroups;
  } else if (auto reduce = dyn_cast<gpu::SubgroupReduceOp>(op)) {
    int64_t size = reduce.getClusterSize().value_or(kLanes);
    cost.collectives += times * simdgroups * llvm::Log2_64(size);
    cost.flops += times * cost.threads * llvm::Log2_64(size);
  } else if (auto multiply = dyn_cast<gpu::SubgroupMmaComputeOp>(op)) {
    cost.flops += times * simdgroups * 2 * 8 * 8 * 8;
  } else if (auto load = dyn_cast<gpu::SubgroupMmaLoadMatrixOp>(op)) {
    if (isDevice(load.getSrcMemref().getType()))
      cost.readBytes += times * cost.threads * bitsOf(load.getType()) / 8;
  } else if (auto store = dyn_cast<gpu::SubgroupMmaStoreMatrixOp>(op)) {
    if (isDevice(store.getDstMemref().getType()))
      cost.writtenBytes += times * cost.threads * bitsOf(store.getSrc().getType()) / 8;
  } else if (auto load = dyn_cast<memref::LoadOp>(op)) {
    if (isDevice(load.getMemRefType()))
      cost.readBytes += times * addresses(load.getIndices()) * bitsOf(load.getType()) / 8;
  } else if (auto load = dyn_cast<vector::LoadOp>(op)) {
    if (isDevice(load.getBase().getType()))
      cost.readBytes += times * addresses(load.getIndices()) * bitsOf(load.getType()) / 8;
  } else if (auto store = dyn_cast<memref::StoreOp>(op)) {
    if (isDevice(store.getMemRefType()))
      cost.writtenBytes += times * addresses(store.getIndices()) * bitsOf(store.getValue().getType()) / 8;
  } else if (auto store = dyn_cast<vector::StoreOp>(op)) {
    if (isDevice(store.getBase().getType()))
      cost.writtenBytes += times * addresses(store.getIndices()) * bitsOf(store.getValueToStore().getType()) / 8;
  } else if (op.getNumResults() == 1 && !op.hasTrait<OpTrait::ConstantLike>()) {
    Type type = op.getResult(0).getType();
    int64_t lanes = times * cost.threads * elementsOf(type);
    llvm::StringRef dialect = op.getName().getDialectNamespace();
    if (dialect == "math")
      cost.flops += lanes * (op.getName().getStringRef() == "math.fma" ? 2 : 1);
    else if (dialect == "arith")
      (isa<FloatType>(getElementTypeOrSelf(type)) ? cost.flops : cost.integerOps) += lanes;
  }
}

void Counter::count(Block &block, int64_t times) {
  for (Operation &op : block)
    count(op, times);
}

/// Constants are immediates, and addresses of buffers lie in uniform registers.
int64_t Counter::words(Value value) {
  Operation *def = value.getDefiningOp();
  return def && def->hasTrait<OpTrait::ConstantLike>() ? 0 : (bitsOf(value.getType()) + 31) / 32;
}

/// The most words alive at once in a block, walked from its end; `outside` lives all the way through.
int64_t Counter::pressure(Block &block, const llvm::SetVector<Value> &outside) {
  llvm::SetVector<Value> live = outside;
  auto wordsAlive = [&] {
    int64_t sum = 0;
    for (Value value : live)
      sum += words(value);
    return sum;
  };
  int64_t most = wordsAlive();
  for (Operation &op : llvm::reverse(block)) {
    for (Value result : op.getResults())
      live.remove(result);
    for (Region &region : op.getRegions())
      for (Block &inner : region) {
        // What the region reads from around it lives through all of its iterations.
        llvm::SetVector<Value> through = live;
        inner.walk([&](Operation *nested) {
          for (Value operand : nested->getOperands())
            if (!region.isAncestor(operand.getParentRegion()))
              through.insert(operand);
        });
        most = std::max(most, pressure(inner, through));
        live = through;
      }
    for (Value operand : op.getOperands())
      live.insert(operand);
    most = std::max(most, wordsAlive());
  }
  return most;
}

KernelCost Counter::run() {
  cost.threads = 1;
  if (auto size = func.getKnownBlockSize())
    for (int32_t n : *size)
      cost.threads *= n;
  for (BlockArgument array : func.getWorkgroupAttributions())
    cost.threadgroupBytes += cast<MemRefType>(array.getType()).getNumElements() *
                             bitsOf(cast<MemRefType>(array.getType()).getElementType()) / 8;
  count(func.getBody().front(), 1);
  cost.registers = pressure(func.getBody().front(), {});
  for (BlockArgument array : func.getPrivateAttributions())
    cost.registers += cast<MemRefType>(array.getType()).getNumElements();
  return cost;
}

KernelCost tq::costOf(gpu::GPUFuncOp kernel) { return Counter(kernel).run(); }
