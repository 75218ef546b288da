//===- Signs.h - Random signs as MLX draws them ---------------------------===//
// TurboQuant multiplies by random signs before each Hadamard transform. Files
// store their signs, so a reader never needs this; a writer and the KV cache
// (seeds 42 and 43, not stored) do. Bit-exact with MLX: threefry2x32, 20
// rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
//===----------------------------------------------------------------------===//

#ifndef TQ_DIALECT_ENCODINGS_SIGNS_H
#define TQ_DIALECT_ENCODINGS_SIGNS_H

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace tq {

/// The pair of output words for one counter pair.
std::pair<uint32_t, uint32_t> threefry2x32(uint32_t key0, uint32_t key1, uint32_t counter0, uint32_t counter1);

/// `count` words of the generator key(seed). The stream depends on `count`:
/// fewer words are not a prefix of more.
std::vector<uint32_t> randomWords(uint64_t seed, int64_t count);

/// CRC-32 of zlib (reflected 0xEDB88320).
uint32_t crc32(std::string_view text);

/// Seed of a layer's signs; `modulePath` has no ".weight", for example
/// "model.layers.0.self_attn.q_proj".
uint64_t layerSeed(uint64_t rotationSeed, std::string_view modulePath);

/// -1 or +1, `count` of them: what a converter multiplies the columns with.
std::vector<float> rotationSigns(uint64_t seed, int64_t count);

/// Signs of the QJL residual; upstream uses seed 137 for all layers.
std::vector<float> qjlSigns(int64_t count, uint64_t seed = 137);

} // namespace tq

#endif // TQ_DIALECT_ENCODINGS_SIGNS_H
