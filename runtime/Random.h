//===- Random.h - The same numbers on every platform ------------*- C++ -*-===//
// xoshiro256** (Blackman and Vigna), seeded by splitmix64 as they advise. The
// distributions of <random> differ between libraries.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_RANDOM_H
#define TQ_RUNTIME_RANDOM_H

#include <bit>
#include <cstdint>

namespace tq {

class Random {
public:
  explicit Random(uint64_t seed) {
    for (uint64_t &word : state) {
      seed += 0x9e3779b97f4a7c15;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }

  uint64_t next() {
    uint64_t result = std::rotl(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = std::rotl(state[3], 45);
    return result;
  }
  /// In [0, 1), 53 random bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  /// In [0, n); the bias of n / 2^64 does not matter here.
  uint64_t below(uint64_t n) { return static_cast<uint64_t>((static_cast<__uint128_t>(next()) * n) >> 64); }

private:
  uint64_t state[4];
};

} // namespace tq

#endif // TQ_RUNTIME_RANDOM_H
