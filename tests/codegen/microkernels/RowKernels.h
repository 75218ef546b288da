//===- RowKernels.h - The native builds of row and attention kernels ------===//
//
// Tests run once for every instruction set that was built and that this CPU has.
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

inline std::vector<const RowKernels *> nativeRowKernels() {
#if defined(__x86_64__)
  static const RowKernels avx2 = {"avx2", TQ_ROW_KERNELS(TQ_KERNEL_ADDRESS, avx2)};
  static const RowKernels avx512 = {"avx512", TQ_ROW_KERNELS(TQ_KERNEL_ADDRESS, avx512)};
  std::vector<const RowKernels *> all = {&avx2};
  if (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vbmi"))
    all.push_back(&avx512);
  return all;
#else
  static const RowKernels neon = {"neon", TQ_ROW_KERNELS(TQ_KERNEL_ADDRESS, neon)};
  return {&neon};
#endif
}

} // namespace tq
#endif
