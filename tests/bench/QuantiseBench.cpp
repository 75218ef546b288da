//===- QuantiseBench.cpp - Nanoseconds per weight of compiling weights ----===//
// Rotation, quantisers and packer on one core; ns_per_weight is what counts.

#include "dialect/encodings/Hadamard.h"
#include "dialect/encodings/Pack.h"
#include "dialect/encodings/Quantise.h"
#include "dialect/encodings/Signs.h"

#include <benchmark/benchmark.h>

#include <random>

using namespace tq;

static std::vector<float> normalValues(int64_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(random);
  return values;
}

static void report(benchmark::State &state, int64_t weights) {
  state.counters["ns_per_weight"] = benchmark::Counter(
      static_cast<double>(weights) * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

static constexpr int64_t kRows = 64, kCols = 2048;

static void quantise(benchmark::State &state, QuantTarget target) {
  std::vector<float> values = normalValues(kRows * kCols);
  std::vector<float> signs = rotationSigns(42, kCols);
  std::vector<uint8_t> codes(values.size());
  std::vector<uint16_t> scales(values.size() / target.group);
  std::vector<uint16_t> biases(scales.size());
  QuantRows rows;
  rows.values = values.data();
  rows.rows = kRows;
  rows.cols = kCols;
  rows.signs = signs.data();
  for (auto _ : state) {
    Status status = quantiseRows(target, rows, {codes.data(), scales.data(), biases.data(), nullptr});
    benchmark::DoNotOptimize(status.ok());
  }
  report(state, kRows * kCols);
}

/// Arguments: bits (0: ternary), group, searched or not.
static void BM_QuantiseCodebook(benchmark::State &state) {
  QuantTarget target;
  target.bits = static_cast<int>(state.range(0));
  target.ternary = target.bits == 0;
  target.group = state.range(1);
  target.rule = state.range(2) ? ScaleRule::Search : ScaleRule::Rms;
  target.rotate = true;
  quantise(state, target);
}
BENCHMARK(BM_QuantiseCodebook)
    ->ArgNames({"bits", "group", "search"})
    ->ArgsProduct({{0, 2, 3, 4}, {32, 64, 128}, {0, 1}});

static void BM_QuantiseAffine(benchmark::State &state) {
  QuantTarget target;
  target.kind = QuantTarget::Kind::Affine;
  target.bits = static_cast<int>(state.range(0));
  target.group = state.range(1);
  target.rule = state.range(2) ? ScaleRule::Search : ScaleRule::MinMax;
  quantise(state, target);
}
BENCHMARK(BM_QuantiseAffine)->ArgNames({"bits", "group", "search"})->ArgsProduct({{2, 4, 8}, {64}, {0, 1}});

static void BM_Rotate(benchmark::State &state) {
  int64_t cols = state.range(0);
  std::vector<float> values = normalValues(16 * cols);
  std::vector<float> signs = rotationSigns(42, cols);
  for (auto _ : state)
    rotateRows(values.data(), 16, cols, hadamardBlock(cols), signs.data());
  report(state, 16 * cols);
}
BENCHMARK(BM_Rotate)->Arg(2048)->Arg(4096)->Arg(5632)->Arg(3072)->Arg(3584);

static void BM_Pack(benchmark::State &state) {
  Layout layout{state.range(0) > 4 ? Layout::Kind::Affine : Layout::Kind::Codebook,
                static_cast<int32_t>(state.range(0)), 64};
  bool affine = layout.kind == Layout::Kind::Affine;
  std::vector<uint8_t> codes(16 * kCols);
  for (size_t i = 0; i < codes.size(); ++i)
    codes[i] = static_cast<uint8_t>(i * 7 % (1u << layout.bits));
  std::vector<uint16_t> scales(16 * kCols / 64, 0x3c00);
  std::vector<std::byte> out(layout.rowBlockBytes(kCols));
  for (auto _ : state) {
    packRowBlock(layout, kCols, codes.data(), scales.data(), affine ? scales.data() : nullptr, out.data());
    benchmark::DoNotOptimize(out.data());
  }
  report(state, 16 * kCols);
}
BENCHMARK(BM_Pack)->Arg(2)->Arg(3)->Arg(4)->Arg(6)->Arg(8);
