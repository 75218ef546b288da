//===- DamageTest.cpp - Damaged files and wrong arguments -----------------===//
// Whatever a checkpoint's files hold, the answer is a sentence: no crash, no
// abort, no panic.
//===----------------------------------------------------------------------===//

#include "Goldens.h"
#include "runtime/text/tq_text.h"

#include <random>

using namespace tq;
using namespace tq::test;

namespace {

/// Opens and, where that works, uses the tokenizer; errors are welcome.
void exercise(std::string_view json, std::optional<std::string_view> config = std::nullopt) {
  Result<Tokenizer> tokenizer = Tokenizer::open(json, config);
  if (!tokenizer.ok()) {
    EXPECT_FALSE(tokenizer.message().empty());
    return;
  }
  Result<Ids> ids = tokenizer->encode("Hello <s> wörld 你好  7\n", true);
  Ids some = ids.ok() ? *ids : Ids();
  some.insert(some.end(), {0, 1, 2, 5, 300, 0xffffffffu});
  (void)tokenizer->decode(some, false);
  Result<TokenStream> stream = tokenizer->stream(true);
  ASSERT_TRUE(stream.ok()) << stream.message();
  for (uint32_t id : some)
    (void)stream->push(id);
  (void)stream->flush();
  (void)tokenizer->applyChatTemplate(R"({"messages": [{"content": "x"}]})");
}

class Damage : public testing::TestWithParam<Path> {};

TEST_P(Damage, truncated) {
  std::string json = readFile(GetParam()).value_or("");
  ASSERT_FALSE(json.empty());
  for (size_t i = 0; i <= 64; ++i)
    EXPECT_FALSE(Tokenizer::open(json.substr(0, (json.size() - 1) * i / 64)).ok());
}

TEST_P(Damage, changedBytes) {
  std::string json = readFile(GetParam()).value_or("");
  ASSERT_FALSE(json.empty());
  std::mt19937 random(7);
  const char alphabet[] = "0123456789-.\"{}[],:nulltrue \\x\xff";
  for (int trial = 0; trial < 300; ++trial) {
    std::string damaged = json;
    for (int change = 0; change < 1 + trial % 4; ++change) {
      // Half of the changes hit the settings before or after the vocabulary.
      size_t size = damaged.size();
      size_t reach = trial % 2 ? size : std::min<size_t>(size, 1500);
      size_t at = random() % reach;
      if (trial % 3 == 0)
        at = size - 1 - at;
      damaged[at] = alphabet[random() % (sizeof(alphabet) - 1)];
    }
    SCOPED_TRACE("trial " + std::to_string(trial));
    exercise(damaged);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Damage,
                         testing::Values(goldens() / "stories260k/tokenizer.json",
                                         goldens() / "babyllama/tokenizer.json",
                                         testData() / "tinystories-3.7m/tokenizer.json"));

TEST(DamagedFiles, sentences) {
  auto error = [](std::string_view json, std::optional<std::string_view> config = std::nullopt,
                  std::optional<std::string_view> chat = std::nullopt) {
    Result<Tokenizer> tokenizer = Tokenizer::open(json, config, chat);
    return tokenizer.ok() ? "no error" : tokenizer.message();
  };
  std::string good = readFile(goldens() / "stories260k/tokenizer.json").value_or("");
  EXPECT_EQ(error("").rfind("tokenizer.json: ", 0), 0u);
  EXPECT_EQ(error("{}").rfind("tokenizer.json: ", 0), 0u);
  EXPECT_EQ(error("\xc3(").rfind("tokenizer.json: not UTF-8", 0), 0u);
  EXPECT_EQ(error(std::string(100000, '[')).rfind("tokenizer.json: ", 0), 0u);
  EXPECT_EQ(error(good), "no error");
  EXPECT_EQ(error(good, "").rfind("tokenizer_config.json: ", 0), 0u);
  EXPECT_EQ(error(good, "7"), "tokenizer_config.json: expected an object");
  EXPECT_EQ(error(good, R"({"chat_template": 7})"),
            "tokenizer_config.json: chat_template is neither a string nor a list");
  EXPECT_EQ(error(good, R"({"chat_template": [{"name": "default"}]})"),
            "tokenizer_config.json: an entry of chat_template lacks a name or a "
            "template");
  EXPECT_EQ(error(good, "{}", "\xff"), "chat_template.jinja: not UTF-8 (byte 0)");
}

// Settings that parse and that `tokenizers` then trusts.
TEST(DamagedFiles, settings) {
  Json good = readJson(goldens() / "stories260k/tokenizer.json");
  auto with = [&](const char *pointer, Json value) {
    Json changed = good;
    changed[Json::json_pointer(pointer)] = std::move(value);
    return changed.dump();
  };
  exercise(with("/post_processor/special_tokens", Json::object()));
  exercise(with("/post_processor/special_tokens/<s>/ids", {4000000000u}));
  exercise(with("/post_processor/single", Json::array()));
  exercise(with("/model/unk_token", "not there"));
  exercise(with("/model/dropout", 7.5));
  exercise(with("/model/vocab", Json::object()));
  exercise(with("/model/vocab", {{"a", 4294967295u}, {"b", 4294967295u}}));
  exercise(with("/model/merges", {{"a", "b", "c"}}));
  exercise(with("/model/merges", {"a"}));
  exercise(with("/model/continuing_subword_prefix", "###########"));
  exercise(with("/added_tokens/0/id", 4294967295u));
  exercise(with("/added_tokens/0/content", ""));
  exercise(with("/decoder/decoders/3/start", 1000000));
  exercise(with("/decoder/decoders/3/stop", 1000000));
  exercise(
      with("/truncation", {{"direction", "Right"}, {"max_length", 1}, {"strategy", "LongestFirst"}, {"stride", 5}}));
  exercise(with("/model", {{"type", "Unigram"}, {"unk_id", 9}, {"vocab", Json::array()}, {"byte_fallback", true}}));
  exercise(with("/model", {{"type", "WordPiece"},
                           {"unk_token", "u"},
                           {"continuing_subword_prefix", "##"},
                           {"max_input_chars_per_word", 1},
                           {"vocab", Json::object()}}));
  exercise(with("/model", {{"type", "WordLevel"}, {"unk_token", "u"}, {"vocab", Json::object()}}));
  for (const char *charsmap : {"", "AAAA", "/////w==", "AAAAAAAA", "BAAAAP////8="})
    exercise(with("/normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", charsmap}}));
  for (const char *regex : {"(", "(?!", "(a+)+$", "\\p{X}", "x{1000000}", ""})
    exercise(with("/pre_tokenizer",
                  {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}}));
}

