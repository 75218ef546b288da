//===- Build.cpp - From MSL text to a shared object -----------------------===//

#include "tests/metal/Build.h"

#include "runtime/ReadFile.h"
#include "tests/metal/BuildCache.h"
#include "tests/metal/Diagnostics.h"
#include "tests/metal/Instrument.h"
#include "tests/metal/IrAccesses.h"
#include "tests/metal/Lints.h"
#include "tests/metal/References.h"
#include "tests/metal/Rewrite.h"
#include "tests/metal/Tools.h"
#include "tests/metal/TypeNames.h"
#include "tests/metal/Uninitialised.h"

#include <fmt/format.h>

#include <algorithm>

using namespace tq;
using namespace tq::metal;

namespace {

/// A change to what is generated must change this.
constexpr char kFormat[] = "24";

/// Of casts to scalars: an expression's operators become valid one after the other.
constexpr int kMostRounds = 20;

/// Half is there, double is not, and no variables outside of functions but constants.
constexpr char kExtensions[] = "-cl-ext=+cl_khr_fp16,-__opencl_c_pipes,-__opencl_c_device_enqueue,"
                               "-__opencl_c_program_scope_global_variables,-cl_khr_fp64,-__opencl_c_fp64";

/// Code for the machine that runs it, in a shared object.
const char *const kMachine[] = {
#if defined(__aarch64__)
    "--target=aarch64-unknown-linux-gnu",
    "-mcpu=native",
#else
    "--target=x86_64-unknown-linux-gnu",
    "-march=native",
    "-mprefer-vector-width=256",
#endif
    "-fPIC",
};

/// C++ for OpenCL with the host's instructions. The generic address space stays on, because clang returns structs by
/// it; pointers without a space are for Lints.cpp to find.
std::vector<std::string> frontEnd(const std::string &clang, const CompileOptions &options) {
  std::vector<std::string> command = {
      clang,
      "-x",
      "clcpp",
      "-cl-std=clc++2021",
      "-cl-no-stdinc",
      "-nostdinc",
      "-cl-single-precision-constant",
      "-ffp-contract=fast",
      "-fstack-clash-protection", // large frames meet the guard page instead of jumping over it
      "-fno-finite-loops",        // an endless loop is for the watchdog, not to be optimised away
      "-fvisibility=hidden",      // names of kernels, which hold types, are in nobody's way: see MachineCode.h
      "-fstrict-flex-arrays=3",   // an array at the end of a struct has its length
      "-Xclang",
      kExtensions,
      "-Xclang",
      "-ffloat16-excess-precision=none",
      "-Xclang",
      "-fbfloat16-excess-precision=none",
      fmt::format("-D__METAL_VERSION__={}", options.version),
      fmt::format("-D__MSL_CHECKED={}", options.checked ? 1 : 0),
      "-gline-tables-only",
      options.checked ? "-O1" : "-O2",
  };
  command.insert(command.end(), std::begin(kMachine), std::end(kMachine));
  if (options.checked)
    for (const char *flag :
         {"-Xclang", "-ffake-address-space-map", "-fsanitize=thread",
          "-fsanitize=alignment,null,bounds,shift,integer-divide-by-zero,float-cast-overflow,signed-integer-overflow",
          "-fno-sanitize-recover=all", "-fno-sanitize-merge", "-fno-sanitize-trap=local-bounds",
          "-ftrivial-auto-var-init=pattern",
          "-fno-optimize-sibling-calls"}) // a tail call would lose the line of a finding
      command.push_back(flag);
  return command;
}

const char *const kWarnings[] = {
    "-Wall",
    "-Wconditional-uninitialized",
    "-Wc++20-extensions",
    "-Wvla",
    "-Wzero-length-array",
    "-Wimplicit-float-conversion",
    "-Wdouble-promotion",
    "-Wno-unknown-attributes",
    "-Wno-ignored-attributes",
    "-Wno-unknown-pragmas",
    "-fno-caret-diagnostics",
    "-fdiagnostics-print-source-range-info",
    "-fno-elide-type",
    "-ferror-limit=100",
};

class Builder {
public:
  Builder(std::string_view text, const CompileOptions &options) : text(text), options(options) {}

