//===- Reflect.h - Kernels and functions of an MSL text ---------*- C++ -*-===//
// What Metal's own reflection would say, from the tokens alone: kernels, their
// parameters and attributes, and where every function begins and ends. Says what
// is wrong with attributes as it goes; clang drops them without a look.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_REFLECT_H
#define TQ_TESTS_METAL_REFLECT_H

#include "tests/metal/Executor.h"
#include "tests/metal/Lexer.h"

#include <set>

namespace tq::metal {

/// [begin, end) in the tokens.
struct TokenRange {
  size_t begin = 0, end = 0;
};

struct KernelText {
  Kernel kernel;
  TokenRange attributes;             ///< all `[[...]]` and the word kernel, up to `void`
  TokenRange body;                   ///< `{` to `}`
  std::vector<TokenRange> dropped;   ///< attributes of parameters: clang has no use for them
  std::vector<std::string> castType; ///< per parameter: the type to give its argument, with address space
};

struct FunctionText {
  std::string name;
  bool isKernel = false, isMember = false;
  int line = 0, lastLine = 0, file = 0;
  size_t nameAt = 0; ///< the token; parameters follow
  TokenRange body;   ///< `{` to `}`
};

struct Reflection {
  std::vector<KernelText> kernels;
  std::vector<FunctionText> functions;
  std::set<std::string, std::less<>> structs; ///< struct, class and union types
  std::set<std::string, std::less<>> members; ///< every member of them
  std::vector<TokenRange> initialisers;       ///< of variables in constant memory outside of functions
  std::vector<Finding> findings;

  /// "kernel qmv3", "function load_tile"; between functions the next kernel.
  std::string whereIs(int line, int file = 0) const;
};

Reflection reflect(const Tokens &tokens);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_REFLECT_H
