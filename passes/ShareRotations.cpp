//===- ShareRotations.cpp - One tq.rotate per value and basis -------------===//
// Before:  tq.rotation @a dim 64 block 64 seed 1   tq.rotation @b dim 64 block 64 seed 1
//          %p = tq.rotate %x by @a   %q = tq.rotate %x by @b
// After:   %p = tq.rotate %x by @a, and whoever read %q reads %p
// Examples: tests/passes/share-rotations.mlir

#include "passes/Passes.h"

namespace tq {
#define GEN_PASS_DEF_SHAREROTATIONS
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

namespace {
struct ShareRotationsPass : tq::impl::ShareRotationsBase<ShareRotationsPass> {
  void runOnOperation() override {
    while (mergeSymbols())
      ; // what comes `after` two that were equal may now be equal itself
    for (auto func : getOperation().getOps<func::FuncOp>())
      shareOps(func);
  }

private:
  /// Equal declarations become the first of them, everywhere: in types, too. Whether there were any.
  bool mergeSymbols() {
    DenseMap<Attribute, FlatSymbolRefAttr> first;
    DenseMap<Attribute, Attribute> replacement;
    SmallVector<RotationOp> dead;
    for (RotationOp rotation : getOperation().getOps<RotationOp>()) {
      NamedAttrList facts(rotation->getAttrDictionary());
      facts.erase(rotation.getSymNameAttrName());
      auto symbol = FlatSymbolRefAttr::get(rotation.getSymNameAttr());
      auto [it, inserted] = first.try_emplace(facts.getDictionary(&getContext()), symbol);
      if (inserted)
        continue;
      replacement[symbol] = it->second;
      dead.push_back(rotation);
    }
    if (dead.empty())
      return false;
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](FlatSymbolRefAttr symbol) -> std::optional<Attribute> {
      auto it = replacement.find(symbol);
      return it == replacement.end() ? std::nullopt : std::optional<Attribute>(it->second);
    });
    for (RotationOp rotation : dead) {
      rotation.erase();
      ++numSymbols;
    }
    replacer.recursivelyReplaceElementsIn(getOperation(), /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                          /*replaceTypes=*/true);
    return true;
  }

  void shareOps(func::FuncOp func) {
    for (Block &block : func.getBody()) {
      DenseMap<std::tuple<Value, Attribute, unsigned>, RotateOp> seen;
      for (RotateOp rotate : llvm::make_early_inc_range(block.getOps<RotateOp>())) {
        if (!rotate.getRotationAttr())
          continue;
        auto [it, inserted] =
            seen.try_emplace({rotate.getX(), rotate.getRotationAttr(), unsigned(rotate.getInverse())}, rotate);
        if (inserted)
          continue;
        rotate.replaceAllUsesWith(it->second.getResult());
        rotate.erase();
        ++numShared;
      }
    }
  }
};
} // namespace
