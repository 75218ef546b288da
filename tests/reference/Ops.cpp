//===- Ops.cpp - What each op means, in a few obvious loops ---------------===//

#include "tests/reference/Ops.h"
#include "dialect/encodings/Hadamard.h"
#include "models/formats/Floats.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace tq::reference {

static void require(bool condition, const char *what) {
  if (!condition)
    throw std::runtime_error(what);
}

template <class T> int64_t Tensor<T>::rowSize() const {
  int64_t size = 1;
  for (size_t axis = 1; axis < shape.size(); ++axis)
    size *= shape[axis];
  return size;
}

template <class T> Tensor<T> Tensor<T>::zeros(std::vector<int64_t> shape) {
  int64_t size = 1;
  for (int64_t dim : shape)
    size *= dim;
  return {std::move(shape), std::vector<T>(size)};
}

template <class T> Tensor<T> linear(const Tensor<T> &x, const Tensor<T> &w) {
  require(x.cols() == w.cols(), "linear: inner dimensions differ");
  auto y = Tensor<T>::zeros({x.rows(), w.rows()});
  for (int64_t t = 0; t < x.rows(); ++t)
    for (int64_t n = 0; n < w.rows(); ++n) {
      T sum = 0;
      for (int64_t k = 0; k < w.cols(); ++k)
        sum += x.row(t)[k] * w.row(n)[k];
      y.row(t)[n] = sum;
    }
  return y;
}

template <class T> Tensor<T> embed(const Tensor<T> &table, const Ids &ids) {
  auto y = Tensor<T>::zeros({int64_t(ids.size()), table.cols()});
  for (size_t t = 0; t < ids.size(); ++t) {
    require(ids[t] >= 0 && ids[t] < table.rows(), "embed: id out of range");
    for (int64_t i = 0; i < table.cols(); ++i)
      y.row(t)[i] = table.row(ids[t])[i];
  }
  return y;
}

/// Entry (row, col) of H = H_m (x) H_n, n = 2^k, without its scale.
static int hadamard(int64_t block, int64_t row, int64_t col) {
  int m = hadamardBase(block);
  require(m != 0, "rotate: block is not m * 2^k");
  int64_t n = block / m;
  int sylvester = std::popcount(uint64_t(row % n) & uint64_t(col % n)) % 2 ? -1 : 1;
  return sylvester * (m == 1 ? 1 : hadamardEntry(m, int(row / n), int(col / n)));
}

template <class T> Tensor<T> rotate(Tensor<T> x, const std::vector<T> &signs, int64_t block, bool inverse) {
  int64_t cols = x.cols();
  require(cols % block == 0 && (signs.empty() || int64_t(signs.size()) == cols), "rotate: sizes differ");
  std::vector<T> h(block * block);
  for (int64_t r = 0; r < block; ++r)
    for (int64_t c = 0; c < block; ++c)
      h[r * block + c] = T(hadamard(block, inverse ? c : r, inverse ? r : c) / std::sqrt(double(block)));
  auto sign = [&](int64_t i) { return signs.empty() ? T(1) : signs[i]; };
  std::vector<T> in(block);
  for (int64_t first = 0; first < int64_t(x.values.size()); first += block) {
    for (int64_t i = 0; i < block; ++i)
      in[i] = x.values[first + i] * (inverse ? T(1) : sign((first + i) % cols));
    for (int64_t r = 0; r < block; ++r) {
      T sum = 0;
      for (int64_t c = 0; c < block; ++c)
        sum += h[r * block + c] * in[c];
      x.values[first + r] = sum * (inverse ? sign((first + r) % cols) : T(1));
    }
  }
  return x;
}

template <class T> Tensor<T> rmsNorm(Tensor<T> x, const std::vector<T> &gain, double eps) {
  int64_t cols = x.cols();
  require(gain.empty() || int64_t(gain.size()) == cols, "rms_norm: sizes differ");
  for (int64_t first = 0; first < int64_t(x.values.size()); first += cols) {
    T squares = 0;
    for (int64_t i = 0; i < cols; ++i)
      squares += x.values[first + i] * x.values[first + i];
    T factor = T(1) / std::sqrt(squares / T(cols) + T(eps));
    for (int64_t i = 0; i < cols; ++i)
      x.values[first + i] *= factor * (gain.empty() ? T(1) : gain[i]);
  }
  return x;
}

template <class T> Tensor<T> takeRows(const Tensor<T> &x, int64_t count) {
  require(count >= 0 && count <= x.rows(), "take_rows: more rows than there are");
  Tensor<T> y{x.shape, std::vector<T>(x.row(x.rows() - count), x.row(x.rows()))};
  y.shape[0] = count;
  return y;
}

template <class T>
void ropeTable(const Ids &pos, const std::vector<T> &frequencies, double factor, Tensor<T> &cos, Tensor<T> &sin) {
  cos = sin = Tensor<T>::zeros({int64_t(pos.size()), int64_t(frequencies.size())});
  for (size_t t = 0; t < pos.size(); ++t)
    for (size_t i = 0; i < frequencies.size(); ++i) {
      T angle = T(pos[t]) * frequencies[i];
      cos.row(t)[i] = T(factor) * std::cos(angle);
      sin.row(t)[i] = T(factor) * std::sin(angle);
    }
}

template <class T> Tensor<T> rope(const Tensor<T> &x, const Tensor<T> &cos, const Tensor<T> &sin) {
  int64_t heads = x.shape[1], d = x.shape[2], n = cos.cols();
  require(2 * n <= d && cos.rows() == x.rows(), "rope: sizes differ");
  Tensor<T> y = x; // dims from 2n on pass through
  for (int64_t t = 0; t < x.rows(); ++t)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < n; ++i) {
        T a = x.row(t)[h * d + i], b = x.row(t)[h * d + i + n], c = cos.row(t)[i], s = sin.row(t)[i];
        y.row(t)[h * d + i] = a * c - b * s;
        y.row(t)[h * d + i + n] = b * c + a * s;
      }
  return y;
}

