//===- Spellings.h - How types, literals and functions read in MSL -*- C++ -*-===//
// Tables and small functions without state. An op that is in a table has one spelling; the verifier and the printer both ask
// here, so that nothing passes the one and stops the other.
#ifndef TQ_CODEGEN_METAL_SPELLINGS_H
#define TQ_CODEGEN_METAL_SPELLINGS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include <optional>
#include <string>

namespace tq::msl {

/// Of C++ operators, weakest first.
enum class Precedence {
  Ternary,
  LogicalOr,
  LogicalAnd,
  BitOr,
  BitXor,
  BitAnd,
  Equality,
  Relational,
  Shift,
  Additive,
  Multiplicative,
  Unary,
  Primary
};

/// A piece of an expression: its text, and what binds it.
struct Expr {
  std::string text;
  Precedence precedence = Precedence::Primary;
  /// Whether the operators at this precedence may be regrouped: integer sums, products, &, |, ^ (all modulo 2^n).
  bool regroups = false;
};

/// lhs `symbol` rhs with no more parentheses than the grouping needs or a compiler's warnings ask for.
Expr binary(const Expr &lhs, llvm::StringRef symbol, Precedence precedence, const Expr &rhs, bool regroups = false);
/// The text, in parentheses if it binds weaker than `atLeast`.
std::string parenthesize(const Expr &expr, Precedence atLeast);
Expr call(const llvm::Twine &function, llvm::ArrayRef<Expr> arguments);

/// float, half4, uint2, ...; integers are unsigned unless `isSigned`; a vector of one element is its element.
std::string typeName(mlir::Type type, bool isSigned = false);
/// A number, bit for bit: the shortest decimal that reads back as it, with its suffix.
Expr literal(mlir::TypedAttr value, bool isSigned = false);
Expr unsignedLiteral(int64_t value);

/// An op that is an infix operator.
struct OperatorSpelling {
  llvm::StringRef op, symbol;
  Precedence precedence;
  bool isSigned = false; ///< operands are cast to signed and the result back
};
const OperatorSpelling *findOperator(llvm::StringRef op);

/// An op that is a call of a function of the same operands.
struct FunctionSpelling {
  llvm::StringRef op, function;
  bool isSigned = false;
  /// f32 only: has a fast version that loses accuracy; the precise one is asked for by name.
  bool precise = false;
};
const FunctionSpelling *findFunction(llvm::StringRef op);

/// The operator and whether signed operands are meant, for comparisons that have a spelling; nullopt for others.
/// `negated` means that the operator is to be applied and its result inverted (ult of floats is "not oge").
struct ComparisonSpelling {
  llvm::StringRef symbol;
  bool isSigned = false, negated = false;
};
std::optional<ComparisonSpelling> findComparison(mlir::Operation *op);

/// Whether this word cannot name a variable: a keyword of C++, MSL or OpenCL C++ (the checker reads the text as such), a
/// type, or a library function that the text may call.
bool isReserved(llvm::StringRef word);
/// Whether the word is an identifier of C++ (and not reserved).
bool isIdentifier(llvm::StringRef word);

} // namespace tq::msl
#endif
