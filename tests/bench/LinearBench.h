//===- LinearBench.h - What the benchmark measures --------------*- C++ -*-===//
#ifndef TQ_TESTS_BENCH_LINEARBENCH_H
#define TQ_TESTS_BENCH_LINEARBENCH_H

#include "codegen/host/microkernels/Microkernels.h"

namespace tq::bench {

enum class ActivationKind { F32, I8, I16 };

/// One specialisation of one task (64 rows), all sizes constant as in a generated kernel.
struct LinearCase {
  const char *isa, *name;
  ActivationKind activation;
  Layout layout;
  int64_t k, m;
  void (*run)(const void *w, const void *levels, const void *x, float *tile, void *scratch);
};

void addCasesAvx2(void (*add)(const LinearCase &));
void addCasesAvx512(void (*add)(const LinearCase &));

} // namespace tq::bench
#endif
