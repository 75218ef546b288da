//===- RunOptions.cpp - The command line of tq-run ------------------------===//
// The one file of the runtime built with exceptions: CLI11 reports by them.
//===----------------------------------------------------------------------===//

#include "runtime/RunOptions.h"

#include "runtime/Process.h"
#include "runtime/Sampler.h"
#include "runtime/ThreadPool.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unistd.h>

using namespace tq;

namespace {

constexpr char kExamples[] = R"(
Examples:
  tq-run story.tqpkg -p "<|endoftext|>Once upon a time" -n 200 --temp 0.8 --seed 1
  echo "Once upon a time" | tq-run story.tqpkg -n 50
  tq-run assistant.tqpkg --chat
  tq-run story.tqpkg --token-ids 5,17,3 -n 8 --temp 0 --logits out.safetensors
  tq-run story.tqpkg --perplexity text.txt --ctx 256 --json
  tq-run story.tqpkg --bench pp128,tg128 --threads 2
  tq-run checkpoints/story -p "Once"      compiles into the cache first

The text, or with --json one object, goes to standard output; all else to standard error.
Exit codes: 0 done, 1 the input or the machine is at fault, 2 wrong usage.)";

std::optional<std::vector<int32_t>> parseIds(const std::string &list) {
  std::vector<int32_t> ids;
  const char *at = list.data(), *end = at + list.size();
  while (at != end) {
    int32_t id;
    auto [stop, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (stop != end && (*stop != ',' || stop + 1 == end)))
      return std::nullopt;
    ids.push_back(id);
    at = stop == end ? end : stop + 1;
  }
  return ids;
}

/// Options whose text needs a second look.
struct Raw {
  std::string tokenIds, bench;
};

/// Options under one heading of --help; "" hides them.
class Group {
public:
  Group(CLI::App &app, std::string heading) : app(app), heading(std::move(heading)) {}
  template <class T> CLI::Option *option(const char *name, T &value, const char *help) {
    return app.add_option(name, value, help)->group(heading);
  }
  CLI::Option *flag(const char *name, bool &value, const char *help) {
    return app.add_flag(name, value, help)->group(heading);
  }

private:
  CLI::App &app;
  std::string heading;
};

void addModes(CLI::App &app, RunOptions &options, Raw &raw) {
  Group group(app, "What to do (default: continue standard input)");
  group.option("-p,--prompt", options.prompt, "continue this text")->type_name("TEXT");
  group.flag("--chat", options.chat, "talk, through the model's chat template");
  group.option("--token-ids", raw.tokenIds, "continue these tokens; needs no tokenizer")->type_name("5,17,3");
  group
      .option("--perplexity", options.perplexity,
              "measure on this file: windows of --ctx tokens, the second half of each scored")
      ->type_name("FILE");
  group
      .option("--bench", raw.bench,
              "measure speed: pp512 a prompt of 512 tokens, tg128 text of 128, tg32@4096 of 32 after 4096")
      ->type_name("pp512,tg128");
  group.flag("--metal-selftest", options.metalSelftest,
             "run every Metal kernel once and compare with stored outputs (--device=metal)");
  group.flag("--metal-selftest-record", options.metalSelftestRecord,
             "store the outputs, on a machine without a Mac's GPU (--device=metal-checked)");
}

