//===- PropertyTest.cpp - Identities that passes rely on ------------------===//
// Exact in real arithmetic, so two functions of one module must agree to f64 rounding on random numbers:
//   inverse rotation after rotation is nothing; linear does not see a rotation of both sides; a norm's gain moves into the
//   next matrix, a rotation then moves before the norm; attention does not see a rotation of both q and k, nor a window
//   that is as long as the context; rows of a matrix are independent.

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "tests/reference/Interpreter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <regex>

using namespace tq;
using namespace tq::reference;

namespace {

/// A module from text, with $name replaced by sizes, and random numbers for it.
class Module {
public:
  Module(std::string text, const std::map<std::string, int64_t> &sizes, unsigned seed = 1) : random(seed) {
    // Longest names first: $kn must not be read as $k.
    for (auto it = sizes.rbegin(); it != sizes.rend(); ++it)
      text = std::regex_replace(text, std::regex("\\$" + it->first), std::to_string(it->second));
    context.loadDialect<TQDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    if (!module)
      throw std::runtime_error("the test's module does not parse");
  }

  Tensor<double> normal(std::vector<int64_t> shape) {
    auto x = Tensor<double>::zeros(std::move(shape));
    for (double &value : x.values)
      value = std::normal_distribution<double>()(random);
    return x;
  }
  Tensor<double> signs(int64_t size) {
    auto x = Tensor<double>::zeros({size});
    for (double &value : x.values)
      value = random() % 2 ? 1 : -1;
    return x;
  }

  std::vector<double> run(llvm::StringRef function, std::vector<Interpreter<double>::Value> arguments) {
    Interpreter<double> interpreter(*module, weights);
    return std::get<Tensor<double>>(interpreter.call(function, std::move(arguments)).at(0)).values;
  }

  void canonicalize() {
    mlir::PassManager passes(&context);
    passes.addPass(mlir::createCanonicalizerPass());
    ASSERT_TRUE(mlir::succeeded(passes.run(*module)));
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
  MapWeights weights;
  std::mt19937 random;
};

void expectNear(const std::vector<double> &a, const std::vector<double> &b, double tolerance = 1e-12) {
  ASSERT_EQ(a.size(), b.size());
  double largest = 0;
  for (double value : a)
    largest = std::max(largest, std::abs(value));
  EXPECT_GT(largest, 0);
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_NEAR(a[i], b[i], tolerance * std::max(1.0, largest)) << "at " << i;
}

/// Width and block: powers of two, and 12, 20, 28 times them, whole rows and several blocks.
class Rotations : public testing::TestWithParam<std::pair<int64_t, int64_t>> {};
INSTANTIATE_TEST_SUITE_P(Blocks, Rotations,
                         testing::Values(std::pair(64, 64), std::pair(96, 32), std::pair(48, 48), std::pair(96, 12),
                                         std::pair(80, 80), std::pair(80, 20), std::pair(56, 56), std::pair(224, 112),
                                         std::pair(16, 1)));

} // namespace

TEST_P(Rotations, InverseUndoesForward) {
  auto [k, block] = GetParam();
  Module m(R"(
    func.func @f(%x: tensor<?x$kxf32>, %s: tensor<$kxf32>) -> tensor<?x$kxf32> {
      %a = tq.rotate %x, %s : tensor<$kxf32> block $b : tensor<?x$kxf32> -> tensor<?x$kxf32>
      %b = tq.rotate %a, %s : tensor<$kxf32> block $b inverse : tensor<?x$kxf32> -> tensor<?x$kxf32>
      return %b : tensor<?x$kxf32>
    }
    func.func @g(%x: tensor<?x$kxf32>, %s: tensor<$kxf32>) -> tensor<?x$kxf32> {
      %a = tq.rotate %x, %s : tensor<$kxf32> block $b inverse : tensor<?x$kxf32> -> tensor<?x$kxf32>
      %b = tq.rotate %a, %s : tensor<$kxf32> block $b : tensor<?x$kxf32> -> tensor<?x$kxf32>
      return %b : tensor<?x$kxf32>
    })",
           {{"k", k}, {"b", block}});
  Tensor<double> x = m.normal({3, k}), s = m.signs(k);
  expectNear(x.values, m.run("f", {x, s}));
  expectNear(x.values, m.run("g", {x, s}));
}

