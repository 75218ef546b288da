//===- RunOptions.cpp - The command line of tq-run ------------------------===//
// The one file of the runtime built with exceptions: CLI11 reports by them.
//===----------------------------------------------------------------------===//

#include "runtime/RunOptions.h"

#include "runtime/Process.h"

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

void addOptions(CLI::App &app, RunOptions &options, Raw &raw) {
  app.add_option("package", options.package, "a package (.tqpkg), or a checkpoint to compile first")
      ->required()
      ->type_name("PACKAGE");

  auto group = [&](CLI::Option *option, const char *name) {
    option->group(name);
    return option;
  };
  constexpr char kWhat[] = "What to do (default: continue standard input)";
  group(app.add_option("-p,--prompt", options.prompt, "continue this text"), kWhat)->type_name("TEXT");
  group(app.add_flag("--chat", options.chat, "talk, through the model's chat template"), kWhat);
  group(app.add_option("--token-ids", raw.tokenIds, "continue these tokens; needs no tokenizer"), kWhat)
      ->type_name("5,17,3");
  group(app.add_option("--perplexity", options.perplexity,
                       "measure on this file: windows of --ctx tokens, the "
                       "second half of each scored"),
        kWhat)
      ->type_name("FILE");
  group(app.add_option("--bench", raw.bench,
                       "measure speed: pp512 a prompt of 512 tokens, tg128 "
                       "text of 128, tg32@4096 of 32 after 4096"),
        kWhat)
      ->type_name("pp512,tg128");
  group(app.add_flag("--metal-selftest", options.metalSelftest,
                     "run every Metal kernel once and compare with stored outputs (--device=metal)"),
        kWhat);
  group(app.add_flag("--metal-selftest-record", options.metalSelftestRecord,
                     "store the outputs, on a machine without a Mac's GPU (--device=metal-checked)"),
        kWhat);

  constexpr char kText[] = "Text (sampling defaults come from the package)";
  group(app.add_option("-n,--max-tokens", options.maxTokens,
                       "most tokens to generate (default: until the context "
                       "is full)"),
        kText)
      ->check(CLI::NonNegativeNumber);
  group(app.add_option("--temp", options.temperature, "temperature; 0 takes the best token"), kText)
      ->check(CLI::Range(0.0, 1e6));
  group(app.add_option("--top-k", options.topK, "keep the K best; 0: all"), kText)->check(CLI::NonNegativeNumber);
  group(app.add_option("--top-p", options.topP, "keep the fewest that sum to P"), kText)->check(CLI::Range(0.0, 1.0));
  group(app.add_option("--min-p", options.minP, "drop those below P times the best"), kText)
      ->check(CLI::Range(0.0, 1.0));
  group(app.add_option("--rep-penalty", options.repetitionPenalty, "penalty for tokens that were there; 1: none"),
        kText)
      ->check(CLI::Range(1e-3, 1e3));
  group(app.add_option("--rep-ctx", options.repetitionContext, "tokens that the penalty looks back"), kText)
      ->capture_default_str()
      ->check(CLI::Range(int64_t(0), int64_t(1) << 30));
  group(app.add_option("--min-tokens", options.minTokens, "no end of text before that many tokens"), kText)
      ->check(CLI::NonNegativeNumber);
  group(app.add_option("--stop", options.stops, "end before this text; may be repeated"), kText)
      ->type_name("TEXT")
      ->take_all()
      ->type_size(1)
      ->expected(1);
  group(app.add_option("--seed", options.seed, "of the random numbers"), kText);
  group(app.add_flag("--ignore-eos", options.ignoreEos, "go on after an end of text"), kText);
  group(app.add_flag("--echo", options.echo, "print the prompt too"), kText);

  constexpr char kMachine[] = "Machine";
  group(app.add_option("--threads", options.threads, "default: physical cores"), kMachine)->check(CLI::Range(1, 1024));
  group(app.add_option("--context", options.context, "positions to serve (default: the package's)"), kMachine)
      ->check(CLI::PositiveNumber);
  group(app.add_option("--chunk", options.chunk, "most tokens of a prompt per step"), kMachine)
      ->check(CLI::PositiveNumber);
  group(app.add_option("--ctx", options.window, "window of --perplexity (default: 512, or the context)"), kMachine)
      ->check(CLI::PositiveNumber);
  group(app.add_option("--device", options.device,
                       "host, metal; for a look at Metal kernels without a Mac: metal-emulated executes them on the "
                       "CPU, metal-checked also finds races and accesses out of bounds"),
        kMachine)
      ->capture_default_str();
  group(app.add_option("--capture", options.capture, "with --device=metal: write a GPU trace for Xcode"), kMachine)
      ->type_name("FILE");
  group(app.add_flag("--metal-eager", options.metalEager,
                     "with --device=metal: make all pipelines at the start, so that a kernel that the GPU refuses is "
                     "known at once; otherwise when first needed"),
        kMachine);
  group(app.add_option("--metal-archive", options.metalArchive,
                       "with --device=metal: keep compiled pipelines in this folder, for a faster next start"),
        kMachine)
      ->type_name("DIR");
  group(app.add_option("--metal-selftest-file", options.selftestFile,
                       "the stored outputs (default: selftest.json in the package)"),
        kMachine)
      ->type_name("FILE");
  group(app.add_option("--cpu", options.cpu, "the package's target of that name"), kMachine);
  group(app.add_flag("--verify", options.verify,
                     "check the weights' hashes, whatever their size; alone, "
                     "do only that"),
        kMachine);
  // For tests: hand out the pages of the states in a shuffled order.
  group(app.add_option("--shuffle-pages", options.shufflePages, ""), "");

  constexpr char kOutput[] = "Output";
  group(app.add_flag("--json", options.json, "one JSON object"), kOutput);
  group(app.add_option("--logits", options.logits, "write token ids and logits (safetensors)"), kOutput)
      ->type_name("FILE");
  group(app.add_option("--trace", options.trace, "write the time of every launch (Chrome trace format)"), kOutput)
      ->type_name("FILE");
  app.footer(kExamples);
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
  if (app.count("--ctx") && !options.perplexity)
    return "--ctx belongs to --perplexity; the session's size is --context";
  if (!options.logits.empty() && (options.chat || options.perplexity || !options.bench.empty()))
    return "--logits belongs to -p, --token-ids or text from standard input";
  if (options.json && options.chat)
    return "--chat and --json exclude each other";
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
    return fmt::format("{} runs Metal's kernels: give a --device of metal, metal-emulated or metal-checked", modes[0]);
  if (app.count("--metal-selftest-file") && !options.metalSelftest && !options.metalSelftestRecord)
    return "--metal-selftest-file belongs to --metal-selftest and --metal-selftest-record";
  if (modes.empty()) {
    options.verifyOnly = options.verify;
    options.standardInput = !options.verify;
    if (options.standardInput && isatty(STDIN_FILENO))
      return "nothing to do: give -p TEXT, --chat, or text on standard input";
  }
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
