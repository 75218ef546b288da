//===- PackageFormat.h - What a package holds -------------------*- C++ -*-===//
//
// What the compiler writes and the runtime reads. A package is a directory NAME.tqpkg/ with
//   manifest.json        this file's `Manifest`, as JSON (field names = JSON keys, snake_case)
//   kernels.<cpu>.so     one shared object per host target
//   kernels.metal        the Metal target's text
//   selftest.json        inputs and outputs of its kernels, optional
//   weights-<n>.bin      sections, each 16 KiB-aligned, files <= 4 GiB, shared by all targets
//   tokenizer.json, tokenizer_config.json, chat_template.jinja   copies, optional
// It holds launches, never op kinds: a new op changes neither this format nor the runtime.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_RUNTIME_PACKAGEFORMAT_H
#define TQ_RUNTIME_PACKAGEFORMAT_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tq {

inline constexpr int32_t kPackageVersion = 1;
inline constexpr int32_t kOldestReadableVersion = 1;
inline constexpr uint64_t kSectionAlignment = 16384;
inline constexpr uint64_t kMaxWeightFileBytes = 4ull << 30;
/// Of the arena, of a state's pool, and of every port and binding in them; page_bytes is a multiple of it too.
inline constexpr uint64_t kArenaAlignment = 64;
/// Weights up to this size are hashed whenever a package is opened; larger ones with --verify.
inline constexpr uint64_t kHashAtOpenBytes = 1ull << 30;

/// The parameter block: the only thing that changes between steps. i32 fields in this order, passed to every kernel.
enum class Param : int32_t {
  NTokens = 0, ///< tokens in this step
  Pos = 1,     ///< position of the first of them (= tokens already in the states)
  NOut = 2,    ///< rows of logits wanted: those of the last n_out tokens
};
inline constexpr int32_t kParamCount = 3;

/// Host kernel ABI, the one symbol type in kernels.<cpu>.so. Runs tasks [begin, end). `bindings` as listed in the step;
/// `scratch` is private to the worker, 64-byte aligned, of at least Entry::scratch_bytes.
using HostKernel = void (*)(void *const *bindings, const int32_t *params, void *scratch, int64_t begin, int64_t end);

/// A non-negative integer over the parameter block, in JSON one of
///   12 | "n_tokens" | ["add", e, e] | ["mul", e, e] | ["ceildiv", e, e]
struct Expr {
  enum class Op { Constant, Param, Add, Mul, CeilDiv } op = Op::Constant;
  int64_t value = 0; ///< the constant, or the Param
  std::vector<Expr> args;
};

/// A byte range of a weights file. `hash` is XXH3-64 of its bytes, 16 lower-case hex digits.
struct Section {
  std::string name; ///< weight and plane, e.g. "model.layers.0.self_attn.q_proj.weight/stream"
  std::string file;
  uint64_t offset = 0, bytes = 0;
  std::string hash;
  std::string role; ///< embedding | attention | mlp | head | norm | constant
};

/// Every other file but the manifest: size and hash are checked when the package is opened.
struct File {
  std::string name;
  uint64_t bytes = 0;
  std::string hash;
};

/// A paged state. Its pool is page_bytes * ceil(context / page_tokens); page i of the pool belongs to the tokens that the
/// page table says. All states of one model share the page table (i32 per page, in token order).
struct State {
  std::string name;
  int32_t page_tokens = 64;
  uint64_t page_bytes = 0;
};

/// What a kernel argument points to.
struct Binding {
  enum class Kind { Arena, Section, State, PageTable } kind = Kind::Arena;
  uint64_t offset = 0; ///< Arena: byte offset. Section, State: index.
  uint64_t bytes = 0;  ///< Arena: size, for checking.
};

/// One launch. JSON bindings: {"arena": offset, "bytes": n} | {"section": i} | {"state": i} | {"page_table": true}
struct Step {
  std::string kernel; ///< symbol
  std::string label;  ///< what it does, for traces: "layers.0.attention.qkv"
  Expr tasks;
  int32_t grain = 1;   ///< tasks claimed at once by a worker
  bool barrier = true; ///< everything before must have finished
  std::vector<Binding> bindings;
  uint64_t weight_bytes = 0;    ///< packed weight bytes read by the launch
  uint64_t flops_per_token = 0; ///< 2 * parameters of the linear layers in it; 0 for others
  int32_t simdgroups = 0;       ///< metal: tasks are threadgroups of (32, simdgroups, 1) threads
};

/// A named arena range that the runtime writes (ids, pos: i32[n_tokens]) or reads (logits: f32[n_out][row_stride]).
struct Port {
  std::string name;
  uint64_t offset = 0, bytes = 0;
  uint64_t row_stride = 0; ///< bytes
};

struct Entry {
  std::string name; ///< decode | verify | prefill
  int32_t max_tokens = 1, max_out = 1;
  uint64_t arena_bytes = 0, scratch_bytes = 0;
  std::vector<Port> inputs, outputs;
  std::vector<Step> steps;
};

struct Target {
  std::string name;   ///< e.g. "x86-64-avx512"
  std::string device; ///< host | metal
  /// CPU features that must be present, named as in /proc/cpuinfo (CpuFeatures.cpp has those that there may be). The
  /// runtime takes the first target of the list whose features are all there, so the compiler writes the best first.
  std::vector<std::string> features;
  std::string library;     ///< file with the kernels
  std::string activations; ///< int8 | int16 | f32
  std::vector<Entry> entries;
};

struct Model {
  std::string type, source;                               ///< model_type; the checkpoint's directory name
  int64_t vocab = 0, hidden = 0, layers = 0, context = 0; ///< context: most positions the package serves
  uint64_t parameters = 0;
  std::vector<int64_t> bos, eos;
  /// Defaults from generation_config.json: temperature, top_k, top_p, min_p, repetition_penalty. do_sample false is temperature 0.
  std::map<std::string, double> generation;
};

struct Manifest {
  int32_t version = kPackageVersion;
  std::string producer; ///< "tq 0.1.0"
  Model model;
  std::vector<Section> sections;
  std::vector<File> files;
  std::vector<State> states;
  std::vector<Target> targets;
};

} // namespace tq
#endif
