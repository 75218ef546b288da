//===- RowKernels.h - The row and attention kernels of each build ---------===//
//
// Tests run once for every instruction set that was built and that this CPU has, and once for every portable build.
// AMX has AVX-512's: none of these kernels uses a tile.
//
//===----------------------------------------------------------------------===//
#ifndef TQ_TESTS_CODEGEN_MICROKERNELS_ROWKERNELS_H
#define TQ_TESTS_CODEGEN_MICROKERNELS_ROWKERNELS_H

#include "codegen/host/microkernels/Microkernels.h"
#include <ostream>
#include <vector>

#define TQ_ROW_KERNELS(X, isa)                                                                                         \
  X(rms_norm, isa)                                                                                                     \
  X(rotate, isa)                                                                                                       \
  X(quantize_i8, isa)                                                                                                  \
  X(quantize_i16, isa)                                                                                                 \
  X(rope_table, isa) X(rope, isa) X(kv_append, isa) X(sdpa_split, isa) X(sdpa_merge, isa) X(sdpa_finish, isa)
#define TQ_DECLARE_KERNEL(name, isa) decltype(tq_##name) tq_##name##_##isa;
#define TQ_KERNEL_ADDRESS(name, isa) tq_##name##_##isa,
#define TQ_KERNEL_FIELD(name, isa) decltype(&tq_##name) name;

extern "C" {
#if defined(__x86_64__)
TQ_ROW_KERNELS(TQ_DECLARE_KERNEL, avx2)
TQ_ROW_KERNELS(TQ_DECLARE_KERNEL, avx512)
TQ_ROW_KERNELS(TQ_DECLARE_KERNEL, avx2_portable)
TQ_ROW_KERNELS(TQ_DECLARE_KERNEL, avx512_portable)
#else
TQ_ROW_KERNELS(TQ_DECLARE_KERNEL, neon)
#endif
}

namespace tq {

struct RowKernels {
  const char *isa;
  TQ_ROW_KERNELS(TQ_KERNEL_FIELD, )
};
inline void PrintTo(const RowKernels *kernels, std::ostream *os) { *os << kernels->isa; }

#define TQ_ROW_VARIANT(isa)                                                                                            \
  RowKernels { #isa, TQ_ROW_KERNELS(TQ_KERNEL_ADDRESS, isa) }

/// All builds this CPU can run: the native ones it has instructions for, and every portable one.
inline std::vector<const RowKernels *> rowVariants() {
#if defined(__x86_64__)
  static const RowKernels avx2 = TQ_ROW_VARIANT(avx2), avx512 = TQ_ROW_VARIANT(avx512),
                          avx2Portable = TQ_ROW_VARIANT(avx2_portable),
                          avx512Portable = TQ_ROW_VARIANT(avx512_portable);
  std::vector<const RowKernels *> all;
  if (__builtin_cpu_supports("x86-64-v3"))
    all.push_back(&avx2);
  if (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni") &&
      __builtin_cpu_supports("avx512vbmi"))
    all.push_back(&avx512);
  all.push_back(&avx2Portable);
  all.push_back(&avx512Portable);
  return all;
#else
  static const RowKernels neon = TQ_ROW_VARIANT(neon);
  return {&neon};
#endif
}

} // namespace tq
#endif
