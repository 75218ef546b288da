//===- RunTest.cpp - tq-run from outside ----------------------------------===//
// Exit codes, streams and files, as scripts see them.

#include "tests/runtime/ToyPackage.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>

using namespace tq;
namespace fs = std::filesystem;

namespace {

struct Outcome {
  int code; ///< -1: ended by a signal
  std::string out, err;
};

/// Runs tq-run with these arguments, through the shell for its redirections.
Outcome run(const std::string &arguments, const std::string &redirect = "</dev/null") {
  TemporaryDirectory directory;
  std::string command = TQ_TOOLS "/tq-run " + arguments + " " + redirect;
  if (redirect.find_first_of("|>") == std::string::npos)
    command += " >" + directory.path("out");
  command += " 2>" + directory.path("err");
  int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, readWhole(directory.path("out")),
          readWhole(directory.path("err"))};
}

std::vector<int32_t> greedy(const ToyPackage &toy, std::vector<int32_t> tokens, size_t count, bool stop = false) {
  while (count-- > 0) {
    auto row = toy.reference(tokens).back();
    tokens.push_back(static_cast<int32_t>(std::ranges::max_element(row) - row.begin()));
    if (stop && (tokens.back() == 2 || tokens.back() == 3))
      break;
  }
  return tokens;
}

struct Logits {
  std::vector<int32_t> ids;
  std::vector<std::vector<float>> rows;
};
Logits readLogits(const std::string &path) {
  std::string bytes = readWhole(path);
  uint64_t length;
  memcpy(&length, bytes.data(), 8);
  auto header = nlohmann::json::parse(bytes.substr(8, length));
  Logits result;
  result.ids.resize(header["token_ids"]["shape"][0].get<size_t>());
  auto at = [&](const char *name) { return bytes.data() + 8 + length + header[name]["data_offsets"][0].get<size_t>(); };
  memcpy(result.ids.data(), at("token_ids"), result.ids.size() * 4);
  size_t rows = header["logits"]["shape"][0], vocab = header["logits"]["shape"][1];
  for (size_t i = 0; i < rows; ++i) {
    result.rows.emplace_back(vocab);
    memcpy(result.rows.back().data(), at("logits") + i * vocab * 4, vocab * 4);
  }
  return result;
}

TEST(Run, TokenIdsAndLogits) {
  ToyPackage toy;
  toy.write();
  std::string file = toy.outside("x.safetensors");
  for (const char *flags : {"", " --chunk 5", " --chunk 1", " --threads 1", " --shuffle-pages 5"})
    for (size_t count : {0, 1, 20}) {
      Outcome outcome = run(toy.path() + " --token-ids 5,17,3 --temp 0 --ignore-eos --max-tokens " +
                            std::to_string(count) + " --logits " + file + flags);
      ASSERT_EQ(outcome.code, 0) << outcome.err;
      Logits got = readLogits(file);
      auto tokens = greedy(toy, {5, 17, 3}, count);
      EXPECT_EQ(got.ids, tokens);
      if (count)
        tokens.pop_back(); // the last is not fed
      EXPECT_EQ(got.rows, toy.reference(tokens)) << flags;
    }
}

TEST(Run, OutputAndClosingLine) {
  ToyPackage toy;
  toy.write();
  Outcome outcome = run(toy.path() + " --token-ids 5,17,3 --temp 0 --ignore-eos -n 4");
  auto tokens = greedy(toy, {5, 17, 3}, 4);
  std::string expected;
  for (size_t i = 3; i < tokens.size(); ++i)
    expected += (i > 3 ? "," : "") + std::to_string(tokens[i]);
  EXPECT_EQ(outcome.out, expected + "\n");
  EXPECT_TRUE(outcome.err.starts_with("# 4 tokens: ")) << outcome.err;
  EXPECT_NE(outcome.err.find(" tok/s; "), std::string::npos);
  EXPECT_NE(outcome.err.find(" ms/tok; "), std::string::npos);
  EXPECT_NE(outcome.err.find(" GB/s; #"), std::string::npos);
  EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1);
}

