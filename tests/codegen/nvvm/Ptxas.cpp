//===- Ptxas.cpp - NVIDIA's assembler, for tests --------------------------===//

#include "tests/codegen/nvvm/Ptxas.h"
#include "tests/codegen/Tools.h"

using namespace tq;
using namespace tq::test;

Result<std::string> tq::test::findPtxas(const std::string &folder, const std::string &path) {
  std::stringstream folders(folder + ":" + path);
  for (std::string next; std::getline(folders, next, ':');)
    if (std::string file = next + "/ptxas"; !next.empty() && ::access(file.c_str(), X_OK) == 0)
      return file;
  return Error{"ptxas is missing: run ./dev setup"};
}

namespace {
constexpr std::string_view kEntry = ".entry ";

/// The kernel that begins on this line, or nothing.
std::string entryOn(const std::string &line) {
  size_t at = line.find(kEntry);
  if (at == std::string::npos || line.starts_with("//"))
    return "";
  size_t begin = at + kEntry.size();
  return line.substr(begin, line.find('(', begin) - begin);
}

/// The number of the line in "ptxas FILE, line N; error : ...", or 0.
size_t lineNumber(const std::string &message) {
  size_t at = message.find(", line ");
  return at == std::string::npos ? 0 : std::strtoul(message.c_str() + at + 7, nullptr, 10);
}
} // namespace

std::vector<std::string> tq::test::kernelsOf(const std::string &text) {
  std::vector<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (std::string name = entryOn(line); !name.empty())
      names.push_back(name);
  return names;
}

Status tq::test::assemble(const std::string &ptxas, const std::string &text, const std::string &chip) {
  TempDir directory;
  std::string file = (directory / "kernels.ptx").string();
  writeFile(file, text);
  Outcome outcome = shell(ptxas + " -arch=" + chip + " -o /dev/null " + file);
  if (outcome.code == 0)
    return {};
  std::vector<std::string> kernels = {""}; // by line, from 1
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::string name = entryOn(line);
    kernels.push_back(name.empty() ? kernels.back() : name);
  }
  std::string report;
  std::istringstream messages(outcome.out + outcome.err);
  for (std::string message; std::getline(messages, message);) {
    size_t line = lineNumber(message);
    bool inKernel = line < kernels.size() && !kernels[line].empty();
    report += (inKernel ? "kernel " + kernels[line] + ": " : "") + message + "\n";
  }
  return Error{report + "(for " + chip + ", exit code " + std::to_string(outcome.code) + ")"};
}
