//===- ToyKernels.cpp - Kernels of the test package -----------------------===//
// A "model" with the real ABI whose logits depend on every token before, on its
// position and on the weights, in integers: the result is the same to the bit
// however the work was cut up, or it is wrong. ToyPackage.h has the reference.
//===----------------------------------------------------------------------===//

#include "runtime/PackageFormat.h"
#include "tests/runtime/ToyModel.h"

using namespace tq;

namespace {

/// scores, marks, table f32[vocab], logits. A task per 16 logits of a row. The scratch is filled and read back: two
/// workers that shared one would notice.
template <int vocab>
void logits(void *const *bindings, const int32_t *params, void *scratch, int64_t begin, int64_t end) {
  auto *scores = static_cast<const uint32_t *>(bindings[0]);
  auto *marks = static_cast<const uint32_t *>(bindings[1]);
  auto *table = static_cast<const float *>(bindings[2]);
  auto *out = static_cast<float *>(bindings[3]);
  auto *own = static_cast<float *>(scratch);
  for (int64_t task = begin; task < end; ++task) {
    int64_t row = task / (vocab / 16), first = task % (vocab / 16) * 16;
    int64_t token = params[int(Param::NTokens)] - params[int(Param::NOut)] + row;
    for (int64_t v = 0; v < 16; ++v)
      own[v] = toyLogit(scores[token] + marks[token], table[first + v], static_cast<int32_t>(first + v));
    for (int64_t v = 0; v < 16; ++v)
      out[row * (vocab + kToyRowPadding) + first + v] = own[v];
  }
}

} // namespace

extern "C" {

/// ids, state, page table. One task.
void toy_append(void *const *bindings, const int32_t *params, void *, int64_t begin, int64_t end) {
  auto *ids = static_cast<const int32_t *>(bindings[0]);
  auto *state = static_cast<int32_t *>(bindings[1]);
  auto *pages = static_cast<const int32_t *>(bindings[2]);
  int32_t position = params[int(Param::Pos)];
  for (int32_t t = 0; begin < end && t < params[int(Param::NTokens)]; ++t) {
    int32_t at = position + t;
    state[pages[at / kToyPageTokens] * kToyPageTokens + at % kToyPageTokens] = ids[t];
  }
}

/// state, page table, scores u32[max_tokens]. A task per token.
void toy_score(void *const *bindings, const int32_t *params, void *, int64_t begin, int64_t end) {
  auto *state = static_cast<const int32_t *>(bindings[0]);
  auto *pages = static_cast<const int32_t *>(bindings[1]);
  auto *scores = static_cast<uint32_t *>(bindings[2]);
  for (int64_t t = begin; t < end; ++t) {
    uint32_t score = 0;
    for (int32_t at = 0; at <= params[int(Param::Pos)] + t; ++at)
      score += toyMix(state[pages[at / kToyPageTokens] * kToyPageTokens + at % kToyPageTokens], at);
    scores[t] = score;
  }
}

/// ids, marks u32[max_tokens]. A task per token; needs nothing that runs before it.
void toy_mark(void *const *bindings, const int32_t *, void *, int64_t begin, int64_t end) {
  auto *ids = static_cast<const int32_t *>(bindings[0]);
  auto *marks = static_cast<uint32_t *>(bindings[1]);
  for (int64_t t = begin; t < end; ++t)
    marks[t] = toyMark(ids[t]);
}

void toy_logits_64(void *const *bindings, const int32_t *params, void *scratch, int64_t begin, int64_t end) {
  logits<64>(bindings, params, scratch, begin, end);
}
void toy_logits_2048(void *const *bindings, const int32_t *params, void *scratch, int64_t begin, int64_t end) {
  logits<2048>(bindings, params, scratch, begin, end);
}

} // extern "C"
