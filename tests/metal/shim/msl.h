//===- msl.h - The whole shim, in order -----------------------------------===//
// Precompiled once per set of flags (see BuildCache.h). What a kernel includes
// by name (<metal_stdlib>, <metal_simdgroup>, ...) are empty files: that they
// are included at all is for the lints to check.
//===----------------------------------------------------------------------===//
#pragma clang system_header
#include "language.h"

#include "types.h"

#include "traits.h"

#include "math.h"

#include "integer.h"

#include "atomic.h"

#include "compute.h"

#include "matrix.h"
