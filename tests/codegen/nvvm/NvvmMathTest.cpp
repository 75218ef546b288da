//===- NvvmMathTest.cpp - The math of PTX kernels against libm ------------===//
// NvvmMath.cpp runs on this processor: everything in it is IEEE arithmetic except PTX's approximate instructions. These
// are modelled as their exact value with a relative or absolute error, which is none, or at both ends of what the PTX ISA
// manual states for each (the larger bound where editions differ). Bounds are in units in the last place of the result.

#include "codegen/nvvm/CompileNvvm.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace {
constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max(), kTiny = std::numeric_limits<float>::denorm_min();

//===-- PTX's instructions --------------------------------------------------------------------------------------===//

double side = 0;            ///< -1, 0 or 1: the errors of all instructions
bool angleTooLarge = false; ///< of sin or cos, beyond the range of their bound

float ex2(float x) { return float(std::exp2(double(x)) * (1 + side * 0x1p-22)); }
float lg2(float x) { // absolute near 1, where the result is small
  double exact = std::log2(double(x));
  return float(x > 0.5f && x < 2 ? exact + side * 0x1p-22 : exact * (1 + side * 0x1p-22));
}
float rsqrt(float x) { return float(1 / std::sqrt(double(x)) * (1 + side * std::exp2(-22.4))); }
float sine(float x) {
  angleTooLarge |= std::abs(x) > 6.28f;
  return float(std::sin(double(x)) + side * std::exp2(-20.5));
}
float cosine(float x) {
  angleTooLarge |= std::abs(x) > 6.28f;
  return float(std::cos(double(x)) + side * std::exp2(-20.5));
}
constexpr struct {
  const char *intrinsic;
  float (*model)(float);
} kInstructions[] = {{"llvm.nvvm.ex2.approx.f32", ex2},
                     {"llvm.nvvm.lg2.approx.f", lg2},
                     {"llvm.nvvm.rsqrt.approx.f", rsqrt},
                     {"llvm.nvvm.sin.approx.f", sine},
                     {"llvm.nvvm.cos.approx.f", cosine}};

//===-- The functions -------------------------------------------------------------------------------------------===//

