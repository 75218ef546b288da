//===- Spellings.cpp - How types, literals and functions read in MSL ------===//

#include "codegen/metal/Spellings.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Error.h"
#include <charconv>
#include <cmath>

using namespace mlir;

namespace tq::msl {

//===-- expressions ---------------------------------------------------------------------------------------------===//

std::string parenthesize(const Expr &expr, Precedence atLeast) {
  return expr.precedence < atLeast ? "(" + expr.text + ")" : expr.text;
}

/// Groupings that C++ does not need but compilers warn about, because readers misread them: a + b << c, a | b & c,
/// a || b && c, a < b == c.
static bool misreads(Precedence parent, Precedence child) {
  using P = Precedence;
  return (parent == P::Shift && child == P::Additive) ||
         ((parent == P::BitOr || parent == P::BitXor) && (child == P::BitAnd || child == P::BitXor) &&
          parent != child) ||
         (parent == P::LogicalOr && child == P::LogicalAnd) || (parent == P::Equality && child == P::Relational);
}

Expr binary(const Expr &lhs, StringRef symbol, Precedence precedence, const Expr &rhs, bool regroups) {
  auto operand = [&](const Expr &expr, bool isRhs) {
    bool same = expr.precedence == precedence;
    // a + (b - c) is (a + b) - c in integers; a - (b - c) and a / (b * c) are what they are.
    bool flat = !isRhs || (regroups && expr.regroups && symbol != "-");
    if (expr.precedence < precedence || (same && !flat) || misreads(precedence, expr.precedence))
      return "(" + expr.text + ")";
    return expr.text;
  };
  auto chains = [&](const Expr &expr) { return expr.precedence != precedence || expr.regroups; };
  Expr result{operand(lhs, false) + " " + symbol.str() + " " + operand(rhs, true), precedence, false};
  result.regroups = regroups && chains(lhs) && chains(rhs);
  return result;
}

Expr call(const Twine &function, ArrayRef<Expr> arguments) {
  std::string text = function.str() + "(";
  llvm::ListSeparator comma;
  for (const Expr &argument : arguments)
    (text += StringRef(comma)) += argument.text;
  return {text + ")"};
}

//===-- types and literals --------------------------------------------------------------------------------------===//

std::string typeName(Type type, bool isSigned) {
  if (auto vector = dyn_cast<VectorType>(type)) {
    std::string element = typeName(vector.getElementType(), isSigned);
    return vector.getNumElements() == 1 ? element : element + llvm::utostr(vector.getNumElements());
  }
  if (auto matrix = dyn_cast<gpu::MMAMatrixType>(type))
    return "simdgroup_" + typeName(matrix.getElementType()) + "8x8";
  if (type.isF32())
    return "float";
  if (type.isF16())
    return "half";
  if (type.isBF16())
    return "bfloat";
  StringRef name = type.isIndex() ? "int" : "";
  if (auto integer = dyn_cast<IntegerType>(type))
    switch (integer.getWidth()) {
    case 1:
      return "bool";
    case 8:
      name = "char";
      break;
    case 16:
      name = "short";
      break;
    case 32:
      name = "int";
      break;
    case 64:
      name = "long";
      break;
    }
  assert(!name.empty() && "verify-kernels lets no other type through");
  return isSigned ? name.str() : "u" + name.str();
}

Expr unsignedLiteral(int64_t value) { return {llvm::utostr(value) + "u"}; }

static Expr integerLiteral(APInt value, Type type, bool isSigned) {
  unsigned width = type.isIndex() ? 32 : type.getIntOrFloatBitWidth();
  value = value.zextOrTrunc(width);
  if (width == 1)
    return {value.isZero() ? "false" : "true"};
  if (isSigned) {
    std::string suffix = width == 64 ? "l" : "";
    // C++ has no negative literals: the smallest one is a difference.
    if (value.isMinSignedValue() && width >= 32)
      return {llvm::itostr(value.getSExtValue() + 1) + suffix + " - 1" + suffix, Precedence::Additive};
    Expr expr{llvm::itostr(value.getSExtValue()) + suffix,
              value.isNegative() ? Precedence::Unary : Precedence::Primary};
    return width < 32 ? call(typeName(type, true), expr) : expr;
  }
  Expr expr{llvm::utostr(value.getZExtValue()) + (width == 64 ? "ul" : "u")};
  return width < 32 ? call(typeName(type), expr) : expr;
}

/// The fewest digits that read back as the same 16-bit number.
static std::string shortestDigits(const APFloat &value) {
  float wide = 0;
  {
    APFloat copy = value;
    bool loses;
    copy.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &loses);
    wide = copy.convertToFloat();
  }
  char buffer[32];
  if (value.isInteger() && std::abs(wide) < 1e6f) // 65504, not 6.55e+04
    return std::string(buffer, std::to_chars(buffer, buffer + sizeof(buffer), wide, std::chars_format::fixed).ptr);
  for (int digits = 1; digits < 9; ++digits) {
    auto end = std::to_chars(buffer, buffer + sizeof(buffer), wide, std::chars_format::general, digits);
    APFloat read(value.getSemantics());
    StringRef text(buffer, end.ptr - buffer);
    auto status = read.convertFromString(text, APFloat::rmNearestTiesToEven);
    if (!status)
      llvm::consumeError(status.takeError());
    else if (read.bitwiseIsEqual(value))
      return text.str();
  }
  llvm_unreachable("nine digits distinguish all 32-bit floats");
}

