// RUN: not tq-opt --tq-encode-states="k=f8 v=f16" %s 2>&1 | FileCheck %s --check-prefix=KEYS
// RUN: not tq-opt --tq-encode-states="k=f16 v=int4" %s 2>&1 | FileCheck %s --check-prefix=VALUES
// RUN: not tq-opt --tq-encode-states="k=f16 v=f32" %s 2>&1 | FileCheck %s --check-prefix=MIXED

// KEYS: error: unknown encoding 'f8' of a state; there are f16 and f32
// VALUES: error: unknown encoding 'int4' of a state; there are f16 and f32
// MIXED: error: keys and values must be stored alike: no kernel reads f16 keys with f32 values
module {
}
