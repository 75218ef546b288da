//===- Safetensors.h - Names and bytes of safetensors files ---------------===//
// Layout: u64 header length n; n bytes of JSON, name -> {dtype, shape,
// data_offsets [begin, end)} and optionally __metadata__; then the data, to
// which the offsets are relative.
//===----------------------------------------------------------------------===//

#ifndef TQ_MODELS_FORMATS_SAFETENSORS_H
#define TQ_MODELS_FORMATS_SAFETENSORS_H

#include "models/Checkpoint.h"

namespace tq {

/// Tensors of one file by ascending offset. Everything is checked: lengths
/// against the file, types, shapes, sizes, order, overlaps. Gaps are accepted.
/// `bytes` must outlive the result; `file` is for messages.
Result<std::vector<RawTensor>> parseSafetensors(std::span<const std::byte> bytes, std::string_view file);

} // namespace tq

#endif // TQ_MODELS_FORMATS_SAFETENSORS_H