void addSampling(CLI::App &app, RunOptions &options) {
  Group group(app, "Text (sampling defaults come from the package)");
  group.option("-n,--max-tokens", options.maxTokens, "most tokens to generate (default: until the context is full)")
      ->check(CLI::NonNegativeNumber);
  group.option("--temp", options.temperature, "temperature; 0 takes the best token")
      ->check(CLI::Range(0.0, kMostTemperature));
  group.option("--top-k", options.topK, "keep the K best; 0: all")->check(CLI::NonNegativeNumber);
  group.option("--top-p", options.topP, "keep the fewest that sum to P")->check(CLI::Range(0.0, 1.0));
  group.option("--min-p", options.minP, "drop those below P times the best")->check(CLI::Range(0.0, 1.0));
  group.option("--rep-penalty", options.repetitionPenalty, "penalty for tokens that were there; 1: none")
      ->check(CLI::Range(kLeastPenalty, kMostPenalty));
  group.option("--rep-ctx", options.repetitionContext, "tokens that the penalty looks back")
      ->capture_default_str()
      ->check(CLI::Range(int64_t(0), int64_t(1) << 30));
  group.option("--min-tokens", options.minTokens, "no end of text before that many tokens")
      ->check(CLI::NonNegativeNumber);
  group.option("--stop", options.stops, "end before this text; may be repeated")
      ->type_name("TEXT")
      ->take_all()
      ->type_size(1)
      ->expected(1);
  group.option("--seed", options.seed, "of the random numbers");
  group.flag("--ignore-eos", options.ignoreEos, "go on after an end of text");
  group.flag("--echo", options.echo, "print the prompt too");
}

constexpr char kMachine[] = "Machine";

void addMachine(CLI::App &app, RunOptions &options) {
  Group group(app, kMachine);
  group.option("--threads", options.threads, "default: physical cores")->check(CLI::Range(1, kMaxThreads));
  group.option("--context", options.context, "positions to serve (default: the package's)")->check(CLI::PositiveNumber);
  group.option("--chunk", options.chunk, "most tokens of a prompt per step")->check(CLI::PositiveNumber);
  group.option("--ctx", options.window, "window of --perplexity (default: 512, or the context)")
      ->check(CLI::PositiveNumber);
  group
      .option("--device", options.device,
              "host, metal; for a look at Metal kernels without a Mac: metal-emulated executes them on the CPU, "
              "metal-checked also finds races and accesses out of bounds")
      ->capture_default_str();
  group.option("--cpu", options.cpu, "with --device=host: the package's target of that name");
  group.flag("--verify", options.verify, "check the weights' hashes, whatever their size; alone, do only that");
  // For tests: hand out the pages of the states in a shuffled order.
  Group(app, "").option("--shuffle-pages", options.shufflePages, "");
}

void addMetal(CLI::App &app, RunOptions &options) {
  Group group(app, kMachine);
  group.option("--capture", options.capture, "with --device=metal: write a GPU trace for Xcode")->type_name("FILE");
  group.flag("--metal-eager", options.metalEager,
             "with --device=metal: make all pipelines at the start, so that a kernel that the GPU refuses is known at "
             "once; otherwise when first needed");
  group
      .option("--metal-archive", options.metalArchive,
              "with --device=metal: keep compiled pipelines in this folder, for a faster next start")
      ->type_name("DIR");
  group
      .option("--metal-selftest-file", options.selftestFile,
              "the stored outputs (default: selftest.json in the package)")
      ->type_name("FILE");
}

void addOutput(CLI::App &app, RunOptions &options) {
  Group group(app, "Output");
  group.flag("--json", options.json, "one JSON object");
  group.option("--logits", options.logits, "write token ids and logits (safetensors)")->type_name("FILE");
  group.option("--trace", options.trace, "write the time of every launch (Chrome trace format)")->type_name("FILE");
}

void addOptions(CLI::App &app, RunOptions &options, Raw &raw) {
  app.add_option("package", options.package, "a package (.tqpkg), or a checkpoint to compile first")
      ->required()
      ->type_name("PACKAGE");
  addModes(app, options, raw);
  addSampling(app, options);
  addMachine(app, options);
  addMetal(app, options);
  addOutput(app, options);
  app.footer(kExamples);
}

