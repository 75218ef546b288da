// RUN: split-file %s %t
// RUN: not tq-opt --tq-specialize-entry-points %t/none.mlir 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not tq-opt --tq-specialize-entry-points=chunk=0 %t/some.mlir 2>&1 | FileCheck %s --check-prefix=SIZES
// RUN: not tq-opt --tq-specialize-entry-points=max-out=0 %t/some.mlir 2>&1 | FileCheck %s --check-prefix=SIZES
// RUN: not tq-opt --tq-specialize-entry-points=context=-1 %t/some.mlir 2>&1 | FileCheck %s --check-prefix=SIZES

// NONE: error: has no func.func @forward to specialise
// SIZES: error: chunk, max-out and context must be positive

//--- none.mlir
func.func @backward() { return }
//--- some.mlir
func.func @forward() { return }
