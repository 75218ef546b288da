//===- Ops.h - What each op means, in a few obvious loops -------*- C++ -*-===//
// One naive function per op, in f32 or f64. They judge kernels, passes and the importer, so they share no code with
// them: no blocking, no tables, no tricks.
//===----------------------------------------------------------------------===//
#ifndef TQ_TESTS_REFERENCE_OPS_H
#define TQ_TESTS_REFERENCE_OPS_H

#include <cstdint>
#include <vector>

namespace tq::reference {

template <class T> struct Tensor {
  std::vector<int64_t> shape;
  std::vector<T> values; // row-major

  int64_t rows() const { return shape[0]; }
  /// Elements in all axes but the first.
  int64_t rowSize() const;
  /// The last axis.
  int64_t cols() const { return shape.back(); }
  T *row(int64_t i) { return values.data() + i * rowSize(); }
  const T *row(int64_t i) const { return values.data() + i * rowSize(); }

  static Tensor zeros(std::vector<int64_t> shape);
};

using Ids = std::vector<int32_t>;

/// y[t, n] = sum over k of x[t, k] * w[n, k]
template <class T> Tensor<T> linear(const Tensor<T> &x, const Tensor<T> &w);
template <class T> Tensor<T> embed(const Tensor<T> &table, const Ids &ids);
/// H (signs * x) per block, or signs * (H^T x); `signs` may be empty (all +1).
template <class T> Tensor<T> rotate(Tensor<T> x, const std::vector<T> &signs, int64_t block, bool inverse);
/// Of the last axis; `gain` may be empty (all 1).
template <class T> Tensor<T> rmsNorm(Tensor<T> x, const std::vector<T> &gain, double eps);
template <class T> Tensor<T> takeRows(const Tensor<T> &x, int64_t count);
/// cos and sin of position * frequency, times factor: [tokens, frequencies] each.
template <class T>
void ropeTable(const Ids &pos, const std::vector<T> &frequencies, double factor, Tensor<T> &cos, Tensor<T> &sin);
/// x [tokens, heads, d]: pairs (i, i + n) of every head by n angles.
template <class T> Tensor<T> rope(const Tensor<T> &x, const Tensor<T> &cos, const Tensor<T> &sin);

/// The first of the largest elements of each row; NaN counts as minus infinity.
template <class T> Ids argmax(const Tensor<T> &x);
/// The k largest of each row, descending, equal ones in order, and where they are: [rows, k] each. NaN as minus infinity.
template <class T> void topK(const Tensor<T> &x, int64_t k, Tensor<T> &values, Ids &indices);

enum class Act { Silu, GeluTanh, Relu2, Sigmoid };
template <class T> T act(Act kind, T x);

/// Keys and values of all positions so far, in plain numbers.
template <class T> struct History {
  std::vector<std::vector<T>> keys, values; // by position: [heads * dk], [heads * dv]
};
/// Stores k [tokens, heads, dk] and v [tokens, heads, dv] at their positions; with `asF16` rounded as an f16 cache does.
template <class T>
void append(History<T> &history, const Tensor<T> &k, const Tensor<T> &v, const Ids &pos, bool asF16 = false);
/// q [tokens, heads, dk] -> [tokens, heads, dv]; key j is seen from position p iff j <= p and (window = 0 or p - j < window).
template <class T>
Tensor<T> sdpa(const Tensor<T> &q, const History<T> &history, int64_t kvHeads, const Ids &pos, double scale,
               int64_t window);

} // namespace tq::reference
#endif