TEST(Run, Json) {
  ToyPackage toy;
  toy.write();
  Outcome outcome = run(toy.path() + " --token-ids 5 --temp 0 -n 6 --ignore-eos --json");
  auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["tokens"], 6);
  EXPECT_EQ(json["token_ids"].size(), 6u);
  EXPECT_EQ(json["ending"], "length");
  EXPECT_GT(json["startup_s"].get<double>(), 0);
  EXPECT_LT(json["startup_s"].get<double>(), 10);
  EXPECT_GT(json["tok_s"].get<double>(), 0);
}

TEST(Run, EndsAtAnEndToken) {
  ToyPackage toy;
  toy.manifest.model.eos = {greedy(toy, {5}, 3).back()};
  toy.write();
  auto json = nlohmann::json::parse(run(toy.path() + " --token-ids 5 --temp 0 --json").out);
  EXPECT_EQ(json["ending"], "end");
  EXPECT_LE(json["tokens"], 3);
  json = nlohmann::json::parse(run(toy.path() + " --token-ids 5 --temp 0 --json -n 9 --min-tokens 9").out);
  EXPECT_EQ(json["tokens"], 9);
}

TEST(Run, TheContextIsALimit) {
  ToyPackage toy;
  toy.write();
  Outcome outcome = run(toy.path() + " --token-ids 5 --temp 0 --ignore-eos --json");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["tokens"], 100); // the last is not fed
  EXPECT_NE(outcome.err.find("# stopped: the context of 100 tokens is full\n"), std::string::npos);

  outcome = run(toy.path() + " --token-ids 5,5,5 --context 2");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "error: toy.tqpkg: cannot take a prompt of 3 tokens: the context has 2\n");
  outcome = run(toy.path() + " --token-ids 5 --context 101");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "error: toy.tqpkg: cannot serve a context of 101 tokens; the package allows 1 to 100\n");
}

TEST(Run, AnEmptyPromptStartsFromBos) {
  ToyPackage toy;
  toy.write();
  std::string file = toy.outside("x");
  EXPECT_EQ(run(toy.path() + " --token-ids '' -n 0 --logits " + file).code, 0);
  EXPECT_EQ(readLogits(file).ids, (std::vector<int32_t>{1}));
  toy.manifest.model.bos.clear();
  toy.write();
  EXPECT_EQ(run(toy.path() + " --token-ids '' -n 1").err,
            "error: toy.tqpkg: cannot start from an empty prompt: the model has no BOS token\n");
}

TEST(Run, TextNeedsATokenizer) {
  ToyPackage toy;
  toy.write();
  for (const char *what : {"-p x", "--perplexity /dev/null", "--chat", "--token-ids 1 --stop x"}) {
    Outcome outcome = run(toy.path() + " " + what);
    EXPECT_EQ(outcome.code, 1) << what;
    EXPECT_TRUE(outcome.err.starts_with("error: ") &&
                outcome.err.find("cannot read or write text") != std::string::npos)
        << outcome.err;
  }
}

