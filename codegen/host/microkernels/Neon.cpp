//===- Neon.cpp - For aarch64 with dot products ---------------------------===//
#include "codegen/host/microkernels/IsaNeon.h"

#include "codegen/host/microkernels/Attention.h"
#include "codegen/host/microkernels/Linear.h"
#include "codegen/host/microkernels/Rowwise.h"
