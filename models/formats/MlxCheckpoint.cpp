//===- MlxCheckpoint.cpp - Affine layers of MLX checkpoints ---------------===//

#include "models/formats/MlxCheckpoint.h"

#include "models/formats/Floats.h"
#include "models/formats/Json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

using nlohmann::json;

namespace tq {
namespace {

struct Widths {
  int64_t bits;
  int64_t group;
  bool operator==(const Widths &) const = default;
};

constexpr int64_t legalBits[] = {2, 3, 4, 5, 6, 8};
constexpr int64_t legalGroups[] = {32, 64, 128};

Error planeError(const RawTensor &plane, std::string_view text) {
  return Error{fmt::format("{}: {}: {}", plane.file, printable(plane.name), text)};
}

/// {bits, group_size} of an object that states both.
std::optional<Widths> statedWidths(const json *object) {
  if (!object)
    return std::nullopt;
  const json *bits = jsonMember(*object, "bits");
  const json *group = jsonMember(*object, "group_size");
  if (!bits || !group || !bits->is_number_integer() || !group->is_number_integer())
    return std::nullopt;
  return Widths{bits->get<int64_t>(), group->get<int64_t>()};
}

/// All legal pairs that explain `bitsPerGroup` stored bits.
std::vector<Widths> possibleWidths(int64_t bitsPerGroup) {
  std::vector<Widths> result;
  for (int64_t bits : legalBits)
    for (int64_t group : legalGroups)
      if (bits * group == bitsPerGroup)
        result.push_back({bits, group});
  return result;
}

Result<Widths> resolveWidths(const RawTensor &weight, const std::string &module, int64_t bitsPerGroup, int64_t groups,
                             const json &config, std::string_view file) {
  std::vector<Widths> possible = possibleWidths(bitsPerGroup);
  auto fits = [&](const std::optional<Widths> &widths) {
    return widths && std::ranges::find(possible, *widths) != possible.end();
  };
  const json *quantization = jsonMember(config, "quantization");
  if (!quantization)
    quantization = jsonMember(config, "quantization_config");
  const json none = json::object();
  if (!quantization)
    quantization = &none;

  if (const json *own = jsonMember(*quantization, module)) {
    if (*own == json(false))
      return planeError(weight, fmt::format("packed codes, but {} says this "
                                            "module is not quantised",
                                            file));
    if (own->is_object()) {
      std::string_view mode = jsonString(*own, "mode", "affine");
      if (mode != "affine")
        return planeError(weight, fmt::format("quantization mode '{}' cannot be read "
                                              "here; known is affine",
                                              printable(mode)));
      std::optional<Widths> widths = statedWidths(own);
      if (widths && !fits(widths))
        return planeError(weight, fmt::format("holds {} bits per group, but {} gives "
                                              "it {} bits, group size {}",
                                              bitsPerGroup, file, widths->bits, widths->group));
      if (widths)
        return *widths;
    }
  }

  std::string_view leaf = std::string_view(module).substr(module.rfind('.') + 1); // npos + 1 is 0
  const json *hidden = jsonMember(config, "hidden_size");
  if ((leaf == "embed_tokens" || leaf == "lm_head") && hidden && hidden->is_number_integer())
    for (const Widths &widths : possible)
      if (widths.group * groups == hidden->get<int64_t>())
        return widths;

  const json *extras = jsonMember(*quantization, "affine_extras");
  for (const json *object : {extras, quantization})
    if (std::optional<Widths> widths = statedWidths(object); fits(widths))
      return *widths;
  if (possible.size() == 1)
    return possible.front();
  return planeError(weight, fmt::format("holds {} bits per group, which {}; state bits and "
                                        "group_size of this module in quantization of {}",
                                        bitsPerGroup,
                                        possible.empty() ? "is no legal width (2, 3, 4, 5, 6 or 8 bits) times "
                                                           "group size (32, 64 or 128)"
                                                         : "several widths explain",
                                        file));
}

} // namespace

Result<WeightSource> takeAffineLayer(TensorTable &tensors, const std::string &module, const json &config,
                                     std::string_view file) {
  WeightSource result;
  result.path = module + ".weight";
  result.scales = tensors.take(module + ".scales");
  const RawTensor &scales = *result.scales;
  if (scales.dtype == DType::U8)
    return planeError(scales, "scales are U8 (mxfp4, mxfp8 or nvfp4), which "
                              "cannot be read yet; convert the model with "
                              "mode affine");
  if (scales.dtype != DType::F16 && scales.dtype != DType::BF16 && scales.dtype != DType::F32)
    return planeError(scales, fmt::format("expected F16, BF16 or F32 scales, "
                                          "but got {}",
                                          dtypeName(scales.dtype)));
  result.biases = tensors.take(module + ".biases");
  if (!result.biases)
    return planeError(scales, fmt::format("neither {0}.codebook nor {0}.biases "
                                          "exists beside these scales; the "
                                          "checkpoint is incomplete",
                                          printable(module)));
  std::optional<RawTensor> weight = tensors.take(result.path);
  if (!weight)
    return planeError(scales, fmt::format("{} is missing; the checkpoint is "
                                          "incomplete",
                                          printable(result.path)));
  result.weight = *std::move(weight);
  if (result.weight.dtype != DType::U32)
    return planeError(result.weight, fmt::format("expected U32 codes beside affine scales, "
                                                 "but got {}",
                                                 dtypeName(result.weight.dtype)));
  if (result.biases->dtype != scales.dtype || result.biases->shape != scales.shape)
    return planeError(*result.biases,
                      fmt::format("expected {} of {} like the scales, but got {} of {}",
                                  printable(shapeString(scales.shape)), dtypeName(scales.dtype),
                                  printable(shapeString(result.biases->shape)), dtypeName(result.biases->dtype)));

  const std::vector<int64_t> &packed = result.weight.shape;
  std::vector<int64_t> expected = packed;
  int64_t groups = scales.shape.empty() ? 0 : scales.shape.back();
  if (!expected.empty())
    expected.back() = groups;
  if ((packed.size() != 2 && packed.size() != 3) || scales.shape != expected || result.weight.bytes.empty() ||
      groups == 0)
    return planeError(result.weight, fmt::format("codes {} and scales {} do not form an "
                                                 "affine layer",
                                                 printable(shapeString(packed)), printable(shapeString(scales.shape))));
  int64_t rowBits = packed.back() * 32;
  if (rowBits % groups != 0)
    return planeError(result.weight, fmt::format("{} groups do not divide the {} bits of a "
                                                 "row",
                                                 groups, rowBits));
  TQ_TRY_ASSIGN(Widths widths, resolveWidths(result.weight, module, rowBits / groups, groups, config, file));

  result.shape = packed;
  result.shape.back() = widths.group * groups;
  result.encoding = AffineEncoding{static_cast<int>(widths.bits), widths.group, scales.dtype};
  TQ_TRY(checkFinite(scales));
  TQ_TRY(checkFinite(*result.biases));
  Checkpoint::releasePages(scales);
  Checkpoint::releasePages(*result.biases);
  return result;
}

void unpackAffineRow(const WeightSource &weight, int64_t row, uint8_t *codes) {
  int bits = weight.affine()->bits;
  int64_t in = weight.cols();
  const std::byte *data = weight.weight.bytes.data() + row * (in * bits / 8);
  uint64_t mask = (1u << bits) - 1;
  // Eight codes fill `bits` whole bytes; groups are multiples of 32, so a row
  // has no remainder.
  for (int64_t i = 0; i < in; i += 8, data += bits) {
    uint64_t unit = 0;
    std::memcpy(&unit, data, bits);
    for (int k = 0; k < 8; ++k, unit >>= bits)
      *codes++ = static_cast<uint8_t>(unit & mask);
  }
}

} // namespace tq
