//===- MutantsTest.cpp - The tests notice faults in emitted kernels -------===//
// A fixed sample of what metal-mutants does at length.

#include "tests/codegen/gpu/TableRunner.h"
#include "tests/codegen/gpu/mutants/Reviewed.h"
#include "tests/codegen/gpu/mutants/Sweep.h"

#include <gtest/gtest.h>
#include <thread>

using namespace mlir;
using namespace tq;
using namespace tq::test;

namespace {

constexpr size_t kSample = 50;

class Mutants : public testing::Test {
protected:
  Mutants() { loadGpuDialects(context); }
  /// The judges with such names.
  void prepare(const std::string &names = ".*") {
    judges = makeJudges(context, names);
    ASSERT_EQ(prepareAll(judges, workers), "");
  }
  const int workers = std::max(1, int(std::thread::hardware_concurrency()));
  MLIRContext context{MLIRContext::Threading::DISABLED};
  std::vector<std::unique_ptr<Judge>> judges;
};

TEST_F(Mutants, SampleIsKilled) {
  prepare();
  if (HasFatalFailure())
    return;
  auto reviews = readReviews();
  ASSERT_TRUE(reviews.ok()) << reviews.message();
  std::vector<Suspect> all = suspects(judges);
  ASSERT_GT(all.size(), 1000u);
  for (Review &review : *reviews)
    EXPECT_TRUE(std::ranges::any_of(all, [&](const Suspect &s) { return fits(review, s.mutant); })) << review.text;
  // Some of the kernels also run as they are, and must pass: else "killed" would mean nothing.
  std::set<const metal::KernelSource *> kernels;
  std::vector<const Suspect *> sample, unchanged;
  for (size_t i = 0; i < kSample; ++i) {
    sample.push_back(&all[i]);
    if (kernels.insert(all[i].kernel).second && kernels.size() % 4 == 0)
      unchanged.push_back(&all[i]);
  }
  std::vector<Verdict> verdicts = sweep(kSample + unchanged.size(), workers, [&](size_t i) {
    const Suspect &s = i < kSample ? *sample[i] : *unchanged[i - kSample];
    return i < kSample ? examine(s) : s.judge->judge(*s.kernel, s.kernel->text);
  });
  size_t killed = 0;
  std::set<metal::Operator> kinds;
  for (size_t i = 0; i < kSample; ++i) {
    const metal::Mutant &mutant = sample[i]->mutant;
    kinds.insert(mutant.kind);
    bool harmless = verdicts[i].kind == Verdict::Equivalent ||
                    (verdicts[i].kind == Verdict::Survived && findReview(*reviews, mutant));
    killed += verdicts[i].kind > Verdict::Equivalent && verdicts[i].kind < Verdict::Crash;
    EXPECT_TRUE(harmless || (verdicts[i].kind != Verdict::Survived && verdicts[i].kind != Verdict::Crash))
        << nameOf(verdicts[i].kind) << " " << mutant.id << " " << sample[i]->label() << " " << nameOf(mutant.kind)
        << "\n- " << mutant.was << "\n+ " << mutant.is << "\n"
        << verdicts[i].message;
  }
  for (size_t i = 0; i < unchanged.size(); ++i)
    EXPECT_EQ(verdicts[kSample + i].kind, Verdict::Survived)
        << unchanged[i]->label() << ": " << verdicts[kSample + i].message;
  EXPECT_GE(killed, kSample * 8 / 10) << "too many of the sample are equivalent";
  EXPECT_EQ(kinds.size(), size_t(metal::kOperators));
  EXPECT_GE(kernels.size(), 20u);
  RecordProperty("killed", int(killed));
}

// What the sample asserts is not true of everything: faults that change nothing are told apart, by their kind.
TEST_F(Mutants, HarmlessOnesAreNotKilled) {
  prepare("affine4");
  const Judge &judge = *judges.front();
  const metal::KernelSource &kernel = judge.kernels().front();
  size_t body = kernel.text.find(") {\n") + 4;
  Suspect suspect{&judge, &kernel, {}};
  suspect.mutant.kernel = kernel.name;
  suspect.mutant.offset = body;
  EXPECT_EQ(examine(suspect).kind, Verdict::Equivalent); // nothing replaced by nothing
  suspect.mutant.replacement = "simdgroup_barrier(mem_flags::mem_none);\n";
  EXPECT_EQ(examine(suspect).kind, Verdict::Survived); // one barrier too many changes the code, and no result
  suspect.mutant.replacement = "nonsense\n";
  EXPECT_EQ(examine(suspect).kind, Verdict::Compile);
}

TEST(Sweep, SurvivesACrash) {
  std::vector<Verdict> verdicts = sweep(6, 2, [](size_t i) -> Verdict {
    if (i == 3)
      _exit(7);
    return {Verdict::Result, "job " + std::to_string(i)};
  });
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(verdicts[i].kind, i == 3 ? Verdict::Crash : Verdict::Result) << i;
    EXPECT_EQ(verdicts[i].message, i == 3 ? "" : "job " + std::to_string(i));
  }
}

TEST(Reviews, AreChecked) {
  auto reviews = parseReviews("# a remark\n\nindex | sdpa.* | ^y\\[i\\] = | nobody reads y\n");
  ASSERT_TRUE(reviews.ok()) << reviews.message();
  metal::Mutant mutant{"sdpa_split", metal::Operator::Index, 1, 0, 0, "", "y[i] = 0;", "y[(i) + 1] = 0;", "}", ""};
  ASSERT_NE(findReview(*reviews, mutant), nullptr);
  EXPECT_EQ(findReview(*reviews, mutant)->reason, "nobody reads y");
  mutant.kernel = "my_sdpa";
  EXPECT_EQ(findReview(*reviews, mutant), nullptr);
  EXPECT_EQ(parseReviews("index | sdpa | x\n").message(),
            "reviewed.txt:1: expected OPERATOR | KERNEL | CHANGE | REASON");
}

} // namespace
