//===- EncodingDense.cpp - Plain numbers ----------------------------------===//
// f32, f16 and bf16 keep their type. f8 becomes f16 (exact), f64 becomes f32.

#include "dialect/encodings/Encoding.h"
#include "dialect/encodings/Pack.h"

#include "models/Checkpoint.h"

#include <algorithm>
#include <cctype>

using namespace tq;

static Layout::Kind layoutKind(DType dtype) {
  switch (dtype) {
  case DType::BF16:
    return Layout::Kind::DenseBF16;
  case DType::F16:
  case DType::F8E4M3:
  case DType::F8E5M2:
    return Layout::Kind::DenseF16;
  default:
    return Layout::Kind::DenseF32;
  }
}

namespace {

class DenseWeight final : public WeightEncoding {
public:
  DenseWeight(const WeightSource &source, DType dtype)
      : WeightEncoding(WeightShape::of(source)), source(source), dtype(dtype) {}

  std::string name() const override {
    std::string lower(dtypeName(dtype));
    for (char &c : lower)
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return lower;
  }
  Layout layout() const override { return {layoutKind(dtype)}; }
  uint64_t storedBytes() const override { return source.storedBytes(); }

  Status decodeRows(int64_t firstRow, int64_t count, float *out) const override {
    return tq::decodeRows(source, firstRow, count, out, /*f16Product=*/false);
  }

protected:
  Status repackBlock(int64_t firstRow, int64_t count, std::byte *out) const override {
    int64_t cols = shape().cols;
    if (layout().denseBytes() == dtypeSize(dtype)) {
      int64_t rowBytes = cols * dtypeSize(dtype);
      packDenseRowBlock(layout(), cols, count, source.weight.bytes.data() + firstRow * rowBytes, rowBytes, out);
      return Status();
    }
    std::vector<float> rows(count * cols);
    TQ_TRY(decodeRows(firstRow, count, rows.data()));
    packDenseRowBlock(layout(), cols, count, rows.data(), cols, out);
    return Status();
  }

private:
  const WeightSource &source;
  DType dtype;
};

} // namespace

Result<EncodingPtr> tq::makeDenseEncoding(const WeightSource &source) {
  const DenseEncoding *dense = source.dense();
  if (!dense)
    return EncodingPtr();
  if (!isFloat(dense->dtype))
    return Error{source.path + ": expected a float type, but got " + std::string(dtypeName(dense->dtype))};
  return EncodingPtr(std::make_unique<DenseWeight>(source, dense->dtype));
}
