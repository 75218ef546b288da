//===- Process.h - Signals, start time, standard output ---------*- C++ -*-===//

#ifndef TQ_RUNTIME_PROCESS_H
#define TQ_RUNTIME_PROCESS_H

#include "runtime/Status.h"

#include <atomic>
#include <string>
#include <string_view>

namespace tq {

/// Ctrl-C, SIGTERM and SIGHUP raise a flag; a second one ends the process at
/// once, with exit code 1. Writing to a closed pipe is an error, not a signal.
void catchInterrupts();
const std::atomic<bool> &interrupted();
/// Lowers the flag, for a chat that goes on after Ctrl-C.
void clearInterrupt();

/// Seconds since this process started, loading included; the system tells the
/// start to 10 ms.
double secondsSinceStart();

/// The path of this program, "" if the system does not say.
std::string ownExecutable();

/// Standard output, unbuffered. A closed pipe is no error: see closed().
class StandardOutput {
public:
  Status write(std::string_view text);
  /// True once the reader has gone; nothing more is worth writing.
  bool closed() const { return isClosed; }

private:
  bool isClosed = false;
};

/// True if progress would be seen.
bool stderrIsTerminal();
/// Replaces the line of progress on a terminal; elsewhere nothing. "" clears.
void showProgress(std::string_view line);

/// Writes "error: ..." or "warning: ..." to standard error.
void printError(std::string_view sentence);
void printWarning(std::string_view sentence);

} // namespace tq

#endif // TQ_RUNTIME_PROCESS_H
