//===- Process.cpp - Signals, start time, standard output -----------------===//

#include "runtime/Process.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <unistd.h>
#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif

using namespace tq;

namespace {

std::atomic<bool> interruptFlag = false;
static_assert(std::atomic<bool>::is_always_lock_free);

const auto kLoaded = std::chrono::steady_clock::now();

void onInterrupt(int) {
  if (interruptFlag.exchange(true))
    _exit(1);
}

/// Age of the process when asked; negative if the system does not say.
double processAge() {
#if defined(__linux__)
  char text[1024];
  FILE *file = fopen("/proc/self/stat", "re");
  if (!file)
    return -1;
  size_t size = fread(text, 1, sizeof(text) - 1, file);
  fclose(file);
  text[size] = 0;
  // Field 22, in clock ticks since boot; the name, field 2, may hold spaces.
  char *field = strrchr(text, ')');
  for (int i = 2; field && i < 22; ++i)
    field = strchr(field + 1, ' ');
  timespec now;
  if (!field || clock_gettime(CLOCK_BOOTTIME, &now) != 0)
    return -1;
  double started = strtod(field, nullptr) / double(sysconf(_SC_CLK_TCK));
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9 - started;
#else
  return -1;
#endif
}

} // namespace

std::string tq::ownExecutable() {
  char path[4096];
#if defined(__APPLE__)
  uint32_t size = sizeof(path);
  return _NSGetExecutablePath(path, &size) == 0 ? path : "";
#else
  ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  return size > 0 && size < ssize_t(sizeof(path)) ? std::string(path, size_t(size)) : "";
#endif
}

void tq::catchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = onInterrupt; // no SA_RESTART: reading stdin ends too
  sigemptyset(&action.sa_mask);
  for (int signal : {SIGINT, SIGTERM, SIGHUP})
    sigaction(signal, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

const std::atomic<bool> &tq::interrupted() { return interruptFlag; }
void tq::clearInterrupt() { interruptFlag = false; }

double tq::secondsSinceStart() {
  double age = processAge();
  if (age >= 0)
    return age;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - kLoaded).count();
}

Status StandardOutput::write(std::string_view text) {
  while (!isClosed && !text.empty()) {
    ssize_t count = ::write(STDOUT_FILENO, text.data(), text.size());
    if (count >= 0)
      text.remove_prefix(static_cast<size_t>(count));
    else if (errno == EPIPE)
      isClosed = true;
    else if (errno != EINTR && errno != EAGAIN)
      return Error{fmt::format("cannot write to standard output: {}", strerror(errno))};
  }
  return Status();
}

bool tq::stderrIsTerminal() {
  static const bool terminal = isatty(STDERR_FILENO);
  return terminal;
}

void tq::showProgress(std::string_view line) {
  if (stderrIsTerminal())
    fmt::print(stderr, "\r\033[K{}", line);
}

void tq::printError(std::string_view sentence) {
  showProgress("");
  fmt::print(stderr, "error: {}\n", sentence);
}

void tq::printWarning(std::string_view sentence) {
  showProgress("");
  fmt::print(stderr, "warning: {}\n", sentence);
}
