//===- safetensors.cpp - Any bytes as the weights of a model ---------------===//
// Header, grouping into quantised layers, and one decoded row of each weight:
// whatever is accepted must be readable to its last byte.
//===----------------------------------------------------------------------===//

#include "models/formats/Safetensors.h"
#include "models/formats/TakeWeights.h"

#include <nlohmann/json.hpp>

#include <cstdlib>

using namespace tq;

namespace {

/// A sentence of ours: one line, neither empty nor with a full stop.
void checkMessage(const std::string &message) {
  if (message.empty() || message.back() == '.' || message.find('\n') != std::string::npos)
    std::abort();
}

void decodeLastRow(const WeightSource &weight) {
  if (weight.rows() == 0 || weight.cols() > 1 << 20)
    return;
  std::vector<float> row(weight.cols());
  if (Status status = decodeRows(weight, weight.rows() - 1, 1, row.data(), true); !status.ok())
    checkMessage(status.message());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // The mode that looks for codebook layers and affine ones.
  static const nlohmann::json config = {{"hidden_size", 64},
                                        {"quantization", {{"mode", "turboquant"}, {"bits", 8}, {"group_size", 32}}}};

  auto tensors = parseSafetensors(std::as_bytes(std::span(data, size)), "x.safetensors");
  if (!tensors.ok()) {
    checkMessage(tensors.message());
    return 0;
  }
  TensorTable table;
  for (RawTensor &tensor : *tensors)
    if (!table.insert(std::move(tensor)))
      std::abort(); // the header reader refuses duplicates
  auto weights = takeWeights(table, config, WeightFormat::TurboQuant, "config.json");
  if (!weights.ok()) {
    checkMessage(weights.message());
    return 0;
  }
  for (const WeightSource &weight : *weights)
    decodeLastRow(weight);
  return 0;
}
