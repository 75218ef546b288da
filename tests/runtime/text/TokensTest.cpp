//===- TokensTest.cpp - Ids, decoding, streaming against the goldens ------===//

#include "Goldens.h"

using namespace tq;
using namespace tq::test;

namespace {

class Tokens : public testing::TestWithParam<Path> {
protected:
  void SetUp() override {
    Path folder = tokenizerFolder(GetParam());
    Result<Tokenizer> opened = openTokenizer(folder / "tokenizer.json", folder);
    ASSERT_TRUE(opened.ok()) << opened.message();
    tokenizer.emplace(std::move(*opened));
    strings = readJson(goldens() / "strings.json");
    tokens = readJson(GetParam() / "tokens.json");
    ASSERT_TRUE(strings.is_array() && tokens.contains("rows"));
    ASSERT_EQ(strings.size(), tokens["rows"].size());
  }

  Ids encode(const std::string &text, bool addSpecialTokens) {
    Result<Ids> ids = tokenizer->encode(text, addSpecialTokens);
    EXPECT_TRUE(ids.ok()) << ids.message();
    return ids.ok() ? *ids : Ids();
  }

  std::string decode(const Ids &ids, bool skipSpecialTokens) {
    Result<std::string> text = tokenizer->decode(ids, skipSpecialTokens);
    EXPECT_TRUE(text.ok()) << text.message();
    return text.ok() ? *text : std::string();
  }

  /// Pieces after each id, and then what flush gives.
  std::vector<std::string> pieces(const Ids &ids, bool skipSpecialTokens) {
    std::vector<std::string> result;
    Result<TokenStream> stream = tokenizer->stream(skipSpecialTokens);
    EXPECT_TRUE(stream.ok()) << stream.message();
    if (!stream.ok())
      return result;
    // The second round checks that flush leaves the stream as new.
    for (int round = 0; round < 2; ++round) {
      result.clear();
      for (uint32_t id : ids) {
        Result<std::string> piece = stream->push(id);
        EXPECT_TRUE(piece.ok()) << piece.message();
        result.push_back(piece.ok() ? *piece : "");
      }
      Result<std::string> rest = stream->flush();
      EXPECT_TRUE(rest.ok()) << rest.message();
      result.push_back(rest.ok() ? *rest : "");
    }
    return result;
  }

  std::string joined(const std::vector<std::string> &parts) {
    std::string all;
    for (const std::string &part : parts)
      all += part;
    return all;
  }

  void expectStream(const Json &row, const Ids &ids) {
    auto expected = row["stream"].get<std::vector<std::string>>();
    expected.push_back(row.value("stream_flush", std::string()));
    EXPECT_EQ(pieces(ids, /*skipSpecialTokens=*/false), expected);
  }

