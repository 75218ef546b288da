//===- CompileCache.cpp - tq-run on a checkpoint --------------------------===//

#include "runtime/CompileCache.h"

#include "runtime/Manifest.h"
#include "runtime/Process.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace tq;
namespace fs = std::filesystem;

extern char **environ;

namespace {

Result<std::string> findCompiler() {
  std::string beside = (fs::path(ownExecutable()).parent_path() / "tq-compile").string();
  if (access(beside.c_str(), X_OK) == 0)
    return beside;
  return Error{fmt::format("cannot compile the checkpoint: there is no {}", beside)};
}

std::string describe(const fs::path &path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    return "";
#if defined(__APPLE__)
  const timespec &time = info.st_mtimespec;
#else
  const timespec &time = info.st_mtim;
#endif
  return fmt::format("{}\n{}\n{}.{:09}\n", path.string(), info.st_size, time.tv_sec, time.tv_nsec);
}

/// "tinystories-3.7m-0123456789abcdef.tqpkg"
std::string packageName(const fs::path &checkpoint, const std::string &compiler) {
  std::error_code error;
  std::vector<std::string> parts;
  for (const auto &entry : fs::directory_iterator(checkpoint, error))
    parts.push_back(describe(entry.path()));
  std::ranges::sort(parts);
  std::string key = fmt::format("format {}\n", kPackageVersion);
  key += describe(compiler);
  for (const std::string &part : parts)
    key += part;
  return fmt::format("{}-{}.tqpkg", checkpoint.filename().string(), hashText(XXH3_64bits(key.data(), key.size())));
}

Result<fs::path> cacheDirectory() {
  const char *cache = getenv("XDG_CACHE_HOME");
  const char *home = getenv("HOME");
  fs::path directory;
  if (cache && *cache == '/')
    directory = fs::path(cache) / "tq";
  else if (home && *home)
    directory = fs::path(home) / ".cache" / "tq";
  else
    return Error{"cannot find a cache for the compiled package: set HOME or "
                 "XDG_CACHE_HOME, or run tq-compile yourself"};
  std::error_code error;
  fs::create_directories(directory, error);
  if (error)
    return Error{fmt::format("{}: cannot create: {}", directory.string(), error.message())};
  return directory;
}

/// Runs the compiler with its output on our standard error.
Result<int> runCompiler(const std::string &compiler, const std::string &model, const std::string &output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  std::string arguments[] = {compiler, model, "-o", output, "--force"};
  std::vector<char *> argv;
  for (std::string &argument : arguments)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t child;
  int error = posix_spawn(&child, compiler.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error)
    return Error{fmt::format("{}: cannot start: {}", compiler, strerror(error))};
  // Ctrl-C reaches the compiler too, which then cleans up and ends.
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      return Error{fmt::format("{}: cannot wait for it: {}", compiler, strerror(errno))};
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

bool tq::isCheckpoint(const std::string &path) {
  std::error_code error;
  return fs::is_directory(path, error) && fs::exists(fs::path(path) / "config.json", error) &&
         !fs::exists(fs::path(path) / "manifest.json", error);
}

Result<std::string> tq::compileIntoCache(const std::string &checkpoint, bool &said) {
  TQ_TRY_ASSIGN(std::string compiler, findCompiler());
  TQ_TRY_ASSIGN(fs::path cache, cacheDirectory());
  std::error_code error;
  fs::path model = fs::canonical(checkpoint, error);
  if (error)
    return Error{fmt::format("{}: {}", checkpoint, error.message())};
  std::string output = (cache / packageName(model, compiler)).string();
  if (fs::exists(output, error))
    return output;
  if (stderrIsTerminal())
    fmt::print(stderr, "compiling {} into {}\n", checkpoint, output);
  TQ_TRY_ASSIGN(int code, runCompiler(compiler, model.string(), output));
  if (interrupted())
    return Error{"interrupted while compiling"};
  said = code == 1 || code == 2;
  if (code != 0)
    return Error{fmt::format("{}: tq-compile failed", checkpoint)};
  return output;
}