TEST_P(Rotations, LinearDoesNotSeeARotationOfBothSides) {
  auto [k, block] = GetParam();
  Module m(R"(
    tq.rotation @r dim $k block $b from "signs"
    func.func @plain(%x: tensor<?x$kxf32>, %w: tensor<24x$kxf32>) -> tensor<?x24xf32> {
      %y = tq.linear %x, %w : (tensor<?x$kxf32>, tensor<24x$kxf32>) -> tensor<?x24xf32>
      return %y : tensor<?x24xf32>
    }
    func.func @rotated(%x: tensor<?x$kxf32>, %w: tensor<24x$kxf32>) -> tensor<?x24xf32> {
      %a = tq.rotate %x by @r : tensor<?x$kxf32> -> tensor<?x$kxf32, #tq.basis<@r>>
      %v = tq.rotate %w by @r : tensor<24x$kxf32> -> tensor<24x$kxf32, #tq.basis<@r>>
      %y = tq.linear %a, %v : (tensor<?x$kxf32, #tq.basis<@r>>, tensor<24x$kxf32, #tq.basis<@r>>) -> tensor<?x24xf32>
      return %y : tensor<?x24xf32>
    })",
           {{"k", k}, {"b", block}});
  Tensor<double> x = m.normal({3, k}), w = m.normal({24, k}), s = m.signs(k);
  m.weights.byName["r"].assign(s.values.begin(), s.values.end());
  expectNear(m.run("plain", {x, w}), m.run("rotated", {x, w}));
}

TEST_P(Rotations, WeightlessNormKeepsTheBasis) {
  auto [k, block] = GetParam();
  Module m(R"(
    func.func @after(%x: tensor<?x$kxf32>, %s: tensor<$kxf32>) -> tensor<?x$kxf32> {
      %n = tq.rms_norm %x {eps = 1.0e-3 : f32} : tensor<?x$kxf32> -> tensor<?x$kxf32>
      %r = tq.rotate %n, %s : tensor<$kxf32> block $b : tensor<?x$kxf32> -> tensor<?x$kxf32>
      return %r : tensor<?x$kxf32>
    }
    func.func @before(%x: tensor<?x$kxf32>, %s: tensor<$kxf32>) -> tensor<?x$kxf32> {
      %r = tq.rotate %x, %s : tensor<$kxf32> block $b : tensor<?x$kxf32> -> tensor<?x$kxf32>
      %n = tq.rms_norm %r {eps = 1.0e-3 : f32} : tensor<?x$kxf32> -> tensor<?x$kxf32>
      return %n : tensor<?x$kxf32>
    })",
           {{"k", k}, {"b", block}});
  Tensor<double> x = m.normal({3, k}), s = m.signs(k);
  expectNear(m.run("after", {x, s}), m.run("before", {x, s}));
}

TEST_P(Rotations, CanonicalFormMeansTheSame) {
  auto [k, block] = GetParam();
  Module m(R"(
    tq.rotation @r dim $k block $b from "signs"
    func.func @f(%x: tensor<?x$kxf32>, %y: tensor<?x$kxf32>) -> tensor<?x$kxf32, #tq.basis<@r>> {
      %a = tq.rotate %x by @r : tensor<?x$kxf32> -> tensor<?x$kxf32, #tq.basis<@r>>
      %b = tq.rotate %y by @r : tensor<?x$kxf32> -> tensor<?x$kxf32, #tq.basis<@r>>
      %c = tq.rotate %b by @r inverse : tensor<?x$kxf32, #tq.basis<@r>> -> tensor<?x$kxf32>
      %d = tq.rotate %c by @r : tensor<?x$kxf32> -> tensor<?x$kxf32, #tq.basis<@r>>
      %s = arith.addf %a, %d : tensor<?x$kxf32, #tq.basis<@r>>
      return %s : tensor<?x$kxf32, #tq.basis<@r>>
    })",
           {{"k", k}, {"b", block}});
  Tensor<double> x = m.normal({3, k}), y = m.normal({3, k}), s = m.signs(k);
  m.weights.byName["r"].assign(s.values.begin(), s.values.end());
  std::vector<double> before = m.run("f", {x, y});
  m.canonicalize();
  int rotations = 0;
  m.module->walk([&](RotateOp) { ++rotations; });
  EXPECT_EQ(rotations, 1);
  expectNear(before, m.run("f", {x, y}));
}

TEST(Norms, GainMovesIntoTheNextMatrix) {
  Module m(R"(
    func.func @plain(%x: tensor<?x48xf32>, %g: tensor<48xf32>, %w: tensor<16x48xf32>) -> tensor<?x16xf32> {
      %n = tq.rms_norm %x, %g : tensor<48xf32> {eps = 1.0e-5 : f32} : tensor<?x48xf32> -> tensor<?x48xf32>
      %y = tq.linear %n, %w : (tensor<?x48xf32>, tensor<16x48xf32>) -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    }
    func.func @folded(%x: tensor<?x48xf32>, %w: tensor<16x48xf32>) -> tensor<?x16xf32> {
      %n = tq.rms_norm %x {eps = 1.0e-5 : f32} : tensor<?x48xf32> -> tensor<?x48xf32>
      %y = tq.linear %n, %w : (tensor<?x48xf32>, tensor<16x48xf32>) -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    })",
           {});
  Tensor<double> x = m.normal({5, 48}), g = m.normal({48}), w = m.normal({16, 48}), folded = w;
  for (int64_t n = 0; n < 16; ++n)
    for (int64_t k = 0; k < 48; ++k)
      folded.row(n)[k] *= g.values[k];
  expectNear(m.run("plain", {x, g, w}), m.run("folded", {x, folded}));
}