TEST(Run, Usage) {
  ToyPackage toy;
  toy.write();
  for (const char *wrong :
       {"--frobnicate", "-p a --chat", "--token-ids 1,,2", "--token-ids x", "--token-ids 1,", "-n -1", "--temp -1",
        "--top-p 2", "--bench pq", "--ctx 5 -p x", "--chat --json", "--device abacus", "--threads 0", "extra"}) {
    Outcome outcome = run(toy.path() + " " + wrong);
    EXPECT_EQ(outcome.code, 2) << wrong << outcome.err;
    EXPECT_TRUE(outcome.err.starts_with("error: ")) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_EQ(run("").code, 2);
  // Options that would have no effect.
  const std::pair<const char *, const char *> idle[] = {
      {"--token-ids 1 --echo", "--echo belongs to -p or text from standard input"},
      {"--bench tg8 --echo", "--echo belongs to -p or text from standard input"},
      {"-p x --echo --json", "--echo and --json exclude each other"},
      {"--metal-selftest --logits x", "--logits belongs to -p, --token-ids or text from standard input"},
      {"--verify --logits x", "--logits belongs to -p, --token-ids or text from standard input"},
      {"--metal-selftest --trace x", "--trace belongs to a run of the model"},
      {"--verify --trace x", "--trace belongs to a run of the model"},
      {"--token-ids 1 --device metal-emulated --cpu toy", "--cpu belongs to --device=host"},
      {"--metal-selftest --cpu toy", "--cpu belongs to --device=host"},
  };
  for (const auto &[arguments, sentence] : idle) {
    Outcome outcome = run(toy.path() + " " + arguments);
    EXPECT_EQ(outcome.code, 2) << arguments << outcome.err;
    EXPECT_TRUE(outcome.err.starts_with(std::string("error: ") + sentence)) << outcome.err;
  }
  Outcome help = run("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.out.find("Examples:"), std::string::npos);
}

TEST(Run, Faults) {
  ToyPackage toy;
  toy.write();
  const std::pair<const char *, const char *> cases[] = {
      {" --token-ids 64", "error: toy.tqpkg: token 64 is not in the vocabulary of 64\n"},
      {" --token-ids 1 --device metal", "error: cannot use device metal: this build is not for a Mac; metal-emulated "
                                        "executes the same kernels on the CPU, slowly\n"},
      {" --token-ids 1 --cpu pdp11", "error: toy.tqpkg: no target 'pdp11'; there are: toy\n"},
      {" --token-ids 1 --chunk 99", "error: toy.tqpkg: cannot take chunks of 99 tokens; the package allows 1 to 32\n"},
      {" --token-ids 1 --logits /nowhere/x", "error: /nowhere/x: cannot write: No such file or directory\n"},
      {" --token-ids 1 -n 1 --trace /nowhere/x", "/nowhere/x: cannot write: No such file or directory\n"},
      {" --bench pp512,tg128", "error: toy.tqpkg: cannot run pp512: it needs a context of 512, but this one has 100; "
                               "try pp100\n"},
  };
  for (const auto &[arguments, sentence] : cases) {
    Outcome outcome = run(toy.path() + arguments);
    EXPECT_EQ(outcome.code, 1) << arguments;
    EXPECT_TRUE(outcome.err.ends_with(sentence)) << outcome.err;
  }
  EXPECT_EQ(run("/nowhere --token-ids 1").code, 1);
  if (fs::exists("/dev/full")) {
    Outcome outcome = run(toy.path() + " --token-ids 1 -n 3", "</dev/null >/dev/full");
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.err, "error: cannot write to standard output: No space left on device\n");
  }
}

TEST(Run, Verify) {
  ToyPackage toy;
  toy.write();
  Outcome outcome = run(toy.path() + " --verify");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "# toy.tqpkg: 1 files and 2 sections of 293 bytes are as compiled\n");
}

TEST(Run, TraceIsWritten) {
  ToyPackage toy;
  toy.write();
  std::string file = toy.outside("trace.json");
  EXPECT_EQ(run(toy.path() + " --token-ids 1,2,3 -n 3 --ignore-eos --trace " + file).code, 0);
  EXPECT_EQ(nlohmann::json::parse(readWhole(file))["traceEvents"].size(), 12u);
}

TEST(Run, AClosedPipeEndsQuietly) {
  ToyPackage toy;
  toy.write();
  Outcome outcome = run(toy.path() + " --token-ids 1 --ignore-eos", "</dev/null | true");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err.find("error"), std::string::npos) << outcome.err;
}

#if TQ_TEXT
/// With the bundled tokenizer: text in, text out.
struct TextPackage : ToyPackage {
  TextPackage() : ToyPackage(2048, 256) {
    fs::copy_file(TQ_TEST_DATA "/tinystories-3.7m/tokenizer.json", file("tokenizer.json"));
    addFile("tokenizer.json");
    manifest.model.bos = manifest.model.eos = {2045};
    write();
  }
};

TEST(RunText, Prompt) {
  TextPackage toy;
  Outcome outcome = run(toy.path() + " -p '<|endoftext|>Once upon' -n 20 --temp 0 --ignore-eos");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_FALSE(outcome.out.empty());
  Outcome piped = run(toy.path() + " -n 20 --temp 0 --ignore-eos", "</dev/null");
  EXPECT_EQ(piped.code, 0) << piped.err; // from BOS
  std::string input = toy.outside("input");
  writeWhole(input, "<|endoftext|>Once upon\n");
  EXPECT_EQ(run(toy.path() + " -n 20 --temp 0 --ignore-eos", "<" + input).out, outcome.out);
  for (const std::string &source : {std::string(" -p '<|endoftext|>Once upon'"), std::string()})
    EXPECT_EQ(run(toy.path() + source + " -n 20 --temp 0 --ignore-eos --echo", "<" + input).out,
              "<|endoftext|>Once upon" + outcome.out);
  auto json =
      nlohmann::json::parse(run(toy.path() + " -p '<|endoftext|>Once upon' -n 20 --temp 0 --ignore-eos --json").out);
  EXPECT_EQ(json["text"].get<std::string>() + "\n", outcome.out);
}

