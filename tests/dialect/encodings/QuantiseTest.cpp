//===- QuantiseTest.cpp - The quantisers against the formats' own ---------===//

#include "dialect/encodings/QuantiseGroup.h"

#include "dialect/encodings/Hadamard.h"
#include "dialect/encodings/HalfFloat.h"
#include "dialect/encodings/Signs.h"

#include "Fixture.h"

#include <cmath>

using namespace tq;
using namespace tq::test;

namespace {

struct Quantised {
  std::vector<uint8_t> codes;
  std::vector<uint16_t> scales, biases;
  std::vector<double> errors;

  bool operator==(const Quantised &) const = default;
};

Quantised quantise(const QuantTarget &target, const QuantRows &rows) {
  Quantised result;
  result.codes.resize(rows.rows * rows.cols);
  result.scales.resize(rows.rows * (rows.cols / target.group));
  result.biases.resize(result.scales.size());
  result.errors.resize(rows.rows);
  Status status = quantiseRows(target, rows,
                               {result.codes.data(), result.scales.data(), result.biases.data(), result.errors.data()});
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.message());
  return result;
}

QuantRows rowsOf(const std::vector<float> &values, int64_t cols) {
  QuantRows rows;
  rows.values = values.data();
  rows.rows = static_cast<int64_t>(values.size()) / cols;
  rows.cols = cols;
  return rows;
}

QuantTarget codebook(int bits, int64_t group, ScaleRule rule) {
  QuantTarget target;
  target.bits = bits;
  target.ternary = bits == 0;
  target.group = group;
  target.rule = rule;
  return target;
}

QuantTarget affine(int bits, int64_t group, ScaleRule rule) {
  QuantTarget target = codebook(bits, group, rule);
  target.kind = QuantTarget::Kind::Affine;
  return target;
}

// Source rows through our writer give the converter's codes, all of them, and
// its scales but for the order in which it formed the mean.
TEST(Quantise, TurboQuantWriter) {
  int64_t tensors = 0, weights = 0, scales = 0, scalesOff = 0;
  for (const std::string &name : turboQuantCases()) {
    Checkpoint checkpoint = openCheckpoint(name);
    Fixture expected(name + "/expected.safetensors");
    for (const RawTensor &sample : expected.all()) {
      if (!sample.name.starts_with("src."))
        continue;
      const WeightSource *weight = checkpoint.find(sample.name.substr(4) + ".weight");
      ASSERT_TRUE(weight && weight->codebookEncoding()) << sample.name;
      const CodebookEncoding &encoding = *weight->codebookEncoding();
      std::vector<float> signs = Fixture::unwrap(readFloats(*weight->signs));
      std::vector<float> source = Fixture::unwrap(readFloats(sample));
      QuantTarget target = codebook(encoding.ternary ? 0 : encoding.bits, encoding.group, ScaleRule::Rms);
      target.rotate = encoding.rotated;
      QuantRows rows = rowsOf(source, weight->cols());
      rows.signs = signs.data();
      Quantised ours = quantise(target, rows);

      int64_t cols = weight->cols(), groups = cols / encoding.group;
      std::vector<uint8_t> codes(cols);
      std::vector<float> stored(groups);
      for (int64_t i = 0; i < rows.rows; ++i) {
        int64_t row = sourceRow(*weight, sample, i);
        unpackCodes(*weight, row, codes.data());
        for (int64_t c = 0; c < cols; ++c)
          ASSERT_EQ(ours.codes[i * cols + c], codes[c]) << name << " " << sample.name << " " << i << "," << c;
        readScales(*weight, row, stored.data());
        for (int64_t g = 0; g < groups; ++g) {
          int difference = ours.scales[i * groups + g] - f32ToF16(stored[g]);
          ASSERT_LE(std::abs(difference), 1) << name << " " << sample.name;
          scalesOff += difference != 0;
        }
      }
      ++tensors;
      weights += rows.rows * cols;
      scales += rows.rows * groups;
    }
  }
  std::printf("%ld tensors, %ld codes equal, %ld of %ld scales one ulp off\n", tensors, weights, scalesOff, scales);
  EXPECT_EQ(tensors, 15);
  EXPECT_LE(scalesOff * 500, scales);
}

