//===- TurboQuantMlx.h - Rotated-codebook layers of TurboQuant-MLX --------===//
// A layer at module path P describes itself through its tensors:
//
//   P.weight    U32 [out, W] or [experts, out, W]   packed codes
//   P.scales    F16 [.., out, in/group]             RMS of the rotated group
//   P.codebook  F16 [2^bits], or [3] for ternary    levels, for unit RMS
//   P.signs     F16 [in], each +1 or -1             applied before Hadamard
//   P.qjl_packed U32 [out, ceil(in/32)], P.qjl_norms F16 [out],
//   P.qjl_signs F16 [in]                            optional, together
//
// in = len(signs), bits = log2(len(codebook)), group = in / scales columns;
// config.json is not trusted for any of them. A row is padded to whole words:
// floor(32/bits) codes per word, least significant first, never straddling
// (10 codes and 2 dead bits at 3 bits); ternary: 20 base-3 digits, the first
// least significant.
//===----------------------------------------------------------------------===//

#ifndef TQ_MODELS_FORMATS_TURBOQUANTMLX_H
#define TQ_MODELS_FORMATS_TURBOQUANTMLX_H

#include "models/formats/TensorTable.h"

namespace tq {

struct TurboQuantOptions {
  // rotation "none": old converters rotated all the same, so a layer counts as
  // unrotated only if all its signs are +1.
  bool rotationNone = false;
};

/// Of config.json's "quantization" object. Refuses fuse_rotations.
Result<TurboQuantOptions> parseTurboQuantOptions(const nlohmann::json &quantization, std::string_view file);

/// Takes the tensors of the layer whose P.codebook exists.
Result<WeightSource> takeCodebookLayer(TensorTable &tensors, const std::string &module,
                                       const TurboQuantOptions &options);

/// cols() codes of one row.
void unpackCodebookRow(const WeightSource &weight, int64_t row, uint8_t *codes);

/// Codes per 32-bit word.
int64_t codesPerWord(int bits, bool ternary);

/// Width of the Hadamard blocks of a row of `width`: the largest m * 2^k that
/// divides it, m in {1, 12, 20, 28}.
int64_t hadamardBlockOf(int64_t width);

} // namespace tq

#endif // TQ_MODELS_FORMATS_TURBOQUANTMLX_H
