//===- Worker.cpp - One host thread running one threadgroup at a time -----===//

#include "tests/metal/Worker.h"

#include "tests/metal/Diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

using namespace tq;
using namespace tq::metal;

namespace {

// Initial-exec: no call to look the variable up, also when this library is part of a shared object.
__attribute__((tls_model("initial-exec"))) thread_local Worker *theWorker = nullptr;

/// Unused bytes around threadgroup memory, so that a step too far is seen: as many as a threadgroup can have. A multiple
/// of five cache lines more, or all arrays would share a few cache sets.
constexpr size_t kGap = kThreadgroupLimit + 320;

const char *waitName(Wait why) {
  switch (why) {
  case Wait::Threadgroup:
    return "threadgroup_barrier";
  case Wait::Simdgroup:
    return "a simdgroup function";
  case Wait::Quadgroup:
    return "a quadgroup function";
  default:
    return "nothing";
  }
}

} // namespace

// noinline: a fiber never changes its host thread, but the compiler must not keep the address across a switch either.
Worker *tq::metal::currentWorker() { return theWorker; }
void tq::metal::setCurrentWorker(Worker *worker) { theWorker = worker; }

Worker::Worker()
    : stackOf(kMaxThreads), site(kMaxThreads), codeOf(kMaxThreads), waiting(kMaxThreads), elected(kMaxThreads),
      electionWidth(kMaxThreads), simds(kMaxThreads / kSimdWidth), quads(kMaxThreads / kQuadWidth),
      position(kMaxThreads), gridPosition(kMaxThreads), index(kMaxThreads), laneIndex(kMaxThreads),
      simdIndex(kMaxThreads), quadLane(kMaxThreads), quadIndex(kMaxThreads), redZones(kMaxThreads) {}

Worker::~Worker() = default;

Status Worker::begin(const LaunchPlan &launch, size_t workerIndex) {
  plan = &launch;
  checked = launch.image->checked;
  poison = launch.schedule.poison;
  statistics = {};
  failed = false;
  fault = {};
  signalMessage = nullptr;
  size = {0, 0, 0};
  TQ_TRY_ASSIGN(module, launch.image->module(workerIndex));
  thunk = module->thunk(launch.kernel->name);
  if (!thunk)
    return Error{fmt::format("kernel {} is not in the compiled text", launch.kernel->name)};
  module->setPoison(poison);
  int threads = static_cast<int>(launch.perGroup[0] * launch.perGroup[1] * launch.perGroup[2]);
  if (!stacks.prepare(threads))
    return Error{fmt::format("kernel {}: no memory for the stacks of {} threads", launch.kernel->name, threads)};
  random.seed(launch.schedule.seed + 1);
  interleaved = launch.schedule.interleaved && !launch.parallel;
  before.clear();
  beforeThis.clear();
  lostStore = lostExchange = nullptr;

  // Threadgroup memory: parameters in the arena, the kernel's own variables in the module.
  const auto &kernelParameters = launch.kernel->parameters;
  size_t arenaBytes = kGap;
  for (uint64_t bytes : launch.threadgroupBytes)
    arenaBytes += bytes ? bytes + kGap : 0;
  if (arena.size() < arenaBytes + kGap)
    arena.resize(arenaBytes + kGap);
  threadgroupRanges.clear();
  parameters = kernelParameters.size();
  arguments.assign(parameters * kMaxThreads, 0);
  char *at = arena.data() + kGap - reinterpret_cast<uintptr_t>(arena.data()) % 64;
  std::vector<char *> slots(parameters);
  for (size_t i = 0; i < parameters; ++i) {
    if (kernelParameters[i].kind != Parameter::ThreadgroupMemory)
      continue;
    slots[i] = at;
    Range range;
    range.low = reinterpret_cast<uintptr_t>(at);
    range.bytes = launch.threadgroupBytes[i];
    range.name = fmt::format("threadgroup({}) '{}'", kernelParameters[i].index, kernelParameters[i].name);
    threadgroupRanges.push_back(std::move(range));
    at += (launch.threadgroupBytes[i] + kGap - 1) / 16 * 16;
  }
  for (const ImageVariable &v : module->statics) {
    if (kernelOf(v) != launch.kernel->name)
      continue;
    Range range;
    range.low = reinterpret_cast<uintptr_t>(v.address);
    range.bytes = v.bytes;
    range.name = fmt::format("threadgroup variable '{}'", v.name + launch.kernel->name.size() + 2);
    threadgroupRanges.push_back(std::move(range));
  }
  for (size_t i = 0; i < parameters; ++i)
    for (size_t thread = 0; thread < static_cast<size_t>(threads); ++thread)
      arguments[thread * parameters + i] = kernelParameters[i].kind == Parameter::Buffer
                                               ? reinterpret_cast<uint64_t>(launch.buffers[i])
                                               : reinterpret_cast<uint64_t>(slots[i]);
  if (!checked)
    return Status();

  access.parallel = launch.parallel;
  access.firstSerial = launch.firstSerial;
  access.cache.fill(nullptr);
  access.pool.reset();
  access.ranges.clear();
  for (Range &range : threadgroupRanges) {
    range.space = Threadgroup;
    range.writable = true;
    range.shift = static_cast<uint8_t>(launch.threadgroupShift);
    range.cells = access.pool.take(range.bytes, range.shift);
    if (!range.cells)
      return Error{"no address space for the checker's memory"};
    access.ranges.push_back(range);
  }
  access.ranges.insert(access.ranges.end(), launch.ranges.begin(), launch.ranges.end());
  for (const ImageVariable &v : module->constants) {
    Range range;
    range.low = reinterpret_cast<uintptr_t>(v.address);
    range.bytes = v.bytes;
    range.name = fmt::format("constant '{}'", v.name);
    range.space = Constant;
    access.ranges.push_back(std::move(range));
  }
  return Status();
}

