//===- Checkpoint.h - What every reader gives the compiler ----------------===//
// A checkpoint is a directory: config.json, weights in safetensors files,
// perhaps a tokenizer. Opening one maps the files, checks every header and
// turns tensor names into weights: path, logical shape, encoding, planes.
// No weight is copied; bytes are read when somebody decodes or repacks them.
//
// Formats: dense safetensors, TurboQuant-MLX rotated codebooks, MLX affine.
// The files must not be cut short while a checkpoint is open: reading a mapped
// page that no longer exists ends the process (SIGBUS).
//===----------------------------------------------------------------------===//

#ifndef TQ_MODELS_CHECKPOINT_H
#define TQ_MODELS_CHECKPOINT_H

#include "runtime/Status.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tq {

/// Element types of stored tensors; the names in files are those of
/// safetensors ("F32", "BOOL", "F8_E4M3", ...).
enum class DType { F32, F16, BF16, F64, I8, U8, I16, U16, I32, U32, I64, U64, Bool, F8E4M3, F8E5M2 };

/// Bytes per element.
int64_t dtypeSize(DType dtype);
/// The safetensors spelling.
std::string_view dtypeName(DType dtype);
std::optional<DType> dtypeFromName(std::string_view name);
/// "F32, F16, ...", for messages.
std::string dtypeNames();
bool isFloat(DType dtype);

/// A tensor as it lies in a file. `bytes` has exactly numElements * dtypeSize
/// bytes and any alignment; multi-byte elements are little-endian.
struct RawTensor {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
  std::string file;        // path of the file, for messages
  uint64_t fileOffset = 0; // of bytes[0] in that file
  bool mapped = false;     // bytes are a read-only mapping of that file

  int64_t numElements() const { return static_cast<int64_t>(bytes.size()) / dtypeSize(dtype); }
};

/// Plain numbers in row-major order.
struct DenseEncoding {
  DType dtype;
};

/// TurboQuant: value = levels[code] * scale of its group, in a basis rotated
/// along the input axis.
struct CodebookEncoding {
  int bits;     // of one code: 1 to 4; 2 where ternary
  bool ternary; // three levels, 20 base-3 digits per word
  int64_t group;
  std::vector<float> levels; // 2^bits, or 3; each exactly an f16
  bool hasQjl;
  // Whether x must be rotated, x' = H (signs * x), before the product. False
  // only if config.json says rotation "none" and no stored sign is negative.
  bool rotated;
  int64_t hadamardBlock; // H acts on contiguous blocks of this width
};

/// MLX affine: value = scale * code + bias of its group.
struct AffineEncoding {
  int bits; // 2, 3, 4, 5, 6 or 8
  int64_t group;
  DType scaleDtype; // of scales and biases
};

using Encoding = std::variant<DenseEncoding, CodebookEncoding, AffineEncoding>;

/// One weight as the rest of the compiler sees it. Planes an encoding does not
/// have are absent. A linear bias P.bias is a dense weight of its own.
struct WeightSource {
  std::string path;           // "model.layers.0.self_attn.q_proj.weight"
  std::vector<int64_t> shape; // logical: [out, in], [n], [experts, out, in]
  Encoding encoding;

  RawTensor weight;                   // numbers, or packed codes
  std::optional<RawTensor> scales;    // codebook, affine: [.., out, in/group]
  std::optional<RawTensor> biases;    // affine: quantisation biases, as scales
  std::optional<RawTensor> codebook;  // codebook: F16 [levels]
  std::optional<RawTensor> signs;     // codebook: F16 [in], each +1 or -1
  std::optional<RawTensor> qjlPacked; // U32 [out, ceil(in/32)], 1 means +1
  std::optional<RawTensor> qjlNorms;  // F16 [out]
  std::optional<RawTensor> qjlSigns;  // F16 [in], each +1 or -1

  /// Rows when every axis but the last is flattened ([experts*out]); 1 for
  /// vectors and scalars.
  int64_t rows() const;
  /// Length of a row: the last axis; 1 for scalars.
  int64_t cols() const;
  /// Bytes of all planes.
  uint64_t storedBytes() const;

  const DenseEncoding *dense() const { return std::get_if<DenseEncoding>(&encoding); }
  const CodebookEncoding *codebookEncoding() const { return std::get_if<CodebookEncoding>(&encoding); }
  const AffineEncoding *affine() const { return std::get_if<AffineEncoding>(&encoding); }
};

/// Reference decode: rows [row0, row0 + count) as f32, cols() values each, in
/// the stored basis (rotated weights stay rotated). `f16Product` rounds
/// level * scale of a codebook weight to f16, as the format defines it; it
/// changes no other encoding. Affine: scale * code, then + bias, both in f32.
/// Fails for a row out of range and for integer tensors.
Status decodeRows(const WeightSource &weight, int64_t row0, int64_t count, float *out, bool f16Product);

// The three below are what a repacker reads: one row of a codebook or affine
// weight, which the caller has checked to be one, with 0 <= row < rows().

/// cols() codes, one per byte; ternary digits 0, 1, 2.
void unpackCodes(const WeightSource &weight, int64_t row, uint8_t *codes);
/// cols() / group scales.
void readScales(const WeightSource &weight, int64_t row, float *scales);
/// cols() / group quantisation biases; affine only.
void readBiases(const WeightSource &weight, int64_t row, float *biases);

/// The values of a float tensor as f32; fails for integer types.
Result<std::vector<float>> readFloats(const RawTensor &tensor);

/// Fails, naming tensor and element, at the first inf or NaN. Float types only.
Status checkFinite(const RawTensor &tensor);

/// "4096x4096"; "scalar" for no axes.
std::string shapeString(std::span<const int64_t> shape);

/// Fails with "<path>: expected 14336x4096 from config.json, but got ...".
Status expectShape(const WeightSource &weight, std::span<const int64_t> shape);

class Checkpoint {
public:
  /// Maps and checks a directory: headers, layouts of all quantised layers,
  /// and their signs, levels and scales (finite). Dense values are not read.
  static Result<Checkpoint> open(const std::filesystem::path &directory);

  Checkpoint(Checkpoint &&) noexcept;
  Checkpoint &operator=(Checkpoint &&) noexcept;
  ~Checkpoint();

  const std::filesystem::path &directory() const;
  /// config.json, an object.
  const nlohmann::json &config() const;
  /// generation_config.json, an object; null if there is none.
  const nlohmann::json *generationConfig() const;

  /// All weights, in the order in which their codes lie on disk.
  std::span<const WeightSource> weights() const;
  /// By full path ("lm_head.weight"); null if absent.
  const WeightSource *find(std::string_view path) const;
  /// find() with a sentence when the weight is absent or has another shape.
  Result<const WeightSource *> get(std::string_view path, std::span<const int64_t> shape) const;

  /// Tokenizer and chat template files that exist: tokenizer.json,
  /// tokenizer_config.json, chat_template.jinja and their relatives.
  std::span<const std::filesystem::path> textFiles() const;

  /// Bytes of all tensors.
  uint64_t totalBytes() const;

  /// Tells the system that these bytes will not be needed soon, so that a walk
  /// over a large checkpoint keeps a small resident set. They stay readable.
  /// Does nothing to bytes that are not mapped: ordinary memory would be lost.
  static void releasePages(const RawTensor &tensor);
  static void releasePages(const WeightSource &weight);

private:
  struct Impl;
  explicit Checkpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace tq

#endif // TQ_MODELS_CHECKPOINT_H