class NvvmMath : public testing::Test {
protected:
  void SetUp() override {
    side = 0;
    angleTooLarge = false;
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    auto context = std::make_unique<llvm::LLVMContext>();
    llvm::SMDiagnostic diagnostic;
    auto module = llvm::parseAssemblyString(tq::kNvvmMath, diagnostic, *context);
    ASSERT_TRUE(module) << diagnostic.getMessage().str();
    for (llvm::Function &f : *module)
      if (f.getName().starts_with("llvm.nvvm.")) {
        auto *found = std::find_if(std::begin(kInstructions), std::end(kInstructions),
                                   [&](auto &i) { return f.getName() == i.intrinsic; });
        ASSERT_NE(found, std::end(kInstructions)) << "no model of " << f.getName().str();
        f.setName("model." + std::string(found->intrinsic));
      } else if (f.getName() == "reduce_angle")
        f.setLinkage(llvm::Function::InternalLinkage);
    jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
    module->setDataLayout(jit->getDataLayout());
    module->setTargetTriple(jit->getTargetTriple());
    llvm::orc::JITDylib &library = jit->getMainJITDylib();
    llvm::orc::SymbolMap models;
    for (auto &[intrinsic, model] : kInstructions)
      models[jit->mangleAndIntern(std::string("model.") + intrinsic)] = {llvm::orc::ExecutorAddr::fromPtr(model),
                                                                         llvm::JITSymbolFlags::Exported};
    llvm::cantFail(library.define(llvm::orc::absoluteSymbols(std::move(models))));
    library.addGenerator(llvm::cantFail(llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
        jit->getDataLayout().getGlobalPrefix()))); // fmaf and the like, where the processor lacks an instruction
    llvm::cantFail(jit->addIRModule(llvm::orc::ThreadSafeModule(std::move(module), std::move(context))));
  }

  template <class Function = float(float)> Function *get(const std::string &name) {
    return llvm::cantFail(jit->lookup(name)).toPtr<Function *>();
  }

  /// The largest error over floats of every exponent between `low` and `high`, beyond `absolute`, in ulp.
  double worst(const std::string &name, double (*exact)(double), float low, float high, double absolute = 0) {
    auto *function = get(name);
    double worst = 0;
    for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += 30011) {
      float x = std::bit_cast<float>(uint32_t(bits));
      if (!(x >= low && x <= high))
        continue;
      double want = exact(x), got = function(x);
      if (std::abs(want) > kLargest) // rounds to infinity, or is within an ulp of it
        want = std::copysign(double(kInf), want);
      double size = std::max(std::abs(want), double(std::numeric_limits<float>::min()));
      double ulp = std::ldexp(1, std::ilogb(size) - 23);
      double error = want == got ? 0 : (std::abs(got - want) - absolute) / ulp;
      if (!(error <= worst)) {
        worst = error;
        at = x;
      }
    }
    return worst;
  }

  /// With exact instructions, and with the largest error of each; errors that are absolute come on top.
  void expectWithin(const std::string &name, double (*exact)(double), float low, float high, double ulps,
                    double approximateUlps, double absolute = 0, double approximateAbsolute = 0) {
    for (double s : {-1, 1, 0}) {
      side = s;
      double error = worst(name, exact, low, high, s ? approximateAbsolute : absolute);
      EXPECT_LE(error, s ? approximateUlps : ulps) << name << " at " << at << ", instructions off by " << s;
      RecordProperty(name + (s < 0 ? "_low" : s > 0 ? "_high" : ""), std::to_string(error));
    }
    EXPECT_FALSE(angleTooLarge) << name;
  }

  /// Bits, except that any NaN will do.
  void expectIs(const std::string &name, std::initializer_list<std::pair<float, float>> pairs) {
    auto *function = get(name);
    for (auto [x, want] : pairs) {
      float got = function(x);
      EXPECT_TRUE(std::isnan(want) ? std::isnan(got) : std::bit_cast<uint32_t>(got) == std::bit_cast<uint32_t>(want))
          << name << "(" << x << ") is " << got << ", not " << want;
    }
  }

  std::unique_ptr<llvm::orc::LLJIT> jit;
  float at = 0;
};

TEST_F(NvvmMath, Exp) {
  // Three factors of 2^-22 each; without them, the rounding of products only.
  expectWithin("__nv_expf", std::exp, -110, 90, 2, 16);
  expectIs("__nv_expf", {{0.f, 1}, {-0.f, 1}, {kTiny, 1}, {89, kInf}, {1e30f, kInf}, {kLargest, kInf}, {kInf, kInf}});
  expectIs("__nv_expf", {{-104, 0}, {-129, 0}, {-1e30f, 0}, {-kLargest, 0}, {-kInf, 0}, {kNaN, kNaN}});
}

TEST_F(NvvmMath, Exp2) {
  expectWithin("__nv_exp2f", std::exp2, -kInf, kInf, 0.51, 5);
  expectIs("__nv_exp2f", {{0.f, 1}, {-0.f, 1}, {127, 0x1p127f}, {-149, kTiny}, {128, kInf}, {-1e30f, 0}, {kNaN, kNaN}});
}

TEST_F(NvvmMath, Log) {
  expectWithin("__nv_log2f", std::log2, kTiny, kLargest, 0.51, 5, 0, 0x1p-22);
  expectWithin("__nv_logf", std::log, kTiny, kLargest, 2, 7, 0, 0x1p-22);
  for (const char *name : {"__nv_logf", "__nv_log2f"})
    expectIs(name, {{1, 0}, {0.f, -kInf}, {-0.f, -kInf}, {kInf, kInf}, {-1, kNaN}, {-kInf, kNaN}, {kNaN, kNaN}});
}

