//===- LinearTest.cpp - linear_* and decode_row of every build ------------===//
//
// Judged by double-precision loops over values that tests/reference/LayoutReference.h decodes one by one. The integer
// kernels are compared with exact arithmetic on the quantised numbers, so the tolerance is that of the f32 sums only.
//
//===----------------------------------------------------------------------===//
#include "tests/codegen/microkernels/LinearVariants.h"
#include "tests/codegen/microkernels/RandomLinear.h"
#include "tests/reference/LayoutReference.h"
#include <gtest/gtest.h>

using namespace tq;
using namespace tq::test;

namespace {

constexpr float kUntouched = -12345.0f;

struct Case {
  Layout layout;
  int64_t m, k, nb;
  bool extreme = false;
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  const char *kinds[] = {"f32", "f16", "bf16", "codebook", "affine"};
  return os << kinds[int(c.layout.kind)] << " bits " << c.layout.bits << " group " << c.layout.group << " m " << c.m
            << " k " << c.k << " nb " << c.nb << (c.extreme ? " extreme" : "");
}

std::vector<Layout> quantisedLayouts() {
  std::vector<Layout> all;
  for (int group : {16, 32, 64}) {
    for (int bits : {2, 3, 4})
      all.push_back({Layout::Kind::Codebook, bits, group});
    for (int bits : {2, 3, 4, 6, 8})
      all.push_back({Layout::Kind::Affine, bits, group});
  }
  return all;
}

/// Sizes that reach every tile, its tails, several panels and padded columns.
std::vector<Case> shapesOf(const Layout &l) {
  std::vector<Case> all;
  const int64_t g = l.isDense() ? 1 : l.group;
  for (int64_t m : {1, 2, 3, 5, 6, 7, 8, 13})
    all.push_back({l, m, 3 * 64, 4});
  for (int64_t nb : {1, 2, 3})
    for (int64_t m : {1, 4, 7})
      all.push_back({l, m, 128 + g, nb});
  all.push_back({l, 1, g, 4});
  all.push_back({l, 9, 1024 + 3 * g, 4});
  all.push_back({l, 33, 256 + g, 4}); // one AMX tile and one token more
  if (l.isDense())
    for (int64_t k : {1, 2, 3, 5, 67})
      all.push_back({l, 3, k, 4});
  return all;
}

void saturate(Buffer &w, const Layout &l) {
  // All codes ones: the largest product everywhere.
  for (int64_t s = 0; s < w.size(); s += l.superBytes())
    std::memset(w.as() + s + l.headerBytes(), 0xff, size_t(2 * l.groupBytes()));
}

class Linear : public testing::TestWithParam<LinearVariant> {
protected:
  Random random;

  /// Calls `kernel(tile, scratch)` on guarded memory and checks that nothing beyond the result is written.
  template <typename Kernel> std::vector<float> run(const Case &c, Kernel kernel) {
    const int64_t bytes = linearScratchBytes(c.k, c.m);
    Buffer tile((c.m + 1) * TQ_TILE_STRIDE * 4), scratch(bytes + 64);
    std::fill_n(tile.as<float>(), (c.m + 1) * TQ_TILE_STRIDE, kUntouched);
    std::memset(scratch.as(), 0xff, size_t(bytes + 64)); // f32 NaN
    kernel(tile.as<float>(), bytes ? scratch.as<void>() : nullptr);
    std::vector<float> out;
    for (int64_t t = 0; t <= c.m; ++t)
      for (int64_t r = 0; r < TQ_TILE_STRIDE; ++r) {
        float v = tile.as<float>()[t * TQ_TILE_STRIDE + r];
        if (t < c.m && r < c.nb * 16)
          out.push_back(v);
        else
          EXPECT_EQ(v, kUntouched) << "token " << t << " row " << r << " is not part of the result";
      }
    for (int64_t i = bytes; i < bytes + 64; ++i)
      EXPECT_EQ(scratch.as()[i], 0xff) << "scratch overrun";
    return out;
  }

