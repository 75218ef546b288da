//===- RunSelfTest.cpp - tq-run --metal-selftest --------------------------===//

#include "runtime/RunSelfTest.h"

#include "runtime/OutputFile.h"
#include "runtime/Process.h"
#include "runtime/ReadFile.h"
#include "runtime/SelfTestFile.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

using namespace tq;
using json = nlohmann::ordered_json;

namespace {

/// Of a GPU's times the best of so many counts: the first has cold caches.
constexpr int kTimedRuns = 5;
/// The host's kernels round elsewhere: a weight becomes f16 there, but not in
/// the GPU's decode kernels, which apply the scale to a sum.
constexpr double kHostSlack = 10;

std::string fileOf(const Package &package, const RunOptions &options) {
  return options.selftestFile.empty() ? package.filePath(kSelfTestFile) : options.selftestFile;
}

/// What a row of the table says.
struct Row {
  KernelLaunch launch;
  int64_t threadgroups = 0;
  double micros = 0, weightsGBs = 0;
  KernelVerdict verdict;
};

json describe(const Row &row) {
  return {{"entry", row.launch.entry},          {"kernel", row.launch.kernel},
          {"threadgroups", row.threadgroups},   {"difference", row.verdict.difference},
          {"tolerance", row.verdict.tolerance}, {"us", row.micros},
          {"weights_gb_s", row.weightsGBs},     {"ok", row.verdict.ok},
          {"reason", row.verdict.reason}};
}

std::string heading(size_t width) {
  return fmt::format("{:8} {:{}} {:>7} {:>10} {:>9} {:>9} {:>7}\n", "entry", "kernel", width, "groups", "difference",
                     "allowed", "us", "GB/s");
}

std::string line(const Row &row, size_t width) {
  std::string rate = row.weightsGBs > 0 ? fmt::format("{:.1f}", row.weightsGBs) : "-";
  std::string text = fmt::format("{:8} {:{}} {:>7} {:>10.2g} {:>9.0e} {:>9.1f} {:>7}  {}", row.launch.entry,
                                 row.launch.kernel, width, row.threadgroups, row.verdict.difference,
                                 row.verdict.tolerance, row.micros, rate, row.verdict.ok ? "ok" : "FAILED");
  return text + (row.verdict.ok ? "\n" : ": " + row.verdict.reason + "\n");
}

class SelfTest {
public:
  SelfTest(Package &package, const RunOptions &options, const MakeDevice &makeDevice)
      : package(package), options(options), makeDevice(makeDevice), path(fileOf(package, options)) {}

  Status run() {
    auto planned = std::ranges::find(package.manifest().targets, "metal", &Target::device);
    if (planned != package.manifest().targets.end()) {
      stored.target = planned->name;
      stored.package = packageKey(package, *planned);
    }
    launches = planSelfTest(package);
    if (launches.empty())
      return Error{package.name() + ": no target for Metal to test; recompile with tq-compile --target=metal"};
    if (!options.metalSelftestRecord)
      TQ_TRY(read()); // before the device, which may take long
    TQ_TRY_ASSIGN(device, makeDevice(options));
    if (device->target().name != stored.target)
      return Error{fmt::format("{}: the self-test is for target {}, but {} runs {}", package.name(), stored.target,
                               options.device, device->target().name)};
    TQ_TRY_ASSIGN(test, KernelTest::create(package, *device));
    return options.metalSelftestRecord ? record() : compare();
  }

private:
  Status record();
  Status read();
  Status compare();
  Status report(const std::vector<Row> &rows);
  Result<std::unique_ptr<KernelTest>> openHost();

