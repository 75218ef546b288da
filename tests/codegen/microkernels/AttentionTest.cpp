//===- AttentionTest.cpp - Paged attention kernels against the reference --===//

#include "tests/reference/Attention.h"
#include "tests/codegen/microkernels/RowKernels.h"
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace tq;
using reference::Row;

namespace {

struct Case {
  int64_t queryHeads, kvHeads, dk, dv;
  int32_t kind = 1; ///< 1: f16, 0: f32
  int32_t window = 0;
};

/// One layer's cache: a pool with a shuffled page table, filled through kv_append. Everything never appended is NaN.
class Cache {
public:
  Cache(const RowKernels &uk, const Case &c, int64_t tokens, std::mt19937 &random) : uk(uk), c(c) {
    int64_t pages = (tokens + kPageTokens - 1) / kPageTokens;
    for (int64_t i = 0; i < pages; ++i)
      table.push_back(int32_t(2 * i + 1)); // pages between belong to somebody else
    std::shuffle(table.begin(), table.end(), random);
    int64_t elements = c.kvHeads * kPageTokens * (c.dk + (c.dv + 15) / 16 * 16);
    pool.assign(size_t(2 * pages + 1) * elements * (c.kind ? 2 : 4), 0xff); // 0xffff and 0xffffffff are NaN
    std::normal_distribution<float> d;
    std::vector<float> k(c.kvHeads * c.dk), v(c.kvHeads * c.dv);
    for (int64_t t = 0; t < tokens; ++t) {
      for (float &x : k)
        keys.push_back(stored(x = d(random)));
      for (float &x : v)
        values.push_back(stored(x = d(random)));
      append(k, v, int32_t(t));
    }
  }

  void append(const std::vector<float> &k, const std::vector<float> &v, int32_t pos) {
    uk.kv_append(k.data(), v.data(), pool.data(), table.data(), pos, c.kvHeads, c.dk, c.dv, c.kind);
  }
  double stored(float x) const { return c.kind ? double(float(_Float16(x))) : x; }

  const RowKernels &uk;
  Case c;
  std::vector<int32_t> table;
  std::vector<uint8_t> pool;
  Row keys, values; ///< as stored, [tokens][kvHeads][d]
};

class AttentionTest : public testing::TestWithParam<const RowKernels *> {
protected:
  const RowKernels &uk = *GetParam();
  std::mt19937 random{42};

  std::vector<float> queries(const Case &c, int64_t tokens, float deviation = 1) {
    std::normal_distribution<float> d(0, deviation);
    std::vector<float> q(tokens * c.queryHeads * c.dk);
    for (float &x : q)
      x = d(random);
    return q;
  }

  /// Output [m][queryHeads][dv] of m tokens from position pos on; q [m][queryHeads][dk].
  std::vector<float> attend(const Cache &cache, const float *q, int32_t pos, int64_t m, const float *sinks = nullptr) {
    const Case &c = cache.c;
    int64_t r = c.queryHeads / c.kvHeads, size = sdpaPartialFloats(c.dv);
    std::vector<float> out(m * c.queryHeads * c.dv), partial(m * r * size), acc(m * r * size);
    std::vector<float> scratch(sdpaScratchBytes(m, r, c.dk) / 4);
    for (int64_t head = 0; head < c.kvHeads; ++head) {
      std::fill(acc.begin(), acc.end(), NAN);
      for (int64_t row = 0; row < m * r; ++row) {
        float *end = &acc[row * size + (c.dv + 15) / 16 * 16];
        end[0] = sinks ? sinks[head * r + row % r] : -INFINITY;
        end[1] = sinks ? 1 : 0;
        if (sinks)
          std::fill(&acc[row * size], end, 0.0f);
      }
      for (int32_t begin = 0; begin < pos + m; begin += kSplitKeys) {
        std::fill(partial.begin(), partial.end(), NAN);
        std::fill(scratch.begin(), scratch.end(), NAN);
        int32_t end = std::min<int32_t>(begin + kSplitKeys, int32_t(pos + m));
        uk.sdpa_split(q + head * r * c.dk, c.queryHeads * c.dk, m, r, cache.pool.data(), cache.table.data(), head,
                      c.kvHeads, c.dk, c.dv, c.kind, pos, begin, end, c.window, scale(c), partial.data(),
                      scratch.data());
        for (int64_t row = 0; row < m * r; ++row)
          uk.sdpa_merge(&acc[row * size], &partial[row * size], c.dv);
      }
      for (int64_t row = 0; row < m * r; ++row)
        uk.sdpa_finish(&acc[row * size], &out[((row / r) * c.queryHeads + head * r + row % r) * c.dv], c.dv);
    }
    return out;
  }

