//===- NvvmMath.cpp - libdevice's functions, those that kernels call ------===//
// MLIR turns math ops into calls of CUDA's libdevice. These are our own definitions by its names, from PTX instructions: a few
// ulp, as Metal's. Arguments are reduced first where the instruction is accurate near zero only.

#include "codegen/nvvm/CompileNvvm.h"

/// A function of one number that is an intrinsic by another name.
#define TQ_FORWARD(name, intrinsic)                                                                                    \
  "define float @__nv_" name "(float %x) alwaysinline {\n"                                                             \
  "  %r = call float @llvm." intrinsic "(float %x)\n"                                                                  \
  "  ret float %r\n}\n"

const char *const tq::kNvvmMath = R"(
declare float @llvm.fma.f32(float, float, float)
declare float @llvm.nvvm.ex2.approx.f(float)
declare float @llvm.nvvm.lg2.approx.f(float)
declare float @llvm.nvvm.rsqrt.approx.f(float)
declare float @llvm.nvvm.sin.approx.f(float)
declare float @llvm.nvvm.cos.approx.f(float)
declare float @llvm.sqrt.f32(float)
declare float @llvm.fabs.f32(float)
declare float @llvm.floor.f32(float)
declare float @llvm.ceil.f32(float)
declare float @llvm.trunc.f32(float)
declare float @llvm.nearbyint.f32(float)
declare float @llvm.copysign.f32(float, float)

declare i32 @llvm.abs.i32(i32, i1)
declare float @llvm.maxnum.f32(float, float)
declare float @llvm.minnum.f32(float, float)
declare float @llvm.maximum.f32(float, float)
declare float @llvm.minimum.f32(float, float)

define float @__nv_fmaxf(float %a, float %b) alwaysinline {
  %r = call float @llvm.maxnum.f32(float %a, float %b)
  ret float %r
}
define float @__nv_fminf(float %a, float %b) alwaysinline {
  %r = call float @llvm.minnum.f32(float %a, float %b)
  ret float %r
}
define i32 @__nv_abs(i32 %x) alwaysinline {
  %r = call i32 @llvm.abs.i32(i32 %x, i1 false)
  ret i32 %r
}
define float @__nv_fmaf(float %a, float %b, float %c) alwaysinline {
  %r = call float @llvm.fma.f32(float %a, float %b, float %c)
  ret float %r
}
)" TQ_FORWARD("fabsf", "fabs.f32") TQ_FORWARD("floorf", "floor.f32") TQ_FORWARD("ceilf", "ceil.f32")
    TQ_FORWARD("truncf", "trunc.f32") TQ_FORWARD("rintf", "nearbyint.f32") TQ_FORWARD("sqrtf", "sqrt.f32")
        TQ_FORWARD("rsqrtf", "nvvm.rsqrt.approx.f") TQ_FORWARD("exp2f", "nvvm.ex2.approx.f")
            TQ_FORWARD("log2f", "nvvm.lg2.approx.f") R"(
define float @__nv_logf(float %x) alwaysinline {
  %l = call float @llvm.nvvm.lg2.approx.f(float %x)
  %r = fmul float %l, 0x3FE62E4300000000 ; ln 2
  ret float %r
}
; x = n ln 2 + f, |f| <= ln 2 / 2: the product x log2(e) alone would lose the bits that n takes.
; Beyond 128, where e^x is 0 or infinite, the rest f would not be small.
define float @__nv_expf(float %any) alwaysinline {
  %above = call float @llvm.maximum.f32(float %any, float -128.0) ; NaN stays
  %x = call float @llvm.minimum.f32(float %above, float 128.0)
  %p = fmul float %x, 0x3FF7154760000000
  %n = call float @llvm.nearbyint.f32(float %p)
  %f0 = call float @llvm.fma.f32(float %n, float 0xBFE62E4000000000, float %x) ; -ln 2, upper bits
  %f = call float @llvm.fma.f32(float %n, float 0xBEB7F7D1C0000000, float %f0) ; -ln 2, the rest
  %g = fmul float %f, 0x3FF7154760000000
  %a = call float @llvm.nvvm.ex2.approx.f(float %g)
  %h = fmul float %n, 0.5 ; in two steps: 2^n alone overflows before e^x does
  %b = call float @llvm.nvvm.ex2.approx.f(float %h)
  %rest = fsub float %n, %h
  %c = call float @llvm.nvvm.ex2.approx.f(float %rest)
  %ab = fmul float %a, %b
  %r = fmul float %ab, %c
  ret float %r
}
define float @reduce_angle(float %x) alwaysinline {
  %t = fmul float %x, 0x3FC45F3060000000 ; 1 / (2 pi)
  %n = call float @llvm.nearbyint.f32(float %t)
  %r0 = call float @llvm.fma.f32(float %n, float 0xC01921FB60000000, float %x) ; -2 pi, rounded up
  %r = call float @llvm.fma.f32(float %n, float 0x3E8777A5C0000000, float %r0)
  ret float %r
}
define float @__nv_sinf(float %x) alwaysinline {
  %a = call float @reduce_angle(float %x)
  %r = call float @llvm.nvvm.sin.approx.f(float %a)
  ret float %r
}
define float @__nv_cosf(float %x) alwaysinline {
  %a = call float @reduce_angle(float %x)
  %r = call float @llvm.nvvm.cos.approx.f(float %a)
  ret float %r
}
; (1 - t) / (1 + t) with t = e^(-2|x|); the series where 1 - t cancels.
define float @__nv_tanhf(float %x) alwaysinline {
  %m = call float @llvm.fabs.f32(float %x)
  %d = fmul float %m, -2.0
  %t = call float @__nv_expf(float %d)
  %num = fsub float 1.0, %t
  %den = fadd float 1.0, %t
  %q = fdiv float %num, %den
  %xx = fmul float %x, %x
  %s0 = call float @llvm.fma.f32(float %xx, float 0xBFABA1BA20000000, float 0x3FC1111120000000) ; -17/315, 2/15
  %s1 = call float @llvm.fma.f32(float %xx, float %s0, float 0xBFD5555560000000) ; -1/3
  %x3 = fmul float %xx, %x
  %near = call float @llvm.fma.f32(float %x3, float %s1, float %x)
  %small = fcmp olt float %m, 0.125
  %value = select i1 %small, float %near, float %q
  %r = call float @llvm.copysign.f32(float %value, float %x)
  ret float %r
}
define float @__nv_powf(float %x, float %y) alwaysinline {
  %l = call float @llvm.nvvm.lg2.approx.f(float %x)
  %p = fmul float %l, %y
  %r = call float @llvm.nvvm.ex2.approx.f(float %p)
  ret float %r
}
)";
