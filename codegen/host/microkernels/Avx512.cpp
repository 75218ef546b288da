//===- Avx512.cpp - For x86-64-v4 + VNNI + VBMI ----------------------------===//
#include "codegen/host/microkernels/IsaAvx512.h"

#include "codegen/host/microkernels/Attention.h"
#include "codegen/host/microkernels/Linear.h"
#include "codegen/host/microkernels/Rowwise.h"
