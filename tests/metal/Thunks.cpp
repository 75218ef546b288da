//===- Thunks.cpp - How the executor calls a kernel -----------------------===//

#include "tests/metal/Thunks.h"

#include <fmt/format.h>

#include <cctype>

using namespace tq::metal;

namespace {

std::string argument(const KernelText &k, size_t i) {
  const Parameter &p = k.kernel.parameters[i];
  const std::string &type = k.castType[i];
  if (p.kind == Parameter::Builtin) {
    std::string plain = type.starts_with("const ") ? type.substr(6) : type;
    std::string four = fmt::format("(*(thread const ::metal::vec<uint, 4> *)a[{}])", i);
    char last = plain.empty() ? ' ' : plain.back();
    if (last != '2' && last != '3')
      return fmt::format("({}){}.x", plain, four);
    if (plain == "uint32_t")
      return fmt::format("{}.x", four);
    return fmt::format("::__msl::make<::metal::{}>({}.{})", plain, four, last == '2' ? "xy" : "xyz");
  }
  return p.isReference ? fmt::format("*({} *)a[{}]", type, i) : fmt::format("({})a[{}]", type, i);
}

} // namespace

std::string tq::metal::thunkName(std::string_view kernel) {
  std::string name = kThunkPrefix;
  for (char c : kernel)
    name += std::isalnum(static_cast<unsigned char>(c)) || c == '_'
                ? std::string(1, c)
                : fmt::format("${:02x}", static_cast<unsigned char>(c));
  return name;
}

std::string tq::metal::thunks(const Reflection &reflection) {
  std::string out = fmt::format("\n# 1 \"{}\"\n", kThunkFile);
  for (const KernelText &k : reflection.kernels) {
    for (const std::string &part : k.scope)
      out += fmt::format("namespace {} {{ ", part);
    out += fmt::format("extern \"C\" __attribute__((visibility(\"default\"))) void {}(thread const ulong *a) {{ {}(",
                       thunkName(k.kernel.name), k.function);
    for (size_t i = 0; i < k.kernel.parameters.size(); ++i)
      out += (i ? ", " : "") + argument(k, i);
    out += "); }" + std::string(k.scope.size(), '}') + "\n";
  }
  return out;
}
