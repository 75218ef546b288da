//===- metal-mutants.cpp - Do the tests notice faults in emitted kernels? -===//

#include "tests/codegen/gpu/TableRunner.h"
#include "tests/codegen/gpu/mutants/Reviewed.h"
#include "tests/codegen/gpu/mutants/Sweep.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <thread>

using namespace mlir;
using namespace tq;
using namespace tq::test;

namespace {

constexpr char kFooter[] = R"(
Kernels of small models get one fault each, and so do argmax and top_k (model "sample"): a barrier removed or weakened, another
address space, an index or a term of it, an offset, a loop, a comparison or a lane off by one, another component of a vector,
two buffers exchanged. Each such mutant is judged as the tests judge kernels: lints,
compilation, a checked run in three schedules, and the results against the reference. Without N all of them, which takes hours;
N are spread over operators, models and kernels. Equivalent are those with the original's machine code, and those in
reviewed.txt.

Exit codes: 0 at least 99 % of those that are not equivalent are noticed, 1 fewer, or something is wrong; 2 wrong usage.)";

constexpr double kWanted = 0.99;

struct Options {
  size_t sample = 0;
  uint64_t seed = 0;
  int jobs = 0;
  std::string model = ".*", kernel = ".*", kind = ".*", id;
  bool verbose = false, text = false;
};

/// The judges of the chosen models, ready; none if something is wrong.
std::vector<std::unique_ptr<Judge>> prepareJudges(MLIRContext &context, const Options &options, int jobs) {
  auto judges = makeJudges(context, options.model);
  if (std::string message = prepareAll(judges, jobs); !message.empty()) {
    fprintf(stderr, "error: %s\n", message.c_str());
    judges.clear();
  }
  return judges;
}

void printTexts(const std::vector<std::unique_ptr<Judge>> &judges, const Options &options) {
  for (const auto &judge : judges)
    for (const metal::KernelSource &kernel : judge->kernels())
      if (std::regex_match(kernel.name, std::regex(options.kernel)))
        printf("// %s/%s\n%s\n", judge->name.c_str(), kernel.name.c_str(), kernel.text.c_str());
}

/// The kernels as they are must pass, cut out of their texts: else "killed" would mean nothing.
bool passUnchanged(const std::vector<Suspect> &suspects, int jobs) {
  std::vector<std::pair<const Judge *, const metal::KernelSource *>> all;
  for (const Suspect &s : suspects)
    if (std::pair kernel(s.judge, s.kernel); !llvm::is_contained(all, kernel))
      all.push_back(kernel);
  auto verdicts =
      sweep(all.size(), jobs, [&](size_t i) { return all[i].first->judge(*all[i].second, all[i].second->text); });
  bool pass = true;
  for (size_t i = 0; i < all.size(); ++i)
    if (verdicts[i].kind != Verdict::Survived) {
      fprintf(stderr, "error: %s/%s fails as it is: %s: %s\n", all[i].first->name.c_str(), all[i].second->name.c_str(),
              nameOf(verdicts[i].kind), verdicts[i].message.c_str());
      pass = false;
    }
  if (pass)
    fprintf(stderr, "%zu kernels pass as they are\n", all.size());
  return pass;
}

struct Count {
  size_t by[Verdict::Crash + 1] = {};
  size_t all() const {
    size_t sum = 0;
    for (size_t n : by)
      sum += n;
    return sum;
  }
  size_t killed() const {
    return by[Verdict::Compile] + by[Verdict::Checker] + by[Verdict::Order] + by[Verdict::Result];
  }
  double share() const {
    size_t relevant = all() - by[Verdict::Equivalent];
    return relevant ? double(killed()) / double(relevant) : 1;
  }
  void print(const char *name) const {
    printf("%-17s %6zu %8zu %8zu %6zu %7zu %9zu %11zu %7.2f %%\n", name, all(), by[Verdict::Compile],
           by[Verdict::Checker], by[Verdict::Order], by[Verdict::Result], by[Verdict::Survived] + by[Verdict::Crash],
           by[Verdict::Equivalent], 100 * share());
  }
};