  Result<BuiltLibrary> run() {
    TQ_TRY_ASSIGN(clang, findClang());
    TQ_TRY_ASSIGN(shim, installShim());
    std::string constants;
    for (const auto &[index, value] : options.functionConstants)
      constants += fmt::format("{}={};", index, value);
    std::string key = hashOf(fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", kFormat, shim.hash, options.checked,
                                         options.run, options.version, constants, clang, text));
    bool cached = options.cached && text.find("#include \"") == text.npos; // what is included could change
    if (cached)
      if (auto library = loadBuild(key))
        return *std::move(library);
    if (!scratch.ok())
      return Error{"cannot compile Metal text: no folder for temporary files can be written"};
    TQ_TRY(preprocess());
    TQ_TRY(readText());
    TQ_TRY(compile());
    TQ_TRY(optimise());
    if (cached)
      storeBuild(key, library);
    return std::move(library);
  }

private:
  Error failure(const std::vector<Finding> &findings) const { return Error{format(findings, options.name)}; }
  Error failure(int line, std::string message) const {
    return failure(std::vector<Finding>{{line, reflection.whereIs(line), std::move(message), ""}});
  }

  /// The name of a kernel, for what is wrong before there are tokens.
  std::string firstKernel() const {
    Tokens raw = lex(text, kTextFile);
    for (size_t i = 0; i + 2 < raw.size(); ++i)
      if (raw[i] == "kernel" && raw[i + 1] == "void")
        return "kernel " + std::string(raw[i + 2]);
    return "";
  }

  Status preprocess() {
    TQ_TRY(writeBytes(scratch.path(kTextFile), text));
    std::vector<std::string> command = {clang,
                                        "-E",
                                        "-x",
                                        "clcpp",
                                        "-cl-std=clc++2021",
                                        "-cl-no-stdinc",
                                        "-nostdinc",
                                        "-fno-caret-diagnostics",
                                        "-Wno-unknown-pragmas",
                                        "-isystem",
                                        shim.folder + "/headers",
                                        fmt::format("-D__METAL_VERSION__={}", options.version),
                                        "-D__METAL__=1",
                                        "-D__HAVE_BFLOAT__=1"};
    if (!options.includeFolder.empty())
      command.push_back("-I" + options.includeFolder);
    command.push_back(scratch.path(kTextFile));
    TQ_TRY_ASSIGN(auto output, runTool(command, scratch.path()));
    std::string folder = scratch.path() + "/";
    for (std::string *part : {&output.out, &output.error}) // the text's name without the folder's
      for (size_t at = part->find(folder); at != part->npos; at = part->find(folder, at))
        part->erase(at, folder.size());
    if (output.code != 0) {
      auto findings = readDiagnostics(output.error, nullptr);
      for (Finding &f : findings)
        f.where = firstKernel();
      return findings.empty() ? Error{fmt::format("{}: clang -E ended with code {}", options.name, output.code)}
                              : failure(findings);
    }
    preprocessed = std::move(output.out);
    return Status();
  }

  Status readText() {
    // `at` points into the line markers that clang wrote.
    bool included = preprocessed.find(shim.folder + "/headers/") != preprocessed.npos;
    tokens = lex(preprocessed, kTextFile);
    if (auto findings = lintBrackets(tokens, preprocessed); !findings.empty()) {
      findings[0].where = firstKernel();
      return failure(findings);
    }
    reflection = reflect(tokens, options.functionConstants);
    if (!included) {
      int line = tokens.size() ? tokens.line(0) : 1;
      return failure({{line, reflection.whereIs(line), "the text does not #include <metal_stdlib>", ""}});
    }
    std::vector<Finding> findings = reflection.findings;
    for (auto more : {lint(tokens, reflection, options.version), lintBfloats(tokens, reflection),
                      lintMembers(tokens, reflection, options.version), lintArguments(tokens, reflection)})
      findings.insert(findings.end(), more.begin(), more.end());
    if (!findings.empty())
      return failure(findings);
    if (std::ranges::none_of(reflection.functions, &FunctionText::isKernel))
      return failure(1, "the text has no kernel");
    library.deviceShift = smallestElement(tokens, "device");
    library.threadgroupShift = smallestElement(tokens, "threadgroup");
    for (const KernelText &k : reflection.kernels)
      library.kernels.push_back(k.kernel);
    return Status();
  }