void Worker::end() { plan = nullptr; }

// --- inputs ------------------------------------------------------------------

const void *Worker::builtin(const std::string &name, int thread) {
  auto i = static_cast<size_t>(thread);
  const std::map<std::string_view, const void *> values = {
      {"thread_position_in_grid", &gridPosition[i]},
      {"threadgroup_position_in_grid", &groupPosition},
      {"thread_position_in_threadgroup", &position[i]},
      {"threads_per_grid", &gridSize},
      {"threads_per_threadgroup", &groupSize},
      {"dispatch_threads_per_threadgroup", &fullGroupSize},
      {"threadgroups_per_grid", &groupCount},
      {"thread_index_in_threadgroup", &index[i]},
      {"thread_index_in_simdgroup", &laneIndex[i]},
      {"thread_index_in_quadgroup", &quadLane[i]},
      {"simdgroup_index_in_threadgroup", &simdIndex[i]},
      {"quadgroup_index_in_threadgroup", &quadIndex[i]},
      {"simdgroups_per_threadgroup", &simdCount},
      {"dispatch_simdgroups_per_threadgroup", &fullSimdCount},
      {"quadgroups_per_threadgroup", &quadCount},
      {"threads_per_simdgroup", &simdWidth},
      {"thread_execution_width", &simdWidth},
  };
  return values.at(name);
}

void Worker::bindArguments() {
  const auto &kernelParameters = plan->kernel->parameters;
  for (size_t p = 0; p < parameters; ++p) {
    if (kernelParameters[p].kind != Parameter::Builtin)
      continue;
    auto first = reinterpret_cast<uint64_t>(builtin(kernelParameters[p].builtin, 0));
    bool perThread = count > 1 && builtin(kernelParameters[p].builtin, 1) != reinterpret_cast<const void *>(first);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i)
      arguments[i * parameters + p] = first + (perThread ? i * sizeof(Input) : 0);
  }
}

/// What a thread knows of itself, for threadgroups of this size.
void Worker::setThreads(std::array<uint32_t, 3> origin, std::array<uint32_t, 3> now) {
  auto of = [](const std::array<uint32_t, 3> &a) { return Input{{a[0], a[1], a[2], 0}}; };
  auto ceil = [](uint32_t a, int b) { return (a + static_cast<uint32_t>(b) - 1) / static_cast<uint32_t>(b); };
  bool same = now == size;
  if (!same) {
    size = now;
    count = static_cast<int>(now[0] * now[1] * now[2]);
    const auto &full = plan->perGroup;
    groupSize = of(now);
    fullGroupSize = of(full);
    gridSize = of(plan->grid);
    groupCount = of(plan->groups);
    auto threads = static_cast<uint32_t>(count);
    simdCount = {{ceil(threads, kSimdWidth), 0, 0, 0}};
    fullSimdCount = {{ceil(full[0] * full[1] * full[2], kSimdWidth), 0, 0, 0}};
    quadCount = {{ceil(threads, kQuadWidth), 0, 0, 0}};
    simdWidth = {{kSimdWidth, 0, 0, 0}};
    for (uint32_t i = 0; i < threads; ++i) {
      position[i] = {{i % now[0], i / now[0] % now[1], i / (now[0] * now[1]), 0}};
      index[i] = {{i, 0, 0, 0}};
      laneIndex[i] = {{i % kSimdWidth, 0, 0, 0}};
      simdIndex[i] = {{i / kSimdWidth, 0, 0, 0}};
      quadLane[i] = {{i % kQuadWidth, 0, 0, 0}};
      quadIndex[i] = {{i / kQuadWidth, 0, 0, 0}};
      order[i] = static_cast<int16_t>(plan->schedule.kind == Schedule::Reverse ? threads - 1 - i : i);
    }
    bindArguments();
  }
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const uint32_t *p = position[i].v;
    gridPosition[i] = {{origin[0] + p[0], origin[1] + p[1], origin[2] + p[2], 0}};
  }
}

