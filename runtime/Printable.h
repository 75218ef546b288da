//===- Printable.h - Text from files made fit for messages ------*- C++ -*-===//
#ifndef TQ_RUNTIME_PRINTABLE_H
#define TQ_RUNTIME_PRINTABLE_H

#include <string>
#include <string_view>

namespace tq {

/// Length of the UTF-8 sequence that `text` begins with; 0 if it is none (overlong and surrogate forms pass: this is for
/// display, and a terminal copes with them).
inline size_t utf8Length(std::string_view text) {
  auto lead = static_cast<unsigned char>(text[0]);
  size_t length = lead < 0x80                   ? 1
                  : lead >= 0xc2 && lead < 0xe0 ? 2
                  : (lead & 0xf0) == 0xe0       ? 3
                  : lead >= 0xf0 && lead < 0xf5 ? 4
                                                : 0;
  if (length > text.size())
    return 0;
  for (size_t i = 1; i < length; ++i)
    if ((text[i] & 0xc0) != 0x80)
      return 0;
  return length;
}

/// About 160 bytes at most; control characters and bytes that are no UTF-8 appear as \xNN.
inline std::string printable(std::string_view text) {
  constexpr size_t maxLength = 160;
  std::string result;
  while (!text.empty()) {
    if (result.size() >= maxLength)
      return result + "…";
    size_t length = utf8Length(text);
    auto c = static_cast<unsigned char>(text[0]);
    if (length == 0 || c < 0x20 || c == 0x7f) {
      result += "\\x";
      result += "0123456789abcdef"[c >> 4];
      result += "0123456789abcdef"[c & 15];
      length = 1;
    } else {
      result += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return result;
}

} // namespace tq
#endif
