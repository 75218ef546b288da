//===- Hadamard.h - The block Hadamard transform of TurboQuant ------------===//
// H acts on contiguous blocks of a row. A block has B = m * 2^k values; index
// c * 2^k + i is transformed by the Sylvester matrix over i, then by a fixed
// m x m matrix of +-1 over c, and scaled by 1/sqrt(B). All in f32 and in this
// order of additions, so results match the formats' own tools to the last bit
// on any instruction set.
//
// The matrices for m = 20 and 28 are not symmetric: the inverse of H is its
// transpose, not H.
//===----------------------------------------------------------------------===//

#ifndef TQ_DIALECT_ENCODINGS_HADAMARD_H
#define TQ_DIALECT_ENCODINGS_HADAMARD_H

#include <cstdint>

namespace tq {

/// The largest m * 2^k that divides `dim`, m one of 1, 12, 20, 28.
int64_t hadamardBlock(int64_t dim);

/// m of a block of that size: 1, 12, 20 or 28; 0 if there is no such block.
int hadamardBase(int64_t block);

/// Entry (row, col) of the m x m matrix, +1 or -1; m = 12, 20 or 28.
int hadamardEntry(int m, int row, int col);

/// x := H (signs * x) for each of `rows` contiguous rows of `cols` values.
/// `signs` [cols] may be null (all +1). `block` divides cols.
void rotateRows(float *x, int64_t rows, int64_t cols, int64_t block, const float *signs);

/// The inverse of rotateRows: x := signs * (transpose of H) x.
void unrotateRows(float *x, int64_t rows, int64_t cols, int64_t block, const float *signs);

} // namespace tq

#endif // TQ_DIALECT_ENCODINGS_HADAMARD_H
