//===- Safetensors.cpp - Names and bytes of safetensors files -------------===//

#include "models/formats/Safetensors.h"

#include "models/formats/Floats.h"
#include "models/formats/Json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <tuple>

using nlohmann::json;

namespace tq {
namespace {

/// The limit of the reference implementation.
constexpr uint64_t maxHeaderBytes = 100'000'000;

Error tensorError(std::string_view file, std::string_view name, std::string_view text) {
  return Error{fmt::format("{}: {}: {}", file, printable(name), text)};
}

/// Non-negative integers below 2^63.
std::optional<std::vector<int64_t>> integerList(const json *value) {
  if (!value || !value->is_array())
    return std::nullopt;
  std::vector<int64_t> result;
  for (const json &element : *value) {
    if (!element.is_number_unsigned() || element.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
      return std::nullopt;
    result.push_back(static_cast<int64_t>(element.get<uint64_t>()));
  }
  return result;
}

/// Product of the axes times the element size; empty if it exceeds 2^63 - 1.
/// A zero axis does not hide an overflow of the others.
std::optional<uint64_t> byteSize(std::span<const int64_t> shape, DType dtype) {
  int64_t product = dtypeSize(dtype);
  bool empty = false;
  for (int64_t axis : shape) {
    empty |= axis == 0;
    if (__builtin_mul_overflow(product, std::max<int64_t>(axis, 1), &product))
      return std::nullopt;
  }
  return empty ? 0 : static_cast<uint64_t>(product);
}

Result<RawTensor> parseEntry(const std::string &name, const json &entry, std::span<const std::byte> data,
                             uint64_t dataStart, std::string_view file) {
  RawTensor tensor;
  tensor.name = name;
  tensor.file = file;

  std::string_view typeName = jsonString(entry, "dtype", "");
  std::optional<DType> dtype = dtypeFromName(typeName);
  if (!dtype)
    return tensorError(file, name, fmt::format("unknown dtype '{}'; known are {}", printable(typeName), dtypeNames()));
  tensor.dtype = *dtype;

  std::optional<std::vector<int64_t>> shape = integerList(jsonMember(entry, "shape"));
  if (!shape)
    return tensorError(file, name, "shape is not a list of whole numbers from 0 to 2^63-1");
  tensor.shape = std::move(*shape);
  std::optional<uint64_t> size = byteSize(tensor.shape, tensor.dtype);
  if (!size)
    return tensorError(file, name,
                       fmt::format("shape {} of {} exceeds 2^63-1 bytes", printable(shapeString(tensor.shape)),
                                   dtypeName(tensor.dtype)));

  std::optional<std::vector<int64_t>> offsets = integerList(jsonMember(entry, "data_offsets"));
  if (!offsets || offsets->size() != 2)
    return tensorError(file, name,
                       "data_offsets is not a pair of whole numbers from 0 to "
                       "2^63-1");
  auto begin = static_cast<uint64_t>((*offsets)[0]);
  auto end = static_cast<uint64_t>((*offsets)[1]);
  if (begin > end)
    return tensorError(file, name, fmt::format("data_offsets end at {}, before their begin {}", end, begin));
  if (end > data.size())
    return tensorError(file, name,
                       fmt::format("data ends at byte {}, but the file holds {} bytes of "
                                   "data; the file is truncated, copy it again",
                                   end, data.size()));
  if (end - begin != *size)
    return tensorError(file, name,
                       fmt::format("{} of {} needs {} bytes, but data_offsets "
                                   "give {}",
                                   printable(shapeString(tensor.shape)), dtypeName(tensor.dtype), *size, end - begin));
  tensor.bytes = data.subspan(begin, end - begin);
  tensor.fileOffset = dataStart + begin;
  return tensor;
}

Status checkOverlaps(const std::vector<RawTensor> &tensors, std::string_view file) {
  const RawTensor *last = nullptr;
  for (const RawTensor &tensor : tensors) {
    if (tensor.bytes.empty())
      continue;
    if (last && last->fileOffset + last->bytes.size() > tensor.fileOffset)
      return tensorError(file, tensor.name,
                         fmt::format("begins at byte {}, inside {}, which ends at byte {}", tensor.fileOffset,
                                     printable(last->name), last->fileOffset + last->bytes.size()));
    last = &tensor;
  }
  return Status();
}

} // namespace

Result<std::vector<RawTensor>> parseSafetensors(std::span<const std::byte> bytes, std::string_view file) {
  if (bytes.size() < 8)
    return Error{fmt::format("{}: {} bytes, but the header length alone takes "
                             "8; the file is truncated, copy it again",
                             file, bytes.size())};
  auto headerBytes = loadElement<uint64_t>(bytes.data(), 0);
  if (headerBytes > bytes.size() - 8)
    return Error{fmt::format("{}: header of {} bytes, but only {} follow; the "
                             "file is truncated or not a safetensors file",
                             file, headerBytes, bytes.size() - 8)};
  if (headerBytes > maxHeaderBytes)
    return Error{fmt::format("{}: header of {} bytes exceeds the limit of {}", file, headerBytes, maxHeaderBytes)};

  std::string_view text(reinterpret_cast<const char *>(bytes.data()) + 8, headerBytes);
  std::string headerName = fmt::format("{}: header", file);
  TQ_TRY_ASSIGN(json header, parseJsonObject(text, headerName, DuplicateKeys::Refuse));

  uint64_t dataStart = 8 + headerBytes;
  std::vector<RawTensor> tensors;
  for (const auto &[name, entry] : header.items()) {
    if (name == "__metadata__")
      continue;
    TQ_TRY_ASSIGN(RawTensor tensor, parseEntry(name, entry, bytes.subspan(dataStart), dataStart, file));
    tensors.push_back(std::move(tensor));
  }
  std::ranges::sort(tensors, [](const RawTensor &a, const RawTensor &b) {
    return std::tie(a.fileOffset, a.name) < std::tie(b.fileOffset, b.name);
  });
  TQ_TRY(checkOverlaps(tensors, file));
  return tensors;
}

} // namespace tq
