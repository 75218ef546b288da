//===- Trace.h - Time and bytes of every launch -----------------*- C++ -*-===//
// Collects launches and writes them in Chrome's trace format, which Perfetto
// (ui.perfetto.dev) and chrome://tracing show.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_TRACE_H
#define TQ_RUNTIME_TRACE_H

#include "runtime/PackageFormat.h"
#include "runtime/Status.h"

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tq {

class Trace {
public:
  using Clock = std::chrono::steady_clock;

  Trace() : start(Clock::now()) {}
  Trace(const Trace &) = delete;

  /// `entry` and `step` must outlive the trace.
  void launch(const Entry &entry, const Step &step, int64_t tasks, std::span<const int32_t> params,
              Clock::time_point begin, Clock::time_point end);

  Status write(const std::string &path) const;
  /// How long the last launch took, in microseconds; 0 if there was none.
  double lastMicros() const;

private:
  struct Event {
    const Entry *entry;
    const Step *step;
    int64_t tasks;
    int32_t params[kParamCount];
    Clock::time_point begin, end;
  };
  Clock::time_point start;
  std::vector<Event> events;
};

} // namespace tq

#endif // TQ_RUNTIME_TRACE_H