// The tokenizers crate panics on these, once while reading and once while
// encoding; the panic must arrive as a sentence.
TEST(DamagedFiles, panics) {
  Json json = readJson(goldens() / "stories260k/tokenizer.json");
  json["post_processor"]["special_tokens"] = Json::object();
  Result<Tokenizer> tokenizer = Tokenizer::open(json.dump());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  Result<Ids> ids = tokenizer->encode("a", /*addSpecialTokens=*/true);
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.message(), "text library failed: no entry found for key");
  EXPECT_TRUE(tokenizer->encode("a", /*addSpecialTokens=*/false).ok());

  json["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "AAAA"}};
  Result<Tokenizer> unread = Tokenizer::open(json.dump());
  ASSERT_FALSE(unread.ok());
  EXPECT_EQ(unread.message().rfind("text library failed: Precompiled", 0), 0u) << unread.message();
}

// A truncation setting would drop tokens of the prompt; it is not for us.
TEST(DamagedFiles, truncationIsIgnored) {
  Json json = readJson(goldens() / "stories260k/tokenizer.json");
  json["truncation"] = {{"direction", "Right"}, {"max_length", 2}, {"strategy", "LongestFirst"}, {"stride", 0}};
  json["padding"] = {{"strategy", {{"Fixed", 100}}},
                     {"direction", "Right"},
                     {"pad_to_multiple_of", nullptr},
                     {"pad_id", 0},
                     {"pad_type_id", 0},
                     {"pad_token", "<unk>"}};
  Result<Tokenizer> tokenizer = Tokenizer::open(json.dump());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  size_t count = tokenizer->encode("one two three", true).value().size();
  EXPECT_GT(count, 2u);
  EXPECT_LT(count, 100u);
}

TEST(Arguments, checked) {
  Result<Tokenizer> tokenizer = openTinyStories();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  Result<Ids> ids = tokenizer->encode("\xe4\xbd", false);
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.message(), "text: not UTF-8 (byte 0)");
  EXPECT_EQ(tokenizer->decode(Ids{0xffffffffu}, false).value(), "");
}

TEST(Arguments, nullPointers) {
  tq_text_buffer error = {nullptr, 0}, text = {nullptr, 0};
  uint32_t *ids = nullptr;
  size_t count = 0;
  auto sentence = [&] {
    std::string result(error.data ? error.data : "", error.size);
    tq_text_free(error.data);
    return result;
  };
  EXPECT_EQ(tq_text_open("{}", 2, nullptr, 0, nullptr, 0, nullptr, &error), 0);
  EXPECT_EQ(sentence(), "result pointer is null");
  tq_text_tokenizer *tokenizer = nullptr;
  EXPECT_EQ(tq_text_open(nullptr, 9, nullptr, 0, nullptr, 0, &tokenizer, &error), 0);
  EXPECT_EQ(sentence(), "tokenizer.json: null pointer with a size of 9");
  EXPECT_EQ(tq_text_open("{}", size_t(1) << 40, nullptr, 0, nullptr, 0, &tokenizer, &error), 0);
  EXPECT_EQ(sentence(), "tokenizer.json: 1099511627776 elements are more than the "
                        "limit of 268435456");
  EXPECT_EQ(tq_text_encode(nullptr, "", 0, 1, &ids, &count, &error), 0);
  EXPECT_EQ(sentence(), "tokenizer is null");
  EXPECT_EQ(tq_text_decode(nullptr, nullptr, 0, 0, &text, nullptr), 0);
  EXPECT_EQ(tq_text_has_chat_template(nullptr), 0);
  EXPECT_EQ(tq_text_stream_push(nullptr, 0, &text, &error), 0);
  EXPECT_EQ(sentence(), "stream is null");
  tq_text_close(nullptr);
  tq_text_stream_close(nullptr);
  tq_text_free(nullptr);
}

} // namespace
