//===- Config.h - config.json as a checked struct -------------------------===//
// Reads the Hugging Face keys of the dense decoder families llama, mistral,
// qwen2 and qwen3, in the older spelling (rope_theta + rope_scaling,
// torch_dtype) and the newer (rope_parameters, dtype). Absent keys get the
// defaults of the transformers config classes; everything else is refused with
// a sentence that names the file and the key.
//===----------------------------------------------------------------------===//

#ifndef TQ_MODELS_CONFIG_H
#define TQ_MODELS_CONFIG_H

#include "runtime/Status.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tq {

class Checkpoint;

enum class RopeType { Default, Linear, Llama3, Yarn };

/// Rotary embedding, half-split pairs (i, i + headDim/2), all headDim
/// dimensions. Members beyond theta mean something only for the types named.
struct RopeConfig {
  RopeType type = RopeType::Default;
  double theta = 10000.0;
  double factor = 1.0;                   // linear, llama3, yarn
  double lowFreq = 1.0;                  // llama3
  double highFreq = 4.0;                 // llama3
  int64_t originalMax = 0;               // llama3, yarn: trained context length
  double betaFast = 32.0;                // yarn
  double betaSlow = 1.0;                 // yarn
  bool truncate = true;                  // yarn: round the corrected range outwards
  std::optional<double> attentionFactor; // yarn; wins over the mscales
  std::optional<double> mscale;          // yarn
  std::optional<double> mscaleAllDim;    // yarn
};

/// What generation_config.json proposes; absent means "not stated".
struct GenerationDefaults {
  bool doSample = false;
  std::optional<double> temperature;
  std::optional<int64_t> topK;
  std::optional<double> topP;
  std::optional<double> repetitionPenalty;
};

struct ModelConfig {
  std::string modelType; // llama, mistral, qwen2, qwen3
  int64_t hidden = 0;
  int64_t intermediate = 0;
  int64_t layers = 0;
  int64_t heads = 0; // a multiple of kvHeads
  int64_t kvHeads = 0;
  int64_t headDim = 0; // even; heads * headDim need not be hidden
  int64_t vocab = 0;
  double eps = 1e-6; // of every RMS norm
  int64_t maxPosition = 0;
  RopeConfig rope;

  bool qkvBias = false; // q_proj, k_proj, v_proj have a bias
  bool oBias = false;   // o_proj has one
  bool mlpBias = false; // gate_proj, up_proj, down_proj have one
  bool qkNorm = false;  // RMS norm of each q and k head before rope

  /// Per layer: 0 is full attention, w > 0 lets a query see itself and the
  /// w - 1 tokens before it.
  std::vector<int64_t> slidingWindow;

  /// tie_word_embeddings as stated; see tieEmbeddings().
  std::optional<bool> tieWordEmbeddings;

  std::optional<int64_t> bos;
  /// Stop ids: union of generation_config.json and config.json, that order.
  std::vector<int64_t> eos;
  GenerationDefaults generation;

  /// The stated value; where the file is silent, tied iff there is no lm_head.
  bool tieEmbeddings(bool hasLmHead) const { return tieWordEmbeddings.value_or(!hasLmHead); }

  /// headDim/2 angles per position after scaling, in radians.
  std::vector<float> invFreq() const;
  /// Factor A on both cos and sin; 1 unless the type is yarn.
  float attentionScaling() const;

  /// `generation` may be null. The file names are for messages.
  static Result<ModelConfig> parse(const nlohmann::json &config, const nlohmann::json *generation,
                                   std::string_view file = "config.json",
                                   std::string_view generationFile = "generation_config.json");
  static Result<ModelConfig> of(const Checkpoint &checkpoint);
};

/// "llama, mistral, qwen2, qwen3".
std::string knownModelTypes();

} // namespace tq

#endif // TQ_MODELS_CONFIG_H
