//===- Uniformity.cpp - Which values all lanes agree on -------------------===//
// Forward over the structured control flow until nothing changes. Levels only rise, from "all threads agree" to "no two need
// to", so it ends. Memory other than private is taken to be free of races: lanes that load from one address read one value.

#include "codegen/metal/Uniformity.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tq::msl {

Uniformity::Uniformity(gpu::GPUFuncOp func) {
  do {
    changed = false;
    visit(func.getBody().front(), Agreement::Threadgroup);
  } while (changed);
}

void Uniformity::raise(Value value, Agreement level) {
  Agreement &known = values.try_emplace(value, Agreement::Threadgroup).first->second;
  if (level > known) {
    known = level;
    changed = true;
  }
}

Agreement Uniformity::ofOperands(Operation *op) const {
  Agreement level = Agreement::Threadgroup;
  for (Value operand : op->getOperands())
    level = std::max(level, of(operand));
  return level;
}

void Uniformity::visit(Block &block, Agreement around) {
  Agreement &known = control.try_emplace(&block, around).first->second;
  if (around > known) {
    known = around;
    changed = true;
  }
  for (Operation &op : block)
    visit(&op, around);
}

static bool isPrivate(Value memref) {
  auto space = dyn_cast_or_null<gpu::AddressSpaceAttr>(cast<MemRefType>(memref.getType()).getMemorySpace());
  return space && space.getValue() == gpu::AddressSpace::Private;
}

void Uniformity::visit(Operation *op, Agreement around) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<gpu::LaneIdOp>([&](auto id) { raise(id, Agreement::None); })
      .Case<gpu::ThreadIdOp>([&](gpu::ThreadIdOp id) {
        // Blocks are (32, n, 1): y counts simdgroups.
        if (id.getDimension() != gpu::Dimension::z)
          raise(id, id.getDimension() == gpu::Dimension::x ? Agreement::None : Agreement::Simdgroup);
      })
      .Case<memref::LoadOp, vector::LoadOp>([&](auto load) {
        Value memref = load->getOperand(0);
        // What a thread keeps in its own array is not followed.
        raise(op->getResult(0), isPrivate(memref) ? Agreement::None : ofOperands(op));
      })
      .Case<memref::AtomicRMWOp>([&](auto atomic) { raise(atomic, Agreement::None); })
      .Case<gpu::SubgroupReduceOp>([&](gpu::SubgroupReduceOp reduce) {
        Agreement level = of(reduce.getValue());
        bool isWhole = reduce.getClusterSize().value_or(32) == 32;
        raise(reduce, isWhole ? std::min(level, Agreement::Simdgroup) : level);
      })
      .Case<gpu::ShuffleOp>([&](gpu::ShuffleOp shuffle) {
        Agreement level = of(shuffle.getValue());
        bool isBroadcast = shuffle.getMode() == gpu::ShuffleMode::IDX && of(shuffle.getOffset()) != Agreement::None;
        raise(shuffle.getShuffleResult(), isBroadcast ? std::min(level, Agreement::Simdgroup) : level);
      })
      .Case<scf::ForOp>([&](scf::ForOp loop) {
        Agreement count = std::max({of(loop.getLowerBound()), of(loop.getUpperBound()), of(loop.getStep())});
        raise(loop.getInductionVar(), std::max(of(loop.getLowerBound()), of(loop.getStep())));
        for (auto [init, argument] : llvm::zip_equal(loop.getInitArgs(), loop.getRegionIterArgs()))
          raise(argument, of(init));
        visit(*loop.getBody(), std::max(around, count));
        auto yielded = loop.getBody()->getTerminator()->getOperands();
        for (auto [value, argument, result] : llvm::zip_equal(yielded, loop.getRegionIterArgs(), loop.getResults())) {
          raise(argument, of(value));
          raise(result, std::max(of(argument), count)); // lanes that leave earlier keep an earlier value
        }
      })
      .Case<scf::IfOp>([&](scf::IfOp branch) {
        Agreement condition = of(branch.getCondition());
        for (Region &region : branch->getRegions())
          if (!region.empty()) {
            visit(region.front(), std::max(around, condition));
            for (auto [value, result] :
                 llvm::zip_equal(region.front().getTerminator()->getOperands(), branch.getResults()))
              raise(result, std::max(of(value), condition));
          }
      })
      .Case<scf::WhileOp>([&](scf::WhileOp loop) {
        for (auto [init, argument] : llvm::zip_equal(loop.getInits(), loop.getBeforeArguments()))
          raise(argument, of(init));
        scf::ConditionOp condition = loop.getConditionOp();
        Agreement count = of(condition.getCondition());
        visit(*loop.getBeforeBody(), std::max(around, count));
        for (auto [value, argument, result] :
             llvm::zip_equal(condition.getArgs(), loop.getAfterArguments(), loop.getResults())) {
          raise(argument, of(value));
          raise(result, std::max(of(value), count));
        }
        visit(*loop.getAfterBody(), std::max(around, count));
        for (auto [value, argument] : llvm::zip_equal(loop.getYieldOp().getOperands(), loop.getBeforeArguments()))
          raise(argument, of(value));
      })
      .Default([&](Operation *) {
        Agreement level = ofOperands(op);
        for (Value result : op->getResults())
          raise(result, level);
        // Only ops that verify-kernels refuses.
        for (Region &region : op->getRegions())
          for (Block &block : region)
            visit(block, around);
      });
}

Operation *Uniformity::divergence(Operation *op, Agreement needed) const {
  for (Operation *parent = op->getParentOp(); parent && !isa<gpu::GPUFuncOp>(parent); parent = parent->getParentOp()) {
    if (auto loop = dyn_cast<scf::ForOp>(parent)) {
      if (std::max({of(loop.getLowerBound()), of(loop.getUpperBound()), of(loop.getStep())}) > needed)
        return parent;
    } else if (auto branch = dyn_cast<scf::IfOp>(parent)) {
      if (of(branch.getCondition()) > needed)
        return parent;
    } else if (auto loop = dyn_cast<scf::WhileOp>(parent)) {
      if (of(loop.getConditionOp().getCondition()) > needed)
        return parent;
    }
  }
  return nullptr;
}

} // namespace tq::msl
