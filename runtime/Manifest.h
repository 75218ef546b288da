//===- Manifest.h - Manifest to JSON and back -------------------*- C++ -*-===//
// The compiler writes manifest.json through printManifest, the runtime reads
// it through parseManifest; the field names are those of PackageFormat.h.
//
// Reading trusts nothing: whatever parses without an Error has every index,
// offset, size and expression in range, so that the code that follows needs no
// further checks. Unknown fields are ignored, so a later compiler may add some
// without a new format version.
//
// The text opens with {"hash":"<16 hex digits>", the XXH3-64 of all that
// follows those digits: a damaged manifest is noticed even if it still parses.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_MANIFEST_H
#define TQ_RUNTIME_MANIFEST_H

#include "runtime/PackageFormat.h"
#include "runtime/Printable.h"
#include "runtime/Status.h"

#include <span>
#include <string>
#include <string_view>

namespace tq {

/// Checks the hash? Only tests that damage a manifest on purpose, and the
/// fuzzer, say no.
enum class ManifestHash { Check, Ignore };

/// `what` opens every message: "story.tqpkg".
Result<Manifest> parseManifest(std::string_view text, std::string_view what, ManifestHash hash = ManifestHash::Check);

/// The JSON text. Does not validate: see validateManifest.
std::string printManifest(const Manifest &manifest);

/// Every rule that the JSON's shape cannot express; parseManifest calls it,
/// and so should who writes a package.
Status validateManifest(const Manifest &manifest, std::string_view what);

/// The value of an expression for given parameters (Param order). Saturates at
/// the limits of int64_t; a division by zero gives 0.
int64_t evaluate(const Expr &expr, std::span<const int32_t> params);

/// True if the expression depends on the parameter.
bool dependsOn(const Expr &expr, Param param);

/// XXH3-64 as 16 lower-case hex digits, the spelling of all hashes here.
std::string hashText(uint64_t hash);
std::string hashBytes(std::span<const std::byte> bytes);

/// True for a plain file name: no directory part, not "." or "..".
bool isPlainFileName(std::string_view name);

} // namespace tq

#endif // TQ_RUNTIME_MANIFEST_H