// --- running -----------------------------------------------------------------

bool Worker::runGroup(uint64_t group, uint64_t serial) {
  const auto &groups = plan->groups;
  std::array<uint32_t, 3> at = {static_cast<uint32_t>(group % groups[0]),
                                static_cast<uint32_t>(group / groups[0] % groups[1]),
                                static_cast<uint32_t>(group / (uint64_t(groups[0]) * groups[1]))};
  std::array<uint32_t, 3> origin, now;
  for (size_t d = 0; d < 3; ++d) {
    origin[d] = at[d] * plan->perGroup[d];
    now[d] = std::min(plan->perGroup[d], plan->grid[d] - origin[d]);
  }
  groupPosition = {{at[0], at[1], at[2], 0}};
  setThreads(origin, now);
  ++groupTicks;
  lastSite = nullptr;
  std::swap(before, beforeThis);
  beforeThis.clear();
  oldLoads = count;
  yields = kYields * count;
  if (interleaved)
    lastAtomic.assign(static_cast<size_t>(count), {});
  if (checked)
    access.beginGroup(serial);
  else
    for (const Range &range : threadgroupRanges) // threadgroup memory starts as garbage
      memset(reinterpret_cast<void *>(range.low), poison, range.bytes);
  startFibers();
  statistics.threads += static_cast<uint64_t>(count);
  int first = next();
  current = first;
  running = true;
  tq_metal_switch(&mainStack, stackOf[static_cast<size_t>(first)]);
  while (requestA) { // a fiber asks for something that needs a deep stack
    running = false;
    std::string a = plan->image->place(module->offsetOf(requestA) - 1);
    answer = a == plan->image->place(module->offsetOf(requestB) - 1);
    requestA = requestB = nullptr;
    running = true;
    tq_metal_switch(&mainStack, stackOf[static_cast<size_t>(current)]);
  }
  running = false;
  if (interleaved)
    for (const LastAtomic &last : lastAtomic)
      lostExchange = lostExchange ? lostExchange : last.failed;
  return !failed;
}

void Worker::startFibers() {
  finished = queueHead = queueLength = barrierArrived = 0;
  if (plan->schedule.kind == Schedule::Random) {
    for (int i = 0; i < count; ++i)
      order[static_cast<size_t>(i)] = static_cast<int16_t>(i);
    std::shuffle(order.begin(), order.begin() + count, random);
  }
  auto groups = [&](std::vector<Rendezvous> &all, int width) {
    for (int first = 0, g = 0; first < count; first += width, ++g) {
      Rendezvous &r = all[static_cast<size_t>(g)];
      r.arrived = r.parity = 0;
      r.first = first;
      r.size = std::min(width, count - first);
      if (r.size < width) // absent lanes
        memset(r.slots, poison, sizeof(r.slots));
    }
  };
  groups(simds, kSimdWidth);
  groups(quads, kQuadWidth);
  for (int i = 0; i < count; ++i) {
    int thread = order[static_cast<size_t>(i)];
    stackOf[static_cast<size_t>(thread)] = stacks.start(thread, entry);
    waiting[static_cast<size_t>(thread)] = Wait::Nothing;
    if (checked)
      redZones[static_cast<size_t>(thread)].clear();
    push(thread);
  }
}

void Worker::entry() {
  Worker *w = currentWorker();
  w->thunk(&w->arguments[static_cast<size_t>(w->current) * w->parameters]);
  w->waiting[static_cast<size_t>(w->current)] = Wait::Returned;
  if (++w->finished == w->count)
    w->leave();
  w->wait(Wait::Returned);
  __builtin_unreachable();
}

/// Takes the next runnable thread out of the queue; -1 if there is none.
int Worker::next() {
  if (queueLength == 0)
    return -1;
  if (plan->schedule.kind == Schedule::Random) {
    int other = (queueHead + static_cast<int>(random() % static_cast<unsigned>(queueLength))) % kMaxThreads;
    std::swap(queue[static_cast<size_t>(queueHead)], queue[static_cast<size_t>(other)]);
  }
  int thread = queue[static_cast<size_t>(queueHead)];
  queueHead = (queueHead + 1) % kMaxThreads;
  --queueLength;
  return thread;
}

