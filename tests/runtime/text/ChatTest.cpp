//===- ChatTest.cpp - Chat templates against the goldens ------------------===//

#include "Goldens.h"

using namespace tq;
using namespace tq::test;

namespace {

//===----------------------------------------------------------------------===//
// Templates of released models
//===----------------------------------------------------------------------===//

class Chat : public testing::TestWithParam<Path> {};

TEST_P(Chat, conversations) {
  Path folder = GetParam();
  Json file = readJson(goldens() / "chat/conversations.json");
  Json rendered = readJson(folder / "rendered.json");
  ASSERT_TRUE(file.contains("conversations") && rendered.is_object());

  Path own = tokenizerFolder(folder);
  bool ownTokenizer = std::filesystem::exists(own / "tokenizer.json");
  bool ownConfig = std::filesystem::exists(folder / "tokenizer_config.json");
  Path tokenizerPath = (ownTokenizer ? own : testData() / "tinystories-3.7m");
  Result<Tokenizer> tokenizer = openTokenizer(tokenizerPath / "tokenizer.json", ownConfig ? folder : own);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  ASSERT_TRUE(tokenizer->hasChatTemplate());
  ASSERT_EQ(rendered.size(), file["conversations"].size());

  for (auto &[name, expected] : rendered.items()) {
    SCOPED_TRACE(name);
    Json request = file["conversations"][name];
    request["now"] = file["now"];
    Result<std::string> text = tokenizer->applyChatTemplate(request.dump());
    if (expected.contains("error")) {
      ASSERT_FALSE(text.ok()) << *text;
      EXPECT_FALSE(text.message().empty());
      // The template's own words; other errors are worded by the engine.
      if (expected["error"] == "TemplateError") {
        EXPECT_NE(text.message().find(expected["message"].get<std::string>()), std::string::npos) << text.message();
      }
      continue;
    }
    ASSERT_TRUE(text.ok()) << text.message();
    EXPECT_EQ(*text, expected["text"].get<std::string>());
    if (ownTokenizer && expected.contains("ids")) {
      EXPECT_EQ(tokenizer->encode(*text, /*addSpecialTokens=*/false).value(), expected["ids"].get<Ids>());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, Chat, testing::ValuesIn(foldersWith("chat", "rendered.json")), testName);

//===----------------------------------------------------------------------===//
// The environment of a template
//===----------------------------------------------------------------------===//

/// Renders `chatTemplate` for one user message and more request keys.
Result<std::string> render(const std::string &chatTemplate, Json request = Json::object(),
                           std::string_view config = "{}") {
  std::string json = readFile(testData() / "tinystories-3.7m/tokenizer.json").value_or("");
  Result<Tokenizer> tokenizer = Tokenizer::open(json, config, chatTemplate);
  if (!tokenizer.ok())
    return tokenizer.error();
  if (!request.contains("messages"))
    request["messages"] = {{{"role", "user"}, {"content", "hi"}}};
  return tokenizer->applyChatTemplate(request.dump());
}

std::string text(const Result<std::string> &result) { return result.ok() ? *result : "error: " + result.message(); }

std::string message(const Result<std::string> &result) {
  return result.ok() ? "no error: " + *result : result.message();
}

TEST(ChatEnvironment, variables) {
  EXPECT_EQ(text(render("{{ bos_token }}{{ tools is none }}"
                        "{{ documents is none }}{{ add_generation_prompt }}"
                        "{{ enable_thinking is defined }}|{{ eos_token }}",
                        Json::object(), R"({"bos_token": "<s>"})")),
            "<s>TrueTrueFalseFalse|");
  EXPECT_EQ(text(render("{{ bos_token }}|{{ eos_token }}", Json::object(),
                        R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": null})")),
            "<s>|");
  EXPECT_FALSE(openTokenizer(testData() / "tinystories-3.7m/tokenizer.json", goldens()).value().hasChatTemplate());
  EXPECT_EQ(
      text(render("{{ bos_token }} {{ style }}", {{"bos_token", "B"}, {"style", "short"}}, R"({"bos_token": "<s>"})")),
      "B short");
}

TEST(ChatEnvironment, messages) {
  // Nulls at the top of a message go, deeper ones stay.
  EXPECT_EQ(text(render("{{ messages[0].content is defined }} "
                        "{{ messages[0].x | tojson }}",
                        {{"messages", {{{"role", "user"}, {"content", nullptr}, {"x", {{"y", nullptr}}}}}}})),
            "False {\"y\": null}");
  for (const char *name : {"reasoning_content", "thinking", "reasoning"})
    EXPECT_EQ(text(render("{{ messages[0].reasoning_content }} "
                          "{{ messages[0].thinking }}",
                          {{"messages", {{{"role", "assistant"}, {name, "hm"}}}}})),
              "hm hm");
}

// json.dumps of Python, with the numbers as Python prints them.
TEST(ChatEnvironment, tojson) {
  Json x = Json::parse(
      R"({"b": [1, 2.0, 0.1, 1e16, 1e-5, -1.5e300, true, null, []],
          "a": {"é<>&'\"\\\n\u0001\u007f": {}}})");
  EXPECT_EQ(text(render("{{ x | tojson }}", {{"x", x}})),
            "{\"b\": [1, 2.0, 0.1, 1e+16, 1e-05, -1.5e+300, true, null, []], "
            "\"a\": {\"é<>&'\\\"\\\\\\n\\u0001\x7f\": {}}}");
  EXPECT_EQ(text(render("{{ x | tojson(indent=2) }}", {{"x", {{"k", {1, 2}}, {"e", Json::array()}}}})),
            "{\n  \"k\": [\n    1,\n    2\n  ],\n  \"e\": []\n}");
  EXPECT_EQ(text(render("{{ x | tojson(ensure_ascii=true) }}", {{"x", "é😀\x7f"}})),
            "\"\\u00e9\\ud83d\\ude00\\u007f\"");
  EXPECT_EQ(text(render("{{ x | tojson(separators=(',', ':'), sort_keys=true) }}", {{"x", {{"b", 1}, {"a", 2}}}})),
            "{\"a\":2,\"b\":1}");
  EXPECT_NE(message(render("{{ nothing | tojson }}")).find("undefined"), std::string::npos);
}

TEST(ChatEnvironment, time) {
  Json now = {{"now", "2026-02-03T04:05:09.000012"}};
  EXPECT_EQ(text(render("{{ strftime_now('%d %B %Y, %H:%M:%S.%f %z%Z%-d%%f') }}", now)),
            "03 February 2026, 04:05:09.000012 3%f");
  EXPECT_EQ(text(render("{% macro m() %}{{ strftime_now('%Y') }}{% endmacro %}"
                        "{{ m() }}",
                        now)),
            "2026");
  EXPECT_EQ(text(render("{{ strftime_now('%Y') | length }}")), "4");
  EXPECT_NE(message(render("{{ strftime_now('%Q %') }}")).find("strftime_now"), std::string::npos);
  EXPECT_NE(message(render("", {{"now", "yesterday"}})).find("now"), std::string::npos);
}

TEST(ChatEnvironment, whiteSpaceAndTags) {
  // trim_blocks and lstrip_blocks, as in transformers.
  EXPECT_EQ(text(render("a\n  {% if true %}\nb\n  {% endif %}\nc")), "a\nb\nc");
  EXPECT_EQ(text(render("{% for i in range(9) %}{% if i == 2 %}{% continue %}"
                        "{% endif %}{% if i == 4 %}{% break %}{% endif %}"
                        "{{ i }}{% endfor %}")),
            "013");
  EXPECT_EQ(text(render("a\n{%- generation -%}\n b\n{% endgeneration %}\nc "
                        "{% set generation = 1 %}{{ generation }}")),
            "ab\nc 1");
  EXPECT_EQ(text(render("{{ '<' }}{{ messages[0].content.upper() }}")), "<HI");
}

TEST(ChatEnvironment, severalTemplates) {
  std::string json = readFile(testData() / "tinystories-3.7m/tokenizer.json").value_or("");
  const char *config =
      R"({"chat_template": [{"name": "default", "template": "plain"},
                            {"name": "tool_use", "template": "tools"}]})";
  Result<Tokenizer> both = Tokenizer::open(json, config);
  ASSERT_TRUE(both.ok()) << both.message();
  EXPECT_EQ(text(both->applyChatTemplate(R"({"messages": [{}]})")), "plain");
  EXPECT_EQ(text(both->applyChatTemplate(R"({"messages": [{}], "tools": []})")), "tools");
  Result<Tokenizer> file = Tokenizer::open(json, config, "from the file");
  ASSERT_TRUE(file.ok()) << file.message();
  EXPECT_EQ(text(file->applyChatTemplate(R"({"messages": [{}]})")), "from the file");
  Result<Tokenizer> other = Tokenizer::open(json, R"({"chat_template": [{"name": "rag", "template": ""}]})");
  ASSERT_TRUE(other.ok()) << other.message();
  EXPECT_EQ(message(other->applyChatTemplate(R"({"messages": [{}]})")),
            "chat template: there are several, and none is named default");
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

