//===- TQKernelOps.cpp - What kernel IR lacks upstream --------------------===//

#include "dialect/TQ.h"

using namespace mlir;
using namespace tq;

#define GET_OP_CLASSES
#include "dialect/TQKernelOps.cpp.inc"

void TQDialect::registerKernelOps() {
  addOperations<
#define GET_OP_LIST
#include "dialect/TQKernelOps.cpp.inc"
      >();
}