void Worker::wait(Wait why) {
  int me = current;
  waiting[static_cast<size_t>(me)] = why;
  int thread = next();
  if (thread < 0 && elect())
    thread = next();
  if (thread < 0)
    deadlock();
  if (thread == me) // elected
    return;
  current = thread;
  ++statistics.switches;
  tq_metal_switch(&stackOf[static_cast<size_t>(me)], stackOf[static_cast<size_t>(thread)]);
}

void Worker::yield() {
  if (!interleaved || queueLength == 0 || yields == 0)
    return;
  --yields;
  int me = current;
  current = next();
  push(me);
  ++statistics.switches;
  tq_metal_switch(&stackOf[static_cast<size_t>(me)], stackOf[static_cast<size_t>(current)]);
}

/// Threadgroups are not ordered: up to its first store, this one may have run before the last one. Not for long, because
/// a loop may wait for the other's value.
uint64_t Worker::loadedAtomic(uintptr_t address, uint64_t now) {
  if (!interleaved)
    return now;
  if (oldLoads > 0) {
    --oldLoads;
    auto old = before.find(address);
    now = old == before.end() ? now : old->second;
  }
  LastAtomic &last = lastAtomic[static_cast<size_t>(current)];
  last.address = address;
  last.value = now;
  return now;
}

void Worker::replaces(uintptr_t address, uint64_t value, const void *code) {
  if (!interleaved)
    return;
  const LastAtomic &last = lastAtomic[static_cast<size_t>(current)];
  if (last.address == address && last.value != value && !lostStore)
    lostStore = code;
}

void Worker::exchanged(bool done, const void *code) {
  if (interleaved)
    lastAtomic[static_cast<size_t>(current)].failed = done ? nullptr : code;
}

int Worker::lostUpdate() const {
  const void *code = lostStore ? lostStore : lostExchange;
  return code ? plan->image->lineOf(module->offsetOf(code) - 1) : 0;
}

void Worker::storesAtomic(uintptr_t address, uint64_t value) {
  if (!interleaved)
    return;
  oldLoads = 0;
  for (const Range &range : threadgroupRanges) // every threadgroup has its own
    if (address - range.low < range.bytes)
      return;
  beforeThis.emplace(address, value);
}

void Worker::leave() {
  running = false;
  tq_metal_switch(&abandoned, mainStack);
  __builtin_unreachable();
}

/// Everybody of these but the running thread becomes runnable.
void Worker::releaseAll(int first, int size) {
  for (int i = 0; i < size; ++i) {
    int thread = plan->schedule.kind == Schedule::Reverse ? first + size - 1 - i : first + i;
    if (thread != current && waiting[static_cast<size_t>(thread)] != Wait::Returned)
      push(thread);
    if (waiting[static_cast<size_t>(thread)] != Wait::Returned)
      waiting[static_cast<size_t>(thread)] = Wait::Nothing;
  }
}

// --- rendezvous --------------------------------------------------------------

void Worker::barrier(int flags, int line, const void *code) {
  ++statistics.barriers;
  auto me = static_cast<size_t>(current);
  lastSite = code;
  site[me] = line;
  codeOf[me] = code;
  if (barrierArrived == 0) {
    barrierFirst = current;
    barrierFlags = flags;
  } else {
    auto other = static_cast<size_t>(barrierFirst);
    if (site[other] != line || (checked && codeOf[other] != code && !samePlace(codeOf[other], code)))
      fail(fmt::format("divergent threadgroup_barrier: {} comes to that of line {} while thread {} waits at that of "
                       "line {}",
                       threadName(current), line, barrierFirst, site[other]),
           std::min(line, site[other]), code);
    barrierFlags &= flags;
  }
  if (++barrierArrived < count)
    return wait(Wait::Threadgroup);
  barrierArrived = 0;
  if (checked)
    access.threadgroupBarrier(barrierFlags, (count + kSimdWidth - 1) / kSimdWidth);
  releaseAll(0, count);
}

bool Worker::arrive(Rendezvous &r, int line, const void *code) {
  ++statistics.simdOperations;
  auto me = static_cast<size_t>(current);
  lastSite = code;
  site[me] = line;
  if (r.arrived == 0) {
    r.site = line;
    r.code = code;
  } else if (r.site != line || (checked && r.code != code && !samePlace(r.code, code))) {
    divergent(r, line, code);
  }
  return ++r.arrived == r.size;
}

