// RUN: llmir-opt %s --allow-unregistered-dialect | filecheck %s
// RUN: llmir-opt < %s -allow-unregistered-dialect | filecheck %s
// RUN: llmir-opt %s --allow-unregistered-dialect=true -f mlir -t mlir -o %t && filecheck %s --input-file %t
// RUN: not llmir-opt %s 2>&1 | filecheck %s --check-prefix=UNREGISTERED
// RUN: not llmir-opt %s --allow-unregistered-dialect --no-implicit-module 2>&1 | filecheck %s --check-prefix=EXPLICIT
// RUN: not llmir-opt %s --parsing-diagnostics --frobnicate 2>&1 | filecheck %s --check-prefix=FLAG
// RUN: llmir-opt %s --parsing-diagnostics | filecheck %s --check-prefix=UNREGISTERED
// RUN: not llmir-opt %s.none 2>&1 | filecheck %s --check-prefix=FILE

%0 = "mine.op"() {a = 1 : i32} : () -> i32

// CHECK: %{{.*}} = "mine.op"() {a = 1 : i32} : () -> i32
// UNREGISTERED: input.mlir:10:7: error: operation 'mine.op' is not registered
// EXPLICIT: input.mlir:1:1: error: builtin.module operation expected
// FLAG: llmir-opt: error: unknown argument '--frobnicate'
// FILE: llmir-opt: error: {{.*}}input.mlir.none: No such file or directory
