// RUN: llmir-opt %s -p convert-vk-to-llvm | filecheck %s

// Loops and branches become blocks with arguments: a loop whose bounds are known to be apart has no test before it.

builtin.module attributes {vk.machine = "scalar"} {
  func.func private @syscall(i64) -> i64
  func.func private @inlined(%x: i64) -> i64 attributes {vk.inline} {
    func.return %x : i64
  }
  func.func public @loops(%n: i64, %x: f32) -> f32 {
    %c0 = arith.constant 0 : i64
    %c4 = arith.constant 4 : i64
    %s = scf.for %i = %c0 to %n step %c4 iter_args(%t = %x) -> (f32) : i64 {
      %u = scf.for %j = %c0 to %c4 step %n iter_args(%v = %t) -> (f32) : i64 {
        %w = arith.addf %v, %x : f32
        scf.yield %w : f32
      }
      scf.yield %u : f32
    }
    func.return %s : f32
  }
  func.func public @branches(%c: i1, %n: i64) -> i64 {
    %r = scf.if %c -> (i64) {
      %a = func.call @syscall(%n) : (i64) -> i64
      scf.yield %a : i64
    } else {
      scf.yield %n : i64
    }
    scf.if %c {
      %b = func.call @inlined(%r) : (i64) -> i64
    }
    func.return %r : i64
  }
  func.func public @waiting(%n: i64, %x: f32) -> i64 {
    %r, %s = scf.while (%i = %n, %f = %x) : (i64, f32) -> (i64, f32) {
      %c = arith.cmpi sgt, %i, %n : i64
      scf.condition(%c) %i, %f : i64, f32
    } do {
    ^bb0(%j: i64, %g: f32):
      %k = arith.addi %j, %n : i64
      scf.yield %k, %g : i64, f32
    }
    func.return %r : i64
  }
}

// CHECK: builtin.module attributes {vk.machine = "scalar", llvm.target_triple = "x86_64-unknown-linux-gnu"} {
// CHECK: llvm.func @syscall(i64) -> i64 attributes {no_unwind}
// CHECK: llvm.func internal @inlined(%[[X:.*]]: i64) -> i64 attributes {no_unwind, passthrough = ["alwaysinline"], target_cpu = "generic"} {
// CHECK-NEXT: llvm.return %[[X]] : i64
// CHECK-NEXT: }
// CHECK: llvm.func @loops(%[[N:.*]]: i64, %[[X1:.*]]: f32) -> f32 attributes {no_unwind, target_cpu = "generic"} {
// CHECK-NEXT: %[[V0:.*]] = llvm.mlir.constant(0) : i64
// CHECK-NEXT: %[[V1:.*]] = llvm.mlir.constant(4) : i64
// CHECK-NEXT: %[[V2:.*]] = llvm.icmp "slt" %[[V0]], %[[N]] : i64
// CHECK-NEXT: llvm.cond_br %[[V2]], ^[[BB1:.*]](%[[V0]], %[[X1]] : i64, f32), ^[[BB4:.*]](%[[X1]] : f32)
// CHECK-NEXT: ^[[BB1]](%[[V3:.*]]: i64, %[[V4:.*]]: f32):
// CHECK-NEXT: llvm.br ^[[BB2:.*]](%[[V0]], %[[V4]] : i64, f32)
// CHECK-NEXT: ^[[BB2]](%[[V5:.*]]: i64, %[[V6:.*]]: f32):
// CHECK-NEXT: %[[V7:.*]] = llvm.fadd %[[V6]], %[[X1]] : f32
// CHECK-NEXT: %[[V8:.*]] = llvm.add %[[V5]], %[[N]] : i64
// CHECK-NEXT: %[[V9:.*]] = llvm.icmp "slt" %[[V8]], %[[V1]] : i64
// CHECK-NEXT: llvm.cond_br %[[V9]], ^[[BB2]](%[[V8]], %[[V7]] : i64, f32), ^[[BB3:.*]](%[[V7]] : f32)
// CHECK-NEXT: ^[[BB3]](%[[V10:.*]]: f32):
// CHECK-NEXT: %[[V11:.*]] = llvm.add %[[V3]], %[[V1]] : i64
// CHECK-NEXT: %[[V12:.*]] = llvm.icmp "slt" %[[V11]], %[[N]] : i64
// CHECK-NEXT: llvm.cond_br %[[V12]], ^[[BB1]](%[[V11]], %[[V10]] : i64, f32), ^[[BB4]](%[[V10]] : f32)
// CHECK-NEXT: ^[[BB4]](%[[V13:.*]]: f32):
// CHECK-NEXT: llvm.return %[[V13]] : f32
// CHECK-NEXT: }
// CHECK: llvm.func @branches(%[[C:.*]]: i1, %[[N1:.*]]: i64) -> i64 attributes {no_unwind, target_cpu = "generic"} {
// CHECK-NEXT: llvm.cond_br %[[C]], ^[[BB1:.*]], ^[[BB2:.*]]
// CHECK-NEXT: ^[[BB1]]:
// CHECK-NEXT: %[[V14:.*]] = llvm.call @syscall(%[[N1]]) : (i64) -> i64
// CHECK-NEXT: llvm.br ^[[BB3:.*]](%[[V14]] : i64)
// CHECK-NEXT: ^[[BB2]]:
// CHECK-NEXT: llvm.br ^[[BB3]](%[[N1]] : i64)
// CHECK-NEXT: ^[[BB3]](%[[V15:.*]]: i64):
// CHECK-NEXT: llvm.cond_br %[[C]], ^[[BB4:.*]], ^[[BB5:.*]]
// CHECK-NEXT: ^[[BB4]]:
// CHECK-NEXT: %[[V16:.*]] = llvm.call @inlined(%[[V15]]) : (i64) -> i64
// CHECK-NEXT: llvm.br ^[[BB5]]
// CHECK-NEXT: ^[[BB5]]:
// CHECK-NEXT: llvm.return %[[V15]] : i64
// CHECK-NEXT: }
// CHECK: llvm.func @waiting(%[[N2:.*]]: i64, %[[X2:.*]]: f32) -> i64 attributes {no_unwind, target_cpu = "generic"} {
// CHECK-NEXT: llvm.br ^[[BB1:.*]](%[[N2]], %[[X2]] : i64, f32)
// CHECK-NEXT: ^[[BB1]](%[[V17:.*]]: i64, %[[V18:.*]]: f32):
// CHECK-NEXT: %[[V19:.*]] = llvm.icmp "sgt" %[[V17]], %[[N2]] : i64
// CHECK-NEXT: llvm.cond_br %[[V19]], ^[[BB2:.*]](%[[V17]], %[[V18]] : i64, f32), ^[[BB3:.*]](%[[V17]], %[[V18]] : i64, f32)
// CHECK-NEXT: ^[[BB2]](%[[V20:.*]]: i64, %[[V21:.*]]: f32):
// CHECK-NEXT: %[[V22:.*]] = llvm.add %[[V20]], %[[N2]] : i64
// CHECK-NEXT: llvm.br ^[[BB1]](%[[V22]], %[[V21]] : i64, f32)
// CHECK-NEXT: ^[[BB3]](%[[V23:.*]]: i64, %[[V24:.*]]: f32):
// CHECK-NEXT: llvm.return %[[V23]] : i64
// CHECK-NEXT: }
// CHECK-NEXT: }
