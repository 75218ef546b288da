//===- Printable.h - Text from files made fit for messages ------*- C++ -*-===//
#ifndef TQ_RUNTIME_PRINTABLE_H
#define TQ_RUNTIME_PRINTABLE_H

#include <algorithm>
#include <string>
#include <string_view>

namespace tq {

/// At most 160 bytes, no control characters, no half of a UTF-8 sequence at the end.
inline std::string printable(std::string_view text) {
  constexpr size_t maxLength = 160;
  size_t length = std::min(text.size(), maxLength);
  while (length < text.size() && length > 0 && (text[length] & 0xc0) == 0x80)
    --length;
  std::string result;
  for (unsigned char c : text.substr(0, length)) {
    if (c < 0x20 || c == 0x7f) {
      result += "\\x";
      result += "0123456789abcdef"[c >> 4];
      result += "0123456789abcdef"[c & 15];
    } else {
      result += static_cast<char>(c);
    }
  }
  if (text.size() > length)
    result += "…";
  return result;
}

} // namespace tq
#endif
