//===- Signs.cpp - Random signs as MLX draws them -------------------------===//

#include "dialect/encodings/Signs.h"

#include <bit>

using namespace tq;

std::pair<uint32_t, uint32_t> tq::threefry2x32(uint32_t key0, uint32_t key1, uint32_t counter0, uint32_t counter1) {
  // 0x1BD11BDA is Skein's key schedule parity constant for 32-bit words.
  const uint32_t keys[3] = {key0, key1, key0 ^ key1 ^ 0x1BD11BDA};
  constexpr int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  uint32_t x0 = counter0 + keys[0], x1 = counter1 + keys[1];
  for (uint32_t group = 0; group < 5; ++group) {
    for (int rotation : rotations[group % 2]) {
      x0 += x1;
      x1 = std::rotl(x1, rotation) ^ x0;
    }
    x0 += keys[(group + 1) % 3];
    x1 += keys[(group + 2) % 3] + group + 1;
  }
  return {x0, x1};
}

std::vector<uint32_t> tq::randomWords(uint64_t seed, int64_t count) {
  auto key0 = static_cast<uint32_t>(seed >> 32);
  auto key1 = static_cast<uint32_t>(seed);
  int64_t half = count / 2, odd = count % 2;
  std::vector<uint32_t> words(count);
  for (int64_t i = 0; i < half; ++i) {
    int64_t partner = i + half + odd;
    auto [first, second] = threefry2x32(key0, key1, static_cast<uint32_t>(i), static_cast<uint32_t>(partner));
    words[i] = first;
    words[partner] = second;
  }
  if (odd)
    words[half] = threefry2x32(key0, key1, static_cast<uint32_t>(half), 0).first;
  return words;
}

uint32_t tq::crc32(std::string_view text) {
  uint32_t crc = ~0u;
  for (unsigned char c : text) {
    crc ^= c;
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

uint64_t tq::layerSeed(uint64_t rotationSeed, std::string_view modulePath) {
  // Only the hash is reduced: the sum may pass 2^31, the key has 64 bits.
  return rotationSeed + (crc32(modulePath) & 0x7fffffff);
}

std::vector<float> tq::rotationSigns(uint64_t seed, int64_t count) {
  std::vector<float> signs(count);
  std::vector<uint32_t> words = randomWords(seed, count);
  // uniform < 0.5, where uniform = f32(word) / 2^32: words from 2^31 - 64 on
  // already round up to 2^31.
  for (int64_t i = 0; i < count; ++i)
    signs[i] = words[i] < 2147483584u ? -1.0f : 1.0f;
  return signs;
}

std::vector<float> tq::qjlSigns(int64_t count, uint64_t seed) {
  std::vector<float> signs(count);
  std::vector<uint32_t> words = randomWords(seed, count);
  // bernoulli(1/2): f32(word) below the float after 2^31, so words up to
  // 2^31 + 128 count (the tie rounds to even, down).
  for (int64_t i = 0; i < count; ++i)
    signs[i] = words[i] <= 2147483776u ? 1.0f : -1.0f;
  return signs;
}
