//===- TakeWeights.cpp - From stored tensors to weights -------------------===//

#include "models/formats/TakeWeights.h"

#include "models/formats/Json.h"
#include "models/formats/MlxCheckpoint.h"
#include "models/formats/TurboQuantMlx.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <tuple>

using nlohmann::json;

namespace tq {
namespace {

/// MLX writes "quantization" (and a copy as "quantization_config"); Hugging
/// Face quantisers write only the latter, with a quant_method.
const json *quantizationOf(const json &config) {
  if (const json *own = jsonMember(config, "quantization"))
    return own;
  return jsonMember(config, "quantization_config");
}

} // namespace

Result<WeightFormat> detectFormat(const json &config, std::string_view file) {
  const json *quantization = quantizationOf(config);
  if (!quantization)
    return WeightFormat::Dense;
  if (!quantization->is_object())
    return Error{fmt::format("{}: quantization: expected an object, but got {}", file, jsonPreview(*quantization))};
  if (const json *method = jsonMember(*quantization, "quant_method"))
    return Error{fmt::format("{}: quantization_config.quant_method {} cannot be read; known are "
                             "MLX checkpoints (quantization.mode affine or turboquant) and "
                             "unquantised ones",
                             file, jsonPreview(*method))};
  const json *mode = jsonMember(*quantization, "mode");
  if (!mode || *mode == "affine")
    return WeightFormat::MlxAffine;
  if (*mode == "turboquant")
    return WeightFormat::TurboQuant;
  return Error{fmt::format("{}: quantization.mode {} cannot be read; known are "
                           "affine and turboquant",
                           file, jsonPreview(*mode))};
}

namespace {

Error leftoverError(const RawTensor &tensor, std::string_view text) {
  return Error{fmt::format("{}: {}: {}", tensor.file, printable(tensor.name), text)};
}

/// What no layer has taken must be dense: a stray plane means a lost sibling.
Status checkLeftovers(const TensorTable &tensors, WeightFormat format, std::string_view configFile) {
  constexpr std::string_view planes[] = {".scales",     ".biases",    ".codebook", ".signs",
                                         ".qjl_packed", ".qjl_norms", ".qjl_signs"};
  for (const auto &[name, tensor] : tensors.all()) {
    if (name.ends_with(".weight") && tensor.dtype == DType::U32)
      return leftoverError(tensor, format == WeightFormat::Dense
                                       ? fmt::format("holds packed U32 codes, but {} has no "
                                                     "quantization; restore that key",
                                                     configFile)
                                       : "holds packed U32 codes, but its scales are missing; "
                                         "the checkpoint is incomplete");
    if (format == WeightFormat::Dense)
      continue;
    for (std::string_view plane : planes)
      if (name.ends_with(plane))
        return leftoverError(tensor, format == WeightFormat::MlxAffine && plane == ".codebook"
                                         ? fmt::format("marks a rotated-codebook layer, but {} does not "
                                                       "say quantization.mode turboquant; restore that "
                                                       "key",
                                                       configFile)
                                         : "belongs to no quantised layer here; the checkpoint is "
                                           "incomplete");
  }
  return Status();
}

} // namespace

Result<std::vector<WeightSource>> takeWeights(TensorTable &tensors, const json &config, WeightFormat format,
                                              std::string_view configFile) {
  std::vector<WeightSource> weights;
  if (format == WeightFormat::TurboQuant) {
    TQ_TRY_ASSIGN(TurboQuantOptions options, parseTurboQuantOptions(*quantizationOf(config), configFile));
    for (const std::string &module : tensors.modulesWith(".codebook")) {
      TQ_TRY_ASSIGN(WeightSource weight, takeCodebookLayer(tensors, module, options));
      weights.push_back(std::move(weight));
    }
  }
  if (format != WeightFormat::Dense) {
    for (const std::string &module : tensors.modulesWith(".scales")) {
      if (tensors.find(module + ".codebook"))
        continue; // refused below, with the reason
      TQ_TRY_ASSIGN(WeightSource weight, takeAffineLayer(tensors, module, config, configFile));
      weights.push_back(std::move(weight));
    }
  }
  TQ_TRY(checkLeftovers(tensors, format, configFile));
  for (const auto &[name, tensor] : tensors.all()) {
    WeightSource weight;
    weight.path = name;
    weight.shape = tensor.shape;
    weight.encoding = DenseEncoding{tensor.dtype};
    weight.weight = tensor;
    weights.push_back(std::move(weight));
  }
  std::ranges::sort(weights, [](const WeightSource &a, const WeightSource &b) {
    return std::tie(a.weight.file, a.weight.fileOffset, a.path) < std::tie(b.weight.file, b.weight.fileOffset, b.path);
  });
  return weights;
}

} // namespace tq
