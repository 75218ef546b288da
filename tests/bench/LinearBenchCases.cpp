//===- LinearBenchCases.cpp - Specialised kernels of one instruction set --===//
// Compiled once per instruction set, with TQ_BENCH_ISA its name (Avx2, Avx512) and TQ_BENCH_HEADER its primitives.
//===----------------------------------------------------------------------===//
#include TQ_BENCH_HEADER

#define TQ_BENCH_TEXT2(x) #x
#define TQ_BENCH_TEXT(x) TQ_BENCH_TEXT2(x)
#include "codegen/host/microkernels/Linear.h"
#include "tests/bench/LinearBench.h"

namespace {
using tq::Layout;
using tq::PackedActivation;
using tq::bench::ActivationKind;
using tq::bench::LinearCase;

template <ActivationKind A, Layout::Kind Kind, int Bits, int Group, int64_t K, int64_t M>
void run(const void *w, const void *levels, const void *x, float *tile, void *scratch) {
  if constexpr (A == ActivationKind::F32)
    TQ_UK(linear_f32)(w, levels, (const float *)x, K * 4, M, K, int32_t(Kind), Bits, Group, 4, tile, scratch);
  else if constexpr (A == ActivationKind::I8)
    TQ_UK(linear_i8)(w, levels, x, PackedActivation::rowBytes(K, 1, Group), M, K, int32_t(Kind), Bits, Group, Group, 4,
                     tile, scratch);
  else
    TQ_UK(linear_i16)(w, levels, x, PackedActivation::rowBytes(K, 2, Group), M, K, int32_t(Kind), Bits, Group, Group, 4,
                      tile, scratch);
}

template <ActivationKind A, Layout::Kind Kind, int Bits, int Group, int64_t K, int64_t M>
LinearCase makeCase(const char *name) {
  return {TQ_BENCH_TEXT(TQ_BENCH_ISA), name, A, {Kind, Bits, Group}, K, M, run<A, Kind, Bits, Group, K, M>};
}
} // namespace

#define TQ_BENCH_ADD2(isa) addCases##isa
#define TQ_BENCH_ADD(isa) TQ_BENCH_ADD2(isa)

void tq::bench::TQ_BENCH_ADD(TQ_BENCH_ISA)(void (*add)(const LinearCase &)) {
  constexpr auto F32 = ActivationKind::F32, I8 = ActivationKind::I8, I16 = ActivationKind::I16;
  constexpr auto Codebook = Layout::Kind::Codebook, Affine = Layout::Kind::Affine;
  add(makeCase<I8, Codebook, 4, 64, 4096, 1>("codebook 4"));
  add(makeCase<I8, Codebook, 3, 64, 4096, 1>("codebook 3"));
  add(makeCase<I8, Codebook, 2, 64, 4096, 1>("codebook 2"));
  add(makeCase<I8, Affine, 4, 64, 4096, 1>("affine 4"));
  add(makeCase<I8, Affine, 4, 32, 4096, 1>("affine 4/32"));
  add(makeCase<I8, Affine, 6, 16, 4096, 1>("affine 6/16"));
  add(makeCase<I8, Affine, 8, 32, 4096, 1>("affine 8/32"));
  add(makeCase<I16, Codebook, 4, 64, 4096, 1>("codebook 4"));
  add(makeCase<I16, Codebook, 3, 64, 4096, 1>("codebook 3"));
  add(makeCase<I16, Affine, 4, 64, 4096, 1>("affine 4"));
  add(makeCase<F32, Codebook, 4, 64, 4096, 1>("codebook 4"));
  add(makeCase<F32, Codebook, 3, 64, 4096, 1>("codebook 3"));
  add(makeCase<F32, Affine, 4, 64, 4096, 1>("affine 4"));
  add(makeCase<F32, Layout::Kind::DenseF16, 0, 0, 4096, 1>("dense f16"));
  add(makeCase<F32, Layout::Kind::DenseBF16, 0, 0, 4096, 1>("dense bf16"));
  add(makeCase<F32, Layout::Kind::DenseF32, 0, 0, 4096, 1>("dense f32"));
  add(makeCase<I8, Codebook, 4, 64, 4096, 2>("codebook 4"));
  add(makeCase<I8, Codebook, 4, 64, 4096, 4>("codebook 4"));
  add(makeCase<I8, Codebook, 4, 64, 4096, 8>("codebook 4"));
  add(makeCase<I8, Codebook, 3, 64, 4096, 4>("codebook 3"));
  add(makeCase<I8, Codebook, 4, 64, 2048, 512>("codebook 4"));
  add(makeCase<I8, Codebook, 4, 64, 5632, 512>("codebook 4"));
  add(makeCase<I8, Codebook, 4, 32, 2048, 512>("codebook 4/32"));
  add(makeCase<I8, Affine, 4, 64, 2048, 512>("affine 4"));
  add(makeCase<I8, Affine, 6, 16, 2048, 512>("affine 6/16"));
  add(makeCase<I8, Affine, 8, 32, 2048, 512>("affine 8/32"));
  add(makeCase<I8, Codebook, 4, 64, 4096, 32>("codebook 4"));
  add(makeCase<I16, Codebook, 4, 64, 2048, 512>("codebook 4"));
  add(makeCase<I16, Codebook, 4, 64, 5632, 512>("codebook 4"));
  add(makeCase<F32, Codebook, 4, 64, 2048, 512>("codebook 4"));
  add(makeCase<F32, Codebook, 4, 64, 5632, 512>("codebook 4"));
  add(makeCase<F32, Layout::Kind::DenseBF16, 0, 0, 2048, 512>("dense bf16"));
}
