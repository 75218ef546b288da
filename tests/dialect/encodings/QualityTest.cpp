//===- QualityTest.cpp - Squared errors on a trained model ----------------===//
// What the searched scales gain over the formats' own rules, on the weights of
// a small Llama. Prints a table; the bounds are loose.

#include "dialect/encodings/Quantise.h"
#include "dialect/encodings/Signs.h"

#include "Fixture.h"

using namespace tq;
using namespace tq::test;

namespace {

/// Squared error of all linear layers relative to their squared size.
double relativeError(const Checkpoint &checkpoint, QuantTarget target) {
  double error = 0, energy = 0;
  for (const WeightSource &weight : checkpoint.weights()) {
    if (weight.path.find("_proj.weight") == std::string::npos)
      continue;
    int64_t rows = weight.rows(), cols = weight.cols();
    std::vector<float> values(rows * cols);
    EXPECT_TRUE(decodeRows(weight, 0, rows, values.data(), false).ok());
    std::vector<float> signs = rotationSigns(layerSeed(42, weight.path), cols);
    std::vector<uint8_t> codes(values.size());
    std::vector<uint16_t> scales(values.size()), biases(values.size());
    std::vector<double> errors(rows);
    target.rotate = target.kind == QuantTarget::Kind::Codebook;
    QuantRows input;
    input.values = values.data();
    input.rows = rows;
    input.cols = cols;
    input.signs = signs.data();
    EXPECT_TRUE(quantiseRows(target, input, {codes.data(), scales.data(), biases.data(), errors.data()}).ok());
    for (double rowError : errors)
      error += rowError;
    for (float value : values)
      energy += static_cast<double>(value) * value;
  }
  return error / energy;
}

TEST(Quality, SearchAgainstThePlainRules) {
  Checkpoint checkpoint = openCheckpoint("tinystories-3.7m");
  std::printf("relative squared error    plain    search   ratio\n");
  auto compare = [&](QuantTarget target, double largestRatio) {
    target.rule = ScaleRule::Rms;
    double plain = relativeError(checkpoint, target);
    target.rule = ScaleRule::Search;
    double search = relativeError(checkpoint, target);
    std::printf("%-22s %8.5f %8.5f  %6.3f\n", target.name().c_str(), plain, search, search / plain);
    EXPECT_LT(search, plain * largestRatio) << target.name();
  };
  for (int64_t group : {32, 64, 128}) {
    QuantTarget target;
    target.group = group;
    target.ternary = true;
    compare(target, 0.995);
    target.ternary = false;
    for (int bits : {2, 3, 4}) {
      target.bits = bits;
      compare(target, 0.99);
    }
    target.kind = QuantTarget::Kind::Affine;
    for (int bits : {2, 3, 4, 5, 6, 8}) {
      target.bits = bits;
      compare(target, 0.97);
    }
  }
}

} // namespace
