//===- MlxCheckpoint.h - Affine layers of MLX checkpoints -----------------===//
// A layer at module path P with logical weight [.., out, in]:
//
//   P.weight  U32 [.., out, in*bits/32]   little-endian bit stream per row
//   P.scales, P.biases  F16, BF16 or F32 [.., out, in/group]
//
// value = scale * code + bias. Code i occupies bits [i*bits, (i+1)*bits) of
// its row, so 3, 5 and 6 bits straddle words, unlike TurboQuant's.
//
// The shapes alone give only bits*group; the two are told apart by, in this
// order: the module's own entry in config.json's "quantization"; hidden_size,
// for embeddings and head; "affine_extras" of a TurboQuant model; the top
// level of "quantization".
//===----------------------------------------------------------------------===//

#ifndef TQ_MODELS_FORMATS_MLXCHECKPOINT_H
#define TQ_MODELS_FORMATS_MLXCHECKPOINT_H

#include "models/formats/TensorTable.h"

namespace tq {

/// Takes the tensors of the layer whose P.scales exists and P.codebook does
/// not. `config` is config.json, `file` its path.
Result<WeightSource> takeAffineLayer(TensorTable &tensors, const std::string &module, const nlohmann::json &config,
                                     std::string_view file);

/// cols() codes of one row.
void unpackAffineRow(const WeightSource &weight, int64_t row, uint8_t *codes);

} // namespace tq

#endif // TQ_MODELS_FORMATS_MLXCHECKPOINT_H