static Expr floatLiteral(const APFloat &value, Type type) {
  unsigned width = type.getIntOrFloatBitWidth();
  if (!value.isFinite()) { // no literals for these
    std::string bits = "0x" + llvm::utohexstr(value.bitcastToAPInt().getZExtValue(), /*LowerCase=*/true) + "u";
    return {"as_type<" + typeName(type) + ">(" + (width == 16 ? "ushort(" + bits + ")" : bits) + ")"};
  }
  std::string digits;
  if (width == 32) {
    char buffer[32];
    digits.assign(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value.convertToFloat()).ptr);
  } else {
    digits = shortestDigits(value);
  }
  if (digits.find_first_of(".e") == std::string::npos)
    digits += ".0";
  Precedence precedence = value.isNegative() ? Precedence::Unary : Precedence::Primary;
  if (type.isBF16())
    return {"bfloat(" + digits + "f)"};
  return {digits + (width == 16 ? "h" : "f"), precedence};
}

Expr literal(TypedAttr value, bool isSigned) {
  if (auto integer = dyn_cast<mlir::IntegerAttr>(value))
    return integerLiteral(integer.getValue(), integer.getType(), isSigned);
  if (auto number = dyn_cast<FloatAttr>(value))
    return floatLiteral(number.getValue(), number.getType());
  auto elements = cast<DenseElementsAttr>(value);
  SmallVector<Expr> parts;
  auto add = [&](Attribute element) { parts.push_back(literal(cast<TypedAttr>(element), isSigned)); };
  if (elements.isSplat())
    add(elements.getSplatValue<Attribute>());
  else
    llvm::for_each(elements.getValues<Attribute>(), add);
  if (elements.getNumElements() == 1)
    return parts.front();
  return call(typeName(elements.getType(), isSigned).c_str(), parts);
}

//===-- ops -----------------------------------------------------------------------------------------------------===//

const OperatorSpelling *findOperator(StringRef op) {
  using P = Precedence;
  static const OperatorSpelling table[] = {
      {"arith.addf", "+", P::Additive},
      {"arith.subf", "-", P::Additive},
      {"arith.mulf", "*", P::Multiplicative},
      {"arith.divf", "/", P::Multiplicative},
      {"arith.addi", "+", P::Additive},
      {"arith.subi", "-", P::Additive},
      {"arith.muli", "*", P::Multiplicative},
      {"arith.divui", "/", P::Multiplicative},
      {"arith.remui", "%", P::Multiplicative},
      {"arith.divsi", "/", P::Multiplicative, true},
      {"arith.remsi", "%", P::Multiplicative, true},
      {"arith.andi", "&", P::BitAnd},
      {"arith.ori", "|", P::BitOr},
      {"arith.xori", "^", P::BitXor},
      {"arith.shli", "<<", P::Shift},
      {"arith.shrui", ">>", P::Shift},
      {"arith.shrsi", ">>", P::Shift, true},
  };
  for (const OperatorSpelling &spelling : table)
    if (spelling.op == op)
      return &spelling;
  return nullptr;
}

const FunctionSpelling *findFunction(StringRef op) {
  static const FunctionSpelling table[] = {
      // fmax and fmin give the number if one operand is NaN, as maxnumf and minnumf do.
      {"arith.maxnumf", "fmax"},
      {"arith.minnumf", "fmin"},
      {"arith.maxui", "max"},
      {"arith.minui", "min"},
      {"arith.maxsi", "max", true},
      {"arith.minsi", "min", true},
      {"math.absi", "abs", true},
      {"math.absf", "fabs"},
      {"math.fma", "fma"},
      {"vector.fma", "fma"},
      {"math.floor", "floor"},
      {"math.ceil", "ceil"},
      {"math.trunc", "trunc"},
      {"math.roundeven", "rint"},
      {"math.ctpop", "popcount"},
      {"math.exp", "exp", false, true},
      {"math.exp2", "exp2", false, true},
      {"math.log", "log", false, true},
      {"math.log2", "log2", false, true},
      {"math.rsqrt", "rsqrt", false, true},
      {"math.sqrt", "sqrt", false, true},
      {"math.sin", "sin", false, true},
      {"math.cos", "cos", false, true},
      {"math.tanh", "tanh", false, true},
      {"math.powf", "pow", false, true},
  };
  for (const FunctionSpelling &spelling : table)
    if (spelling.op == op)
      return &spelling;
  return nullptr;
}

