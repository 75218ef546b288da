//===- Avx2.cpp - Micro-kernels for x86-64-v3 -----------------------------===//
#include "codegen/host/microkernels/IsaAvx2.h"

#include "codegen/host/microkernels/Attention.h"
#include "codegen/host/microkernels/Linear.h"
#include "codegen/host/microkernels/Rowwise.h"