  static float scale(const Case &c) { return 1 / std::sqrt(float(c.dk)); }

  Row expected(const Cache &cache, const float *q, int32_t pos, int64_t m, const double *sinks = nullptr) {
    const Case &c = cache.c;
    reference::AttentionShape shape{c.queryHeads, c.kvHeads, c.dk, c.dv, c.window, scale(c)};
    Row all, query(q, q + m * c.queryHeads * c.dk);
    for (int64_t t = 0; t < m; ++t) {
      Row one =
          reference::attention(shape, query.data() + t * c.queryHeads * c.dk, pos + t, cache.keys, cache.values, sinks);
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

  static void expectNear(const std::vector<float> &actual, const Row &exact, double tolerance) {
    ASSERT_EQ(actual.size(), exact.size());
    for (size_t i = 0; i < exact.size(); ++i)
      ASSERT_NEAR(actual[i], exact[i], tolerance) << "at " << i;
  }

  /// Last `m` positions of a cache of `tokens`: right, and the same bits for every grouping of the tokens.
  void check(const Case &c, int64_t tokens, int64_t m) {
    SCOPED_TRACE(testing::Message() << c.queryHeads << "/" << c.kvHeads << " heads, dk " << c.dk << ", dv " << c.dv
                                    << ", kind " << c.kind << ", window " << c.window << ", " << tokens << " tokens, m "
                                    << m);
    Cache cache(uk, c, tokens, random);
    int32_t pos = int32_t(tokens - m);
    auto q = queries(c, m);
    auto out = attend(cache, q.data(), pos, m);
    expectNear(out, expected(cache, q.data(), pos, m), 2e-6);
    if (HasFatalFailure())
      return;
    for (int64_t step : {1, 3})
      for (int64_t t = 0; t < m; t += step) {
        int64_t some = std::min(step, m - t);
        auto part = attend(cache, q.data() + t * c.queryHeads * c.dk, int32_t(pos + t), some);
        ASSERT_EQ(0, memcmp(part.data(), out.data() + t * c.queryHeads * c.dv, part.size() * 4))
            << "token " << t << " in steps of " << step;
      }
  }
};

TEST_P(AttentionTest, Decode) {
  for (int64_t tokens : {1, 2, 15, 16, 17, 63, 64, 65, 200, 256, 257, 700})
    check({8, 2, 32, 32}, tokens, 1);
}

TEST_P(AttentionTest, HeadSizes) {
  for (int32_t kind : {0, 1})
    for (auto [dk, dv] : {std::pair{8, 8},
                          {10, 10},
                          {24, 24},
                          {32, 32},
                          {64, 64},
                          {128, 128},
                          {256, 256},
                          {24, 16},
                          {192, 128},
                          {1, 1},
                          {16, 40}})
      check({4, 2, dk, dv, kind}, 150, 2);
}

TEST_P(AttentionTest, GroupsOfHeads) {
  for (int32_t kind : {0, 1})
    for (int64_t r : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16})
      for (int64_t m : {1, 2, 8})
        check({r * 2, 2, 16, 24, kind}, 270, m);
}

TEST_P(AttentionTest, PrefillAtPageAndSplitBorders) {
  for (int64_t tokens : {8, 12, 60, 64, 66, 71, 72, 250, 256, 260, 263, 320, 520})
    check({4, 2, 32, 32}, tokens, std::min<int64_t>(tokens, TQ_SDPA_TOKENS));
}

TEST_P(AttentionTest, Window) {
  for (int32_t window : {1, 2, 7, 16, 63, 64, 65, 128, 300, 1000000})
    for (int64_t m : {1, 3, 8})
      for (int64_t tokens : {40, 64, 70, 300, 522})
        check({4, 2, 16, 16, 1, window}, tokens, m);
}

TEST_P(AttentionTest, Sinks) {
  Case c{4, 2, 32, 32};
  Cache cache(uk, c, 300, random);
  auto q = queries(c, 2);
  float sinks[] = {0, 3, -20, 8};
  double exact[] = {0, 3, -20, 8};
  expectNear(attend(cache, q.data(), 298, 2, sinks), expected(cache, q.data(), 298, 2, exact), 2e-6);
}

TEST_P(AttentionTest, PeakedScores) {
  Case c{4, 1, 64, 64};
  Cache cache(uk, c, 400, random);
  auto q = queries(c, 8, 60); // scores of several hundred: most probabilities underflow to 0
  expectNear(attend(cache, q.data(), 392, 8), expected(cache, q.data(), 392, 8), 2e-4);
}

TEST_P(AttentionTest, SplitWithoutVisibleKeyIsNeutral) {
  Case c{2, 1, 16, 16, 1, 10};
  Cache cache(uk, c, 600, random);
  auto q = queries(c, 1);
  std::vector<float> partial(2 * sdpaPartialFloats(16), NAN), scratch(sdpaScratchBytes(1, 2, 16) / 4, NAN);
  for (int32_t begin : {0, 256}) {
    // The window of position 599 starts at 590.
    uk.sdpa_split(q.data(), 32, 1, 2, cache.pool.data(), cache.table.data(), 0, 1, 16, 16, 1, 599, begin, begin + 256,
                  10, 1.0f, partial.data(), scratch.data());
    for (int row = 0; row < 2; ++row) {
      const float *p = &partial[row * sdpaPartialFloats(16)];
      for (int i = 0; i < 16; ++i)
        EXPECT_EQ(p[i], 0.0f);
      EXPECT_EQ(p[16], -INFINITY);
      EXPECT_EQ(p[17], 0.0f);
    }
  }
}

// A later token's infinite value must not reach an earlier one, whose result would otherwise depend on m.
TEST_P(AttentionTest, InfinityAheadIsInvisible) {
  Case c{4, 2, 16, 16};
  Cache cache(uk, c, 70, random);
  auto q = queries(c, 8);
  auto before = attend(cache, q.data(), 62, 8);
  cache.append(std::vector<float>(32, INFINITY), std::vector<float>(32, INFINITY), 69);
  auto after = attend(cache, q.data(), 62, 8);
  size_t last = size_t(7 * c.queryHeads * c.dv);
  EXPECT_EQ(0, memcmp(before.data(), after.data(), last * 4));
  EXPECT_TRUE(std::isnan(after[last]));
}

TEST_P(AttentionTest, AppendRoundsToNearestEvenAndWritesOnlyItsSlot) {
  Case c{1, 1, 16, 20};
  Cache cache(uk, c, 1, random);
  std::vector<uint16_t> before(cache.pool.size() / 2), after(before.size());
  memcpy(before.data(), cache.pool.data(), cache.pool.size());
  std::vector<float> k = {1.0f + 0x1p-11f, 1.0f + 0x3p-11f, 65504.0f, 65519.0f, 65520.0f, -1e30f,    0x1p-24f, 0x1p-25f,
                          0x1.8p-25f,      -0.0f,           0.1f,     6.1e-5f,  3.0f,     -INFINITY, 2049.0f,  2051.0f};
  std::vector<float> v(20);
  for (int i = 0; i < 20; ++i)
    v[i] = k[i % 16];
  cache.append(k, v, 37);
  memcpy(after.data(), cache.pool.data(), cache.pool.size());
  int64_t page = int64_t(cache.table[0]) * 64 * 48, changed = 0;
  auto half = [](float x) { return __builtin_bit_cast(uint16_t, _Float16(x)); };
  for (int64_t i = 0; i < 16; ++i)
    EXPECT_EQ(after[page + (37 / 16 * 16 + i) * 16 + 37 % 16], half(k[i])) << k[i];
  for (int64_t i = 0; i < 32; ++i)
    EXPECT_EQ(after[page + 64 * 16 + (i / 16 * 64 + 37) * 16 + i % 16], i < 20 ? half(v[i]) : 0) << i;
  for (size_t i = 0; i < after.size(); ++i)
    changed += before[i] != after[i];
  EXPECT_EQ(changed, 48);
}

TEST(AttentionKernels, InstructionSetsAgree) {
  auto all = rowVariants();
  int64_t m = 3, r = 3, dk = 40, dv = 24, size = sdpaPartialFloats(dv);
  Case c{r, 1, dk, dv};
  std::mt19937 random(7);
  std::normal_distribution<float> d;
  Cache cache(*all.front(), c, 200, random);
  std::vector<float> q(m * r * dk), first;
  for (float &x : q)
    x = d(random);
  for (const RowKernels *uk : all) {
    std::vector<float> partial(m * r * size), scratch(sdpaScratchBytes(m, r, dk) / 4);
    uk->sdpa_split(q.data(), r * dk, m, r, cache.pool.data(), cache.table.data(), 0, 1, dk, dv, 1, 197, 0, 200, 0, 0.2f,
                   partial.data(), scratch.data());
    if (first.empty())
      first = partial;
    EXPECT_EQ(0, memcmp(first.data(), partial.data(), partial.size() * 4)) << uk->isa;
  }
}

INSTANTIATE_TEST_SUITE_P(Builds, AttentionTest, testing::ValuesIn(rowVariants()),
                         [](const auto &info) { return std::string(info.param->isa); });

} // namespace
