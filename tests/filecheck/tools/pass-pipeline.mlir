// RUN: llmir-opt %s -p 'builtin.module(func.func(canonicalize),cse)' | filecheck %s
// RUN: llmir-opt %s --pass-pipeline='builtin.module( any( canonicalize ), cse )' | filecheck %s
// RUN: llmir-opt %s --canonicalize --cse | filecheck %s
// RUN: llmir-opt %s -canonicalize -cse | filecheck %s
// RUN: llmir-opt %s -p 'func.func(canonicalize),cse' -o /dev/null --mlir-print-ir-before-all 2>&1 | filecheck %s --check-prefix=ORDER
// RUN: not llmir-opt %s -p 'func.func(cse,canonicalize)' 2>&1 | filecheck %s --check-prefix=ANCHOR
// RUN: not llmir-opt %s -p 'builtin.module(func.func(fuse-quantized-ops))' 2>&1 | filecheck %s --check-prefix=MODULE
// RUN: not llmir-opt %s -p 'cse,arith.addi(cse)' 2>&1 | filecheck %s --check-prefix=ISOLATED

func.func @f(%x: i32) -> i32 {
  %c = arith.constant 1 : i32
  %d = arith.constant 1 : i32
  %dead = arith.addi %x, %d : i32
  %y = arith.addi %x, %c : i32
  func.return %y : i32
}
func.func private @g(i32)

// CHECK:      func.func @f(%[[X:.*]]: i32) -> i32 {
// CHECK-NEXT:   %[[C:.*]] = arith.constant 1 : i32
// CHECK-NEXT:   %[[Y:.*]] = arith.addi %[[X]], %[[C]] : i32
// CHECK-NEXT:   func.return %[[Y]] : i32

// ORDER:      IR Dump Before CanonicalizePass (canonicalize)
// ORDER-NEXT: func.func @f
// ORDER:      IR Dump Before CanonicalizePass (canonicalize)
// ORDER-NEXT: func.func private @g
// ORDER:      IR Dump Before CommonSubexpressionElimination (cse)
// ORDER-NEXT: builtin.module

// ANCHOR: error: can't run a 'func.func' pipeline on a 'builtin.module' operation; write builtin.module(func.func(cse,canonicalize))
// MODULE: error: pass 'fuse-quantized-ops' runs on builtin.module and cannot be nested in func.func
// ISOLATED: error: passes cannot run on 'arith.addi': it is not isolated from above, as func.func is
