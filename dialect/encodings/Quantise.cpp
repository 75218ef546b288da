//===- Quantise.cpp - Choose codes and scales for rows of floats ----------===//
// 16 rows at a time: copy, rotate, then group by group transpose to one row per
// lane, run the kernel, transpose the codes back.

#include "dialect/encodings/QuantiseGroup.h"

#include "dialect/encodings/Hadamard.h"
#include "dialect/encodings/HalfFloat.h"
#include "dialect/encodings/Pack.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

using namespace tq;

Layout QuantTarget::layout() const {
  return kind == Kind::Affine ? affineLayout(bits, group) : codebookLayout(ternary ? 2 : bits, group);
}

std::string QuantTarget::name() const {
  std::string width = ternary ? "T" : std::to_string(bits);
  return (kind == Kind::Affine ? "q" : "tq") + width + "-g" + std::to_string(group);
}

Status tq::checkTarget(const QuantTarget &target, int64_t cols) {
  bool affine = target.kind == QuantTarget::Kind::Affine;
  int lowest = affine ? 2 : 1, highest = affine ? 8 : 4;
  if (!target.ternary && (target.bits < lowest || target.bits > highest))
    return Error{target.name() + ": " + std::to_string(target.bits) + " bits, but this encoding has " +
                 std::to_string(lowest) + " to " + std::to_string(highest)};
  if (affine && target.ternary)
    return Error{target.name() + ": only codebooks can be ternary"};
  if (target.group <= 0 || cols % target.group != 0)
    return Error{target.name() + ": group size " + std::to_string(target.group) + " does not divide " +
                 std::to_string(cols) + " columns"};
  if (!isLayoutGroup(target.group, cols))
    return Error{target.name() + ": group size " + std::to_string(target.group) +
                 " is not 16, 32, a multiple of 64 or the whole row"};
  return Status();
}

namespace {

/// Columns [0, cols) of 16 rows, `stride` apart, to out [cols rounded up to 16]
/// [16].
TQ_CLONES void rowsToLanes(const float *rows, int64_t stride, int64_t cols, float *out) {
  for (int64_t col = 0; col < cols; col += 16) {
    lanes::Vec<float, 16> tile[16] = {};
    int64_t present = cols - col;
    for (int r = 0; r < 16; ++r)
      if (present >= 16)
        tile[r] = lanes::load<float, 16>(rows + r * stride + col);
      else
        std::memcpy(&tile[r], rows + r * stride + col, present * 4);
    lanes::transpose16(tile);
    for (int c = 0; c < 16; ++c)
      lanes::store<float, 16>(out + (col + c) * 16, tile[c]);
  }
}

/// The way back, for the codes of the first `rows` rows.
TQ_CLONES void lanesToRows(const uint8_t *in, int64_t cols, int64_t rows, int64_t stride, uint8_t *out) {
  for (int64_t col = 0; col < cols; col += 16) {
    lanes::Vec<uint8_t, 16> tile[16];
    for (int c = 0; c < 16; ++c)
      tile[c] = lanes::load<uint8_t, 16>(in + (col + c) * 16);
    lanes::transpose16(tile);
    int64_t present = cols - col;
    for (int64_t r = 0; r < rows; ++r)
      if (present >= 16)
        lanes::store<uint8_t, 16>(out + r * stride + col, tile[r]);
      else
        std::memcpy(out + r * stride + col, &tile[r], present);
  }
}

/// Working memory for 16 rows.
struct Workspace {
  std::vector<float> rows, lanes;
  std::vector<uint8_t> codes;

  Workspace(int64_t cols, int64_t group) : rows(16 * cols) {
    int64_t padded = (group + 15) / 16 * 16;
    lanes.resize(padded * 16);
    codes.resize(padded * 16);
  }
};

} // namespace

/// One scale group of up to 16 rows from `firstRow` on; the values are in
/// `space`.
static Status quantiseOneGroup(const QuantTarget &target, const CodebookPlan *plan, const QuantRows &rows,
                               const QuantResult &result, int64_t firstRow, int64_t count, int64_t col,
                               Workspace &space) {
  bool affine = target.kind == QuantTarget::Kind::Affine;
  rowsToLanes(space.rows.data() + col, rows.cols, target.group, space.lanes.data());
  GroupOfRows group = {};
  group.values = space.lanes.data();
  group.weights = rows.columnWeights ? rows.columnWeights + col : nullptr;
  group.cols = target.group;
  group.codes = space.codes.data();
  if (affine)
    quantiseGroup(target.bits, target.rule, group);
  else
    quantiseGroup(*plan, target.rule, group);

  lanesToRows(group.codes, group.cols, count, rows.cols, result.codes + firstRow * rows.cols + col);
  int64_t groups = rows.cols / target.group, index = col / target.group;
  for (int64_t r = 0; r < count; ++r) {
    if (!isFiniteF16(group.scales[r]) || !isFiniteF16(group.biases[r]) || !std::isfinite(group.errors[r]))
      return Error{"row " + std::to_string(firstRow + r) + ", columns " + std::to_string(col) + " to " +
                   std::to_string(col + target.group - 1) + ": values are not finite, or too large for an f16 scale"};
    result.scales[(firstRow + r) * groups + index] = group.scales[r];
    if (affine)
      result.biases[(firstRow + r) * groups + index] = group.biases[r];
    if (result.squaredError)
      result.squaredError[firstRow + r] += group.errors[r];
  }
  return Status();
}

Status tq::quantiseRows(const QuantTarget &target, const QuantRows &rows, const QuantResult &result) {
  TQ_TRY(checkTarget(target, rows.cols));
  assert(target.kind == QuantTarget::Kind::Codebook || result.biases);
  std::vector<CodebookPlan> plan;
  if (target.kind == QuantTarget::Kind::Codebook)
    plan.emplace_back(target.codebookKind());
  if (result.squaredError)
    std::fill_n(result.squaredError, rows.rows, 0.0);

  Workspace space(rows.cols, target.group);
  int64_t block = hadamardBlock(rows.cols);
  for (int64_t row = 0; row < rows.rows; row += kBlockRows) {
    int64_t count = std::min(kBlockRows, rows.rows - row);
    std::copy_n(rows.values + row * rows.cols, count * rows.cols, space.rows.begin());
    std::fill(space.rows.begin() + count * rows.cols, space.rows.end(), 0.0f);
    if (target.rotate)
      rotateRows(space.rows.data(), count, rows.cols, block, rows.signs);
    for (int64_t col = 0; col < rows.cols; col += target.group)
      TQ_TRY(quantiseOneGroup(target, plan.empty() ? nullptr : plan.data(), rows, result, row, count, col, space));
  }
  return Status();
}
