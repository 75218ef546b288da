//===- Avx2.cpp - Micro-kernels for x86-64-v3 -----------------------------===//
#include "codegen/host/microkernels/IsaAvx2.h"
#include "codegen/host/microkernels/Linear.h"
#if __has_include("codegen/host/microkernels/Rowwise.h")
#include "codegen/host/microkernels/Rowwise.h"
#endif
#if __has_include("codegen/host/microkernels/Attention.h")
#include "codegen/host/microkernels/Attention.h"
#endif