  std::optional<Tokenizer> tokenizer;
  Json strings, tokens;
};

TEST_P(Tokens, rows) {
  for (size_t i = 0; i < strings.size(); ++i) {
    SCOPED_TRACE("row " + std::to_string(i));
    const Json &row = tokens["rows"][i];
    std::string text = strings[i].get<std::string>();
    Ids ids = row["ids"].get<Ids>();
    EXPECT_EQ(encode(text, /*addSpecialTokens=*/true), ids);
    EXPECT_EQ(encode(text, /*addSpecialTokens=*/false), row.contains("ids_bare") ? row["ids_bare"].get<Ids>() : ids);
    std::string decoded = row.value("decode", text);
    EXPECT_EQ(decode(ids, /*skipSpecialTokens=*/false), decoded);
    EXPECT_EQ(decode(ids, /*skipSpecialTokens=*/true), row.value("decode_skip_special", decoded));
    if (row.contains("stream"))
      expectStream(row, ids);
  }
}

TEST_P(Tokens, fragments) {
  for (size_t i = 0; i < tokens["fragments"].size(); ++i) {
    SCOPED_TRACE("fragment " + std::to_string(i));
    const Json &row = tokens["fragments"][i];
    Ids ids = row["ids"].get<Ids>();
    EXPECT_EQ(decode(ids, /*skipSpecialTokens=*/false), row["decode"].get<std::string>());
    if (row.contains("stream"))
      expectStream(row, ids);
    else
      pieces(ids, /*skipSpecialTokens=*/false); // must not fail
  }
}

// Long enough for the window to slide hundreds of times over every kind of
// text. The texts are valid, so the pieces are those of the whole.
TEST_P(Tokens, longStream) {
  Ids all;
  for (const Json &text : strings) {
    Ids ids = encode(text.get<std::string>(), /*addSpecialTokens=*/true);
    all.insert(all.end(), ids.begin(), ids.end());
  }
  EXPECT_EQ(joined(pieces(all, /*skipSpecialTokens=*/false)), decode(all, /*skipSpecialTokens=*/false));
  EXPECT_EQ(joined(pieces(all, /*skipSpecialTokens=*/true)), decode(all, /*skipSpecialTokens=*/true));
}

INSTANTIATE_TEST_SUITE_P(Goldens, Tokens, testing::ValuesIn(foldersWith("", "tokens.json")), testName);

// A stream outlives its tokenizer.
TEST(Tokenizer, streamKeepsTokenizer) {
  std::optional<TokenStream> stream;
  uint32_t id = 0;
  {
    Result<Tokenizer> tokenizer = openTinyStories();
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    id = tokenizer->encode("Once", false).value().at(0);
    Result<TokenStream> opened = tokenizer->stream(false);
    ASSERT_TRUE(opened.ok()) << opened.message();
    stream.emplace(std::move(*opened));
  }
  EXPECT_EQ(stream->push(id).value().substr(0, 1), "O");
}

//===----------------------------------------------------------------------===//
// Streams of broken bytes
//===----------------------------------------------------------------------===//

std::string run(TokenStream &stream, const Ids &ids) {
  std::string text;
  for (uint32_t id : ids)
    text += stream.push(id).value();
  return text;
}

std::string repeated(const std::string &text, size_t count) {
  std::string result;
  while (count--)
    result += text;
  return result;
}

/// The id of a token as the vocabulary spells it.
uint32_t idOf(const Path &tokenizerJson, const char *token) {
  Json ids = readJson(tokenizerJson)["model"]["vocab"];
  EXPECT_TRUE(ids.contains(token)) << token;
  return ids.value(token, 0u);
}

// Ids 3..258 of this vocabulary are the bytes.
class ByteFallback : public testing::Test {
protected:
  void SetUp() override {
    Path folder = goldens() / "stories260k";
    Result<Tokenizer> opened = openTokenizer(folder / "tokenizer.json", folder);
    ASSERT_TRUE(opened.ok()) << opened.message();
    tokenizer.emplace(std::move(*opened));
    Result<TokenStream> stream = tokenizer->stream(true);
    ASSERT_TRUE(stream.ok()) << stream.message();
    this->stream.emplace(std::move(*stream));
  }

  uint32_t byte(int value) { return 3 + value; }
  uint32_t letter(const char *token) { return idOf(goldens() / "stories260k/tokenizer.json", token); }

  std::optional<Tokenizer> tokenizer;
  std::optional<TokenStream> stream;
};

// The decoder turns the whole run into U+FFFD once it is known to be broken;
// the character on the screen stays, and the text goes on behind it.
TEST_F(ByteFallback, shownCharacterStays) {
  EXPECT_EQ(run(*stream, {byte(0xe4), byte(0xbd), byte(0xa0)}), "你");
  EXPECT_EQ(run(*stream, {byte(0xe5), byte(0xa5)}), "");
  EXPECT_EQ(run(*stream, {letter("a")}), "\ufffd\ufffda");
  EXPECT_EQ(run(*stream, {letter("▁b")}), " b");
  EXPECT_EQ(stream->flush().value(), "");
}

TEST_F(ByteFallback, flushAfterShownCharacter) {
  EXPECT_EQ(run(*stream, {byte(0xe4), byte(0xbd), byte(0xa0)}), "你");
  EXPECT_EQ(run(*stream, {byte(0xe5), byte(0xa5)}), "");
  EXPECT_EQ(stream->flush().value(), "\ufffd\ufffd");
}

// A run that never ends must neither be held back for ever nor fill memory.
TEST_F(ByteFallback, endlessBrokenBytes) {
  Ids ids(5000, byte(0xff));
  std::string text = run(*stream, ids);
  EXPECT_GE(text.size(), 3u * 4500);
  text += run(*stream, {letter("a")});
  text += stream->flush().value();
  EXPECT_TRUE(text == repeated("\ufffd", 5000) + "a") << text.size();
}

TEST_F(ByteFallback, endlessIdsWithoutText) {
  Ids ids(5000, 1);                         // <s>, skipped
  ids.insert(ids.end(), 5000, 4000000000u); // not in the vocabulary
  EXPECT_EQ(run(*stream, ids), "");
  EXPECT_EQ(run(*stream, {letter("▁b"), letter("▁b")}), "b b");
}

TEST(Streaming, endlessBrokenBytesByteLevel) {
  Result<Tokenizer> tokenizer = openTinyStories();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  uint32_t start = idOf(testData() / "tinystories-3.7m/tokenizer.json", "ð"); // byte 0xf0
  Result<TokenStream> stream = tokenizer->stream(true);
  ASSERT_TRUE(stream.ok()) << stream.message();
  std::string text = run(*stream, Ids(5000, start));
  EXPECT_GE(text.size(), 3u * 4500);
  text += stream->flush().value();
  EXPECT_TRUE(text == repeated("\ufffd", 5000)) << text.size();
}

} // namespace