  void checkF32(const Case &c) {
    SCOPED_TRACE(testing::Message() << c);
    const Layout &l = c.layout;
    LevelTable levels = randomLevels(random, l.bits);
    Buffer w = randomWeights(random, l, c.nb * 16, c.k);
    const int64_t stride = c.k + 3; // 4-byte alignment is all that is promised
    std::vector<float> x(size_t(c.m * stride), NAN);
    for (int64_t t = 0; t < c.m; ++t)
      for (int64_t i = 0; i < c.k; ++i)
        x[size_t(t * stride + i)] = random.uniform();
    auto call = [&](const Case &one, const void *weights, const float *rows) {
      return run(one, [&](float *tile, void *scratch) {
        GetParam().f32(weights, &levels, rows, stride * 4, one.m, one.k, int32_t(l.kind), l.bits, l.group, one.nb, tile,
                       scratch);
      });
    };
    std::vector<float> y = call(c, w.as(), x.data()), row(static_cast<size_t>(c.k));
    for (int64_t r = 0; r < c.nb * 16; ++r) {
      for (int64_t i = 0; i < c.k; ++i)
        row[size_t(i)] = reference::valueOf(l, w.as(), &levels, c.k, r, i);
      for (int64_t t = 0; t < c.m; ++t) {
        double sum = 0, size = 1e-30;
        float chain = 0;
        for (int64_t i = 0; i < c.k; ++i) {
          float v = row[size_t(i)], xi = x[size_t(t * stride + i)];
          sum += double(v) * xi;
          size += std::fabs(double(v) * xi);
          chain = std::fmaf(v, xi, chain);
        }
        float got = y[size_t(t * c.nb * 16 + r)];
        ASSERT_LE(std::fabs(got - sum), 1e-5 * size) << "token " << t << " row " << r;
        ASSERT_EQ(got, chain) << "token " << t << " row " << r << ": not the promised order";
      }
    }
    // The chain above settles it, but this is the property that users see.
    if (c.m > 1)
      for (int64_t t = 0; t < c.m; t += c.m - 1)
        for (int64_t b = 0; b < c.nb; b += 3) {
          std::vector<float> one = call({l, 1, c.k, 1}, w.as() + b * l.rowBlockBytes(c.k), x.data() + t * stride);
          for (int64_t r = 0; r < 16; ++r)
            ASSERT_EQ(one[size_t(r)], y[size_t(t * c.nb * 16 + b * 16 + r)]) << "token " << t << " row " << r;
        }
  }

