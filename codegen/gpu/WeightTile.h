//===- WeightTile.h - From packed words to weights --------------*- C++ -*-===//
//
// How a simdgroup shares a row block of a quantised weight (dialect/encodings/Layout.h). A *unit* is the smallest run of byte
// vectors that holds whole codes: 8 columns (4, 6, 8 bits), 16 (2 bits) or 32 (3 bits). A lane takes one unit of `rows`
// neighbouring rows; the 32 lanes take 2 * rows units side by side, a *span* of 64 or 128 columns. Rows are the components of
// the vectors below, as the bytes of neighbouring rows lie in neighbouring words.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_CODEGEN_GPU_WEIGHTTILE_H
#define TQ_CODEGEN_GPU_WEIGHTTILE_H

#include "codegen/gpu/GpuBuilder.h"

namespace tq::kernels {

/// Who has what of a span. `spanCols` is 64 or 128 (the layout of 3-bit codes gives a lane 1 or 2 rows, others up to 4).
struct LaneMap {
  LaneMap(const Layout &layout, int64_t spanCols);
  /// The span of which a lane has most rows.
  static int64_t widestSpan(const Layout &layout) { return layout.bits == 2 || layout.bits == 3 ? 128 : 64; }

  int64_t spanCols, unitCols, rows;
  int64_t rowParts() const { return kBlockRows / rows; } ///< lanes that share a unit
};

/// A quantised weight, read span by span.
class WeightTile {
public:
  WeightTile(GpuBuilder &k, mlir::Value weight, int64_t spanCols, mlir::Value levels);

  const LaneMap map;
  Index firstRow; ///< in the row block, of this lane
  Index unit;     ///< of this lane in the span

  /// Reads this lane's words and scales of span `span` of row block `block`.
  void read(Index block, Index span);
  /// The f32 weights of this lane's rows in column `column` of its unit: a scalar or vector over rows. After read().
  mlir::Value weight(int64_t column);
  /// acc[t] += the product of 8 columns, from `column` of the unit on, with x[t][8]. The scale follows the sum, so level * scale
  /// is not rounded to f16 as weight() does: a change in the last bits of f16 for a fraction of the work.
  void multiply(int64_t column, llvm::ArrayRef<GpuBuilder::Values> x, GpuBuilder::Values &acc);

private:
  /// A part of a code: bits [shift, shift + bits) of a word of `plane`, worth 2^place.
  struct Piece {
    int plane;
    int64_t shift, bits, place;
  };
  llvm::SmallVector<Piece, 2> piecesOf(int64_t column) const;
  mlir::Value code(int64_t column);
  mlir::Value level(mlir::Value code);
  mlir::Value readHalves(Index word);
  mlir::Value wordsAt(Index at, const llvm::Twine &name);
  size_t groupOf(int64_t column) const { return size_t(column / layout.group); }

  GpuBuilder &k;
  Layout layout;
  int64_t cols;
  mlir::Value stream, levels;
  llvm::SmallVector<mlir::Value, 3> words;          // by plane
  llvm::SmallVector<mlir::Value, 2> scales, biases; // by scale group within the unit
};

/// A weight of any layout as f32, one element; the levels of a codebook are read from device memory.
mlir::Value decodeElement(GpuBuilder &k, mlir::Value weight, Index row, Index column);

} // namespace tq::kernels
#endif
