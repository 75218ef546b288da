//===- Trace.cpp - Time and bytes of every launch -------------------------===//

#include "runtime/Trace.h"

#include "runtime/OutputFile.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace tq;
using json = nlohmann::ordered_json;

void Trace::launch(const Entry &entry, const Step &step, int64_t tasks, std::span<const int32_t> params,
                   Clock::time_point begin, Clock::time_point end) {
  Event &event = events.emplace_back();
  event.entry = &entry;
  event.step = &step;
  event.tasks = tasks;
  std::copy(params.begin(), params.end(), event.params);
  event.begin = begin;
  event.end = end;
}

double Trace::lastMicros() const {
  return events.empty() ? 0
                        : std::chrono::duration<double, std::micro>(events.back().end - events.back().begin).count();
}

Status Trace::write(const std::string &path) const {
  TQ_TRY_ASSIGN(OutputFile file, OutputFile::create(path));
  auto micros = [&](Clock::time_point time) { return std::chrono::duration<double, std::micro>(time - start).count(); };
  std::string text = "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [";
  for (size_t i = 0; i < events.size(); ++i) {
    const Event &event = events[i];
    double duration = micros(event.end) - micros(event.begin);
    uint64_t bytes = event.step->weight_bytes;
    // One process, one thread: launches follow each other. GB/s is bytes per
    // microsecond over 1000.
    json line = {{"name", event.step->label.empty() ? event.step->kernel : event.step->label},
                 {"cat", event.entry->name},
                 {"ph", "X"},
                 {"pid", 1},
                 {"tid", 1},
                 {"ts", micros(event.begin)},
                 {"dur", duration},
                 {"args",
                  {{"kernel", event.step->kernel},
                   {"tasks", event.tasks},
                   {"n_tokens", event.params[int(Param::NTokens)]},
                   {"pos", event.params[int(Param::Pos)]},
                   {"n_out", event.params[int(Param::NOut)]},
                   {"weight_bytes", bytes},
                   {"weights_gb_s", duration > 0 ? bytes / duration / 1e3 : 0.0}}}};
    text += i ? ",\n" : "\n";
    text += line.dump(-1, ' ', false, json::error_handler_t::replace);
    if (text.size() > (1 << 20)) {
      file.write(text.data(), text.size());
      text.clear();
    }
  }
  text += "\n]}\n";
  file.write(text.data(), text.size());
  return file.commit();
}
