//===- Sweep.cpp - Many mutants, on all cores -----------------------------===//

#include "tests/codegen/gpu/mutants/Sweep.h"

#include "tests/metal/MachineCode.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>
#include <regex>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tq;
using namespace tq::test;

/// The seed's own order of things with a name.
static uint64_t shuffled(uint64_t value, uint64_t seed) {
  value = (value ^ seed) * 0x9e3779b97f4a7c15; // splitmix64
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  return value ^ value >> 27;
}

std::vector<Suspect> tq::test::suspects(const std::vector<std::unique_ptr<Judge>> &judges, uint64_t seed) {
  // Operators take turns, and for each of them kernels do; within a kernel the order is that of the hashes.
  struct Place {
    size_t inKernel;
    uint64_t ofKernel;
    size_t ofOperator;
    Suspect suspect;
  };
  std::vector<Place> places;
  size_t kernels = 0;
  for (const auto &judge : judges)
    for (const metal::KernelSource &kernel : judge->kernels()) {
      std::vector<metal::Mutant> mutants = metal::mutantsOf(kernel);
      std::ranges::stable_sort(mutants, {},
                               [&](const metal::Mutant &m) { return shuffled(std::stoull(m.id, nullptr, 16), seed); });
      size_t count[metal::kOperators] = {};
      for (metal::Mutant &mutant : mutants) {
        auto kind = size_t(mutant.kind);
        // A different kernel comes first for each operator.
        places.push_back({count[kind]++,
                          shuffled(kernels * metal::kOperators + kind, seed),
                          0,
                          {judge.get(), &kernel, std::move(mutant)}});
      }
      ++kernels;
    }
  std::ranges::stable_sort(places, {}, [](const Place &p) { return std::pair(p.inKernel, p.ofKernel); });
  size_t count[metal::kOperators] = {};
  for (Place &place : places)
    place.ofOperator = count[size_t(place.suspect.mutant.kind)]++;
  std::ranges::stable_sort(places, {}, [](const Place &p) { return std::pair(p.ofOperator, p.suspect.mutant.kind); });
  std::vector<Suspect> all;
  for (Place &place : places)
    all.push_back(std::move(place.suspect));
  return all;
}

/// Whether the word is the space of a kernel's parameter that nobody writes, and its replacement would do as well: what is
/// only read may be in either space.
static bool isReadOnlyParameter(const metal::Mutant &mutant) {
  bool parameter = mutant.was.find("[[buffer(") != std::string::npos;
  bool readOnly =
      mutant.was.find("device const ") != std::string::npos || mutant.was.find("constant ") != std::string::npos;
  return parameter && readOnly && (mutant.replacement == "device" || mutant.replacement == "constant");
}

/// for (uint e = lane * 4u; e < 384u - 1; e += 128u): all values are multiples of 4 and so is the bound, which is thus as good as
/// any of the three below; and 301 is as good as 300 or 302 where all values are multiples of 128.
static bool isBoundBetweenSteps(const metal::Mutant &mutant) {
  static const std::regex loop(R"(for \(uint (\w+) = (?:(\d+)u|\w+ \* (\d+)u); \1 < (\d+)u; \1 \+= (\d+)u\))");
  std::smatch m;
  if (!std::regex_search(mutant.was, m, loop))
    return false;
  uint64_t start = std::stoull(m[2].matched ? m[2] : m[3]), bound = std::stoull(m[4]), step = std::stoull(m[5]);
  uint64_t common = std::gcd(start, step);
  uint64_t other = mutant.replacement.ends_with(" - 1") ? bound - 1 : bound + 1;
  return (bound + common - 1) / common == (other + common - 1) / common;
}

/// A comparison that gives the same with and without equality has sides that are never equal. Its operator then takes this
/// detour, which no checked run survives if they are: a < n + 1u becomes a < Met() + n + 1u.
static constexpr const char kMet[] = R"(
struct Met {};
template <class T> struct Bound { T value; };
template <class T> inline Bound<T> operator+(Met, T value) { return Bound<T>{value}; }
template <class T, class U> inline auto operator+(Bound<T> b, U u) { return Bound<decltype(b.value + u)>{b.value + u}; }
template <class T, class U> inline auto operator-(Bound<T> b, U u) { return Bound<decltype(b.value - u)>{b.value - u}; }
template <class A, class T> inline bool meet(A a, Bound<T> b) {
  if (a == b.value)
    *(device uint *)0 = 1u;
  return true;
}
template <class A, class T> inline bool operator<(A a, Bound<T> b) { return meet(a, b) && a < b.value; }
template <class A, class T> inline bool operator>(A a, Bound<T> b) { return meet(a, b) && a > b.value; }
template <class A, class T> inline bool operator<=(A a, Bound<T> b) { return meet(a, b) && a <= b.value; }
template <class A, class T> inline bool operator>=(A a, Bound<T> b) { return meet(a, b) && a >= b.value; }
)";

/// What differs from call to call may be equal in another one, which the tests should then make.
static bool isNeverEqual(const Suspect &suspect) {
  const metal::Mutant &mutant = suspect.mutant;
  if (mutant.kind != metal::Operator::Compare || mutant.dependsOnCall || mutant.replacement.front() == '(')
    return false;
  std::string text = suspect.kernel->text;
  text.insert(mutant.offset + mutant.length, " Met() +");
  size_t start = text.find("using namespace metal;");
  if (start == std::string::npos)
    return false;
  text.insert(text.find('\n', start), kMet);
  return suspect.judge->judge(*suspect.kernel, text).kind == Verdict::Survived;
}

