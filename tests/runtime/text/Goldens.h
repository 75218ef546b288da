//===- Goldens.h - Folders of expected tokens and texts -------------------===//
// See goldens/README.md for what the files hold.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_RUNTIME_TEXT_GOLDENS_H
#define TQ_TESTS_RUNTIME_TEXT_GOLDENS_H

#include "runtime/text/Text.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace tq::test {

using Json = nlohmann::ordered_json;
using Path = std::filesystem::path;

inline Path goldens() { return Path(TQ_TEXT_TEST_DIR) / "goldens"; }
inline Path testData() { return TQ_TEST_DATA; }

inline std::optional<std::string> readFile(const Path &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline Json readJson(const Path &path) {
  std::optional<std::string> text = readFile(path);
  if (!text)
    return Json();
  return Json::parse(*text, nullptr, /*allow_exceptions=*/false);
}

/// Folders that hold `file`, below the goldens and the extra goldens.
inline std::vector<Path> foldersWith(const std::string &subfolder, const std::string &file) {
  std::vector<Path> roots = {goldens() / subfolder};
  if (const char *extra = std::getenv("TQ_TEXT_EXTRA_GOLDENS"))
    roots.push_back(Path(extra) / subfolder);
  std::vector<Path> folders;
  for (const Path &root : roots) {
    std::error_code ignored;
    for (const auto &entry : std::filesystem::directory_iterator(root, ignored))
      if (std::filesystem::exists(entry.path() / file))
        folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// Test names may hold letters, digits and underscores only.
inline std::string testName(const testing::TestParamInfo<Path> &info) {
  std::string name = info.param.filename().string();
  for (char &c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)))
      c = '_';
  // The same name may occur among the extra goldens.
  return name + "_" + std::to_string(info.index);
}

/// The folder's own tokenizer, or the one of tests/data with its name.
inline Path tokenizerFolder(const Path &folder) {
  if (std::filesystem::exists(folder / "tokenizer.json"))
    return folder;
  return testData() / folder.filename();
}

inline std::optional<std::string_view> view(const std::optional<std::string> &text) {
  if (!text)
    return std::nullopt;
  return std::string_view(*text);
}

inline Result<Tokenizer> openTokenizer(const Path &tokenizerJson, const Path &configFolder) {
  std::optional<std::string> json = readFile(tokenizerJson);
  if (!json)
    return Error{"cannot read " + tokenizerJson.string()};
  std::optional<std::string> config = readFile(configFolder / "tokenizer_config.json");
  std::optional<std::string> chatTemplate = readFile(configFolder / "chat_template.jinja");
  return Tokenizer::open(*json, view(config), view(chatTemplate));
}

/// The small tokenizer that tests use when any will do.
inline Result<Tokenizer> openTinyStories() {
  Path folder = testData() / "tinystories-3.7m";
  return openTokenizer(folder / "tokenizer.json", folder);
}

using Ids = std::vector<uint32_t>;

} // namespace tq::test

#endif // TQ_TESTS_RUNTIME_TEXT_GOLDENS_H
