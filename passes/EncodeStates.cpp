//===- EncodeStates.cpp - How keys and values are stored ------------------===//
// Before:  tq.state @kv.0 : !tq.kv<heads = 4, k = 64, v = 64, kEncoding = #tq.dense<f16>, vEncoding = #tq.dense<f16>>
// After:   the encodings that the options name, in the state and in every handle
// Examples: tests/passes/encode-states.mlir

#include "passes/Passes.h"

namespace tq {
#define GEN_PASS_DEF_ENCODESTATES
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

namespace {
struct EncodeStatesPass : tq::impl::EncodeStatesBase<EncodeStatesPass> {
  using EncodeStatesBase::EncodeStatesBase;
  void runOnOperation() override {
    EncodingAttrInterface keys = encoding(k), values = encoding(v);
    if (!keys || !values) {
      getOperation().emitError() << "unknown encoding '" << (keys ? v : k) << "' of a state; there are f16 and f32";
      return signalPassFailure();
    }
    if (keys != values) {
      getOperation().emitError() << "keys and values must be stored alike: no kernel reads " << k << " keys with " << v
                                 << " values";
      return signalPassFailure();
    }
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](KVType type) -> std::optional<Type> {
      return KVType::get(type.getContext(), type.getHeads(), type.getK(), type.getV(), keys, values);
    });
    replacer.recursivelyReplaceElementsIn(getOperation(), /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                          /*replaceTypes=*/true);
  }

private:
  EncodingAttrInterface encoding(StringRef name) {
    MLIRContext *context = &getContext();
    Type type = name == "f16"   ? Type(Float16Type::get(context))
                : name == "f32" ? Type(Float32Type::get(context))
                                : Type();
    return type ? cast<EncodingAttrInterface>(Attribute(DenseAttr::get(context, type))) : EncodingAttrInterface();
  }
};
} // namespace