template <class T> void topK(const Tensor<T> &x, int64_t k, Tensor<T> &values, Ids &indices) {
  require(x.shape.size() == 2 && k >= 1 && k <= x.cols(), "top_k: k is out of range");
  values = Tensor<T>::zeros({x.rows(), k});
  indices.clear();
  for (int64_t t = 0; t < x.rows(); ++t) {
    std::vector<T> row(x.row(t), x.row(t + 1));
    for (T &value : row)
      value = std::isnan(value) ? -std::numeric_limits<T>::infinity() : value;
    Ids order(row.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](int32_t a, int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
    for (int64_t i = 0; i < k; ++i) {
      values.row(t)[i] = row[order[i]];
      indices.push_back(order[i]);
    }
  }
}

template <class T> Ids argmax(const Tensor<T> &x) {
  Tensor<T> values;
  Ids indices;
  topK(x, 1, values, indices);
  return indices;
}

template <class T> T act(Act kind, T x) {
  switch (kind) {
  case Act::Silu:
    return x / (T(1) + std::exp(-x));
  case Act::GeluTanh: {
    const T root = T(0.7978845608028654); // sqrt(2 / pi)
    return T(0.5) * x * (T(1) + std::tanh(root * (x + T(0.044715) * x * x * x)));
  }
  case Act::Relu2:
    return x > 0 ? x * x : T(0);
  case Act::Sigmoid:
    return T(1) / (T(1) + std::exp(-x));
  }
  throw std::runtime_error("act: unknown kind");
}

template <class T>
void append(History<T> &history, const Tensor<T> &k, const Tensor<T> &v, const Ids &pos, bool asF16) {
  auto stored = [&](const Tensor<T> &x, int64_t t) {
    std::vector<T> row(x.row(t), x.row(t + 1));
    if (asF16)
      for (T &value : row)
        value = roundToF16(float(value));
    return row;
  };
  for (size_t t = 0; t < pos.size(); ++t) {
    require(pos[t] >= 0, "kv_append: negative position");
    if (history.keys.size() <= size_t(pos[t])) {
      history.keys.resize(pos[t] + 1);
      history.values.resize(pos[t] + 1);
    }
    history.keys[pos[t]] = stored(k, t);
    history.values[pos[t]] = stored(v, t);
  }
}

template <class T>
Tensor<T> sdpa(const Tensor<T> &q, const History<T> &history, int64_t kvHeads, const Ids &pos, double scale,
               int64_t window) {
  int64_t heads = q.shape[1], dk = q.shape[2];
  require(!history.keys.empty() && heads % kvHeads == 0, "sdpa: empty state, or heads differ");
  int64_t dv = int64_t(history.values.back().size()) / kvHeads;
  auto y = Tensor<T>::zeros({q.rows(), heads, dv});
  for (int64_t t = 0; t < q.rows(); ++t)
    for (int64_t h = 0; h < heads; ++h) {
      int64_t last = pos[t], first = window == 0 ? 0 : std::max<int64_t>(0, last - window + 1);
      int64_t kv = h / (heads / kvHeads);
      require(last < int64_t(history.keys.size()), "sdpa: the state ends before the query's position");
      std::vector<T> weights;
      T largest = -std::numeric_limits<T>::infinity(), sum = 0;
      for (int64_t j = first; j <= last; ++j) {
        require(!history.keys[j].empty(), "sdpa: a position was never appended");
        T score = 0;
        for (int64_t i = 0; i < dk; ++i)
          score += q.row(t)[h * dk + i] * history.keys[j][kv * dk + i];
        weights.push_back(score * T(scale));
        largest = std::max(largest, weights.back());
      }
      for (T &weight : weights)
        sum += weight = std::exp(weight - largest);
      for (int64_t j = first; j <= last; ++j)
        for (int64_t i = 0; i < dv; ++i)
          y.row(t)[h * dv + i] += weights[j - first] / sum * history.values[j][kv * dv + i];
    }
  return y;
}

#define TQ_INSTANTIATE(T)                                                                                              \
  template struct Tensor<T>;                                                                                           \
  template Tensor<T> linear(const Tensor<T> &, const Tensor<T> &);                                                     \
  template Tensor<T> embed(const Tensor<T> &, const Ids &);                                                            \
  template Tensor<T> rotate(Tensor<T>, const std::vector<T> &, int64_t, bool);                                         \
  template Tensor<T> rmsNorm(Tensor<T>, const std::vector<T> &, double);                                               \
  template Tensor<T> takeRows(const Tensor<T> &, int64_t);                                                             \
  template void ropeTable(const Ids &, const std::vector<T> &, double, Tensor<T> &, Tensor<T> &);                      \
  template Tensor<T> rope(const Tensor<T> &, const Tensor<T> &, const Tensor<T> &);                                    \
  template Ids argmax(const Tensor<T> &);                                                                              \
  template void topK(const Tensor<T> &, int64_t, Tensor<T> &, Ids &);                                                  \
  template T act(Act, T);                                                                                              \
  template void append(History<T> &, const Tensor<T> &, const Tensor<T> &, const Ids &, bool);                         \
  template Tensor<T> sdpa(const Tensor<T> &, const History<T> &, int64_t, const Ids &, double, int64_t);
TQ_INSTANTIATE(float)
TQ_INSTANTIATE(double)

} // namespace tq::reference
