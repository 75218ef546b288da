//===- ReflectTest.cpp - Tokens, kernels, parameters ----------------------===//

#include "tests/metal/Reflect.h"
#include "tests/metal/Diagnostics.h"
#include "tests/metal/GoodCases.h"

#include <gtest/gtest.h>

using namespace tq;
using namespace tq::metal;

namespace {

TEST(Lexer, followsLineMarkers) {
  Tokens t = lex("# 1 \"kernel.metal\"\nint a;\n# 40 \"kernel.metal\" 2\nint b = 0x1p-3f + 1.5e+2;\n# 3 \"o.h\" 1\nc\n",
                 "kernel.metal");
  EXPECT_EQ(t[1], "a");
  EXPECT_EQ(t.line(1), 2 - 1);
  EXPECT_EQ(t[4], "b");
  EXPECT_EQ(t.line(4), 40);
  EXPECT_EQ(t[6], "0x1p-3f");
  EXPECT_EQ(t[8], "1.5e+2");
  EXPECT_EQ(t.all.back().line, 3);
  EXPECT_EQ(t.files[static_cast<size_t>(t.all.back().file)], "o.h");
}

TEST(Lexer, bracketsAndAngles) {
  Tokens t = lex("a[b[1]] vec<T, (1 > 0)> x; a < b && c > d", "f");
  EXPECT_EQ(t[t.closing(1)], "]]");
  size_t angle = 0;
  while (t[angle] != "<")
    ++angle;
  EXPECT_EQ(t[t.closingAngle(angle) + 1], "x");
  while (t[angle] != "&&")
    ++angle;
  EXPECT_EQ(t.closingAngle(angle - 2), t.size());
}

TEST(Reflection, parameters) {
  auto library = Library::compile(caseText("matvec.metal"), {.name = "matvec.metal"});
  ASSERT_TRUE(library.ok()) << library.message();
  const Kernel *k = library->find("matvec");
  ASSERT_NE(k, nullptr);
  EXPECT_EQ(k->maxTotalThreads, 1024u);
  EXPECT_EQ(k->threadgroupBytes, 0u);
  ASSERT_EQ(k->parameters.size(), 9u);
  const Parameter &w = k->parameters[0], &y = k->parameters[2], &p = k->parameters[3], &table = k->parameters[4],
                  &tg = k->parameters[5];
  EXPECT_EQ(w.kind, Parameter::Buffer);
  EXPECT_EQ(w.index, 0);
  EXPECT_EQ(w.type, "const uint*");
  EXPECT_TRUE(w.isConst);
  EXPECT_FALSE(w.isConstant);
  EXPECT_FALSE(y.isConst);
  EXPECT_EQ(p.type, "Params");
  EXPECT_TRUE(p.isConstant && p.isConst && p.isReference);
  EXPECT_EQ(table.kind, Parameter::ThreadgroupMemory);
  EXPECT_EQ(table.type, "float*");
  EXPECT_EQ(tg.kind, Parameter::Builtin);
  EXPECT_EQ(tg.builtin, "threadgroup_position_in_grid");
  EXPECT_EQ(tg.type, "uint");
}

TEST(Reflection, kernelsAndLimits) {
  auto library = Library::compile(caseText("gemm.metal"), {.name = "gemm.metal"});
  ASSERT_TRUE(library.ok()) << library.message();
  ASSERT_EQ(library->kernels().size(), 1u);
  EXPECT_EQ(library->kernels()[0].maxTotalThreads, 32u);
  EXPECT_EQ(library->kernels()[0].threadgroupBytes, 1024u);
  EXPECT_EQ(library->find("nothing"), nullptr);
}

/// A second compilation comes from the cache and says the same.
TEST(Reflection, survivesTheCache) {
  for (int i = 0; i < 2; ++i) {
    auto library = Library::compile(caseText("reduce.metal"), {.name = "again.metal"});
    ASSERT_TRUE(library.ok()) << library.message();
    ASSERT_EQ(library->kernels().size(), 2u);
    EXPECT_EQ(library->kernels()[0].name, "tree_sum");
    EXPECT_EQ(library->kernels()[0].threadgroupBytes, 1024u);
    EXPECT_EQ(library->kernels()[1].parameters[2].type, "uint");
  }
}

TEST(Diagnostics, speakMsl) {
  auto findings = readDiagnostics("kernel.metal:7:3: error: cannot cast '__global float *' to '__local float *' "
                                  "[-Wwhatever]\nkernel.metal:8:1: warning: unused [-Wunused-variable]\n"
                                  "kernel.metal:9:1: warning: variable 'x' is uninitialized [-Wuninitialized]\n",
                                  nullptr);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(format(findings[0], "a.metal"), "a.metal:7: error: cannot cast 'device float *' to 'threadgroup float *'");
  EXPECT_EQ(findings[1].line, 9);
}

} // namespace
