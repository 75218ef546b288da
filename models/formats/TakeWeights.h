//===- TakeWeights.h - From stored tensors to weights ---------------------===//

#ifndef TQ_MODELS_FORMATS_TAKEWEIGHTS_H
#define TQ_MODELS_FORMATS_TAKEWEIGHTS_H

#include "models/formats/TensorTable.h"

namespace tq {

enum class WeightFormat { Dense, MlxAffine, TurboQuant };

/// What config.json says about quantisation; refuses what we cannot read.
Result<WeightFormat> detectFormat(const nlohmann::json &config, std::string_view file);

/// Groups the tensors of quantised layers, leaves the rest dense, refuses
/// orphans. In the order in which the codes lie on disk. `configFile` is for
/// messages.
Result<std::vector<WeightSource>> takeWeights(TensorTable &tensors, const nlohmann::json &config, WeightFormat format,
                                              std::string_view configFile);

} // namespace tq

#endif // TQ_MODELS_FORMATS_TAKEWEIGHTS_H