/// total += simd_shuffle_xor(total, 8u) after the same with 1u, 2u and 4u: lanes that differ in the lowest three bits have the
/// same result by then, since +, min and max commute, so that 9 is as good as 8. After 4u alone it would not be.
static bool isAmongEqualLanes(const metal::Mutant &mutant, const std::string &text) {
  static const std::regex step(
      R"((?:(\w+) \+= |(\w+) = (?:(?:fmax|min)\(\2, |uint\(max\(int\(\2\), int\())simd_shuffle_xor\((\w+), (\d+)u\)+;)");
  static const std::regex change(R"(\((\d+)u\) ([+-]) 1)");
  std::smatch m, c;
  if (!std::regex_match(mutant.was, m, step) || !std::regex_match(mutant.replacement, c, change) ||
      (m[3] != m[1] && m[3] != m[2]))
    return false;
  std::string own = std::regex_replace(mutant.was, std::regex(R"(\d+u\))"), ""); // all but the mask
  uint32_t mask = uint32_t(std::stoul(c[1]));
  uint32_t left = mask ^ (c[2] == "+" ? mask + 1 : mask - 1);
  for (size_t line = text.rfind('\n', mutant.offset); line != std::string::npos && line > 0;) {
    size_t before = text.rfind('\n', line - 1) + 1;
    std::string previous = text.substr(before, line - before);
    previous.erase(0, previous.find_first_not_of(' '));
    if (!std::regex_match(previous, m, step) || std::regex_replace(previous, std::regex(R"(\d+u\))"), "") != own)
      break;
    left &= ~uint32_t(std::stoul(m[4])); // masks are single bits
    line = before - 1;
  }
  return left == 0;
}

static bool isWithinOnlySimdgroup(const Suspect &suspect) {
  return suspect.mutant.replacement == "simdgroup_barrier" &&
         suspect.kernel->text.find("[[max_total_threads_per_threadgroup(32)]]") != std::string::npos;
}

Verdict tq::test::examine(const Suspect &suspect) {
  const metal::Mutant &mutant = suspect.mutant;
  std::string text = metal::apply(mutant, *suspect.kernel);
  Verdict verdict = suspect.judge->judge(*suspect.kernel, text);
  if (verdict.kind != Verdict::Survived || (mutant.kind == metal::Operator::Space && !isReadOnlyParameter(mutant)))
    return verdict;
  if (mutant.kind == metal::Operator::LoopBound && isBoundBetweenSteps(mutant))
    return {Verdict::Equivalent, "no value between the bounds"};
  if (isNeverEqual(suspect))
    return {Verdict::Equivalent, "its sides are never equal"};
  if (mutant.kind == metal::Operator::Lane && isAmongEqualLanes(mutant, suspect.kernel->text))
    return {Verdict::Equivalent, "the lanes have the same value"};
  if (mutant.kind == metal::Operator::BarrierWeakened && isWithinOnlySimdgroup(suspect))
    return {Verdict::Equivalent, "there is one simdgroup"};
  if (mutant.kind == metal::Operator::Extent)
    return verdict;
  auto original = metal::machineCode(suspect.kernel->text), other = metal::machineCode(text);
  if (original.ok() && other.ok() && *original == *other)
    return {Verdict::Equivalent, "the same machine code"};
  return verdict;
}

namespace {
/// In memory that the processes share.
struct Record {
  std::atomic<int> kind;
  char message[240];
};
struct Shared {
  std::atomic<size_t> next, finished;
};
} // namespace

std::vector<Verdict> tq::test::sweep(size_t n, int workers, const std::function<Verdict(size_t)> &job,
                                     const std::function<void(size_t)> &done) {
  size_t bytes = sizeof(Shared) + n * sizeof(Record);
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return std::vector<Verdict>(n, {Verdict::Crash, "no memory for the verdicts"});
  auto *shared = static_cast<Shared *>(memory);
  auto *records = reinterpret_cast<Record *>(shared + 1);
  auto work = [&] {
    for (size_t i; (i = shared->next.fetch_add(1)) < n; ++shared->finished) {
      records[i].kind = Verdict::Crash; // until there is another verdict
      Verdict verdict = job(i);
      std::strncpy(records[i].message, verdict.message.c_str(), sizeof(Record::message) - 1);
      records[i].kind = verdict.kind;
    }
  };
  auto start = [&] {
    pid_t child = fork();
    if (child == 0) {
      work();
      _exit(0); // what the parent has open is the parent's to close
    }
    return child;
  };
  std::vector<pid_t> children;
  for (int i = 0; i < workers; ++i)
    children.push_back(start());
  while (!children.empty()) {
    if (done)
      done(shared->finished);
    int status = 0;
    for (pid_t &child : children)
      if (child < 0 || waitpid(child, &status, WNOHANG) == child) {
        bool another = child > 0 && status != 0 && shared->next < n;
        child = another ? start() : 0;
      }
    std::erase(children, 0);
    usleep(20000);
  }
  std::vector<Verdict> verdicts(n);
  for (size_t i = 0; i < n; ++i)
    verdicts[i] = {Verdict::Kind(records[i].kind.load()), records[i].message};
  munmap(memory, bytes);
  return verdicts;
}

std::string tq::test::prepareAll(const std::vector<std::unique_ptr<Judge>> &judges, int workers) {
  // What a child prepares goes with it, but for the builds, which are kept in the executor's cache.
  sweep(judges.size(), workers, [&](size_t i) -> Verdict { return {Verdict::Survived, judges[i]->prepare()}; });
  for (const auto &judge : judges)
    if (std::string message = judge->prepare(); !message.empty())
      return "model " + judge->name + ": " + message;
  return "";
}
