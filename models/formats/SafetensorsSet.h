//===- SafetensorsSet.h - The weight files of a directory -----------------===//

#ifndef TQ_MODELS_FORMATS_SAFETENSORSSET_H
#define TQ_MODELS_FORMATS_SAFETENSORSSET_H

#include "models/formats/MappedFile.h"
#include "models/formats/TensorTable.h"

#include <map>

namespace tq {

struct SafetensorsSet {
  std::vector<MappedFile> files;
  TensorTable tensors;
};

/// Opens what model.safetensors.index.json names; without an index
/// model.safetensors; without either every model*.safetensors.
Result<SafetensorsSet> openSafetensorsSet(const std::filesystem::path &directory);

using WeightMap = std::map<std::string, std::string>; // tensor -> file name

/// weight_map of an index. Names are plain: a shard lies beside its index.
Result<WeightMap> parseWeightMap(std::string_view text, std::string_view file);

} // namespace tq

#endif // TQ_MODELS_FORMATS_SAFETENSORSSET_H