std::optional<ComparisonSpelling> findComparison(Operation *op) {
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    switch (compare.getPredicate()) {
    case arith::CmpIPredicate::eq:
      return {{"=="}};
    case arith::CmpIPredicate::ne:
      return {{"!="}};
    case arith::CmpIPredicate::ult:
      return {{"<"}};
    case arith::CmpIPredicate::ule:
      return {{"<="}};
    case arith::CmpIPredicate::ugt:
      return {{">"}};
    case arith::CmpIPredicate::uge:
      return {{">="}};
    case arith::CmpIPredicate::slt:
      return {{"<", true}};
    case arith::CmpIPredicate::sle:
      return {{"<=", true}};
    case arith::CmpIPredicate::sgt:
      return {{">", true}};
    case arith::CmpIPredicate::sge:
      return {{">=", true}};
    }
  // C++ comparisons are false where an operand is NaN, except !=, which is true.
  switch (cast<arith::CmpFOp>(op).getPredicate()) {
  case arith::CmpFPredicate::OEQ:
    return {{"=="}};
  case arith::CmpFPredicate::UNE:
    return {{"!="}};
  case arith::CmpFPredicate::OLT:
    return {{"<"}};
  case arith::CmpFPredicate::OLE:
    return {{"<="}};
  case arith::CmpFPredicate::OGT:
    return {{">"}};
  case arith::CmpFPredicate::OGE:
    return {{">="}};
  case arith::CmpFPredicate::ULT:
    return {{">=", false, true}};
  case arith::CmpFPredicate::ULE:
    return {{">", false, true}};
  case arith::CmpFPredicate::UGT:
    return {{"<=", false, true}};
  case arith::CmpFPredicate::UGE:
    return {{"<", false, true}};
  default:
    return std::nullopt;
  }
}

//===-- words ---------------------------------------------------------------------------------------------------===//

static llvm::StringSet<> reservedWords() {
  llvm::StringSet<> words;
  for (
      StringRef list :
      {// C++
       "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t class compl "
       "concept const const_cast constexpr continue decltype default delete do double dynamic_cast else enum explicit "
       "export extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr "
       "operator or or_eq private protected public register reinterpret_cast requires return short signed sizeof "
       "static "
       "static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename "
       "union "
       "unsigned using virtual void volatile wchar_t while xor xor_eq main",
       // MSL
       "kernel vertex fragment device constant threadgroup thread threadgroup_imageblock object_data ray_data metal "
       "half bfloat uchar ushort uint ulong size_t ptrdiff_t vec matrix as_type texture sampler atomic_uint atomic_int "
       "atomic_float atomic_bool mem_flags precise fast simd quad access address filter coord packed_float2 uniform "
       "simdgroup_matrix simdgroup_float8x8 simdgroup_half8x8 simdgroup_bfloat8x8 visible intersection mesh object "
       "INFINITY NAN HUGE_VALF MAXFLOAT M_PI_F memory_order_relaxed",
       // OpenCL C++
       "global local generic private pipe event_t sampler_t image1d_t image2d_t image3d_t queue_t ndrange_t "
       "clk_event_t reserve_id_t read_only write_only read_write complex imaginary quad addrspace_cast",
       // functions that the text calls or that are next to them
       "abs max min fmax fmin fabs fma floor ceil trunc rint round popcount clz ctz exp exp2 exp10 log log2 log10 "
       "rsqrt "
       "sqrt sin cos tan sinh cosh tanh pow powr mix step clamp select dot cross length normalize sign fract fmod "
       "isnan "
       "isinf saturate rotate any all simd_sum simd_max simd_min simd_shuffle simd_shuffle_xor simd_shuffle_up "
       "simd_shuffle_down simd_broadcast threadgroup_barrier simdgroup_barrier simdgroup_load simdgroup_store "
       "simdgroup_multiply simdgroup_multiply_accumulate make_filled_simdgroup_matrix atomic_fetch_add_explicit "
       "atomic_fetch_max_explicit atomic_fetch_min_explicit atomic_fetch_and_explicit atomic_fetch_or_explicit"}) {
    SmallVector<StringRef> parts;
    list.split(parts, ' ');
    words.insert(parts.begin(), parts.end());
  }
  for (StringRef scalar : {"char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "half", "float",
                           "bfloat", "bool", "double"})
    for (int width : {2, 3, 4, 8, 16}) {
      words.insert((scalar + Twine(width)).str());
      for (int rows : {2, 3, 4})
        words.insert((scalar + Twine(width) + "x" + Twine(rows)).str());
    }
  return words;
}

bool isReserved(StringRef word) {
  static const llvm::StringSet<> words = reservedWords();
  // Two underscores, or one and a capital, belong to the compiler.
  return words.contains(word) || word.starts_with("_") || word.contains("__");
}

bool isIdentifier(StringRef word) {
  return !word.empty() && !llvm::isDigit(word.front()) &&
         llvm::all_of(word, [](char c) { return llvm::isAlnum(c) || c == '_'; }) && !isReserved(word);
}

} // namespace tq::msl
