//===- MetalToy.cpp - The test package with a Metal target ----------------===//

#include "tests/metal/standin/MetalToy.h"

#include <algorithm>

using namespace tq;

/// The kernels of ToyKernels.cpp.
static const char *const kToyMsl = R"(#include <metal_stdlib>
using namespace metal;

struct Params {
  int n_tokens, pos, n_out;
};

static inline uint mix(int token, int position) {
  return (uint(token) * 2654435761u) ^ (uint(position) * 40503u);
}

kernel void toy_append(device const int *ids [[buffer(0)]], device int *state [[buffer(1)]],
                       device const int *pages [[buffer(2)]], constant Params &params [[buffer(3)]],
                       uint lane [[thread_index_in_threadgroup]]) {
  for (int t = int(lane); t < params.n_tokens; t += 32) {
    int at = params.pos + t;
    state[pages[at / 16] * 16 + at % 16] = ids[t];
  }
}

kernel void toy_score(device const int *state [[buffer(0)]], device const int *pages [[buffer(1)]],
                      device uint *scores [[buffer(2)]], constant Params &params [[buffer(3)]],
                      uint token [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  uint score = 0;
  for (int at = int(lane); at <= params.pos + int(token); at += 32)
    score += mix(state[pages[at / 16] * 16 + at % 16], at);
  score = simd_sum(score);
  if (lane == 0)
    scores[token] = score;
}

kernel void toy_mark(device const int *ids [[buffer(0)]], device uint *marks [[buffer(1)]],
                     constant Params &params [[buffer(2)]], uint token [[threadgroup_position_in_grid]],
                     uint lane [[thread_index_in_threadgroup]]) {
  if (lane == 0)
    marks[token] = uint(ids[token]) * 77u;
}

kernel void toy_logits(device const uint *scores [[buffer(0)]], device const uint *marks [[buffer(1)]],
                       device const float *table [[buffer(2)]], device float *logits [[buffer(3)]],
                       constant Params &params [[buffer(4)]], uint group [[threadgroup_position_in_grid]],
                       uint thread_index [[thread_index_in_threadgroup]]) {
  uint groups = VOCAB / 64u;
  uint row = group / groups, v = group % groups * 64u + thread_index;
  uint token = uint(params.n_tokens - params.n_out) + row;
  uint score = scores[token] + marks[token];
  logits[row * (VOCAB + 16u) + v] = table[v] + float((score * (2u * v + 1u)) >> 22u) / 64.0f;
}
)";

MetalToy::MetalToy(int32_t vocab) : ToyPackage(vocab) {
  std::string text = kToyMsl;
  for (size_t at; (at = text.find("VOCAB")) != std::string::npos;)
    text.replace(at, 5, std::to_string(vocab) + "u");
  addText("kernels.metal", text);
  Target target = manifest.targets[0];
  target.name = "metal-apple7";
  target.device = "metal";
  target.library = "kernels.metal";
  for (Entry &entry : target.entries)
    for (Step &step : entry.steps) {
      step.grain = 1;
      step.simdgroups = 1;
      if (step.kernel.starts_with("toy_logits")) {
        step.kernel = "toy_logits";
        step.simdgroups = 2;
        step.tasks.args[1].value = vocab / 64;
      }
    }
  manifest.targets.push_back(target);
}

Step &MetalToy::step(const std::string &entry, const std::string &kernel) {
  auto found = std::ranges::find(metal().entries, entry, &Entry::name);
  return *std::ranges::find(found->steps, kernel, &Step::kernel);
}

void MetalToy::addText(const std::string &name, const std::string &text) {
  writeWhole(file(name), text);
  addFile(name);
}

void MetalToy::open() {
  write();
  auto opened = Package::open(path());
  ASSERT_TRUE(opened.ok()) << opened.message();
  package.emplace(std::move(*opened));
  standin::settings().extent = [this](const standin::Bound &bound) {
    uint64_t bytes = 0;
    for (const Entry &entry : metal().entries)
      for (const Step &step : entry.steps) {
        if (step.kernel != bound.kernel || static_cast<size_t>(bound.index) >= step.bindings.size())
          continue;
        const Binding &binding = step.bindings[bound.index];
        if (binding.kind == Binding::Kind::Arena && binding.offset == bound.offset)
          bytes = std::max(bytes, binding.bytes);
        else if (binding.kind == Binding::Kind::Section && package->section(binding.offset).data() == bound.address)
          bytes = package->section(binding.offset).size();
      }
    return bytes ? bytes : bound.bytes;
  };
}

std::unique_ptr<MetalDevice> MetalToy::device(const MetalOptions &options) {
  auto created = createMetalDevice(*package, options);
  EXPECT_TRUE(created.ok()) << created.message();
  return created.ok() ? std::move(*created) : nullptr;
}

std::string MetalToy::refusal(const MetalOptions &options) {
  auto created = createMetalDevice(*package, options);
  EXPECT_FALSE(created.ok());
  return created.ok() ? "" : created.message();
}
