//===- bfloat.h - simd_min, quad_max and their like of bfloat -------------===//
// MSL 6.9 has these, but no min and max of bfloat that compute.h could fold with.
//===----------------------------------------------------------------------===//
#pragma clang system_header

namespace metal {
#define __MSL_FOLD_BFLOAT(op)                                                                                          \
  template <> inline bfloat __fold_##op::f(bfloat a, bfloat b) { return (bfloat)op((float)a, (float)b); }              \
  __MSL_FOLD_BFLOATS(op, 2) __MSL_FOLD_BFLOATS(op, 3) __MSL_FOLD_BFLOATS(op, 4)
#define __MSL_FOLD_BFLOATS(op, N)                                                                                      \
  template <> inline bfloat##N __fold_##op::f(bfloat##N a, bfloat##N b) {                                              \
    return __builtin_convertvector(op(__builtin_convertvector(a, float##N), __builtin_convertvector(b, float##N)),     \
                                   bfloat##N);                                                                         \
  }
__MSL_FOLD_BFLOAT(min)
__MSL_FOLD_BFLOAT(max)
} // namespace metal
