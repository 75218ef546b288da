//===- tq-compile.cpp - The compiler's command line -----------------------===//
// Exit codes: 0 done (--plan: fits), 1 the input or the machine is at fault, 2 usage.

#include "codegen/Compiler.h"
#include "codegen/Summary.h"
#include "runtime/AtomicDirectory.h"
#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <unistd.h>

using namespace tq;

namespace {
struct Arguments {
  CompileOptions compile;
  std::string scale = "search", activations = "int8", kv = "auto", protect, targets = "host", cpus;
  bool activationsGiven = false, plan = false, explain = false, json = false;
};

constexpr const char *kFooter = R"(examples:
  tq-compile models/llama -o llama.tqpkg --weights=tq4
  tq-compile models/llama -o small.tqpkg --weights=tq3 --attn-bits 4 --embed-bits 6
  tq-compile models/llama --plan --weights=tq4 --context 8192
  tq-compile models/llama --until-after=fuse > fuse.mlir)";

/// "0-1,30" -> {0, 1, 30}; false if it is not such a list.
bool parseLayers(const std::string &text, llvm::SmallVector<int64_t> &layers) {
  for (llvm::StringRef part : llvm::split(text, ',')) {
    auto [from, to] = part.split('-');
    int64_t first, last;
    if (from.getAsInteger(10, first) || (to.empty() ? (last = first, false) : to.getAsInteger(10, last)) || first < 0 ||
        last < first || last > 100000)
      return false;
    for (int64_t layer = first; layer <= last; ++layer)
      layers.push_back(layer);
  }
  return true;
}

/// One line that is rewritten, on a terminal only.
class ProgressBar {
public:
  ProgressBar() : shown(isatty(2)), start(std::chrono::steady_clock::now()) {}
  ~ProgressBar() { clear(); }
  void operator()(uint64_t done, uint64_t total, const std::string &what) {
    auto now = std::chrono::steady_clock::now();
    if (!shown || (total && done < total && now - last < std::chrono::milliseconds(100)))
      return;
    last = now;
    if (!total) {
      fmt::print(stderr, "\r\033[K{} …", what);
    } else {
      double seconds = std::chrono::duration<double>(now - start).count(),
             rate = double(done) / std::max(seconds, 1e-3);
      int filled = int(30 * done / total);
      fmt::print(stderr, "\r\033[K{} [{:=<{}}{: <{}}] {} of {}, {}/s, {:.0f} s left", what, "", filled, "", 30 - filled,
                 bytesText(done), bytesText(total), bytesText(uint64_t(rate)),
                 double(total - done) / std::max(rate, 1.0));
    }
    std::fflush(stderr);
    dirty = true;
  }
  void clear() {
    if (dirty)
      fmt::print(stderr, "\r\033[K");
    dirty = false;
  }

private:
  bool shown, dirty = false;
  std::chrono::steady_clock::time_point start, last;
};

void addOptions(CLI::App &app, Arguments &a) {
  CompileOptions &c = a.compile;
  QuantizeWeightsOptions &w = c.pipeline.weights;
  app.add_option("MODEL", c.model, "checkpoint directory: config.json and safetensors")->required();
  app.add_option("-o,--output", c.package.output, "package to write (default: MODEL's name with .tqpkg)");
  app.add_flag("--force", c.package.force, "replace an existing package");
  app.add_option("--weights", w.weights, "keep, f16, bf16, tq2, tq3, tq4 (rotated codebook), q2..q8 (affine)")
      ->default_str("keep");
  app.add_option("--group-size", w.group, "columns that share a scale: 16, 32, 64, 128")->default_str("64");
  app.add_option("--attn-bits", w.attnBits, "bits of attention weights, within the family of --weights");
  app.add_option("--mlp-bits", w.mlpBits, "bits of MLP weights, within the family of --weights");
  app.add_option("--head-bits", w.headBits, "affine bits of an untied head (default: as --weights)");
  app.add_option("--embed-bits", w.embedBits, "affine bits of the embedding and a tied head (default: float)");
  app.add_option("--protect-layers", a.protect, "layers that stay float, e.g. 0-1,30-31");
  app.add_option("--rotation", w.rotation, "hadamard or none")->default_str("hadamard");
  app.add_option("--seed", w.seed, "seed of the rotation's signs")->default_str("42");
  app.add_option("--scale", a.scale, "search (least squared error) or rms (as the formats' own tools)")
      ->check(CLI::IsMember({"search", "rms"}))
      ->default_str("search");
  app.add_option("--activations", a.activations, "of quantised layers on a CPU: int8, int16 or f32")
      ->check(CLI::IsMember({"int8", "int16", "f32"}))
      ->default_str("int8");
  app.add_option("--kv", a.kv, "keys and values: f16 or f32 (auto: f32 with --activations=f32, else f16)")
      ->check(CLI::IsMember({"auto", "f16", "f32"}))
      ->default_str("auto");
  app.add_option("--target", a.targets, "devices, comma-separated: host, metal; they share the weights")
      ->default_str("host");
  app.add_option("--cpu", a.cpus,
                 "for --target=host: instruction sets, comma-separated: host, x86-64-amx, x86-64-avx512, x86-64-v3, "
                 "aarch64-dotprod")
      ->default_str("host");
  app.add_option("--context", c.package.context, "most positions the package serves (default: the model's)")
      ->check(CLI::PositiveNumber);
  app.add_option("--threads", c.package.threads, "threads for quantising (default: all cores)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--plan", a.plan,
               "print the memory plan from headers alone, write nothing; exit 0 if it fits this machine, else 1");
  app.add_flag("--explain", a.explain,
               "print the static cost of every Metal kernel and predicted times per chip, write nothing");
  app.add_flag("--json", a.json, "one JSON object on stdout instead of the summary");
  app.add_option("--until-after", c.untilAfter,
                 "stop after a phase and print its IR: import, rotate, fuse, schedule, kernels, emit")
      ->check(CLI::IsMember({"import", "rotate", "fuse", "schedule", "kernels", "emit"}));
  app.add_option("--dump-phases", c.dumpDirectory, "write the IR after every phase to DIR/<n>-<phase>.mlir");
  app.add_option("--continue-from", c.continueFrom, "start from a file of --dump-phases instead of importing");
  app.set_version_flag("--version", "tq " TQ_VERSION);
  app.footer(kFooter);
}

