//===- IrText.h - Reading lines of LLVM IR ----------------------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_IRTEXT_H
#define TQ_TESTS_METAL_IRTEXT_H

#include <charconv>
#include <string_view>

namespace tq::metal {

inline bool contains(std::string_view text, std::string_view what) { return text.find(what) != text.npos; }

/// What stands between two marks; empty if either is missing.
inline std::string_view between(std::string_view text, std::string_view open, std::string_view close) {
  size_t begin = text.find(open);
  if (begin == text.npos)
    return {};
  begin += open.size();
  size_t end = text.find(close, begin);
  return end == text.npos ? std::string_view() : text.substr(begin, end - begin);
}

/// The IR type at the start of the text: "[4 x float]", "<4 x i32>", "%struct.P", "i64".
inline std::string_view leadingType(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '[' || c == '<' || c == '{')
      ++depth;
    else if (c == ']' || c == '>' || c == '}')
      --depth;
    else if (c == '"')
      i = text.find('"', i + 1);
    if (depth == 0 && (i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == ','))
      return text.substr(0, i + 1);
  }
  return text;
}

/// The number at the start of the text; 0 if there is none.
inline int toInt(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

} // namespace tq::metal

#endif // TQ_TESTS_METAL_IRTEXT_H
