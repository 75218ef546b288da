//===- tq-run.cpp - Runs a compiled language model ------------------------===//
// What each mode does once the command line (RunOptions.cpp) is understood.
// Standard output holds the text or one JSON object; the closing line, warnings
// and errors go to standard error. Exit codes: 0, 1 (input or machine at
// fault), 2 (usage); never a signal.
//===----------------------------------------------------------------------===//

#include "runtime/Chat.h"
#include "runtime/CompileCache.h"
#include "runtime/CpuFeatures.h"
#include "runtime/EmulatedMetal.h"
#include "runtime/HostDevice.h"
#if TQ_METAL
#include "runtime/MetalDevice.h"
#endif
#include "runtime/Perplexity.h"
#include "runtime/ReadFile.h"
#include "runtime/RunOptions.h"
#include "runtime/RunSelfTest.h"
#include "runtime/Trace.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <random>
#include <unistd.h>

using namespace tq;
using json = nlohmann::ordered_json;

namespace {

Result<std::string> readStandardInput() {
  std::string text;
  char buffer[1 << 16];
  while (true) {
    ssize_t count = read(STDIN_FILENO, buffer, sizeof(buffer));
    if (count == 0)
      break;
    if (count < 0 && (errno != EINTR || interrupted()))
      return Error{interrupted() ? std::string(kInterrupted)
                                 : fmt::format("cannot read standard input: {}", strerror(errno))};
    if (count > 0)
      text.append(buffer, static_cast<size_t>(count));
  }
  // The end of the last line is the shell's, not the text's.
  if (text.ends_with('\n'))
    text.pop_back();
  return text;
}

/// One run of the program: a package, a session, a mode.
class Run {
public:
  explicit Run(const RunOptions &options) : options(options) {}

  Status run() {
    TQ_TRY(openPackage());
    if (options.verifyOnly) {
      fmt::print(stderr,
                 "# {}: {} files and {} sections of {} bytes are as "
                 "compiled\n",
                 package->name(), package->manifest().files.size(), package->manifest().sections.size(),
                 package->weightBytes());
      return Status();
    }
    if (options.metalSelftest || options.metalSelftestRecord)
      return runSelfTest(*package, options, [&](const RunOptions &how) { return makeDevice(how); });
    TQ_TRY(openSession());
    TQ_TRY(runMode());
    if (!options.trace.empty())
      TQ_TRY(trace.write(options.trace));
    return Status();
  }

  /// True if a tool that we called has named the fault already.
  bool faultIsNamed() const { return said; }

private:
  Status openPackage() {
    std::string path = options.package;
    if (isCheckpoint(path)) {
      TQ_TRY_ASSIGN(path, compileIntoCache(path, said));
    }
    OpenOptions how;
    how.verify = options.verify;
    how.threads = options.threads ? options.threads : std::max(physicalCores(), 2);
    TQ_TRY_ASSIGN(Package opened, Package::open(path, how));
    package.emplace(std::move(opened));
    return Status();
  }

  Result<std::unique_ptr<Device>> makeDevice(const RunOptions &how) const {
#if TQ_METAL
    if (how.device == "metal") {
      MetalOptions metal;
      metal.captureFile = how.capture;
      metal.eagerPipelines = how.metalEager;
      metal.archiveDirectory = how.metalArchive;
      TQ_TRY_ASSIGN(std::unique_ptr<MetalDevice> created, createMetalDevice(*package, metal));
      for (const std::string &note : created->notes())
        printWarning(note);
      return std::unique_ptr<Device>(std::move(created));
    }
#endif
    if (how.device == "metal")
      return Error{"cannot use device metal: this build is not for a Mac; metal-emulated executes the same kernels on "
                   "the CPU, slowly"};
    if (how.device.starts_with("metal-"))
      return loadEmulatedMetal(*package, {.threads = how.threads, .checked = how.device == "metal-checked"});
    HostOptions host;
    host.threads = how.threads;
    host.cpu = how.cpu;
    return createHostDevice(*package, host);
  }

  Status openSession() {
    TQ_TRY_ASSIGN(device, makeDevice(options));
    // One target is no choice; of several, say which.
    if (package->manifest().targets.size() > 1 && stderrIsTerminal())
      fmt::print(stderr, "target {}, {} threads\n", device->target().name, device->threads());
    SessionOptions how;
    how.context = options.context;
    how.chunk = options.chunk;
    how.shufflePages = options.shufflePages;
    how.trace = options.trace.empty() ? nullptr : &trace;
    how.cancel = &interrupted();
    TQ_TRY_ASSIGN(session, Session::create(*package, *device, how));
    return Status();
  }

