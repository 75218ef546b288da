//===- Neon.cpp - For aarch64 with dot products ---------------------------===//
#include "codegen/host/microkernels/IsaNeon.h"
#include "codegen/host/microkernels/Linear.h"
#if __has_include("codegen/host/microkernels/Rowwise.h")
#include "codegen/host/microkernels/Rowwise.h"
#endif
#if __has_include("codegen/host/microkernels/Attention.h")
#include "codegen/host/microkernels/Attention.h"
#endif