void Worker::release(Rendezvous &r) {
  r.arrived = 0;
  r.parity ^= 1;
  releaseAll(r.first, r.size);
}

bool Worker::isFirst(int scope, int line) {
  ++statistics.simdOperations;
  auto me = static_cast<size_t>(current);
  site[me] = line;
  electionWidth[me] = scope == 2 ? kQuadWidth : kSimdWidth;
  wait(Wait::Election);
  return elected[me];
}

/// Of the lanes of a group that wait on the same line for an election, the lowest wins. False if nobody waits for one.
bool Worker::elect() {
  bool any = false;
  for (int i = 0; i < count; ++i) {
    auto first = static_cast<size_t>(i);
    if (waiting[first] != Wait::Election)
      continue;
    any = true;
    int width = electionWidth[first], end = std::min(i - i % width + width, count);
    for (int j = i; j < end; ++j) {
      auto lane = static_cast<size_t>(j);
      if (waiting[lane] != Wait::Election || site[lane] != site[first] || electionWidth[lane] != width)
        continue;
      elected[lane] = j == i;
      waiting[lane] = Wait::Nothing;
      push(j);
    }
  }
  return any;
}

bool Worker::samePlace(const void *a, const void *b) {
  requestA = a;
  requestB = b;
  tq_metal_switch(&stackOf[static_cast<size_t>(current)], mainStack);
  return answer;
}

// --- faults ------------------------------------------------------------------

std::string Worker::threadName(int thread) const {
  std::string out = fmt::format("thread {}", thread);
  if (plan->groups[0] * uint64_t(plan->groups[1]) * plan->groups[2] > 1)
    out += fmt::format(" of threadgroup ({}, {}, {})", groupPosition.v[0], groupPosition.v[1], groupPosition.v[2]);
  return out;
}

void Worker::fail(std::string message, int line, const void *code) {
  failed = true;
  fault.message = std::move(message);
  fault.line = line;
  fault.code = code;
  leave();
}

void Worker::failFromSignal(const char *message, const void *code) {
  failed = true;
  signalMessage = message;
  fault.code = code;
  leave();
}

void Worker::divergent(const Rendezvous &r, int line, const void *code) {
  fail(fmt::format("divergent simdgroup function: {} comes to {} while other lanes of its simdgroup wait at {}",
                   threadName(current),
                   r.site == line ? fmt::format("one call on line {}", line) : fmt::format("that of line {}", line),
                   r.site == line ? "another one there" : fmt::format("that of line {}", r.site)),
       std::min(line, r.site), code);
}

/// Nobody can go on: say who waits where.
void Worker::deadlock() {
  std::map<std::pair<Wait, int>, std::pair<int, int>> places; // number of threads, the first one
  int returned = 0;
  for (int i = 0; i < count; ++i) {
    auto t = static_cast<size_t>(i);
    if (waiting[t] == Wait::Returned) {
      ++returned;
      continue;
    }
    auto [place, isNew] = places.emplace(std::pair(waiting[t], site[t]), std::pair(0, i));
    ++place->second.first;
  }
  std::string message;
  int line = 0;
  for (const auto &[where, who] : places) {
    line = line ? std::min(line, where.second) : where.second;
    message += fmt::format("{}{} thread(s), the first is {}, wait in {} on line {}", message.empty() ? "" : "; ",
                           who.first, who.second, waitName(where.first), where.second);
  }
  if (returned)
    message += fmt::format("; {} thread(s) have returned", returned);
  fail(fmt::format(
           "divergent control flow{}: {}",
           plan->groups[0] * uint64_t(plan->groups[1]) * plan->groups[2] > 1
               ? fmt::format(" in threadgroup ({}, {}, {})", groupPosition.v[0], groupPosition.v[1], groupPosition.v[2])
               : "",
           message),
       line, nullptr);
}

std::string Worker::describe() {
  Finding finding;
  finding.where = "kernel " + plan->kernel->name;
  finding.message = signalMessage ? fmt::format("{}: {}", threadName(current), signalMessage) : fault.message;
  finding.line = fault.line;
  if (!finding.line && fault.code)
    finding.line = plan->image->lineOf(module->offsetOf(fault.code) - (signalMessage ? 0 : 1));
  if (!finding.line && signalMessage && lastSite) // on its way to the executor
    finding.line = plan->image->lineOf(module->offsetOf(lastSite) - 1);
  if (!finding.line)
    finding.line = plan->kernel->line;
  return format(finding, plan->image->name);
}
