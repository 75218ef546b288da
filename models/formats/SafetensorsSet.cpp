//===- SafetensorsSet.cpp - The weight files of a directory ---------------===//

#include "models/formats/SafetensorsSet.h"

#include "models/formats/Json.h"
#include "models/formats/Safetensors.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <set>

using nlohmann::json;

namespace tq {
namespace {

constexpr std::string_view indexName = "model.safetensors.index.json";

} // namespace

Result<WeightMap> parseWeightMap(std::string_view text, std::string_view file) {
  TQ_TRY_ASSIGN(json index, parseJsonObject(text, file, DuplicateKeys::Refuse));
  const json *entries = jsonMember(index, "weight_map");
  if (!entries || !entries->is_object() || entries->empty())
    return Error{fmt::format("{}: weight_map is missing or no object", file)};
  WeightMap map;
  for (const auto &[tensor, shard] : entries->items()) {
    const auto *name = shard.get_ptr<const std::string *>();
    // Shards lie beside their index; a path would reach out of the directory.
    if (!name || name->empty() || name->find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
      return Error{
          fmt::format("{}: weight_map['{}'] is {}, not a file name", file, printable(tensor), jsonPreview(shard))};
    map.emplace(tensor, *name);
  }
  return map;
}

namespace {

Result<WeightMap> readIndex(const std::filesystem::path &path) {
  TQ_TRY_ASSIGN(MappedFile file, MappedFile::open(path));
  return parseWeightMap(file.text(), file.path());
}

Error tensorError(std::string_view file, std::string_view name, std::string_view text) {
  return Error{fmt::format("{}: {}: {}", file, printable(name), text)};
}

bool isThere(const std::filesystem::path &path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

/// N of "model-00001-of-0000N.safetensors".
std::optional<unsigned> shardCount(std::string_view name) {
  size_t at = name.rfind("-of-");
  if (at == std::string_view::npos)
    return std::nullopt;
  unsigned count = 0;
  std::string_view rest = name.substr(at + 4);
  auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
  if (error != std::errc() || rest.substr(end - rest.data()) != ".safetensors")
    return std::nullopt;
  return count;
}

/// Sorted names of model*.safetensors, complete where they are numbered.
Result<std::set<std::string>> listShards(const std::filesystem::path &directory) {
  if (isThere(directory / "model.safetensors"))
    return std::set<std::string>{"model.safetensors"};
  std::set<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.starts_with("model") && name.ends_with(".safetensors"))
      names.insert(std::move(name));
  }
  if (error)
    return Error{fmt::format("{}: cannot list the directory: {}", directory.string(), error.message())};
  if (names.empty())
    return Error{fmt::format("{}: cannot find model.safetensors, {} or any "
                             "model*.safetensors here",
                             directory.string(), indexName)};
  for (const std::string &name : names)
    if (std::optional<unsigned> count = shardCount(name); count && *count > names.size())
      return Error{fmt::format("{}: found {} of the {} shards that {} is one "
                               "of; copy the missing ones",
                               directory.string(), names.size(), *count, printable(name))};
  return names;
}

/// The first tensor the index places in each file.
std::map<std::string, std::string> firstTensors(const WeightMap &map) {
  std::map<std::string, std::string> first;
  for (const auto &[tensor, shard] : map)
    first.try_emplace(shard, tensor);
  return first;
}

} // namespace

Result<SafetensorsSet> openSafetensorsSet(const std::filesystem::path &directory) {
  WeightMap map;
  std::set<std::string> shards;
  if (isThere(directory / indexName)) {
    TQ_TRY_ASSIGN(map, readIndex(directory / indexName));
    for (const auto &[shard, tensor] : firstTensors(map)) {
      if (!isThere(directory / shard))
        return Error{fmt::format("{}: missing shard; {} places {} there; copy the file",
                                 (directory / printable(shard)).string(), indexName, printable(tensor))};
      shards.insert(shard);
    }
  } else {
    TQ_TRY_ASSIGN(shards, listShards(directory));
  }

  SafetensorsSet set;
  for (const std::string &shard : shards) {
    TQ_TRY_ASSIGN(MappedFile file, MappedFile::open(directory / shard));
    TQ_TRY_ASSIGN(std::vector<RawTensor> tensors, parseSafetensors(file.bytes(), file.path()));
    for (RawTensor &tensor : tensors) {
      auto placed = map.find(tensor.name);
      if (placed != map.end() && placed->second != shard)
        continue; // a copy in a shard the index does not mean
      tensor.mapped = true;
      std::string name = tensor.name;
      if (!set.tensors.insert(std::move(tensor)))
        return tensorError(file.path(), name,
                           fmt::format("also in {}; remove one of the files", set.tensors.find(name)->file));
    }
    MappedFile::releasePages(file.bytes()); // the header has been read
    set.files.push_back(std::move(file));
  }
  for (const auto &[tensor, shard] : map)
    if (!set.tensors.find(tensor))
      return tensorError((directory / printable(shard)).string(), tensor,
                         fmt::format("not in this file, although {} says so; "
                                     "copy both again",
                                     indexName));
  return set;
}

} // namespace tq
