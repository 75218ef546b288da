//===- EncodingTest.cpp - Stored weights to packed ones -------------------===//

#include "dialect/encodings/Encoding.h"
#include "dialect/encodings/Hadamard.h"
#include "dialect/encodings/HalfFloat.h"
#include "dialect/encodings/Pack.h"
#include "dialect/encodings/Signs.h"

#include "Fixture.h"

#include <cmath>

using namespace tq;
using namespace tq::test;

namespace {

/// A weight repacked as a whole.
struct Packed {
  explicit Packed(const WeightEncoding &encoding)
      : shape(encoding.shape()), layout(encoding.layout()), levels(encoding.levels()), bytes(encoding.packedBytes()) {
    Status status = encoding.repackRowBlocks(0, shape.blocks(), bytes.data());
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.message());
  }

  /// Row `row` of all rows of the weight.
  std::vector<float> decode(int64_t row) const {
    std::vector<float> values(shape.cols);
    int64_t matrix = row / shape.rows;
    const std::byte *start = bytes.data() + matrix * shape.blocksPerMatrix() * layout.rowBlockBytes(shape.cols);
    unpackRow(layout, shape.cols, start, levels ? &*levels : nullptr, row % shape.rows, values.data());
    return values;
  }

  WeightShape shape;
  Layout layout;
  std::optional<LevelTable> levels;
  std::vector<std::byte> bytes;
};

EncodingPtr encodingOf(const WeightSource &source) { return Fixture::unwrap(makeEncoding(source)); }

void expectEqualDecodes(const WeightEncoding &encoding, const Packed &packed) {
  std::vector<float> expected(encoding.shape().cols);
  for (int64_t row = 0; row < encoding.shape().allRows(); ++row) {
    ASSERT_TRUE(encoding.decodeRows(row, 1, expected.data()).ok());
    ASSERT_EQ(packed.decode(row), expected) << row;
  }
}

std::vector<std::string> mlxCases() {
  std::vector<std::string> cases;
  for (const auto &entry : std::filesystem::directory_iterator(dataPath("mlx")))
    if (entry.is_directory())
      cases.push_back("mlx/" + entry.path().filename().string());
  return cases;
}

// Every weight of every TurboQuant checkpoint: the packed bytes decode to what
// the stored ones decode to, to the bit.
TEST(Encoding, RepacksTurboQuantCheckpoints) {
  for (const std::string &name : turboQuantCases()) {
    Checkpoint checkpoint = openCheckpoint(name);
    for (const WeightSource &source : checkpoint.weights()) {
      EncodingPtr encoding = encodingOf(source);
      if (source.affine())
        continue; // bf16 scales round: below
      SCOPED_TRACE(name + " " + source.path + " " + encoding->name());
      EXPECT_EQ(encoding->storedBytes(), source.storedBytes());
      expectEqualDecodes(*encoding, Packed(*encoding));
      if (HasFailure())
        return;
    }
  }
}

// Affine: f16 scales exactly, others after rounding to f16.
TEST(Encoding, RepacksAffineWeights) {
  std::vector<std::string> names = mlxCases();
  EXPECT_GE(names.size(), 6u);
  for (const std::string &name : turboQuantCases())
    names.push_back(name);
  int checked = 0;
  for (const std::string &name : names) {
    Checkpoint checkpoint = openCheckpoint(name);
    for (const WeightSource &source : checkpoint.weights()) {
      if (!source.affine())
        continue;
      EncodingPtr encoding = encodingOf(source);
      SCOPED_TRACE(name + " " + source.path + " " + encoding->name());
      Packed packed(*encoding);
      int64_t cols = source.cols(), group = source.affine()->group;
      std::vector<uint8_t> codes(cols);
      std::vector<float> scales(cols / group), biases(cols / group);
      for (int64_t row = 0; row < source.rows(); ++row) {
        unpackCodes(source, row, codes.data());
        readScales(source, row, scales.data());
        readBiases(source, row, biases.data());
        std::vector<float> values = packed.decode(row);
        for (int64_t c = 0; c < cols; ++c)
          ASSERT_EQ(values[c],
                    static_cast<float>(codes[c]) * roundToF16(scales[c / group]) + roundToF16(biases[c / group]));
      }
      ++checked;
    }
  }
  EXPECT_GT(checked, 30);
}