/// What is wrong with options that the mode makes nothing of, if anything.
std::string settleMode(const RunOptions &options, const CLI::App &app) {
  bool selftest = options.metalSelftest || options.metalSelftestRecord;
  bool text = options.prompt || options.standardInput;
  if (app.count("--ctx") && !options.perplexity)
    return "--ctx belongs to --perplexity; the session's size is --context";
  if (!options.logits.empty() && !text && !options.tokenIds)
    return "--logits belongs to -p, --token-ids or text from standard input";
  if (!options.trace.empty() && (selftest || options.verifyOnly))
    return "--trace belongs to a run of the model, which --metal-selftest and --verify alone are not";
  if (options.echo && !text)
    return "--echo belongs to -p or text from standard input";
  if (options.json && options.chat)
    return "--chat and --json exclude each other";
  if (options.json && options.echo)
    return "--echo and --json exclude each other";
  if (app.count("--metal-selftest-file") && !selftest)
    return "--metal-selftest-file belongs to --metal-selftest and --metal-selftest-record";
  return "";
}

/// Chooses a device for the self-test; what is wrong with it, if anything.
std::string settleDevice(RunOptions &options, const CLI::App &app) {
  if (!app.count("--device") && options.metalSelftest)
    options.device = "metal";
  if (!app.count("--device") && options.metalSelftestRecord)
    options.device = "metal-checked"; // a record should hold no race
  for (const char *name : {"--capture", "--metal-eager", "--metal-archive"})
    if (app.count(name) && options.device != "metal")
      return fmt::format("{} belongs to --device=metal", name);
  const char *devices[] = {"host", "metal", "metal-emulated", "metal-checked"};
  if (std::ranges::find(devices, options.device) == std::end(devices))
    return fmt::format("--device: '{}' is none of host, metal, metal-emulated and metal-checked", options.device);
  if ((options.metalSelftest || options.metalSelftestRecord) && options.device == "host")
    return fmt::format("--metal-selftest{} runs Metal's kernels: give a --device of metal, metal-emulated or "
                       "metal-checked",
                       options.metalSelftestRecord ? "-record" : "");
  // A record is compared with the host's outputs.
  if (app.count("--cpu") && options.device != "host" && !options.metalSelftestRecord)
    return "--cpu belongs to --device=host";
  return "";
}

/// What is wrong with the combination, if anything.
std::string settle(RunOptions &options, const CLI::App &app, const Raw &raw) {
  std::vector<std::string> modes;
  for (const char *name :
       {"--prompt", "--chat", "--token-ids", "--perplexity", "--bench", "--metal-selftest", "--metal-selftest-record"})
    if (app.count(name))
      modes.push_back(name);
  if (modes.size() > 1)
    return fmt::format("{} and {} exclude each other", modes[0], modes[1]);
  options.verifyOnly = modes.empty() && options.verify;
  options.standardInput = modes.empty() && !options.verify;
  if (app.count("--token-ids")) {
    options.tokenIds = parseIds(raw.tokenIds);
    if (!options.tokenIds)
      return fmt::format("--token-ids: '{}' is no list such as 5,17,3", raw.tokenIds);
  }
  if (app.count("--bench")) {
    auto cases = parseBench(raw.bench);
    if (!cases)
      return "--bench: " + cases.message();
    options.bench = *cases;
  }
  for (const std::string &fault : {settleMode(options, app), settleDevice(options, app)})
    if (!fault.empty())
      return fault;
  if (options.standardInput && isatty(STDIN_FILENO))
    return "nothing to do: give -p TEXT, --chat, or text on standard input";
  return "";
}

} // namespace

std::optional<int> tq::parseRunOptions(int argc, char **argv, RunOptions &options) {
  CLI::App app("Runs a compiled language model.", "tq-run");
  app.set_version_flag("--version", TQ_VERSION);
  Raw raw;
  addOptions(app, options, raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) {
    app.exit(success); // --help, --version
    return 0;
  } catch (const CLI::Error &error) {
    printError(fmt::format("{}; tq-run --help lists the options", error.what()));
    return 2;
  }
  std::string fault = settle(options, app, raw);
  if (fault.empty())
    return std::nullopt;
  printError(fault + "; tq-run --help lists the options");
  return 2;
}
