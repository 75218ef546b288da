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

/// A kernel: a function, or the explicit instantiation of a function template.
struct KernelText {
  Kernel kernel;
  TokenRange attributes;             ///< all `[[...]]` and the word kernel, up to the result's type
  TokenRange body;                   ///< `{` to `}`; of an instance what is up to its semicolon
  std::string function;              ///< how it is called: "::n::f<half, 4>"
  std::vector<std::string> scope;    ///< the namespaces in which that means it
  std::vector<std::string> castType; ///< per parameter: the type to give its argument, with address space
};

struct FunctionText {
  std::string name;
  bool isKernel = false, isMember = false; ///< isKernel: or a template of kernels
  int line = 0, lastLine = 0, file = 0;
  size_t nameAt = 0; ///< the token; parameters follow
  TokenRange body;   ///< `{` to `}`
};

/// constant int n [[function_constant(0)]]; and constants that depend on one without a value.
struct FunctionConstant {
  std::string name;
  std::string value;    ///< as MSL text; empty: none
  std::string missing;  ///< the function constant without a value
  size_t begin = 0;     ///< of the declaration
  TokenRange attribute; ///< or the initialiser, from its `=`
};

struct Reflection {
  std::vector<KernelText> kernels;
  std::vector<FunctionText> functions;
  std::set<std::string, std::less<>> structs; ///< struct, class and union types
  std::set<std::string, std::less<>> members; ///< every member of them
  std::vector<TokenRange> initialisers;       ///< of variables in constant memory outside of functions
  std::vector<FunctionConstant> functionConstants;
  std::vector<TokenRange> dropped; ///< attributes of kernels and their parameters: clang has no use for them
  std::vector<Finding> findings;

  /// "kernel qmv3", "function load_tile"; between functions the next kernel.
  std::string whereIs(int line, int file = 0) const;
  /// The function constant without a value that a constant depends on, such as "n" or "a::n"; empty if there is none.
  std::string missing(std::string_view name) const;
};

Reflection reflect(const Tokens &tokens, const FunctionConstants &values = {});

} // namespace tq::metal

#endif // TQ_TESTS_METAL_REFLECT_H