TEST(RunText, StopString) {
  TextPackage toy;
  std::string common = toy.path() + " -p Once -n 40 --temp 0 --ignore-eos --json";
  std::string all = nlohmann::json::parse(run(common).out)["text"];
  ASSERT_GT(all.size(), 20u);
  writeWhole(toy.outside("stop"), all.substr(10, 6));
  auto json = nlohmann::json::parse(run(common + " --stop \"$(cat " + toy.outside("stop") + ")\"").out);
  EXPECT_EQ(json["ending"], "stop");
  EXPECT_EQ(json["text"], all.substr(0, all.find(all.substr(10, 6))));
}

TEST(RunText, Chat) {
  TextPackage toy;
  std::string input = toy.outside("input");
  writeWhole(input, "Hello\n\nAnd then?\n/reset\nHello\n");
  Outcome none = run(toy.path() + " --chat", "<" + input);
  EXPECT_EQ(none.code, 1);
  EXPECT_EQ(none.err, "error: cannot chat: the package has no chat template; use -p\n");
  writeWhole(toy.file("chat_template.jinja"),
             "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]"
             "{% endif %}");
  toy.addFile("chat_template.jinja");
  toy.write();
  Outcome outcome = run(toy.path() + " --chat -n 8 --temp 0 --ignore-eos", "<" + input);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(std::ranges::count(outcome.err, '#') / 2, 3) << outcome.err; // three closing lines, a hash in each
  // The third answer is the first again, and equals that of -p on the rendered template.
  Outcome single = run(toy.path() + " -n 8 --temp 0 --ignore-eos -p '[user]Hello[assistant]'");
  EXPECT_TRUE(outcome.out.starts_with(single.out)) << outcome.out << single.out;
  EXPECT_TRUE(outcome.out.ends_with(single.out)) << outcome.out << single.out;
  // The second sees the first: the text of the whole conversation, whatever was kept of the state.
  std::string answer = single.out.substr(0, single.out.size() - 1);
  writeWhole(toy.outside("second"), "[user]Hello[assistant]" + answer + "[user]And then?[assistant]");
  Outcome second = run(toy.path() + " -n 8 --temp 0 --ignore-eos -p \"$(cat " + toy.outside("second") + ")\"");
  EXPECT_EQ(outcome.out, single.out + second.out + single.out);
}

TEST(RunText, Perplexity) {
  TextPackage toy;
  std::string text = toy.outside("text");
  std::string story;
  for (int i = 0; i < 60; ++i)
    story += "Once upon a time there was a little girl named Lily. ";
  writeWhole(text, story);
  Outcome outcome = run(toy.path() + " --perplexity " + text + " --ctx 64 --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  auto json = nlohmann::json::parse(outcome.out);
  EXPECT_GT(json["perplexity"].get<double>(), 1);
  EXPECT_EQ(json["tokens"].get<int>() % 31, 0);
  EXPECT_EQ(run(toy.path() + " --perplexity " + text + " --ctx 257").code, 1);
  EXPECT_EQ(run(toy.path() + " --perplexity /nowhere").err,
            "error: /nowhere: cannot read: No such file or directory\n");
}
#endif

/// Starts tq-run on an endless text, sends a signal once it has begun, and waits.
TEST(Run, InterruptEndsCleanly) {
  ToyPackage toy(64, 1000000); // hours of work
  toy.write();
  std::string out = toy.outside("out"), err = toy.outside("err"), package = toy.path();
  for (int signal : {SIGINT, SIGTERM}) {
    pid_t child = fork();
    if (child == 0) {
      dup2(open(out.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), 1);
      dup2(open(err.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), 2);
      execl(TQ_TOOLS "/tq-run", "tq-run", package.c_str(), "--token-ids", "1", "--ignore-eos", "--threads", "1",
            nullptr);
      _exit(99);
    }
    usleep(300000);
    kill(child, signal);
    int status;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status << readWhole(err);
    EXPECT_NE(readWhole(err).find("# interrupted\n# "), std::string::npos) << readWhole(err);
    EXPECT_FALSE(readWhole(out).empty());
  }
}

} // namespace