  Status runMode() {
    if (options.perplexity)
      return runPerplexity();
    if (!options.bench.empty())
      return runBenchmarks();
    if (options.chat)
      return runChat();
    return runText();
  }

  Status openText() {
    if (text)
      return Status();
    TQ_TRY_ASSIGN(PackageText opened, PackageText::open(*package));
    text.emplace(std::move(opened));
    return Status();
  }

  /// The command line's settings over the package's over ours.
  Sampler makeSampler() {
    SamplerOptions how = samplerDefaults(package->manifest().model);
    how.temperature = options.temperature.value_or(how.temperature);
    how.topK = options.topK.value_or(how.topK);
    how.topP = options.topP.value_or(how.topP);
    how.minP = options.minP.value_or(how.minP);
    how.repetitionPenalty = options.repetitionPenalty.value_or(how.repetitionPenalty);
    how.repetitionContext = std::min(options.repetitionContext, session->context());
    how.minTokens = options.minTokens;
    how.seed = seed = options.seed.value_or(std::random_device()());
    return Sampler(how, session->vocab());
  }

  GenerateOptions makeGenerateOptions() const {
    GenerateOptions how;
    how.maxTokens = options.maxTokens;
    how.stops = options.stops;
    if (!options.ignoreEos)
      for (int64_t id : package->manifest().model.eos)
        how.endTokens.push_back(static_cast<int32_t>(id));
    return how;
  }

  /// The tokens to start from. Opens the text if it can be had and is needed.
  Result<std::vector<int32_t>> makePrompt() {
    std::vector<int32_t> ids;
    if (options.tokenIds) {
      ids = *options.tokenIds;
      // Generated tokens are shown as text where the package can do that.
      bool wantsText = options.maxTokens != 0 && hasTextSupport() && package->hasFile("tokenizer.json");
      if (wantsText || !options.stops.empty())
        TQ_TRY(openText());
    } else {
      TQ_TRY(openText());
      if (options.prompt) {
        prompt = *options.prompt;
      } else {
        TQ_TRY_ASSIGN(prompt, readStandardInput());
      }
      TQ_TRY_ASSIGN(ids, text->encode(prompt, /*special=*/true));
    }
    const std::vector<int64_t> &bos = package->manifest().model.bos;
    if (ids.empty() && bos.empty())
      return Error{fmt::format("{}: cannot start from an empty prompt: the "
                               "model has no BOS token",
                               package->name())};
    if (ids.empty())
      ids.push_back(static_cast<int32_t>(bos[0]));
    if (ids.size() > static_cast<size_t>(session->context()))
      return Error{fmt::format("{}: cannot take a prompt of {} tokens: the "
                               "context has {}",
                               package->name(), ids.size(), session->context())};
    return ids;
  }

  Status runText() {
    TQ_TRY_ASSIGN(std::vector<int32_t> ids, makePrompt());
    std::optional<LogitsWriter> writer;
    if (!options.logits.empty()) {
      TQ_TRY_ASSIGN(auto created, LogitsWriter::create(options.logits, session->vocab()));
      writer.emplace(std::move(created));
    }
    Sampler sampler = makeSampler();
    ShowText show;
    if (!options.json)
      show = [&](const std::string &piece) -> Result<bool> {
        TQ_TRY(output.write(piece));
        return !output.closed();
      };
    if (options.echo)
      TQ_TRY(output.write(prompt));
    double startup = secondsSinceStart();
    TQ_TRY_ASSIGN(Generated generated, generate(*session, sampler, ids, makeGenerateOptions(), text ? &*text : nullptr,
                                                writer ? &*writer : nullptr, show));
    if (writer) {
      ids.insert(ids.end(), generated.tokens.begin(), generated.tokens.end());
      TQ_TRY(writer->finish(ids));
    }
    if (options.json)
      TQ_TRY(printJson(describe(generated, startup)));
    else
      TQ_TRY(finishText(generated));
    close(generated);
    return Status();
  }

  /// Without a tokenizer the ids are the text.
  Status finishText(const Generated &generated) {
    if (!text && !generated.tokens.empty())
      TQ_TRY(output.write(fmt::format("{}", fmt::join(generated.tokens, ","))));
    if (!generated.tokens.empty() && !generated.text.ends_with('\n'))
      TQ_TRY(output.write("\n"));
    return Status();
  }