  template <typename T> void checkInteger(const Case &c, int64_t sumGroup) {
    SCOPED_TRACE(testing::Message() << c << " sums of " << sumGroup << " int" << 8 * sizeof(T));
    const Layout &l = c.layout;
    LevelTable levels = randomLevels(random, l.bits);
    Buffer w = randomWeights(random, l, c.nb * 16, c.k);
    if (c.extreme) {
      saturate(w, l);
      for (int i = 0; i < 16; ++i)
        levels.s8[i] = 127, levels.u6[i] = 63, levels.s16[i] = 2047;
      if (c.m % 2)
        for (int i = 0; i < 16; ++i)
          levels.s8[i] = -127, levels.u6[i] = 0, levels.s16[i] = -2047;
    }
    Buffer x = randomActivations<T>(random, c.m, c.k, sumGroup, sizeof(T) == 1 ? 127 : 8191, c.extreme);
    const int64_t rowBytes = PackedActivation::rowBytes(c.k, sizeof(T), sumGroup);
    auto call = [&](const Case &one, const void *weights, const void *rows) {
      return run(one, [&](float *tile, void *scratch) {
        auto kernel = sizeof(T) == 1 ? GetParam().i8 : GetParam().i16;
        kernel(weights, l.kind == Layout::Kind::Codebook ? &levels : nullptr, rows, rowBytes, one.m, one.k,
               int32_t(l.kind), l.bits, l.group, int32_t(sumGroup), one.nb, tile, scratch);
      });
    };
    std::vector<float> y = call(c, w.as(), x.as());
    struct Value {
      double scaled, bias; ///< level * scale
    };
    std::vector<Value> row(static_cast<size_t>(c.k));
    for (int64_t r = 0; r < c.nb * 16; ++r) {
      for (int64_t i = 0; i < c.k; ++i) {
        const int code = reference::codeOf(l, w.as(), c.k, r, i);
        double v = code, bias = 0;
        if (l.kind == Layout::Kind::Affine)
          bias = reference::scaleOf(l, w.as(), c.k, r, i, true);
        else if (sizeof(T) == 2)
          v = double(levels.s16[code]) * levels.s16Step;
        else if (GetParam().levels == ByteLevels::S8)
          v = double(levels.s8[code]) * levels.s8Step;
        else
          v = (levels.u6[code] - 31.5) * levels.u6Step;
        row[size_t(i)] = {v * reference::scaleOf(l, w.as(), c.k, r, i), bias};
      }
      for (int64_t t = 0; t < c.m; ++t) {
        const T *q = (const T *)(x.as() + t * rowBytes);
        const float *scale = (const float *)((const uint8_t *)q + PackedActivation::scaleOffset(c.k, sizeof(T)));
        double sum = 0, size = 1e-30;
        for (int64_t i = 0; i < c.k; ++i) {
          const double xi = double(q[i]) * scale[i / 64];
          sum += (row[size_t(i)].scaled + row[size_t(i)].bias) * xi;
          size += (std::fabs(row[size_t(i)].scaled) + std::fabs(row[size_t(i)].bias)) * std::fabs(xi);
        }
        ASSERT_LE(std::fabs(y[size_t(t * c.nb * 16 + r)] - sum), 2e-6 * size) << "token " << t << " row " << r;
      }
    }
    if (c.m > 1) {
      std::vector<float> one = call({l, 1, c.k, 1, false}, w.as(), x.as() + (c.m - 1) * rowBytes);
      for (int64_t r = 0; r < 16; ++r)
        ASSERT_EQ(one[size_t(r)], y[size_t((c.m - 1) * c.nb * 16 + r)]) << "one token, row " << r;
    }
  }
};

TEST_P(Linear, f32Dense) {
  for (auto kind : {Layout::Kind::DenseF32, Layout::Kind::DenseF16, Layout::Kind::DenseBF16})
    for (const Case &c : shapesOf({kind, 0, 0})) {
      checkF32(c);
      if (HasFatalFailure())
        return;
    }
}

TEST_P(Linear, f32Quantised) {
  for (const Layout &l : quantisedLayouts())
    for (const Case &c : shapesOf(l)) {
      checkF32(c);
      if (HasFatalFailure())
        return;
    }
}

TEST_P(Linear, f32ShortLastGroup) {
  for (const Layout &l : quantisedLayouts())
    for (int64_t k : {1, 7, 64 + 13, 128 + 31, 256 + 6})
      for (int64_t m : {1, 3}) {
        checkF32({l, m, k, 4});
        if (HasFatalFailure())
          return;
      }
}

TEST_P(Linear, int8) {
  for (const Layout &l : quantisedLayouts())
    for (const Case &c : shapesOf(l))
      for (int64_t sumGroup : {16, 32, 64}) {
        if (sumGroup <= l.group)
          checkInteger<int8_t>(c, sumGroup);
        if (HasFatalFailure())
          return;
      }
}

TEST_P(Linear, int16) {
  for (const Layout &l : quantisedLayouts())
    for (const Case &c : shapesOf(l))
      for (int64_t sumGroup : {16, 32, 64}) {
        if (sumGroup <= l.group)
          checkInteger<int16_t>(c, sumGroup);
        if (HasFatalFailure())
          return;
      }
}

TEST_P(Linear, saturation) {
  for (const Layout &l : quantisedLayouts())
    for (int64_t m : {1, 6, 7}) {
      checkInteger<int8_t>({l, m, 256, 4, true}, 16);
      checkInteger<int16_t>({l, m, 256, 4, true}, 16);
      if (HasFatalFailure())
        return;
    }
}

TEST_P(Linear, decodeRow) {
  std::vector<Layout> all = quantisedLayouts();
  for (auto kind : {Layout::Kind::DenseF32, Layout::Kind::DenseF16, Layout::Kind::DenseBF16})
    all.push_back({kind, 0, 0});
  for (const Layout &l : all)
    for (int64_t k : {1, 64, 77, 320}) {
      LevelTable levels = randomLevels(random, l.bits);
      Buffer w = randomWeights(random, l, 48, k);
      for (int64_t row : {0, 15, 16, 37}) {
        std::vector<float> out(size_t(k + 1), kUntouched);
        GetParam().decodeRow(w.as(), &levels, row, k, int32_t(l.kind), l.bits, l.group, out.data());
        for (int64_t i = 0; i < k; ++i)
          ASSERT_EQ(out[size_t(i)], reference::valueOf(l, w.as(), &levels, k, row, i)) << "row " << row << " col " << i;
        ASSERT_EQ(out[size_t(k)], kUntouched);
      }
    }
}

INSTANTIATE_TEST_SUITE_P(, Linear, testing::ValuesIn(linearVariants()),
                         [](const auto &info) { return info.param.name; });

} // namespace
