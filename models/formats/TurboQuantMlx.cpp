//===- TurboQuantMlx.cpp - Rotated-codebook layers of TurboQuant-MLX ------===//

#include "models/formats/TurboQuantMlx.h"

#include "models/formats/Floats.h"
#include "models/formats/Json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>

using nlohmann::json;

namespace tq {

Result<TurboQuantOptions> parseTurboQuantOptions(const json &quantization, std::string_view file) {
  if (const json *fused = jsonMember(quantization, "fuse_rotations"); fused && *fused != json(false))
    return Error{fmt::format("{}: cannot read quantization.fuse_rotations {}: such files fold the "
                             "rotation into norm weights, which loses it; convert the model again "
                             "with fuse_rotations false",
                             file, jsonPreview(*fused))};
  std::string_view rotation = jsonString(quantization, "rotation", "hadamard");
  if (rotation != "hadamard" && rotation != "blockwise_hadamard" && rotation != "none")
    return Error{fmt::format("{}: unknown quantization.rotation '{}'; known "
                             "are hadamard, blockwise_hadamard, none",
                             file, printable(rotation))};
  return TurboQuantOptions{rotation == "none"};
}

int64_t codesPerWord(int bits, bool ternary) {
  return ternary ? 20 : 32 / bits; // 3^20 < 2^32 < 3^21
}

int64_t hadamardBlockOf(int64_t width) {
  int64_t best = 1;
  for (int64_t m : {1, 12, 20, 28})
    for (int64_t block = m; block <= width && width % block == 0; block *= 2)
      best = std::max(best, block);
  return best;
}

namespace {

Error planeError(const RawTensor &plane, std::string_view text) {
  return Error{fmt::format("{}: {}: {}", plane.file, printable(plane.name), text)};
}

/// Takes P + suffix and checks its type.
Result<RawTensor> takePlane(TensorTable &tensors, const std::string &module, std::string_view suffix, DType dtype) {
  std::string name = module + std::string(suffix);
  std::optional<RawTensor> plane = tensors.take(name);
  if (!plane)
    return Error{fmt::format("{}: missing, although {}.codebook marks a "
                             "rotated-codebook layer; the checkpoint is "
                             "incomplete",
                             printable(name), printable(module))};
  if (plane->dtype != dtype)
    return planeError(*plane, fmt::format("expected {} in a rotated-codebook "
                                          "layer, but got {}",
                                          dtypeName(dtype), dtypeName(plane->dtype)));
  return *std::move(plane);
}

Status expectPlaneShape(const RawTensor &plane, std::span<const int64_t> shape) {
  if (std::ranges::equal(plane.shape, shape))
    return Status();
  return planeError(plane, fmt::format("expected {} from the sibling tensors, but got "
                                       "{}",
                                       shapeString(shape), printable(shapeString(plane.shape))));
}

/// Whether any sign is negative; fails unless each is exactly +1 or -1.
Result<bool> checkSigns(const RawTensor &signs) {
  bool negative = false;
  for (int64_t i = 0; i < signs.numElements(); ++i) {
    uint16_t sign = loadElement<uint16_t>(signs.bytes.data(), i);
    if (sign != 0x3c00 && sign != 0xbc00) // f16 +1 and -1
      return planeError(signs, fmt::format("element {} is {}, not +1 or -1", i, f16ToF32(sign)));
    negative |= sign == 0xbc00;
  }
  return negative;
}

Status takeQjl(TensorTable &tensors, const std::string &module, WeightSource &weight) {
  bool any = false;
  for (const char *suffix : {".qjl_packed", ".qjl_norms", ".qjl_signs"})
    any |= tensors.find(module + suffix) != nullptr;
  if (!any)
    return Status();
  TQ_TRY_ASSIGN(weight.qjlPacked, takePlane(tensors, module, ".qjl_packed", DType::U32));
  TQ_TRY_ASSIGN(weight.qjlNorms, takePlane(tensors, module, ".qjl_norms", DType::F16));
  TQ_TRY_ASSIGN(weight.qjlSigns, takePlane(tensors, module, ".qjl_signs", DType::F16));
  if (weight.shape.size() != 2)
    return planeError(*weight.qjlPacked, "a residual of stacked experts is not part of the "
                                         "format");
  int64_t out = weight.shape[0], in = weight.shape[1];
  int64_t words = (in + 31) / 32;
  TQ_TRY(expectPlaneShape(*weight.qjlPacked, std::array{out, words}));
  TQ_TRY(expectPlaneShape(*weight.qjlNorms, std::array{out}));
  TQ_TRY(expectPlaneShape(*weight.qjlSigns, std::array{in}));
  TQ_TRY(checkFinite(*weight.qjlNorms));
  TQ_TRY(checkSigns(*weight.qjlSigns));
  return Status();
}

} // namespace

Result<WeightSource> takeCodebookLayer(TensorTable &tensors, const std::string &module,
                                       const TurboQuantOptions &options) {
  WeightSource weight;
  weight.path = module + ".weight";
  CodebookEncoding encoding{};

  TQ_TRY_ASSIGN(weight.codebook, takePlane(tensors, module, ".codebook", DType::F16));
  TQ_TRY_ASSIGN(weight.weight, takePlane(tensors, module, ".weight", DType::U32));
  TQ_TRY_ASSIGN(weight.scales, takePlane(tensors, module, ".scales", DType::F16));
  TQ_TRY_ASSIGN(weight.signs, takePlane(tensors, module, ".signs", DType::F16));

  const RawTensor &levels = *weight.codebook;
  int64_t levelCount = levels.shape.size() == 1 ? levels.shape[0] : 0;
  encoding.ternary = levelCount == 3;
  if (!encoding.ternary &&
      (levelCount < 2 || levelCount > 16 || !std::has_single_bit(static_cast<uint64_t>(levelCount))))
    return planeError(levels, fmt::format("expected 2, 3, 4, 8 or 16 levels, "
                                          "but got {}",
                                          printable(shapeString(levels.shape))));
  encoding.bits = encoding.ternary ? 2 : std::countr_zero(static_cast<uint64_t>(levelCount));
  TQ_TRY(checkFinite(levels));
  TQ_TRY_ASSIGN(encoding.levels, readFloats(levels));

  const RawTensor &signs = *weight.signs;
  if (signs.shape.size() != 1 || signs.shape[0] == 0)
    return planeError(signs,
                      fmt::format("expected one sign per input, but got {}", printable(shapeString(signs.shape))));
  int64_t in = signs.shape[0];
  TQ_TRY_ASSIGN(bool negative, checkSigns(signs));
  encoding.rotated = !options.rotationNone || negative;
  encoding.hadamardBlock = hadamardBlockOf(in);

  const std::vector<int64_t> &packed = weight.weight.shape;
  if ((packed.size() != 2 && packed.size() != 3) || weight.weight.bytes.empty())
    return planeError(weight.weight, fmt::format("expected packed codes [out, words] or "
                                                 "[experts, out, words], but got {}",
                                                 printable(shapeString(packed))));
  int64_t perWord = codesPerWord(encoding.bits, encoding.ternary);
  int64_t words = (in + perWord - 1) / perWord;
  if (packed.back() != words)
    return planeError(weight.weight, fmt::format("{} words per row, but {} inputs (from signs) with {} "
                                                 "codes per word need {}",
                                                 packed.back(), in, perWord, words));
  weight.shape = packed;
  weight.shape.back() = in;

  const RawTensor &scales = *weight.scales;
  int64_t groups = scales.shape.empty() ? 0 : scales.shape.back();
  if (groups == 0 || in % groups != 0)
    return planeError(scales, fmt::format("{} groups per row do not divide {} inputs", groups, in));
  encoding.group = in / groups;
  std::vector<int64_t> scaleShape = weight.shape;
  scaleShape.back() = groups;
  TQ_TRY(expectPlaneShape(scales, scaleShape));
  TQ_TRY(checkFinite(scales));
  Checkpoint::releasePages(scales);

  TQ_TRY(takeQjl(tensors, module, weight));
  encoding.hasQjl = weight.qjlPacked.has_value();
  weight.encoding = std::move(encoding);
  return weight;
}

void unpackCodebookRow(const WeightSource &weight, int64_t row, uint8_t *codes) {
  const CodebookEncoding &encoding = *weight.codebookEncoding();
  int64_t in = weight.cols();
  int64_t perWord = codesPerWord(encoding.bits, encoding.ternary);
  int64_t words = (in + perWord - 1) / perWord;
  const std::byte *data = weight.weight.bytes.data() + row * words * 4;
  uint32_t mask = (1u << encoding.bits) - 1;
  for (int64_t w = 0; w < words; ++w) {
    uint32_t word = loadElement<uint32_t>(data, w);
    int64_t count = std::min(perWord, in - w * perWord);
    if (encoding.ternary) {
      for (int64_t i = 0; i < count; ++i, word /= 3)
        *codes++ = static_cast<uint8_t>(word % 3);
    } else {
      for (int64_t i = 0; i < count; ++i, word >>= encoding.bits)
        *codes++ = static_cast<uint8_t>(word & mask);
    }
  }
}

} // namespace tq