TEST(ChatErrors, requests) {
  Result<Tokenizer> tokenizer = openTinyStories();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  auto error = [&](std::string_view request) { return message(tokenizer->applyChatTemplate(request)); };
  EXPECT_EQ(error("").rfind("chat request: ", 0), 0u);
  EXPECT_EQ(error("[]"), "chat request: expected a JSON object");
  EXPECT_EQ(error("{}"), "chat request: messages is not a list");
  EXPECT_EQ(error(R"({"messages": []})"), "chat request: the conversation is empty; give at least one message");
  EXPECT_EQ(error(R"({"messages": [{}, 3]})"), "chat request: message 1 is not an object");
  EXPECT_EQ(error(R"({"messages": [{}], "now": 5})"), "chat request: now is not a string");
  EXPECT_EQ(error("{\"messages\": [{\"content\": \"\xff\"}]}"), "chat request: not UTF-8 (byte 27)");
  EXPECT_EQ(error(std::string(100000, '[')).rfind("chat request: ", 0), 0u);
}

TEST(ChatErrors, templates) {
  EXPECT_EQ(message(render("a\n{{ raise_exception('No such role.') }}")), "chat template: No such role. (line 2)");
  EXPECT_EQ(message(render("{% if %}")).rfind("chat template: ", 0), 0u);
  EXPECT_NE(message(render("{{ nothing + 'a' }}")).find("chat template: "), std::string::npos);
  std::string json = readFile(testData() / "tinystories-3.7m/tokenizer.json").value_or("");
  Result<Tokenizer> none = Tokenizer::open(json);
  ASSERT_TRUE(none.ok()) << none.message();
  EXPECT_EQ(message(none->applyChatTemplate(R"({"messages": [{}]})")),
            "no chat template: neither chat_template.jinja nor "
            "tokenizer_config.json has one");
}

// Templates come with the checkpoint: one that loops, recurses or grows must
// end with a sentence.
TEST(ChatErrors, hostileTemplates) {
  EXPECT_NE(message(render("{% for i in range(9999) %}{% for j in range(9999) %}"
                           "{% endfor %}{% endfor %}"))
                .find("fuel"),
            std::string::npos);
  EXPECT_FALSE(render("{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}").ok());
  EXPECT_FALSE(render("{{ 'a' * 1000000000000 }}").ok());
  EXPECT_FALSE(render("{{ range(1000000000) | list }}").ok());
  EXPECT_FALSE(render(std::string(100000, '(')).ok() && render("{{" + std::string(100000, '(')).ok());
  EXPECT_FALSE(render("{% set ns = namespace(x=[]) %}{% for i in range(9999) %}"
                      "{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}")
                   .ok());
}

} // namespace