  json describe(const Generated &generated, double startup) const {
    double promptSeconds = generated.promptSeconds;
    return {{"text", generated.text},
            {"tokens", generated.tokens.size()},
            {"token_ids", generated.tokens},
            {"ending", endingName(generated.ending)},
            {"prompt_tokens", generated.promptTokens},
            {"startup_s", startup},
            {"prompt_s", promptSeconds},
            {"prompt_tok_s", promptSeconds > 0 ? double(generated.promptTokens) / promptSeconds : 0},
            {"tok_s", tokensPerSecond(generated)},
            {"seed", seed},
            {"threads", device->threads()},
            {"target", device->target().name},
            {"logits_hash", fmt::format("{:08x}", generated.logitsHash)}};
  }

  void close(const Generated &generated) const {
    if (generated.ending == Ending::Context &&
        (options.maxTokens < 0 || static_cast<int64_t>(generated.tokens.size()) < options.maxTokens))
      fmt::print(stderr, "# stopped: the context of {} tokens is full\n", session->context());
    if (generated.ending == Ending::Interrupted)
      fmt::print(stderr, "# interrupted\n");
    fmt::print(stderr, "# {}\n", closingLine(generated, *session));
  }

  Status runChat() {
    TQ_TRY(openText());
    Sampler sampler = makeSampler();
    return chat(*session, sampler, makeGenerateOptions(), *text, output,
                [&](const Generated &generated) { close(generated); });
  }

  Status runPerplexity() {
    TQ_TRY(openText());
    TQ_TRY_ASSIGN(std::string contents, readFile(*options.perplexity, kMaxTextBytes));
    TQ_TRY_ASSIGN(std::vector<int32_t> ids, text->encode(contents, /*special=*/false));
    int64_t window = options.window ? options.window : std::min<int64_t>(512, session->context());
    auto result = measurePerplexity(*session, ids, window, [&](const PerplexityResult &soFar, int64_t windows) {
      showProgress(fmt::format("{} of {} windows: perplexity {:.4f}", soFar.windows, windows, soFar.perplexity));
    });
    showProgress("");
    if (!result)
      return Error{fmt::format("{}: {}", *options.perplexity, result.message())};
    if (options.json)
      return printJson({{"perplexity", result->perplexity},
                        {"tokens", result->tokens},
                        {"windows", result->windows},
                        {"ctx", window}});
    TQ_TRY(output.write(fmt::format("{:.4f}\n", result->perplexity)));
    fmt::print(stderr, "# perplexity of {} predictions in {} windows of {}\n", result->tokens, result->windows, window);
    return Status();
  }

  Status runBenchmarks() {
    auto results = runBench(*session, *device, options.bench, [](const std::string &doing) { showProgress(doing); });
    showProgress("");
    if (!results)
      return Error{fmt::format("{}: {}", package->name(), results.message())};
    if (!options.json)
      return printTable(*results);
    json object;
    for (const BenchResult &result : *results) {
      json figures = {{"tok_s", result.tokensPerSecond}};
      if (result.what.prefill) {
        figures["gflops"] = result.gflops;
      } else {
        figures["weights_gb_s"] = result.weightsGBs;
        figures["read_gb_s"] = result.readGBs;
        figures["read_best_gb_s"] = result.bestReadGBs;
        figures["read_fraction"] = result.weightsGBs / result.readGBs;
      }
      object[result.what.name()] = std::move(figures);
    }
    object["threads"] = device->threads();
    object["target"] = device->target().name;
    object["cpu"] = cpuModel();
    return printJson(object);
  }

  Status printTable(const std::vector<BenchResult> &results) {
    for (const BenchResult &result : results) {
      std::string line = fmt::format("{:8} {:9.1f} tok/s", result.what.name(), result.tokensPerSecond);
      line += result.what.prefill
                  ? fmt::format("   {:.1f} GFLOPS", result.gflops)
                  : fmt::format("   {:.1f} GB/s of weights, {:.0f} % of the "
                                "{:.1f} GB/s that a plain read gets",
                                result.weightsGBs, 100 * result.weightsGBs / result.readGBs, result.readGBs);
      TQ_TRY(output.write(line + "\n"));
    }
    fmt::print(stderr, "# {}, target {}, {} threads\n", cpuModel(), device->target().name, device->threads());
    return Status();
  }

  Status printJson(const json &object) {
    return output.write(object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  }

  const RunOptions &options;
  std::optional<Package> package;
  Trace trace;
  std::unique_ptr<Device> device;
  std::unique_ptr<Session> session;
  std::optional<PackageText> text;
  StandardOutput output;
  std::string prompt; // -p or standard input
  uint64_t seed = 0;
  bool said = false;
};

} // namespace

int main(int argc, char **argv) {
  catchInterrupts();
  RunOptions options;
  if (std::optional<int> code = parseRunOptions(argc, argv, options))
    return *code;
  Run run(options);
  Status status = run.run();
  if (status)
    return 0;
  if (!run.faultIsNamed())
    printError(status.message());
  return 1;
}
