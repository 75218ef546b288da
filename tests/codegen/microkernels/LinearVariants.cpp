//===- LinearVariants.cpp - The linear micro-kernels of each build --------===//
#include "tests/codegen/microkernels/LinearVariants.h"
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

// Microkernels.h declares one suffix; these are the other ones, of the same types.
#define TQ_DECLARE(suffix)                                                                                             \
  extern "C" decltype(tq_linear_f32) tq_linear_f32_##suffix;                                                           \
  extern "C" decltype(tq_linear_i8) tq_linear_i8_##suffix;                                                             \
  extern "C" decltype(tq_linear_i16) tq_linear_i16_##suffix;                                                           \
  extern "C" decltype(tq_decode_row) tq_decode_row_##suffix;
#define TQ_VARIANT(suffix, levels)                                                                                     \
  tq::test::LinearVariant {                                                                                            \
    #suffix, tq::test::ByteLevels::levels, tq_linear_f32_##suffix, tq_linear_i8_##suffix, tq_linear_i16_##suffix,      \
        tq_decode_row_##suffix                                                                                         \
  }

#if defined(__x86_64__)
TQ_DECLARE(avx2)
TQ_DECLARE(avx512)
TQ_DECLARE(amx)
TQ_DECLARE(avx2_portable)
TQ_DECLARE(avx512_portable)
TQ_DECLARE(amx_portable)

/// Linux hands out the tile registers on request, once per process.
static bool mayUseAmx() {
#if defined(__linux__)
  return __builtin_cpu_supports("amx-int8") && syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18) == 0;
#else
  return false;
#endif
}

std::vector<tq::test::LinearVariant> tq::test::linearVariants() {
  std::vector<LinearVariant> all;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
    all.push_back(TQ_VARIANT(avx2, U6));
  const bool avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") &&
                      __builtin_cpu_supports("avx512vbmi");
  if (avx512)
    all.push_back(TQ_VARIANT(avx512, S8));
  if (avx512 && mayUseAmx())
    all.push_back(TQ_VARIANT(amx, S8));
  all.push_back(TQ_VARIANT(avx2_portable, U6));
  all.push_back(TQ_VARIANT(avx512_portable, S8));
  all.push_back(TQ_VARIANT(amx_portable, S8));
  return all;
}
#elif defined(__aarch64__)
TQ_DECLARE(neon)
std::vector<tq::test::LinearVariant> tq::test::linearVariants() { return {TQ_VARIANT(neon, S8)}; }
#endif
