//===- IrTables.cpp - What the executor reads and writes ------------------===//

#include "tests/metal/IrTables.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cxxabi.h>
#include <iterator>
#include <string_view>

using namespace tq::metal;

std::string tq::metal::demangle(std::string_view symbol) {
  int status = 0;
  if (!symbol.starts_with("_Z")) // "a" would be a signed char
    return std::string(symbol);
  char *plain = abi::__cxa_demangle(std::string(symbol).c_str(), nullptr, nullptr, &status);
  std::string out = status == 0 && plain ? plain : std::string(symbol);
  free(plain);
  return out;
}

namespace {

constexpr std::string_view kImports[] = {
#define TQ_IMPORT(symbol, function) #symbol,
#include "tests/metal/Imports.def"
#undef TQ_IMPORT
};

std::string table(const char *name, const std::vector<IrVariable> &variables) {
  std::string out, entries;
  for (size_t i = 0; i < variables.size(); ++i) {
    const std::string &text = variables[i].name;
    out +=
        fmt::format("@{}.{} = private unnamed_addr constant [{} x i8] c\"{}\\00\"\n", name, i, text.size() + 1, text);
    entries += fmt::format("{}{{ ptr, i64, ptr }} {{ ptr {}, i64 ptrtoint (ptr getelementptr ({}, ptr null, i32 1) "
                           "to i64), ptr @{}.{} }}",
                           i ? ", " : "", variables[i].symbol, variables[i].type, name, i);
  }
  out += fmt::format("@{}_count = protected global i64 {}\n", name, variables.size());
  if (!variables.empty())
    out += fmt::format("@{} = protected global [{} x {{ ptr, i64, ptr }}] [{}]\n", name, variables.size(), entries);
  return out;
}

} // namespace

std::string tq::metal::variableName(std::string_view symbol) {
  std::string plain = demangle(symbol);
  size_t last = plain.rfind("::");
  if (last == plain.npos)
    return plain;
  std::string function = plain.substr(0, plain.find_first_of("(<"));
  if (function.size() > last)
    function = plain.substr(0, last);
  return function + plain.substr(last);
}

std::string tq::metal::variableTables(const std::vector<IrVariable> &statics,
                                      const std::vector<IrVariable> &constants) {
  std::string out = table("__msl_statics", statics) + table("__msl_constants", constants);
  if (!statics.empty()) {
    std::string used;
    for (size_t i = 0; i < statics.size(); ++i)
      used += fmt::format("{}ptr {}, ptr @__msl_gap{}", i ? ", " : "", statics[i].symbol, i);
    out += fmt::format("@llvm.used = appending global [{} x ptr] [{}], section \"llvm.metadata\"\n", 2 * statics.size(),
                       used);
  }
  out += "@__msl_poison = protected global [64 x i8] zeroinitializer, align 64\n";
  out += fmt::format("@__msl_imports = protected global [{} x ptr] zeroinitializer, align 8\n", std::size(kImports));
  return out;
}

std::string tq::metal::importJumps() {
  std::string out;
  for (size_t i = 0; i < std::size(kImports); ++i) {
    out += fmt::format("module asm \".globl {0}\\0A.hidden {0}\\0A.type {0},%function\"\n", kImports[i]);
#if defined(__aarch64__)
    out += fmt::format("module asm \"{}: adrp x16, __msl_imports+{}\"\n", kImports[i], 8 * i);
    out += fmt::format("module asm \"ldr x16, [x16, :lo12:__msl_imports+{}]\"\n", 8 * i);
    out += "module asm \"br x16\"\n";
#else
    out += fmt::format("module asm \"{}: jmpq *__msl_imports+{}(%rip)\"\n", kImports[i], 8 * i);
#endif
  }
  return out;
}
