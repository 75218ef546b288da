//===- Names.cpp - Names of variables in emitted text ---------------------===//

#include "codegen/metal/Names.h"
#include "codegen/metal/Spellings.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tq::msl {

StringRef nameOf(Location loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name.getName();
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location inner : fused.getLocations())
      if (StringRef name = nameOf(inner); !name.empty())
        return name;
  return {};
}

bool Names::isFree(StringRef name) const {
  return !isReserved(name) && llvm::none_of(scopes, [&](const auto &scope) { return scope.contains(name); });
}

std::string Names::take(StringRef wish) {
  std::string base;
  for (char c : wish)
    if (llvm::isAlnum(c))
      base += c;
    else if (!base.empty() && base.back() != '_') // two in a row are the compiler's
      base += '_';
  while (!base.empty() && base.back() == '_')
    base.pop_back();
  std::string name = base;
  if (base.empty()) {
    do
      name = "v" + llvm::utostr(unnamed++);
    while (!isFree(name));
  } else {
    if (llvm::isDigit(base.front()))
      name = base = "v" + base;
    for (unsigned count = 1; !isFree(name); ++count)
      name = base + "_" + llvm::utostr(count);
  }
  scopes.back().insert(name);
  return name;
}

std::string Names::takeCounter() {
  for (StringRef name : {"i", "j", "k", "l", "m", "n"})
    if (isFree(name)) {
      scopes.back().insert(name);
      return name.str();
    }
  return take("i");
}

} // namespace tq::msl
