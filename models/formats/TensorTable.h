//===- TensorTable.h - Stored tensors by name, and who has used them ------===//

#ifndef TQ_MODELS_FORMATS_TENSORTABLE_H
#define TQ_MODELS_FORMATS_TENSORTABLE_H

#include "models/Checkpoint.h"

#include <map>

namespace tq {

/// The format readers take tensors out; what is left is dense.
class TensorTable {
public:
  /// False if the name is taken.
  bool insert(RawTensor &&tensor) {
    std::string name = tensor.name;
    return tensors.try_emplace(std::move(name), std::move(tensor)).second;
  }

  const RawTensor *find(std::string_view name) const {
    auto it = tensors.find(name);
    return it == tensors.end() ? nullptr : &it->second;
  }

  std::optional<RawTensor> take(std::string_view name) {
    auto it = tensors.find(name);
    if (it == tensors.end())
      return std::nullopt;
    return std::move(tensors.extract(it).mapped());
  }

  /// Module paths P for which a tensor P + suffix exists, sorted.
  std::vector<std::string> modulesWith(std::string_view suffix) const {
    std::vector<std::string> modules;
    for (const auto &[name, tensor] : tensors)
      if (name.ends_with(suffix))
        modules.push_back(name.substr(0, name.size() - suffix.size()));
    return modules;
  }

  const std::map<std::string, RawTensor, std::less<>> &all() const { return tensors; }

private:
  std::map<std::string, RawTensor, std::less<>> tensors;
};

} // namespace tq

#endif // TQ_MODELS_FORMATS_TENSORTABLE_H
