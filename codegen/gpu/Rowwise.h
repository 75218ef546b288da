//===- Rowwise.h - A row, spread over a threadgroup -------------*- C++ -*-===//
#ifndef TQ_CODEGEN_GPU_ROWWISE_H
#define TQ_CODEGEN_GPU_ROWWISE_H

#include "codegen/gpu/GpuBuilder.h"

namespace tq::kernels {

/// How the elements of a row lie in the registers of a threadgroup: register r of a thread holds the `width` elements from
/// (r * threads + thread) * width on.
struct Spread {
  int64_t elements, width, threads;
  int64_t chunks() const { return (elements + width * threads - 1) / (width * threads); } ///< per thread
  int64_t registers() const { return chunks() * width; }
  bool isWhole() const { return elements % (width * threads) == 0; }
};

/// m and 2^k of a Hadamard block.
struct HadamardShape {
  explicit HadamardShape(int64_t block);
  int64_t base, points;
};

/// Threads and vector widths of a rowwise kernel, from the rows in it.
struct RowShape {
  explicit RowShape(mlir::Block &body);
  Spread spread(int64_t elements) const;
  int64_t threads = kSimd;

private:
  /// The most neighbours that a thread may hold of a row of so many elements: those of one head, or of a Hadamard block over
  /// threads.
  llvm::DenseMap<int64_t, int64_t> limits;
};

/// Bytes of threadgroup memory that rotateRow wants.
int64_t rotationBytes(const Spread &spread, int64_t block);

/// In place on the registers of a row: y = H (signs * x) per block, or signs * (H^T x).
void rotateRow(GpuBuilder &k, const Spread &spread, mlir::Value row, mlir::Value signs, int64_t block, bool inverse);

/// Runs body(register, element) for the chunks of this thread that lie within the row.
void overRow(GpuBuilder &k, const Spread &spread, llvm::function_ref<void(Index at, Index element)> body);

} // namespace tq::kernels
#endif
