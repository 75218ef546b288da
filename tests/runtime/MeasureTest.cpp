//===- MeasureTest.cpp - Perplexity and benchmarks ------------------------===//

#include "runtime/Bench.h"
#include "runtime/HostDevice.h"
#include "runtime/Perplexity.h"
#include "runtime/ReadBandwidth.h"
#include "tests/runtime/ToyPackage.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace tq;

namespace {

struct Fixture {
  Fixture() {
    toy.write();
    package.emplace(std::move(*Package::open(toy.path())));
    device = std::move(*createHostDevice(*package, {2, ""}));
    session = std::move(*Session::create(*package, *device));
  }
  ToyPackage toy;
  std::optional<Package> package;
  std::unique_ptr<Device> device;
  std::unique_ptr<Session> session;
};

TEST(Perplexity, TheRule) {
  Fixture fixture;
  std::mt19937 random(3);
  std::vector<int32_t> tokens;
  for (int i = 0; i < 205; ++i)
    tokens.push_back(static_cast<int32_t>(random() % 64));
  for (int64_t window : {4, 32, 33, 100}) {
    double total = 0;
    int64_t count = 0;
    for (size_t begin = 0; begin + window <= tokens.size(); begin += window) {
      std::vector<int32_t> text(tokens.begin() + begin, tokens.begin() + begin + window);
      auto rows = fixture.toy.reference(text);
      for (int64_t i = window / 2; i <= window - 2; ++i) {
        double sum = 0;
        for (float logit : rows[i])
          sum += std::exp(double(logit));
        total += std::log(sum) - rows[i][text[i + 1]];
        ++count;
      }
    }
    auto result = measurePerplexity(*fixture.session, tokens, window);
    ASSERT_TRUE(result.ok()) << result.message();
    EXPECT_EQ(result->tokens, count);
    EXPECT_NEAR(result->perplexity / std::exp(total / double(count)), 1, 1e-6) << window;
  }
}

TEST(Perplexity, Refusals) {
  Fixture fixture;
  std::vector<int32_t> tokens(50, 1);
  auto refusal = [&](int64_t window) { return measurePerplexity(*fixture.session, tokens, window).message(); };
  EXPECT_EQ(refusal(3), "cannot score windows of 3 tokens; the least is 4");
  EXPECT_EQ(refusal(101), "cannot score windows of 101 tokens with a context of 100");
  EXPECT_EQ(refusal(51), "cannot score 50 tokens: one window needs 51");
}

TEST(Bench, List) {
  auto cases = parseBench("pp512,tg128");
  ASSERT_TRUE(cases.ok());
  ASSERT_EQ(cases->size(), 2u);
  EXPECT_EQ((*cases)[0].name(), "pp512");
  EXPECT_EQ((*cases)[1].name(), "tg128");
  auto deep = parseBench("tg32@4096");
  ASSERT_TRUE(deep.ok());
  EXPECT_EQ((*deep)[0].tokens, 32);
  EXPECT_EQ((*deep)[0].depth, 4096);
  EXPECT_EQ((*deep)[0].name(), "tg32@4096");
  for (const char *bad :
       {"", "pp", "pp0", "xx5", "pp5,", "pp5 ", "tg-1", "pp99999999999999999999", "tg5@", "tg5@0", "@5"})
    EXPECT_FALSE(parseBench(bad).ok()) << bad;
  EXPECT_EQ(parseBench("pq4").message(), "'pq4' is no benchmark: pp and a number of tokens (a prompt), or tg and one "
                                         "(text), as in pp512,tg128; tg32@4096 begins after 4096 tokens");
}

TEST(Bench, RefusesWhatDoesNotFit) {
  Fixture fixture;
  EXPECT_EQ(runBench(*fixture.session, *fixture.device, *parseBench("tg8,pp512")).message(),
            "cannot run pp512: it needs a context of 512, but this one has 100; try pp100");
  EXPECT_EQ(runBench(*fixture.session, *fixture.device, *parseBench("tg10@91")).message(),
            "cannot run tg10@91: it needs a context of 101, but this one has 100");
}

TEST(Bench, Figures) {
  Fixture fixture;
  auto results = runBench(*fixture.session, *fixture.device, *parseBench("pp40"));
  ASSERT_TRUE(results.ok()) << results.message();
  const BenchResult &prefill = (*results)[0];
  EXPECT_GT(prefill.tokensPerSecond, 0);
  // 40 tokens of the mark, one row of the head.
  double flops = 40 * 10 + 2 * 64;
  EXPECT_NEAR(prefill.gflops / (prefill.tokensPerSecond / 40 * flops / 1e9), 1, 1e-9);
  EXPECT_EQ(fixture.session->position(), 0);
}

TEST(Bench, BeginsAfterDepth) {
  Fixture fixture;
  auto results = runBench(*fixture.session, *fixture.device, *parseBench("tg8,tg8@40"));
  ASSERT_TRUE(results.ok()) << results.message();
  EXPECT_GT((*results)[1].tokensPerSecond, 0);
  EXPECT_EQ(fixture.session->position(), 0);
}

TEST(ReadBandwidth, IsPlausible) {
  auto read = ReadBandwidth::create(2, 64 << 20);
  ASSERT_TRUE(read.ok()) << read.message();
  double rate = read->measure();
  EXPECT_GT(rate, 1e8);
  EXPECT_LT(rate, 5e12);
}

} // namespace
