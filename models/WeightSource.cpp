//===- WeightSource.cpp - Element types and reference decode --------------===//

#include "models/Checkpoint.h"
#include "models/formats/Floats.h"
#include "models/formats/Json.h"
#include "models/formats/MlxCheckpoint.h"
#include "models/formats/TurboQuantMlx.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace tq {
namespace {

struct DTypeInfo {
  DType dtype;
  std::string_view name;
  int64_t bytes;
};

/// In the order of the enumeration.
constexpr DTypeInfo dtypes[] = {
    {DType::F32, "F32", 4},   {DType::F16, "F16", 2},        {DType::BF16, "BF16", 2},      {DType::F64, "F64", 8},
    {DType::I8, "I8", 1},     {DType::U8, "U8", 1},          {DType::I16, "I16", 2},        {DType::U16, "U16", 2},
    {DType::I32, "I32", 4},   {DType::U32, "U32", 4},        {DType::I64, "I64", 8},        {DType::U64, "U64", 8},
    {DType::Bool, "BOOL", 1}, {DType::F8E4M3, "F8_E4M3", 1}, {DType::F8E5M2, "F8_E5M2", 1},
};

const DTypeInfo &info(DType dtype) {
  const DTypeInfo &result = dtypes[static_cast<size_t>(dtype)];
  assert(result.dtype == dtype && "table out of order");
  return result;
}

/// Elements [first, first + count) of a float tensor.
void loadFloats(const RawTensor &tensor, int64_t first, int64_t count, float *out) {
  const std::byte *data = tensor.bytes.data() + first * dtypeSize(tensor.dtype);
  auto convert = [&]<class T>(T, auto &&toFloat) {
    for (int64_t i = 0; i < count; ++i)
      out[i] = toFloat(loadElement<T>(data, i));
  };
  switch (tensor.dtype) {
  case DType::F32:
    return convert(float(), [](float value) { return value; });
  case DType::F64:
    return convert(double(), [](double v) { return static_cast<float>(v); });
  case DType::F16:
    return convert(uint16_t(), f16ToF32);
  case DType::BF16:
    return convert(uint16_t(), bf16ToF32);
  case DType::F8E4M3:
    return convert(uint8_t(), f8e4m3ToF32);
  case DType::F8E5M2:
    return convert(uint8_t(), f8e5m2ToF32);
  default:
    assert(false && "callers check isFloat");
  }
}

Error notFloat(const RawTensor &tensor) {
  return Error{fmt::format("{}: {}: expected a float type, but got {}", tensor.file, printable(tensor.name),
                           dtypeName(tensor.dtype))};
}

void decodeCodebookRow(const WeightSource &weight, int64_t row, bool f16Product, std::vector<uint8_t> &codes,
                       std::vector<float> &scales, float *out) {
  const CodebookEncoding &encoding = *weight.codebookEncoding();
  unpackCodebookRow(weight, row, codes.data());
  readScales(weight, row, scales.data());
  // Per group only 2^bits products differ.
  std::vector<float> products(encoding.levels.size());
  for (int64_t begin = 0; begin < weight.cols(); begin += encoding.group) {
    float scale = scales[begin / encoding.group];
    for (size_t level = 0; level < products.size(); ++level) {
      // Exact in f32: two f16 significands have 22 bits together.
      float product = encoding.levels[level] * scale;
      products[level] = f16Product ? roundToF16(product) : product;
    }
    for (int64_t i = begin; i < begin + encoding.group; ++i)
      out[i] = products[codes[i]];
  }
}

void decodeAffineRow(const WeightSource &weight, int64_t row, std::vector<uint8_t> &codes, std::vector<float> &scales,
                     std::vector<float> &biases, float *out) {
// Two roundings on every machine: no fused multiply-add.
#pragma clang fp contract(off)
  int64_t group = weight.affine()->group;
  unpackAffineRow(weight, row, codes.data());
  readScales(weight, row, scales.data());
  readBiases(weight, row, biases.data());
  for (int64_t i = 0; i < weight.cols(); ++i) {
    float product = scales[i / group] * static_cast<float>(codes[i]);
    out[i] = product + biases[i / group];
  }
}

int64_t groupsPerRow(const WeightSource &weight) { return weight.scales->shape.back(); }

} // namespace

int64_t dtypeSize(DType dtype) { return info(dtype).bytes; }
std::string_view dtypeName(DType dtype) { return info(dtype).name; }

std::optional<DType> dtypeFromName(std::string_view name) {
  for (const DTypeInfo &candidate : dtypes)
    if (candidate.name == name)
      return candidate.dtype;
  return std::nullopt;
}

