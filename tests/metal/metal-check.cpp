//===- metal-check.cpp - Is this Metal Shading Language, and is it right? -===//

#include "runtime/ReadFile.h"
#include "tests/metal/CaseRun.h"
#include "tests/metal/Tools.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

using namespace tq;
using namespace tq::metal;

namespace {

constexpr char kFooter[] = R"(
Without --case, every kernel of the text is compiled for this machine and linted: attributes, address spaces, types, what
MSL lacks, recursion, threadgroup memory. With --case, one kernel also runs, every memory access checked, in several orders
of its threads: data races, accesses out of bounds, reads of what nobody wrote, barriers and simdgroup functions that
not all threads reach, undefined operations, results that depend on the order, and results that miss what is expected.

CASE.json, with paths relative to it:
  {"kernel": "qmv3", "threadgroups": [8, 1, 1], "threads_per_threadgroup": [32, 2, 1], "threadgroup_memory": {"0": 32},
   "buffers": {"0": {"file": "w.bin"}, "3": {"size": 256, "fill": "nan"}, "4": {"u32": [1024, 64]}, "5": {"f32": [-1.7]}},
   "expect":  {"3": {"f32_file": "y.bin", "tolerance": 1e-4}}}
A buffer of a "size" is zero, or NaNs in every floating type with "fill": "nan". Both are values: a kernel may read them.
Numbers: u8 i8 u16 i16 u32 i32 u64 i64 f16 f32; expectations: the same, or with _file. A number is as expected if
|got - want| <= tolerance * (1 + |want|). "threads": [x, y, z] in place of "threadgroups" is a grid in threads.
"function_constants": {"0": 3, "1": true, "2": 0.5, "3": [1, 2]} gives values to function constants by their indices; a
kernel that reads one without a value is a finding.

Findings go to standard error as FILE:LINE: error: ..., with the line in the text.
Exit codes: 0 nothing found, 1 a finding or an unreadable file, 2 wrong usage.
Needs clang-22. Compiled kernels are kept in $XDG_CACHE_HOME/tq/metal or ~/.cache/tq/metal.)";

struct Options {
  std::string file, caseFile, standard = "3.1";
  double timeLimit = 10;
  bool timings = false, list = false;
};

int fail(const std::string &message, bool isFinding) {
  fprintf(stderr, "%s%s\n", isFinding ? "" : "error: ", message.c_str());
  return 1;
}

void listKernels(const Library &library) {
  for (const Kernel &kernel : library.kernels()) {
    printf("kernel %s: line %d, at most %u threads, %llu bytes of threadgroup memory\n", kernel.name.c_str(),
           kernel.line, kernel.maxTotalThreads, static_cast<unsigned long long>(kernel.threadgroupBytes));
    for (const Parameter &p : kernel.parameters)
      printf("  %s %s: %s%s%s\n",
             p.kind == Parameter::Builtin  ? p.builtin.c_str()
             : p.kind == Parameter::Buffer ? fmt::format("buffer({})", p.index).c_str()
                                           : fmt::format("threadgroup({})", p.index).c_str(),
             p.name.c_str(), p.isConstant ? "constant " : "", p.type.c_str(), p.isReference ? "&" : "");
  }
}

int check(const Options &options) {
  auto text = readFile(options.file, kAnySize);
  if (!text)
    return fail(text.message(), false);
  CompileOptions compile;
  compile.name = options.file;
  compile.run = !options.caseFile.empty();
  compile.version = (options.standard[0] - '0') * 100 + (options.standard[2] - '0') * 10;
  compile.includeFolder = std::filesystem::path(options.file).parent_path().string();
  if (compile.includeFolder.empty())
    compile.includeFolder = ".";
  Result<Case> launch = Case();
  if (!options.caseFile.empty())
    launch = readCase(options.caseFile);
  if (!launch)
    return fail(launch.message(), false);
  compile.functionConstants = launch->functionConstants;
  auto library = Library::compile(*text, compile);
  if (!library)
    return fail(library.message(), library.message().find(": error: ") != std::string::npos);
  if (options.list)
    listKernels(*library);
  if (!options.caseFile.empty()) {
    if (!library->find(launch->kernel))
      return fail(fmt::format("{}: {} has no kernel {}", options.caseFile, options.file, launch->kernel), false);
    Status status = runCase(*library, *launch, {options.timeLimit, options.timings});
    if (!status)
      return fail(status.error().message, status.error().message.find(": error: ") != std::string::npos);
  }
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  CLI::App app("Lints Metal Shading Language and, given a case, executes a kernel under a checker; no GPU takes part.");
  app.name("metal-check");
  app.add_option("file", options.file, "MSL text")->required()->type_name("FILE.metal");
  app.add_option("--case", options.caseFile, "run this launch, checked, in several orders")->type_name("CASE.json");
  app.add_option("--std", options.standard, "version of MSL")
      ->capture_default_str()
      ->check(CLI::IsMember({"3.0", "3.1", "3.2", "4.0"}));
  app.add_option("--time-limit", options.timeLimit, "processor seconds for a threadgroup; more is an endless loop")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 1e6));
  app.add_flag("--list", options.list, "print the kernels and their parameters");
  app.add_flag("--timings", options.timings, "print how long each run took");
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &e) {
    int code = app.exit(e);
    return code == 0 ? 0 : 2;
  }
  return check(options);
}
