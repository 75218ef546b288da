//===- CaseRun.h - A case under several schedules ---------------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_CASERUN_H
#define TQ_TESTS_METAL_CASERUN_H

#include "tests/metal/CaseFile.h"

namespace tq::metal {

struct CaseOptions {
  double timeLimit = 10;
  bool timings = false; ///< prints the time of each schedule to standard error
};

/// Runs the case, of whose function constants the library knows: forward, in reverse and in two random orders, each
/// time with other garbage in what the kernel leaves uninitialised, and once more forward. Buffers are far apart: no
/// 32-bit offset leads from one into another. The Error of the first finding, of results that differ between two of
/// these, or that miss what the case expects.
Status runCase(const Library &library, const Case &launch, const CaseOptions &options = {});

} // namespace tq::metal

#endif // TQ_TESTS_METAL_CASERUN_H
