//===- StopFilter.cpp - Ends a text at a stop string ----------------------===//

#include "runtime/StopFilter.h"

#include <algorithm>
#include <utility>

using namespace tq;

StopFilter::StopFilter(std::vector<std::string> given) : stops(std::move(given)) { std::erase(stops, ""); }

std::string StopFilter::push(std::string_view piece) {
  if (found)
    return "";
  held += piece;
  size_t end = std::string::npos;
  for (const std::string &stop : stops)
    end = std::min(end, held.find(stop));
  if (end != std::string::npos) {
    found = true;
    std::string shown = held.substr(0, end);
    held.clear();
    return shown;
  }
  // The longest end of the text that begins some stop string stays.
  size_t keep = 0;
  for (const std::string &stop : stops)
    for (size_t n = std::min(stop.size() - 1, held.size()); n > keep; --n)
      if (held.ends_with(std::string_view(stop).substr(0, n)))
        keep = n;
  std::string shown = held.substr(0, held.size() - keep);
  held.erase(0, held.size() - keep);
  return shown;
}

std::string StopFilter::flush() { return std::exchange(held, ""); }