int usage(const std::string &text) {
  fmt::print(stderr, "error: {}; see tq-compile --help\n", text);
  return 2;
}

int fail(const std::string &text) {
  fmt::print(stderr, "error: {}\n", text);
  return 1;
}

/// All of it, or an error: a full disk is noticed here and not at exit.
int print(const std::string &text) {
  bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  return std::fflush(stdout) == 0 && whole ? 0 : fail("cannot write to the standard output");
}

/// What a run of the passes would refuse only later, as usage errors.
std::string checkUsage(Arguments &a) {
  CompileOptions &c = a.compile;
  QuantizeWeightsOptions &w = c.pipeline.weights;
  if (std::string fault = faultOf(w); !fault.empty())
    return "--" + fault; // an option of the pass has the name of the command line's
  if (!a.protect.empty() && !parseLayers(a.protect, w.protectLayers))
    return "--protect-layers must be a list like 0-1,30-31, but is '" + a.protect + "'";
  for (llvm::StringRef target : llvm::split(a.targets, ',')) {
    if (target != "host" && target != "metal")
      return "--target " + target.str() + " is not supported; there are host and metal";
    if (!llvm::is_contained(c.devices, target))
      c.devices.push_back(target.str());
  }
  if (!a.cpus.empty() && !llvm::is_contained(c.devices, "host"))
    return "--cpu is about device host, but --target is " + a.targets + "; give --target=host," + a.targets;
  return "";
}

int run(Arguments &a) {
  CompileOptions &c = a.compile;
  if (std::string why = checkUsage(a); !why.empty())
    return usage(why);
  if (!a.cpus.empty())
    for (llvm::StringRef cpu : llvm::split(a.cpus, ','))
      c.cpus.push_back(cpu.str());
  c.scale = a.scale == "rms" ? ScaleRule::Rms : ScaleRule::Search;
  c.pipeline.activations.activations = a.activations;
  // The f32 path is the exact one, so its state is, too.
  c.pipeline.states.k = c.pipeline.states.v = a.kv != "auto" ? a.kv : a.activations == "f32" ? "f32" : "f16";
  while (c.model.size() > 1 && c.model.back() == '/')
    c.model.pop_back();
  std::error_code ec;
  if (c.package.output.empty()) // named after the folder even where that is "."
    c.package.output = std::filesystem::weakly_canonical(c.model, ec).filename().string() + ".tqpkg";

  ProgressBar bar;
  c.package.progress = [&](uint64_t done, uint64_t total, const std::string &what) { bar(done, total, what); };
  auto start = std::chrono::steady_clock::now();
  Compiler compiler(c);
  auto warn = [&] {
    bar.clear();
    for (const std::string &warning : compiler.warnings())
      fmt::print(stderr, "warning: {}\n", warning);
  };
  if (!c.untilAfter.empty() || a.explain) {
    Result<std::string> text = a.explain ? compiler.explain() : compiler.print();
    warn();
    if (!text)
      return fail(text.message());
    return print(*text);
  }
  AtomicDirectory::cleanUpOnInterrupt();
  Result<CompileSummary> summary = a.plan ? compiler.plan() : compiler.compile();
  warn();
  if (!summary)
    return fail(summary.message());
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!a.plan && llvm::none_of(summary->manifest.files, [](const File &f) { return f.name == "tokenizer.json"; }))
    fmt::print(stderr, "warning: {}: no tokenizer.json; tq-run will take --token-ids only\n", c.model);
  if (summary->floatOnly && a.activationsGiven && a.activations != "f32")
    fmt::print(stderr, "note: --activations {} has no effect: no weight is quantised\n", a.activations);
  Footprint footprint = footprintOf(summary->manifest);
  bool fits = footprint.total() <= availableMemory();
  if (a.json) {
    if (int code = print(summaryJson(*summary, footprint, seconds, a.plan, fits) + "\n"))
      return code;
  } else {
    fmt::print(stderr, "{}", summaryText(*summary, footprint, c, seconds, a.plan, fits));
  }
  return a.plan && !fits ? 1 : 0;
}
} // namespace

int main(int argc, char **argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN); // a full quota is an error of write(), not a signal
  CLI::App app("Compiles a checkpoint ahead of time into a package that tq-run executes.", "tq-compile");
  Arguments arguments;
  addOptions(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  arguments.activationsGiven = app.count("--activations") > 0;
  return run(arguments);
}
