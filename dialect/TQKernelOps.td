//===- TQKernelOps.td - What kernel IR lacks upstream ---------------------===//
#ifndef TQ_KERNEL_OPS_TD
#define TQ_KERNEL_OPS_TD

include "dialect/TQDialect.td"

def TQ_SubgroupBarrierOp : TQ_Op<"subgroup_barrier"> {
  let summary = "orders memory within a simdgroup";
  let description = [{
    What the lanes of a simdgroup stored before it, they see after it; other simdgroups neither wait nor take part. All lanes
    must reach it together. gpu.barrier is for the whole threadgroup and cannot stand where simdgroups part ways.
    ```mlir
    tq.subgroup_barrier
    ```
  }];
  let assemblyFormat = "attr-dict";
}

#endif
