//===- MetalCheckTest.cpp - metal-check from outside ----------------------===//

#include "tests/metal/GoodCases.h"
#include "tests/metal/Tools.h"

#include <gtest/gtest.h>

using namespace tq;
using namespace tq::metal;

namespace {

class MetalCheck : public testing::Test {
protected:
  ToolOutput run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), TQ_TOOLS "/metal-check");
    auto output = runTool(arguments, folder.path());
    EXPECT_TRUE(output.ok());
    return output ? *output : ToolOutput();
  }
  std::string file(const std::string &name, const std::string &text) {
    EXPECT_TRUE(writeBytes(folder.path(name), text).ok());
    return folder.path(name);
  }
  /// Runs a case over a kernel that doubles four floats.
  ToolOutput runCase(const std::string &json) {
    std::string metal = file("double.metal", "#include <metal_stdlib>\nusing namespace metal;\n\n"
                                             "kernel void twice(device const float *x [[buffer(0)]],\n"
                                             "                  device float *y [[buffer(1)]],\n"
                                             "                  uint i [[thread_position_in_grid]]) {\n"
                                             "  y[i] = 2.0f * x[i];\n}\n");
    return run({metal, "--case", file("case.json", json)});
  }
  static std::string launch(const std::string &rest) {
    return R"({"kernel": "twice", "threadgroups": [2], "threads_per_threadgroup": [2, 1, 1], )" + rest + "}";
  }
  void expectError(const std::string &json, const std::string &sentence) {
    ToolOutput output = runCase(json);
    EXPECT_EQ(output.code, 1);
    EXPECT_NE(output.error.find(sentence), std::string::npos) << output.error;
    EXPECT_EQ(std::count(output.error.begin(), output.error.end(), '\n'), 1) << output.error;
  }

  TemporaryDirectory folder;
};

TEST_F(MetalCheck, acceptsGoodText) {
  for (const char *name : {"matvec", "reduce", "vectors", "gemm", "dialect"}) {
    ToolOutput output = run({std::string(TQ_METAL_CASES) + "/" + name + ".metal"});
    EXPECT_EQ(output.code, 0) << output.error;
    EXPECT_EQ(output.error, "");
  }
}

