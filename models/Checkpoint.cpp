//===- Checkpoint.cpp - Directory in, named weights out -------------------===//

#include "models/Checkpoint.h"

#include "models/formats/Json.h"
#include "models/formats/MappedFile.h"
#include "models/formats/SafetensorsSet.h"
#include "models/formats/TakeWeights.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <map>

using nlohmann::json;

namespace tq {

struct Checkpoint::Impl {
  std::filesystem::path directory;
  json config;
  std::optional<json> generation;
  std::vector<MappedFile> files;
  std::vector<WeightSource> weights;
  std::map<std::string, size_t, std::less<>> byPath; // into weights
  std::vector<std::filesystem::path> textFiles;
  uint64_t totalBytes = 0;
};

namespace {

Result<json> readJsonFile(const std::filesystem::path &path) {
  TQ_TRY_ASSIGN(MappedFile file, MappedFile::open(path));
  return parseJsonObject(file.text(), file.path(), DuplicateKeys::KeepLast);
}

std::vector<std::filesystem::path> findTextFiles(const std::filesystem::path &directory) {
  std::vector<std::filesystem::path> found;
  for (const char *name :
       {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "chat_template.jinja", "chat_template.json", "tokenizer.model", "vocab.json", "merges.txt"}) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(directory / name, ignored))
      found.push_back(directory / name);
  }
  return found;
}

} // namespace

Result<Checkpoint> Checkpoint::open(const std::filesystem::path &directory) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error))
    return Error{fmt::format("{}: cannot open: not a directory; give the "
                             "folder that holds config.json and the weights",
                             directory.string())};
  auto impl = std::make_unique<Impl>();
  impl->directory = directory;
  std::string configFile = (directory / "config.json").string();
  TQ_TRY_ASSIGN(impl->config, readJsonFile(directory / "config.json"));
  std::filesystem::path generation = directory / "generation_config.json";
  if (std::filesystem::exists(generation, error)) {
    TQ_TRY_ASSIGN(impl->generation, readJsonFile(generation));
  }
  TQ_TRY_ASSIGN(WeightFormat format, detectFormat(impl->config, configFile));
  TQ_TRY_ASSIGN(SafetensorsSet set, openSafetensorsSet(directory));
  TQ_TRY_ASSIGN(impl->weights, takeWeights(set.tensors, impl->config, format, configFile));
  impl->files = std::move(set.files);
  for (size_t i = 0; i < impl->weights.size(); ++i) {
    impl->totalBytes += impl->weights[i].storedBytes();
    impl->byPath.emplace(impl->weights[i].path, i);
  }
  impl->textFiles = findTextFiles(directory);
  return Checkpoint(std::move(impl));
}

Checkpoint::Checkpoint(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Checkpoint::Checkpoint(Checkpoint &&) noexcept = default;
Checkpoint &Checkpoint::operator=(Checkpoint &&) noexcept = default;
Checkpoint::~Checkpoint() = default;

const std::filesystem::path &Checkpoint::directory() const { return impl->directory; }

const json &Checkpoint::config() const { return impl->config; }

const json *Checkpoint::generationConfig() const { return impl->generation ? &*impl->generation : nullptr; }

std::span<const WeightSource> Checkpoint::weights() const { return impl->weights; }

const WeightSource *Checkpoint::find(std::string_view path) const {
  auto it = impl->byPath.find(path);
  return it == impl->byPath.end() ? nullptr : &impl->weights[it->second];
}

Result<const WeightSource *> Checkpoint::get(std::string_view path, std::span<const int64_t> shape) const {
  const WeightSource *weight = find(path);
  if (!weight)
    return Error{fmt::format("{}: missing from the {} weights of {}; the "
                             "checkpoint is incomplete or config.json belongs "
                             "to another",
                             path, impl->weights.size(), impl->directory.string())};
  TQ_TRY(expectShape(*weight, shape));
  return weight;
}

std::span<const std::filesystem::path> Checkpoint::textFiles() const { return impl->textFiles; }

uint64_t Checkpoint::totalBytes() const { return impl->totalBytes; }

void Checkpoint::releasePages(const RawTensor &tensor) {
  if (tensor.mapped)
    MappedFile::releasePages(tensor.bytes);
}

void Checkpoint::releasePages(const WeightSource &weight) {
  releasePages(weight.weight);
  for (const std::optional<RawTensor> *plane : {&weight.scales, &weight.biases, &weight.codebook, &weight.signs,
                                                &weight.qjlPacked, &weight.qjlNorms, &weight.qjlSigns})
    if (*plane)
      releasePages(**plane);
}

} // namespace tq
