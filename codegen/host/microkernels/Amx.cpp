//===- Amx.cpp - For AVX-512 and AMX int8 -----------------------------------===//
#include "codegen/host/microkernels/IsaAmx.h"
#include "codegen/host/microkernels/Linear.h"
#if __has_include("codegen/host/microkernels/Rowwise.h")
#include "codegen/host/microkernels/Rowwise.h"
#endif
#if __has_include("codegen/host/microkernels/Attention.h")
#include "codegen/host/microkernels/Attention.h"
#endif
