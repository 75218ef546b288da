//===- ModuleText.h - Small models as tq IR ---------------------*- C++ -*-===//
#ifndef TQ_TESTS_CODEGEN_GPU_MODULETEXT_H
#define TQ_TESTS_CODEGEN_GPU_MODULETEXT_H

#include <cstdint>
#include <string>
#include <vector>

namespace tq::test {

/// An embedding and linear layers of the given widths, one after the other, in one encoding.
std::string linearChain(const std::string &encoding, const std::vector<int64_t> &widths,
                        const std::string &tableEncoding = "#tq.dense<f32>");

/// A transformer of one layer.
struct Transformer {
  int64_t hidden = 64, heads = 4, kvHeads = 2, headDim = 64, inner = 96, vocab = 48, window = 0;
  int64_t rotaryDims = 0; ///< pairs times two; 0: all of the head
  int64_t block = 0;      ///< of the rotation of linear inputs; 0: none
  int64_t innerBlock = 0; ///< of that before the down projection
  bool headNorm = false, bias = false, headBack = false;
  std::string encoding = "#tq.dense<f16>", stateType = "f16", activation = "silu";
};
std::string transformer(const Transformer &model);

} // namespace tq::test
#endif
