// RUN: llmir-opt %s -p 'convert-kernel-to-vk{machine=x86-avx2}' | filecheck %s
// RUN: llmir-opt %s -p 'convert-kernel-to-vk{machine=arm-i8mm}' | filecheck %s --check-prefix=ARM

// The team that runs a module's steps; the option says for which machine.

builtin.module {
  kernel.step @head(%hidden: memref<?x64xf32, "shared">, %logits: memref<?x64xf32, "shared">) {
    kernel.copy(%hidden) into(%logits) {split = #kernel.split<rows>} : (memref<?x64xf32, "shared">, memref<?x64xf32, "shared">) -> ()
  }
}

// CHECK: builtin.module attributes {vk.machine = "x86-avx2"} {
// ARM: builtin.module attributes {vk.machine = "arm-i8mm"} {

// CHECK: func.func private @syscall(i64, !llvm.ptr, i64, i64, i64) -> i64
// CHECK: func.func private @team_wait(%[[WORD:.*]]: !llvm.ptr, %[[SEEN:.*]]: i32, %[[SLEEPERS:.*]]: !llvm.ptr, %[[SPINS:.*]]: !llvm.ptr) {
// CHECK: %[[FUTEX:.*]] = arith.constant 202 : i64
// CHECK: %[[WAIT:.*]] = arith.constant 128 : i64
// CHECK: vk.atomic_load "acquire" %[[WORD]]
// CHECK: vk.pause
// CHECK: vk.atomic_add "seq_cst" %[[SLEEPERS]]
// CHECK: func.call @syscall(%[[FUTEX]], %[[WORD]], %[[WAIT]],
// ARM: func.func private @team_wait
// ARM: arith.constant 98 : i64
// CHECK: func.func private @team_wake
// CHECK: func.func private @team_barrier(%{{.*}}: !llvm.ptr, %{{.*}}: i64) {

// CHECK: func.func public @team_worker(%[[CONTEXT:.*]]: !llvm.ptr, %[[THREAD:.*]]: i64, %[[THREADS:.*]]: i64) {
// CHECK: func.call @team_wait(
// CHECK: scf.while
// CHECK: func.call @head(%[[CONTEXT]], %[[THREAD]], %[[THREADS]])
// CHECK: func.call @team_wait(
// CHECK: func.func public @team_run(%[[CONTEXT:.*]]: !llvm.ptr, %[[JOB:.*]]: i32, %[[THREADS:.*]]: i64) {
// CHECK: vk.store %[[JOB]], %{{.*}} {offset = 640 : i64, align = 4 : i64} : i32
// CHECK: vk.atomic_add "seq_cst"
// CHECK: func.call @team_wake(
// CHECK: func.call @head(%[[CONTEXT]], %{{.*}}, %[[THREADS]])
// CHECK: func.func public @team_spin