int report(const std::vector<Suspect> &suspects, const std::vector<Verdict> &verdicts, const Options &options,
           size_t existing) {
  Count total, byKind[metal::kOperators];
  for (size_t i = 0; i < suspects.size(); ++i) {
    const auto &[kind, message] = verdicts[i];
    ++total.by[kind];
    ++byKind[size_t(suspects[i].mutant.kind)].by[kind];
    if (kind == Verdict::Survived || kind == Verdict::Crash || options.verbose)
      printf("%s %s %s %s\n  - %s\n  + %s\n%s%s%s", nameOf(kind), suspects[i].mutant.id.c_str(),
             suspects[i].label().c_str(), nameOf(suspects[i].mutant.kind), suspects[i].mutant.was.c_str(),
             suspects[i].mutant.is.c_str(), message.empty() ? "" : "  ", message.c_str(), message.empty() ? "" : "\n");
  }
  printf("%-17s %6s %8s %8s %6s %7s %9s %11s %9s\n", "operator", "all", "compile", "checker", "order", "result",
         "survived", "equivalent", "killed");
  for (size_t k = 0; k < metal::kOperators; ++k)
    if (byKind[k].all())
      byKind[k].print(nameOf(metal::Operator(k)));
  total.print("total");
  printf("%zu of %zu mutants: %zu killed, %zu survived, %zu equivalent; %.2f %% killed, %.0f %% wanted\n", total.all(),
         existing, total.killed(), total.by[Verdict::Survived] + total.by[Verdict::Crash],
         total.by[Verdict::Equivalent], 100 * total.share(), 100 * kWanted);
  return total.share() >= kWanted ? 0 : 1;
}

int run(const Options &options) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  loadGpuDialects(context);
  auto reviews = readReviews();
  if (!reviews.ok()) {
    fprintf(stderr, "error: %s\n", reviews.message().c_str());
    return 1;
  }
  int jobs = options.jobs ? options.jobs : std::max(1, int(std::thread::hardware_concurrency()));
  auto judges = prepareJudges(context, options, jobs);
  if (options.text) {
    printTexts(judges, options);
    return judges.empty();
  }
  if (judges.empty())
    return 1;
  std::vector<Suspect> chosen = suspects(judges, options.seed);
  size_t existing = chosen.size();
  std::regex kernel(options.kernel), kind(options.kind);
  std::erase_if(chosen, [&](const Suspect &s) {
    return !std::regex_match(s.kernel->name, kernel) || !std::regex_match(nameOf(s.mutant.kind), kind) ||
           (!options.id.empty() && s.mutant.id != options.id);
  });
  if (options.sample && options.sample < chosen.size())
    chosen.resize(options.sample);
  if (chosen.empty()) {
    fprintf(stderr, "error: no mutant has this model, kernel, operator and id\n");
    return 1;
  }
  if (!passUnchanged(chosen, jobs))
    return 1;
  size_t shown = 0;
  std::vector<Verdict> verdicts = sweep(
      chosen.size(), jobs, [&](size_t i) { return examine(chosen[i]); },
      [&](size_t finished) {
        if (finished >= shown + 100)
          fprintf(stderr, "%zu of %zu\n", shown = finished, chosen.size());
      });
  for (size_t i = 0; i < chosen.size(); ++i)
    if (verdicts[i].kind == Verdict::Survived)
      if (Review *review = findReview(*reviews, chosen[i].mutant)) {
        ++review->used;
        verdicts[i] = {Verdict::Equivalent, review->reason};
      }
  int rc = report(chosen, verdicts, options, existing);
  if (chosen.size() == existing && options.model == ".*")
    for (const Review &review : *reviews)
      if (!review.used) {
        fprintf(stderr, "error: this entry of reviewed.txt fits no survivor: %s\n", review.text.c_str());
        rc = 1;
      }
  return rc;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  CLI::App app("Puts faults into emitted kernels and counts those that the tests notice; no GPU takes part.");
  app.name("metal-mutants");
  app.add_option("sample", options.sample, "how many mutants; all of them if left out")->type_name("N");
  app.add_option("--seed", options.seed, "another sample (default 0, of which the first 50 are a test)");
  app.add_option("--model", options.model, "only these models (regular expression)");
  app.add_option("--kernel", options.kernel, "only these kernels");
  app.add_option("--operator", options.kind, "only these operators");
  app.add_option("--id", options.id, "only this mutant");
  app.add_option("--jobs", options.jobs, "processes (default: all cores)");
  app.add_flag("--verbose", options.verbose, "print every mutant, not only those that survive");
  app.add_flag("--text", options.text, "print the kernels and end");
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return run(options);
}