/// Codes packed as a stream of bits, least significant first.
std::vector<uint8_t> unpackStream(const std::vector<uint32_t> &words, int bits) {
  std::vector<uint8_t> codes(words.size() * 32 / bits);
  for (size_t i = 0; i < codes.size() * bits; ++i)
    codes[i / bits] |= (words[i / 32] >> i % 32 & 1) << i % bits;
  return codes;
}

// Constant, one-signed, tiny, large and tied rows included.
TEST(Quantise, MlxAffineWriter) {
  Fixture fixture("mlx/quantiser.safetensors");
  int64_t rowsChecked = 0;
  for (const char *type : {"float32", "float16"})
    for (int bits : {2, 3, 4, 5, 6, 8})
      for (int group : {32, 64, 128}) {
        std::string name = "affine." + std::to_string(bits) + "." + std::to_string(group) + "." + type;
        std::vector<float> w = fixture.values<float>(std::string("w.") + type);
        std::vector<uint8_t> codes = unpackStream(fixture.values<uint32_t>("codes." + name), bits);
        std::vector<float> scales = fixture.values<float>("scales." + name);
        std::vector<float> biases = fixture.values<float>("biases." + name);
        int64_t groups = 128 / group;
        for (int64_t row = 0; row < 16; ++row) {
          bool fits = true; // f32 scales may be too large for f16
          for (int64_t g = row * groups; g < (row + 1) * groups; ++g)
            fits &= isFiniteF16(f32ToF16(scales[g])) && isFiniteF16(f32ToF16(biases[g]));
          if (!fits)
            continue;
          std::vector<float> values(w.begin() + row * 128, w.begin() + (row + 1) * 128);
          Quantised ours = quantise(affine(bits, group, ScaleRule::MinMax), rowsOf(values, 128));
          for (int64_t c = 0; c < 128; ++c)
            ASSERT_EQ(ours.codes[c], codes[row * 128 + c]) << name << " " << row << "," << c;
          for (int64_t g = 0; g < groups; ++g) {
            ASSERT_EQ(ours.scales[g], f32ToF16(scales[row * groups + g])) << name << " " << row;
            ASSERT_EQ(ours.biases[g], f32ToF16(biases[row * groups + g])) << name << " " << row;
          }
          ++rowsChecked;
        }
      }
  EXPECT_GE(rowsChecked, 2 * 18 * 14);
}

/// The search as its description reads, one group, in f64.
double plainSearchError(const CodebookPlan &plan, const float *x, int64_t cols, const float *weights) {
  std::span<const float> levels(plan.levels, plan.count);
  double square = 0;
  for (int64_t j = 0; j < cols; ++j)
    square += static_cast<double>(x[j]) * x[j];
  double rms = std::sqrt(square / static_cast<double>(cols));
  auto weight = [&](int64_t j) { return weights ? weights[j] : 1.0; };
  auto levelOf = [&](int64_t j, double scale) -> double {
    return scale > 0 ? levels[nearestLevel(levels, static_cast<float>(x[j] / scale))] : 0;
  };
  auto errorOf = [&](double scale) {
    double error = 0;
    for (int64_t j = 0; j < cols; ++j)
      error += weight(j) * std::pow(x[j] - scale * levelOf(j, scale), 2);
    return error;
  };
  double best = 0.6 * rms;
  for (int i = 1; i <= 28; ++i)
    if (errorOf((0.6 + 0.025 * i) * rms) < errorOf(best))
      best = (0.6 + 0.025 * i) * rms;
  for (int round = 0; round < 2; ++round) {
    double cross = 0, energy = 0;
    for (int64_t j = 0; j < cols; ++j) {
      double level = levelOf(j, best);
      cross += weight(j) * x[j] * level;
      energy += weight(j) * level * level;
    }
    best = energy > 0 ? cross / energy : best;
  }
  return errorOf(roundToF16(static_cast<float>(best)));
}

double weightedError(const QuantTarget &target, const QuantRows &rows, const Quantised &result, int64_t row,
                     int64_t col) {
  CodebookPlan plan(target.codebookKind());
  double error = 0;
  float scale = f16ToF32(result.scales[(row * rows.cols + col) / target.group]);
  for (int64_t c = col; c < col + target.group; ++c) {
    double value = plan.levels[result.codes[row * rows.cols + c]] * scale;
    error += (rows.columnWeights ? rows.columnWeights[c] : 1) * std::pow(rows.values[row * rows.cols + c] - value, 2);
  }
  return error;
}

