//===- Amx.cpp - For AVX-512 and AMX int8 -----------------------------------===//
#include "codegen/host/microkernels/IsaAmx.h"

#include "codegen/host/microkernels/Attention.h"
#include "codegen/host/microkernels/Linear.h"
#include "codegen/host/microkernels/Rowwise.h"