TEST_F(NvvmMath, Rsqrt) {
  expectWithin("__nv_rsqrtf", [](double x) { return 1 / std::sqrt(x); }, kTiny, kLargest, 0.51, 4);
  expectIs("__nv_rsqrtf", {{0.f, kInf}, {-0.f, -kInf}, {4, 0.5f}, {kInf, 0}, {-1, kNaN}, {kNaN, kNaN}});
}

TEST_F(NvvmMath, Tanh) {
  expectWithin("__nv_tanhf", std::tanh, -kInf, kInf, 6, 52);
  expectIs("__nv_tanhf", {{0.f, 0.f}, {-0.f, -0.f}, {kTiny, kTiny}, {-kTiny, -kTiny}, {kLargest, 1}, {-kLargest, -1}});
  expectIs("__nv_tanhf", {{kInf, 1}, {-kInf, -1}, {kNaN, kNaN}});
}

TEST_F(NvvmMath, SinAndCos) {
  // Angles of rotary embeddings: a position, up to 2^20. Errors are absolute: that of the reduced angle, rounded twice.
  expectWithin("__nv_sinf", std::sin, -0x1p20f, 0x1p20f, 1, 1, 0x1p-22, 0x1p-20);
  expectWithin("__nv_cosf", std::cos, -0x1p20f, 0x1p20f, 1, 1, 0x1p-22, 0x1p-20);
  expectIs("__nv_sinf", {{0.f, 0.f}, {kInf, kNaN}, {-kInf, kNaN}, {kNaN, kNaN}});
  expectIs("__nv_cosf", {{0.f, 1}, {-0.f, 1}, {kInf, kNaN}, {-kInf, kNaN}, {kNaN, kNaN}});
}

TEST_F(NvvmMath, Pow) {
  // No more than 2^(y log2 x): the error grows with the exponent, here up to 30 in magnitude.
  auto *power = get<float(float, float)>("__nv_powf");
  for (float y : {-2.f, -0.5f, 0.25f, 1.f, 2.f, 3.f})
    for (float x = 0.01f; x < 1000; x *= 1.01f) {
      double want = std::pow(double(x), double(y));
      EXPECT_NEAR(power(x, y), want, want * 0x1p-18) << x << "^" << y;
    }
}

TEST_F(NvvmMath, ExactFunctions) {
  expectWithin("__nv_sqrtf", std::sqrt, 0, kLargest, 0.51, 0.51);
  expectIs("__nv_sqrtf", {{-0.f, -0.f}, {kInf, kInf}, {-1, kNaN}});
  expectWithin("__nv_fabsf", std::fabs, -kInf, kInf, 0, 0);
  expectWithin("__nv_floorf", std::floor, -kInf, kInf, 0, 0);
  expectWithin("__nv_ceilf", std::ceil, -kInf, kInf, 0, 0);
  expectWithin("__nv_truncf", std::trunc, -kInf, kInf, 0, 0);
  expectWithin("__nv_rintf", std::nearbyint, -kInf, kInf, 0, 0);
  expectIs("__nv_rintf", {{0.5f, 0}, {1.5f, 2}, {2.5f, 2}, {-2.5f, -2}, {kNaN, kNaN}});
  auto *larger = get<float(float, float)>("__nv_fmaxf"), *smaller = get<float(float, float)>("__nv_fminf");
  EXPECT_EQ(larger(kNaN, 2), 2);
  EXPECT_EQ(smaller(3, kNaN), 3);
  EXPECT_EQ(larger(-kInf, -kLargest), -kLargest);
  EXPECT_EQ(smaller(1, 2), 1);
  EXPECT_EQ(get<float(float, float, float)>("__nv_fmaf")(1 + 0x1p-12f, 1 + 0x1p-12f, -1), 0x1p-11f + 0x1p-24f);
  EXPECT_EQ(get<int(int)>("__nv_abs")(-7), 7);
}
} // namespace