// The branch-free search picks what the obvious one picks: equal error up to
// rounding, in each group, with and without column weights.
TEST(Quantise, SearchEqualsTheObviousOne) {
  int64_t cols = 256;
  std::vector<float> values = normalValues(20 * cols, 1, 0.03f);
  std::vector<float> weights = normalValues(cols, 2);
  for (float &weight : weights)
    weight = weight * weight + 0.1f;
  double worst = 0;
  for (int bits : {0, 1, 2, 3, 4})
    for (int64_t group : {16, 32, 64, 128, 256})
      for (bool weighted : {false, true}) {
        QuantTarget target = codebook(bits, group, ScaleRule::Search);
        QuantRows rows = rowsOf(values, cols);
        rows.columnWeights = weighted ? weights.data() : nullptr;
        Quantised ours = quantise(target, rows);
        CodebookPlan plan(target.codebookKind());
        double mine = 0, plain = 0;
        for (int64_t row = 0; row < rows.rows; ++row)
          for (int64_t col = 0; col < cols; col += group) {
            double one = weightedError(target, rows, ours, row, col);
            double other = plainSearchError(plan, values.data() + row * cols + col, group,
                                            weighted ? weights.data() + col : nullptr);
            // Two candidates as good as each other may lead to different
            // least-squares scales; no more than that.
            ASSERT_LT(one, other * 1.05 + 1e-12) << target.name();
            mine += one;
            plain += other;
          }
        EXPECT_NEAR(mine / plain, 1, 1e-3) << target.name();
        worst = std::max(worst, std::abs(mine / plain - 1));
      }
  std::printf("largest relative difference of a tensor's error: %.1e\n", worst);
}

std::vector<QuantTarget> allTargets() {
  std::vector<QuantTarget> targets;
  for (ScaleRule rule : {ScaleRule::Rms, ScaleRule::Search})
    for (int64_t group : {16, 64, 128}) {
      for (int bits : {0, 1, 2, 3, 4})
        targets.push_back(codebook(bits, group, rule));
      for (int bits = 2; bits <= 8; ++bits)
        targets.push_back(affine(bits, group, rule));
    }
  return targets;
}

// The reported error is that of the codes and scales.
TEST(Quantise, ReportsItsError) {
  int64_t cols = 384;
  std::vector<float> values = normalValues(7 * cols, 4);
  std::vector<float> rotated = values, signs = rotationSigns(1, cols);
  rotateRows(rotated.data(), 7, cols, hadamardBlock(cols), signs.data());
  for (QuantTarget target : allTargets()) {
    target.rotate = true;
    QuantRows rows = rowsOf(values, cols);
    rows.signs = signs.data();
    Quantised result = quantise(target, rows);
    CodebookPlan plan(target.kind == QuantTarget::Kind::Codebook ? target.codebookKind() : CodebookKind::Bits4);
    for (int64_t row = 0; row < 7; ++row) {
      double error = 0;
      for (int64_t i = row * cols; i < (row + 1) * cols; ++i) {
        float scale = f16ToF32(result.scales[i / target.group]);
        double value = target.kind == QuantTarget::Kind::Affine
                           ? result.codes[i] * scale + f16ToF32(result.biases[i / target.group])
                           : plan.levels[result.codes[i]] * scale;
        error += std::pow(rotated[i] - value, 2);
      }
      ASSERT_NEAR(result.errors[row], error, 1e-4 * error + 1e-6) << target.name();
    }
  }
}

// Searching never loses to the formats' own rules.
TEST(Quantise, SearchIsBetterThanThePlainRule) {
  int64_t cols = 512;
  std::vector<float> values = normalValues(64 * cols, 8);
  for (QuantTarget target : allTargets()) {
    if (target.rule != ScaleRule::Search)
      continue;
    auto total = [&](ScaleRule rule) {
      target.rule = rule;
      double sum = 0;
      for (double error : quantise(target, rowsOf(values, cols)).errors)
        sum += error;
      return sum;
    };
    EXPECT_LT(total(ScaleRule::Search), total(ScaleRule::Rms)) << target.name();
  }
}

