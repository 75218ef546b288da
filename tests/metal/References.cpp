//===- References.cpp - Sizes behind a kernel's references ----------------===//

#include "tests/metal/References.h"

#include "tests/metal/IrText.h"
#include "tests/metal/Thunks.h"

#include <map>

using namespace tq::metal;

namespace {

/// The arguments of a call, from behind its bracket.
std::vector<std::string_view> arguments(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    bool ends = depth == 0 && (c == ',' || c == ')');
    if (ends) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
    if (ends && c == ')')
      break;
    depth += c == '(' || c == '<' || c == '[' || c == '{' ? 1 : c == ')' || c == '>' || c == ']' || c == '}' ? -1 : 0;
  }
  return parts;
}

} // namespace

void tq::metal::readReferences(std::string_view ir, std::vector<Kernel> &kernels) {
  std::map<std::string, Kernel *, std::less<>> thunks;
  for (Kernel &kernel : kernels)
    thunks[thunkName(kernel.name)] = &kernel;
  Kernel *kernel = nullptr;
  std::string_view last; // call in the thunk, which is the kernel's
  forEachLine(ir, [&](std::string_view line) {
    if (line.starts_with("define ")) {
      std::string_view symbol = between(line, "@", "(");
      if (symbol.starts_with("\""))
        symbol = symbol.substr(1, symbol.size() - 2);
      auto thunk = thunks.find(symbol);
      kernel = thunk == thunks.end() ? nullptr : thunk->second;
      last = {};
    } else if (kernel && contains(line, " call ") && !contains(line, "@llvm.")) {
      last = line;
    } else if (kernel && line == "}" && !last.empty()) {
      auto values = arguments(last.substr(last.find('(', last.find('@')) + 1));
      for (size_t i = 0; i < kernel->parameters.size() && i < values.size(); ++i)
        if (kernel->parameters[i].isReference)
          kernel->parameters[i].bytes = static_cast<uint64_t>(toInt(between(values[i], " dereferenceable(", ")")));
    }
  });
}