  Package &package;
  const RunOptions &options;
  const MakeDevice &makeDevice;
  std::string path;
  StoredOutputs stored; // from the start: of the first Metal target
  std::vector<KernelLaunch> launches;
  std::unique_ptr<Device> device, host;
  std::unique_ptr<KernelTest> test;
};

/// The second opinion on what is recorded; null, with a warning, if the package
/// has no kernels for this CPU.
Result<std::unique_ptr<KernelTest>> SelfTest::openHost() {
  RunOptions how = options;
  how.device = "host";
  auto created = makeDevice(how);
  if (!created) {
    printWarning("the outputs are not compared with the host's: " + created.message());
    return std::unique_ptr<KernelTest>();
  }
  host = std::move(*created);
  return KernelTest::create(package, *host);
}

Status SelfTest::record() {
  stored.recordedOn = options.device;
  TQ_TRY_ASSIGN(OutputFile file, OutputFile::create(path)); // if it cannot be written, say so now
  TQ_TRY_ASSIGN(std::unique_ptr<KernelTest> second, openHost());
  size_t compared = 0;
  for (size_t i = 0; i < launches.size(); ++i) {
    showProgress(fmt::format("{} of {}: {} {}", i + 1, launches.size(), launches[i].entry, launches[i].kernel));
    TQ_TRY(test->run(i));
    StoredKernel &kernel = stored.kernels.emplace_back(launches[i], test->sample());
    if (kernel.outputs.empty())
      return Error{fmt::format("{}: kernel {} of {} writes nothing; report this", package.name(), kernel.launch.kernel,
                               kernel.launch.entry)};
    if (second && !host->target().entries[i].steps.empty()) {
      TQ_TRY(second->run(i));
      KernelVerdict verdict = second->compare(kernel.outputs, kHostSlack);
      if (!verdict.ok)
        return Error{fmt::format("{}: kernel {} of {} gives other values than the host's; nothing is recorded; "
                                 "report this: {}",
                                 package.name(), kernel.launch.kernel, kernel.launch.entry, verdict.reason)};
      ++compared;
    }
  }
  showProgress("");
  std::string text = printStoredOutputs(stored);
  file.write(text.data(), text.size());
  TQ_TRY(file.commit());
  if (host && compared == 0)
    printWarning("the outputs are not compared with the host's, which computes otherwise: compile with "
                 "--activations=f32 for that");
  fmt::print(stderr, "# {}: outputs of {} kernels, {} of them as the host's, {} kB\n", path, launches.size(), compared,
             (text.size() + 999) / 1000);
  return Status();
}

Status SelfTest::read() {
  if (access(path.c_str(), R_OK) != 0)
    return Error{fmt::format("{}: cannot read the stored outputs: {}; write them with tq-run {} "
                             "--metal-selftest-record on a machine that built tq, then copy the file here",
                             path, strerror(errno), package.path())};
  TQ_TRY_ASSIGN(std::string text, readFile(path, kMaxSelfTestBytes));
  TQ_TRY_ASSIGN(StoredOutputs found, parseStoredOutputs(text, path));
  auto same = [](const StoredKernel &a, const KernelLaunch &b) {
    return a.launch.entry == b.entry && a.launch.kernel == b.kernel;
  };
  if (found.target != stored.target || found.package != stored.package ||
      !std::ranges::equal(found.kernels, launches, same))
    return Error{fmt::format("{}: belongs to another package than {}; record it again with --metal-selftest-record",
                             path, package.name())};
  stored = std::move(found);
  return Status();
}

Status SelfTest::compare() {
  size_t width = 6;
  for (const KernelLaunch &launch : launches)
    width = std::max(width, launch.kernel.size());
  StandardOutput output;
  if (!options.json)
    TQ_TRY(output.write(heading(width)));
  std::vector<Row> rows;
  for (size_t i = 0; i < launches.size(); ++i) {
    Row &row = rows.emplace_back();
    row.launch = launches[i];
    Status status = test->run(i);
    if (!status)
      row.verdict = {.ok = false, .difference = 0, .tolerance = 0, .reason = status.message()};
    else
      row.verdict = test->compare(stored.kernels[i].outputs);
    row.threadgroups = test->threadgroups();
    row.micros = test->micros();
    for (int again = 1; status && options.device == "metal" && again < kTimedRuns; ++again) {
      status = test->repeat();
      row.micros = std::min(row.micros, test->micros());
    }
    if (row.micros > 0)
      row.weightsGBs = double(test->weightBytes()) / row.micros / 1e3;
    if (!options.json)
      TQ_TRY(output.write(line(row, width)));
    if (!status) // a device that has failed once runs nothing more
      break;
  }
  if (options.json) {
    json all = json::array();
    for (const Row &row : rows)
      all.push_back(describe(row));
    json object = {{"target", stored.target}, {"device", options.device}, {"kernels", all}};
    TQ_TRY(output.write(object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"));
  }
  return report(rows);
}

Status SelfTest::report(const std::vector<Row> &rows) {
  auto failed = std::ranges::count_if(rows, [](const Row &row) { return !row.verdict.ok; });
  if (failed == 0) {
    fmt::print(stderr, "# {}: {} kernels give the outputs stored by {}\n", package.name(), rows.size(),
               stored.recordedOn);
    return Status();
  }
  auto first = std::ranges::find_if(rows, [](const Row &row) { return !row.verdict.ok; });
  return Error{fmt::format("{}: {} of {} kernels failed the self-test, the first {} of {}: {}", package.name(), failed,
                           launches.size(), first->launch.kernel, first->launch.entry, first->verdict.reason)};
}

} // namespace

Status tq::runSelfTest(Package &package, const RunOptions &options, const MakeDevice &makeDevice) {
  return SelfTest(package, options, makeDevice).run();
}