TEST(Linears, RowsOfAMatrixAreIndependent) {
  Module m(R"(
    func.func @f(%x: tensor<?x32xf32>, %w: tensor<$nx32xf32>) -> tensor<?x$nxf32> {
      %y = tq.linear %x, %w : (tensor<?x32xf32>, tensor<$nx32xf32>) -> tensor<?x$nxf32>
      return %y : tensor<?x$nxf32>
    })",
           {{"n", 24}});
  Tensor<double> x = m.normal({3, 32}), w = m.normal({24, 32});
  Tensor<double> top{{10, 32}, {w.row(0), w.row(10)}}, bottom{{14, 32}, {w.row(10), w.row(24)}};
  std::vector<double> whole = m.run("f", {x, w}), first = m.run("f", {x, top}), second = m.run("f", {x, bottom}),
                      joined;
  for (int64_t t = 0; t < 3; ++t) {
    joined.insert(joined.end(), first.begin() + t * 10, first.begin() + (t + 1) * 10);
    joined.insert(joined.end(), second.begin() + t * 14, second.begin() + (t + 1) * 14);
  }
  EXPECT_EQ(whole, joined); // to the last bit: the order of the sum does not depend on the row
}

namespace {
constexpr int64_t kTokens = 11;
const char *const attention = R"(
  tq.state @kv : !tq.kv<heads = 2, k = 48, v = 32, kEncoding = #tq.dense<f32>, vEncoding = #tq.dense<f32>>
  func.func @f(%q: tensor<?x4x48xf32>, %k: tensor<?x2x48xf32>, %v: tensor<?x2x32xf32>, %pos: tensor<?xi32>,
               %s: tensor<48xf32>) -> tensor<?x4x32xf32> {
    %kv = tq.get_state @kv : !tq.kv<heads = 2, k = 48, v = 32, kEncoding = #tq.dense<f32>, vEncoding = #tq.dense<f32>>
    $rotate
    tq.kv_append %kv, $k, %v, %pos : !tq.kv<heads = 2, k = 48, v = 32, kEncoding = #tq.dense<f32>, vEncoding = #tq.dense<f32>>, tensor<?x2x48xf32>, tensor<?x2x32xf32>, tensor<?xi32>
    %y = tq.sdpa $q, %kv, %pos {scale = 0.2 : f32, window = $window : i64} : (tensor<?x4x48xf32>, !tq.kv<heads = 2, k = 48, v = 32, kEncoding = #tq.dense<f32>, vEncoding = #tq.dense<f32>>, tensor<?xi32>) -> tensor<?x4x32xf32>
    return %y : tensor<?x4x32xf32>
  })";

std::vector<double> attend(int64_t window, bool rotated) {
  std::string text = attention;
  auto replace = [&](const char *name, const std::string &with) {
    text = std::regex_replace(text, std::regex(name), with);
  };
  replace("\\$rotate",
          rotated ? "%qr = tq.rotate %q, %s : tensor<48xf32> block 24 : tensor<?x4x48xf32> -> tensor<?x4x48xf32>\n"
                    "%kr = tq.rotate %k, %s : tensor<48xf32> block 24 : tensor<?x2x48xf32> -> tensor<?x2x48xf32>"
                  : "");
  replace("\\$k", rotated ? "%kr" : "%k");
  replace("\\$q", rotated ? "%qr" : "%q");
  Module m(text, {{"window", window}});
  Ids positions;
  for (int64_t t = 0; t < kTokens; ++t)
    positions.push_back(int32_t(t));
  Tensor<double> q = m.normal({kTokens, 4, 48}), k = m.normal({kTokens, 2, 48}), v = m.normal({kTokens, 2, 32});
  return m.run("f", {q, k, v, positions, m.signs(48)});
}
} // namespace

TEST(Attention, WindowAsLongAsTheContextIsCausal) {
  std::vector<double> causal = attend(0, false);
  EXPECT_EQ(causal, attend(kTokens, false));
  EXPECT_EQ(causal, attend(1000, false));
  EXPECT_NE(causal, attend(kTokens - 1, false));
}

TEST(Attention, DoesNotSeeARotationOfQueriesAndKeys) { expectNear(attend(5, false), attend(5, true)); }
