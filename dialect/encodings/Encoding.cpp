//===- Encoding.cpp - Registry, and what all encodings share --------------===//

#include "dialect/encodings/Encoding.h"

#include "models/Checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstring>

using namespace tq;

WeightEncoding::~WeightEncoding() = default;

WeightShape WeightShape::of(const WeightSource &source) {
  WeightShape shape;
  size_t axes = source.shape.size();
  shape.cols = axes ? source.shape.back() : 1;
  shape.rows = axes >= 2 ? source.shape[axes - 2] : 1;
  for (size_t axis = 0; axis + 2 < axes; ++axis)
    shape.matrices *= source.shape[axis];
  return shape;
}

uint64_t WeightEncoding::packedBytes() const { return shape().blocks() * layout().rowBlockBytes(shape().cols); }

/// Packed floats: whether every exponent is below its maximum.
static bool allFinite(const Layout &layout, const std::byte *packed, int64_t bytes) {
  if (layout.kind == Layout::Kind::DenseF32) {
    uint32_t bad = 0;
    for (int64_t i = 0; i < bytes; i += 4) {
      uint32_t bits;
      std::memcpy(&bits, packed + i, 4);
      bad |= (bits & 0x7f800000) == 0x7f800000;
    }
    return !bad;
  }
  const uint16_t exponent = layout.kind == Layout::Kind::DenseF16 ? 0x7c00 : 0x7f80;
  uint16_t bad = 0;
  for (int64_t i = 0; i < bytes; i += 2) {
    uint16_t bits;
    std::memcpy(&bits, packed + i, 2);
    bad |= (bits & exponent) == exponent;
  }
  return !bad;
}

Status WeightEncoding::repackRowBlocks(int64_t firstBlock, int64_t count, std::byte *out) const {
  assert(firstBlock >= 0 && firstBlock + count <= shape().blocks());
  int64_t perMatrix = shape().blocksPerMatrix();
  int64_t blockBytes = layout().rowBlockBytes(shape().cols);
  for (int64_t block = firstBlock; block < firstBlock + count; ++block) {
    int64_t rowInMatrix = block % perMatrix * kBlockRows;
    int64_t firstRow = block / perMatrix * shape().rows + rowInMatrix;
    TQ_TRY(repackBlock(firstRow, std::min(kBlockRows, shape().rows - rowInMatrix), out));
    // Quantisers check their input; floats pass through, and one NaN would spoil every text.
    if (layout().isDense() && !allFinite(layout(), out, blockBytes))
      return Error{fmt::format("rows {} to {} hold values that are not finite, or too large for {}", firstRow,
                               firstRow + std::min(kBlockRows, shape().rows - rowInMatrix) - 1,
                               layout().kind == Layout::Kind::DenseF16    ? "f16"
                               : layout().kind == Layout::Kind::DenseBF16 ? "bf16"
                                                                          : "f32")};
    out += blockBytes;
  }
  return Status();
}

/// In the order of registration.
static std::vector<EncodingFactory> &factories() {
  static std::vector<EncodingFactory> list = {makeDenseEncoding, makeCodebookEncoding, makeAffineEncoding};
  return list;
}

void tq::registerEncoding(EncodingFactory factory) { factories().push_back(factory); }

Result<EncodingPtr> tq::makeEncoding(const WeightSource &source) {
  const std::vector<EncodingFactory> &list = factories();
  for (auto factory = list.rbegin(); factory != list.rend(); ++factory) {
    TQ_TRY_ASSIGN(EncodingPtr encoding, (*factory)(source));
    if (encoding)
      return encoding;
  }
  return Error{source.path + ": no encoding reads this weight"};
}
