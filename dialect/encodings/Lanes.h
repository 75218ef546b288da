//===- Lanes.h - Vectors of independent lanes, and CPU dispatch -----------===//
// Private to this folder. Hot loops put one row (hence one group) in each lane,
// so lanes never mix and a result does not depend on how many lanes a vector
// has. Together with contraction switched off below (no fused multiply-add)
// every instruction set gives the same bits.
//===----------------------------------------------------------------------===//

#ifndef TQ_DIALECT_ENCODINGS_LANES_H
#define TQ_DIALECT_ENCODINGS_LANES_H

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

// Holds to the end of the including file: include this header first.
#pragma STDC FP_CONTRACT OFF

// Vectors wider than the baseline's registers cross no function boundary: all
// helpers are inlined, which is what this warning is about.
#pragma clang diagnostic ignored "-Wpsabi"

#define TQ_INLINE [[gnu::always_inline]] inline

// Compiles a function once per level and picks at load time.
#if defined(__x86_64__) && defined(__linux__)
#define TQ_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define TQ_CLONES
#endif

namespace tq::lanes {

template <class T, int N> using Vec [[gnu::vector_size(sizeof(T) * N)]] = T;

template <class T, int N> TQ_INLINE Vec<T, N> load(const T *from) {
  Vec<T, N> v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

template <class T, int N> TQ_INLINE void store(T *to, Vec<T, N> v) { std::memcpy(to, &v, sizeof(v)); }

namespace detail {
template <class V, size_t... I> TQ_INLINE V interleaveLow(V a, V b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (I / 2 + (I & 1) * sizeof...(I))...);
}
template <class V, size_t... I> TQ_INLINE V interleaveHigh(V a, V b, std::index_sequence<I...>) {
  constexpr size_t n = sizeof...(I);
  return __builtin_shufflevector(a, b, (n / 2 + I / 2 + (I & 1) * n)...);
}
} // namespace detail

/// Transposes a 16 x 16 tile of any element: four rounds of perfect shuffles.
template <class T> TQ_INLINE void transpose16(Vec<T, 16> (&tile)[16]) {
  using Indices = std::make_index_sequence<16>;
  Vec<T, 16> next[16];
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 8; ++i) {
      next[2 * i] = detail::interleaveLow(tile[i], tile[i + 8], Indices());
      next[2 * i + 1] = detail::interleaveHigh(tile[i], tile[i + 8], Indices());
    }
    for (int i = 0; i < 16; ++i)
      tile[i] = next[i];
  }
}

} // namespace tq::lanes

#endif // TQ_DIALECT_ENCODINGS_LANES_H
