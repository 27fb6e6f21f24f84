// RUN: llmir-opt %s -p convert-vk-to-llvm | filecheck %s

// Matrix registers are x86_amx values, which loops and branches carry; LLVM gives them their registers.

builtin.module attributes {vk.machine = "x86-amx"} {
  func.func @f(%p: !llvm.ptr, %q: !llvm.ptr, %n: i64, %some: i1) {
    %stride = arith.constant 64 : i64
    %zero = vk.tile_zero : !vk.tile<16, 64>
    %sums = scf.for %i = %stride to %n step %stride iter_args(%sum = %zero) -> (!vk.tile<16, 64>) : i64 {
      %a = vk.tile_load %p, %i : !vk.tile<16, 32>
      %b = vk.tile_load %q, %i : !vk.tile<8, 64>
      %next = vk.tile_dot "s8u8" %sum, %a, %b : !vk.tile<16, 64>, !vk.tile<16, 32>, !vk.tile<8, 64>
      scf.yield %next : !vk.tile<16, 64>
    }
    %chosen = scf.if %some -> (!vk.tile<16, 64>) {
      scf.yield %sums : !vk.tile<16, 64>
    } else {
      scf.yield %zero : !vk.tile<16, 64>
    }
    %own = vk.stack {bytes = 1024 : i64}
    vk.tile_store %chosen, %own, %stride : !vk.tile<16, 64>
    func.return
  }
  func.func @kinds(%p: !llvm.ptr, %n: i64) {
    %t = vk.tile_load %p, %n : !vk.tile<16, 64>
    %0 = vk.tile_dot "s8s8" %t, %t, %t : !vk.tile<16, 64>, !vk.tile<16, 64>, !vk.tile<16, 64>
    %1 = vk.tile_dot "u8s8" %0, %t, %t : !vk.tile<16, 64>, !vk.tile<16, 64>, !vk.tile<16, 64>
    %2 = vk.tile_dot "u8u8" %1, %t, %t : !vk.tile<16, 64>, !vk.tile<16, 64>, !vk.tile<16, 64>
    %3 = vk.tile_dot "bf16" %2, %t, %t : !vk.tile<16, 64>, !vk.tile<16, 64>, !vk.tile<16, 64>
    vk.tile_store %3, %p, %n : !vk.tile<16, 64>
    func.return
  }
}

// CHECK: llvm.func @f(%[[P:.*]]: !llvm.ptr, %[[Q:.*]]: !llvm.ptr, %[[N:.*]]: i64, %[[SOME:.*]]: i1)
// CHECK: %[[OWN:.*]] = llvm.alloca %{{.*}} x i8 {alignment = 64 : i64}
// CHECK: %[[ZERO:.*]] = llvm.call_intrinsic "llvm.x86.tilezero.internal"(%[[ROWS:.*]], %[[BYTES:.*]]) : (i16, i16) -> !llvm.x86_amx
// CHECK: ^{{.*}}(%[[I:.*]]: i64, %[[SUM:.*]]: !llvm.x86_amx):
// CHECK-NEXT: %[[A:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%[[ROWS]], %[[K:.*]], %[[P]], %[[I]]) : (i16, i16, !llvm.ptr, i64) -> !llvm.x86_amx
// CHECK-NEXT: %[[B:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%{{.*}}, %[[BYTES]], %[[Q]], %[[I]]) : (i16, i16, !llvm.ptr, i64) -> !llvm.x86_amx
// CHECK-NEXT: %{{.*}} = llvm.call_intrinsic "llvm.x86.tdpbsud.internal"(%[[ROWS]], %[[BYTES]], %[[K]], %[[SUM]], %[[A]], %[[B]]) : (i16, i16, i16, !llvm.x86_amx, !llvm.x86_amx, !llvm.x86_amx) -> !llvm.x86_amx
// CHECK: ^bb5(%[[CHOSEN:.*]]: !llvm.x86_amx):
// CHECK-NEXT: llvm.call_intrinsic "llvm.x86.tilestored64.internal"(%[[ROWS]], %[[BYTES]], %[[OWN]], %{{.*}}, %[[CHOSEN]])
// CHECK: llvm.func @kinds
// CHECK: %[[T:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// CHECK-NEXT: %[[V0:.*]] = llvm.call_intrinsic "llvm.x86.tdpbssd.internal"(%{{.*}}, %{{.*}}, %{{.*}}, %[[T]], %[[T]], %[[T]])
// CHECK-NEXT: %[[V1:.*]] = llvm.call_intrinsic "llvm.x86.tdpbusd.internal"(%{{.*}}, %{{.*}}, %{{.*}}, %[[V0]], %[[T]], %[[T]])
// CHECK-NEXT: %[[V2:.*]] = llvm.call_intrinsic "llvm.x86.tdpbuud.internal"(%{{.*}}, %{{.*}}, %{{.*}}, %[[V1]], %[[T]], %[[T]])
// CHECK-NEXT: llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"(%{{.*}}, %{{.*}}, %{{.*}}, %[[V2]], %[[T]], %[[T]])
