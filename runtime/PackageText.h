//===- PackageText.h - A package's tokenizer and chat template --*- C++ -*-===//
// What tq-run needs of runtime/text, in token ids of ours; a build without the
// Rust crate (TQ_TEXT=OFF) refuses in open().
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_PACKAGETEXT_H
#define TQ_RUNTIME_PACKAGETEXT_H

#include "runtime/Package.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tq {

/// More the text library does not take at once (tq_text.h).
inline constexpr uint64_t kMaxTextBytes = 256 << 20;

class PackageText {
public:
  static Result<PackageText> open(const Package &package);
  PackageText(PackageText &&) noexcept;
  ~PackageText();

  /// `special`: add BOS and the like as the tokenizer's post-processor says.
  Result<std::vector<int32_t>> encode(std::string_view text, bool special) const;

  /// Text that grows token by token, whole characters only. Special tokens are
  /// not shown.
  Result<std::string> push(int32_t token);
  Result<std::string> flush();

  bool hasChatTemplate() const;
  /// `request` as in tq_text.h.
  Result<std::string> applyChatTemplate(std::string_view request) const;

private:
  struct Parts;
  explicit PackageText(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts;
};

/// True if the build has tokenizers.
bool hasTextSupport();

} // namespace tq

#endif // TQ_RUNTIME_PACKAGETEXT_H