  Status compile() {
    auto command = frontEnd(clang, options);
    TQ_TRY_ASSIGN(std::string pch, precompiledShim(shim, command, options.checked ? "checked" : "fast"));
    std::string source = rewrite(preprocessed, tokens, reflection);
    TQ_TRY(writeBytes(scratch.path("rewritten.cl"), source));
    for (const char *flag : kWarnings)
      command.push_back(flag);
    if (options.version < 400) // MSL 4 is C++17
      command.push_back("-Wpre-c++17-compat");
    for (const std::string &word :
         {std::string("-Xclang"), std::string("-include-pch"), std::string("-Xclang"), pch, std::string("-Xclang"),
          std::string("-disable-llvm-passes"), std::string("-fno-discard-value-names"), std::string("-emit-llvm"),
          std::string("-S"), std::string("-o"), scratch.path("front.ll"), scratch.path("rewritten.cl")})
      command.push_back(word);
    TQ_TRY_ASSIGN(auto output, runTool(command, scratch.path()));
    for (int round = 0; round < kMostRounds && convertScalars(source, output.error); ++round) {
      TQ_TRY(writeBytes(scratch.path("rewritten.cl"), source));
      TQ_TRY_ASSIGN(output, runTool(command, scratch.path()));
    }
    auto findings = readDiagnostics(output.error, &reflection);
    watched = excuse(findings, tokens, reflection, options.run);
    if (!findings.empty())
      return failure(findings);
    if (output.code != 0)
      return failure(
          1, fmt::format("clang ended with code {}: {}", output.code, output.error.substr(0, output.error.find('\n'))));
    return Status();
  }

  Status optimise() {
    TQ_TRY_ASSIGN(std::string ir, readFile(scratch.path("front.ll"), kAnySize));
    readReferences(ir, library.kernels);
    if (options.checked)
      ir = watchReads(tellAccesses(ir), watched);
    Instrumented instrumented = instrument(ir, tokens, reflection, options.checked);
    if (!instrumented.findings.empty())
      return failure(instrumented.findings);
    TQ_TRY(writeBytes(scratch.path("kernel.ll"), instrumented.ir));
    std::vector<std::string> command = {clang,
                                        "-x",
                                        "ir",
                                        scratch.path("kernel.ll"),
                                        "-shared",
                                        "-nostdlib",
                                        "-fuse-ld=lld",
                                        "-w",
                                        options.checked ? "-O1" : "-O2",
                                        "-o",
                                        scratch.path("kernel.so")};
    command.insert(command.end(), std::begin(kMachine), std::end(kMachine));
    if (options.checked)
      for (const char *flag : {"-fsanitize=thread", "-fno-vectorize", "-fno-slp-vectorize", "-mllvm",
                               "-tsan-instrument-read-before-write=1", "-mllvm", "-tsan-instrument-func-entry-exit=0"})
        command.push_back(flag);
    TQ_TRY_ASSIGN(auto output, runTool(command, scratch.path()));
    if (output.code != 0)
      return failure(1, fmt::format("clang ended with code {} on the checked IR: {}", output.code,
                                    output.error.substr(0, output.error.find('\n'))));
    TQ_TRY_ASSIGN(library.object, readFile(scratch.path("kernel.so"), kAnySize));
    return Status();
  }

  std::string_view text;
  const CompileOptions &options;
  std::string clang, preprocessed;
  Shim shim;
  TemporaryDirectory scratch;
  Tokens tokens;
  Reflection reflection;
  std::vector<Watched> watched;
  BuiltLibrary library;
};

} // namespace

Result<BuiltLibrary> tq::metal::build(std::string_view text, const CompileOptions &options) {
  return Builder(text, options).run();
}
