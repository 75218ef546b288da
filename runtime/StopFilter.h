//===- StopFilter.h - Ends a text at a stop string --------------*- C++ -*-===//
// Text arrives in pieces; what may be the beginning of a stop string is held
// back until the next piece decides.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_STOPFILTER_H
#define TQ_RUNTIME_STOPFILTER_H

#include <string>
#include <string_view>
#include <vector>

namespace tq {

class StopFilter {
public:
  /// Empty strings are ignored.
  explicit StopFilter(std::vector<std::string> stops);

  /// What may be shown after this piece; nothing more once stopped() is true.
  std::string push(std::string_view piece);
  /// What was held back, when the text ends otherwise.
  std::string flush();
  bool stopped() const { return found; }

private:
  std::vector<std::string> stops;
  std::string held;
  bool found = false;
};

} // namespace tq

#endif // TQ_RUNTIME_STOPFILTER_H
