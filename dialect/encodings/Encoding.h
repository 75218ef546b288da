//===- Encoding.h - What a stored weight must be able to do ---------------===//
// Encodings are open, layouts are closed (Layout.h). An encoding knows how a
// file stores a weight and supplies three things: sizes, a reference decode,
// and a repack to one of the layouts. Nothing else in the compiler looks at
// stored codes, so a new format is one file plus one registration.
//
// A weight [experts, out, in] is `experts` matrices; each is packed on its own,
// padded to whole row blocks. Block b is row block b % blocksPerMatrix of
// matrix b / blocksPerMatrix.
//===----------------------------------------------------------------------===//

#ifndef TQ_DIALECT_ENCODINGS_ENCODING_H
#define TQ_DIALECT_ENCODINGS_ENCODING_H

#include "dialect/encodings/Layout.h"
#include "dialect/encodings/Quantise.h"
#include "runtime/Status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tq {

struct WeightSource;

/// Logical shape of a weight: `matrices` of [rows, cols].
struct WeightShape {
  int64_t matrices = 1, rows = 1, cols = 1;

  static WeightShape of(const WeightSource &source);

  int64_t allRows() const { return matrices * rows; }
  int64_t blocksPerMatrix() const { return Layout::rowBlocks(rows); }
  int64_t blocks() const { return matrices * blocksPerMatrix(); }
};

/// One stored weight, seen through its encoding. All members are const and may
/// be called from several threads. Refers to the memory it was made from.
class WeightEncoding {
public:
  explicit WeightEncoding(WeightShape shape) : weightShape(shape) {}
  virtual ~WeightEncoding();

  const WeightShape &shape() const { return weightShape; }
  /// For listings: "tq3-g64", "q4-g64", "bf16".
  virtual std::string name() const = 0;
  /// The layout it repacks to.
  virtual Layout layout() const = 0;
  /// Bytes in the source, all planes.
  virtual uint64_t storedBytes() const = 0;
  /// The levels of a codebook layout; nothing for others.
  virtual std::optional<LevelTable> levels() const { return std::nullopt; }
  /// Reference decode of rows [firstRow, firstRow + count) of allRows(), cols
  /// values each, in the stored basis.
  virtual Status decodeRows(int64_t firstRow, int64_t count, float *out) const = 0;
  /// Writes row blocks [firstBlock, firstBlock + count).
  Status repackRowBlocks(int64_t firstBlock, int64_t count, std::byte *out) const;
  /// Bytes of all blocks in layout().
  uint64_t packedBytes() const;

protected:
  /// Writes one block: `count` (1 to 16) rows from `firstRow` of allRows() on;
  /// the rest is zero.
  virtual Status repackBlock(int64_t firstRow, int64_t count, std::byte *out) const = 0;

private:
  WeightShape weightShape;
};

using EncodingPtr = std::unique_ptr<WeightEncoding>;

/// Null if the weight is of another encoding; an error if it is of this one
/// and cannot be used.
using EncodingFactory = Result<EncodingPtr> (*)(const WeightSource &source);

/// Registers a further encoding, asked before those registered earlier. Not
/// thread-safe: call it before the first makeEncoding.
void registerEncoding(EncodingFactory factory);

/// The encoding of a stored weight. `source` must outlive it.
Result<EncodingPtr> makeEncoding(const WeightSource &source);

/// The QJL residual of a codebook weight as a codebook weight of its own:
/// levels -1 and +1, one scale per row, norm * sqrt(pi / 2) / sqrt(cols). It
/// multiplies t = H (qjlSigns * x'). Fails if the weight has no residual.
Result<EncodingPtr> makeQjlEncoding(const WeightSource &source);

/// Quantises on the way: repackRowBlocks decodes blocks of `source`, quantises
/// them to `target` and packs the codes; decodeRows gives what was packed.
/// `signs` (empty: all +1) is used if target.rotate.
Result<EncodingPtr> makeQuantising(EncodingPtr source, const QuantTarget &target, std::vector<float> signs);

// Families, one file each; they register themselves in Encoding.cpp.
Result<EncodingPtr> makeDenseEncoding(const WeightSource &source);
Result<EncodingPtr> makeCodebookEncoding(const WeightSource &source);
Result<EncodingPtr> makeAffineEncoding(const WeightSource &source);

} // namespace tq

#endif // TQ_DIALECT_ENCODINGS_ENCODING_H
