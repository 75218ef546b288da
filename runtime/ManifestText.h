//===- ManifestText.h - Spellings of manifest.json --------------*- C++ -*-===//
// What ManifestReader.cpp and ManifestWriter.cpp must agree on, field names
// aside.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_MANIFESTTEXT_H
#define TQ_RUNTIME_MANIFESTTEXT_H

#include "runtime/PackageFormat.h"

#include <array>
#include <string_view>

namespace tq {

/// How the text opens; the hash's digits follow.
inline constexpr std::string_view kHashPrefix = "{\"hash\":\"";
/// By Param.
inline constexpr std::array<const char *, kParamCount> kParamNames = {"n_tokens", "pos", "n_out"};

} // namespace tq

#endif // TQ_RUNTIME_MANIFESTTEXT_H