// Rows alone, together, and with every instruction set: the same bits.
TEST(Quantise, IndependentOfSplitAndInstructionSet) {
  int64_t cols = 256, count = 37;
  std::vector<float> values = normalValues(count * cols, 9);
  for (QuantTarget target : allTargets()) {
    target.rotate = true;
    Quantised whole = quantise(target, rowsOf(values, cols));
    int64_t groups = cols / target.group;
    for (int64_t row : {0, 5, 36}) {
      std::vector<float> one(values.begin() + row * cols, values.begin() + (row + 1) * cols);
      Quantised alone = quantise(target, rowsOf(one, cols));
      EXPECT_TRUE(std::equal(alone.codes.begin(), alone.codes.end(), whole.codes.begin() + row * cols));
      EXPECT_TRUE(std::equal(alone.scales.begin(), alone.scales.end(), whole.scales.begin() + row * groups));
    }
  }
  std::vector<float> lanes = normalValues(64 * 16, 10), weights(64, 0.5f);
  for (const QuantTarget &target : allTargets())
    for (bool weighted : {false, true}) {
      std::vector<std::vector<uint8_t>> results;
      for (SimdLevel level : {SimdLevel::Base, SimdLevel::V3, SimdLevel::V4}) {
        std::vector<uint8_t> codes(64 * 16);
        GroupOfRows group = {};
        group.values = lanes.data();
        group.weights = weighted ? weights.data() : nullptr;
        group.cols = 64;
        group.codes = codes.data();
        if (target.kind == QuantTarget::Kind::Affine)
          quantiseGroup(target.bits, target.rule, group, level);
        else
          quantiseGroup(CodebookPlan(target.codebookKind()), target.rule, group, level);
        auto append = [&](const auto &array) {
          const auto *bytes = reinterpret_cast<const uint8_t *>(&array);
          codes.insert(codes.end(), bytes, bytes + sizeof(array));
        };
        append(group.scales);
        append(group.biases);
        append(group.errors);
        results.push_back(codes);
      }
      EXPECT_EQ(results[0], results[1]) << target.name();
      EXPECT_EQ(results[0], results[2]) << target.name();
    }
}

TEST(Quantise, ZerosStayZero) {
  std::vector<float> zeros(3 * 64);
  for (QuantTarget target : allTargets()) {
    target.group = 64;
    Quantised result = quantise(target, rowsOf(zeros, 64));
    for (double error : result.errors)
      EXPECT_LT(error, 1e-10) << target.name();
    if (target.rule == ScaleRule::Search && target.kind == QuantTarget::Kind::Codebook)
      EXPECT_EQ(result.errors[0], 0) << target.name();
  }
}

std::string failure(const QuantTarget &target, const QuantRows &rows) {
  std::vector<uint8_t> codes(rows.rows * rows.cols);
  std::vector<uint16_t> scales(codes.size()), biases(codes.size());
  Status status = quantiseRows(target, rows, {codes.data(), scales.data(), biases.data(), nullptr});
  return status.ok() ? "" : status.message();
}

TEST(Quantise, RefusesWhatNoScaleExpresses) {
  for (float bad : {NAN, INFINITY, -INFINITY, 1e30f, 3e38f})
    for (const QuantTarget &target : allTargets()) {
      std::vector<float> values = normalValues(20 * 256, 3);
      values[18 * 256 + 130] = bad;
      EXPECT_EQ(failure(target, rowsOf(values, 256)), "row 18, columns " +
                                                          std::to_string(130 / target.group * target.group) + " to " +
                                                          std::to_string((130 / target.group + 1) * target.group - 1) +
                                                          ": values are not finite, or too large for an f16 scale")
          << target.name() << " " << bad;
    }
}

TEST(Quantise, RefusesTargets) {
  std::vector<float> values(200);
  EXPECT_EQ(failure(codebook(3, 64, ScaleRule::Rms), rowsOf(values, 200)),
            "tq3-g64: group size 64 does not divide 200 columns");
  EXPECT_EQ(failure(codebook(3, 40, ScaleRule::Rms), rowsOf(values, 200)),
            "tq3-g40: group size 40 is not 16, 32, a multiple of 64 or the "
            "whole row");
  EXPECT_EQ(failure(codebook(5, 200, ScaleRule::Rms), rowsOf(values, 200)),
            "tq5-g200: 5 bits, but this encoding has 1 to 4");
  EXPECT_EQ(failure(affine(1, 200, ScaleRule::Rms), rowsOf(values, 200)),
            "q1-g200: 1 bits, but this encoding has 2 to 8");
  EXPECT_EQ(failure(codebook(2, 200, ScaleRule::Search), rowsOf(values, 200)),
            ""); // one scale per row
}

} // namespace