// The converter's own decode: f16(level * scale), rotated and rotated back.
TEST(Encoding, TurboQuantDecode) {
  int checked = 0;
  for (const std::string &name : turboQuantCases()) {
    Checkpoint checkpoint = openCheckpoint(name);
    Fixture expected(name + "/expected.safetensors");
    for (const RawTensor &sample : expected.all()) {
      if (!sample.name.starts_with("rot."))
        continue;
      std::string module = sample.name.substr(4);
      SCOPED_TRACE(name + " " + module);
      const WeightSource *source = checkpoint.find(module + ".weight");
      ASSERT_TRUE(source);
      Packed packed(*encodingOf(*source));
      int64_t cols = source->cols();
      std::vector<uint16_t> rot = expected.values<uint16_t>(sample.name);
      std::vector<float> deq = expected.values<float>("deq." + module);
      std::vector<float> signs = Fixture::unwrap(readFloats(*source->signs));
      float largest = 0;
      for (float value : deq)
        largest = std::max(largest, std::abs(value));
      for (size_t i = 0; i < rot.size() / cols; ++i) {
        std::vector<float> row = packed.decode(sourceRow(*source, sample, i));
        for (int64_t c = 0; c < cols; ++c) {
          uint16_t half = f32ToF16(row[c]);
          ASSERT_EQ(half, rot[i * cols + c]) << i << "," << c;
          row[c] = f16ToF32(half);
        }
        if (source->codebookEncoding()->rotated)
          unrotateRows(row.data(), 1, cols, source->codebookEncoding()->hadamardBlock, signs.data());
        for (int64_t c = 0; c < cols; ++c)
          ASSERT_NEAR(row[c], deq[i * cols + c], 1e-6 * largest) << i << "," << c;
      }
      ++checked;
    }
  }
  EXPECT_EQ(checked, 19);
}

// The residual as a weight of its own reproduces the converter's correction.
TEST(Encoding, QjlResidual) {
  int checked = 0;
  for (const std::string &name : turboQuantCases()) {
    Checkpoint checkpoint = openCheckpoint(name);
    Fixture expected(name + "/expected.safetensors");
    for (const RawTensor &sample : expected.all()) {
      if (!sample.name.starts_with("qjl."))
        continue;
      std::string module = sample.name.substr(4);
      SCOPED_TRACE(name + " " + module);
      const WeightSource *source = checkpoint.find(module + ".weight");
      ASSERT_TRUE(source);
      EncodingPtr encoding = Fixture::unwrap(makeQjlEncoding(*source));
      EXPECT_EQ(encoding->layout(), (Layout{Layout::Kind::Codebook, 2, 64}));
      Packed packed(*encoding);
      expectEqualDecodes(*encoding, packed);

      int64_t cols = source->cols(), rows = source->rows();
      int64_t block = source->codebookEncoding()->hadamardBlock;
      std::vector<float> x = expected.values<float>("x." + module);
      std::vector<float> theirs = expected.values<float>(sample.name);
      std::vector<float> signs = Fixture::unwrap(readFloats(*source->signs));
      std::vector<float> qjl = Fixture::unwrap(readFloats(*source->qjlSigns));
      int64_t tokens = static_cast<int64_t>(x.size()) / cols;
      if (source->codebookEncoding()->rotated)
        rotateRows(x.data(), tokens, cols, block, signs.data());
      rotateRows(x.data(), tokens, cols, hadamardBlock(cols), qjl.data());
      float largest = 0;
      for (float value : theirs)
        largest = std::max(largest, std::abs(value));
      for (int64_t row = 0; row < rows; ++row) {
        std::vector<float> residual = packed.decode(row);
        for (int64_t t = 0; t < tokens; ++t) {
          double sum = 0;
          for (int64_t c = 0; c < cols; ++c)
            sum += static_cast<double>(residual[c]) * x[t * cols + c];
          ASSERT_NEAR(sum, theirs[t * rows + row], 3e-3 * largest);
        }
      }
      ++checked;
    }
  }
  EXPECT_GE(checked, 4);
}

TEST(Encoding, QjlIsMissing) {
  Checkpoint checkpoint = openCheckpoint("turboquant/qwen2-bias-tq3-g64");
  const WeightSource *source = checkpoint.find("model.layers.0.self_attn.q_proj.weight");
  ASSERT_TRUE(source);
  Result<EncodingPtr> result = makeQjlEncoding(*source);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.message(), "model.layers.0.self_attn.q_proj.weight: has no QJL residual");
}

/// A weight over vectors that live in the test.
template <class T> RawTensor tensorOf(const std::vector<T> &values, DType dtype, std::vector<int64_t> shape) {
  RawTensor tensor;
  tensor.name = "test";
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.bytes = std::as_bytes(std::span(values));
  return tensor;
}

TEST(Encoding, StackedMatricesStartOnBlocks) {
  // 3 matrices of 5 rows: each has a row block of its own.
  std::vector<float> values = normalValues(3 * 5 * 43, 1);
  WeightSource source;
  source.path = "experts.weight";
  source.shape = {3, 5, 43};
  source.encoding = DenseEncoding{DType::F32};
  source.weight = tensorOf(values, DType::F32, source.shape);
  EncodingPtr encoding = encodingOf(source);
  EXPECT_EQ(encoding->name(), "f32");
  EXPECT_EQ(encoding->shape().blocks(), 3);
  Packed packed(*encoding);
  expectEqualDecodes(*encoding, packed);
  // Block by block is the same as all at once.
  std::vector<std::byte> one(encoding->layout().rowBlockBytes(43));
  ASSERT_TRUE(encoding->repackRowBlocks(2, 1, one.data()).ok());
  EXPECT_EQ(std::memcmp(one.data(), packed.bytes.data() + 2 * one.size(), one.size()), 0);
}

