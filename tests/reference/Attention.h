//===- Attention.h - What attention means -----------------------*- C++ -*-===//
#ifndef TQ_TESTS_REFERENCE_ATTENTION_H
#define TQ_TESTS_REFERENCE_ATTENTION_H

#include "tests/reference/Rowwise.h"

namespace tq::reference {

struct AttentionShape {
  int64_t queryHeads, kvHeads, dk, dv;
  int64_t window = 0; ///< 0: unlimited; a query sees itself and window - 1 predecessors
  double scale = 1;
};

/// Output [queryHeads][dv] of the query q [queryHeads][dk] at position pos, given keys [tokens][kvHeads][dk] and values
/// [tokens][kvHeads][dv] of at least pos + 1 tokens. `sinks`: one more logit per head without a value, or null.
inline Row attention(const AttentionShape &s, const double *q, int64_t pos, const Row &keys, const Row &values,
                     const double *sinks = nullptr) {
  Row out(size_t(s.queryHeads * s.dv));
  for (int64_t h = 0; h < s.queryHeads; ++h) {
    int64_t kvHead = h / (s.queryHeads / s.kvHeads);
    int64_t first = s.window && pos - s.window + 1 > 0 ? pos - s.window + 1 : 0;
    Row scores;
    for (int64_t j = first; j <= pos; ++j) {
      double dot = 0;
      for (int64_t i = 0; i < s.dk; ++i)
        dot += q[h * s.dk + i] * keys[size_t((j * s.kvHeads + kvHead) * s.dk + i)];
      scores.push_back(s.scale * dot);
    }
    if (sinks)
      scores.push_back(sinks[h]);
    Row p = softmax(scores);
    for (int64_t j = first; j <= pos; ++j)
      for (int64_t i = 0; i < s.dv; ++i)
        out[size_t(h * s.dv + i)] += p[size_t(j - first)] * values[size_t((j * s.kvHeads + kvHead) * s.dv + i)];
  }
  return out;
}

} // namespace tq::reference
#endif
