//===- Tools.cpp - clang as a program -------------------------------------===//

#include "tests/metal/Tools.h"

#include "runtime/ReadFile.h"
#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tq;
using namespace tq::metal;
namespace fs = std::filesystem;

extern char **environ;

namespace {

std::string inPath(const std::string &program) {
  const char *path = getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string file = folder + "/" + program;
    if (!folder.empty() && access(file.c_str(), X_OK) == 0)
      return file;
  }
  return "";
}

} // namespace

Result<std::string> tq::metal::findClang() {
  std::string found = inPath("clang++-22");
  if (!found.empty())
    return found;
  if (access(TQ_METAL_CLANG, X_OK) == 0)
    return std::string(TQ_METAL_CLANG);
  return Error{"cannot compile Metal text: there is no clang++-22 in PATH; install clang-22"};
}

std::string tq::metal::findSymbolizer() {
  auto clang = findClang();
  if (clang) {
    std::error_code error;
    fs::path beside = fs::canonical(*clang, error).parent_path() / "llvm-symbolizer";
    if (!error && access(beside.c_str(), X_OK) == 0)
      return beside.string();
  }
  for (const char *name : {"llvm-symbolizer-22", "llvm-symbolizer"})
    if (std::string found = inPath(name); !found.empty())
      return found;
  return "";
}

Result<ToolOutput> tq::metal::runTool(const std::vector<std::string> &arguments, const std::string &folder) {
  std::string out = folder + "/stdout", err = folder + "/stderr";
  std::vector<char *> argv;
  for (const std::string &argument : arguments)
    argv.push_back(const_cast<char *>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t child;
  int failed = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed)
    return Error{fmt::format("{}: cannot start: {}", arguments[0], strerror(failed))};
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      return Error{fmt::format("{}: {}", arguments[0], strerror(errno))};
  ToolOutput output;
  output.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  TQ_TRY_ASSIGN(output.out, readFile(out, kAnySize));
  TQ_TRY_ASSIGN(output.error, readFile(err, kAnySize));
  return output;
}