TEST_F(MetalCheck, usage) {
  EXPECT_EQ(run({}).code, 2);
  EXPECT_EQ(run({"--no-such-option"}).code, 2);
  EXPECT_EQ(run({"a.metal", "--std", "9"}).code, 2);
  ToolOutput help = run({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char *word : {"FILE.metal", "--case", "CASE.json", "Exit codes", "clang-22"})
    EXPECT_NE(help.out.find(word), std::string::npos) << word;
}

TEST_F(MetalCheck, newerCppInMetal4) {
  std::string path = file("if.metal", "#include <metal_stdlib>\nusing namespace metal;\n"
                                      "kernel void f(device float *x [[buffer(0)]]) {\n"
                                      "  if (uint i = 1u; i < 2u)\n    x[i] = 1.0f;\n"
                                      "  if constexpr (sizeof(float) == 4)\n    x[0] = 2.0f;\n}\n");
  ToolOutput older = run({path, "--std", "3.2"}), newer = run({path, "--std", "4.0"});
  EXPECT_EQ(older.code, 1);
  for (const char *line : {":4: error: kernel f: if init", ":6: error: kernel f: constexpr if"})
    EXPECT_NE(older.error.find(path + line), std::string::npos) << older.error;
  EXPECT_EQ(newer.code, 0) << newer.error;
}

TEST_F(MetalCheck, missingFile) {
  ToolOutput output = run({folder.path("none.metal")});
  EXPECT_EQ(output.code, 1);
  EXPECT_EQ(output.error, "error: " + folder.path("none.metal") + ": cannot read: No such file or directory\n");
}

TEST_F(MetalCheck, findingsNameFileAndLine) {
  std::string path = file("bad.metal", "#include <metal_stdlib>\nusing namespace metal;\n"
                                       "kernel void f(device float *x [[buffer(0)]]) {\n  x[0] = frobnicate(1);\n}\n");
  ToolOutput output = run({path});
  EXPECT_EQ(output.code, 1);
  EXPECT_TRUE(output.error.starts_with(path + ":4: error: kernel f: use of undeclared identifier 'frobnicate'"))
      << output.error;
}

TEST_F(MetalCheck, includesBesideTheText) {
  file("helper.h", "static float three() { return 3.0f; }\n");
  std::string head = "#include <metal_stdlib>\nusing namespace metal;\n#include \"helper.h\"\n";
  EXPECT_EQ(run({file("good.metal", head + "kernel void f(device float *x [[buffer(0)]]) { x[0] = three(); }\n")}).code,
            0);
}

TEST_F(MetalCheck, runsACase) {
  ASSERT_TRUE(writeBytes(folder.path("x.bin"), std::string(16, '\0')).ok());
  std::string good = launch(R"("buffers": {"0": {"file": "x.bin"}, "1": {"size": 16, "fill": "nan"}},
                               "expect": {"1": {"f32": [0, 0, 0, 0]}})");
  ToolOutput output = runCase(good);
  EXPECT_EQ(output.code, 0) << output.error;
  output = runCase(launch(R"("buffers": {"0": {"f32": [1, 2, 3, 4]}, "1": {"size": 16}},
                             "expect": {"1": {"f32": [2, 4, 6, 8.0001], "tolerance": 1e-4}})"));
  EXPECT_EQ(output.code, 0) << output.error;
}

TEST_F(MetalCheck, expectationFailure) {
  ToolOutput output = runCase(launch(R"("buffers": {"0": {"f32": [1, 2, 3, 4]}, "1": {"size": 16, "fill": "nan"}},
                                        "expect": {"1": {"f32": [2, 4, 6.5, 8], "tolerance": 1e-4}})"));
  EXPECT_EQ(output.code, 1);
  EXPECT_EQ(output.error, folder.path("double.metal") +
                              ":4: error: kernel twice: buffer(1)[2] is 6, but 6.5 is expected (tolerance 0.0001)\n");
}

TEST_F(MetalCheck, runFindings) {
  ToolOutput output = runCase(launch(R"("buffers": {"0": {"f32": [1, 2, 3]}, "1": {"size": 16}})"));
  EXPECT_EQ(output.code, 1);
  EXPECT_TRUE(output.error.starts_with(folder.path("double.metal") + ":7: error: kernel twice: out of bounds"))
      << output.error;
}

TEST_F(MetalCheck, functionConstants) {
  std::string metal =
      file("constants.metal", "#include <metal_stdlib>\nusing namespace metal;\n"
                              "constant int n [[function_constant(70)]];\n"
                              "constant bool b [[function_constant(1)]];\n"
                              "constant float2 v [[function_constant(2)]];\n"
                              "kernel void f(device float *x [[buffer(0)]]) { x[0] = b ? n + v.y : 0; }\n");
  std::string json = R"({"kernel": "f", "threadgroups": [1], "threads_per_threadgroup": [1],
                         "buffers": {"0": {"size": 4}}, "expect": {"0": {"f32": [-1.5]}}, "function_constants": {)";
  ToolOutput output = run({metal, "--case", file("right.json", json + R"("70": -4, "1": true, "2": [1, 2.5]}})")});
  EXPECT_EQ(output.code, 0) << output.error;
  output = run({metal, "--case", file("wrong.json", json + R"("1": true, "2": [1, 2.5]}})")});
  EXPECT_EQ(output.code, 1);
  EXPECT_TRUE(output.error.starts_with(metal + ":6: error: kernel f: thread 0: function constant 'n' has no value"))
      << output.error;
  EXPECT_EQ(run({metal}).code, 0);
}

TEST_F(MetalCheck, caseErrors) {
  expectError("{", "is not JSON");
  expectError("[]", "must hold one object");
  expectError(R"({"threadgroups": [1], "threads_per_threadgroup": [1]})", "has no \"kernel\"");
  expectError(R"({"kernel": "twice", "threads_per_threadgroup": [1]})", "has no \"threadgroups\"");
  expectError(R"({"kernel": "twice", "threadgroups": [1]})", "has no \"threads_per_threadgroup\"");
  expectError(R"({"kernel": 3})", "kernel: must be a name");
  expectError(R"({"kernel": "twice", "threadgroups": "8"})", "threadgroups: must be 1 to 3 positive numbers");
  expectError(R"({"kernel": "twice", "threadgroups": [0]})", "threadgroups: must be 1 to 3 positive numbers");
  expectError(R"({"kernel": "thrice", "threadgroups": [1], "threads_per_threadgroup": [1]})", "has no kernel thrice");
  expectError(launch(R"("bufers": {})"), "bufers: unknown key");
  expectError(launch(R"("function_constants": {"0": "x"})"), "function_constants.0: must be a number, true or false");
  expectError(launch(R"("function_constants": {"0": []})"), "function_constants.0: is empty");
  expectError(launch(R"("function_constants": {"65536": 1})"), "65536: an index must be 0 to 65535");
  expectError(launch(R"("buffers": [])"), "buffers: must be an object of indices");
  expectError(launch(R"("buffers": {"x": {}})"), "buffers.x: an index must be 0 to 30");
  expectError(launch(R"("buffers": {"31": {}})"), "buffers.31: an index must be 0 to 30");
  expectError(launch(R"("buffers": {"0": {}})"), "buffers.0: must have one of");
  expectError(launch(R"("buffers": {"0": {"file": "none.bin"}})"), "none.bin: cannot read");
  expectError(launch(R"("buffers": {"0": {"file": 3}})"), "buffers.0.file: must be a path");
  expectError(launch(R"("buffers": {"0": {"size": -1}})"), "buffers.0.size: must be a number of bytes");
  expectError(launch(R"("buffers": {"0": {"size": 4, "fill": "ones"}})"), "buffers.0.fill: must be");
  expectError(launch(R"("buffers": {"0": {"u32": [1, -1]}})"), "entry 1, -1, is no u32");
  expectError(launch(R"("buffers": {"0": {"u32": 1}})"), "must be a list of numbers");
  expectError(launch(R"("buffers": {"0": {"f64": [1]}})"), "buffers.0.f64: unknown key");
  expectError(launch(R"("buffers": {"0": {"u32": []}})"), "buffers.0: is empty");
  expectError(launch(R"("threadgroup_memory": {"0": "x"})"), "threadgroup_memory.0: must be a number of bytes");
  expectError(launch(R"("buffers": {"0": {"size": 16}, "1": {"size": 16}}, "expect": {"2": {"f32": [1]}})"),
              "expect.2: there is no such buffer");
  expectError(launch(R"("buffers": {"0": {"size": 16}, "1": {"size": 16}}, "expect": {"1": {"f32": [1, 2, 3, 4, 5]}})"),
              "20 bytes are expected of a buffer of 16");
  expectError(launch(R"("buffers": {"0": {"size": 16}}, "expect": {"0": {"tolerance": 1}})"), "must have one list");
  expectError(launch(R"("buffers": {"0": {"size": 16}}, "expect": {"0": {"f32": [1], "tolerance": -1}})"),
              "tolerance: must be a number");
}

} // namespace