std::string dtypeNames() {
  std::string result;
  for (const DTypeInfo &dtype : dtypes)
    result += fmt::format("{}{}", result.empty() ? "" : ", ", dtype.name);
  return result;
}

bool isFloat(DType dtype) {
  switch (dtype) {
  case DType::F32:
  case DType::F16:
  case DType::BF16:
  case DType::F64:
  case DType::F8E4M3:
  case DType::F8E5M2:
    return true;
  default:
    return false;
  }
}

int64_t WeightSource::rows() const {
  int64_t result = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i)
    result *= shape[i];
  return result;
}

int64_t WeightSource::cols() const { return shape.empty() ? 1 : shape.back(); }

uint64_t WeightSource::storedBytes() const {
  uint64_t result = weight.bytes.size();
  for (const std::optional<RawTensor> *plane : {&scales, &biases, &codebook, &signs, &qjlPacked, &qjlNorms, &qjlSigns})
    if (*plane)
      result += (*plane)->bytes.size();
  return result;
}

Status decodeRows(const WeightSource &weight, int64_t row0, int64_t count, float *out, bool f16Product) {
  int64_t rows = weight.rows(), cols = weight.cols();
  if (row0 < 0 || count < 0 || row0 > rows || count > rows - row0)
    return Error{fmt::format("{}: rows {} to {} are out of range; the weight "
                             "has {}",
                             printable(weight.path), row0, row0 + count, rows)};
  if (weight.dense()) {
    if (!isFloat(weight.weight.dtype))
      return notFloat(weight.weight);
    loadFloats(weight.weight, row0 * cols, count * cols, out);
    return Status();
  }
  std::vector<uint8_t> codes(cols);
  std::vector<float> scales(groupsPerRow(weight)), biases(scales.size());
  for (int64_t row = row0; row < row0 + count; ++row, out += cols) {
    if (weight.affine())
      decodeAffineRow(weight, row, codes, scales, biases, out);
    else
      decodeCodebookRow(weight, row, f16Product, codes, scales, out);
  }
  return Status();
}

void unpackCodes(const WeightSource &weight, int64_t row, uint8_t *codes) {
  assert(!weight.dense() && row >= 0 && row < weight.rows());
  if (weight.affine())
    unpackAffineRow(weight, row, codes);
  else
    unpackCodebookRow(weight, row, codes);
}

void readScales(const WeightSource &weight, int64_t row, float *scales) {
  assert(!weight.dense() && row >= 0 && row < weight.rows());
  int64_t groups = groupsPerRow(weight);
  loadFloats(*weight.scales, row * groups, groups, scales);
}

void readBiases(const WeightSource &weight, int64_t row, float *biases) {
  assert(weight.affine() && row >= 0 && row < weight.rows());
  int64_t groups = groupsPerRow(weight);
  loadFloats(*weight.biases, row * groups, groups, biases);
}

Result<std::vector<float>> readFloats(const RawTensor &tensor) {
  if (!isFloat(tensor.dtype))
    return notFloat(tensor);
  std::vector<float> values(tensor.numElements());
  loadFloats(tensor, 0, tensor.numElements(), values.data());
  return values;
}

Status checkFinite(const RawTensor &tensor) {
  if (!isFloat(tensor.dtype))
    return notFloat(tensor);
  float chunk[1024]; // bounded memory: scales of stacked experts are large
  int64_t count = tensor.numElements();
  for (int64_t first = 0; first < count; first += std::size(chunk)) {
    int64_t size = std::min<int64_t>(std::size(chunk), count - first);
    loadFloats(tensor, first, size, chunk);
    for (int64_t i = 0; i < size; ++i)
      if (!std::isfinite(chunk[i]))
        return Error{fmt::format("{}: {}: element {} of {} is {}, not finite", tensor.file, printable(tensor.name),
                                 first + i, count, chunk[i])};
  }
  return Status();
}

std::string shapeString(std::span<const int64_t> shape) {
  if (shape.empty())
    return "scalar";
  std::string result;
  for (int64_t axis : shape)
    result += fmt::format("{}{}", result.empty() ? "" : "x", axis);
  return result;
}

Status expectShape(const WeightSource &weight, std::span<const int64_t> shape) {
  if (std::ranges::equal(weight.shape, shape))
    return Status();
  return Error{fmt::format("{}: expected {} from config.json, but got {}", printable(weight.path), shapeString(shape),
                           printable(shapeString(weight.shape)))};
}

} // namespace tq