TEST(Encoding, DenseTypes) {
  std::vector<uint8_t> bytes(7 * 24 * 8);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<uint8_t>(i * 37 % 96); // no NaN in any type
  WeightSource source;
  source.path = "w.weight";
  source.shape = {7, 24};
  for (auto [dtype, name, kind] : {std::tuple{DType::F32, "f32", Layout::Kind::DenseF32},
                                   {DType::F16, "f16", Layout::Kind::DenseF16},
                                   {DType::BF16, "bf16", Layout::Kind::DenseBF16},
                                   {DType::F8E4M3, "f8_e4m3", Layout::Kind::DenseF16},
                                   {DType::F8E5M2, "f8_e5m2", Layout::Kind::DenseF16},
                                   {DType::F64, "f64", Layout::Kind::DenseF32}}) {
    source.encoding = DenseEncoding{dtype};
    if (dtype == DType::F64) // of a size that f32 holds
      for (size_t i = 0; i < bytes.size() / 8; ++i)
        reinterpret_cast<double *>(bytes.data())[i] = double(i) - 80.25;
    source.weight = tensorOf(bytes, dtype, source.shape);
    source.weight.bytes = source.weight.bytes.first(7 * 24 * dtypeSize(dtype));
    EncodingPtr encoding = encodingOf(source);
    EXPECT_EQ(encoding->name(), name);
    EXPECT_EQ(encoding->layout(), Layout{kind});
    expectEqualDecodes(*encoding, Packed(*encoding));
  }
  source.encoding = DenseEncoding{DType::I32};
  EXPECT_EQ(makeEncoding(source).message(), "w.weight: expected a float type, but got I32");
}

TEST(Encoding, AffineScalesThatF16CannotHold) {
  std::vector<uint32_t> codes(16 * 64 / 8, 0x76543210);
  std::vector<uint16_t> scales(16, 0x3c00), biases(16, 0);
  WeightSource source;
  source.path = "big.weight";
  source.shape = {16, 64};
  source.encoding = AffineEncoding{4, 64, DType::BF16};
  source.weight = tensorOf(codes, DType::U32, {16, 8});
  biases[3] = f32ToBf16(-131072);
  source.scales = tensorOf(scales, DType::BF16, {16, 1});
  source.biases = tensorOf(biases, DType::BF16, {16, 1});
  EncodingPtr encoding = encodingOf(source);
  std::vector<std::byte> out(encoding->packedBytes());
  Status status = encoding->repackRowBlocks(0, 1, out.data());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.message(), "big.weight: row 3 has bias -131072.000000, "
                              "which f16 cannot hold");
}

TEST(Encoding, QuantisesWhileRepacking) {
  int64_t rows = 37, cols = 384;
  std::vector<float> values = normalValues(rows * cols, 12);
  std::vector<float> signs = rotationSigns(42, cols);
  WeightSource source;
  source.path = "w.weight";
  source.shape = {rows, cols};
  source.encoding = DenseEncoding{DType::F32};
  source.weight = tensorOf(values, DType::F32, source.shape);
  for (auto kind : {QuantTarget::Kind::Codebook, QuantTarget::Kind::Affine})
    for (int64_t group : {int64_t(16), int64_t(64), int64_t(128), cols}) {
      QuantTarget target;
      target.kind = kind;
      target.bits = 4;
      target.group = group;
      target.rotate = kind == QuantTarget::Kind::Codebook;
      EncodingPtr encoding = Fixture::unwrap(makeQuantising(encodingOf(source), target, signs));
      SCOPED_TRACE(encoding->name());
      Packed packed(*encoding);
      expectEqualDecodes(*encoding, packed);
      double error = 0, energy = 0;
      for (int64_t row = 0; row < rows; ++row) {
        std::vector<float> decoded = packed.decode(row);
        if (target.rotate)
          unrotateRows(decoded.data(), 1, cols, hadamardBlock(cols), signs.data());
        for (int64_t c = 0; c < cols; ++c) {
          error += std::pow(decoded[c] - values[row * cols + c], 2);
          energy += std::pow(values[row * cols + c], 2);
        }
      }
      EXPECT_LT(error / energy, 0.02);
    }
  QuantTarget target;
  target.group = 80;
  EXPECT_EQ(makeQuantising(encodingOf(source), target, {}).message(),
            "tq4-g80: group size 80 does not divide 384 columns");
  target.group = 64;
  EXPECT_EQ(makeQuantising(encodingOf(source), target, {1, 1}).message(), "2 signs, but the weight has 384 columns");
}

} // namespace
